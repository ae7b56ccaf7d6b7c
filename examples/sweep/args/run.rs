//! Flags that say how measuring goes. Of a repeated one the last counts.

use std::time::Duration;

use llama_bench_rs::{llama::Numa, stats::StoppingRule, units::Share};

use crate::values::{MethodArg, OrderArg, RunsIn, numa, seconds};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Measuring (of a repeated flag the last counts)")]
pub struct RunArgs {
    /// How threads are placed on NUMA nodes: distribute, isolate, numactl [default: disabled]
    #[arg(long, value_name = "MODE", value_parser = numa)]
    pub numa: Option<Numa>,
    /// Repetitions per cell
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "5")]
    pub n_reps: u32,
    /// Repeat each cell until the 95 % interval of its mean is within this many percent, instead of -r
    #[arg(long, value_name = "PERCENT", conflicts_with = "n_reps")]
    pub until: Option<f64>,
    /// With --until: fewest repetitions; half as many are enough if the interval is within 0.9 of the percentage
    #[arg(long, value_name = "N", default_value = "12", requires = "until")]
    pub min_reps: usize,
    /// With --until: most repetitions
    #[arg(long, value_name = "N", default_value = "100", requires = "until")]
    pub max_reps: usize,
    /// With --until: most seconds to spend on a cell
    #[arg(long, value_name = "SECONDS", requires = "until")]
    pub cell_time: Option<f64>,
    /// Runs of the whole sweep, each a run of the results; the table ends with the figures of all runs and intervals
    /// between runs
    #[arg(long, value_name = "N", default_value = "1")]
    pub runs: u32,
    /// What each of several runs gets anew: a context, the model loaded (a mapped file is read from disk again), or a
    /// process (its results are written when it ends)
    #[arg(long, value_enum, default_value = "context")]
    pub runs_in: RunsIn,
    /// Measure configurations one after the other. Without this flag, repetitions of configurations that share a loaded
    /// model are interleaved if their contexts fit into memory together
    #[arg(long)]
    pub no_interleave: bool,
    /// Pause before each test, in seconds, to let the machine cool down
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub delay: Duration,
    /// Do not warm up
    #[arg(long)]
    pub no_warmup: bool,
    /// How depths are reached: rewind one context, or llama-bench's fresh context per test
    #[arg(long, value_enum, default_value = "rewind")]
    pub method: MethodArg,
    /// Order of the repetitions: rounds over all cells, blocks per depth, or whichever is cheap
    #[arg(long, value_enum, default_value = "auto")]
    pub order: OrderArg,
    /// Seed of the random tokens and of the order
    #[arg(long, value_name = "N", default_value = "42")]
    pub seed: u64,
    /// Time a fixed calibration loop before each repetition; --baseline compares times relative to it. For machines that
    /// others use too, and models on the CPU only
    #[arg(long)]
    pub pace: bool,
    /// Repeat at most this share of a cell's repetitions if other programs disturbed them, in percent; 0 for never
    #[arg(long, value_name = "PERCENT", default_value = "50")]
    pub repeat_disturbed: u32,
    /// Do not wait for other sweeps on this machine to end
    #[arg(long)]
    pub share_machine: bool,
}

impl RunArgs {
    /// The rule that ends a cell's repetitions, if there is to be one.
    pub fn stopping(&self) -> Result<Option<StoppingRule>, String> {
        let Some(percent) = self.until else { return Ok(None) };
        let target = Share::new(percent / 100.0).filter(|target| target.get() > 0.0);
        let target =
            target.ok_or_else(|| format!("--until {percent}: give a percentage over 0, such as 1"))?;
        let (min, max) = (self.min_reps, self.max_reps);
        if min < 2 || max < min {
            return Err(format!(
                "--min-reps {min} --max-reps {max}: an interval needs at least 2 repetitions, and no more than the most"
            ));
        }
        let budget = self.cell_time.map(Duration::try_from_secs_f64).transpose();
        let budget = budget.map_err(|e| format!("--cell-time: {e}"))?;
        Ok(Some(StoppingRule { min, max, target, budget, ..StoppingRule::new() }))
    }
}
