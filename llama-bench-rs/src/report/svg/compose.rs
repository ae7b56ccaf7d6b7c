//! Puts title, legend and panels together, as a file of its own or as a part of a page.

use std::borrow::Cow;

use maud::{Markup, PreEscaped, html};

use super::{
    Drawing, Drawn, LegendEntry,
    panel::{MARKER, Shape, width_of},
    theme::{classes, properties},
};

const MARGIN: u32 = 14;
const GAP: u32 = 10;
/// Height of the title and of a line of small text.
const TITLE: u32 = 26;
const LINE: u32 = 16;
const SMALL: f64 = 12.0;

/// More columns of the legend than this are not read as one.
const MOST_COLUMNS: usize = 4;

/// An entry of the legend at its place.
struct Placed<'a> {
    entry: &'a LegendEntry,
    /// Its name, line by line.
    names: Vec<String>,
    left: u32,
    top: u32,
}

impl Placed<'_> {
    fn bottom(&self) -> u32 {
        self.top + LINE * self.names.len() as u32 + 3
    }
}

impl Drawing {
    /// A file of its own: readable on any background, light or dark as the reader's system is.
    pub fn to_svg(&self) -> String {
        let n_columns = self.panels.len().clamp(1, 2);
        let widest = self.panels.iter().map(|panel| panel.size.0).max().unwrap_or(0);
        let width = 2 * MARGIN + n_columns as u32 * (widest + GAP) - GAP;
        let wrap = |text: &str| wrap(text, f64::from(width - 2 * MARGIN - 20));
        let subtitle = [wrap(&self.subtitle), wrap(&self.caption)].concat();
        let legend_top = MARGIN + TITLE + LINE * subtitle.len() as u32 + 6;
        let legend = self.placed_legend(width, legend_top);
        let panels_top = legend.iter().map(Placed::bottom).max().unwrap_or(legend_top) + GAP;
        let rows: Vec<&[Drawn]> = self.panels.chunks(n_columns).collect();
        let height_of = |row: &[Drawn]| row.iter().map(|panel| panel.size.1).max().unwrap_or(0) + GAP;
        let row_tops: Vec<u32> = rows
            .iter()
            .scan(panels_top, |top, row| Some(std::mem::replace(top, *top + height_of(row))))
            .collect();
        let height = panels_top + rows.iter().map(|row| height_of(row)).sum::<u32>() + MARGIN - GAP;
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
                @for Placed { entry, names, left, top } in &legend {
                    g transform={ "translate(" (left + 14) " " (top + 6) ")" } { (entry.swatch()) }
                    (lines(names, "f-text", "#1f2328", (left + 28, top + 10)))
                }
                @for (row, top) in rows.iter().zip(&row_tops) {
                    @for (column, panel) in (0..).zip(*row) {
                        (panel.svg(Some((MARGIN + column * (widest + GAP), *top))))
                    }
                }
            }
        };
        svg.into_string()
    }

    /// The legend in as many columns as its names have room for; what is longer than a line is wrapped.
    fn placed_legend(&self, width: u32, mut top: u32) -> Vec<Placed<'_>> {
        let room = f64::from(width - 2 * MARGIN);
        let widest = self.legend.iter().map(|entry| width_of(&entry.name)).fold(0.0, f64::max) * SMALL / 11.0;
        let n_columns = ((room / (widest + 40.0)) as usize).clamp(1, MOST_COLUMNS);
        let column = room / n_columns as f64;
        let mut placed: Vec<Placed<'_>> = Vec::new();
        for row in self.legend.chunks(n_columns) {
            let start = placed.len();
            for (i, entry) in row.iter().enumerate() {
                let (left, names) = (MARGIN + (i as f64 * column) as u32, wrap(&entry.name, column - 36.0));
                placed.push(Placed { entry, names, left, top });
            }
            top = placed[start..].iter().map(Placed::bottom).max().unwrap_or(top);
        }
        placed
    }

    /// A part of a page, which must set the colours as custom properties and have the rules for the classes; that of
    /// [`html`](crate::report::html) does.
    pub fn to_html(&self) -> String {
        let figure = html! {
            figure class="picture" {
                figcaption {
                    h3 { (self.title) }
                    @if !self.caption.is_empty() { p class="caption" { (self.caption) } }
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

/// Small text in lines of at most this many units, estimated, since no font is read.
fn wrap(text: &str, width: f64) -> Vec<String> {
    let n_characters = (width / (0.53 * SMALL)) as usize;
    let options = textwrap::Options::new(n_characters).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
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
        let (width, height) = self.size;
        let view_box = format!("0 0 {} {}", width * self.fine, height * self.fine);
        html! {
            @match place {
                Some((x, y)) => svg x=(x) y=(y) width=(width) height=(height) viewBox=(view_box) {
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
    pub(super) fn swatch(&self) -> Markup {
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
