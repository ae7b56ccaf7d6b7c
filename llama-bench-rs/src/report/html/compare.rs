//! Several runs, cell by cell, each held against the first.

use maud::{Markup, html};

use super::tables::heading;
use crate::{
    record::{Cell, Report, Run, Test},
    report::svg::mean_rate,
    stats::{Comparison, Design, Threshold, Verdict},
    units::Speedup,
};

/// One line per test and depth, two columns per run after the first; nothing for a run on its own.
pub(super) fn side_by_side(report: &Report) -> Markup {
    let [first, others @ ..] = &report.runs[..] else { return html! {} };
    let mut tests: Vec<Test> = Vec::new();
    for (_, cell) in report.cells() {
        if !tests.contains(&cell.test) {
            tests.push(cell.test);
        }
    }
    let changes: Vec<Vec<Option<Comparison>>> =
        others.iter().map(|run| changes(first, run, &tests)).collect();
    html! {
        @if !others.is_empty() {
            h3 { "Side by side" }
            p class="caption" {
                "Mean speed, and the change from run 1. A change up to "
                (format!("{:.0}", Threshold::default().noise)) " is noise; the chance of a false alarm is "
                (format!("{:.0}", Threshold::default().alpha.as_share())) " over all cells of a run together."
            }
            div class="scroll" {
                table {
                    thead {
                        tr {
                            th scope="col" { "test" }
                            @for n in 1..=report.runs.len() {
                                (heading(&format!("run {n}"), "t/s"))
                                @if n > 1 { (heading("change", "95 % interval")) }
                            }
                        }
                    }
                    tbody {
                        @for (row, test) in tests.iter().enumerate() {
                            tr {
                                th scope="row" { (test) }
                                td { (speed(find(first, test))) }
                                @for (run, changes) in others.iter().zip(&changes) {
                                    td { (speed(find(run, test))) }
                                    td { (change(changes[row].as_ref(), find(first, test), find(run, test))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn find<'a>(run: &'a Run, test: &Test) -> Option<&'a Cell> {
    run.cells.iter().find(|cell| cell.test == *test)
}

/// The comparisons of each test, corrected for their number.
fn changes(first: &Run, run: &Run, tests: &[Test]) -> Vec<Option<Comparison>> {
    let of = |test: &Test| {
        let (before, after) = (find(first, test)?.times()?, find(run, test)?.times()?);
        Comparison::of_times(&before, &after, Design::Independent, Threshold::default()).ok()
    };
    let found: Vec<Option<Comparison>> = tests.iter().map(of).collect();
    let mut corrected: Vec<Comparison> = found.iter().flatten().copied().collect();
    Comparison::correct(&mut corrected);
    let mut corrected = corrected.into_iter();
    found.into_iter().map(|found| found.and_then(|_| corrected.next())).collect()
}

fn speed(cell: Option<&Cell>) -> Markup {
    html! {
        @match cell.map(|cell| (mean_rate(cell), cell.failure())) {
            None => "–",
            Some((Some(rate), _)) => (format!("{:.2}", rate.get())),
            Some((None, Some(failure))) => span class="failed" { (failure.kind) },
            Some((None, None)) => "–",
        }
    }
}

/// The change with its interval and what it says; without samples on both sides the change alone.
fn change(comparison: Option<&Comparison>, before: Option<&Cell>, after: Option<&Cell>) -> Markup {
    let Some(comparison) = comparison else {
        let ratio = before.and_then(mean_rate).zip(after.and_then(mean_rate));
        let ratio = ratio.and_then(|(before, after)| Speedup::new(after.get() / before.get()));
        return html! { @match ratio { Some(ratio) => (signed(ratio)), None => "–" } };
    };
    let Comparison { speedup, lower, upper, verdict, .. } = *comparison;
    let (class, word) = match verdict {
        Verdict::Improved => ("good", "faster"),
        Verdict::Regressed => ("failed", "slower"),
        Verdict::NoChange => ("unit", "no change"),
        Verdict::CannotTell => ("unit", "cannot tell"),
    };
    html! {
        (signed(speedup)) " (" (points(lower)) " to " (points(upper)) ") "
        span class=(class) { (word) }
    }
}

/// What lies beyond 1, in percent with its sign.
fn signed(ratio: Speedup) -> String {
    format!("{} %", points(ratio))
}

fn points(ratio: Speedup) -> String {
    format!("{:+.1}", (ratio.get() - 1.0) * 100.0)
}
