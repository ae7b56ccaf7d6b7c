//! What is known of each cell of a plan while it is measured: arithmetic, without a target or a clock.

use std::time::Duration;

use crate::{
    bench::{
        abilities::Abilities,
        plan::{Depth, Plan, Unit},
    },
    record::{
        Cell, CellWork, Failure, GpuConditions, Measured, Outcome, Profile, Rewind, Run, Sample, Test,
        TestKind, Warmup, merge_conditions,
    },
    stats::{Stop, StoppingRule},
};

/// The cells of a plan, in its order.
pub(super) struct Cells<'a> {
    plan: &'a Plan,
    all: Vec<Progress>,
}

impl<'a> Cells<'a> {
    /// Nothing is measured yet.
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan, all: plan.cells.iter().map(|_| Progress::default()).collect() }
    }

    /// Resumes what an earlier run measured; what failed there is tried again. Returns how it was warmed up, if it
    /// was.
    pub(super) fn resume(&mut self, run: &Run, abilities: &Abilities) -> Option<Warmup> {
        let mut warmup = None;
        for (progress, test) in self.all.iter_mut().zip(&self.plan.cells) {
            if let Some(cell) = run.cells.iter().find(|cell| cell.test == *test) {
                *progress = Progress::resumed(cell);
                warmup = cell.measured().and_then(|measured| measured.warmup).or(warmup);
            }
        }
        self.refuse_unsupported(abilities);
        for &unit in self.plan.depths.iter().flat_map(|depth| &depth.units) {
            // A run that was interrupted between the halves of a pair has one sample too many.
            let n_reps = self.n_reps(unit) as usize;
            unit.cells().for_each(|cell| self.all[cell].samples.truncate(n_reps));
            self.settle(unit);
        }
        warmup
    }

    /// The cell as it stands.
    pub(super) fn cell(&self, index: usize, warmup: Warmup, run_started_at: &str) -> Cell {
        self.all[index].cell(self.plan.cells[index], warmup, run_started_at)
    }

    /// Whether the observer is still to receive the outcome of a cell: it does so once.
    pub(super) fn is_news(&mut self, index: usize) -> bool {
        !std::mem::replace(&mut self.all[index].reported, true)
    }

    /// Whether a repetition of a cell was run.
    pub(super) fn is_begun(&self, index: usize) -> bool {
        let Progress { samples, set_aside, .. } = &self.all[index];
        !samples.is_empty() || !set_aside.is_empty()
    }

    /// Whether a cell has all the repetitions that it needs.
    pub(super) fn is_complete(&self, index: usize) -> bool {
        self.all[index].is_done(self.plan.request.n_reps_max())
    }

    /// Units of a depth that have not failed and need more repetitions.
    pub(super) fn open_units(&self, depth: &Depth) -> Vec<Unit> {
        depth.units.iter().copied().filter(|&unit| self.is_open(unit)).collect()
    }

    fn is_open(&self, unit: Unit) -> bool {
        self.possible(unit).into_iter().any(|cell| !self.is_complete(cell))
    }

    /// Units of a depth that lack this repetition: it may have been run while the context was filled, or by a run that
    /// was resumed.
    pub(super) fn lacking(&self, depth: &Depth, rep: u32) -> Vec<Unit> {
        let mut units = self.open_units(depth);
        units.retain(|&unit| self.n_reps(unit) <= rep);
        units
    }

    /// Cells of a unit that have not failed. A failure while a unit runs fails all of it; so a single cell left of a pair is
    /// a prompt whose generation is not possible.
    pub(super) fn possible(&self, unit: Unit) -> Vec<usize> {
        unit.cells().filter(|&cell| self.all[cell].failure.is_none()).collect()
    }

    /// What is timed in the cells that have not failed.
    pub(super) fn open_kinds(&self) -> impl Iterator<Item = TestKind> {
        let open = self.plan.cells.iter().zip(&self.all).filter(|(_, progress)| progress.failure.is_none());
        open.map(|(test, _)| test.kind)
    }

    /// Repetitions that the unit has.
    fn n_reps(&self, unit: Unit) -> u32 {
        let n_samples = |cell: usize| self.all[cell].samples.len() as u32;
        self.possible(unit).into_iter().map(n_samples).min().unwrap_or(0)
    }

    /// Repetitions of the unit that were run, those set aside included.
    pub(super) fn n_visits(&self, unit: Unit) -> u32 {
        let n_visits = |cell: usize| self.all[cell].samples.len() + self.all[cell].set_aside.len();
        self.possible(unit).into_iter().map(|cell| n_visits(cell) as u32).min().unwrap_or(0)
    }

    /// A repetition of a cell begins, now if it is the first: its number, and what the one before it took.
    pub(super) fn begin(&mut self, cell: usize, now: impl FnOnce() -> String) -> (u32, Option<Duration>) {
        let progress = &mut self.all[cell];
        progress.started_at.get_or_insert_with(now);
        (progress.samples.len() as u32, progress.samples.last().map(|sample| sample.elapsed))
    }

    /// A repetition of a cell is over.
    pub(super) fn add<'c>(
        &mut self,
        cell: usize,
        sample: Sample,
        conditions: impl Iterator<Item = &'c GpuConditions>,
    ) {
        self.all[cell].samples.push(sample);
        merge_conditions(&mut self.all[cell].conditions, conditions);
    }

    /// What a repetition of a cell takes by those that it has, and how many it lacks of `n_reps`; one if it has these and a
    /// stopping rule wants more.
    pub(super) fn rest(&self, cell: usize, n_reps: u32) -> (Option<Duration>, u32) {
        let samples = &self.all[cell].samples;
        let n = samples.len() as u32;
        let mean = (n > 0).then(|| samples.iter().map(|sample| sample.elapsed).sum::<Duration>() / n);
        (mean, n_reps.saturating_sub(n).max(1))
    }

    /// How the context returns to the depth of a cell, once that is known.
    pub(super) fn rewind(&self, cell: usize) -> Option<Rewind> {
        self.all[cell].rewind
    }

    /// Cells that are to be measured and whose work no context was asked for.
    pub(super) fn uncounted(&self) -> Vec<(usize, Test)> {
        let cells = self.plan.cells.iter().zip(&self.all).enumerate();
        let is_uncounted = |cell: usize, progress: &Progress| {
            progress.failure.is_none() && progress.work.is_none() && !self.is_complete(cell)
        };
        cells
            .filter(|(cell, (_, progress))| is_uncounted(*cell, progress))
            .map(|(cell, (test, _))| (cell, *test))
            .collect()
    }

    /// What a context says of the work of a cell, or why it cannot be counted.
    pub(super) fn set_work(&mut self, cell: usize, work: Result<CellWork, String>) {
        self.all[cell].work = Some(work);
    }

    /// What a repetition of the unit took, the way back to the depth included.
    pub(super) fn add_spent(&mut self, unit: Unit, spent: Duration) {
        unit.cells().for_each(|cell| self.all[cell].spent += spent);
    }

    /// Whether a cell lacks a generation straight after the live fill.
    pub(super) fn lacks_live(&self, cell: usize) -> bool {
        self.all[cell].live.is_none()
    }

    pub(super) fn set_live(&mut self, cell: usize, sample: Sample) {
        self.all[cell].live = Some(sample);
    }

    /// Whether a cell has no profile yet and can have one.
    pub(super) fn lacks_profile(&self, cell: usize) -> bool {
        let Progress { failure, profile, samples, .. } = &self.all[cell];
        failure.is_none() && profile.is_none() && !samples.is_empty()
    }

    pub(super) fn set_profile(&mut self, cell: usize, profile: Profile) {
        self.all[cell].profile = Some(profile);
    }

    pub(super) fn set_rewind(&mut self, depth: &Depth, rewind: Rewind) {
        for cell in depth.units.iter().flat_map(|unit| unit.cells()) {
            self.all[cell].rewind = Some(rewind);
        }
    }

    /// Asks the stopping rule whether the unit has enough repetitions: the halves of a pair stop together.
    pub(super) fn settle(&mut self, unit: Unit) {
        let Some(rule) = &self.plan.request.stopping else { return };
        let cells = self.possible(unit);
        let stops: Vec<_> = cells.into_iter().map(|cell| (cell, self.all[cell].decide(rule))).collect();
        if stops.iter().all(|(_, stop)| stop.is_some()) {
            for (cell, stop) in stops {
                self.all[cell].stop = stop;
            }
        }
    }
}

