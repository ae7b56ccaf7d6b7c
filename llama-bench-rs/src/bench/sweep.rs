//! The front door: measure a model at several depths.

use super::{
    Cancel, Event, Needs, Observer, Order, Plan, Request, Verification, clock::MonotonicClock,
    engine::Engine, error::BenchError, llama_target::LlamaTarget, target::Target as _,
};
use crate::{
    llama::{Backend, ContextParams, Model},
    record::{Failure, Group, Header, Method, Report, Run, Test},
    stats::StoppingRule,
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
    earlier: Option<Run>,
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
                embeddings: Vec::new(),
                pairs: Vec::new(),
                depths: vec![0],
                n_reps: 5,
                stopping: None,
                warmup: true,
                seed: 42,
                method: Method::default(),
                order: Order::default(),
                paced: false,
            },
            observer: None,
            cancel: Cancel::new(),
            earlier: None,
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

    /// Adds an embd test at every depth: the embedding of a text of `n_tokens` tokens, pooled as the model does it.
    #[must_use]
    pub fn embed(mut self, n_tokens: u32) -> Self {
        self.request.embeddings.push(n_tokens);
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

    /// Repeats each cell until the rule stops it, in place of a fixed number of repetitions.
    #[must_use]
    pub fn until(mut self, rule: StoppingRule) -> Self {
        self.request.stopping = Some(rule);
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

    /// How contexts are made; `n_ctx` is chosen by the sweep. With [`embeddings`](ContextParams::embeddings), prompts
    /// are embd tests, as llama-bench's `-embd 1` has it.
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

    /// Whether to take the pace of the machine before each repetition ([`Sample::pace`](crate::record::Sample::pace)),
    /// so that runs can be compared although the machine was faster in one than in the other. Where the model is not on
    /// the CPU alone, repetitions have none. Not by default: the control work takes a third of a millisecond and leaves
    /// its own data in the caches.
    #[must_use]
    pub fn paced(mut self, paced: bool) -> Self {
        self.request.paced = paced;
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

    /// Takes up a run of the same configuration that was cut short: cells that have all their repetitions are not
    /// measured again, others get those that they lack, and what failed is tried again.
    ///
    /// # Errors
    /// The run was of another configuration, model, machine or build; the error names what differs.
    pub fn take_up(mut self, earlier: Run) -> Result<Self, BenchError> {
        let header = self.header()?;
        let differences = header.differences(&earlier.header);
        if !differences.is_empty() {
            return Err(BenchError::OtherRun { differences });
        }
        self.earlier = Some(earlier);
        Ok(self)
    }

    /// What the report will say of the run before anything is measured.
    ///
    /// # Errors
    /// llama.cpp cannot be initialised.
    pub fn header(&self) -> Result<Header, BenchError> {
        let backend = Backend::init()?;
        Ok(super::describe::header(&backend, self.model, &self.context, &self.request()))
    }

    /// The memory that the sweep's context will take, by device; `None` where llama.cpp does not tell.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn needs(&self) -> Result<Option<Needs>, BenchError> {
        let plan = self.plan()?;
        Ok(Needs::of(self.model, &self.context, plan.n_ctx(&plan.depths)))
    }

    /// What would be run.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> Result<Plan, BenchError> {
        self.request().plan()
    }

    fn request(&self) -> Request {
        let mut request = self.request.clone();
        if self.context.embeddings {
            request.embeddings.append(&mut request.prompts);
        }
        request
    }

    /// The planned tests that this model cannot do, each with the reason that its cell will give.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn unsupported(&self) -> Result<Vec<(Test, Failure)>, BenchError> {
        let abilities = LlamaTarget::new(self.model, &self.context).abilities();
        let refused = |test: &Test| Some((*test, abilities.refusal(test)?));
        Ok(self.plan()?.cells.iter().filter_map(refused).collect())
    }

    /// Measures nothing, and proves that coming back to each depth leaves the context as a fresh fill does: walks over
    /// the depths as [`run`](Self::run) would, decoding as many tokens as the longest test between rewinds, and
    /// compares logits and positions. Fills a context of its own for every depth, which takes its time.
    ///
    /// # Errors
    /// As `run`; a context could not be made, filled or rewound.
    pub fn verify(self) -> Result<Verification, BenchError> {
        let plan = self.plan()?;
        super::verify::verify(self.model, &self.context, &plan).map_err(BenchError::Verify)
    }

    /// Runs the sweep; one run in the report. A cell that fails carries its reason and the others go on.
    ///
    /// # Errors
    /// Nothing to measure, or lengths that cannot be run. A model or context that fails later is in the cells.
    pub fn run(self) -> Result<Report, crate::Error> {
        let mut prepared = Prepared::new(self)?;
        let clock = MonotonicClock::start();
        let run = prepared.engine(&clock).run();
        Ok(Report { runs: vec![run] })
    }
}

/// Runs several sweeps in turn, repetition by repetition, each in a context of its own: what drifts on the machine
/// drifts for all of them alike, and the n-th repetition of one is paired with the n-th of the others. One run per
/// sweep in the report, in the order given.
///
/// Rewinds, whatever method was asked for, and takes the depths one after the other.
///
/// # Errors
/// As [`Sweep::run`], of any of them.
pub fn interleave(sweeps: Vec<Sweep<'_>>) -> Result<Report, crate::Error> {
    let mut prepared =
        sweeps.into_iter().map(Prepared::new).collect::<Result<Vec<Prepared<'_>>, BenchError>>()?;
    let clock = MonotonicClock::start();
    let engines = prepared.iter_mut().map(|one| one.engine(&clock)).collect();
    Ok(Report { runs: super::interleaved::run(engines) })
}

/// A sweep with all that its engine borrows.
struct Prepared<'a> {
    plan: Plan,
    header: Header,
    target: LlamaTarget,
    observer: Option<&'a mut dyn Observer>,
    silent: Silent,
    cancel: Cancel,
    earlier: Option<Run>,
}

impl<'a> Prepared<'a> {
    fn new(sweep: Sweep<'a>) -> Result<Self, BenchError> {
        Ok(Self {
            plan: sweep.plan()?,
            header: sweep.header()?,
            target: LlamaTarget::new(sweep.model, &sweep.context),
            observer: sweep.observer,
            silent: Silent,
            cancel: sweep.cancel,
            earlier: sweep.earlier,
        })
    }

    fn engine<'b>(&'b mut self, clock: &'b MonotonicClock) -> Engine<'b, LlamaTarget, MonotonicClock> {
        let observer: &mut dyn Observer = match &mut self.observer {
            Some(observer) => *observer,
            None => &mut self.silent,
        };
        let header = self.header.clone();
        let mut engine = Engine::new(&mut self.target, clock, &self.plan, header, observer, &self.cancel);
        if let Some(earlier) = &self.earlier {
            engine.take_up(earlier);
        }
        engine
    }
}

/// Hears nothing.
struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: &Event<'_>) {}
}
