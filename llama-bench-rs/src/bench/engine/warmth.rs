//! When a warm-up is long enough: clocks, lazily loaded kernels and captured graphs settle before anything is timed.
//! Generations and embeddings have runs of their own; the fill warms prompts up if its chunks are long enough.

use std::time::Duration;

use crate::{
    bench::plan::{MAX_RUNS, N_PROMPT, Plan},
    record::{Method, TestKind, Warmup},
};

/// Two successive runs that differ by less than this share of the later one have settled.
const TOLERANCE: f64 = 0.1;

/// How warm everything is.
#[derive(Debug)]
pub(super) struct Warmth {
    /// Runs of generations and embeddings; in a fresh context, of everything.
    others: Warmup,
    pub(super) prompts: Prompts,
}

impl Warmth {
    /// Nothing has been run; one decode of a prompt takes up to `n_at_once` tokens.
    pub(super) fn new(plan: &Plan, n_at_once: u32) -> Self {
        Self { others: Warmup::default(), prompts: Prompts::new(plan, n_at_once) }
    }

    /// How warm it was in an earlier run.
    pub(super) fn resume(&mut self, warmup: Warmup) {
        self.others = warmup;
    }

    /// A warm-up begins.
    pub(super) fn begin(&mut self) {
        self.others = Warmup { n_runs: 0, settled: Some(true) };
    }

    /// Runs of one kind that were made.
    pub(super) fn add(&mut self, runs: &Settling) {
        let settled = self.others.settled.zip(runs.settled).map(|(before, now)| before && now);
        self.others = Warmup { n_runs: self.others.n_runs + runs.n_runs, settled };
    }

    /// One more run, of a shape that nothing else has; whether it settled is not checked.
    pub(super) fn ran_another(&mut self) {
        self.others.n_runs += 1;
    }

    /// One run of a test, as llama-bench warms up: whether it settled is not checked.
    pub(super) fn ran_once(&mut self) {
        self.others = Warmup { n_runs: 1, settled: None };
    }

    /// All that was run.
    pub(super) fn total(&self) -> Warmup {
        let Prompts { n_long_runs, short, .. } = &self.prompts;
        let settled = self.others.settled.map(|others| others && short.settled.unwrap_or(true));
        Warmup { n_runs: self.others.n_runs + n_long_runs + short.n_runs, settled }
    }
}

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
    /// Nothing has been run. Without prompts or without a warm-up nothing needs to be.
    fn new(plan: &Plan, n_at_once: u32) -> Self {
        let prompts = plan.cells.iter().filter_map(|cell| match cell.kind {
            TestKind::Pp(n_tokens) => Some(n_tokens),
            TestKind::Tg(_) | TestKind::Embd(_) => None,
        });
        let asked_for = plan.request.warmup && plan.request.method == Method::Rewind;
        let longest = prompts.max().filter(|_| asked_for).unwrap_or(0);
        let n_long = longest.min(n_at_once.max(1));
        Self { n_long, n_short: n_long.min(N_PROMPT), n_long_runs: 0, short: Settling::default() }
    }

    fn are_asked_for(&self) -> bool {
        self.n_long > 0
    }

    /// Whether nothing more has to be run before prompts are timed. Until then the next chunk of the fill serves as a
    /// warm-up and may be slow.
    pub(super) fn are_warm(&self) -> bool {
        self.lacking().is_none()
    }

    /// Whether a fill to this depth has everything that warms them up.
    pub(super) fn will_be_warmed(&self, plan: &Plan, n_depth: u32, n_batch: u32) -> bool {
        self.n_short == plan.n_chunk(0, n_batch) && n_depth >= MAX_RUNS * self.n_short + self.n_long
    }

    /// Tokens of the short prompts, of which the last one is the last that is run.
    pub(super) fn n_short(&self) -> u32 {
        self.n_short
    }

    /// Tokens of the prompt to run next.
    pub(super) fn lacking(&self) -> Option<u32> {
        if !self.are_asked_for() {
            None
        } else if self.n_long > self.n_short && self.n_long_runs == 0 {
            Some(self.n_long)
        } else {
            self.short.settled.is_none().then_some(self.n_short)
        }
    }

    /// A chunk of the fill is a prompt as well.
    pub(super) fn filled(&mut self, n_tokens: u32, elapsed: Duration) {
        if self.n_long > self.n_short && n_tokens >= self.n_long && self.n_long_runs == 0 {
            self.n_long_runs = 1;
        } else if self.are_asked_for() && n_tokens == self.n_short {
            self.short.deeper(elapsed);
        }
    }

    /// An untimed prompt of the length that was [`lacking`](Self::lacking).
    pub(super) fn ran(&mut self, n_tokens: u32, elapsed: Duration) {
        if n_tokens == self.n_short {
            self.short.again(elapsed);
        } else {
            self.n_long_runs += 1;
        }
    }
}
