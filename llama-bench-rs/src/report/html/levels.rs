//! What several sequences at once bring.

use maud::{Markup, html};

use super::{
    answer::speed_cell,
    tables::{heading, scrolled},
};
use crate::{
    record::Test,
    report::{
        answer::Answer,
        in_words::{duration, speed},
        levels::{LevelFigure, LevelRow, Levels},
    },
};

/// A kind of test.
struct Kind {
    name: &'static str,
    /// What a row has of it.
    of: fn(&LevelRow) -> Option<LevelFigure>,
    /// The test that stands for it.
    test: fn(&Levels) -> Option<Test>,
}

const KINDS: [Kind; 2] = [
    Kind { name: "generation", of: |row| row.generation, test: |levels| levels.generation },
    Kind { name: "prefill", of: |row| row.prefill, test: |levels| levels.prefill },
];

/// A row for each depth and number of sequences, and what they mean; nothing if every test was of one sequence.
pub(super) fn levels(answer: &Answer) -> Markup {
    let rows = answer.level_rows();
    if rows.is_empty() {
        return html! {};
    }
    let with_names = answer.configurations.len() > 1;
    let is_measured = |kind: &&Kind| rows.iter().any(|(.., row)| (kind.of)(row).is_some());
    let kinds: Vec<&Kind> = KINDS.iter().filter(is_measured).collect();
    let with_steps = rows.iter().any(|(.., row)| row.step_times.is_some());
    let n_columns = 3 * kinds.len() + if with_steps { 3 } else { 0 };
    let named = |kind: &Kind| {
        let tests = rows.iter().filter_map(|(_, levels, _)| (kind.test)(levels));
        let mut tests: Vec<String> = tests.map(|test| test.at_any_depth().to_string()).collect();
        tests.dedup();
        if let [one] = &tests[..] { format!("{} {one}", kind.name) } else { kind.name.to_owned() }
    };
    let table = html! {
        table class="pivot" {
            thead {
                tr {
                    @if with_names { td {} }
                    td {}
                    td {}
                    @for kind in &kinds { th scope="colgroup" class="group" colspan="3" { (named(kind)) } }
                    @if with_steps { th scope="colgroup" class="group" colspan="3" { "step" } }
                }
                tr {
                    @if with_names { th scope="col" { "configuration" } }
                    th scope="col" { "depth" }
                    (heading("sequences", ""))
                    @for _ in &kinds { (heading("total", "t/s")) (heading("each", "t/s")) (heading("scaling", "")) }
                    @if with_steps { @for name in ["p50", "p90", "p99"] { (heading(name, "")) } }
                }
            }
            tbody {
                @for (configuration, levels, row) in &rows {
                    tr {
                        @if with_names { th scope="row" class="name" { (configuration.name) } }
                        th scope="row" { (levels.n_depth) }
                        td { (row.n_parallel) }
                        @if let Some(failure) = &row.failure {
                            td class="failed" colspan=(n_columns) { strong { (failure.kind) } " " (failure.message) }
                        } @else {
                            @for kind in &kinds { (figures((kind.of)(row))) }
                            @if with_steps { (step_times(row)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { "By number of sequences" }
        (scrolled(&answer.levels_caption(), table))
        @for (name, said) in answer.levels_said() {
            p { @if !name.is_empty() { strong { (name) ": " } } (said) }
        }
    }
}

fn figures(figure: Option<LevelFigure>) -> Markup {
    let scaling = figure.map_or_else(String::new, |figure| figure.scaling_words());
    html! {
        (speed_cell(figure.map(|figure| figure.total)))
        td { @match figure { Some(figure) => (speed(figure.each.rate)), None => "–" } }
        td { @if scaling.is_empty() { "–" } @else { (scaling) } }
    }
}

fn step_times(row: &LevelRow) -> Markup {
    let times = row.step_times.map(|times| [times.p50, times.p90, times.p99]);
    html! {
        @match times {
            Some(times) => @for time in times { td { (duration(time)) } },
            None => @for _ in 0..3 { td { "–" } },
        }
    }
}
