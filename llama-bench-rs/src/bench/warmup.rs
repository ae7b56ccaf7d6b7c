//! A warm-up that is long enough to be one: clocks, lazily loaded kernels and captured graphs settle before
//! anything is timed.

use std::time::Duration;

use super::{clock::Clock, engine::Engine, observe::Event, target::Target, timed, tokens::Purpose};
use crate::record::{Failure, TestKind, Warmup};

/// Two successive runs that differ by less than this share of the later one have settled.
const TOLERANCE: f64 = 0.1;

/// Runs of a kind after which a machine that never settles is measured anyway.
const MAX_RUNS: u32 = 4;

/// Tokens of a generation in the warm-up: enough for a backend to capture its graph and replay it.
const N_GEN: u32 = 8;

/// Tokens of the prompts that tell whether the machine has settled. One of full length went before: it has brought in
/// every kernel and every buffer that a prompt of this length needs.
const N_PROMPT: u32 = 512;

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Runs each kind of test at depth 0 until two successive runs agree, or [`MAX_RUNS`]; of prompts, first the longest
    /// one as it is, then shorter ones.
    pub(super) fn warm_up(&mut self) -> Result<(), Failure> {
        if !self.plan.request.warmup {
            return Ok(());
        }
        self.tell(&Event::WarmingUp);
        let kinds = || self.plan.cells.iter().map(|cell| cell.kind);
        let prompt = kinds().filter(|kind| matches!(kind, TestKind::Pp(_))).max();
        let generation = kinds().filter_map(|kind| match kind {
            TestKind::Tg(n) => Some(TestKind::Tg(n.min(N_GEN))),
            TestKind::Pp(_) => None,
        });
        let generation = generation.max();
        let mut warmup = Warmup { n_runs: 0, settled: Some(true) };
        let mut repeated = vec![];
        if let Some(TestKind::Pp(n)) = prompt {
            if n > N_PROMPT {
                self.warm_up_run(TestKind::Pp(n))?;
                warmup.n_runs += 1;
            }
            repeated.push(TestKind::Pp(n.min(N_PROMPT)));
        }
        repeated.extend(generation);
        for kind in repeated {
            let settled = self.warm_up_kind(kind, &mut warmup.n_runs)?;
            warmup.settled = warmup.settled.map(|all| all && settled);
        }
        self.warmup = warmup;
        Ok(())
    }

    fn warm_up_kind(&mut self, kind: TestKind, n_runs: &mut u32) -> Result<bool, Failure> {
        let mut last: Option<Duration> = None;
        for _ in 0..MAX_RUNS {
            self.target.clear();
            let elapsed = self.warm_up_run(kind)?;
            *n_runs += 1;
            if last.is_some_and(|last| agree(last, elapsed)) {
                self.target.clear();
                return Ok(true);
            }
            last = Some(elapsed);
        }
        self.target.clear();
        Ok(false)
    }

    /// One untimed run of a test from where the context stands.
    pub(super) fn warm_up_run(&mut self, kind: TestKind) -> Result<Duration, Failure> {
        self.go_on()?;
        let tokens = self.tokens.draw(Purpose::Warmup, kind.n_tokens(), true);
        let sample = match kind {
            TestKind::Pp(_) => timed::prompt(self.target, self.clock, &tokens, self.n_batch)?,
            TestKind::Tg(_) => timed::generation(self.target, self.clock, &tokens)?,
        };
        self.header.timing.warmup += sample.elapsed;
        self.header.timing.n_decoded_tokens += u64::from(kind.n_tokens());
        Ok(sample.elapsed)
    }
}

fn agree(a: Duration, b: Duration) -> bool {
    a.abs_diff(b).as_secs_f64() <= TOLERANCE * b.as_secs_f64()
}
