//! The state of a running sweep and the steps that both methods are made of.

use super::{
    clock::{Clock, ClockFacts},
    observe::{Cancel, Event, Observer},
    plan::{Depth, Plan, Unit},
    target::{Target, Token},
    timed,
    tokens::{Purpose, TokenSource},
};
use crate::record::{
    Cell, CurvePoint, Failure, Header, Measured, Method, Outcome, Rewind, Run, Sample, TestKind, Warmup,
};

/// A cell while it is being measured.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) started_at: Option<String>,
    pub(super) samples: Vec<Sample>,
    pub(super) live: Option<Sample>,
    pub(super) rewind: Option<Rewind>,
    pub(super) failure: Option<Failure>,
    reported: bool,
}

/// Everything a sweep needs while it runs.
pub(super) struct Engine<'a, T, C> {
    pub(super) target: &'a mut T,
    pub(super) clock: &'a C,
    pub(super) plan: &'a Plan,
    pub(super) header: Header,
    pub(super) tokens: TokenSource,
    pub(super) n_batch: u32,
    pub(super) cells: Vec<Progress>,
    pub(super) curve: Vec<CurvePoint>,
    n_curve_told: usize,
    pub(super) warmup: Warmup,
    observer: &'a mut dyn Observer,
    cancel: &'a Cancel,
    fill: Vec<Token>,
}

impl<'a, T: Target, C: Clock> Engine<'a, T, C> {
    pub(super) fn new(
        target: &'a mut T,
        clock: &'a C,
        plan: &'a Plan,
        header: Header,
        observer: &'a mut dyn Observer,
        cancel: &'a Cancel,
    ) -> Self {
        let limits = target.limits();
        let tokens = TokenSource::new(plan.request.seed, limits);
        let deepest = plan.depths.last().map_or(0, |d| d.n_depth);
        Self {
            fill: tokens.draw(Purpose::Fill, deepest, true),
            cells: plan.cells.iter().map(|_| Progress::default()).collect(),
            curve: Vec::new(),
            n_curve_told: 0,
            warmup: Warmup::default(),
            n_batch: limits.n_batch.max(1),
            target,
            clock,
            plan,
            header,
            tokens,
            observer,
            cancel,
        }
    }

    /// Runs the whole plan; what fails is in its cell.
    pub(super) fn run(mut self) -> Run {
        let start = self.clock.now();
        let facts = ClockFacts::measure(self.clock);
        self.header.timing.started_at = utc_now();
        self.header.timing.clock_resolution = facts.resolution;
        self.header.timing.clock_overhead = facts.overhead;
        self.tell(&Event::Planned(self.plan));
        self.refuse_past_training();
        match self.plan.request.method {
            Method::Rewind => self.run_rewinding(),
            Method::FreshContext => self.run_fresh(),
        }
        for cell in 0..self.cells.len() {
            self.report(cell);
        }
        self.header.timing.wall = self.clock.now() - start;
        let cells = (0..self.cells.len()).map(|cell| self.cell(cell)).collect();
        Run { header: self.header, cells, curve: self.curve }
    }

    /// Cells that would go past the trained context fail before anything is run for them.
    fn refuse_past_training(&mut self) {
        let n_ctx_train = self.target.limits().n_ctx_train;
        for unit in self.plan.depths.iter().flat_map(|d| d.units.clone()) {
            let needed = self.plan.n_needed(unit);
            if n_ctx_train > 0 && needed > n_ctx_train {
                let message = format!(
                    "the model was trained for a context of {n_ctx_train} tokens; this test needs {needed}: \
                     lower the depth or the length"
                );
                self.fail(unit, &Failure { kind: "context_too_long".into(), message });
            }
        }
    }

