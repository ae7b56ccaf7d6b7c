use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{CellWork, Counted, Disturbance, Failure, FailureKind, GpuConditions, Profile};
use crate::{
    stats::Stop,
    units::{RateSpread, TokensPerSecond},
};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TestKind {
    /// Prompt processing of this many tokens, in chunks of `n_batch`, synchronised once at the end.
    Pp(u32),
    /// Generation of this many tokens, one at a time, synchronised after each.
    Tg(u32),
    /// Embedding of a text of this many tokens, pooled as the model does it, synchronised once at the end.
    Embd(u32),
}

impl TestKind {
    /// Tokens of each sequence that one repetition processes.
    pub fn n_tokens(self) -> u32 {
        match self {
            TestKind::Pp(n) | TestKind::Tg(n) | TestKind::Embd(n) => n,
        }
    }

    /// What all tests of its kind are called: `pp`, `tg` or `embd`.
    pub fn family(self) -> &'static str {
        match self {
            TestKind::Pp(_) => "pp",
            TestKind::Tg(_) => "tg",
            TestKind::Embd(_) => "embd",
        }
    }

    /// Whether it is prompt processing.
    pub fn is_prompt(self) -> bool {
        matches!(self, TestKind::Pp(_))
    }

    /// Whether it is generation.
    pub fn is_generation(self) -> bool {
        matches!(self, TestKind::Tg(_))
    }

    /// Whether it is embedding.
    pub fn is_embedding(self) -> bool {
        matches!(self, TestKind::Embd(_))
    }
}

impl fmt::Display for TestKind {
    /// As llama-bench names tests: `pp2048`, `tg32`; and `embd512`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TestKind::Pp(n) => write!(f, "pp{n}"),
            TestKind::Tg(n) => write!(f, "tg{n}"),
            TestKind::Embd(n) => write!(f, "embd{n}"),
        }
    }
}

impl FromStr for TestKind {
    type Err = TestKindError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |name: &str| text.strip_prefix(name)?.parse().ok().filter(|&n: &u32| n > 0);
        (number("pp").map(Self::Pp))
            .or_else(|| number("tg").map(Self::Tg))
            .or_else(|| number("embd").map(Self::Embd))
            .ok_or_else(|| TestKindError(text.to_owned()))
    }
}

/// The text does not name a test.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a test: write pp512, tg128 or embd512")]
pub struct TestKindError(pub String);

crate::error::debug_like_display!(TestKindError);

/// A pg test: a prompt directly followed by a generation. It is reported as two cells with the same group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Prompt tokens of the pg test.
    pub n_prompt: u32,
    /// Tokens generated right after the prompt.
    pub n_gen: u32,
}

/// One test at one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Test {
    /// What is timed.
    pub kind: TestKind,
    /// Tokens in the context when the clock starts.
    pub n_depth: u32,
    /// The pg test that this is one half of; `None` for a test of its own.
    pub group: Option<Group>,
    /// Sequences that are processed together, each with its own tokens and at this depth; 1 for llama-bench's tests. The
    /// tokens of the kind are those of each sequence.
    #[serde(default = "alone", skip_serializing_if = "is_alone")]
    pub n_parallel: u32,
}

fn alone() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_alone(n_parallel: &u32) -> bool {
    *n_parallel == alone()
}

impl Test {
    /// Tokens processed by one repetition, of all sequences together.
    pub fn n_tokens(&self) -> u32 {
        self.kind.n_tokens().saturating_mul(self.n_parallel)
    }

    /// The test without its depth: what all cells of one line over the depths share.
    #[must_use]
    pub fn at_any_depth(self) -> Self {
        Self { n_depth: 0, ..self }
    }
}

impl fmt::Display for Test {
    /// As llama-bench names tests: `pp2048 @ d4096`, `tg32`; with several sequences, `tg32 x8 @ d4096`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.n_parallel != 1 {
            write!(f, " x{}", self.n_parallel)?;
        }
        if self.n_depth > 0 {
            write!(f, " @ d{}", self.n_depth)?;
        }
        if let Some(Group { n_prompt, n_gen }) = self.group {
            write!(f, " (pg{n_prompt}+{n_gen})")?;
        }
        Ok(())
    }
}

/// One test at one depth, with its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What was measured, or would have been.
    pub test: Test,
    /// When its first repetition began, in UTC (RFC 3339, whole seconds).
    pub started_at: String,
    /// The samples, or the reason why the cell failed.
    pub outcome: Outcome,
}

impl Cell {
    /// The samples, if the cell did not fail.
    pub fn measured(&self) -> Option<&Measured> {
        match &self.outcome {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Failed(_) | Outcome::Summarised(_) => None,
        }
    }

    /// Why the cell has no samples, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Measured(_) | Outcome::Summarised(_) => None,
        }
    }

    /// Why it failed, or why the process that measured it ended before its last repetition.
    #[doc(hidden)]
    pub fn reason(&self) -> Option<&Failure> {
        self.failure().or_else(|| self.measured()?.ended.as_ref())
    }

    /// The rate of each repetition, in the order of [`Measured::samples`].
    pub fn rates(&self) -> Vec<TokensPerSecond> {
        let n_tokens = u64::from(self.test.n_tokens());
        self.measured()
            .map(|m| &m.samples[..])
            .unwrap_or_default()
            .iter()
            .filter_map(|s| TokensPerSecond::from_elapsed(n_tokens, s.elapsed))
            .collect()
    }
}

