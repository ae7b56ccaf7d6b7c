//! The builder: a model, its requests and its loads.

use super::{
    Arrivals, LoadRecord, Policy, Search, ServeError, ServeObserver, ServeReport, ServeRun, ServeSettings,
    Slo, Workload,
    llama_server::{self, N_CTX_PAD},
    serve_run::{Lane, serve_in_turn},
};
use crate::{
    bench::{Cancel, MemoryEstimate, Sweep},
    llama::{ContextParams, Model},
    record::{Failure, Method},
};

/// Serves the requests of many users with one model, in this process, as llama-server's scheduler would.
///
/// Each repetition of each load has a context of its own, so repetitions show how far contexts differ. The n-th
/// repetition has the same requests in every load and configuration. Of loads and configurations served together, one
/// repetition of each comes in turn.
///
/// ```
/// use llama_bench_rs::{llama::ContextParams, serve::{Arrivals, Policy, Serve, Workload}, testing};
///
/// let model = testing::tiny_model()?;
/// let workload = Workload::default().n_requests(4).prompts("uniform:8:32".parse()?).generations("4".parse()?);
/// let report = Serve::new(&model)
///     .context(ContextParams::default().n_threads(1).n_threads_batch(1))
///     .policy(Policy::default().n_parallel(2))
///     .workload(workload)
///     .loads([Arrivals::users(1), Arrivals::users(4)])
///     .repetitions(2)
///     .run()?;
/// for (_, load) in report.loads() {
///     let figures = load.figures(None);
///     println!("{}: {:?}, TTFT p50 {:?}", load.arrivals, figures.generation, figures.ttft.p50);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Serve<'a> {
    pub(super) name: String,
    pub(super) model: &'a Model,
    pub(super) context: ContextParams,
    pub(super) settings: ServeSettings,
    pub(super) loads: Vec<Arrivals>,
    pub(super) observer: Option<&'a mut dyn ServeObserver>,
    pub(super) cancel: Cancel,
    pub(super) earlier: Option<ServeRun>,
    pub(super) exclusive: bool,
    /// Loads that are not served again, with the reason.
    pub(super) lost: Vec<(Arrivals, Failure)>,
}

/// What one load will take.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadPreview {
    /// The load.
    pub arrivals: Arrivals,
    /// Slots of its contexts.
    pub n_slots: u32,
    /// Tokens that each slot can hold.
    pub n_ctx_slot: u32,
    /// Prompt tokens of all its repetitions; reused ones are counted as well.
    pub n_prompt_tokens: u64,
    /// Tokens that they generate.
    pub n_gen_tokens: u64,
    /// Estimated memory of its context; `None` if llama.cpp has no estimate.
    pub memory: Option<MemoryEstimate>,
    /// Why it cannot be served, if that is known before.
    pub refusal: Option<Failure>,
}

impl<'a> Serve<'a> {
    /// Serves the default workload with llama-server's policy, without a load: 3 repetitions, a warm-up, llama-bench's
    /// context parameters.
    pub fn new(model: &'a Model) -> Self {
        Self {
            name: String::new(),
            model,
            context: ContextParams::default(),
            settings: ServeSettings {
                policy: Policy::default(),
                workload: Workload::default(),
                n_reps: 3,
                warmup: true,
                slo: None,
                search: None,
            },
            loads: Vec::new(),
            observer: None,
            cancel: Cancel::new(),
            earlier: None,
            lost: Vec::new(),
            exclusive: true,
        }
    }

    /// Names the configuration, to distinguish it from others that are served in turn with it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how contexts are made. Slots, `n_ctx` and `n_batch` follow from policy and workload; a physical batch that is
    /// larger than the policy's batch is reduced to it.
    #[must_use]
    pub fn context(mut self, context: ContextParams) -> Self {
        self.context = context;
        self
    }

    /// Sets how requests share the steps.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets the requests.
    #[must_use]
    pub fn workload(mut self, workload: Workload) -> Self {
        self.settings.workload = workload;
        self
    }

