use std::{collections::BTreeMap, fmt};

use super::{Level, Say};
use crate::{
    record::{Run, Work, work::WorkKind},
    report::in_words::{count, plural},
};

/// What llama.cpp computed for each kind of test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Graphs {
    /// The graphs, one per kind of test.
    pub work: Vec<Work>,
}

pub(super) fn graphs(run: &Run) -> Option<Graphs> {
    (!run.header.work.is_empty()).then(|| Graphs { work: run.header.work.clone() })
}

impl Say for Graphs {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for Graphs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "What llama.cpp computes:")?;
        for (i, work) in self.work.iter().enumerate() {
            let separator = if i == 0 { "" } else { ";" };
            let take = plural(work.n_tokens as usize, "takes", "take");
            let what = match work.kind {
                WorkKind::Prompt => format!("{} of a prompt", count(work.n_tokens as usize, "token")),
                WorkKind::Generation => format!("{} of a generation", count(work.n_tokens as usize, "token")),
                WorkKind::Embedding => format!("{} to embed", count(work.n_tokens as usize, "token")),
            };
            write!(f, "{separator} {what} {take} {}", places(work))?;
        }
        write!(f, ".")
    }
}

/// Where the nodes are, and what lies between the devices.
fn places(work: &Work) -> String {
    let mut devices: BTreeMap<&str, u64> = BTreeMap::new();
    for nodes in &work.nodes {
        *devices.entry(&nodes.device).or_default() += u64::from(nodes.n);
    }
    let mut all: Vec<(&str, u64)> = devices.into_iter().collect();
    all.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let parts: Vec<String> =
        all.iter().map(|(device, n)| format!("{} on {device}", count(*n as usize, "node"))).collect();
    let mut text = parts.join(", ");
    let n_repacked: u64 =
        work.nodes.iter().filter(|nodes| nodes.is_repacked()).map(|nodes| u64::from(nodes.n)).sum();
    if n_repacked > 0 {
        text += &format!(" ({n_repacked} with repacked weights)");
    }
    if work.n_splits > 1 {
        let n_copies: u64 = work.copies.iter().map(|copies| u64::from(copies.n)).sum();
        text += &format!(
            " in {} with {} between devices",
            count(work.n_splits as usize, "part"),
            format_args!("{n_copies} {}", plural(n_copies as usize, "copy", "copies"))
        );
    }
    text
}
