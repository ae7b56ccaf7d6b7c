//! llama-bench's own procedure: for every test a context, a warm-up and, unless the state of the depth was saved, a fill.
//! Several sequences with tokens of their own are filled one after the other before each repetition, as
//! llama-batched-bench does it: what copies of one sequence are checked against.

use super::Engine;
use crate::{
    bench::{
        clock::Clock,
        plan::{Depth, Unit},
        target::Target,
    },
    record::{Failure, Order, Rewind, TestKind},
};

/// A run in fresh contexts.
pub(super) struct Fresh<'a, T, C> {
    engine: Engine<'a, T, C>,
    saved: Saved,
}

/// The state that llama-bench keeps in host memory from one test to the next.
#[derive(Default)]
struct Saved {
    n_depth: u32,
    state: Vec<u8>,
}

impl<'a, T, C> AsMut<Engine<'a, T, C>> for Fresh<'a, T, C> {
    fn as_mut(&mut self) -> &mut Engine<'a, T, C> {
        &mut self.engine
    }
}

impl<'a, T: Target, C: Clock> Fresh<'a, T, C> {
    pub(super) fn new(engine: Engine<'a, T, C>) -> Self {
        Self { engine, saved: Saved::default() }
    }

    pub(super) fn into_engine(self) -> Engine<'a, T, C> {
        self.engine
    }

    /// All tests, one after the other.
    pub(super) fn run(&mut self) {
        for depth in &self.engine.plan.depths {
            for unit in self.engine.cells.open_units(depth) {
                if let Err(failure) = self.run_test(depth, unit) {
                    self.engine.cells.fail(unit, &failure);
                }
                self.engine.report_unit(unit);
            }
        }
    }

    fn run_test(&mut self, depth: &Depth, unit: Unit) -> Result<(), Failure> {
        let engine = &mut self.engine;
        let n_seqs = engine.plan.n_seqs_of(unit);
        let fills_each = n_seqs > 1 && !engine.plan.request.shared_prefix;
        engine.open(engine.plan.n_ctx_of(unit), n_seqs)?;
        engine.session.set_order(Order::Blocks, None);
        engine.session.pause(engine.plan.request.delay)?;
        let rewind = match depth.n_depth {
            0 => Rewind::Clear,
            _ if fills_each || engine.session.encodes_depths() => Rewind::Refill,
            _ => Rewind::FullOnHost,
        };
        engine.cells.set_rewind(&Depth { n_depth: depth.n_depth, units: vec![unit] }, rewind);
        if engine.plan.request.warmup {
            self.warm_up_once(unit)?;
        }
        let Self { engine, saved } = self;
        while engine.cells.open_units(depth).contains(&unit) {
            engine.session.go_on()?;
            let start = engine.session.now();
            engine.session.clear();
            if fills_each {
                engine.fill.add_each(&mut engine.session, depth.n_depth, n_seqs)?;
            } else {
                saved.reach(engine, depth.n_depth, n_seqs)?;
                engine.session.spread(n_seqs)?;
            }
            engine.measure(unit)?;
            engine.cells.add_spent(unit, engine.session.now() - start);
            engine.cells.repeat_if_disturbed(unit);
            engine.cells.settle(unit);
        }
        engine.profile(unit, |engine| {
            engine.session.clear();
            if fills_each {
                return engine.fill.add_each(&mut engine.session, depth.n_depth, n_seqs);
            }
            saved.reach(engine, depth.n_depth, n_seqs)?;
            engine.session.spread(n_seqs)
        });
        Ok(())
    }

    /// The whole prompt or text, or one token, at depth 0.
    fn warm_up_once(&mut self, unit: Unit) -> Result<(), Failure> {
        let engine = &mut self.engine;
        for cell in engine.cells.possible(unit) {
            let kind = match engine.plan.cells[cell].kind {
                TestKind::Tg(_) => TestKind::Tg(1),
                whole => whole,
            };
            engine.warm_up_run(kind, engine.plan.n_seqs_of(unit))?;
        }
        engine.warmth.ran_once();
        Ok(())
    }
}

impl Saved {
    /// Restores the saved state of this depth, or fills and saves it.
    fn reach<T: Target, C: Clock>(
        &mut self,
        engine: &mut Engine<'_, T, C>,
        n_depth: u32,
        n_seqs: u32,
    ) -> Result<(), Failure> {
        if n_depth == 0 {
            return Ok(());
        }
        // What an encoder has read is not part of a state.
        if engine.session.encodes_depths() {
            return engine.fill(0, n_depth);
        }
        if self.n_depth == n_depth && engine.session.load(&self.state).is_ok() {
            return Ok(());
        }
        engine.session.clear();
        engine.fill(0, n_depth)?;
        *self = Self { n_depth, state: engine.session.save()? };
        if n_seqs > 1 {
            // A sliding window has cells that it no longer sees, which copies would keep from being used again. A state
            // does not.
            engine.session.clear();
            engine.session.load(&self.state)?;
        }
        Ok(())
    }
}
