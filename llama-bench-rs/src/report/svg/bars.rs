//! The speed of each configuration as a bar, the fastest first, with its name beside it.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{
    Drawn, LegendEntry,
    depth::activity,
    panel::{SIZE, Shape, shortened, width_of},
    series::{KINDS, clean},
    speed::figure,
    theme::Ink,
};
use crate::{
    record::{Report, Test, TestKind},
    report::side_by_side::{Figure, Row, SideBySide},
    units::TokensPerSecond,
};

const WIDTH: u32 = SIZE.0;
/// Where the first bar's row begins.
const TOP: u32 = 46;
/// Names wider than this stand above their bars.
const WIDEST_BESIDE: f64 = 150.0;
/// Room for a figure behind a bar.
const FIGURE: f64 = 48.0;
/// Room for a marker before a name.
const SWATCH: f64 = 16.0;
const MARGIN: f64 = 6.0;

/// A side at one test.
struct Bar<'a> {
    name: &'a str,
    n_side: usize,
    figure: &'a Figure<'a>,
}

/// A test at one depth.
struct Chart<'a> {
    test: Test,
    /// The fastest first, those without a figure last.
    bars: Vec<Bar<'a>>,
}

/// The charts with a bar for each side, and how to read them; none for a report of one configuration.
pub(super) fn panels(report: &Report) -> (Vec<Drawn>, String) {
    let Some(all) = SideBySide::of(report).filter(|all| all.names.len() > 1) else {
        return (Vec::new(), String::new());
    };
    let shown: Vec<[Option<&Row<'_>>; 2]> =
        KINDS.into_iter().filter_map(|is_kind| ends(&all, is_kind)).collect();
    let mut charts = Vec::new();
    // The shallow ones in one line, the deep ones below them.
    for end in 0..2 {
        for pair in &shown {
            let Some((row, test)) = pair[end].and_then(|row| Some((row, row.test?))) else { continue };
            let most = pair.iter().flatten().flat_map(|row| &row.figures).map(reach).fold(0.0, f64::max);
            charts.push(Chart::new(test, row, &all.names).drawn(most));
        }
    }
    (
        charts,
        "Speed at the fast end of the runs; line: 95 % interval between runs, assumed if there is one run."
            .to_owned(),
    )
}

/// The rows of one test of a kind at the shallowest and at the deepest context; `None` if it was not measured.
fn ends<'a, 'b>(all: &'b SideBySide<'a>, is_kind: fn(TestKind) -> bool) -> Option<[Option<&'b Row<'a>>; 2]> {
    let n_measured = |row: &Row<'_>| row.figures.iter().filter(|figure| figure.rate().is_some()).count();
    let rows = || {
        let tests = all.rows.iter().filter_map(|row| Some((row.test?, row)));
        tests.filter(|(test, row)| is_kind(test.kind) && n_measured(row) > 0)
    };
    // A test of its own before the halves of a pg test, then the one of fewest sequences, then that which most was measured
    // of, then the longest.
    let weight = |of: Test| {
        let n: usize =
            rows().filter(|(test, _)| test.at_any_depth() == of).map(|(_, row)| n_measured(row)).sum();
        (of.group.is_none(), Reverse(of.n_parallel), n, of.kind.n_tokens())
    };
    let main = rows().map(|(test, _)| test.at_any_depth()).max_by_key(|of| weight(*of))?;
    let of_main = || rows().filter(|(test, _)| test.at_any_depth() == main);
    let (shallow, deep) =
        (of_main().min_by_key(|(test, _)| test.n_depth)?, of_main().max_by_key(|(test, _)| test.n_depth)?);
    Some([Some(shallow.1), (deep.0 != shallow.0).then_some(deep.1)])
}

/// How far a bar and its interval reach; a wild interval must not squash the bars.
fn reach(figure: &Figure<'_>) -> f64 {
    let rate = figure.rate().map_or(0.0, TokensPerSecond::get);
    figure.bounds().map_or(rate, |[_, upper]| upper.get().min(2.0 * rate))
}

impl<'a> Chart<'a> {
    fn new(test: Test, row: &'a Row<'a>, names: &'a [String]) -> Self {
        let bar =
            |(n_side, (figure, name)): (usize, (&'a Figure<'a>, &'a String))| Bar { name, n_side, figure };
        let mut bars: Vec<Bar<'_>> = row.figures.iter().zip(names).enumerate().map(bar).collect();
        let rate = |bar: &Bar<'_>| bar.figure.rate().map_or(0.0, TokensPerSecond::get);
        bars.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        Self { test, bars }
    }

    /// With bars on a scale from nothing to `most`, in tokens per second.
    fn drawn(&self, most: f64) -> Drawn {
        let widest = self.bars.iter().map(|bar| width_of(bar.name)).fold(0.0, f64::max);
        let (left, row_height) = if widest <= WIDEST_BESIDE {
            (MARGIN + SWATCH + widest + 6.0, 20)
        } else {
            (MARGIN + SWATCH, 34)
        };
        let scale = (f64::from(WIDTH) - left - FIGURE - MARGIN) / most;
        let heading = format!("{}, {}", activity(self.test.kind), self.test);
        let elements = html! {
            text class=(Ink::Text.fill_class()) fill=(Ink::Text.light()) x=(MARGIN) y="19" font-size="14" font-weight="bold" {
                (heading)
            }
            text class=(Ink::Muted.fill_class()) fill=(Ink::Muted.light()) x=(MARGIN) y="37" font-size="11" {
                "tokens per second"
            }
            @for (i, bar) in (0..).zip(&self.bars) {
                (bar.svg(TOP + i * row_height, left, scale))
            }
        };
        let height = TOP + self.bars.len() as u32 * row_height + 8;
        let description = self.description();
        Drawn { heading, description, size: (WIDTH, height), fine: 1, elements: elements.into_string() }
    }

    fn description(&self) -> String {
        let figures = self.bars.iter().map(|bar| match bar.figure.rate() {
            Some(rate) => format!("{} t/s ({})", figure(rate.get()), bar.name),
            None => format!("{} ({})", bar.without(), bar.name),
        });
        format!("{}: {}.", self.test, figures.collect::<Vec<_>>().join(", "))
    }
}

impl Bar<'_> {
    /// Its row, whose upper end is at `top`: the bar begins at `left`, a token per second is `scale` wide.
    fn svg(&self, top: u32, left: f64, scale: f64) -> Markup {
        let top = f64::from(top);
        let is_above = left <= MARGIN + SWATCH;
        let (bar_top, bar_height) = if is_above { (top + 16.0, 11.0) } else { (top + 3.0, 13.0) };
        let middle = bar_top + bar_height / 2.0;
        let name_middle = if is_above { top + 8.0 } else { middle };
        let ink = Ink::Series(self.n_side % Ink::N_SERIES);
        let shape = Shape::ALL[(self.n_side / Ink::N_SERIES) % Shape::ALL.len()];
        let swatch = LegendEntry { name: String::new(), ink, shape }.swatch();
        let speed = self.figure.rate().map(TokensPerSecond::get);
        let interval = self.figure.bounds().map(|bounds| bounds.map(TokensPerSecond::get));
        let end = left + scale * reach(self.figure);
        html! {
            g transform={ "translate(" (MARGIN + 5.0) " " (at(name_middle)) ")" } { (swatch) }
            (text(Ink::Text, MARGIN + SWATCH, name_middle, &shortened(self.name, room(MARGIN + SWATCH))))
            @if let Some(speed) = speed {
                rect class=(ink.fill_class()) fill=(ink.light()) opacity="0.6" x=(at(left)) y=(at(bar_top)) height=(bar_height)
                    width=(at(scale * speed)) {}
                @if let Some([lower, _]) = interval {
                    polyline class="s-text" stroke=(Ink::Text.light()) fill="none" stroke-width="1.25"
                        points={ (at(left + scale * lower)) "," (at(middle)) " " (at(end)) "," (at(middle)) } {}
                }
                (text(Ink::Text, end + 5.0, middle, &figure(speed)))
            } @else {
                (text(Ink::Warning, left, middle, &shortened(&self.without(), room(left))))
            }
        }
    }

    /// Why there is no bar.
    fn without(&self) -> String {
        match self.figure {
            Figure::Failed(kind) => format!("failed: {}", clean(kind.as_str())),
            Figure::Measured(..) | Figure::Missing => "not measured".to_owned(),
        }
    }
}

/// How wide a text that begins there can be.
fn room(left: f64) -> f64 {
    f64::from(WIDTH) - left - MARGIN
}

/// A place with as many decimals as can be seen.
fn at(units: f64) -> String {
    format!("{units:.1}")
}

fn text(ink: Ink, x: f64, middle: f64, content: &str) -> Markup {
    html! {
        text class=(ink.fill_class()) fill=(ink.light()) x=(at(x)) y=(at(middle + 4.0)) font-size="11" { (content) }
    }
}
