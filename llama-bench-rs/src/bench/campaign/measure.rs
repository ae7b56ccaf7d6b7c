//! Loading each model in turn, and measuring what is asked of it.

use super::{
    Campaign, Configuration, Subject,
    deaths::Deaths,
    packs::packs,
    places_of,
    tell::{Part, Stage},
};
use crate::{
    Error,
    bench::{
        Event, Observer as _, Sweep, drop_from_page_cache, interleave, lock::Turn, observe::Silent,
        turns::first_created,
    },
    llama::{Backend, Model},
    record::{Cell, Failure, Method, Order, Report, Run, Test},
};

/// What a campaign measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Campaigned {
    /// A run per run of each configuration: the first of each configuration in their order, then the second of each. Of a
    /// campaign that was cancelled, the first of each and those that were begun.
    pub report: Report,
    /// The configurations as they were planned.
    pub configurations: Vec<Configuration>,
    /// The configuration of each run of the report.
    pub of_run: Vec<usize>,
    /// The place of each run: configuration + run x configurations.
    pub(super) places: Vec<usize>,
}

impl Campaigned {
    /// The runs of one configuration, counted from 0.
    pub fn runs_of(&self, index: usize) -> Report {
        let is_its = |(run, of): (&Run, &usize)| (*of == index).then(|| run.clone());
        Report { runs: self.report.runs.iter().zip(&self.of_run).filter_map(is_its).collect() }
    }
}

/// Configurations that one load of a model serves, and the model or why there is none.
pub(super) struct Loaded<'c> {
    pub(super) model: Result<Model, Failure>,
    pub(super) indices: &'c [usize],
}

/// How a model is loaded once it is needed.
type Load<'l> = &'l dyn Fn() -> Result<Model, Failure>;

