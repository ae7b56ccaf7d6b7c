use std::time::Duration;

use crate::{
    Error,
    bench::{self, Cancel, Event, LlamaTarget, Sweep, clock::MonotonicClock},
    llama::{ContextParams, Model},
    record::{Report, Run, Timing},
    testing::Slowed,
    units::Ratio,
};

/// How long the repetitions of a run go on: other work disturbs for a second at a time, which a run should outlast.
const BUDGET: Duration = Duration::from_millis(1500);

/// Fewest and most repetitions within the budget.
const REPETITIONS: (u32, u32) = (10, 100);

/// A sweep that is small enough for a test: pp64 and tg16, at depths 0 and 256, in one run of as many repetitions as
/// fit into a second and a half, from 10 to 100.
///
/// `testing::quick_sweep(&model).run()?` is all that most tests need.
pub fn quick_sweep(model: &Model) -> QuickSweep<'_> {
    QuickSweep {
        model,
        n_prompt: 64,
        n_gen: 16,
        depths: vec![0, 256],
        n_reps: None,
        n_runs: 1,
        context: ContextParams::default(),
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
    slowdown: Option<Ratio>,
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

    /// Repetitions per cell and run, instead of as many as fit. More of them outlast what disturbs the machine.
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.n_reps = Some(n_reps);
        self
    }

    /// Whole sweeps, each with a context of its own, at least 1: all of them are runs of the report.
    pub fn runs(mut self, n_runs: u32) -> Self {
        self.n_runs = n_runs.max(1);
        self
    }

    /// How contexts are made; `n_ctx` is chosen by the sweep.
    pub fn context(mut self, context: ContextParams) -> Self {
        self.context = context;
        self
    }

    /// Makes everything take longer by this share of its time ([`Slowed`]), to see whether a test would notice.
    pub fn slowed_by(mut self, slowdown: Ratio) -> Self {
        self.slowdown = Some(slowdown);
        self
    }

    /// Measures.
    ///
    /// # Errors
    /// Nothing to measure, or lengths that cannot be run. What fails later is in its cell.
    pub fn run(self) -> Result<Report, Error> {
        let n_reps = match self.n_reps {
            Some(n_reps) => n_reps,
            None => self.repetitions_that_fit()?,
        };
        let mut report = Report::default();
        for _ in 0..self.n_runs {
            match self.slowdown {
                None => report.runs.extend(self.sweep(n_reps).run()?.runs),
                Some(slowdown) => report.runs.push(self.run_slowed(slowdown, n_reps)?),
            }
        }
        Ok(report)
    }

    /// Tries a few and counts how many more the budget has room for.
    fn repetitions_that_fit(&self) -> Result<u32, Error> {
        const TRIED: u32 = 3;
        let report = self.sweep(TRIED).run()?;
        let timing = report.runs.first().map(|run| run.header.timing.clone()).unwrap_or_default();
        let each = timing.wall.saturating_sub(timing.fill + timing.warmup) / TRIED;
        let n_reps = BUDGET.as_nanos() / each.as_nanos().max(1);
        let (fewest, most) = REPETITIONS;
        Ok(u32::try_from(n_reps).unwrap_or(most).clamp(fewest, most))
    }

    fn sweep(&self, n_reps: u32) -> Sweep<'_> {
        let mut sweep = Sweep::new(self.model)
            .depths(self.depths.iter().copied())
            .repetitions(n_reps)
            .context(self.context.clone());
        if self.n_prompt > 0 {
            sweep = sweep.prompt(self.n_prompt);
        }
        if self.n_gen > 0 {
            sweep = sweep.generate(self.n_gen);
        }
        sweep
    }

    fn run_slowed(&self, slowdown: Ratio, n_reps: u32) -> Result<Run, Error> {
        let plan = self.sweep(n_reps).plan()?;
        // A sweep describes what it measures; one token is the least that it can be asked for.
        let described = Sweep::new(self.model).prompt(1).repetitions(1).warmup(false);
        let mut runs = described.context(self.context.clone()).run()?.runs;
        let mut header = runs.pop().map(|run| run.header).unwrap_or_default();
        header.timing = Timing::default();
        header.config.n_reps = n_reps;
        header.config.warmup = plan.request.warmup;
        let mut target = Slowed::new(LlamaTarget::new(self.model, &self.context), slowdown);
        let mut silent = |_: &Event<'_>| {};
        Ok(bench::run(&plan, &mut target, &MonotonicClock::start(), header, &mut silent, &Cancel::new()))
    }
}
