//! Several sides, measured together and loaded again each time.
//!
//! On a CPU, the place of a model's and a context's buffers in memory changes the speed by several percent. All
//! repetitions within one load share it; only repeating the load shows it. The example is at [`Loads`].

use std::path::{Path, PathBuf};

use super::{
    BenchError, Cancel, PageCache, Part, PartOf, Source, Sweep, interleave,
    lock::{Turn, tell_on_stderr},
    measure_apart,
    page_cache::{drop_from_page_cache, is_mapped},
};
use crate::{
    Error,
    isolate::Isolation,
    llama::{Backend, Model, ModelParams},
    record::{Failure, FailureKind, Report, Run},
    stats::Rng,
};

/// What is asked of a side's sweep.
type Ask<'a> = Box<dyn for<'m> Fn(Sweep<'m>) -> Sweep<'m> + 'a>;

/// What receives the runs of a load.
type Keep<'a> = &'a mut dyn FnMut(&[&Run]);

/// One side: a model, how it is loaded, and what is measured of it.
struct Side<'a> {
    source: Source,
    /// The model's name in records.
    path: PathBuf,
    params: ModelParams,
    ask: Ask<'a>,
}

impl Side<'_> {
    fn is_same_load(&self, other: &Self) -> bool {
        (&self.path, &self.params, self.has_file()) == (&other.path, &other.params, other.has_file())
    }

    fn has_file(&self) -> bool {
        self.source.has_file(&self.params)
    }

    fn mapped(&self) -> Option<&Path> {
        (self.has_file() && is_mapped(self.params.load_mode)).then_some(&*self.path)
    }
}

/// Measures one or more sides several times, in turn. Each time, every model is loaded again and has a fresh context.
///
/// The order of the sides is random in every other load and reversed in the next. Sides with the same model and
/// [`ModelParams`] share a load. Within a load, repetitions are [interleaved](interleave). The n-th runs of all sides
/// belong together: [`judge::compare_paired`](crate::judge::compare_paired) compares them.
///
/// ```no_run
/// use llama_bench_rs::{bench::Loads, llama::{LoadMode, ModelParams}};
///
/// let measured = Loads::new(8)
///     .side("a.gguf", &ModelParams::default(), |sweep| sweep.prompt(128).repetitions(4))
///     .side("b.gguf", &ModelParams::default(), |sweep| sweep.prompt(128).repetitions(4))
///     .run()?;
/// assert_eq!(measured.sides[0].runs.len(), 8);
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[must_use = "nothing is measured before `run`"]
pub struct Loads<'a> {
    n_loads: u32,
    sides: Vec<Side<'a>>,
    seed: u64,
    observer: Option<&'a mut dyn FnMut(u32)>,
    keeper: Option<Keep<'a>>,
    cancel: Cancel,
    exclusive: bool,
    isolation: Option<Isolation>,
}

/// What was measured over several loads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// One report per side, in the order given: a run per load.
    pub sides: Vec<Report>,
    /// What was done about the page cache.
    pub page_cache: PageCache,
}

impl<'a> Loads<'a> {
    /// Creates a measurement of `n_loads` loads of each side, at least one, with no side yet.
    pub fn new(n_loads: u32) -> Self {
        Self {
            n_loads: n_loads.max(1),
            sides: Vec::new(),
            seed: 42,
            observer: None,
            keeper: None,
            cancel: Cancel::new(),
            exclusive: true,
            isolation: None,
        }
    }

