//! A sweep: measures a model at several depths.

mod known;
mod parallel;
mod ready;
mod trial;

use std::{path::Path, time::Duration};

use super::{
    Cancel, CeilingPolicy, Observer, Order, Plan, Profiling, Request, Verification, error::BenchError,
    failed::NotLoaded, llama_target::LlamaTarget, lock::Turn, observe::Silent, target::Target as _,
};
use crate::{
    llama::{Backend, ContextParams, Model, ModelParams},
    record::{Failure, Group, Header, Method, ModelInfo, Run, Test},
    stats::StoppingRule,
    units::Share,
};

pub use ready::interleave;

/// Measures prompt processing (pp) and token generation (tg) of a model at each context depth, in this process.
///
/// ```no_run
/// use llama_bench_rs::{bench::Sweep, llama::Model, record::TestKind};
///
/// let model = Model::load("model.gguf")?;
/// let report = Sweep::new(&model).depths([0, 4096]).prompt(512).generate(32).run()?;
/// for rate in report.cell(TestKind::Tg(32), 4096).map(|cell| cell.rates()).unwrap_or_default() {
///     println!("{rate}");
/// }
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
pub struct Sweep<'a> {
    subject: Subject<'a>,
    context: ContextParams,
    pub(super) request: Request,
    observer: Option<&'a mut dyn Observer>,
    cancel: Cancel,
    earlier: Option<Run>,
    n_runs: u32,
    pub(super) slowdown: Option<Share>,
    /// The header says what the devices said when they were first asked.
    asks_no_device: bool,
    /// What cannot be run fails its own cells, since other configurations can be.
    is_one_of_several: bool,
}

/// What a sweep is of.
enum Subject<'a> {
    Model(&'a Model),
    NotLoaded(NotLoaded),
}

impl<'a> Sweep<'a> {
    /// Creates a sweep with no tests, at depth 0: 5 repetitions, a warm-up, llama-bench's context parameters.
    pub fn new(model: &'a Model) -> Self {
        Self::of(Subject::Model(model))
    }

    /// Creates a sweep of a model that could not be loaded: [`run`](Self::run) returns a failed run in which every planned
    /// cell carries the reason. It keeps the place of the model among others.
    pub fn not_loaded(path: impl AsRef<Path>, params: &ModelParams, why: impl Into<Failure>) -> Self {
        Self::of(Subject::NotLoaded(NotLoaded::new(path.as_ref(), params, why.into())))
    }

    /// Says of a model that was not loaded whose shape it has: the file's, if it is a synthetic model.
    #[must_use]
    pub(crate) fn of_shape(mut self, like: Option<&Path>) -> Self {
        if let Subject::NotLoaded(not_loaded) = &mut self.subject {
            not_loaded.like = like.map(Path::to_owned);
        }
        self
    }

    fn of(subject: Subject<'a>) -> Self {
        Self {
            subject,
            context: ContextParams::default(),
            request: Request::default(),
            observer: None,
            cancel: Cancel::new(),
            earlier: None,
            n_runs: 1,
            slowdown: None,
            asks_no_device: false,
            is_one_of_several: false,
        }
    }

    /// Sets the depths to measure at, in tokens. Order and duplicates do not matter.
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

    /// Adds a prompt directly followed by a generation at every depth: two cells, never one mixed rate.
    #[must_use]
    pub fn pg(mut self, n_prompt: u32, n_gen: u32) -> Self {
        self.request.pairs.push(Group { n_prompt, n_gen });
        self
    }

