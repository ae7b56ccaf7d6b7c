use std::{
    hint,
    time::{Duration, Instant},
};

use crate::{
    bench::{
        pace::PaceTime,
        target::{Keep, Limits, Target, Token},
    },
    record::{Disturbance, Failure, Placement, Resolved, Rewind},
    units::Share,
};

/// A target whose work takes longer by a share of its own time: for tests of tests, which must notice.
///
/// The delay is spent between the end of the work and the return of `synchronize`, so within the timed region.
#[derive(Debug)]
pub struct Slowed<T> {
    target: T,
    slowdown: f64,
    /// When the first decode since the last synchronisation began.
    since: Option<Instant>,
}

impl<T> Slowed<T> {
    /// Every stretch of work takes `slowdown` times its own time longer: 0.05 for 5 %.
    pub fn new(target: T, slowdown: Share) -> Self {
        Self { target, slowdown: slowdown.get(), since: None }
    }
}

impl<T: Target> Target for Slowed<T> {
    fn open(&mut self, n_ctx: u32) -> Result<Resolved, Failure> {
        self.since = None;
        self.target.open(n_ctx)
    }

    fn decode(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        self.since.get_or_insert_with(Instant::now);
        self.target.decode(tokens)
    }

    fn synchronize(&mut self) -> Result<(), Failure> {
        self.target.synchronize()?;
        if let Some(since) = self.since.take() {
            let until = since.elapsed().mul_f64(1.0 + self.slowdown);
            // Sleeping is too coarse for the time of a token.
            while since.elapsed() < until {
                hint::spin_loop();
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.target.clear();
    }

    fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure> {
        self.target.hold(slot, keep)
    }

    fn can_hold_whole(&self) -> bool {
        self.target.can_hold_whole()
    }

    fn hold_whole(&mut self) -> Result<(), Failure> {
        self.target.hold_whole()
    }

    fn rewind(&mut self, slot: usize) -> Result<(), Failure> {
        self.target.rewind(slot)
    }

    fn save(&mut self) -> Result<Vec<u8>, Failure> {
        self.target.save()
    }

    fn load(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.target.load(state)
    }

    fn pace(&mut self) -> Option<PaceTime> {
        self.target.pace()
    }

    fn watch(&mut self, n_tokens: u32) {
        self.target.watch(n_tokens);
    }

    fn disturbance(&mut self, elapsed: Duration) -> Option<Disturbance> {
        self.target.disturbance(elapsed)
    }

    fn placement(&mut self) -> Option<Placement> {
        self.target.placement()
    }

    fn limits(&self) -> Limits {
        self.target.limits()
    }
}
