//! Puts title, legend and panels together, as a file of its own or as a part of a page.

use maud::{Markup, PreEscaped, html};

use super::{
    Drawing, Drawn, LegendEntry,
    panel::{FINE, MARKER, SIZE, Shape},
    theme::{classes, properties},
};

const MARGIN: u32 = 14;
const GAP: u32 = 10;
/// Height of the title, of the line below it and of a line of the legend.
const TITLE: u32 = 26;
const SUBTITLE: u32 = 20;
const ENTRY: u32 = 18;

impl Drawing {
    /// A file of its own: readable on any background, light or dark as the reader's system is.
    pub fn to_svg(&self) -> String {
        let n_columns = self.panels.len().clamp(1, 2) as u32;
        let n_rows = (self.panels.len() as u32).div_ceil(n_columns);
        let legend_top = MARGIN + TITLE + if self.subtitle.is_empty() { 0 } else { SUBTITLE };
        let panels_top = legend_top + ENTRY * self.legend.len() as u32 + GAP;
        let width = 2 * MARGIN + n_columns * (SIZE.0 + GAP) - GAP;
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
                text class="f-muted" fill="#59636e" x=(MARGIN + 6) y=(MARGIN + TITLE + 11) font-size="12" {
                    (self.subtitle)
                }
                @for (i, entry) in (0..).zip(&self.legend) {
                    g transform={ "translate(" (MARGIN + 14) " " (legend_top + ENTRY * i + ENTRY / 2) ")" } {
                        (entry.swatch())
                        text class="f-text" fill="#1f2328" x="14" y="4" font-size="12" { (entry.name) }
                    }
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