    /// Sets the number of repetitions of each cell.
    #[must_use]
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.request.n_reps = n_reps;
        self
    }

    /// Repeats each cell until the rule stops it, instead of a fixed number of repetitions.
    #[must_use]
    pub fn until(mut self, rule: StoppingRule) -> Self {
        self.request.stopping = Some(rule);
        self
    }

    /// Sets whether to warm up before anything is timed; on by default.
    #[must_use]
    pub fn warmup(mut self, warmup: bool) -> Self {
        self.request.warmup = warmup;
        self
    }

    /// Sets the seed of the random tokens and of the order.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.request.seed = seed;
        self
    }

    /// Sets how contexts are made; the sweep chooses `n_ctx`, and `n_seq_max` if its tests need more sequences. With
    /// [`embeddings`](ContextParams::embeddings), prompts become embd tests, as with llama-bench's `-embd 1`.
    #[must_use]
    pub fn context(mut self, context: ContextParams) -> Self {
        self.context = context;
        self.context.kv_unified |= self.request.shared_prefix;
        self
    }

    /// Sets how depths are reached.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.request.method = method;
        self
    }

    /// Sets the order in which repetitions are run.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.request.order = order;
        self
    }

    /// Sets whether a fixed calibration loop is timed before each repetition
    /// ([`Sample::calibration`](crate::record::Sample::calibration)).
    ///
    /// Times are then compared relative to it, which removes changes of the machine's speed. Only for models that run
    /// on the CPU alone. Off by default: the loop takes a third of a millisecond and leaves its own data in the caches.
    #[must_use]
    pub fn calibrated(mut self, calibrated: bool) -> Self {
        self.request.calibrated = calibrated;
        self
    }

    /// Sets whether to record the graphs that llama.cpp computes ([`Header::work`]); on by default. It takes some
    /// milliseconds for each kind of test, before anything is timed.
    #[must_use]
    pub fn record_work(mut self, work: bool) -> Self {
        self.request.work = work;
        self
    }

    /// Sets whether to read counters of energy around each repetition ([`Cell`](crate::record::Cell)s then have joules per
    /// token, if the counters resolve them); on by default. Where there are counters, looking at them before anything is
    /// timed takes 0.1 to 0.6 s a run.
    #[must_use]
    pub fn energy(mut self, energy: bool) -> Self {
        self.request.energy = energy;
        self
    }

    /// Sets whether to measure the most that the devices of the model do, with ggml's own kernels, before the run
    /// ([`Header::ceilings`]); off by default. Cells then show which share of it they reach. The first time takes some
    /// ten seconds for each device; later runs of the same build take them from the user's cache folder.
    #[must_use]
    pub fn ceilings(mut self, policy: CeilingPolicy) -> Self {
        self.request.ceilings = policy;
        self
    }

    /// Profiles every cell: shows where its time goes ([`Measured::profile`](crate::record::Measured::profile)), by block of
    /// the model. That takes 18 more repetitions of each cell, or up to 30 within a second, after its samples and apart from
    /// them; none by default.
    #[must_use]
    pub fn profile(mut self, profiling: Profiling) -> Self {
        self.request.profile = Some(profiling);
        self
    }

    /// Sets a pause in which the machine cools off; none by default. It comes before each repetition that follows one of
    /// another test; with [`Method::FreshContext`] once before each test, as in llama-bench. With a warm-up, an untimed
    /// run follows the pause. Neither is part of a sample.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.request.delay = delay;
        self
    }

    /// Sets how many times the whole sweep is run, each time in a fresh context; once by default. Several runs show how far
    /// runs of the same work differ ([`report::between_runs`](crate::report::between_runs)). The model stays loaded;
    /// [`Loads`](super::Loads) loads it again for each run.
    #[must_use]
    pub fn runs(mut self, n_runs: u32) -> Self {
        self.n_runs = n_runs;
        self
    }

    /// Slows all work of the model down by this share of its own time (0.1 for 10 %), to check that a comparison finds
    /// it. The report does not mention it.
    #[must_use]
    pub fn slowed(mut self, slowdown: Share) -> Self {
        self.slowdown = Some(slowdown);
        self
    }

    /// Sets the observer, which receives progress events.
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

    /// Resumes an interrupted run of the same configuration: cells that have all their repetitions are not measured again,
    /// others get those that they lack, and failed cells are tried again.
    ///
    /// # Errors
    /// The run is of another configuration, model, machine or build; the error names what differs.
    pub fn resume(mut self, earlier: Run) -> Result<Self, BenchError> {
        let header = self.header()?;
        let mut theirs = earlier.header.clone();
        if matches!(self.subject, Subject::NotLoaded(_)) || !earlier.has_figures() {
            // Nothing but the file's name is known of a model that was not loaded.
            let filename = theirs.model.filename;
            theirs.model = ModelInfo { filename, ..header.model.clone() };
        }
        let differences = header.differences(&theirs);
        if !differences.is_empty() {
            return Err(BenchError::OtherRun { differences });
        }
        self.earlier = Some(earlier);
        Ok(self)
    }

    /// For a process that must survive what devices do: they are asked once.
    pub(super) fn without_asking_devices(mut self) -> Self {
        self.asks_no_device = true;
        self
    }

    /// The header of the run before anything is measured.
    ///
    /// # Errors
    /// llama.cpp cannot be initialised.
    pub fn header(&self) -> Result<Header, BenchError> {
        let backend = Backend::init()?;
        let (context, request) = (&self.context, self.request());
        Ok(match &self.subject {
            Subject::NotLoaded(NotLoaded { path, like, params, .. }) if self.asks_no_device => {
                super::describe::asking_no_device(
                    &backend,
                    (path, like.as_deref()),
                    params,
                    context,
                    &request,
                )
            }
            Subject::Model(model) => super::describe::header(&backend, model, context, &request),
            Subject::NotLoaded(NotLoaded { path, like, params, .. }) => {
                super::describe::without_model(&backend, (path, like.as_deref()), params, context, &request)
            }
        })
    }

    /// How the model was loaded, or should have been, and how contexts are made.
    pub fn params(&self) -> (&ModelParams, &ContextParams) {
        let model = match &self.subject {
            Subject::Model(model) => model.params(),
            Subject::NotLoaded(NotLoaded { params, .. }) => params,
        };
        (model, &self.context)
    }

    /// The tests in the order of the report, without running them.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> Result<Plan, BenchError> {
        let plan = self.request().plan()?;
        if !self.is_one_of_several {
            self.check_batch(&plan)?;
        }
        Ok(plan)
    }

    fn request(&self) -> Request {
        let mut request = self.request.clone();
        request.shared_prefix = self.context.kv_unified;
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
        let Subject::Model(model) = &self.subject else { return Ok(Vec::new()) };
        let (plan, abilities) = (self.plan()?, LlamaTarget::new(model, &self.context).abilities());
        let past_training = plan.past_training(model.n_ctx_train());
        let refused = |cell: usize| {
            let past = || past_training.iter().find(|(unit, _)| unit.cells().any(|of| of == cell));
            let refusal = abilities.refusal(&plan.cells[cell]);
            let refusal = refusal.or_else(|| self.refused_by_batch(&plan.cells[cell]));
            let refusal = refusal.or_else(|| past().map(|(_, why)| why.clone()));
            Some((plan.cells[cell], refusal?))
        };
        Ok((0..plan.cells.len()).filter_map(refused).collect())
    }

    /// Why the model could not be loaded; `None` if it was.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.subject {
            Subject::Model(_) => None,
            Subject::NotLoaded(not_loaded) => Some(&not_loaded.failure),
        }
    }

    /// Checks that a rewound context matches a freshly filled one, without timing anything: goes over the depths as
    /// [`run`](Self::run) does, decodes as many tokens as the longest test between rewinds, and compares logits and
    /// positions. With several sequences it also compares each copy of the fill with a sequence that was filled by itself.
    /// Slow: it fills a fresh context for every depth, and every sequence of one for every number of sequences.
    ///
    /// # Errors
    /// As `run`, or the model was not loaded, a context could not be made, filled or rewound, or it was cancelled.
    pub fn verify(mut self) -> Result<Verification, BenchError> {
        let plan = self.plan()?;
        let observer = self.observer.take().unwrap_or_else(Silent::observer);
        let _turn = Turn::of(&plan.request, observer, &self.cancel);
        let verified = match self.subject {
            Subject::Model(model) => {
                super::verify::verify(model, &self.context, &plan, observer, &self.cancel)
            }
            Subject::NotLoaded(NotLoaded { failure, .. }) => Err(failure),
        };
        verified.map_err(BenchError::Verify)
    }
}
