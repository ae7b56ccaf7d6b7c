//! What a reader asks first: the result and its trust, the figures by depth, what was expected, what to run next.

use maud::{Markup, html};

use super::tables::{heading, scrolled};
use crate::{
    judge::assumed_of_one_run,
    record::TestKind,
    report::{
        answer::{
            Answer, Configuration, EnergyFigure, ExpectedRow, LightFigure, Next, PivotRow, Said, SpeedFigure,
            TimeFigure,
        },
        in_words::speed,
        insights::Level,
    },
};

/// The sentence below the title.
pub(super) fn headline(answer: &Answer) -> Markup {
    let class = match answer.headline.trust.level() {
        Level::Good => "good",
        Level::Note => "note",
        Level::Warning => "warning",
    };
    html! { p class={ "headline " (class) } { (answer.headline.sentence()) } }
}

/// The figures of a configuration on its own by depth; of several, one row each.
pub(super) fn pivot(answer: &Answer) -> Markup {
    html! {
        @match &answer.configurations[..] {
            [one] => (by_depth(one, &answer.caption())),
            several => (overview(several, &answer.caption())),
        }
        @if let Some(why) = answer.why_falls() { p { (why) } }
    }
}

/// The figures of one configuration, a row a depth; nothing if it has none.
fn by_depth(of: &Configuration, caption: &str) -> Markup {
    let pivot = &of.pivot;
    if pivot.rows.is_empty() {
        return html! {};
    }
    let columns = Columns::of(pivot.rows.iter());
    let name = |kind: Option<TestKind>, what: &str| {
        kind.map_or_else(|| what.to_owned(), |kind| format!("{what} {kind}"))
    };
    let table = html! {
        table class="pivot" {
            thead {
                tr {
                    th scope="col" { "depth" }
                    @if columns.prefill { (heading(&name(pivot.prefill, "prefill"), "t/s")) }
                    @if columns.embedding { (heading(&name(pivot.embedding, "embedding"), "t/s")) }
                    @if columns.generation { (heading(&name(pivot.generation, "generation"), "t/s")) }
                    (columns.other_headings())
                    @if columns.answers { (answer_headings()) }
                }
            }
            tbody {
                @for row in &pivot.rows {
                    tr { th scope="row" { (row.n_depth) } (columns.cells(Some(row))) }
                }
            }
        }
    };
    scrolled(caption, table)
}

fn answer_headings() -> Markup {
    html! {
        (heading("first token", ""))
        (heading("answer of 100", "tokens"))
        (heading("answer of 500", "tokens"))
    }
}

/// Several configurations at the shallowest and at the deepest context; nothing if none has a figure.
fn overview(all: &[Configuration], caption: &str) -> Markup {
    let depths = || all.iter().flat_map(|one| &one.pivot.rows).map(|row| row.n_depth);
    let (Some(shallow), Some(deep)) = (depths().min(), depths().max()) else { return html! {} };
    let depths = if shallow < deep { vec![shallow, deep] } else { vec![shallow] };
    let row = |one: &'_ Configuration, depth: u32| one.pivot.rows.iter().position(|row| row.n_depth == depth);
    let rows_at = |depth: u32| all.iter().filter_map(move |one| Some(&one.pivot.rows[row(one, depth)?]));
    let columns: Vec<Columns> = depths.iter().map(|&depth| Columns::of(rows_at(depth))).collect();
    let table = html! {
        table class="pivot" {
            thead {
                @if depths.len() > 1 {
                    tr {
                        td {}
                        @for (depth, columns) in depths.iter().zip(&columns) {
                            th scope="colgroup" class="group" colspan=(columns.n()) {
                                @if *depth == 0 { "empty context" } @else { "depth " (depth) }
                            }
                        }
                    }
                }
                tr {
                    th scope="col" { "configuration" }
                    @for columns in &columns {
                        @if columns.prefill { (heading("prefill", "t/s")) }
                        @if columns.embedding { (heading("embedding", "t/s")) }
                        @if columns.generation { (heading("generation", "t/s")) }
                        (columns.other_headings())
                        @if columns.answers { (answer_headings()) }
                    }
                }
            }
            tbody {
                @for one in all {
                    tr {
                        th scope="row" class="name" { (one.name) }
                        @for (&depth, columns) in depths.iter().zip(&columns) {
                            (columns.cells(row(one, depth).map(|i| &one.pivot.rows[i])))
                        }
                    }
                }
            }
        }
    };
    scrolled(caption, table)
}

/// Which columns have a figure.
struct Columns {
    prefill: bool,
    embedding: bool,
    generation: bool,
    /// By test: name and figure.
    energy: Vec<(&'static str, EnergyOf)>,
    /// The same of the share of the speed of light.
    light: Vec<(&'static str, LightOf)>,
    answers: bool,
}

type LightOf = fn(&PivotRow) -> Option<&LightFigure>;

/// The tests whose share of the speed of light may be known.
const LIGHT: [(&str, LightOf); 3] = [
    ("prefill", |row| row.prefill_light.as_ref()),
    ("embedding", |row| row.embedding_light.as_ref()),
    ("generation", |row| row.generation_light.as_ref()),
];

type EnergyOf = fn(&PivotRow) -> Option<EnergyFigure>;

/// The tests whose energy may be known.
const ENERGY: [(&str, EnergyOf); 3] = [
    ("prefill", |row| row.prefill_energy),
    ("embedding", |row| row.embedding_energy),
    ("generation", |row| row.generation_energy),
];

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = &'a PivotRow> + Clone) -> Self {
        let any = |has: fn(&PivotRow) -> bool| rows.clone().any(has);
        Self {
            prefill: any(|row| row.prefill.is_some()),
            embedding: any(|row| row.embedding.is_some()),
            generation: any(|row| row.generation.is_some()),
            energy: ENERGY.into_iter().filter(|(_, of)| rows.clone().any(|row| of(row).is_some())).collect(),
            light: LIGHT.into_iter().filter(|(_, of)| rows.clone().any(|row| of(row).is_some())).collect(),
            answers: any(|row| row.first_token.is_some()),
        }
    }

