//! What llama.cpp computed, and what changed between runs.

use maud::{Markup, html};

use super::tables::{heading, scroll};
use crate::record::{
    Report, Run,
    work::{Work, changes},
};

/// The nodes of each graph, folded away.
pub(super) fn graphs(run: &Run) -> Markup {
    html! {
        @if !run.header.work.is_empty() {
            details {
                summary { "What llama.cpp computed" }
                p class="caption" {
                    "Nodes of the graph for each kind of test: by operation, type, device, and buffer of the weights that "
                    "they read. No time is in it: it is the same in equal runs."
                }
                @for work in &run.header.work {
                    @let heading = format!(
                        "{}, {} tokens at once: {} nodes, splits: {}",
                        work.kind, work.n_tokens, work.n_nodes(), work.n_splits
                    );
                    h4 { (heading) }
                    (scroll(&heading, nodes(work)))
                    @for copies in &work.copies {
                        p { "Copies from " (copies.from) " to " (copies.to) ": " (copies.n) }
                    }
                }
            }
        }
    }
}

fn nodes(work: &Work) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "operation" }
                    @for name in ["type", "device", "weights", "nodes"] { (heading(name, "")) }
                }
            }
            tbody {
                @for nodes in &work.nodes {
                    tr {
                        th scope="row" { (nodes.op) }
                        td { (nodes.data_type) }
                        td { (nodes.device) }
                        td { (nodes.weights.as_deref().unwrap_or("–")) }
                        td { (nodes.n) }
                    }
                }
            }
        }
    }
}

/// How the work of each further run differs from that of the first; nothing if it does not. `names` has one for each
/// run.
pub(super) fn changed(report: &Report, names: &[String]) -> Markup {
    let [first, others @ ..] = &report.runs[..] else { return html! {} };
    let found: Vec<_> = names
        .iter()
        .skip(1)
        .zip(others)
        .map(|(name, run)| (name, changes(&first.header, &run.header)))
        .filter(|(_, changes)| !changes.is_empty())
        .collect();
    html! {
        @if !found.is_empty() {
            h3 { "What llama.cpp computed differs" }
            @for (name, changes) in &found {
                p class="caption" { (name) " against " (names[0]) ":" }
                ul class="statements" {
                    @for change in changes {
                        li class=(if change.is_loss() { "warning" } else { "note" }) {
                            @if change.is_loss() { strong { "Warning: " } }
                            (change)
                        }
                    }
                }
            }
        }
    }
}
