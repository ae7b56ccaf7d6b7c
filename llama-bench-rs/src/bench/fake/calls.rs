//! The clock, and what reached the target.

use std::{cell::Cell, rc::Rc, time::Duration};

use crate::bench::{
    clock::Clock,
    target::{Row, Token},
};

/// A clock that only the target moves.
#[derive(Clone, Default)]
pub(in crate::bench) struct FakeClock(Rc<Cell<Duration>>);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn wait(&self, duration: Duration) {
        self.advance(duration);
    }

    fn utc(&self) -> Option<Duration> {
        None
    }
}

impl FakeClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0.set(self.0.get() + by);
    }
}

/// One decode as it reached the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Call {
    pub(in crate::bench) work: Work,
    /// Content of the context before.
    pub(in crate::bench) before: Vec<Token>,
    /// What the encoder had read before.
    pub(in crate::bench) text: Vec<Token>,
    /// Tokens of all sequences.
    pub(in crate::bench) tokens: Vec<Token>,
    /// Of a decode of several sequences, what it decoded.
    pub(in crate::bench) rows: Vec<Row>,
    /// Content of the other sequences before, from sequence 1.
    pub(in crate::bench) others: Vec<Vec<Token>>,
}

/// How tokens reached the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Work {
    Read,
    Embed,
    Decode,
    Rows,
}