/// Repetitions that other programs disturbed.
impl Cells<'_> {
    /// Whether the latest repetition was disturbed; of a pair, either half.
    pub(super) fn is_latest_disturbed(&self, unit: Unit) -> bool {
        let is_disturbed = |cell: usize| self.all[cell].samples.last().is_some_and(Sample::is_disturbed);
        self.possible(unit).into_iter().any(is_disturbed)
    }

    /// Whether the budget allows another repetition in place of the latest. It grows with the repetitions, from those
    /// that are made at least.
    pub(super) fn may_repeat(&self, unit: Unit) -> bool {
        let request = &self.plan.request;
        let n_least = request.stopping.map_or(request.n_reps as usize, |rule| rule.min);
        self.possible(unit).into_iter().all(|cell| {
            let progress = &self.all[cell];
            let n_reps = progress.samples.len().max(n_least).min(request.n_reps_max() as usize);
            progress.set_aside.len() < request.n_spare(n_reps)
        })
    }

    /// Sets the latest repetition aside: it will be run again.
    pub(super) fn set_latest_aside(&mut self, unit: Unit) {
        for cell in self.possible(unit) {
            let progress = &mut self.all[cell];
            progress.set_aside.extend(progress.samples.pop());
            // A rule may have counted it.
            progress.stop = None;
        }
    }

    /// Sets the latest repetition aside if it was disturbed and the budget allows another one.
    pub(super) fn repeat_if_disturbed(&mut self, unit: Unit) {
        if self.is_latest_disturbed(unit) && self.may_repeat(unit) {
            self.set_latest_aside(unit);
        }
    }
}

