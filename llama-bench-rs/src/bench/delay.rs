//! Work that is slowed on purpose, to see whether a comparison notices.

use std::{
    hint,
    time::{Duration, Instant},
};

use crate::units::Share;

/// Makes each stretch of work take longer by a share of its own time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay {
    slowdown: f64,
    /// When the first work since the last wait began.
    since: Option<Instant>,
}

impl Delay {
    /// 0.1 for 10 %. Nothing below zero counts.
    pub(super) fn new(slowdown: Share) -> Self {
        Self { slowdown: slowdown.get().max(0.0), since: None }
    }

    /// Work is submitted.
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// All of it is done: spends what it should have taken longer.
    pub(super) fn end(&mut self) {
        let Some(since) = self.since.take() else { return };
        let until: Duration = since.elapsed().mul_f64(1.0 + self.slowdown);
        // Sleeping is too coarse for the time of a token.
        while since.elapsed() < until {
            hint::spin_loop();
        }
    }
}
