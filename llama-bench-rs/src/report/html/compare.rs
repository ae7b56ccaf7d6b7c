//! Several configurations, one row each, compared with the first.

use maud::{Markup, html};

use super::tables::{heading, scrolled};
use crate::{
    judge::Verdict,
    judge::{Because, Finding},
    record::{Report, Test},
    report::{
        in_words,
        side_by_side::{Change, Figure, Row, SideBySide, shift_name},
        svg::figure,
    },
};

/// One table per kind of test, a column for each depth; nothing for a run on its own. A ranking, if there is one, says what
/// one run of each configuration can show.
pub(super) fn side_by_side(report: &Report, has_ranking: bool) -> Markup {
    let Some(all) = SideBySide::of(report) else { return html! {} };
    if all.names.len() == 1 {
        return runs_together(&all);
    }
    let shared = shared_finding(&all.rows);
    let is_ranked = has_ranking && shared.is_some_and(|finding| finding.because == Because::OneRunEach);
    html! {
        h3 { "Side by side" }
        p class="caption" {
            @if is_ranked {
                "Speed in t/s at the fast end of each run, and its change from the first configuration. The list of the \
                 best says which differences are sure."
            } @else {
                (all.caption())
                @if let Some(finding) = &shared { " All changes: " (finding) "." }
            }
        }
        @for (test, rows) in by_test(&all.rows) {
            (scrolled(&test, table(&all.names, &rows, shared.is_none())))
        }
    }
}

/// The rows of each test over its depths, each test under its name. What the tests of a kind share is a column of its only
/// test, or stands alone.
fn by_test<'a, 'b>(rows: &'b [Row<'a>]) -> Vec<(String, Vec<&'b Row<'a>>)> {
    // At any depth.
    let mut tests: Vec<(Test, Vec<&Row<'_>>)> = Vec::new();
    for row in rows {
        let Some(test) = row.test else { continue };
        let key = test.at_any_depth();
        match tests.iter_mut().find(|(other, _)| *other == key) {
            Some((_, rows)) => rows.push(row),
            None => tests.push((key, vec![row])),
        }
    }
    for (_, rows) in &mut tests {
        rows.sort_by_key(|row| row.test.map(|test| test.n_depth));
    }
    let mut alone = Vec::new();
    for shift in rows.iter().filter(|row| row.test.is_none()) {
        let mut of_kind: Vec<_> =
            tests.iter_mut().filter(|(test, _)| shift.name == shift_name(test.kind.family())).collect();
        match &mut of_kind[..] {
            [(_, rows)] => rows.push(shift),
            _ => alone.push((format!("What {} tests share", shift.name), vec![shift])),
        }
    }
    let named = |(test, rows): (Test, Vec<&'b Row<'a>>)| {
        let activity = in_words::sentence(in_words::activity(test.kind));
        (format!("{activity}, {test}, t/s"), rows)
    };
    tests.into_iter().map(named).chain(alone).collect()
}

fn table(names: &[String], rows: &[&Row<'_>], with_findings: bool) -> Markup {
    html! {
        table class="sides" {
            thead {
                tr {
                    th scope="col" { "configuration" }
                    @for row in rows { (heading(&column(row), "")) }
                }
            }
            tbody {
                @for (i, name) in names.iter().enumerate() {
                    tr {
                        th scope="row" { (name) @if i == 0 { span class="unit" { "compared with" } } }
                        @for row in rows { td { (cell(row, i, with_findings)) } }
                    }
                }
            }
        }
    }
}

/// What a column is of.
fn column(row: &Row<'_>) -> String {
    match row.test {
        Some(test) if test.n_depth == 0 => "empty context".to_owned(),
        Some(test) => format!("@ d{}", test.n_depth),
        None => row.name.clone(),
    }
}

fn cell(row: &Row<'_>, side: usize, with_findings: bool) -> Markup {
    let changed = side.checked_sub(1).and_then(|side| row.changes.get(side)?.as_ref());
    html! {
        @if let Some(measured) = row.figures.get(side) { (speed(measured)) }
        @if let Some(changed) = changed { (change(changed, with_findings)) }
    }
}

fn speed(measured: &Figure<'_>) -> Markup {
    html! {
        @match measured {
            Figure::Failed(kind) => span class="failed" { (kind) },
            Figure::Measured(..) | Figure::Missing => {
                (measured.rate().map_or_else(|| "–".to_owned(), |rate| figure(rate.get())))
            }
        }
    }
}

/// The change with its interval, and with its verdict unless all changes have the same.
fn change(change: &Change, with_finding: bool) -> Markup {
    let class = match change.finding.verdict {
        Verdict::Improved => "good",
        Verdict::Regressed => "failed",
        Verdict::NoChange | Verdict::CannotTell | Verdict::Inconclusive => "unit",
    };
    html! {
        span class={ "line " (class) } { (change.speedup) }
        @if change.bounds.is_some() { span class="line unit" { (change.interval()) } }
        @if with_finding { span class={ "line " (class) } { (change.finding) } }
    }
}

/// The verdict that all changes share; `None` if they differ or there is none.
fn shared_finding(rows: &[Row<'_>]) -> Option<Finding> {
    let mut findings = rows.iter().flat_map(|row| row.changes.iter().flatten()).map(|change| change.finding);
    let first = findings.next()?;
    findings.all(|finding| finding == first).then_some(first)
}

/// The figures of several runs of one configuration together.
fn runs_together(all: &SideBySide<'_>) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "test" }
                    @for name in &all.names { (heading(name, "t/s")) }
                    (heading("95 % interval", "t/s, between runs"))
                }
            }
            tbody {
                @for row in &all.rows {
                    tr {
                        th scope="row" { (row.name) }
                        @for measured in &row.figures {
                            td { (speed(measured)) }
                            td { (interval(measured)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { "All runs together" }
        (scrolled(&all.caption(), table))
    }
}

fn interval(measured: &Figure<'_>) -> String {
    let text = |[lower, upper]: [crate::units::TokensPerSecond; 2]| {
        format!("{} to {}", figure(lower.get()), figure(upper.get()))
    };
    measured.bounds().map(text).unwrap_or_default()
}
