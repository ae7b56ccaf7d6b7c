//! How far one configuration is, and what it still needs.

use super::costs::{Class, Costs, Task};
use crate::{
    bench::{Configuration, Plan},
    record::{Header, Method, Test},
    stats::StoppingRule,
};

/// Parts of the fill that have costs of their own.
const N_BUCKETS: u32 = 16;
const SMALLEST_BUCKET: u32 = 512;

/// One configuration of a campaign.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) header: Header,
    pub(super) plan: Plan,
    pub(super) n_runs: u32,
    pub(super) n_begun: u32,
    /// The cells of the current run.
    pub(super) cells: Vec<CellState>,
    pub(super) n_filled: u32,
    pub(super) n_opened: u32,
    /// Spent on the context that is being made.
    pub(super) setup_s: f64,
    /// Cells that failed, or will because the model cannot be loaded: they take no time in later runs.
    pub(super) is_failing: Vec<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CellState {
    pub(super) n_done: u32,
    pub(super) spent_s: f64,
    /// What the latest repetition took.
    pub(super) last_s: f64,
    pub(super) is_over: bool,
}

impl Lane {
    pub(super) fn of(configuration: &Configuration) -> Self {
        let Configuration { name, header, plan, n_runs, defect } = configuration;
        let (name, header) = (name.clone(), header.clone());
        let is_failing = vec![defect.is_some(); plan.cells.len()];
        Self { name, header, n_runs: *n_runs, n_begun: 0, is_failing, ..Self::alone(plan) }
    }

    /// A sweep outside a campaign.
    pub(super) fn alone(plan: &Plan) -> Self {
        Self {
            name: String::new(),
            header: Header::default(),
            plan: plan.clone(),
            n_runs: 1,
            n_begun: 1,
            cells: vec![CellState::default(); plan.cells.len()],
            n_filled: 0,
            n_opened: 0,
            setup_s: 0.0,
            is_failing: vec![false; plan.cells.len()],
        }
    }

    /// Begins a run, counted from 0, unless it is the current one; returns whether it did.
    pub(super) fn begins(&mut self, run: u32) -> bool {
        if run < self.n_begun {
            return false;
        }
        self.n_begun = run + 1;
        self.cells = self.fresh();
        (self.n_filled, self.n_opened) = (0, 0);
        true
    }

    /// A context is made. If it is another one of the same run, such as for more sequences, it is filled again.
    pub(super) fn opens(&mut self) {
        self.n_opened += 1;
        if self.plan.request.method == Method::Rewind {
            self.n_filled = 0;
        }
    }

    /// The cells of a run that was not begun.
    fn fresh(&self) -> Vec<CellState> {
        let cell = |&is_over: &bool| CellState { is_over, ..CellState::default() };
        self.is_failing.iter().map(cell).collect()
    }

    /// Cells that a run can measure.
    pub(super) fn n_cells(&self) -> usize {
        self.is_failing.iter().filter(|is_failing| !**is_failing).count()
    }

    /// Where a test stands in the plan.
    pub(super) fn place(&self, test: &Test) -> Option<usize> {
        self.plan.cells.iter().position(|planned| planned == test)
    }

    /// The kinds of test that are still to be measured.
    pub(super) fn classes(&self) -> impl Iterator<Item = Class> {
        let is_left = self.n_begun < self.n_runs;
        let cells = self.cells.iter().zip(&self.is_failing);
        let open = cells.map(move |(cell, is_failing)| if is_left { !is_failing } else { !cell.is_over });
        self.plan.cells.iter().zip(open).filter(|(_, is_open)| *is_open).map(|(test, _)| test.kind.into())
    }

    /// The first token of the part of the fill that holds this token.
    pub(super) fn bucket(&self, n_tokens: u32) -> u32 {
        let width = self.bucket_width();
        n_tokens / width * width
    }

    /// Seconds of a repetition.
    pub(super) fn cost(&self, place: usize, lane: usize, costs: &Costs) -> f64 {
        let task = Task::of_test(&self.plan.cells[place], lane);
        f64::from(task.n_tokens) * costs.per_token(task)
    }

