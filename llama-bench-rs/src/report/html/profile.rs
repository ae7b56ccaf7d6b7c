//! Where the time goes.

use maud::{Markup, html};

use super::tables::{heading, scroll, scrolled};
use crate::{
    record::{OperationTimes, Report, Run},
    report::{
        in_words::duration,
        profiles::{Profiles, block_name, of_run},
    },
};

/// A row for each test that was profiled; nothing without any.
pub(super) fn profile(report: &Report) -> Markup {
    let Some(profiles) = Profiles::of(report) else { return html! {} };
    let with_names = profiles.rows.iter().any(|row| !row.name.is_empty());
    let cell = |text: Option<String>| html! { td { (text.as_deref().unwrap_or("–")) } };
    let table = html! {
        table class="pivot" {
            thead {
                tr {
                    @if with_names { th scope="col" { "configuration" } }
                    th scope="col" { "test" }
                    (heading("time", ""))
                    @for &kind in &profiles.kinds { (heading(block_name(kind), "")) }
                    @if profiles.has_copies { (heading("copies", "")) }
                    (heading("rest", ""))
                }
            }
            tbody {
                @for row in &profiles.rows {
                    tr {
                        @if with_names { th scope="row" class="name" { (row.name) } }
                        th scope="row" { (row.test) }
                        (cell(row.total()))
                        @for &kind in &profiles.kinds { (cell(row.block(kind))) }
                        @if profiles.has_copies { (cell(row.copies())) }
                        (cell(row.rest()))
                    }
                }
            }
        }
    };
    html! {
        h3 { "Where the time goes" }
        (scrolled(&profiles.caption(), table))
    }
}

/// The operations of each test of a run, folded away; nothing if they were not traced.
pub(super) fn operations(run: &Run) -> Markup {
    let all: Vec<_> =
        of_run(run).filter_map(|(test, profile)| Some((test, profile.operations.as_ref()?))).collect();
    html! {
        @if !all.is_empty() {
            details {
                summary { "Operations" }
                p class="caption" {
                    "Of one repetition with a stop after each operation, whose cost is subtracted. Operations that take less \
                     than their stops have no time (–)."
                }
                @for (test, times) in &all {
                    @let title = test.to_string();
                    h4 { (title) }
                    (scroll(&title, table(times)))
                }
            }
        }
    }
}

fn table(times: &OperationTimes) -> Markup {
    let time = |ns: u64| duration(std::time::Duration::from_nanos(ns));
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "operation" }
                    @for name in ["type", "block", "device", "number", "time", "with stops"] { (heading(name, "")) }
                }
            }
            tbody {
                @for it in &times.operations {
                    tr {
                        th scope="row" { (it.op) }
                        td { (it.data_type) }
                        td { (block_name(it.block)) }
                        td { (it.device) }
                        td { (it.n) }
                        td { @match it.elapsed_ns { Some(ns) => (time(ns)), None => "–" } }
                        td { (time(it.traced_ns)) }
                    }
                }
            }
        }
    }
}
