//! The front door: measure a model at several depths.

use super::{
    Cancel, Event, Observer, Order, Plan, Request, clock::MonotonicClock, error::BenchError,
    llama_target::LlamaTarget,
};
use crate::{
    llama::{Backend, ContextParams, Model},
    record::{Group, Method, Report},
};

/// Measures prompt processing (pp) and token generation (tg) of a model at each context depth, in this process.
///
/// ```no_run
/// use llama_bench_rs::{bench::Sweep, llama::{Backend, Model, ModelParams}, record::TestKind};
///
/// let backend = Backend::init()?;
/// let model = Model::load(&backend, "model.gguf", &ModelParams::default())?;
/// let report = Sweep::new(&model).depths([0, 4096]).prompt(512).generate(32).run()?;
/// for rate in report.cell(TestKind::Tg(32), 4096).map(|cell| cell.rates()).unwrap_or_default() {
///     println!("{rate}");
/// }
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
pub struct Sweep<'a> {
    model: &'a Model,
    context: ContextParams,
    request: Request,
    observer: Option<&'a mut dyn Observer>,
    cancel: Cancel,
}

impl<'a> Sweep<'a> {
    /// Nothing to measure yet but depth 0; 5 repetitions, a warm-up, llama-bench's context parameters.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            context: ContextParams::default(),
            request: Request {
                prompts: Vec::new(),
                generations: Vec::new(),
                pairs: Vec::new(),
                depths: vec![0],
                n_reps: 5,
                warmup: true,
                seed: 42,
                method: Method::default(),
                order: Order::default(),
            },
            observer: None,
            cancel: Cancel::new(),
        }
    }

    /// The depths to measure at, in tokens; they replace those set before. Order and repeats do not matter.
    #[must_use]
    pub fn depths(mut self, depths: impl IntoIterator<Item = u32>) -> Self {
        self.request.depths = depths.into_iter().collect();
        self
    }

    /// Adds a pp test of `n_prompt` tokens at every depth.
    #[must_use]
    pub fn prompt(mut self, n_prompt: u32) -> Self {
        self.request.prompts.push(n_prompt);
        self
    }

    /// Adds a tg test of `n_gen` tokens at every depth.
    #[must_use]
    pub fn generate(mut self, n_gen: u32) -> Self {
        self.request.generations.push(n_gen);
        self
    }

    /// Adds a prompt directly followed by a generation at every depth: two cells, never one blend.
    #[must_use]
    pub fn pg(mut self, n_prompt: u32, n_gen: u32) -> Self {
        self.request.pairs.push(Group { n_prompt, n_gen });
        self
    }

    /// Repetitions per cell.
    #[must_use]
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.request.n_reps = n_reps;
        self
    }

    /// Whether to warm up before anything is timed.
    #[must_use]
    pub fn warmup(mut self, warmup: bool) -> Self {
        self.request.warmup = warmup;
        self
    }

    /// Seed of the random tokens and of the order.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.request.seed = seed;
        self
    }

    /// How contexts are made; `n_ctx` is chosen by the sweep.
    #[must_use]
    pub fn context(mut self, context: ContextParams) -> Self {
        self.context = context;
        self
    }

    /// How depths are reached.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.request.method = method;
        self
    }

    /// In which order repetitions are run.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.request.order = order;
        self
    }

    /// Hears what happens.
    #[must_use]
    pub fn observer(mut self, observer: &'a mut dyn Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Lets another thread stop the sweep.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// What would be run.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> Result<Plan, BenchError> {
        self.request.clone().plan()
    }

    /// Runs the sweep; one run in the report. A cell that fails carries its reason and the others go on.
    ///
    /// # Errors
    /// Nothing to measure, or lengths that cannot be run. A model or context that fails later is in the cells.
    pub fn run(self) -> Result<Report, crate::Error> {
        let plan = self.plan()?;
        let backend = Backend::init()?;
        let header = super::describe::header(&backend, self.model, &self.context, &plan.request);
        let mut target = LlamaTarget::new(self.model, &self.context);
        let mut silent = |_: &Event<'_>| {};
        let observer = self.observer.unwrap_or(&mut silent);
        let clock = MonotonicClock::start();
        let run = super::run(&plan, &mut target, &clock, header, observer, &self.cancel);
        Ok(Report { runs: vec![run] })
    }
}
