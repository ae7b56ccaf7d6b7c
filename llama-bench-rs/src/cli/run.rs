//! Flags for repetitions, their order and several runs. Of a repeated one the last counts.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::{
    CeilingArgs,
    values::{
        at_least_one, at_least_two, numa, positive_percent, positive_seconds, seconds, whole, whole_percent,
    },
};
use crate::{
    bench::{Order, Profiling, Sweep},
    llama::Numa,
    record::Method,
    stats::StoppingRule,
    units::Share,
};

/// How often and in which order to measure. Of a repeated flag the last counts.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Repetitions per cell
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "5", value_parser = at_least_one, help_heading = "Statistics")]
    pub n_reps: u32,
    /// Repeat until ± this many percent, in place of -r
    ///
    /// Repeats each cell until the 95 % interval of its mean is within this many percent of it.
    #[arg(long, value_name = "PERCENT", conflicts_with = "n_reps", value_parser = positive_percent, help_heading = "Statistics")]
    pub until: Option<Share>,
    /// With --until: fewest repetitions
    ///
    /// Half as many are enough if the interval is within 0.9 of the percentage.
    #[arg(long, value_name = "N", default_value = "12", requires = "until", value_parser = at_least_two, hide_short_help = true, help_heading = "Statistics")]
    pub min_reps: usize,
    /// With --until: most repetitions
    #[arg(long, value_name = "N", default_value = "100", requires = "until", value_parser = at_least_two, hide_short_help = true, help_heading = "Statistics")]
    pub max_reps: usize,
    /// With --until: most seconds to spend on a cell
    #[arg(long, value_name = "SECONDS", requires = "until", value_parser = positive_seconds, hide_short_help = true, help_heading = "Statistics")]
    pub cell_time: Option<Duration>,
    /// Runs; intervals between them
    ///
    /// Each is a run of the results; the table ends with the figures of all runs and intervals between runs.
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one, help_heading = "Statistics")]
    pub runs: u32,
    /// What each of several runs gets anew
    ///
    /// A context, the model loaded (a mapped file is read from disk again), or a process.
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "context",
        hide_short_help = true,
        help_heading = "Statistics"
    )]
    pub runs_in: RunsIn,
    /// Measure configurations one after the other
    ///
    /// Without this flag, repetitions of configurations that share a loaded model are interleaved if their contexts fit
    /// into memory together.
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub no_interleave: bool,
    /// Pause before each test, in seconds, to let the machine cool down
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, hide_short_help = true, help_heading = "Statistics")]
    pub delay: Duration,
    /// Do not warm up
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub no_warmup: bool,
    /// How depths are reached
    ///
    /// By rewinding one context, or llama-bench's fresh context per test.
    #[arg(long, value_enum, default_value = "rewind", hide_short_help = true, help_heading = "Statistics")]
    pub method: MethodArg,
    /// Order of the repetitions
    ///
    /// rounds: interleaved over all depths. blocks: per depth. auto: interleaved if that is cheap, otherwise per depth.
    #[arg(long, value_enum, default_value = "auto", hide_short_help = true, help_heading = "Statistics")]
    pub order: OrderArg,
    /// Seed of the random tokens and of the order
    #[arg(long, value_name = "N", default_value = "42", value_parser = whole::<u64>, hide_short_help = true, help_heading = "Statistics")]
    pub seed: u64,
    /// Where the time goes
    ///
    /// After the samples and apart from them. By block of the model: attention, feed-forward or experts, output. WHAT adds something: layers shows each layer apart,
    /// operations those of prompts, blocks nothing. The default is operations. The cost of tracing is measured and
    /// subtracted.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', num_args = 0..=1, default_missing_value = "operations", help_heading = "Statistics")]
    pub profile: Vec<ProfileArg>,
    /// Write the operations of the deepest tests as a trace, with --profile
    ///
    /// Implies --profile blocks. JSON in Chrome's trace format, which Perfetto opens: a track for each device, an event for each operation, of one
    /// prompt and one step of a generation.
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Statistics")]
    pub trace: Option<PathBuf>,
    /// Time a fixed calibration loop before each repetition
    ///
    /// --baseline then compares times relative to it. For shared machines, and models on the CPU only.
    #[arg(long, alias = "pace", hide_short_help = true, help_heading = "Statistics")]
    pub calibrate: bool,
    /// Do not read counters of energy
    ///
    /// Reading them takes 0.1 to 0.6 s at the beginning of each run, where there are any, and some microseconds around each
    /// repetition.
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub no_energy: bool,
    /// Whether ceilings are measured.
    #[command(flatten)]
    pub ceilings: CeilingArgs,
    /// Most repetitions to repeat because other programs disturbed them, in percent of a cell's; 0 for none
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = whole_percent, hide_short_help = true, help_heading = "Statistics")]
    pub repeat_disturbed: u32,
    /// Do not wait for other sweeps on this machine to end
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub share_machine: bool,
    /// How threads are placed on NUMA nodes [default: disabled]
    ///
    /// One of distribute, isolate, numactl.
    #[arg(long, value_name = "MODE", value_parser = numa, help_heading = "Devices", hide_short_help = true)]
    pub numa: Option<Numa>,
}

