//! How long a campaign still takes, from what it took so far: pure arithmetic on the times of its events.
//!
//! The time between two events goes to what was done between them: making a context and warming up, tokens of the fill,
//! or a repetition. What was not measured yet is estimated from what was ([`Costs`]).

mod axes;
mod costs;
mod lane;
mod line;
mod ridge;
mod steadiness;
mod trial;

use std::time::Duration;

use super::{Event, Plan, Request};
use crate::record::{Cell, Test};
use costs::{Costs, Task};
use lane::Lane;

pub use line::{ProgressLine, clock_words};
pub(in crate::bench) use trial::{Tried, after_trial};

/// An observer's view of how far a campaign is and how long it still takes. Give it every event with the time of a clock
/// of your own; the time between two events is all that it looks at.
///
/// ```no_run
/// use std::time::Instant;
///
/// use llama_bench_rs::{bench::{Event, Forecast, Sweep}, llama::Model};
///
/// let model = Model::load("model.gguf")?;
/// let (start, mut forecast) = (Instant::now(), Forecast::new());
/// let mut observe = |event: &Event<'_>| {
///     forecast.hear(event, start.elapsed());
///     if let Some(left) = forecast.left(start.elapsed()) {
///         eprintln!("{:.0?} left", left.expected);
///     }
/// };
/// let report = Sweep::new(&model).prompt(512).generate(128).observer(&mut observe).run()?;
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    lanes: Vec<Lane>,
    current: usize,
    doing: Doing,
    since: Duration,
    costs: Costs,
    /// Seconds of the repetitions that count, and of those that were disturbed and repeated.
    counted_s: f64,
    aside_s: f64,
    /// Without a campaign, each plan is a configuration of its own.
    is_campaign: bool,
}

/// What time is spent on at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Doing {
    /// On what a forecast leaves out, such as waiting for another sweep.
    #[default]
    Nothing,
    /// On what follows: coming back to a depth, or a fill that is made once more.
    Preparing,
    SettingUp,
    Filling {
        from: u32,
        to: u32,
    },
    /// On the test of this number in the plan.
    Measuring(usize),
}

/// How long something still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct TimeLeft {
    /// The time at the speed so far.
    pub expected: Duration,
    /// The times at the speed of the fastest and of the slowest third of the repetitions so far. Wide after few repetitions,
    /// which do not show how steady the machine is.
    pub range: (Duration, Duration),
    /// The same with as many repetitions as a stopping rule allows; `None` if their number is fixed.
    pub at_most: Option<Duration>,
}

impl TimeLeft {
    /// Seconds of all that is planned, the factor of the slowest third, and what of it is already spent.
    fn of(expected: f64, third: f64, at_most: Option<f64>, spent: f64) -> Self {
        let left =
            |seconds: f64| Duration::try_from_secs_f64((seconds - spent).max(0.0)).unwrap_or(Duration::MAX);
        Self {
            expected: left(expected),
            range: (left(expected / third), left(expected * third)),
            at_most: at_most.map(left),
        }
    }
}

/// Where a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position<'a> {
    /// The configuration that has its turn, from 0.
    pub index: usize,
    /// Configurations of the campaign.
    pub n: usize,
    /// What of the configuration differs from the others; empty if it is the only one.
    pub name: &'a str,
    /// Its run, from 0, and how many there are.
    pub run: (u32, u32),
}

/// What a campaign comes to, from its plan alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Configurations, without those whose model is known not to load.
    pub n_configurations: usize,
    /// Cells of all runs of these.
    pub n_cells: usize,
    /// Repetitions of all cells; with a stopping rule, at most.
    pub n_repetitions: u64,
    /// Whether a stopping rule may end them sooner.
    pub is_at_most: bool,
}

