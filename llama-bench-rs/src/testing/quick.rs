use std::time::Duration;

use crate::{
    Error,
    bench::{
        Cancel, Sweep,
        lock::{Turn, tell_on_stderr},
    },
    llama::{ContextParams, Model},
    record::{Cell, Report, Run},
    stats::StoppingRule,
    testing::merge::{append, forget_rule},
    units::Share,
};

/// Time for the repetitions of a run: other work disturbs for a second at a time, and a run should last longer.
const BUDGET: Duration = Duration::from_millis(1500);

/// Contexts that share the budget. The placement of a context's buffers in memory decides up to a tenth of the time
/// of a repetition: one context would show that, several show the work.
const CONTEXTS: usize = 12;

/// Most repetitions of a cell in one of them.
const MOST: usize = 9;

/// Repetitions of a cell if not even two fit into a context's share of the budget.
const FEWEST: u32 = 10;

/// A model of fewer bytes is too small for several threads.
const SMALL_BYTES: u64 = 64 << 20;

/// A sweep that is small enough for a test: pp64 and tg16, at depths 0 and 256, in one run of as many repetitions as
/// fit into a second and a half, up to 108, in a dozen contexts one after the other; of slow work, ten repetitions in one.
///
/// `testing::quick_sweep(&model).run()?` is all that most tests need.
///
/// If the model is on the CPU alone, a calibration loop is timed before each repetition: runs can be compared even on a
/// shared machine. A model of under 64 MiB is run on one thread: several would spend a
/// third of their time waiting for each other, and how long that takes depends on which cores the machine gives them.
/// [`QuickSweep::context`] asks for more.
pub fn quick_sweep(model: &Model) -> QuickSweep<'_> {
    let context = ContextParams::default();
    QuickSweep {
        model,
        n_prompt: 64,
        n_gen: 16,
        depths: vec![0, 256],
        n_reps: None,
        n_runs: 1,
        context: if model.size_bytes() < SMALL_BYTES {
            context.n_threads(1).n_threads_batch(1)
        } else {
            context
        },
        calibrated: true,
        slowdown: None,
    }
}

/// A small sweep and its settings; see [`quick_sweep`].
#[derive(Clone, Debug)]
#[must_use = "nothing is measured before `run`"]
pub struct QuickSweep<'a> {
    model: &'a Model,
    n_prompt: u32,
    n_gen: u32,
    depths: Vec<u32>,
    n_reps: Option<u32>,
    n_runs: u32,
    context: ContextParams,
    calibrated: bool,
    slowdown: Option<Share>,
}

impl QuickSweep<'_> {
    /// Tokens of the prompt that is processed; 0 for no such test.
    pub fn prompt(mut self, n_prompt: u32) -> Self {
        self.n_prompt = n_prompt;
        self
    }

    /// Tokens generated; 0 for no such test.
    pub fn generate(mut self, n_gen: u32) -> Self {
        self.n_gen = n_gen;
        self
    }

    /// The depths, in tokens.
    pub fn depths(mut self, depths: impl IntoIterator<Item = u32>) -> Self {
        self.depths = depths.into_iter().collect();
        self
    }

    /// Repetitions per cell and run, in one context, instead of as many as fit into several. More of them outlast what
    /// disturbs the machine.
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.n_reps = Some(n_reps);
        self
    }

    /// Whole sweeps, each with a context of its own, at least 1: all of them are runs of the report.
    pub fn runs(mut self, n_runs: u32) -> Self {
        self.n_runs = n_runs.max(1);
        self
    }

    /// How contexts are made, on as many threads as they say; `n_ctx` is chosen by the sweep.
    pub fn context(mut self, context: ContextParams) -> Self {
        self.context = context;
        self
    }

    /// Sets whether to time the calibration loop before each repetition; on by default ([`Sweep::calibrated`]).
    pub fn calibrated(mut self, calibrated: bool) -> Self {
        self.calibrated = calibrated;
        self
    }

    /// Makes everything take longer by this share of its time ([`Sweep::slowed`]), to see whether a test would notice.
    pub fn slowed_by(mut self, slowdown: Share) -> Self {
        self.slowdown = Some(slowdown);
        self
    }

    /// Measures.
    ///
    /// # Errors
    /// Nothing to measure, or lengths that cannot be run. What fails later is in its cell.
    pub fn run(self) -> Result<Report, Error> {
        // All contexts in one turn: no other sweep runs between them.
        let _turn = Turn::take(&Cancel::new(), tell_on_stderr);
        let mut report = Report::default();
        for _ in 0..self.n_runs {
            let run = match self.n_reps {
                Some(n_reps) => self.measure(self.sweep().repetitions(n_reps))?,
                None => self.measure_within_budget()?,
            };
            report.runs.extend(run);
        }
        Ok(report)
    }

    /// As many repetitions as fit into the budget, in several contexts.
    fn measure_within_budget(&self) -> Result<Option<Run>, Error> {
        let n_cells = self.sweep().plan()?.cells.len().max(1) as u32;
        // Never precise enough: only the budget or the number ends it.
        let rule = StoppingRule {
            min: MOST,
            max: MOST,
            target: Share::new(f64::MIN_POSITIVE).unwrap_or_default(),
            budget: Some(BUDGET / n_cells / CONTEXTS as u32),
            ..StoppingRule::new()
        };
        let measure = || self.measure(self.sweep().until(rule));
        let Some(mut run) = measure()? else { return Ok(None) };
        let is_slow = |cell: &Cell| {
            cell.measured().is_some_and(|measured| measured.samples.len() + measured.set_aside.len() < 2)
        };
        if run.cells.iter().any(is_slow) {
            return self.measure(self.sweep().repetitions(FEWEST));
        }
        for _ in 1..CONTEXTS {
            measure()?.into_iter().for_each(|next| append(&mut run, next));
        }
        forget_rule(&mut run);
        Ok(Some(run))
    }

    fn sweep(&self) -> Sweep<'_> {
        let mut sweep = Sweep::new(self.model)
            .depths(self.depths.iter().copied())
            .context(self.context.clone())
            .calibrated(self.calibrated);
        if self.n_prompt > 0 {
            sweep = sweep.prompt(self.n_prompt);
        }
        if self.n_gen > 0 {
            sweep = sweep.generate(self.n_gen);
        }
        sweep
    }

    fn measure(&self, sweep: Sweep<'_>) -> Result<Option<Run>, Error> {
        let sweep = match self.slowdown {
            Some(slowdown) => sweep.slowed(slowdown),
            None => sweep,
        };
        Ok(sweep.run()?.runs.pop())
    }
}