/// How depths are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// One context, brought back to each depth.
    Rewind,
    /// A context and a fill for each test, as in llama-bench.
    FreshContext,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Rewind => Method::Rewind,
            MethodArg::FreshContext => Method::FreshContext,
        }
    }
}

/// The order of repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// Interleaved if that is cheap, otherwise per depth.
    Auto,
    /// Interleaved: one repetition of each cell at a time, over all depths.
    Rounds,
    /// Per depth: all repetitions of a depth, then the next depth.
    Blocks,
}

impl From<OrderArg> for Order {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::Auto => Order::Auto,
            OrderArg::Rounds => Order::Rounds,
            OrderArg::Blocks => Order::Blocks,
        }
    }
}

/// What a profile shows besides blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// Nothing else.
    Blocks,
    /// Each layer apart.
    Layers,
    /// Each operation of prompts.
    Operations,
}

/// What each of several runs gets anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RunsIn {
    /// A context.
    Context,
    /// The model, loaded again.
    Load,
    /// A process.
    Process,
}

impl RunArgs {
    /// Sets up a sweep like this, with the rule from [`stopping`](Self::stopping). The program itself repeats
    /// [`runs`](Self::runs).
    #[must_use]
    pub fn ask<'m>(&self, sweep: Sweep<'m>, stopping: Option<StoppingRule>) -> Sweep<'m> {
        let sweep = sweep
            .repetitions(self.n_reps)
            .warmup(!self.no_warmup)
            .calibrated(self.calibrate)
            .repeat_disturbed(self.repeat_disturbed)
            .exclusive(!self.share_machine)
            .energy(!self.no_energy)
            .ceilings(self.ceilings.policy())
            .delay(self.delay)
            .seed(self.seed)
            .method(self.method.into())
            .order(self.order.into());
        let sweep = match self.profiling() {
            Some(profiling) => sweep.profile(profiling),
            None => sweep,
        };
        match stopping {
            Some(rule) => sweep.until(rule),
            None => sweep,
        }
    }

    /// What profiles show; `None` if none are made.
    pub fn profiling(&self) -> Option<Profiling> {
        let (asked, trace) = (&self.profile, self.trace.is_some());
        if asked.is_empty() && !trace {
            return None;
        }
        Some(Profiling {
            layers: asked.contains(&ProfileArg::Layers),
            operations: asked.contains(&ProfileArg::Operations),
            trace,
        })
    }

    /// The rule that ends a cell's repetitions, if there is to be one.
    ///
    /// # Errors
    /// The fewest repetitions are more than the most.
    pub fn stopping(&self) -> Result<Option<StoppingRule>, String> {
        let Some(target) = self.until else { return Ok(None) };
        let (min, max) = (self.min_reps, self.max_reps);
        if max < min {
            return Err(format!(
                "--min-reps {min} --max-reps {max}: the fewest are more than the most; lower --min-reps or raise --max-reps"
            ));
        }
        Ok(Some(StoppingRule { min, max, target, budget: self.cell_time, ..StoppingRule::new() }))
    }
}
