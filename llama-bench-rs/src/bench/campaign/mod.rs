//! Many configurations, measured as one: one plan, one progress, one report.

mod apart;
mod configuration;
mod deaths;
mod grid;
mod inspect;
mod measure;
mod packs;
mod part;
mod resume;
mod source;
mod tell;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod too_large_tests;

use std::path::PathBuf;

use super::{BenchError, Cancel, Observer, Sweep};
use crate::{
    Error,
    isolate::Isolation,
    llama::{ContextParams, ModelParams},
    record::{Failure, Header, Report, configuration_names, numbered},
};

pub(crate) use apart::measure_apart;
pub use configuration::Configuration;
pub use grid::Grid;
pub use inspect::{Inspected, Look};
pub use measure::Campaigned;
pub(crate) use part::{Part, PartOf};
pub(crate) use resume::places_of;
pub use source::Source;

/// What is measured of each configuration.
type Ask<'a> = Box<dyn for<'m> Fn(Sweep<'m>) -> Sweep<'m> + 'a>;

/// Measures many configurations: every model with every set of model and context parameters.
///
/// Each model file is loaded once for each set of model parameters. Repetitions of configurations that share a loaded
/// model are interleaved if their contexts fit into memory together: drift of the machine then affects all alike
/// ([`interleaved`](Self::interleaved)). A model that cannot be loaded is a failed run, and the others are still measured.
///
/// ```
/// use llama_bench_rs::{bench::{Campaign, Event, Grid}, gguf::Shape, llama::ContextParams};
///
/// let contexts = Grid::new(ContextParams::default().n_threads(1).n_threads_batch(1))
///     .axis([64, 128], ContextParams::n_ubatch);
/// let mut tell = |event: &Event<'_>| {
///     if let Event::Configuration { index, n, name, .. } = event {
///         println!("[{}/{n}] {name}", index + 1);
///     }
/// };
/// let measured = Campaign::new()
///     .models([Shape::preset("tiny-llama")?])
///     .contexts(contexts)
///     .tests(|sweep| sweep.depths([0, 64]).prompt(16).generate(4).repetitions(2))
///     .observer(&mut tell)
///     .run()?;
/// assert_eq!(measured.configurations.len(), 2);
/// assert!(measured.report.is_complete());
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[must_use = "nothing is measured before `run`"]
pub struct Campaign<'a> {
    models: Vec<Source>,
    params: Vec<ModelParams>,
    contexts: Vec<ContextParams>,
    named: Vec<Subject>,
    ask: Ask<'a>,
    n_runs: u32,
    n_loads: u32,
    interleaved: bool,
    /// Configurations are measured in processes of their own.
    isolation: Option<Isolation>,
    /// Files leave the page cache before the first load too.
    redraws: bool,
    /// Nothing is measured: weights that do not fit are not loaded.
    only_plans: bool,
    observer: Option<&'a mut dyn Observer>,
    cancel: Cancel,
    earlier: Report,
}

/// One model file with one set of parameters.
#[derive(Clone, Debug)]
struct Subject {
    source: Source,
    path: PathBuf,
    params: ModelParams,
    context: ContextParams,
    /// Given by the application; otherwise what differs from the others.
    name: Option<String>,
    /// What is measured of it alone, in place of what is asked of all.
    asked: Option<part::Asked>,
}

