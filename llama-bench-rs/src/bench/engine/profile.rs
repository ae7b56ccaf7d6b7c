//! Profiles: a few repetitions of a cell with stops in its graphs, after all of its samples and apart from them.

use std::time::Duration;

use super::Engine;
use crate::{
    bench::{
        clock::Clock,
        observe::Event,
        plan::Unit,
        profiling::{Profiling, Repetitions, Traced},
        target::Target,
        tokens::{Input, Purpose},
    },
    llama::Stops,
    record::{Failure, Test, TestKind},
};

/// Repetitions of each kind: at least the first, and at most the second while those of a cell take less than [`BUDGET`].
const N_REPS: (u32, u32) = (5, 9);
const BUDGET: Duration = Duration::from_secs(1);

/// Repetitions with a stop after each operation; the fastest counts.
const N_OPERATIONS: u32 = 3;

/// Most tokens of a generation.
const N_GEN: u32 = 8;

/// Tokens and repetitions of the generations that show what a stop costs.
const N_CALIBRATION: (u32, u32) = (4, 5);

/// A test of a unit as it is profiled, and what it decodes.
struct Profiled {
    kind: TestKind,
    input: Input,
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Profiles the cells of a unit, if that is asked for; `bring` goes to where a repetition of it begins. A profile that
    /// cannot be made is reported; the samples stay. Whether something was run.
    pub(super) fn profile(
        &mut self,
        unit: Unit,
        mut bring: impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> bool {
        let Some(profiling) = self.plan.request.profile else { return false };
        let mut cells = self.cells.possible(unit);
        cells.retain(|&cell| self.cells.lacks_profile(cell));
        for &cell in &cells {
            if let Err(failure) = self.profile_cell(unit, cell, profiling, &mut bring)
                && failure.kind != "cancelled"
            {
                self.session.tell(&Event::ProfileUnknown { test: &self.plan.cells[cell], failure: &failure });
            }
        }
        !cells.is_empty()
    }

    fn profile_cell(
        &mut self,
        unit: Unit,
        cell: usize,
        profiling: Profiling,
        bring: &mut impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let test = self.plan.cells[cell];
        self.session.tell(&Event::Profiling { test: &test });
        // A generation of a pair follows its prompt.
        let before: Vec<Profiled> =
            unit.cells().take_while(|&of| of != cell).map(|of| self.profiled(of, u32::MAX)).collect();
        let it = self.profiled(cell, N_GEN);
        let dearest_stop = if test.kind.is_generation() {
            None
        } else {
            match self.dearest_stop(cell, bring) {
                Err(failure) if failure.kind == "cancelled" => return Err(failure),
                // Without it the profile is less precise.
                known => known.unwrap_or(None),
            }
        };
        let mut run = |engine: &mut Self, stops: Option<Stops>| -> Result<Traced, Failure> {
            bring(engine)?;
            for before in &before {
                engine.session.profile(before.kind, &before.input, None)?;
            }
            engine.session.profile(it.kind, &it.input, stops)
        };
        let mut all = Repetitions { dearest_stop, ..Repetitions::default() };
        run(self, Some(Stops::Nothing))?;
        let start = self.session.now();
        for rep in 0..N_REPS.1 {
            if rep >= N_REPS.0 && self.session.now() - start > BUDGET {
                break;
            }
            all.plain.push(run(self, None)?.elapsed);
            all.by_block.push(run(self, Some(Stops::Blocks))?);
            all.by_layer.push(run(self, Some(Stops::Layers))?);
        }
        if profiling.trace || profiling.operations && !test.kind.is_generation() {
            // What disturbs a repetition only adds to it.
            for _ in 0..N_OPERATIONS {
                let traced = run(self, Some(Stops::Operations))?;
                if all.operations.as_ref().is_none_or(|fastest| traced.elapsed < fastest.elapsed) {
                    all.operations = Some(traced);
                }
            }
        }
        // What comes next finds caches and graphs as a repetition leaves them.
        all.plain.push(run(self, None)?.elapsed);
        if let Some(traced) = all.operations.as_ref().filter(|_| profiling.trace) {
            self.session.tell(&Event::Traced { test: &test, stops: &traced.stops });
        }
        if test.kind.is_generation() {
            all.operations = None;
        }
        self.cells.set_profile(cell, all.profile(it.kind.n_tokens(), profiling));
        Ok(())
    }

    /// What a stop costs in generations of few tokens where a cell begins, once for the run. There nearly nothing but the
    /// stops varies. `None` if the model does not generate.
    fn dearest_stop(
        &mut self,
        cell: usize,
        bring: &mut impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<Option<Duration>, Failure> {
        let test = self.plan.cells[cell];
        let n_gen = N_CALIBRATION.0.min(test.kind.n_tokens());
        let kind = TestKind::Tg(n_gen);
        if self.dearest_stop.is_some() || self.session.abilities().refusal(&Test { kind, ..test }).is_some() {
            return Ok(self.dearest_stop);
        }
        let input = self.draw(Purpose::Live, kind, test.n_parallel, test.n_depth == 0);
        let mut run = |engine: &mut Self, stops: Option<Stops>| -> Result<Traced, Failure> {
            bring(engine)?;
            engine.session.profile(kind, &input, stops)
        };
        let mut all = Repetitions::default();
        run(self, Some(Stops::Nothing))?;
        for _ in 0..N_CALIBRATION.1 {
            all.plain.push(run(self, None)?.elapsed);
            all.by_block.push(run(self, Some(Stops::Blocks))?);
            all.by_layer.push(run(self, Some(Stops::Layers))?);
        }
        self.dearest_stop = Some(Duration::from_nanos(all.stop_ns()));
        Ok(self.dearest_stop)
    }

    /// A test with the tokens of its first repetition, of a generation at most `n_gen`.
    fn profiled(&self, cell: usize, n_gen: u32) -> Profiled {
        let test = self.plan.cells[cell];
        let kind = match test.kind {
            TestKind::Tg(n) => TestKind::Tg(n.min(n_gen)),
            whole => whole,
        };
        let purpose = Purpose::Repetition { cell, rep: 0 };
        Profiled { kind, input: self.draw(purpose, kind, test.n_parallel, test.n_depth == 0) }
    }
}