impl Campaign<'_> {
    /// Measures all configurations. A cell, a context or a model that fails is in the report with its reason, and the
    /// others are still measured.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); the campaign to resume is of something else, and the error names what differs; llama.cpp
    /// cannot be initialised.
    pub fn run(mut self) -> Result<Campaigned, Error> {
        if let Some(isolation) = &self.isolation {
            isolation.check()?;
        }
        let subjects = self.subjects()?;
        let configurations = self.configurations(&subjects)?;
        let places = places_of(&configurations, &self.earlier)?;
        let n_places = configurations.iter().map(|configuration| configuration.n_runs as usize).sum();
        let mut earlier: Vec<Option<Run>> = vec![None; n_places];
        for (place, run) in places.into_iter().zip(std::mem::take(&mut self.earlier.runs)) {
            earlier[place as usize] = Some(run);
        }
        let observer = self.observer.take().unwrap_or_else(Silent::observer);
        let stage = Stage::new(observer, &configurations);
        stage.tell(&Event::Campaign(&configurations));
        // One turn for all of it: no other sweep comes between two configurations.
        let _turn = Turn::of(&configurations[0].plan.request, &mut &stage, &self.cancel);
        let mut measuring = Measuring {
            campaign: &self,
            subjects: &subjects,
            stage: &stage,
            measured: vec![None; earlier.len()],
            earlier,
            deaths: Deaths::default(),
        };
        match &self.isolation {
            Some(isolation) => measuring.apart(isolation)?,
            None => self.each_load(&subjects, &stage, |n_load, indices, load| {
                measuring.load(n_load, indices, load)
            })?,
        }
        let runs = measuring.measured.into_iter().enumerate();
        let (places, runs): (Vec<usize>, _) = runs.filter_map(|(place, run)| Some((place, run?))).unzip();
        let of_run = places.iter().map(|place| place % subjects.len()).collect();
        Ok(Campaigned { report: Report { runs }, configurations, of_run, places })
    }

    /// Loads each model and passes on the sweep of each configuration, which measures nothing by itself: for memory,
    /// notes and verification. Nothing more is loaded once it is cancelled. All of it happens in this process, also of an
    /// isolated campaign: see [`inspect`](Self::inspect).
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and whatever `visit` returns.
    pub fn for_each<E: From<Error>>(
        mut self,
        mut visit: impl FnMut(&Configuration, Sweep<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let subjects = self.subjects()?;
        let configurations = self.configurations(&subjects)?;
        let observer = self.observer.take().unwrap_or_else(Silent::observer);
        let stage = Stage::new(observer, &configurations);
        self.n_loads = 1;
        self.each_load(&subjects, &stage, |_, indices, load| {
            let loaded = Loaded { model: load(), indices };
            for &index in indices {
                if self.cancel.is_cancelled() {
                    break;
                }
                let mut part = stage.part(index, 0);
                let sweep = self.sweep(&loaded, &subjects[index]).observer(&mut part);
                visit(&configurations[index], sweep)?;
            }
            Ok(())
        })
    }

    /// Goes over all models as often as each is to be loaded: the number of the load, the configurations that it serves,
    /// and how to load it.
    fn each_load<E: From<Error>>(
        &self,
        subjects: &[Subject],
        stage: &Stage<'_, '_>,
        mut with: impl FnMut(u32, &[usize], Load<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        Backend::init().map_err(Error::from)?;
        let groups = groups(subjects);
        for n_load in 0..self.n_loads {
            if n_load > 0 && self.cancel.is_cancelled() {
                break;
            }
            for indices in &groups {
                let Subject { source, path, params, .. } = &subjects[indices[0]];
                let load = || {
                    if (n_load > 0 || self.redraws) && source.has_file(params) {
                        // Pages that stay make runs alike; that is not a reason to stop.
                        let _ = drop_from_page_cache(path);
                    }
                    if self.only_plans && source.is_too_large(params) {
                        return source.load_on(path, &params.clone().no_alloc(true), stage, &self.cancel);
                    }
                    source.load_on(path, params, stage, &self.cancel)
                };
                with(n_load, indices, &load)?;
            }
        }
        Ok(())
    }

    fn sweep<'m>(&self, loaded: &'m Loaded<'_>, subject: &Subject) -> Sweep<'m> {
        let sweep = match &loaded.model {
            Ok(model) => Sweep::new(model),
            Err(failure) => Sweep::not_loaded(&subject.path, &subject.params, failure.clone())
                .of_shape(subject.source.like()),
        };
        self.asked(sweep, subject)
    }

    /// The configurations of a load, those together that are measured together.
    fn packs(&self, loaded: &Loaded<'_>, subjects: &[Subject]) -> Result<Vec<Vec<usize>>, Error> {
        let indices = loaded.indices;
        if indices.len() < 2 || !self.interleaved || self.cancel.is_cancelled() || loaded.model.is_err() {
            return Ok(indices.iter().map(|&index| vec![index]).collect());
        }
        let estimate = |&index: &usize| {
            let sweep = self.sweep(loaded, &subjects[index]);
            let may_take_turns = may_take_turns(&sweep, &subjects[index]);
            Ok(if may_take_turns { sweep.memory_estimate()? } else { None })
        };
        let estimates = indices.iter().map(estimate).collect::<Result<Vec<_>, Error>>()?;
        let to_indices = |pack: Vec<usize>| pack.into_iter().map(|i| indices[i]).collect();
        Ok(packs(&estimates).into_iter().map(to_indices).collect())
    }
}

/// A campaign at work.
pub(super) struct Measuring<'c, 'a, 'o> {
    pub(super) campaign: &'c Campaign<'a>,
    pub(super) subjects: &'c [Subject],
    pub(super) stage: &'c Stage<'o, 'c>,
    /// The runs to resume, by place.
    pub(super) earlier: Vec<Option<Run>>,
    /// What is done, by place.
    pub(super) measured: Vec<Option<Run>>,
    /// Processes of their own that were lost.
    pub(super) deaths: Deaths,
}