    /// Seconds that all its runs still take; `repeats` repetitions are made for each that counts.
    pub(super) fn left(&self, lane: usize, costs: &Costs, repeats: f64, is_most: bool) -> f64 {
        let fresh = self.fresh();
        let left = |cells: &[CellState], n_opened: u32, n_filled: u32| {
            let reps = |(place, cell): (usize, &CellState)| {
                let cost = self.cost(place, lane, costs);
                self.n_reps_left(place, cell, cost, costs, is_most) * cost * repeats
            };
            let reps: f64 = cells.iter().enumerate().map(reps).sum();
            let is_over = cells.iter().all(|cell| cell.is_over);
            if is_over {
                0.0
            } else {
                let fill = self.fill_left(lane, costs, cells, (n_opened, n_filled));
                reps + self.setup_left(lane, costs, n_opened) + fill
            }
        };
        let n_waiting = self.n_runs.saturating_sub(self.n_begun);
        let current = if self.n_begun > 0 { left(&self.cells, self.n_opened, self.n_filled) } else { 0.0 };
        current + f64::from(n_waiting) * left(&fresh, 0, 0)
    }

    fn setup_left(&self, lane: usize, costs: &Costs, n_opened: u32) -> f64 {
        let n_contexts = match self.plan.request.method {
            Method::Rewind => 1,
            Method::FreshContext => self.plan.depths.iter().map(|depth| depth.units.len() as u32).sum(),
        };
        f64::from(n_contexts.saturating_sub(n_opened)) * costs.per_token(Task::setup(lane))
    }

    fn fill_left(
        &self,
        lane: usize,
        costs: &Costs,
        cells: &[CellState],
        (n_opened, n_filled): (u32, u32),
    ) -> f64 {
        let is_open = |cell: usize| !cells[cell].is_over;
        let needed = |depth: &&crate::bench::plan::Depth| {
            depth.n_depth > n_filled && depth.units.iter().any(|unit| unit.cells().any(is_open))
        };
        let part = |from: u32, to: u32| -> f64 {
            let (mut at, mut seconds) = (from, 0.0);
            while at < to {
                let bucket = self.bucket(at);
                let end = bucket.saturating_add(self.bucket_width()).min(to);
                seconds += f64::from(end - at) * costs.per_token(Task::fill(lane, bucket));
                at = end;
            }
            seconds
        };
        match self.plan.request.method {
            Method::FreshContext => {
                self.plan.depths.iter().filter(needed).map(|depth| part(0, depth.n_depth)).sum()
            }
            Method::Rewind => {
                let (mut at, mut seconds) = (n_filled, 0.0);
                // Nothing is filled past the deepest test that is left.
                let deepest = self.plan.depths.iter().rfind(needed).map_or(0, |depth| depth.n_depth);
                for pair in self.plan.depths.windows(2) {
                    let [before, depth] = pair else { continue };
                    if depth.n_depth <= n_filled || depth.n_depth > deepest {
                        continue;
                    }
                    // A prompt that stays in the context is a part of the fill; later contexts are for several sequences.
                    let reused = self.plan.reused_prompt(before, depth).filter(|_| n_opened < 2);
                    let reused = reused.map_or(0, |reused| reused.n_tokens);
                    seconds += part(at.max(before.n_depth + reused), depth.n_depth);
                    at = depth.n_depth;
                }
                let first = self.plan.depths.first().map_or(0, |depth| depth.n_depth);
                seconds + if first > n_filled && first <= deepest { part(n_filled, first) } else { 0.0 }
            }
        }
    }

    fn bucket_width(&self) -> u32 {
        let deepest = self.plan.depths.last().map_or(0, |depth| depth.n_depth);
        (deepest / N_BUCKETS).max(SMALLEST_BUCKET)
    }

    /// Repetitions that a cell still needs.
    fn n_reps_left(&self, place: usize, cell: &CellState, cost: f64, costs: &Costs, is_most: bool) -> f64 {
        if cell.is_over {
            return 0.0;
        }
        let n_done = f64::from(cell.n_done);
        let Some(rule) = &self.plan.request.stopping else {
            return (f64::from(self.plan.request.n_reps) - n_done).max(0.0);
        };
        let class = Class::from(self.plan.cells[place].kind);
        let n_left = if is_most {
            rule.max as f64 - n_done
        } else {
            still_expected(rule, costs.n_usual(class).unwrap_or_else(|| usual(rule)), n_done)
        };
        let in_budget = rule.budget.map_or(f64::MAX, |budget| {
            ((budget.as_secs_f64() - cell.spent_s).max(0.0) / cost.max(f64::MIN_POSITIVE)).ceil()
        });
        n_left.max(0.0).min(in_budget)
    }
}

/// Repetitions of a quiet cell: half of the minimum, and half as many again.
fn usual(rule: &StoppingRule) -> f64 {
    (rule.min.div_ceil(2) as f64 * 1.5).ceil()
}

/// A cell that has more repetitions than others needed will need some more.
fn still_expected(rule: &StoppingRule, usual: f64, n_done: f64) -> f64 {
    (usual - n_done).max(1.0 + 0.15 * n_done).min(rule.max as f64 - n_done)
}
