use super::{Levels, has_levels};
use crate::record::Run;

/// Whether the sequences of tests hold the tokens of a depth in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// Each sequence has a copy of them in a KV cache of its own.
    Own,
    /// All sequences share them in one unified KV cache.
    Shared,
}

/// How the runs with several sequences hold a depth; `None` if there are none, if they differ, or if it is not known.
pub(in crate::report) fn sharing(runs: &[&Run]) -> Option<Sharing> {
    let mut all = runs.iter().filter(|run| has_levels(&[**run])).map(|run| run.header.config.kv_unified);
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(if first { Sharing::Shared } else { Sharing::Own })
}

/// What the columns of the tables mean, in sentences; `with_intervals` if a table has half an interval.
pub(in crate::report) fn caption(all: &[&Levels], sharing: Option<Sharing>, several_runs: bool) -> String {
    let rows = || all.iter().flat_map(|levels| &levels.rows);
    let figures = || rows().flat_map(|row| [row.prefill, row.generation]).flatten();
    let mut said = vec!["Total: all sequences together; each: one of them."];
    if figures().any(|figure| figure.scaling.is_some()) {
        said.push("Scaling: the total over that of one sequence.");
    }
    if rows().any(|row| row.step_times.is_some()) {
        said.push("Step: one token of every sequence.");
    }
    if figures().any(|figure| figure.total.half_width.is_some()) {
        said.push(if several_runs {
            "±: half the 95 % interval of the mean, between the runs of a configuration."
        } else {
            "±: half the 95 % interval of the mean, within a run."
        });
    }
    // In an empty context there is nothing to share.
    match sharing.filter(|_| all.iter().any(|levels| levels.n_depth > 0)) {
        Some(Sharing::Own) => said.push("Each sequence has a copy of the depth in a KV cache of its own."),
        Some(Sharing::Shared) => {
            said.push("The sequences share the tokens of the depth in one unified KV cache.");
        }
        None => {}
    }
    said.join(" ")
}
