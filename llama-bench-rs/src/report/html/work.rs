//! What llama.cpp computed, and what of it changed between runs.

use maud::{Markup, html};

use super::tables::heading;
use crate::record::{Report, Run, work::changes};

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
                    h4 {
                        (work.kind) ", " (work.n_tokens) " tokens at once: " (work.n_nodes()) " nodes, splits: "
                        (work.n_splits)
                    }
                    div class="scroll" {
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
                    @for copies in &work.copies {
                        p { "Copies from " (copies.from) " to " (copies.to) ": " (copies.n) }
                    }
                }
            }
        }
    }
}

/// How the work of each further run differs from that of the first; nothing if it does not.
pub(super) fn changed(report: &Report) -> Markup {
    let [first, others @ ..] = &report.runs[..] else { return html! {} };
    let found: Vec<_> = (2..)
        .zip(others)
        .map(|(n, run)| (n, changes(&first.header, &run.header)))
        .filter(|(_, changes)| !changes.is_empty())
        .collect();
    html! {
        @if !found.is_empty() {
            h3 { "What llama.cpp computed differs" }
            @for (n, changes) in &found {
                p class="caption" { "Run " (n) " against run 1:" }
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
