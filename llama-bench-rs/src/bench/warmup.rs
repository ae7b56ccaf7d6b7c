//! A warm-up that is long enough to be one: clocks, lazily loaded kernels and captured graphs settle before
//! anything is timed. Generations have runs of their own; prompts are warmed up by the fill, where it does.

use std::time::Duration;

use super::{
    clock::Clock,
    engine::Engine,
    observe::Event,
    plan::{Depth, Plan},
    target::Target,
    tokens::Purpose,
};
use crate::record::{Failure, Method, TestKind, Warmup};

/// Two successive runs that differ by less than this share of the later one have settled.
const TOLERANCE: f64 = 0.1;

/// Runs of a kind after which a machine that never settles is measured anyway.
pub(super) const MAX_RUNS: u32 = 4;

/// Tokens of a generation in the warm-up: enough for a backend to capture its graph and replay it.
const N_GEN: u32 = 8;

/// Tokens of the prompts that tell whether the machine has settled. They bring in nearly all that longer ones need.
pub(super) const N_PROMPT: u32 = 512;

/// Successive runs of one kind, until two agree.
#[derive(Debug, Default)]
pub(super) struct Settling {
    last: Option<Duration>,
    n_runs: u32,
    /// Once it is known: whether two agreed.
    settled: Option<bool>,
}

impl Settling {
    /// Whether two agreed, once it is known.
    pub(super) fn settled(&self) -> Option<bool> {
        self.settled
    }

    /// Runs made.
    pub(super) fn n_runs(&self) -> u32 {
        self.n_runs
    }

    /// A run that was made in the same state as the one before.
    pub(super) fn again(&mut self, elapsed: Duration) {
        self.add(elapsed, |last| elapsed.abs_diff(last) <= elapsed.mul_f64(TOLERANCE));
    }

    /// A run that began deeper in the context: it may well take longer.
    fn deeper(&mut self, elapsed: Duration) {
        self.add(elapsed, |last| last.saturating_sub(elapsed) <= elapsed.mul_f64(TOLERANCE));
    }

    fn add(&mut self, elapsed: Duration, agrees: impl Fn(Duration) -> bool) {
        if self.settled.is_some() {
            return;
        }
        self.n_runs += 1;
        if self.last.is_some_and(agrees) {
            self.settled = Some(true);
        } else if self.n_runs >= MAX_RUNS {
            self.settled = Some(false);
        }
        self.last = Some(elapsed);
    }
}

/// How warm prompts are: a decode as long as the longest has been seen, and short ones have settled.
#[derive(Debug)]
pub(super) struct Prompts {
    n_long: u32,
    n_short: u32,
    n_long_runs: u32,
    short: Settling,
}

impl Prompts {
    /// Nothing has been run. Where there are no prompts, or no warm-up is wanted, nothing needs to be.
    pub(super) fn new(plan: &Plan, n_batch: u32) -> Self {
        let prompts = plan.cells.iter().filter_map(|cell| match cell.kind {
            TestKind::Pp(n_tokens) => Some(n_tokens),
            TestKind::Tg(_) | TestKind::Embd(_) => None,
        });
        let asked_for = plan.request.warmup && plan.request.method == Method::Rewind;
        let longest = prompts.max().filter(|_| asked_for).unwrap_or(0);
        let n_long = longest.min(n_batch.max(1));
        Self { n_long, n_short: n_long.min(N_PROMPT), n_long_runs: 0, short: Settling::default() }
    }

    fn are_asked_for(&self) -> bool {
        self.n_long > 0
    }

    /// Whether nothing more has to be run before prompts are timed.
    pub(super) fn are_warm(&self) -> bool {
        self.lacking().is_none()
    }

    /// Whether a fill to this depth has everything that warms them up.
    fn will_be_warmed(&self, plan: &Plan, n_depth: u32, n_batch: u32) -> bool {
        self.n_short == plan.n_chunk(0, n_batch) && n_depth >= MAX_RUNS * self.n_short + self.n_long
    }

    /// Tokens of the prompt to run next.
    fn lacking(&self) -> Option<u32> {
        match () {
            () if !self.are_asked_for() => None,
            () if self.n_long > self.n_short && self.n_long_runs == 0 => Some(self.n_long),
            () => self.short.settled.is_none().then_some(self.n_short),
        }
    }