    /// Adds a side: a model's file, or a synthetic model. `ask` sets what is measured.
    pub fn side(
        mut self,
        model: impl Into<Source>,
        params: &ModelParams,
        ask: impl for<'m> Fn(Sweep<'m>) -> Sweep<'m> + 'a,
    ) -> Self {
        let source = model.into();
        // A cache folder that is missing is reported by the load.
        let path = source.path().unwrap_or_default();
        self.sides.push(Side { source, path, params: params.clone(), ask: Box::new(ask) });
        self
    }

    /// Sets the seed of the order in which the sides are loaded.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the observer, which receives the number of each load, from 0, before it begins.
    pub fn observer(mut self, observer: &'a mut dyn FnMut(u32)) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets what receives the runs of each load as soon as they are measured, one of each side in the order given: a file
    /// that they are written to survives the process.
    pub fn keeper(mut self, keeper: &'a mut dyn FnMut(&[&Run])) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Lets another thread stop the measurement; loads that have begun are kept.
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets whether no other sweep measures on this machine from the first load to the last; on by default.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
        self
    }

    /// Measures each side in a process of its own every time, one after the other: what ends it costs this side of this load
    /// alone. Repetitions are then not interleaved. [`isolate`](crate::isolate) says what the program must do for it.
    pub fn isolated(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Measures all sides. A model that cannot be loaded gives a failed run in that load.
    ///
    /// # Errors
    /// llama.cpp cannot be initialised; nothing to measure, or lengths that cannot be run.
    pub fn run(mut self) -> Result<Loaded, Error> {
        if let Some(isolation) = &self.isolation {
            isolation.check()?;
        }
        Backend::init()?;
        let _turn = if self.exclusive { Turn::take(&self.cancel, tell_on_stderr) } else { None };
        let mut rng = Rng::new(self.seed);
        let mut order: Vec<usize> = (0..self.sides.len()).collect();
        let mut measured =
            Loaded { sides: vec![Report::default(); self.sides.len()], page_cache: PageCache::Alike };
        for load in 0..self.n_loads {
            if load > 0 && self.cancel.is_cancelled() {
                break;
            }
            if let Some(observer) = &mut self.observer {
                observer(load);
            }
            if load % 2 == 0 {
                shuffle(&mut order, &mut rng);
            } else {
                order.reverse();
            }
            if !matches!(measured.page_cache, PageCache::Kept(_)) {
                measured.page_cache = self.redraw();
            }
            let mut models = if self.isolation.is_none() { self.load(&order) } else { Vec::new() };
            let runs = match &self.isolation {
                Some(isolation) => {
                    order.iter().map(|&i| self.apart(i, isolation)).collect::<Result<_, _>>()?
                }
                None => interleave(order.iter().map(|&i| self.sweep(i, &models)).collect())?.runs,
            };
            for (&i, run) in order.iter().zip(runs) {
                measured.sides[i].runs.push(run);
            }
            if let Some(keeper) = &mut self.keeper {
                let runs: Vec<&Run> = measured.sides.iter().filter_map(|side| side.runs.last()).collect();
                keeper(&runs);
            }
            // Memory that is freed last is handed out first: in a fixed order a side would get the same memory again.
            while !models.is_empty() {
                drop(models.swap_remove(rng.below(models.len())));
            }
        }
        Ok(measured)
    }

    /// A run of a side in a process of its own.
    fn apart(&self, i: usize, isolation: &Isolation) -> Result<Run, Error> {
        let side = &self.sides[i];
        let not_begun = Failure::new(FailureKind::Cancelled, "interrupted before the model was loaded");
        let sweep = (side.ask)(Sweep::not_loaded(&side.path, &side.params, not_begun));
        let sweep = sweep.cancel(self.cancel.clone()).without_asking_devices();
        if self.cancel.is_cancelled() {
            return sweep.runs(1).run()?.runs.pop().ok_or_else(|| BenchError::NoRuns.into());
        }
        let part = Part { of: vec![PartOf::new(side.source.clone(), &sweep)], ..Part::default() };
        measure_apart(isolation, part, &sweep.header()?, &sweep.plan()?, &self.cancel)
    }

    /// Drops mapped files from the page cache unless all sides map the same ones.
    fn redraw(&self) -> PageCache {
        let mapped: Vec<Option<&Path>> = self.sides.iter().map(Side::mapped).collect();
        let is_alone = mapped.len() == 1 && mapped[0].is_some();
        if !is_alone && mapped.windows(2).all(|pair| pair[0] == pair[1]) {
            return PageCache::Alike;
        }
        // A missing file is reported by the load.
        let mut present = mapped.into_iter().flatten().filter(|path| path.is_file());
        match present.try_for_each(drop_from_page_cache) {
            Ok(()) => PageCache::Redrawn,
            Err(why) => PageCache::Kept(why),
        }
    }

    /// A model per side, or why there is none, in the order of the sides.
    fn load(&self, order: &[usize]) -> Vec<Result<Model, Failure>> {
        let mut models: Vec<Option<Result<Model, Failure>>> = vec![None; self.sides.len()];
        for &i in order {
            let side = &self.sides[i];
            let shared = self
                .sides
                .iter()
                .zip(&models)
                .find_map(|(other, model)| model.clone().filter(|_| other.is_same_load(side)));
            let load = || side.source.load(&side.params).map_err(Failure::from);
            models[i] = Some(shared.unwrap_or_else(load));
        }
        models.into_iter().flatten().collect()
    }

    fn sweep<'m>(&self, i: usize, models: &'m [Result<Model, Failure>]) -> Sweep<'m> {
        let side = &self.sides[i];
        let sweep = match &models[i] {
            Ok(model) => Sweep::new(model),
            Err(failure) => {
                Sweep::not_loaded(&side.path, &side.params, failure.clone()).of_shape(side.source.like())
            }
        };
        (side.ask)(sweep).cancel(self.cancel.clone())
    }
}

fn shuffle(items: &mut [usize], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i + 1));
    }
}

#[cfg(test)]
#[path = "loads_tests.rs"]
mod tests;
