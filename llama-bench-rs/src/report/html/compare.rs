//! Several configurations, test by test, each held against the first.

use maud::{Markup, html};

use super::tables::heading;
use crate::{
    record::Report,
    report::side_by_side::{Change, Figure, SideBySide},
    stats::Verdict,
};

/// One line per test and depth, two columns per side after the first; nothing for a run on its own.
pub(super) fn side_by_side(report: &Report) -> Markup {
    let Some(all) = SideBySide::of(report) else { return html! {} };
    let is_alone = all.names.len() == 1;
    html! {
        h3 { "Side by side" }
        p class="caption" { (all.caption()) }
        div class="scroll" {
            table {
                thead {
                    tr {
                        th scope="col" { "test" }
                        @for (i, name) in all.names.iter().enumerate() {
                            (heading(name, "t/s"))
                            @if i > 0 { (heading("change", "95 % interval")) }
                        }
                        @if is_alone { (heading("95 % interval", "t/s, between runs")) }
                    }
                }
                tbody {
                    @for row in &all.rows {
                        tr {
                            th scope="row" { (row.name) }
                            td { @if let Some(first) = row.figures.first() { (figure(first)) } }
                            @if is_alone {
                                td { @if let Some(first) = row.figures.first() { (first.interval()) } }
                            }
                            @for (i, changed) in row.changes.iter().enumerate() {
                                td { @if let Some(other) = row.figures.get(i + 1) { (figure(other)) } }
                                td { @match changed { Some(changed) => (change(changed)), None => "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn figure(figure: &Figure<'_>) -> Markup {
    html! {
        @match figure {
            Figure::Failed(kind) => span class="failed" { (kind) },
            figure => (figure.text()),
        }
    }
}

/// The change with its interval and what it says.
fn change(change: &Change) -> Markup {
    let class = match change.finding.verdict {
        Verdict::Improved => "good",
        Verdict::Regressed => "failed",
        Verdict::NoChange | Verdict::CannotTell | Verdict::Inconclusive => "unit",
    };
    html! {
        (change.speedup) " "
        @if change.bounds.is_some() { "(" (change.interval()) ") " }
        span class=(class) { (change.finding) }
    }
}