    /// Whether the next chunk of the fill serves as a warm-up, short or long: it may be slow for want of one.
    pub(super) fn are_cold(&self) -> bool {
        !self.are_warm()
    }

    /// A chunk of the fill is a prompt as well.
    pub(super) fn filled(&mut self, n_tokens: u32, elapsed: Duration) {
        if self.n_long > self.n_short && n_tokens >= self.n_long && self.n_long_runs == 0 {
            self.n_long_runs = 1;
        } else if self.are_asked_for() && n_tokens == self.n_short {
            self.short.deeper(elapsed);
        }
    }

    fn ran(&mut self, n_tokens: u32, elapsed: Duration) {
        match n_tokens == self.n_short {
            true => self.short.again(elapsed),
            false => self.n_long_runs += 1,
        }
    }

    /// Adds what prompts took to what was known before.
    pub(super) fn add_to(&self, warmup: Warmup) -> Warmup {
        let settled = match (warmup.settled, self.short.settled) {
            (Some(before), Some(settled)) => Some(before && settled),
            (before, _) => before,
        };
        Warmup { n_runs: warmup.n_runs + self.n_long_runs + self.short.n_runs, settled }
    }
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Runs a generation in the empty context until two successive ones agree, or [`MAX_RUNS`].
    pub(super) fn warm_up_generations(&mut self) -> Result<(), Failure> {
        if !self.plan.request.warmup {
            return Ok(());
        }
        self.warmup = Warmup { n_runs: 0, settled: Some(true) };
        let generations = self.open_kinds().filter_map(|kind| match kind {
            TestKind::Tg(n_tokens) => Some(n_tokens.min(N_GEN)),
            TestKind::Pp(_) | TestKind::Embd(_) => None,
        });
        let Some(n_tokens) = generations.max() else { return Ok(()) };
        self.tell(&Event::WarmingUp);
        let mut runs = Settling::default();
        while runs.settled.is_none() {
            self.target.clear();
            runs.again(self.warm_up_run(TestKind::Tg(n_tokens))?);
        }
        self.target.clear();
        self.warmup = Warmup { n_runs: runs.n_runs, settled: runs.settled };
        Ok(())
    }

    /// Warms prompts up in the empty context if the fill to the deepest of these depths will not do it.
    pub(super) fn warm_up_prompts_first(&mut self, depths: &[Depth]) -> Result<(), Failure> {
        let deepest = depths.last().map_or(0, |depth| depth.n_depth);
        if !self.prompts.will_be_warmed(self.plan, deepest, self.n_batch) {
            self.warm_up_prompts_from(None)?;
        }
        self.target.clear();
        Ok(())
    }

    /// Warms prompts up from a held depth, as far as the fill has not done it.
    pub(super) fn warm_up_prompts(&mut self, slot: usize, depth: &Depth) -> Result<(), Failure> {
        self.warm_up_prompts_from(Some((slot, depth)))
    }

    /// Runs one as long as the longest, as far as it goes into one decode, and short ones until two successive ones
    /// agree, or [`MAX_RUNS`].
    fn warm_up_prompts_from(&mut self, held: Option<(usize, &Depth)>) -> Result<(), Failure> {
        if !self.prompts.are_warm() {
            self.tell(&Event::WarmingUp);
        }
        while let Some(n_tokens) = self.prompts.lacking() {
            match held {
                Some((slot, depth)) => self.go_to(slot, depth)?,
                None => self.target.clear(),
            }
            let elapsed = self.warm_up_run(TestKind::Pp(n_tokens))?;
            self.prompts.ran(n_tokens, elapsed);
        }
        Ok(())
    }

    /// One untimed run of a test from where the context stands.
    pub(super) fn warm_up_run(&mut self, kind: TestKind) -> Result<Duration, Failure> {
        self.go_on()?;
        let tokens = self.draw(Purpose::Warmup, kind, true);
        let sample = self.time(kind, &tokens)?;
        self.decoded(if kind.is_generation() { 1 } else { kind.n_tokens() });
        *self.header.timing.warmup.get_or_insert_default() += sample.elapsed;
        *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(kind.n_tokens());
        Ok(sample.elapsed)
    }
}