/// The result of a cell.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a report has few cells, and nearly all are measured")]
pub enum Outcome {
    /// At least one repetition was timed.
    Measured(Measured),
    /// Only a summary by another tool is known: llama-bench writes no samples into CSV and SQL. A sweep never makes one.
    Summarised(Summarised),
    /// There is a reason in place of figures. The other cells were still measured.
    Failed(Failure),
}

impl Outcome {
    /// What was measured. Without a repetition that counts, those that were set aside count: nothing takes their place.
    /// Without any at all the cell failed.
    pub(crate) fn of(mut measured: Measured) -> Self {
        if measured.samples.is_empty() {
            std::mem::swap(&mut measured.samples, &mut measured.set_aside);
        }
        if !measured.samples.is_empty() {
            return Self::Measured(measured);
        }
        let interrupted = || Failure::new(FailureKind::Cancelled, "interrupted before its first repetition");
        Self::Failed(measured.ended.unwrap_or_else(interrupted))
    }
}

/// The raw samples of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// Every repetition that counts, in the order measured.
    pub samples: Vec<Sample>,
    /// Repetitions that were disturbed and therefore repeated, in the order measured. No figure includes them.
    pub set_aside: Vec<Sample>,
    /// A generation straight after the live fill reached this depth, kept apart from `samples`: the state in which a
    /// user's program generates. It may be shorter than a repetition and is not calibrated: compare its steps.
    pub live: Option<Sample>,
    /// How the context was brought back to the depth before each repetition; `None` if a file does not say.
    pub rewind: Option<Rewind>,
    /// How the warm-up went; `None` if a file does not say.
    pub warmup: Option<Warmup>,
    /// What ended the repetitions; `None` if their number was fixed.
    pub stop: Option<Stop>,
    /// Why it has fewer repetitions than it was asked for, if the process that measured ended before the others. They
    /// count, and a later sweep can add those that are missing. `None` as well if somebody stopped the sweep.
    pub ended: Option<Failure>,
    /// What each GPU did meanwhile; empty if nothing is known.
    pub conditions: Vec<GpuConditions>,
    /// What a repetition computes and moves; `None` if it was not counted.
    pub work: Option<CellWork>,
    /// Why it could not be counted; `None` if it was, or nobody asked.
    pub work_unknown: Option<String>,
    /// Where the time goes; `None` if it was not profiled.
    pub profile: Option<Profile>,
}

/// A mean and a spread without their samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summarised {
    /// Mean of the repetitions' wall times.
    pub mean: Duration,
    /// Standard deviation of the wall times (n - 1); `None` if unknown or undefined.
    pub stddev: Option<Duration>,
    /// Mean of the repetitions' rates.
    pub rate: Option<TokensPerSecond>,
    /// Standard deviation of the rates (n - 1); `None` if unknown or undefined.
    pub rate_stddev: Option<RateSpread>,
}

/// One timed repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// From the first submission to the last completion.
    pub elapsed: Duration,
    /// For tg, the time of each token in order; empty for pp and embd.
    pub steps: Vec<Duration>,
    /// When it began, counted from the start of the run: shows order and drift. `None` if a file does not say.
    pub at: Option<Duration>,
    /// Time of the calibration loop just before it ([`bench::calibration`](crate::bench::calibration)): longer if the
    /// machine was slower at that moment. `None` if the loop was not run, or the model is not on the CPU alone.
    #[serde(default, rename = "pace")]
    pub calibration: Option<Duration>,
    /// What other programs took from it; `None` if a file or the system does not say.
    #[serde(default)]
    pub disturbance: Option<Disturbance>,
    /// When it began, since 1970 in UTC: sets it beside what other programs record. `None` if a file does not say.
    #[serde(default)]
    pub utc: Option<Duration>,
    /// What the counters of energy showed around it; empty if there are none.
    #[serde(default)]
    pub energy: Vec<Counted>,
}

/// How a context returns to a depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rewind {
    /// At depth 0 the memory is cleared.
    Clear,
    /// The positions past the depth are removed (`llama_memory_seq_rm`).
    Remove,
    /// A snapshot of the partial state (sliding window, recurrent) on the device is restored, the rest removed.
    PartialOnDevice,
    /// The same snapshot kept in host memory.
    PartialOnHost,
    /// The whole sequence state is restored from host memory, as llama-bench does.
    FullOnHost,
    /// The context is cleared and filled again.
    Refill,
}

impl Rewind {
    /// Whether a snapshot of a part of the state is restored.
    pub(crate) fn is_partial(self) -> bool {
        matches!(self, Self::PartialOnDevice | Self::PartialOnHost)
    }
}

/// What was run before the first timed repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Warmup {
    /// Untimed repetitions, and chunks of the fill that served as such; 0 if the warm-up was turned off.
    pub n_runs: u32,
    /// Whether two successive runs agreed before the limit was reached; `None` if that was not checked.
    pub settled: Option<bool>,
}