    /// Adds tokens of the fill from `from` up to `to`, each chunk timed for the curve.
    pub(super) fn fill(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        let mut done = from;
        while done < to {
            self.go_on()?;
            self.tell(&Event::Filling { n_done: done, n_depth: to });
            let n_tokens = self.n_batch.min(to - done);
            let chunk = &self.fill[done as usize..(done + n_tokens) as usize];
            let sample = timed::prompt(self.target, self.clock, chunk, self.n_batch)?;
            self.header.timing.fill += sample.elapsed;
            self.header.timing.n_decoded_tokens += u64::from(n_tokens);
            self.curve.push(CurvePoint { n_depth: done, n_tokens, elapsed: sample.elapsed });
            done += n_tokens;
        }
        Ok(())
    }

    /// Times one repetition of a unit from the present state and keeps its samples.
    pub(super) fn measure(&mut self, unit: Unit, rep: u32) -> Result<(), Failure> {
        for cell in unit.cells() {
            self.go_on()?;
            let test = self.plan.cells[cell];
            let starts_sequence = test.n_depth == 0;
            let tokens =
                self.tokens.draw(Purpose::Repetition { cell, rep }, test.kind.n_tokens(), starts_sequence);
            self.cells[cell].started_at.get_or_insert_with(utc_now);
            self.tell(&Event::Measuring { test: &test, rep, n_reps: self.plan.request.n_reps });
            let sample = match test.kind {
                TestKind::Pp(_) => timed::prompt(self.target, self.clock, &tokens, self.n_batch)?,
                TestKind::Tg(_) => timed::generation(self.target, self.clock, &tokens)?,
            };
            self.header.timing.timed += sample.elapsed;
            self.header.timing.n_decoded_tokens += u64::from(test.kind.n_tokens());
            self.cells[cell].samples.push(sample);
        }
        Ok(())
    }

    /// Units of a depth that nothing has failed yet.
    pub(super) fn open_units(&self, depth: &Depth) -> Vec<Unit> {
        depth.units.iter().copied().filter(|&unit| !self.has_failed(unit)).collect()
    }

    pub(super) fn has_failed(&self, unit: Unit) -> bool {
        unit.cells().any(|cell| self.cells[cell].failure.is_some())
    }

    pub(super) fn fail(&mut self, unit: Unit, failure: &Failure) {
        for cell in unit.cells() {
            self.cells[cell].failure.get_or_insert_with(|| failure.clone());
        }
    }

    pub(super) fn fail_depths(&mut self, depths: &[Depth], failure: &Failure) {
        for unit in depths.iter().flat_map(|d| &d.units) {
            self.fail(*unit, failure);
        }
    }

    pub(super) fn set_rewind(&mut self, depth: &Depth, rewind: Rewind) {
        for cell in depth.units.iter().flat_map(|unit| unit.cells()) {
            self.cells[cell].rewind = Some(rewind);
        }
    }

    /// `Err` once the application asked to stop.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure { kind: "cancelled".into(), message: "the sweep was cancelled".into() });
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, event: &Event<'_>) {
        self.observer.event(event);
    }

    /// Tells the observer about a finished cell, once.
    pub(super) fn report(&mut self, index: usize) {
        if !std::mem::replace(&mut self.cells[index].reported, true) {
            let cell = self.cell(index);
            let curve = &self.curve[self.n_curve_told..];
            self.observer.event(&Event::CellDone { header: &self.header, cell: &cell, curve });
            self.n_curve_told = self.curve.len();
        }
    }

    fn cell(&self, index: usize) -> Cell {
        let Progress { started_at, samples, live, rewind, failure, .. } = &self.cells[index];
        // A sweep that was stopped keeps what it measured; a cell that failed is not to be trusted in part.
        let stopped = failure.as_ref().is_some_and(|f| f.kind == "cancelled");
        let outcome = match failure {
            Some(failure) if !stopped || samples.is_empty() => Outcome::Failed(failure.clone()),
            _ => Outcome::Measured(Measured {
                samples: samples.clone(),
                live: live.clone(),
                rewind: rewind.unwrap_or(Rewind::Clear),
                warmup: self.warmup,
            }),
        };
        let started_at = started_at.clone().unwrap_or_else(|| self.header.timing.started_at.clone());
        Cell { test: self.plan.cells[index], started_at, outcome }
    }
}

fn utc_now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}
