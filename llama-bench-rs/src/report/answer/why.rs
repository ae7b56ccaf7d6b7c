use std::fmt;

use crate::{
    record::{Run, TestKind},
    report::{figures::Series, insights::falls},
};

/// Why speed falls with depth. Its `Display` is one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhyFalls {
    /// Prompt processing falls.
    pub prefill: bool,
    /// Generation falls.
    pub generation: bool,
}

impl WhyFalls {
    /// Of the runs of one configuration; `None` if nothing surely falls.
    pub(super) fn of(runs: &[&Run]) -> Option<Self> {
        let falls: Vec<_> = runs.iter().flat_map(|run| falls(&Series::all(run))).collect();
        // What rises elsewhere has another reason.
        let all = |is_kind: fn(TestKind) -> bool| {
            let mut of_kind = falls.iter().filter(|it| is_kind(it.test.kind)).peekable();
            of_kind.peek().is_some()
                && of_kind.clone().any(|it| it.fall.is_fall())
                && of_kind.all(|it| it.fall.change.get() < 0.0)
        };
        let (prefill, generation) = (all(TestKind::is_prompt), all(TestKind::is_generation));
        (prefill || generation).then_some(Self { prefill, generation })
    }
}

impl fmt::Display for WhyFalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.prefill, self.generation) {
            (true, false) => {
                "Prompt processing slows down with depth because each token of a prompt attends to all tokens before it."
            }
            (false, _) => {
                "Generation slows down with depth because each new token reads the keys and values of all tokens before \
                 it."
            }
            (true, true) => {
                "Speed falls with depth because each token attends to all tokens before it: a prompt computes more, and \
                 a generated token reads more of the KV cache."
            }
        })
    }
}