impl Forecast {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an event that happened at this time of the caller's clock.
    pub fn hear(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            // Not part of what another configuration will take.
            Event::Waiting | Event::Ceilings { .. } | Event::Profiling { .. } => {
                self.turn_to(Doing::Nothing, now);
            }
            Event::Campaign(configurations) => {
                self.is_campaign = true;
                self.lanes = configurations.iter().map(Lane::of).collect();
                self.costs = Costs::new(self.lanes.iter().map(|lane| &lane.header).collect());
                self.turn_to(Doing::Nothing, now);
            }
            Event::Configuration { index, run, .. } => {
                self.turn_to(Doing::Preparing, now);
                if let Some(lane) = self.lanes.get_mut(*index) {
                    self.current = *index;
                    if lane.begins(*run) {
                        self.doing = Doing::SettingUp;
                    }
                }
            }
            Event::Planned { cells, n_reps, stopping, method } => {
                let (n_reps, stopping, method) = (*n_reps, *stopping, *method);
                let request = Request { n_reps, stopping, method, ..Request::default() };
                self.plan(&Plan::of(cells.to_vec(), request), now);
            }
            Event::Opening { .. } => {
                self.turn_to(Doing::SettingUp, now);
                self.with_lane(Lane::opens);
            }
            Event::WarmingUp => self.turn_to(Doing::SettingUp, now),
            Event::Filling { n_done, n_depth } => self.fill(*n_done, *n_depth, now),
            Event::Measuring { test, rep, .. } => self.measure(test, *rep, now),
            Event::CellSoFar { cell, .. } => self.set_done(cell, false, now),
            Event::CellDone { cell, .. } => self.set_done(cell, true, now),
            _ => {}
        }
    }

    /// How long all that is planned still takes; `None` as long as a kind of test has not been run once.
    pub fn left(&mut self, now: Duration) -> Option<TimeLeft> {
        self.costs.fit();
        let is_unknown = |lane: &Lane| lane.classes().any(|class| !self.costs.knows(class));
        if self.lanes.is_empty() || self.lanes.iter().any(is_unknown) {
            return None;
        }
        let sum = |is_most: bool| -> f64 {
            let lanes = self.lanes.iter().enumerate();
            lanes.map(|(i, lane)| lane.left(i, &self.costs, self.repeats(), is_most)).sum::<f64>()
        };
        let spent = self.spent_on_current(now);
        let is_open = self.lanes.iter().any(|lane| lane.plan.request.stopping.is_some());
        Some(TimeLeft::of(sum(false), self.costs.slowest_third(), is_open.then(|| sum(true)), spent))
    }

    /// Where the campaign is; `None` before the first plan.
    pub fn position(&self) -> Option<Position<'_>> {
        let lane = self.lanes.get(self.current)?;
        let run = (lane.n_begun.saturating_sub(1), lane.n_runs);
        Some(Position { index: self.current, n: self.lanes.len(), name: &lane.name, run })
    }

    /// What the plan comes to; `None` before there is one.
    pub fn extent(&self) -> Option<Extent> {
        self.lanes.first()?;
        let n_cells = |lane: &Lane| lane.n_cells() * lane.n_runs as usize;
        let n_reps = |lane: &Lane| n_cells(lane) as u64 * u64::from(lane.plan.request.n_reps_max());
        Some(Extent {
            n_configurations: self.lanes.iter().filter(|lane| lane.n_cells() > 0).count(),
            n_cells: self.lanes.iter().map(n_cells).sum(),
            n_repetitions: self.lanes.iter().map(n_reps).sum(),
            is_at_most: self.lanes.iter().any(|lane| lane.plan.request.stopping.is_some()),
        })
    }

    fn plan(&mut self, plan: &Plan, now: Duration) {
        if self.is_campaign {
            self.turn_to(Doing::SettingUp, now);
            self.with_lane(|lane| lane.plan.clone_from(plan));
            return;
        }
        self.turn_to(Doing::Nothing, now);
        self.doing = Doing::SettingUp;
        self.lanes = vec![Lane::alone(plan)];
        self.costs = Costs::new(self.lanes.iter().map(|lane| &lane.header).collect());
    }

    fn fill(&mut self, n_done: u32, n_depth: u32, now: Duration) {
        let is_new = self.lanes.get(self.current).is_some_and(|lane| n_depth > lane.n_filled);
        match self.doing {
            Doing::Filling { from, .. } if n_done > from => {
                self.doing = Doing::Filling { from, to: n_done };
                self.turn_to(Doing::Filling { from: n_done, to: n_depth }, now);
            }
            _ if is_new => self.turn_to(Doing::Filling { from: n_done, to: n_depth }, now),
            // What was filled before and is filled again is a way back.
            _ => self.turn_to(Doing::Preparing, now),
        }
    }

    fn measure(&mut self, test: &Test, rep: u32, now: Duration) {
        let place = self.lanes.get(self.current).and_then(|lane| lane.place(test));
        self.turn_to(place.map_or(Doing::Nothing, Doing::Measuring), now);
        if let Some(place) = place {
            self.correct(place, rep);
        }
    }

    /// So many repetitions of a cell count: if they are fewer than were made, the latest was set aside.
    fn correct(&mut self, place: usize, n_done: u32) {
        let Some(lane) = self.lanes.get_mut(self.current) else { return };
        let (test, cell) = (lane.plan.cells[place], &mut lane.cells[place]);
        if n_done < cell.n_done {
            let seconds = std::mem::take(&mut cell.last_s);
            if seconds > 0.0 {
                let task = Task::of_test(&test, self.current);
                self.costs.take_back(task, (task.n_tokens, seconds));
            }
            self.counted_s -= seconds;
            self.aside_s += seconds;
        }
        cell.n_done = n_done;
    }

    fn set_done(&mut self, cell: &Cell, is_over: bool, now: Duration) {
        self.turn_to(Doing::Preparing, now);
        let n = cell.measured().map_or(0, |measured| measured.samples.len() as u32);
        let Some(place) = self.lanes.get(self.current).and_then(|lane| lane.place(&cell.test)) else {
            return;
        };
        self.correct(place, n);
        let state = &mut self.lanes[self.current].cells[place];
        if is_over && !std::mem::replace(&mut state.is_over, true) && n > 0 {
            self.costs.add_finished(cell.test.kind.into(), n);
        }
        if is_over {
            self.lanes[self.current].is_failing[place] = cell.failure().is_some();
        }
    }

    fn with_lane(&mut self, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(self.current) {
            change(lane);
        }
    }

    /// Charges the time since the last event to what was done, and continues with something else.
    fn turn_to(&mut self, doing: Doing, now: Duration) {
        let spent = now.saturating_sub(self.since).as_secs_f64();
        let before = std::mem::replace(&mut self.doing, doing);
        let (current, Some(lane)) = (self.current, self.lanes.get_mut(self.current)) else {
            self.since = now;
            return;
        };
        match before {
            // The way to what follows is a part of it.
            Doing::Preparing if doing != Doing::Nothing => return,
            Doing::Nothing | Doing::Preparing => {}
            Doing::SettingUp => {
                lane.setup_s += spent;
                // Only a complete setup is an observation.
                if doing != Doing::SettingUp && lane.n_opened > 0 {
                    self.costs.add(Task::setup(current), (1, std::mem::take(&mut lane.setup_s)));
                }
            }
            Doing::Filling { from, to } => {
                lane.n_filled = lane.n_filled.max(to);
                let n = to.saturating_sub(from);
                self.costs.add(Task::fill(current, lane.bucket(from)), (n, spent));
            }
            Doing::Measuring(place) => {
                let task = Task::of_test(&lane.plan.cells[place], current);
                self.costs.add(task, (task.n_tokens, spent));
                let cell = &mut lane.cells[place];
                cell.n_done += 1;
                cell.spent_s += spent;
                cell.last_s = spent;
                self.counted_s += spent;
            }
        }
        self.since = now;
    }

    /// The time of the repetitions that are made for one that counts, over the time of that.
    fn repeats(&self) -> f64 {
        if self.counted_s > 0.0 { (1.0 + self.aside_s / self.counted_s).clamp(1.0, 2.0) } else { 1.0 }
    }

    /// Seconds since the last event that are part of what is left by the estimate: not more than what is being done is
    /// expected to take.
    fn spent_on_current(&self, now: Duration) -> f64 {
        let spent = now.saturating_sub(self.since).as_secs_f64();
        let Some(lane) = self.lanes.get(self.current) else { return 0.0 };
        let expected = match self.doing {
            Doing::Nothing => 0.0,
            Doing::Preparing => f64::MAX,
            Doing::SettingUp => self.costs.per_token(Task::setup(self.current)),
            Doing::Filling { from, to } => {
                let task = Task::fill(self.current, lane.bucket(from));
                f64::from(to.saturating_sub(from)) * self.costs.per_token(task)
            }
            Doing::Measuring(place) => lane.cost(place, self.current, &self.costs),
        };
        spent.min(expected)
    }
}

#[cfg(test)]
mod tests;
