//! llama-bench's own procedure: a context, a warm-up and, where no saved state of the depth is at hand, a fill
//! for every test.

use super::{
    clock::Clock,
    engine::Engine,
    plan::{Depth, Unit},
    target::Target,
};
use crate::record::{Failure, Order, Rewind, TestKind};

/// The state that llama-bench keeps in host memory from one test to the next.
#[derive(Default)]
struct Saved {
    n_depth: u32,
    state: Vec<u8>,
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    pub(super) fn run_fresh(&mut self) {
        let mut saved = Saved::default();
        for depth in self.plan.depths.clone() {
            for unit in self.open_units(&depth) {
                if let Err(failure) = self.run_test(&depth, unit, &mut saved) {
                    self.fail(unit, &failure);
                }
                for cell in unit.cells() {
                    self.report(cell);
                }
            }
        }
    }

    fn run_test(&mut self, depth: &Depth, unit: Unit, saved: &mut Saved) -> Result<(), Failure> {
        self.open(self.plan.n_ctx_of(unit))?;
        self.header.resolved.order = Some(Order::Blocks);
        self.pause()?;
        let rewind = match depth.n_depth {
            0 => Rewind::Clear,
            _ if self.encodes_depths() => Rewind::Refill,
            _ => Rewind::FullOnHost,
        };
        self.set_rewind(depth, rewind);
        if self.plan.request.warmup {
            self.warm_up_once(unit)?;
        }
        while self.open_units(depth).contains(&unit) {
            self.go_on()?;
            let start = self.clock.now();
            self.target.clear();
            self.reach(depth.n_depth, saved)?;
            self.measure(unit)?;
            let spent = self.clock.now() - start;
            unit.cells().for_each(|cell| self.cells[cell].spent += spent);
            self.repeat_if_disturbed(unit);
            self.settle(unit);
        }
        Ok(())
    }

    /// Restores the saved state of this depth, or fills and saves it.
    fn reach(&mut self, n_depth: u32, saved: &mut Saved) -> Result<(), Failure> {
        if n_depth == 0 {
            return Ok(());
        }
        // What an encoder has read is no part of a state.
        if self.encodes_depths() {
            return self.encode_depth(n_depth);
        }
        if saved.n_depth == n_depth && self.target.load(&saved.state).is_ok() {
            return Ok(());
        }
        self.target.clear();
        self.fill(0, n_depth)?;
        *saved = Saved { n_depth, state: self.target.save()? };
        Ok(())
    }

    /// The whole prompt or text, or one token, at depth 0.
    fn warm_up_once(&mut self, unit: Unit) -> Result<(), Failure> {
        for cell in self.possible_cells(unit) {
            let kind = match self.plan.cells[cell].kind {
                TestKind::Tg(_) => TestKind::Tg(1),
                whole => whole,
            };
            self.warm_up_run(kind)?;
        }
        self.warmup.n_runs = 1;
        self.warmup.settled = None;
        Ok(())
    }
}
