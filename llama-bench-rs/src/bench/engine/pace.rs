//! How long a token takes, by what was run last: enough to predict repetitions that were not run yet.

use std::{collections::BTreeMap, time::Duration};

use crate::record::{Test, TestKind};

/// The latest time per token of each kind of work and number of sequences.
#[derive(Debug, Default)]
pub(super) struct Pace {
    per_token: BTreeMap<(Work, u32), Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Prompt,
    Step,
    Embedding,
}

impl From<TestKind> for Work {
    fn from(kind: TestKind) -> Self {
        match kind {
            TestKind::Pp(_) => Self::Prompt,
            TestKind::Tg(_) => Self::Step,
            TestKind::Embd(_) => Self::Embedding,
        }
    }
}

impl Pace {
    /// So many tokens of `n_seqs` sequences together were run.
    pub(super) fn ran(&mut self, kind: TestKind, n_seqs: u32, n_tokens: u32, elapsed: Duration) {
        if n_tokens > 0 {
            self.per_token.insert((kind.into(), n_seqs), elapsed / n_tokens);
        }
    }

    /// What one repetition of a test is expected to take; `None` if nothing like it was run.
    pub(super) fn of(&self, test: &Test) -> Option<Duration> {
        let per_token = self.per_token.get(&(test.kind.into(), test.n_parallel))?;
        Some(per_token.saturating_mul(test.kind.n_tokens().saturating_mul(test.n_parallel)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{pp, tg};

    #[test]
    fn what_was_run_last_tells_what_the_same_kind_will_take() {
        let mut pace = Pace::default();
        assert_eq!(pace.of(&pp(64)), None);
        pace.ran(TestKind::Pp(512), 1, 512, Duration::from_millis(1024));
        pace.ran(TestKind::Pp(512), 1, 512, Duration::from_millis(512));
        pace.ran(TestKind::Tg(8), 4, 32, Duration::from_millis(320));
        pace.ran(TestKind::Tg(8), 1, 0, Duration::from_millis(320));
        assert_eq!(pace.of(&pp(64)), Some(Duration::from_millis(64)));
        assert_eq!(pace.of(&tg(4)), None, "four sequences tell nothing of one");
        assert_eq!(pace.of(&Test { n_parallel: 4, ..tg(4) }), Some(Duration::from_millis(160)));
    }
}
