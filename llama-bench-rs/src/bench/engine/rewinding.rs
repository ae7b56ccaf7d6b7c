//! One context for the whole run, if it has room: filled once, from one depth to the next deeper one, and rewound between
//! repetitions.

use std::time::Duration;

use super::{Engine, order::Intact, returns::Return, stages::Stages};
use crate::{
    bench::{
        clock::Clock,
        plan::{Depth, ReusedPrompt, Unit},
        target::{Keep, Target},
        tokens::Purpose,
    },
    record::{Failure, Order, Rewind, TestKind},
};

/// Most tokens of a generation straight after the live fill.
const N_LIVE: u32 = 8;

/// Most tokens of a prompt that wakes a context.
const N_WAKE: u32 = 32;

/// A run in one context, or in as few as there is memory for. Depths have the number of the slot that the target holds them
/// as.
pub(super) struct Rewinding<'a, T, C> {
    pub(super) engine: Engine<'a, T, C>,
    /// What no context was made for yet.
    stages: Stages,
    /// Depths with something to measure that the open context has room for, ascending, and what is measured there.
    pub(super) depths: Vec<Depth>,
    /// What the last repetition was of.
    last_unit: Option<Unit>,
    /// Whether a disturbed repetition is set aside at once: runs that take turns do so together.
    pub(super) repeats_at_once: bool,
    /// Where the context still holds the fill, once it is filled to the deepest depth.
    pub(super) intact: Intact,
    /// What the copies of sequences took in the latest pass over the depths.
    pub(super) copies: Duration,
}

impl<'a, T, C> AsMut<Engine<'a, T, C>> for Rewinding<'a, T, C> {
    fn as_mut(&mut self) -> &mut Engine<'a, T, C> {
        &mut self.engine
    }
}

impl<'a, T: Target, C: Clock> Rewinding<'a, T, C> {
    pub(super) fn new(engine: Engine<'a, T, C>) -> Self {
        Self {
            engine,
            stages: Stages::default(),
            depths: Vec::new(),
            last_unit: None,
            repeats_at_once: true,
            intact: Intact::Nothing,
            copies: Duration::ZERO,
        }
    }

    /// A run that takes turns with others, and decides together with them what is repeated.
    pub(super) fn in_turn(engine: Engine<'a, T, C>) -> Self {
        Self { repeats_at_once: false, ..Self::new(engine) }
    }

