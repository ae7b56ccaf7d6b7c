//! One context for the whole sweep: filled once, in ascending order, and rewound between repetitions.

use super::{
    clock::Clock,
    engine::Engine,
    observe::Event,
    plan::{Depth, Order, Unit},
    target::{Keep, Target},
    timed,
    tokens::Purpose,
};
use crate::record::{Failure, Rewind, TestKind};

impl<T: Target, C: Clock> Engine<'_, T, C> {
    pub(super) fn run_rewinding(&mut self) {
        let mut depths = self.plan.depths.clone();
        depths.retain(|depth| !self.open_units(depth).is_empty());
        self.open_for(&mut depths);
        if depths.is_empty() {
            return;
        }
        if let Err(failure) = self.warm_up() {
            return self.fail_depths(&depths, &failure);
        }
        let rounds = match self.plan.request.order {
            Order::Rounds => true,
            Order::Blocks => false,
            Order::Auto => self.target.can_hold_whole(),
        };
        let reached = self.ascend(&depths, !rounds);
        if rounds {
            self.run_rounds(&depths[..reached]);
        }
    }

    /// Opens a context for all depths; where that fails, the deepest is given up and the rest tried again.
    fn open_for(&mut self, depths: &mut Vec<Depth>) {
        while !depths.is_empty() {
            let n_ctx = self.plan.n_ctx(depths);
            self.tell(&Event::Opening { n_ctx });
            match self.target.open(n_ctx) {
                Ok(resolved) => {
                    self.header.resolved = resolved;
                    return;
                }
                Err(failure) => {
                    let deepest = depths.split_off(depths.len() - 1);
                    self.fail_depths(&deepest, &failure);
                }
            }
        }
    }

    /// Fills from depth to depth, holding each; with `measure`, all repetitions of a depth are run on the way.
    /// Returns how many depths were reached.
    fn ascend(&mut self, depths: &[Depth], measure: bool) -> usize {
        let mut n_now = 0;
        for (slot, depth) in depths.iter().enumerate() {
            let keep = if measure { Keep::Latest } else { Keep::All };
            if let Err(failure) = self.arrive(slot, depth, n_now, keep) {
                self.fail_depths(&depths[slot..], &failure);
                return slot;
            }
            n_now = depth.n_depth;
            if measure {
                self.run_block(slot, depth);
            }
            if let Err(failure) = self.go_to(slot, depth) {
                self.fail_depths(&depths[slot + 1..], &failure);
                return slot + 1;
            }
        }
        depths.len()
    }

    /// Goes on filling to a depth, holds it, and runs one generation straight after the live fill.
    fn arrive(&mut self, slot: usize, depth: &Depth, n_now: u32, keep: Keep) -> Result<(), Failure> {
        if self.fill(n_now, depth.n_depth).is_err() {
            // A decode that failed may have left the context half way: once more, from the start.
            self.target.clear();
            self.fill(0, depth.n_depth)?;
        }
        let rewind = self.target.hold(slot, keep)?;
        self.set_rewind(depth, if depth.n_depth == 0 { Rewind::Clear } else { rewind });
        if depth.n_depth > 0 {
            self.run_live(depth);
        }
        Ok(())
    }

    /// The first generation of the depth, once, in the state that a user's program generates in: straight after the
    /// live fill, before any rewind. Kept apart from the samples.
    fn run_live(&mut self, depth: &Depth) {
        let plan = self.plan;
        let is_generation = |unit: &Unit| match *unit {
            Unit::Single(cell) => matches!(plan.cells[cell].kind, TestKind::Tg(_)).then_some(cell),
            Unit::Pair { .. } => None,
        };
        let Some(cell) = self.open_units(depth).iter().find_map(is_generation) else { return };
        if let Err(failure) = self.time_live(cell) {
            self.fail(Unit::Single(cell), &failure);
        }
    }

    fn time_live(&mut self, cell: usize) -> Result<(), Failure> {
        self.go_on()?;
        let n_gen = self.plan.cells[cell].kind.n_tokens();
        let tokens = self.tokens.draw(Purpose::Live, n_gen, false);
        let sample = timed::generation(self.target, self.clock, &tokens)?;
        self.header.timing.timed += sample.elapsed;
        self.header.timing.n_decoded_tokens += u64::from(n_gen);
        self.cells[cell].live = Some(sample);
        Ok(())
    }

    fn run_block(&mut self, slot: usize, depth: &Depth) {
        for rep in 0..self.plan.request.n_reps {
            self.run_round(slot, depth, rep);
        }
        for cell in depth.units.iter().flat_map(|unit| unit.cells()) {
            self.report(cell);
        }
    }

    fn run_rounds(&mut self, depths: &[Depth]) {
        if let Err(failure) = self.target.hold_whole() {
            return self.fail_depths(depths, &failure);
        }
        let slots: Vec<usize> = (0..depths.len()).collect();
        for rep in 0..self.plan.request.n_reps {
            for slot in self.plan.shuffled(&slots, rep, 0) {
                self.run_round(slot, &depths[slot], rep);
            }
        }
    }

    /// One repetition of every unit of a depth, each from the held state, in an order of its own.
    fn run_round(&mut self, slot: usize, depth: &Depth, rep: u32) {
        let units = self.open_units(depth);
        for unit in self.plan.shuffled(&units, rep, 1 + slot as u64) {
            let result = self.go_to(slot, depth).and_then(|()| self.measure(unit, rep));
            if let Err(failure) = result {
                self.fail(unit, &failure);
            }
        }
    }

    /// Returns to a held depth; where the state cannot be restored, the context is filled again.
    fn go_to(&mut self, slot: usize, depth: &Depth) -> Result<(), Failure> {
        self.go_on()?;
        if depth.n_depth == 0 {
            self.target.clear();
            return Ok(());
        }
        if self.target.rewind(slot).is_ok() {
            return Ok(());
        }
        self.target.clear();
        self.fill(0, depth.n_depth)?;
        self.target.hold(slot, Keep::All)?;
        self.set_rewind(depth, Rewind::Refill);
        Ok(())
    }
}