impl Measuring<'_, '_, '_> {
    /// All runs of a load of a model.
    fn load(&mut self, n_load: u32, indices: &[usize], load: Load<'_>) -> Result<(), Error> {
        let n_runs = self.campaign.n_runs;
        let runs = n_load * n_runs..(n_load + 1) * n_runs;
        let is_over = indices.iter().all(|&index| runs.clone().all(|run| self.is_over(index, run)));
        // The complete runs of an earlier campaign are reported again without the model.
        let model = if is_over { Err(not_needed()) } else { load() };
        let loaded = Loaded { model, indices };
        for run in runs {
            if run > 0 && self.campaign.cancel.is_cancelled() {
                break;
            }
            for mut pack in self.campaign.packs(&loaded, self.subjects)? {
                let first = first_created(pack.len(), run, n_runs * self.campaign.n_loads);
                pack.rotate_left(first);
                self.pack(&loaded, &pack, run)?;
            }
        }
        Ok(())
    }

    /// A run of configurations that are measured together.
    pub(super) fn pack(&mut self, loaded: &Loaded<'_>, pack: &[usize], run: u32) -> Result<(), Error> {
        let mut parts: Vec<Part<'_, '_, '_>> =
            pack.iter().map(|&index| self.stage.part(index, run)).collect();
        let mut sweeps = Vec::new();
        for (&index, part) in pack.iter().zip(&mut parts) {
            let mut sweep = self.campaign.sweep(loaded, &self.subjects[index]);
            if run == 0 {
                sweep.notes()?.iter().for_each(|note| part.event(&Event::Note(note)));
            }
            let place = self.place(index, run);
            if let Some(earlier) = self.earlier[place].take() {
                sweep = sweep.resume(earlier)?;
            }
            sweeps.push(sweep.observer(part));
        }
        for (&index, measured) in pack.iter().zip(together(sweeps)?.runs) {
            let place = self.place(index, run);
            self.measured[place] = Some(measured);
        }
        Ok(())
    }

    pub(super) fn place(&self, index: usize, run: u32) -> usize {
        run as usize * self.subjects.len() + index
    }

    /// Whether an earlier campaign has every repetition of this run.
    pub(super) fn is_over(&self, index: usize, run: u32) -> bool {
        let Some(earlier) = &self.earlier[self.place(index, run)] else { return false };
        let plan = &self.stage.configuration(index).plan;
        let is_whole = |cell: &Cell| {
            let n_reps = plan.request.n_reps_max() as usize;
            cell.measured()
                .is_some_and(|measured| measured.stop.is_some() || measured.samples.len() >= n_reps)
        };
        let is_over = |test: &Test| earlier.cells.iter().any(|cell| cell.test == *test && is_whole(cell));
        plan.cells.iter().all(is_over)
    }
}

/// Nobody sees it: every cell has its figures.
pub(super) fn not_needed() -> Failure {
    Failure {
        kind: crate::record::FailureKind::ModelLoad,
        message: "nothing was left to measure of the model".into(),
    }
}

/// Whether repetitions of others may come between those of this sweep.
fn may_take_turns(sweep: &Sweep<'_>, subject: &Subject) -> bool {
    let request = &sweep.request;
    // Without OpenMP each context has threads of its own, which wait for work in a loop after their turn: they would take
    // the cores from the context that has its turn then.
    let threads_poll = !cfg!(feature = "openmp") && subject.context.poll > 0;
    request.method == Method::Rewind
        && request.order != Order::Rounds
        && request.delay.is_zero()
        && !threads_poll
}

/// Runs one sweep by itself, several in turn.
fn together(mut sweeps: Vec<Sweep<'_>>) -> Result<Report, Error> {
    match sweeps.pop() {
        Some(only) if sweeps.is_empty() => only.runs(1).run(),
        last => interleave(sweeps.into_iter().chain(last).map(|sweep| sweep.runs(1)).collect()),
    }
}

/// Configurations of the same file and the same model parameters: one load serves them all. In the order of the first of
/// each.
fn groups(subjects: &[Subject]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, subject) in subjects.iter().enumerate() {
        let is_same = |other: &Subject| {
            (&other.path, &other.params) == (&subject.path, &subject.params)
                && other.source.has_file(&other.params) == subject.source.has_file(&subject.params)
        };
        match groups.iter_mut().find(|group| is_same(&subjects[group[0]])) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}