    /// Adds a load.
    #[must_use]
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.loads.push(arrivals);
        self
    }

    /// Adds several loads.
    #[must_use]
    pub fn loads(mut self, loads: impl IntoIterator<Item = Arrivals>) -> Self {
        self.loads.extend(loads);
        self
    }

    /// Sets the number of repetitions of each load.
    #[must_use]
    pub fn repetitions(mut self, n_reps: u32) -> Self {
        self.settings.n_reps = n_reps;
        self
    }

    /// Sets whether each context is warmed up before its repetition; on by default.
    #[must_use]
    pub fn warmup(mut self, warmup: bool) -> Self {
        self.settings.warmup = warmup;
        self
    }

    /// Sets the service level that requests should keep.
    #[must_use]
    pub fn slo(mut self, slo: Slo) -> Self {
        self.settings.slo = Some(slo);
        self
    }

    /// Searches for the largest load that keeps the service level, after the other loads.
    #[must_use]
    pub fn search(mut self, search: Search) -> Self {
        self.settings.search = Some(search);
        self
    }

    /// Sets the observer, which receives progress events.
    #[must_use]
    pub fn observer(mut self, observer: &'a mut dyn ServeObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Lets another thread stop the serving after the step that is running; what was measured is kept.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets whether to wait until nothing else of this kind measures on the machine; on by default.
    #[must_use]
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
        self
    }

    /// Resumes an interrupted run of the same configuration: whole repetitions are not served again, failed loads are tried
    /// again.
    ///
    /// # Errors
    /// The run is of another configuration, model, machine or build, or of other requests; the error names what differs.
    pub fn resume(mut self, earlier: ServeRun) -> Result<Self, ServeError> {
        let run = self.begun()?;
        let differences = run.differences(&earlier);
        if !differences.is_empty() {
            return Err(ServeError::OtherRun { differences });
        }
        let (ours, theirs) = (&run.settings, &earlier.settings);
        if ours.workload != theirs.workload {
            return Err(ServeError::OtherWork { what: "the workload or its seed" });
        }
        if !ours.same_work(theirs) {
            return Err(ServeError::OtherWork { what: "the policy or the warm-up" });
        }
        self.earlier = Some(earlier);
        Ok(self)
    }

    /// What each load will take, without serving it. Loads of a search are not among them.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn preview(&self) -> Result<Vec<LoadPreview>, ServeError> {
        let run = self.begun()?;
        let context = self.context_params();
        let preview = |load: &LoadRecord| {
            let memory = llama_server::memory_estimate(self.model, &context, load.n_slots, load.n_ctx_slot);
            let short = memory.as_ref().and_then(|estimate| {
                llama_server::check_memory(estimate, load.n_slots, load.n_ctx_slot).err()
            });
            let requests = || (0..run.settings.n_reps).map(|rep| run.settings.workload_of(rep));
            let sum = |pick: fn(&super::Request) -> u32| -> u64 {
                requests().map(|w| w.requests().map(|r| u64::from(pick(&r))).sum::<u64>()).sum()
            };
            LoadPreview {
                arrivals: load.arrivals.clone(),
                n_slots: load.n_slots,
                n_ctx_slot: load.n_ctx_slot,
                n_prompt_tokens: sum(|request| request.n_prompt),
                n_gen_tokens: sum(|request| request.n_gen),
                memory,
                refusal: self.refusal().or(short),
            }
        };
        Ok(run.loads.iter().map(preview).collect())
    }

    /// Serves all loads. One that fails carries its reason, and the others are still served.
    ///
    /// # Errors
    /// No load, or settings that cannot be used. A context or a decode that fails later is in the loads.
    pub fn run(self) -> Result<ServeReport, crate::Error> {
        interleave(vec![self])
    }

    /// The run before anything was served.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn begun(&self) -> Result<ServeRun, ServeError> {
        let settings = &self.settings;
        if self.loads.is_empty() && settings.search.is_none() {
            return Err(ServeError::NoLoads);
        }
        if settings.n_reps == 0 {
            return Err(ServeError::NoRepetitions);
        }
        settings.policy.check()?;
        self.loads.iter().try_for_each(Arrivals::check)?;
        if let Some(search) = &settings.search {
            search.from.check()?;
            if let Some((name, value, remedy)) = search.refusal() {
                return Err(ServeError::Parameter { name, value, remedy: remedy.into() });
            }
            if settings.slo.is_none() {
                return Err(ServeError::NoSlo);
            }
        }
        (0..settings.n_reps_most()).try_for_each(|rep| settings.workload_of(rep).check())?;
        let mut loads: Vec<LoadRecord> = Vec::new();
        for arrivals in &self.loads {
            if !loads.iter().any(|load| load.arrivals == *arrivals) {
                loads.push(self.load(arrivals));
            }
        }
        let header = Sweep::new(self.model)
            .context(self.context_params())
            .repetitions(settings.n_reps)
            .warmup(settings.warmup)
            .seed(settings.workload.seed)
            .method(Method::FreshContext)
            .header()?;
        Ok(ServeRun { name: self.name.clone(), header, settings: settings.clone(), loads, capacity: None })
    }

    /// A load without repetitions.
    pub(super) fn load(&self, arrivals: &Arrivals) -> LoadRecord {
        let n_parallel = self.settings.policy.n_parallel;
        let n_slots = match arrivals {
            Arrivals::Closed { users, .. } => n_parallel.min(*users),
            Arrivals::Open { .. } => n_parallel,
        };
        // Requests of other repetitions may be longer.
        let of_rep = |rep| self.settings.workload_of(rep).n_longest().unwrap_or(0);
        let longest = (0..self.settings.n_reps_most()).map(of_rep).max().unwrap_or(0);
        LoadRecord::new(arrivals.clone(), n_slots, longest.next_multiple_of(N_CTX_PAD))
    }

    /// How contexts are made, except for their size and slots.
    pub(super) fn context_params(&self) -> ContextParams {
        let n_batch = self.settings.policy.n_batch;
        let n_ubatch = self.context.n_ubatch.min(n_batch);
        self.context.clone().n_batch(n_batch).n_ubatch(n_ubatch)
    }

    /// Why this model cannot serve these requests, if it cannot.
    pub(super) fn refusal(&self) -> Option<Failure> {
        llama_server::refusal(self.model, &self.context_params(), &self.settings.workload)
    }
}

/// Serves several configurations in turn: one repetition of each load of each, then the next repetition. Drift of the machine
/// affects all alike, and their repetitions of the same number have the same requests:
/// [`compare`](super::compare) takes them as pairs. Searches follow, one configuration after the other.
///
/// The report has one run for each, in the order given.
///
/// # Errors
/// As [`Serve::run`], of any of them.
pub fn interleave(serves: Vec<Serve<'_>>) -> Result<ServeReport, crate::Error> {
    let lanes: Vec<Lane<'_>> = serves
        .into_iter()
        .enumerate()
        .map(|(index, serve)| Lane::new(index, serve))
        .collect::<Result<_, _>>()?;
    Ok(serve_in_turn(lanes))
}