    pub(super) fn into_engine(self) -> Engine<'a, T, C> {
        self.engine
    }

    pub(super) fn engine(&self) -> &Engine<'a, T, C> {
        &self.engine
    }

    /// Depths that [`prepare`](Self::prepare) found, ascending; by slot.
    pub(super) fn depths(&self) -> &[Depth] {
        &self.depths
    }

    /// All of it, alone.
    pub(super) fn run(&mut self) {
        // If nothing can be run.
        self.engine.session.set_order(Order::Blocks, None);
        self.begin();
        self.run_rest();
    }

    /// Looks for what is to be measured.
    pub(super) fn begin(&mut self) {
        self.stages = Stages::of(&self.engine);
    }

    /// Whether something is left that no context was made for.
    pub(super) fn has_rest(&self) -> bool {
        self.stages.are_left()
    }

    /// What is left, alone: one context after the other.
    pub(super) fn run_rest(&mut self) {
        self.repeats_at_once = true;
        while self.stages.are_left() {
            self.prepare();
            if !self.depths.is_empty() {
                self.run_stage();
            }
        }
    }

    /// All that is measured in the open context.
    fn run_stage(&mut self) {
        let order = self.choose_order();
        let n_reached = self.go_deeper(order);
        if order == Order::Rounds && n_reached > 0 {
            self.run_rounds(n_reached);
        }
    }

    /// Opens the next context for the depths that have something to measure and warms up what the fill will not.
    pub(super) fn prepare(&mut self) {
        let engine = &mut self.engine;
        self.depths = self.stages.open_next(engine);
        if self.depths.is_empty() {
            return;
        }
        engine.returns.clear();
        self.watch_whole();
        let engine = &mut self.engine;
        let warm =
            engine.warm_up_others(&self.depths).and_then(|()| engine.warm_up_prompts_first(&self.depths));
        if let Err(failure) = warm {
            self.fail_from(0, &failure);
            self.depths.clear();
        }
    }

    /// Gives up a depth and all deeper ones.
    pub(super) fn fail_from(&mut self, slot: usize, failure: &Failure) {
        self.engine.cells.fail_depths(&self.depths[slot..], failure);
    }

    /// Fills to one depth after the other and measures there: per depth all repetitions, interleaved the first one if that
    /// saves a part of the fill. Returns how many depths were reached and held; the others have failed.
    fn go_deeper(&mut self, order: Order) -> usize {
        let n_depths = self.depths.len();
        let mut n_now = 0;
        for slot in 0..n_depths {
            let keep = if order == Order::Rounds { Keep::All } else { Keep::Latest };
            if let Err(failure) = self.arrive(slot, n_now, keep) {
                self.fail_from(slot, &failure);
                return slot;
            }
            let (depth, next) = (&self.depths[slot], self.depths.get(slot + 1));
            let reused = next.and_then(|next| self.engine.plan.reused_prompt(depth, next));
            let n_depth = depth.n_depth;
            let stands_at = if order == Order::Rounds {
                self.run_first_round(slot, reused)
            } else {
                self.run_block(slot, reused)
            };
            n_now = stands_at.unwrap_or(n_depth);
            if slot + 1 < n_depths
                && stands_at.is_none()
                && let Err(failure) = self.go_to(slot)
            {
                self.fail_from(slot + 1, &failure);
                return slot + 1;
            }
        }
        // The whole snapshot is of the deepest depth.
        if order == Order::Rounds
            && let Some(deepest) = n_depths.checked_sub(1)
            && let Err(failure) = self.go_to(deepest)
        {
            self.fail_from(0, &failure);
            return 0;
        }
        n_depths
    }

    /// Continues to fill from `n_now` tokens to a depth, holds it, and runs one generation straight after the live
    /// fill.
    pub(super) fn arrive(&mut self, slot: usize, n_now: u32, keep: Keep) -> Result<(), Failure> {
        let (engine, depth) = (&mut self.engine, &self.depths[slot]);
        if engine.fill_trying_whole(n_now, depth.n_depth, &self.depths).is_err() {
            // A decode that failed may have left the context half way: once more, from the start.
            engine.session.clear();
            engine.fill(0, depth.n_depth)?;
        }
        let rewind = engine.session.hold(slot, keep)?;
        engine.cells.set_rewind(depth, if depth.n_depth == 0 { Rewind::Clear } else { rewind });
        engine.returns.insert(slot, if rewind.is_partial() { Return::Untried } else { Return::Restore });
        if depth.n_depth > 0 {
            self.run_live(slot);
        }
        Ok(())
    }

    /// The first generation of the depth, once, in the state that a user's program generates in: straight after the
    /// live fill, before any rewind. Kept apart from the samples, and of at most [`N_LIVE`] tokens: its steps are what
    /// it is for.
    fn run_live(&mut self, slot: usize) {
        let engine = &mut self.engine;
        let is_generation = |unit: &Unit| match *unit {
            Unit::Single(cell) => {
                let test = &engine.plan.cells[cell];
                (test.kind.is_generation() && test.n_parallel == 1).then_some(cell)
            }
            Unit::Pair { .. } => None,
        };
        let open = engine.cells.open_units(&self.depths[slot]);
        let Some(cell) = open.iter().find_map(is_generation) else { return };
        if !engine.cells.lacks_live(cell) {
            return;
        }
        let n_gen = engine.plan.cells[cell].kind.n_tokens().min(N_LIVE);
        let kind = TestKind::Tg(n_gen);
        let input = engine.draw(Purpose::Live, kind, 1, false);
        match engine.session.go_on().and_then(|()| engine.session.generate_live(kind, &input)) {
            Ok(sample) => engine.cells.set_live(cell, sample),
            Err(failure) => engine.cells.fail(Unit::Single(cell), &failure),
        }
    }

    /// The first repetitions of a depth while the context is filled, if that saves a part of the fill: if one of its prompts can
    /// stay in the context and prompts are warm. Returns the tokens in the context then.
    fn run_first_round(&mut self, slot: usize, reused: Option<ReusedPrompt>) -> Option<u32> {
        let reused = reused.filter(|_| self.engine.warmth.prompts.are_warm())?;
        let stands_at = self.run_round(slot, 0, Some(reused));
        self.report_so_far(slot);
        stands_at
    }

    /// All repetitions of a depth. The last prompt stays in the context if the fill can reuse it: returns the tokens
    /// in the context then.
    fn run_block(&mut self, slot: usize, reused: Option<ReusedPrompt>) -> Option<u32> {
        let request = &self.engine.plan.request;
        let (n_reps, n_visits) = (request.n_reps_max(), request.n_visits_max());
        let mut stands_at = None;
        if let Err(failure) = self.warm_up_prompts(slot) {
            self.fail(slot, &failure);
        }
        for rep in 0..n_visits {
            if self.is_done(slot) {
                break;
            }
            stands_at = self.run_round(slot, rep, reused.filter(|_| rep + 1 == n_reps));
        }
        if self.profile(slot) {
            stands_at = None;
        }
        self.report(slot);
        stands_at
    }

    /// One repetition of every unit of a depth that lacks this one, each from the held state, in an order of its own.
    /// A reused prompt comes last, has the fill's tokens and stays in the context: returns the tokens in the
    /// context then.
    pub(super) fn run_round(&mut self, slot: usize, rep: u32, reused: Option<ReusedPrompt>) -> Option<u32> {
        let lacking = self.engine.cells.lacking(&self.depths[slot], rep);
        let mut units = self.engine.plan.shuffled(&lacking, rep, 1 + slot as u64);
        let reused = reused.filter(|reused| units.contains(&reused.unit));
        units.sort_by_key(|&unit| reused.is_some_and(|reused| reused.unit == unit));
        let mut stands_at = None;
        for unit in units {
            let reused = reused.filter(|reused| reused.unit == unit);
            match self.pause_before(slot, unit).and_then(|()| self.run_unit(slot, unit, reused)) {
                // A failed unit leaves what was known of the context before it.
                Ok(()) => stands_at = reused.map(|reused| self.depths[slot].n_depth + reused.n_tokens),
                Err(failure) => self.engine.cells.fail(unit, &failure),
            }
        }
        stands_at
    }

    /// One repetition of a unit from the held state.
    fn run_unit(&mut self, slot: usize, unit: Unit, reused: Option<ReusedPrompt>) -> Result<(), Failure> {
        let engine = &mut self.engine;
        let start = engine.session.now();
        engine.stand_at(slot, &self.depths[slot], unit)?;
        match reused {
            Some(reused) => engine.measure_as_fill(reused)?,
            None => engine.measure(unit)?,
        }
        engine.cells.add_spent(unit, engine.session.now() - start);
        if self.repeats_at_once {
            engine.cells.repeat_if_disturbed(unit);
        }
        engine.cells.settle(unit);
        Ok(())
    }

    /// Pauses if the next repetition is not of the test that the last one was of. An untimed run follows: a machine that
    /// has slept is slow at first, and llama-bench warms up after its pause too.
    fn pause_before(&mut self, slot: usize, unit: Unit) -> Result<(), Failure> {
        let engine = &mut self.engine;
        let request = &engine.plan.request;
        let is_same_test = self.last_unit.replace(unit) == Some(unit);
        if request.delay.is_zero() || is_same_test {
            return Ok(());
        }
        engine.session.pause(request.delay)?;
        if request.warmup {
            engine.stand_at(slot, &self.depths[slot], unit)?;
            let n_batch = engine.session.limits().n_batch;
            for cell in unit.cells() {
                let kind = match engine.plan.cells[cell].kind {
                    TestKind::Pp(n) => TestKind::Pp(n.min(n_batch)),
                    TestKind::Tg(_) => TestKind::Tg(1),
                    text @ TestKind::Embd(_) => text,
                };
                engine.warm_up_run(kind, engine.plan.n_seqs_of(unit))?;
            }
        }
        Ok(())
    }

    /// One short untimed run from the depth, if it lacks this repetition: another context had the machine, and caches
    /// and threads are not as a repetition of this one's own would have left them.
    pub(super) fn wake(&mut self, slot: usize, rep: u32) -> Result<(), Failure> {
        let engine = &mut self.engine;
        let units = engine.cells.lacking(&self.depths[slot], rep);
        let kinds = || units.iter().flat_map(|unit| unit.cells()).map(|cell| engine.plan.cells[cell].kind);
        // What is computed whole would take as long as a repetition.
        let comes_in_parts = engine.session.abilities().whole_prompt.is_none();
        let short = |kind| match kind {
            TestKind::Pp(n) if comes_in_parts => Some(TestKind::Pp(n.min(N_WAKE))),
            _ => None,
        };
        let kind = if kinds().any(TestKind::is_generation) {
            Some(TestKind::Tg(1))
        } else {
            kinds().find_map(short)
        };
        if let Some(kind) = kind.filter(|_| engine.plan.request.warmup) {
            engine.go_to(slot, &self.depths[slot])?;
            engine.warm_up_run(kind, 1)?;
        }
        Ok(())
    }

    /// Returns to a held depth.
    pub(super) fn go_to(&mut self, slot: usize) -> Result<(), Failure> {
        self.engine.go_to(slot, &self.depths[slot])
    }

    /// Warms prompts up from a held depth, unless the fill has done it.
    pub(super) fn warm_up_prompts(&mut self, slot: usize) -> Result<(), Failure> {
        self.engine.warm_up_prompts(Some((slot, &self.depths[slot])))
    }

    /// Whether nothing is left to measure at a depth.
    pub(super) fn is_done(&self, slot: usize) -> bool {
        self.engine.cells.open_units(&self.depths[slot]).is_empty()
    }

    /// Gives up a depth.
    pub(super) fn fail(&mut self, slot: usize, failure: &Failure) {
        self.engine.cells.fail_depths(std::slice::from_ref(&self.depths[slot]), failure);
    }

    /// Tells the observer about the finished cells of a depth.
    pub(super) fn report(&mut self, slot: usize) {
        self.depths[slot].units.iter().for_each(|&unit| self.engine.report_unit(unit));
    }

    /// Tells the observer how far the cells of a depth are.
    pub(super) fn report_so_far(&mut self, slot: usize) {
        self.engine.report_so_far(&self.depths[slot]);
    }
}
