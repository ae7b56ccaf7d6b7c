//! Runs a plan on a target.
//!
//! Each part has one job and hides how it does it:
//! - `cells`: what is known of each cell, whether it needs another repetition, and why it failed
//! - `session`: the target at work, with the account of what that took; `audience`: who receives events and may stop it
//! - `fill`: the tokens that the context is filled with, and the curve of what that took
//! - `warmth`: when a warm-up is long enough; `warm_up`: what it runs
//! - `stages`: which tests share a context when one has no room for all
//! - `rewinding`, `fresh`, `interleaved`: the three ways to go over the depths of a plan
//! - `profile`: where the time goes, after the samples
//! - `returns`: ways back to a depth, and which one is taken
//! - `order`: interleaved over depths or per depth; `whole`: what whole snapshots cost; `pace`: what repetitions will take
//!
//! [`Engine`] brings the parts together for one repetition, one warm-up and one way back to a depth. An example with a
//! target of one's own is in `benches/overhead.rs`.

mod audience;
mod cells;
mod fill;
mod fresh;
mod interleaved;
mod order;
#[cfg(test)]
mod order_tests;
mod pace;
mod profile;
mod returns;
mod rewinding;
mod session;
mod stages;
#[cfg(test)]
mod stages_tests;
mod warm_up;
mod warmth;
mod whole;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{
    abilities::Memory,
    calibration::CalibrationTime,
    clock::Clock,
    observe::{Cancel, Event, Observer},
    plan::{Depth, Plan, ReusedPrompt, Unit},
    target::Target,
    tokens::{Input, Purpose, TokenSource},
};
use crate::record::{Failure, Header, Method, Run, TestKind};
use audience::Audience;
use cells::Cells;
use fill::Fill;
use fresh::Fresh;
use returns::Return;
use rewinding::Rewinding;
use session::Session;
use warmth::Warmth;
use whole::WholeCost;

pub(super) use interleaved::run as run_interleaved;

/// A run that is going on.
pub(super) struct Engine<'a, T, C> {
    plan: &'a Plan,
    tokens: TokenSource,
    cells: Cells<'a>,
    session: Session<'a, T, C>,
    fill: Fill,
    warmth: Warmth,
    /// What whole snapshots of the open context cost, if that decides the order of repetitions.
    whole: Option<WholeCost>,
    /// How the open context returns to each held depth, by slot.
    returns: BTreeMap<usize, Return>,
    /// The most that a stop of a profile costs, once it is known.
    dearest_stop: Option<Duration>,
}

impl<'a, T: Target, C: Clock> Engine<'a, T, C> {
    /// A run of this plan that has not begun.
    pub(super) fn new(
        target: &'a mut T,
        clock: &'a C,
        plan: &'a Plan,
        header: Header,
        observer: &'a mut dyn Observer,
        cancel: &'a Cancel,
    ) -> Self {
        let session = Session::new(target, clock, Audience::new(observer, cancel), header, &plan.request);
        let (abilities, limits) = (session.abilities(), session.limits());
        let tokens = TokenSource::new(plan.request.seed, limits);
        let possible = plan.without(|test| abilities.refusal(test).is_some());
        let warmth = Warmth::new(&possible, abilities.whole_prompt.unwrap_or(limits.n_batch));
        let deepest = plan.depths.last().map_or(0, |depth| depth.n_depth);
        let fill = Fill::new(tokens.draw(Purpose::Fill, deepest, true));
        let cells = Cells::new(plan);
        Self {
            plan,
            tokens,
            cells,
            session,
            fill,
            warmth,
            whole: None,
            returns: BTreeMap::new(),
            dearest_stop: None,
        }
    }

    /// Resumes an interrupted run: what it measured is not measured again, what failed is tried again.
    pub(super) fn resume(&mut self, run: &Run) {
        self.session.resume(run);
        self.fill.resume(&run.curve);
        if let Some(warmup) = self.cells.resume(run, self.session.abilities()) {
            self.warmth.resume(warmup);
        }
    }

    /// Runs the whole plan; failures are in their cells. A panic of the target fails the cells that lack repetitions. A panic
    /// of the observer is the application's own and continues.
    pub(super) fn run(mut self) -> Run {
        self.begin();
        match self.plan.request.method {
            Method::Rewind => {
                let mut procedure = Rewinding::new(self);
                guard(&mut procedure, Rewinding::run);
                procedure.into_engine().finish()
            }
            Method::FreshContext => {
                let mut procedure = Fresh::new(self);
                guard(&mut procedure, Fresh::run);
                procedure.into_engine().finish()
            }
        }
    }

    /// Before anything is run.
    fn begin(&mut self) {
        self.session.begin(utc_now);
        self.session.tell(&Event::planned(self.plan));
        for cell in 0..self.plan.cells.len() {
            if self.cells.is_complete(cell) {
                self.report(cell);
            }
        }
        self.cells.refuse_past_training(self.session.limits().n_ctx_train);
        self.cells.refuse_unsupported(self.session.abilities());
        self.refuse_more_sequences_than_batch();
        if let Err(failure) = self.session.go_on() {
            // Before a context is made for nothing.
            self.cells.fail_open(&failure);
        }
    }