/// Cells without a figure.
impl Cells<'_> {
    pub(super) fn fail(&mut self, unit: Unit, failure: &Failure) {
        for cell in unit.cells() {
            self.all[cell].failure.get_or_insert_with(|| failure.clone());
        }
    }

    pub(super) fn fail_depths(&mut self, depths: &[Depth], failure: &Failure) {
        for &unit in depths.iter().flat_map(|depth| &depth.units) {
            self.fail(unit, failure);
        }
    }

    /// Fails every unit that lacks repetitions.
    pub(super) fn fail_open(&mut self, failure: &Failure) {
        let plan = self.plan;
        for unit in plan.depths.iter().flat_map(|depth| self.open_units(depth)).collect::<Vec<_>>() {
            self.fail(unit, failure);
        }
    }

    /// Cells that would begin past the trained context fail before anything is run for them.
    pub(super) fn refuse_past_training(&mut self, n_ctx_train: u32) {
        for (unit, failure) in self.plan.past_training(n_ctx_train) {
            self.fail(unit, &failure);
        }
    }

    /// Cells that the target cannot run fail before anything is run for them.
    pub(super) fn refuse_unsupported(&mut self, abilities: &Abilities) {
        let plan = self.plan;
        let mut refuse = |cell: usize, unit: Unit| {
            if let Some(failure) = abilities.refusal(&plan.cells[cell]) {
                self.fail(unit, &failure);
            }
        };
        for &unit in plan.depths.iter().flat_map(|depth| &depth.units) {
            match unit {
                Unit::Single(cell) => refuse(cell, unit),
                Unit::Pair { prompt, generation } => {
                    refuse(prompt, unit);
                    // The prompt is measured without it.
                    refuse(generation, Unit::Single(generation));
                }
            }
        }
    }

    /// Whether a cell failed because a context did not fit.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.all.iter().any(|cell| cell.failure.as_ref().is_some_and(is_of_memory))
    }

    /// Lets cells that failed because a context did not fit be tried again.
    pub(super) fn forgive_out_of_memory(&mut self) {
        for cell in &mut self.all {
            cell.failure.take_if(|failure| is_of_memory(failure));
        }
    }
}

