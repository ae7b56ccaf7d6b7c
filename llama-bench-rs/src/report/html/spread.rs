//! How the times of several configurations are spread, beside their means.

use maud::{Markup, html};

use super::tables::{heading, scrolled};
use crate::{
    record::TestKind,
    report::{
        answer::{Configuration, Percentiles},
        in_words::duration,
        levels::starts_at,
    },
};

/// A table for the shallowest and one for the deepest context, with a row for each configuration. Nothing for a single one:
/// the table of its cells has percentiles.
pub(super) fn spread(all: &[Configuration]) -> Markup {
    let depths = || all.iter().flat_map(|one| &one.pivot.rows).map(|row| row.n_depth);
    let (Some(shallow), Some(deep), 2..) = (depths().min(), depths().max(), all.len()) else {
        return html! {};
    };
    html! {
        h3 { "How the times are spread" }
        p class="caption" {
            "Times of whole prompts and embeddings, and of single generated tokens; p50, p90 and p99 are percentiles."
        }
        (at_depth(all, shallow))
        @if deep > shallow { (at_depth(all, deep)) }
    }
}

/// The test that stands for a kind.
type Main = fn(&Configuration) -> Option<TestKind>;

/// The kinds of tests, as columns are called.
const KINDS: [(&str, Main); 3] = [
    ("prompt", |one| one.pivot.prefill),
    ("embedding", |one| one.pivot.embedding),
    ("token", |one| one.pivot.generation),
];

fn at_depth(all: &[Configuration], n_depth: u32) -> Markup {
    let of = |one: &'_ Configuration, kind: Option<TestKind>| {
        let is_it = |it: &Percentiles| {
            Some(it.test.kind) == kind && it.test.n_parallel == 1 && starts_at(it.test) == Some(n_depth)
        };
        one.percentiles.iter().find(|it| is_it(it)).copied()
    };
    let has_any =
        |kind: &fn(&Configuration) -> Option<TestKind>| all.iter().any(|one| of(one, kind(one)).is_some());
    let kinds: Vec<_> = KINDS.iter().filter(|(_, kind)| has_any(kind)).collect();
    let caption =
        if n_depth == 0 { "In an empty context:".to_owned() } else { format!("At depth {n_depth}:") };
    let table = html! {
        table {
            thead {
                tr {
                    td {}
                    @for (name, _) in &kinds { th scope="colgroup" class="group" colspan="4" { (name) } }
                }
                tr {
                    th scope="col" { "configuration" }
                    @for _ in &kinds { @for name in ["mean", "p50", "p90", "p99"] { (heading(name, "")) } }
                }
            }
            tbody {
                @for one in all {
                    tr {
                        th scope="row" class="name" { (one.name) }
                        @for (_, kind) in &kinds { (cells(of(one, kind(one)))) }
                    }
                }
            }
        }
    };
    scrolled(&caption, table)
}

fn cells(of: Option<Percentiles>) -> Markup {
    let spread = of.and_then(|of| of.spread);
    let times = [
        of.map(|of| of.mean),
        spread.map(|spread| spread.p50),
        spread.map(|spread| spread.p90),
        spread.map(|spread| spread.p99),
    ];
    html! { @for time in times { td { (time.map_or_else(|| "–".to_owned(), duration)) } } }
}
