//! Puts title, legend and panels together, as a file of its own or as a part of a page.

use maud::{Markup, PreEscaped, html};

use super::{
    Drawing, Drawn, LegendEntry,
    panel::{FINE, MARKER, SIZE, Shape},
    theme::{classes, properties},
};

const MARGIN: u32 = 14;
const GAP: u32 = 10;
/// Height of the title and of a line of small text.
const TITLE: u32 = 26;
const LINE: u32 = 16;
const SMALL: f64 = 12.0;

impl Drawing {
    /// A file of its own: readable on any background, light or dark as the reader's system is.
    pub fn to_svg(&self) -> String {
        let n_columns = self.panels.len().clamp(1, 2) as u32;
        let n_rows = (self.panels.len() as u32).div_ceil(n_columns);
        let width = 2 * MARGIN + n_columns * (SIZE.0 + GAP) - GAP;
        let wrap = |text: &str| wrap(text, f64::from(width - 2 * MARGIN - 20));
        let subtitle = wrap(&self.subtitle);
        let legend: Vec<_> = self.legend.iter().map(|entry| (entry, wrap(&entry.name))).collect();
        let legend_top = MARGIN + TITLE + LINE * subtitle.len() as u32 + 6;
        let heights = legend.iter().map(|(_, lines)| LINE * lines.len() as u32 + 3);
        let tops: Vec<u32> =
            heights.scan(legend_top, |top, height| Some(std::mem::replace(top, *top + height))).collect();
        let n_lines: usize = legend.iter().map(|(_, lines)| lines.len()).sum();
        let panels_top = legend_top + LINE * n_lines as u32 + 3 * legend.len() as u32 + GAP;
        let height = panels_top + n_rows * (SIZE.1 + GAP) + MARGIN - GAP;
        let place = |i: usize| {
            let (row, column) = (i as u32 / n_columns, i as u32 % n_columns);
            (MARGIN + column * (SIZE.0 + GAP), panels_top + row * (SIZE.1 + GAP))
        };
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" aria-labelledby="title desc"
                viewBox={ "0 0 " (width) " " (height) } {
                title id="title" { (self.title) }
                desc id="desc" { (self.description()) }
                style { (PreEscaped(style())) }
                rect class="f-surface" width=(width) height=(height) rx="6" fill="#ffffff" {}
                text class="f-text" fill="#1f2328" x=(MARGIN + 6) y=(MARGIN + 15) font-size="18" font-weight="bold" {
                    (self.title)
                }
                (lines(&subtitle, "f-muted", "#59636e", (MARGIN + 6, MARGIN + TITLE + 8)))
                @for ((entry, names), top) in legend.iter().zip(&tops) {
                    g transform={ "translate(" (MARGIN + 14) " " (top + 6) ")" } { (entry.swatch()) }
                    (lines(names, "f-text", "#1f2328", (MARGIN + 28, top + 10)))
                }
                @for (i, panel) in self.panels.iter().enumerate() {
                    (panel.svg(Some(place(i))))
                }
            }
        };
        svg.into_string()
    }

    /// A part of a page, which must set the colours as custom properties and have the rules for the classes; that of
    /// [`html`](crate::report::html) does.
    pub fn to_html(&self) -> String {
        let figure = html! {
            figure class="picture" {
                figcaption {
                    h3 { (self.title) }
                    @if !self.legend.is_empty() {
                        ul class="legend" {
                            @for entry in &self.legend {
                                li {
                                    svg viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true" {
                                        (entry.swatch())
                                    }
                                    " " (entry.name)
                                }
                            }
                        }
                    }
                }
                div class="panels" {
                    @for panel in &self.panels { (panel.svg(None)) }
                }
            }
        };
        figure.into_string()
    }
}

/// Small text in lines that are no wider than so many units, as far as can be told without a font.
fn wrap(text: &str, width: f64) -> Vec<String> {
    let n_characters = (width / (0.53 * SMALL)) as usize;
    let options = textwrap::Options::new(n_characters).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(|line| line.into_owned()).collect()
}

fn lines(lines: &[String], class: &str, fill: &str, (x, y): (u32, u32)) -> Markup {
    html! {
        @for (i, line) in (0..).zip(lines) {
            text class=(class) fill=(fill) x=(x) y=(y + LINE * i) font-size=(SMALL) { (line) }
        }
    }
}

/// The style sheet of a file of its own.
fn style() -> String {
    let (light, dark) = properties();
    format!(
        ".picture{{font-family:system-ui,-apple-system,\"Segoe UI\",\"Liberation Sans\",sans-serif;{light}}}\
         @media (prefers-color-scheme:dark){{.picture{{{dark}}}}}.f-surface{{fill:var(--surface)}}{}",
        classes()
    )
}

impl Drawn {
    /// At a place within another picture, or on its own.
    fn svg(&self, place: Option<(u32, u32)>) -> Markup {
        let view_box = format!("0 0 {} {}", SIZE.0 * FINE, SIZE.1 * FINE);
        html! {
            @match place {
                Some((x, y)) => svg x=(x) y=(y) width=(SIZE.0) height=(SIZE.1) viewBox=(view_box) {
                    (PreEscaped(&self.elements))
                },
                None => svg viewBox=(view_box) role="img" {
                    title { (self.heading) }
                    desc { (self.description) }
                    (PreEscaped(&self.elements))
                },
            }
        }
    }
}

impl LegendEntry {
    /// The marker around the origin.
    fn swatch(&self) -> Markup {
        let (class, fill) = (self.ink.fill_class(), self.ink.light());
        let size = MARKER * 1.3;
        let points: Vec<String> =
            self.shape.corners().iter().map(|(x, y)| format!("{:.2},{:.2}", x * size, y * size)).collect();
        html! {
            @match self.shape {
                Shape::Disc => circle class=(class) fill=(fill) r=(size) {},
                _ => polygon class=(class) fill=(fill) points=(points.join(" ")) {},
            }
        }
    }
}
