use crate::{
    Error,
    bench::{self, Cancel, Event, LlamaTarget, Sweep, clock::MonotonicClock},
    llama::{ContextParams, Model},
    record::{Report, Run, Timing},
    testing::Slowed,
    units::Ratio,
};

/// A sweep that is small enough for a test: pp64 and tg16, at depths 0 and 256, 9 repetitions, one run.
///
/// `testing::quick_sweep(&model).run()?` is all that most tests need.
pub fn quick_sweep(model: &Model) -> QuickSweep<'_> {
    QuickSweep {
        model,
        n_prompt: 64,
        n_gen: 16,
        depths: vec![0, 256],
        n_reps: 9,
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
    n_reps: u32,
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

    /// Repetitions per cell and run. A run counts with their median, so an odd number is best.
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.n_reps = n_reps;
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
        let mut report = Report::default();
        for _ in 0..self.n_runs {
            match self.slowdown {
                None => report.runs.extend(self.sweep().run()?.runs),
                Some(slowdown) => report.runs.push(self.run_slowed(slowdown)?),
            }
        }
        Ok(report)
    }

    fn sweep(&self) -> Sweep<'_> {
        let mut sweep = Sweep::new(self.model)
            .depths(self.depths.iter().copied())
            .repetitions(self.n_reps)
            .context(self.context.clone());
        if self.n_prompt > 0 {
            sweep = sweep.prompt(self.n_prompt);
        }
        if self.n_gen > 0 {
            sweep = sweep.generate(self.n_gen);
        }
        sweep
    }

    fn run_slowed(&self, slowdown: Ratio) -> Result<Run, Error> {
        let plan = self.sweep().plan()?;
        // A sweep describes what it measures; one token is the least that it can be asked for.
        let described = Sweep::new(self.model).prompt(1).repetitions(1).warmup(false);
        let mut runs = described.context(self.context.clone()).run()?.runs;
        let mut header = runs.pop().map(|run| run.header).unwrap_or_default();
        header.timing = Timing::default();
        header.config.n_reps = self.n_reps;
        header.config.warmup = plan.request.warmup;
        let mut target = Slowed::new(LlamaTarget::new(self.model, &self.context), slowdown);
        let mut silent = |_: &Event<'_>| {};
        Ok(bench::run(&plan, &mut target, &MonotonicClock::start(), header, &mut silent, &Cancel::new()))
    }
}