impl Default for Campaign<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Campaign<'a> {
    /// No model yet; default parameters, one run of each configuration, repetitions interleaved.
    pub fn new() -> Self {
        Self {
            models: Vec::new(),
            params: Vec::new(),
            contexts: Vec::new(),
            named: Vec::new(),
            ask: Box::new(|sweep| sweep),
            n_runs: 1,
            n_loads: 1,
            interleaved: true,
            isolation: None,
            redraws: false,
            only_plans: false,
            observer: None,
            cancel: Cancel::new(),
            earlier: Report::default(),
        }
    }

    /// The models; they replace those set before.
    pub fn models(mut self, models: impl IntoIterator<Item = impl Into<Source>>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// The ways to load each model; they replace those set before. [`ModelParams::default`] if there is none. A
    /// [`Grid`] makes every combination of several parameters.
    pub fn model_params(mut self, params: impl IntoIterator<Item = ModelParams>) -> Self {
        self.params = params.into_iter().collect();
        self
    }

    /// The ways to make a context; they replace those set before. [`ContextParams::default`] if there is none. `n_ctx`
    /// is chosen by the sweep.
    pub fn contexts(mut self, contexts: impl IntoIterator<Item = ContextParams>) -> Self {
        self.contexts = contexts.into_iter().collect();
        self
    }

    /// Adds one configuration under a name of its own, after those of the grid.
    pub fn configuration(
        mut self,
        name: impl Into<String>,
        model: impl Into<Source>,
        params: &ModelParams,
        context: &ContextParams,
    ) -> Self {
        let (source, name) = (model.into(), Some(name.into()));
        let (params, context) = (params.clone(), context.clone());
        self.named.push(Subject { source, path: PathBuf::new(), params, context, name, asked: None });
        self
    }

    /// What is measured of each configuration: tests, depths, repetitions and all else that a [`Sweep`] can be asked
    /// for. Context, runs, observer and cancellation are the campaign's own.
    pub fn tests(mut self, ask: impl for<'m> Fn(Sweep<'m>) -> Sweep<'m> + 'a) -> Self {
        self.ask = Box::new(ask);
        self
    }

    /// How often each configuration runs per load of its model, each time in a fresh context; 1 by default. All
    /// configurations of a load have their first run before any has its second.
    pub fn runs(mut self, n_runs: u32) -> Self {
        self.n_runs = n_runs;
        self
    }

    /// How often each model is loaded, with [`runs`](Self::runs) runs of each configuration every time; 1 by default. A
    /// mapped file is read from disk again, if the system allows it.
    pub fn loads(mut self, n_loads: u32) -> Self {
        self.n_loads = n_loads;
        self
    }

    /// Whether repetitions of configurations that share a loaded model are interleaved; so by default. Only
    /// configurations whose contexts fit into memory together are, and none with
    /// [`Method::FreshContext`](crate::record::Method::FreshContext), [`Order::Rounds`](super::Order::Rounds) or a
    /// [delay](Sweep::delay). The others are measured one after the other.
    pub fn interleaved(mut self, interleaved: bool) -> Self {
        self.interleaved = interleaved;
        self
    }

    /// Measures each configuration in a process of its own: what ends it costs this configuration alone, which fails with
    /// the reason. They are then measured one after the other, not interleaved. [`isolate`](crate::isolate) says what the
    /// program must do for it.
    pub fn isolated(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Receives progress events. Each event follows an [`Event::Configuration`](super::Event::Configuration) that names
    /// its configuration, except for those of the whole campaign and of loading.
    pub fn observer<'o>(self, observer: &'o mut dyn Observer) -> Campaign<'o>
    where
        'a: 'o,
    {
        // Field by field: with the observer before it, the campaign lived as long as that one.
        Campaign {
            models: self.models,
            params: self.params,
            contexts: self.contexts,
            named: self.named,
            ask: self.ask,
            n_runs: self.n_runs,
            n_loads: self.n_loads,
            interleaved: self.interleaved,
            isolation: self.isolation,
            redraws: self.redraws,
            only_plans: self.only_plans,
            observer: Some(observer),
            cancel: self.cancel,
            earlier: self.earlier,
        }
    }

    /// Lets another thread stop it: what was measured is kept, no further model is loaded, and what was not begun is a
    /// failed run.
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Resumes an interrupted campaign, such as one read by [`Journal::resume`](crate::report::Journal::resume).
    ///
    /// Each of its runs is resumed by the configuration that its header names, in any order. Cells that have all their
    /// repetitions are not measured again, others get those that they lack, and what failed is tried again.
    pub fn resume(mut self, earlier: Report) -> Self {
        self.earlier = earlier;
        self
    }

    /// All configurations, the model varying slowest, then the model parameters, as they are planned before anything is
    /// loaded.
    ///
    /// # Errors
    /// No model, nothing to measure, lengths that cannot be run, or a synthetic model whose shape is impossible.
    pub fn plan(&self) -> Result<Vec<Configuration>, Error> {
        self.configurations(&self.subjects()?)
    }

    fn subjects(&self) -> Result<Vec<Subject>, Error> {
        let or_default = |params: &[ModelParams]| match params {
            [] => vec![ModelParams::default()],
            params => params.to_vec(),
        };
        let contexts = match &self.contexts[..] {
            [] => vec![ContextParams::default()],
            contexts => contexts.to_vec(),
        };
        let mut subjects = Vec::new();
        for source in &self.models {
            for params in or_default(&self.params) {
                for context in &contexts {
                    let (params, context) = (params.clone(), context.clone());
                    subjects.push(Subject {
                        source: source.clone(),
                        path: PathBuf::new(),
                        params,
                        context,
                        name: None,
                        asked: None,
                    });
                }
            }
        }
        subjects.extend(self.named.iter().cloned());
        for subject in &mut subjects {
            subject.path = subject.source.path()?;
        }
        if subjects.is_empty() {
            return Err(BenchError::NoModel.into());
        }
        Ok(subjects)
    }

    fn configurations<'s>(&self, subjects: &'s [Subject]) -> Result<Vec<Configuration>, Error> {
        if self.n_runs == 0 || self.n_loads == 0 {
            return Err(BenchError::NoRuns.into());
        }
        let n_runs = self.n_runs.saturating_mul(self.n_loads);
        let not_yet = Failure { kind: "model_load".into(), message: "not loaded yet".into() };
        let mut known: Vec<(&Subject, Option<String>, Option<u64>)> = Vec::new();
        let mut refused = Vec::new();
        let mut of = |subject: &'s Subject| -> Result<Configuration, Error> {
            let sweep = Sweep::not_loaded(&subject.path, &subject.params, not_yet.clone());
            let sweep = self.asked(sweep.of_shape(subject.source.like()), subject);
            let (mut header, plan) = (sweep.header()?, sweep.plan()?);
            refused.push(sweep.check_batch(&plan));
            let is_known = |other: &&Subject| {
                (&other.path, other.source.is_synthetic()) == (&subject.path, subject.source.is_synthetic())
            };
            let found = known.iter().find(|(other, ..)| is_known(other));
            let (defect, weights) = found.map_or_else(
                || (subject.source.defect().map(|defect| defect.to_string()), subject.source.weight_bytes()),
                |(_, defect, weights)| (defect.clone(), *weights),
            );
            // No file holds it.
            header.model.size_bytes = weights;
            known.push((subject, defect.clone(), weights));
            Ok(Configuration { name: subject.name.clone().unwrap_or_default(), header, plan, n_runs, defect })
        };
        let mut configurations = subjects.iter().map(&mut of).collect::<Result<Vec<_>, _>>()?;
        // One that cannot be run costs its own cells; a request of nothing else is wrong.
        if refused.iter().all(Result::is_err) {
            refused.into_iter().collect::<Result<(), _>>()?;
        }
        let names = names(&configurations);
        for ((configuration, subject), name) in configurations.iter_mut().zip(subjects).zip(names) {
            if subject.name.is_none() {
                configuration.name = name;
            }
        }
        Ok(configurations)
    }

    fn asked<'m>(&self, sweep: Sweep<'m>, subject: &Subject) -> Sweep<'m> {
        let sweep = match &subject.asked {
            Some(asked) => asked.of(sweep),
            None => (self.ask)(sweep),
        };
        let sweep = sweep.context(subject.context.clone()).cancel(self.cancel.clone()).one_of_several(true);
        if self.isolation.is_some() { sweep.without_asking_devices() } else { sweep }
    }
}

/// What of each configuration differs from the others.
fn names(configurations: &[Configuration]) -> Vec<String> {
    let headers: Vec<&Header> = configurations.iter().map(|one| &one.header).collect();
    numbered(configuration_names(&headers), |n, _| format!("configuration {n}"))
}