fn is_of_memory(failure: &Failure) -> bool {
    failure.kind == "out_of_memory"
}

/// A cell while it is measured.
#[derive(Clone, Debug, Default)]
struct Progress {
    started_at: Option<String>,
    samples: Vec<Sample>,
    /// Disturbed repetitions that are repeated.
    set_aside: Vec<Sample>,
    live: Option<Sample>,
    rewind: Option<Rewind>,
    failure: Option<Failure>,
    conditions: Vec<GpuConditions>,
    /// Its work, or why that cannot be counted; `None` if no context was asked.
    work: Option<Result<CellWork, String>>,
    profile: Option<Profile>,
    /// Spent on its repetitions, the way back to the depth included.
    spent: Duration,
    /// Why it needs no more repetitions than it has, if a rule decided that.
    stop: Option<Stop>,
    /// The observer knows its outcome.
    reported: bool,
}

impl Progress {
    /// Takes over what an earlier run measured; its failure is tried again.
    fn resumed(cell: &Cell) -> Self {
        let Some(Measured { samples, set_aside, live, rewind, conditions, work, profile, .. }) =
            cell.measured()
        else {
            return Self::default();
        };
        Self {
            started_at: Some(cell.started_at.clone()),
            samples: samples.clone(),
            set_aside: set_aside.clone(),
            live: live.clone(),
            rewind: *rewind,
            conditions: conditions.clone(),
            work: work.clone().map(Ok),
            profile: profile.clone(),
            spent: samples.iter().chain(set_aside).map(|sample| sample.elapsed).sum(),
            ..Self::default()
        }
    }

    /// The rule's decision after the repetitions so far.
    fn decide(&self, rule: &StoppingRule) -> Option<Stop> {
        let times: Vec<Duration> = self.samples.iter().map(|sample| sample.elapsed).collect();
        rule.decide(&times, self.spent)
    }

    /// Whether it has all the repetitions that it needs.
    fn is_done(&self, n_reps_max: u32) -> bool {
        self.stop.is_some() || self.samples.len() >= n_reps_max as usize
    }

    /// The cell as it stands.
    fn cell(&self, test: Test, warmup: Warmup, run_started_at: &str) -> Cell {
        // A sweep that was stopped keeps what it measured; a cell that failed is not to be trusted in part.
        let stopped = self.failure.as_ref().is_some_and(|f| f.kind == "cancelled");
        let outcome = match &self.failure {
            Some(failure) if !stopped => Outcome::Failed(failure.clone()),
            _ => Outcome::of(Measured {
                samples: self.samples.clone(),
                set_aside: self.set_aside.clone(),
                live: self.live.clone(),
                rewind: Some(self.rewind.unwrap_or(Rewind::Clear)),
                warmup: Some(warmup),
                stop: self.stop,
                ended: None,
                conditions: self.conditions.clone(),
                work: self.work.clone().and_then(Result::ok),
                work_unknown: self.work.clone().and_then(Result::err),
                profile: self.profile.clone(),
            }),
        };
        let started_at = self.started_at.clone().unwrap_or_else(|| run_started_at.to_owned());
        Cell { test, started_at, outcome }
    }
}
