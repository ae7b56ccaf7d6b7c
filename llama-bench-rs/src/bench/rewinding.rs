//! One context for the whole sweep: filled once, in ascending order, and rewound between repetitions.

use std::time::Duration;

use super::{
    clock::Clock,
    engine::Engine,
    observe::Event,
    plan::{Carried, Depth, Unit},
    target::{Keep, Target},
    timed,
    tokens::Purpose,
};
use crate::record::{Failure, Order, Rewind, TestKind};

/// Most tokens of a generation straight after the live fill.
const N_LIVE: u32 = 8;

impl<T: Target, C: Clock> Engine<'_, T, C> {
    pub(super) fn run_rewinding(&mut self) {
        let depths = self.prepare();
        let order = match depths.is_empty() {
            true => Order::Blocks,
            false => self.plan.request.order.resolve(|| self.target.can_hold_whole()),
        };
        self.header.resolved.order = Some(order);
        let n_reached = self.go_down(&depths, order);
        if order == Order::Rounds && n_reached > 0 {
            self.run_rounds(&depths[..n_reached]);
        }
    }

    /// Fills to one depth after the other and runs what belongs there: in blocks all of it, in rounds as much of the first
    /// one as saves a part of the fill. Returns how many depths were reached and held; the others have failed.
    fn go_down(&mut self, depths: &[Depth], order: Order) -> usize {
        let mut n_now = 0;
        for (slot, depth) in depths.iter().enumerate() {
            let keep = if order == Order::Rounds { Keep::All } else { Keep::Latest };
            if let Err(failure) = self.arrive(slot, depth, n_now, keep) {
                self.fail_depths(&depths[slot..], &failure);
                return slot;
            }
            let carried = depths.get(slot + 1).and_then(|next| self.plan.carried(depth, next));
            let stands_at = match order {
                Order::Rounds => self.run_first_round(slot, depth, carried),
                Order::Blocks | Order::Auto | Order::Interleaved => self.run_block(slot, depth, carried),
            };
            n_now = stands_at.unwrap_or(depth.n_depth);
            if slot + 1 < depths.len()
                && stands_at.is_none()
                && let Err(failure) = self.go_to(slot, depth)
            {
                self.fail_depths(&depths[slot + 1..], &failure);
                return slot + 1;
            }
        }
        // The whole snapshot is of the deepest depth.
        if order == Order::Rounds
            && let Some((slot, depth)) = depths.iter().enumerate().next_back()
            && let Err(failure) = self.go_to(slot, depth)
        {
            self.fail_depths(depths, &failure);
            return 0;
        }
        depths.len()
    }

    /// Opens a context for the depths that have something to measure and warms up what the fill will not; returns those
    /// depths.
    pub(super) fn prepare(&mut self) -> Vec<Depth> {
        let mut depths = self.plan.depths.clone();
        depths.retain(|depth| !self.open_units(depth).is_empty());
        self.open_for(&mut depths);
        if !depths.is_empty()
            && let Err(failure) = self
                .warm_up_generations()
                .and_then(|()| self.warm_up_embeddings())
                .and_then(|()| self.warm_up_prompts_first(&depths))
        {
            self.fail_depths(&depths, &failure);
            depths.clear();
        }
        depths
    }

    /// Opens a context for all depths; where that fails, the deepest is given up and the rest tried again.
    fn open_for(&mut self, depths: &mut Vec<Depth>) {
        while !depths.is_empty() {
            match self.open(self.plan.n_ctx(depths)) {
                Ok(()) => return,
                Err(failure) => {
                    let deepest = depths.split_off(depths.len() - 1);
                    self.fail_depths(&deepest, &failure);
                }
            }
        }
    }

    /// Opens a context of this size in place of the one before.
    pub(super) fn open(&mut self, n_ctx: u32) -> Result<(), Failure> {
        self.go_on()?;
        let start = self.clock.now();
        // The old one goes first: both might not fit.
        self.target.close();
        if let Some(needs) = self.target.needs(n_ctx) {
            self.tell(&Event::Needs(&needs));
            needs.check()?;
        }
        self.tell(&Event::Opening { n_ctx });
        let resolved = self.target.open(n_ctx);
        *self.header.timing.open.get_or_insert_default() += self.clock.now() - start;
        self.header.resolved = resolved?;
        if self.looks_at_work
            && let Err(failure) = self.look_at_work()
        {
            // A run without its work is better than none.
            self.looks_at_work = false;
            self.tell(&Event::WorkUnknown(&failure));
            return self.open(n_ctx);
        }
        self.opened();
        Ok(())
    }

    /// Goes on filling to a depth, holds it, and runs one generation straight after the live fill.
    pub(super) fn arrive(
        &mut self,
        slot: usize,
        depth: &Depth,
        n_now: u32,
        keep: Keep,
    ) -> Result<(), Failure> {
        if self.fill(n_now, depth.n_depth).is_err() {
            // A decode that failed may have left the context half way: once more, from the start.
            self.target.clear();
            self.fill(0, depth.n_depth)?;
        }
        let rewind = self.rewinding(|engine| engine.target.hold(slot, keep))?;
        self.set_rewind(depth, if depth.n_depth == 0 { Rewind::Clear } else { rewind });
        if depth.n_depth > 0 {
            self.run_live(depth);
        }
        Ok(())
    }

    /// The first generation of the depth, once, in the state that a user's program generates in: straight after the
    /// live fill, before any rewind. Kept apart from the samples, and of at most [`N_LIVE`] tokens: its steps are what
    /// it is for.
    fn run_live(&mut self, depth: &Depth) {
        let plan = self.plan;
        let is_generation = |unit: &Unit| match *unit {
            Unit::Single(cell) => matches!(plan.cells[cell].kind, TestKind::Tg(_)).then_some(cell),
            Unit::Pair { .. } => None,
        };
        let Some(cell) = self.open_units(depth).iter().find_map(is_generation) else { return };
        if self.cells[cell].live.is_some() {
            return;
        }
        if let Err(failure) = self.time_live(cell) {
            self.fail(Unit::Single(cell), &failure);
        }
    }

    fn time_live(&mut self, cell: usize) -> Result<(), Failure> {
        self.go_on()?;
        let n_gen = self.plan.cells[cell].kind.n_tokens().min(N_LIVE);
        let tokens = self.draw(Purpose::Live, TestKind::Tg(n_gen), false);
        let sample = timed::generation(self.target, self.clock, &tokens)?;
        *self.header.timing.timed.get_or_insert_default() += sample.elapsed;
        *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(n_gen);
        self.cells[cell].live = Some(sample);
        Ok(())
    }

    /// The first round of a depth on the way down, if that saves a part of the fill: if a prompt of it can stay in the
    /// context and nothing has to be warmed up for it. Returns where the context stands then.
    fn run_first_round(&mut self, slot: usize, depth: &Depth, carried: Option<Carried>) -> Option<u32> {
        let carried = carried.filter(|_| self.prompts.are_warm())?;
        let stands_at = self.run_round(slot, depth, 0, Some(carried));
        self.report_depth_so_far(depth);
        stands_at
    }

    /// All repetitions of a depth; the last prompt stays in the context if the fill can go on from it. Returns where it
    /// stands then.
    fn run_block(&mut self, slot: usize, depth: &Depth, carried: Option<Carried>) -> Option<u32> {
        let n_reps = self.plan.request.n_reps_max();
        let mut stands_at = None;
        if let Err(failure) = self.warm_up_prompts(slot, depth) {
            self.fail_depths(std::slice::from_ref(depth), &failure);
        }
        for rep in 0..self.plan.request.n_visits_max() {
            if self.open_units(depth).is_empty() {
                break;
            }
            stands_at = self.run_round(slot, depth, rep, carried.filter(|_| rep + 1 == n_reps));
        }
        self.report_depth(depth);
        stands_at
    }

    pub(super) fn report_depth(&mut self, depth: &Depth) {
        for cell in depth.units.iter().flat_map(|unit| unit.cells()) {
            self.report(cell);
        }
    }

    /// The repetitions that are lacking, round by round over all depths; the context stands at the deepest.
    fn run_rounds(&mut self, depths: &[Depth]) {
        if let Err(failure) = self.rewinding(|engine| engine.target.hold_whole()) {
            return self.fail_depths(depths, &failure);
        }
        if let Some((slot, depth)) = depths.iter().enumerate().next_back()
            && let Err(failure) = self.warm_up_prompts(slot, depth)
        {
            return self.fail_depths(depths, &failure);
        }
        for rep in 0..self.plan.request.n_visits_max() {
            if depths.iter().all(|depth| self.open_units(depth).is_empty()) {
                break;
            }
            for slot in self.plan.descending(depths.len(), rep) {
                if self.lacking(&depths[slot], rep).is_empty() {
                    continue;
                }
                self.run_round(slot, &depths[slot], rep, None);
                self.report_depth_so_far(&depths[slot]);
            }
        }
    }

    pub(super) fn report_depth_so_far(&mut self, depth: &Depth) {
        for unit in self.open_units(depth) {
            self.report_so_far(unit);
        }
    }

    /// Units of a depth that lack this repetition: it may have been run on the way down, or by a run that was taken up.
    pub(super) fn lacking(&self, depth: &Depth, rep: u32) -> Vec<Unit> {
        let mut units = self.open_units(depth);
        units.retain(|&unit| self.n_reps(unit) <= rep);
        units
    }

    /// One repetition of every unit of a depth that lacks this one, each from the held state, in an order of its own.
    /// A prompt that is carried comes last, is of the fill's tokens and stays in the context: returns where that stands
    /// then.
    pub(super) fn run_round(
        &mut self,
        slot: usize,
        depth: &Depth,
        rep: u32,
        carried: Option<Carried>,
    ) -> Option<u32> {
        let mut units = self.plan.shuffled(&self.lacking(depth, rep), rep, 1 + slot as u64);
        let carried = carried.filter(|carried| units.contains(&carried.unit));
        let last = |unit: &Unit| carried.is_some_and(|carried| carried.unit == *unit);
        units.sort_by_key(last);
        let mut stands_at = None;
        for unit in units {
            let carried = carried.filter(|carried| carried.unit == unit);
            if let Err(failure) = self.pause_before(slot, depth, unit) {
                self.fail(unit, &failure);
                continue;
            }
            let start = self.clock.now();
            let result = self.go_to(slot, depth).and_then(|()| match carried {
                Some(carried) => self.measure_as_fill(carried),
                None => self.measure(unit),
            });
            let spent = self.clock.now() - start;
            match result {
                Ok(()) => {
                    stands_at = carried.map(|carried| depth.n_depth + carried.n_tokens);
                    unit.cells().for_each(|cell| self.cells[cell].spent += spent);
                    if self.repeats_at_once {
                        self.repeat_if_disturbed(unit);
                    }
                    self.settle(unit);
                }
                Err(failure) => self.fail(unit, &failure),
            }
        }
        stands_at
    }

    /// Returns to a held depth; where the state cannot be restored, the context is filled again.
    pub(super) fn go_to(&mut self, slot: usize, depth: &Depth) -> Result<(), Failure> {
        self.go_on()?;
        if depth.n_depth == 0 {
            self.rewinding(|engine| engine.target.clear());
            return Ok(());
        }
        if self.rewinding(|engine| engine.target.rewind(slot)).is_ok() {
            return Ok(());
        }
        self.target.clear();
        self.fill(0, depth.n_depth)?;
        self.rewinding(|engine| engine.target.hold(slot, Keep::All))?;
        self.set_rewind(depth, Rewind::Refill);
        Ok(())
    }

    /// Does it and counts the time as spent on the way back.
    fn rewinding<R>(&mut self, step: impl FnOnce(&mut Self) -> R) -> R {
        let start = self.clock.now();
        let result = step(self);
        let elapsed: Duration = self.clock.now() - start;
        *self.header.timing.rewind.get_or_insert_default() += elapsed;
        result
    }
}