    fn n(&self) -> usize {
        [self.prefill, self.embedding, self.generation].into_iter().filter(|&is_shown| is_shown).count()
            + self.energy.len()
            + self.light.len()
            + if self.answers { 3 } else { 0 }
    }

    fn other_headings(&self) -> Markup {
        html! {
            @for (name, _) in &self.energy { (heading(name, "J/token")) }
            @for (name, _) in &self.light { (heading(name, "of light")) }
        }
    }

    fn cells(&self, row: Option<&PivotRow>) -> Markup {
        let speed = |of: fn(&PivotRow) -> Option<SpeedFigure>| speed_cell(row.and_then(of));
        html! {
            @if self.prefill { (speed(|row| row.prefill)) }
            @if self.embedding { (speed(|row| row.embedding)) }
            @if self.generation { (speed(|row| row.generation)) }
            @for (_, of) in &self.energy { (cell(row.and_then(of).map(|energy| energy.to_string()))) }
            @for (_, of) in &self.light { (cell(row.and_then(of).map(ToString::to_string))) }
            @if self.answers {
                (time_cell(row.and_then(|row| row.first_token)))
                @for i in 0..2 { (time_cell(row.and_then(|row| row.answers[i]))) }
            }
        }
    }
}

pub(super) fn speed_cell(figure: Option<SpeedFigure>) -> Markup {
    cell(figure.map(|figure| figure.bare()))
}

fn time_cell(figure: Option<TimeFigure>) -> Markup {
    cell(figure.map(|figure| figure.to_string()))
}

/// A figure with its uncertainty below it, or a dash.
fn cell(figure: Option<String>) -> Markup {
    html! {
        td {
            @match figure.as_deref().map(|text| text.split_once(" ± ").unwrap_or((text, ""))) {
                None => "–",
                Some((figure, "")) => (figure),
                Some((figure, off)) => { (figure) " " span class="off" { "± " (off) } }
            }
        }
    }
}

/// What the figures mean beyond the tables.
pub(super) fn said(all: &[Said]) -> Markup {
    html! {
        @if !all.is_empty() {
            section {
                h2 { "What it says" }
                ul class="statements" {
                    @for Said { level, of, text, .. } in all {
                        (statement(*level, html! { @if !of.is_empty() { strong { (of) ": " } } (text) }))
                    }
                }
            }
        }
    }
}

/// One sentence of a list.
pub(super) fn statement(level: Level, text: Markup) -> Markup {
    let (class, word) = match level {
        Level::Good => ("good", "Good"),
        Level::Note => ("note", ""),
        Level::Warning => ("warning", "Warning"),
    };
    html! { li class=(class) { @if !word.is_empty() { strong { (word) ": " } } (text) } }
}

/// Expectations, measured speeds and verdicts; nothing if nothing was expected.
pub(super) fn expected(rows: &[ExpectedRow]) -> Markup {
    let with_names = rows.iter().any(|row| !row.configuration.is_empty());
    let table = html! {
        table {
            thead {
                tr {
                    @if with_names { th scope="col" { "configuration" } }
                    th scope="col" { "test" }
                    (heading("expected", ""))
                    (heading("measured", "t/s"))
                    (heading("95 % interval", "t/s"))
                    (heading("verdict", ""))
                }
            }
            tbody { @for row in rows { (expected_row(row, with_names)) } }
        }
    };
    let caption = format!(
        "Decided by the 95 % interval between runs; of a single run, {}. On the edge: the interval holds a limit.",
        assumed_of_one_run()
    );
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Expected and measured" }
                (scrolled(&caption, table))
            }
        }
    }
}

fn expected_row(ExpectedRow { configuration, expected, .. }: &ExpectedRow, with_name: bool) -> Markup {
    let class = match expected.level() {
        Level::Good => "good",
        Level::Note => "unit",
        Level::Warning => "failed",
    };
    html! {
        tr {
            @if with_name { th scope="row" class="name" { (configuration) } }
            th scope="row" { (expected.expectation.test()) }
            td { (expected.expectation.range()) }
            @match expected.measured {
                None => { td { "–" } td { "–" } }
                Some(measured) => {
                    td { (speed(measured.rate)) }
                    td { (speed(measured.bounds.lower())) " to " (speed(measured.bounds.upper())) br; span class="unit" { (measured.scope()) } }
                }
            }
            td { span class=(class) { (expected.verdict) } }
        }
    }
}

/// Commands to copy; a click selects a whole one.
pub(super) fn next(all: &[Next]) -> Markup {
    html! {
        @if !all.is_empty() {
            section {
                h2 { "What to run next" }
                @for next in all {
                    p class="why" { (crate::report::in_words::sentence(&next.why)) ":" }
                    pre { code { (next.command) } }
                }
            }
        }
    }
}