    /// After everything was run: the observer receives the cells it has not received yet.
    fn finish(mut self) -> Run {
        for cell in 0..self.plan.cells.len() {
            self.report(cell);
        }
        let warmup = self.warmth.total();
        let header = self.session.finish();
        let cell = |cell| self.cells.cell(cell, warmup, &header.timing.started_at);
        let cells = (0..self.plan.cells.len()).map(cell).collect();
        Run { header, cells, curve: self.fill.into_curve() }
    }

    fn fail_after_panic(&mut self, panic: &(dyn Any + Send)) {
        self.cells.fail_open(&Failure::of_panic("the measurement", panic));
    }

    /// Tells the observer about a finished cell, once.
    fn report(&mut self, cell: usize) {
        if self.cells.is_news(cell) {
            self.tell_cell(cell, true);
        }
    }

    /// Tells the observer about the finished cells of a unit.
    fn report_unit(&mut self, unit: Unit) {
        unit.cells().for_each(|cell| self.report(cell));
    }

    /// Reports the progress of the cells of a depth that continue later.
    fn report_so_far(&mut self, depth: &Depth) {
        for cell in self.cells.open_units(depth).into_iter().flat_map(Unit::cells) {
            if self.cells.is_begun(cell) {
                self.tell_cell(cell, false);
            }
        }
    }

    fn tell_cell(&mut self, cell: usize, is_over: bool) {
        let cell = self.cells.cell(cell, self.warmth.total(), self.session.started_at());
        self.session.tell_cell(&cell, self.fill.untold(), is_over);
    }

    /// Opens a context of this size ([`Target::open`]) for what is still to be measured.
    fn open(&mut self, n_ctx: u32, n_seqs: u32) -> Result<(), Failure> {
        let kinds: Vec<TestKind> = self.cells.open_kinds().collect();
        for (cell, work) in self.session.open(n_ctx, n_seqs, &kinds, &self.cells.uncounted())? {
            self.cells.set_work(cell, work);
        }
        Ok(())
    }

    /// Continues the fill from `from` up to `to` tokens.
    fn fill(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        if self.session.encodes_depths() && to > 0 {
            return self.fill.encode(&mut self.session, to);
        }
        self.fill.add(&mut self.session, self.plan, &mut self.warmth.prompts, from, to)
    }

    /// Times one repetition of a unit from the present state and keeps its samples.
    fn measure(&mut self, unit: Unit) -> Result<(), Failure> {
        let rep = self.cells.n_visits(unit);
        // Before the whole unit: nothing comes between the halves of a pair.
        let calibration = self.calibrate();
        for cell in self.cells.possible(unit) {
            let test = self.plan.cells[cell];
            let purpose = Purpose::Repetition { cell, rep };
            let input = self.draw(purpose, test.kind, test.n_parallel, test.n_depth == 0);
            self.measure_with(cell, &input, calibration)?;
        }
        Ok(())
    }

    /// The same for a prompt of the fill's own tokens, which the fill reuses.
    fn measure_as_fill(&mut self, reused: ReusedPrompt) -> Result<(), Failure> {
        let tokens = self.fill.prompt(self.plan.cells[reused.cell].n_depth, reused.n_tokens);
        let calibration = self.calibrate();
        self.measure_with(reused.cell, &Input::One(tokens), calibration)
    }

    /// Times the calibration loop, if that is asked for and possible.
    fn calibrate(&mut self) -> Option<CalibrationTime> {
        if self.plan.request.calibrated { self.session.calibrate() } else { None }
    }

    fn measure_with(
        &mut self,
        cell: usize,
        input: &Input,
        calibration: Option<CalibrationTime>,
    ) -> Result<(), Failure> {
        self.session.go_on()?;
        let test = self.plan.cells[cell];
        let (rep, last) = self.cells.begin(cell, utc_now);
        self.session.tell(&Event::Measuring {
            test: &test,
            rep,
            n_reps: self.plan.request.n_reps_max(),
            last,
        });
        let sample = self.session.repeat(test.kind, input, calibration)?;
        self.cells.add(cell, sample, self.session.conditions());
        Ok(())
    }

    /// What a run of a test decodes. A decoder begins each of its generations with a token of its own.
    fn draw(&self, purpose: Purpose, kind: TestKind, n_seqs: u32, starts_sequence: bool) -> Input {
        let mut input = self.tokens.draw_for(purpose, kind, n_seqs, starts_sequence);
        if let (Memory::Encoded { start }, true, Input::One(tokens)) =
            (self.session.abilities().memory, kind.is_generation(), &mut input)
            && let Some(first) = tokens.first_mut()
        {
            *first = start;
        }
        input
    }
}

/// Takes a step of a run; returns whether it completed. A panic of the target fails the cells that lack repetitions; one of
/// the observer continues.
fn guard<'a, P, T, C>(part: &mut P, step: impl FnOnce(&mut P)) -> bool
where
    P: AsMut<Engine<'a, T, C>>,
    T: Target + 'a,
    C: Clock + 'a,
{
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(part))) else { return true };
    let engine = part.as_mut();
    if engine.session.has_application_panicked() {
        resume_unwind(panic);
    }
    engine.fail_after_panic(panic.as_ref());
    false
}

pub(crate) fn utc_now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}
