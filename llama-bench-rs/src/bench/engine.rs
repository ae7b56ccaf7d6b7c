//! The state of a running sweep and the steps that both methods are made of.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{
    abilities::Abilities,
    clock::{Clock, ClockFacts},
    observe::{Cancel, Event, Observer},
    pace::PaceTime,
    plan::{Carried, Depth, Plan, Unit},
    progress::Progress,
    target::{Target, Token},
    timed,
    tokens::{Purpose, TokenSource},
    warmup::Prompts,
};
use crate::record::{
    Cell, CurvePoint, Failure, FailureKind, GpuConditions, Header, Method, Rewind, Run, Sample, TestKind,
    Warmup, merge_conditions,
};

/// Everything a sweep needs while it runs.
pub(super) struct Engine<'a, T, C> {
    pub(super) target: &'a mut T,
    pub(super) clock: &'a C,
    pub(super) plan: &'a Plan,
    pub(super) header: Header,
    /// Whether contexts are asked for the graphs that they compute.
    pub(super) looks_at_work: bool,
    pub(super) tokens: TokenSource,
    pub(super) n_batch: u32,
    pub(super) abilities: Abilities,
    pub(super) cells: Vec<Progress>,
    pub(super) curve: Vec<CurvePoint>,
    n_curve_told: usize,
    pub(super) warmup: Warmup,
    pub(super) prompts: Prompts,
    /// What the last repetition was of.
    pub(super) last_unit: Option<Unit>,
    /// Tokens of the longest decode that the open context has run: a longer one finds everything cold.
    n_longest_decode: u32,
    observer: &'a mut dyn Observer,
    /// The observer is being called: a panic is its own then.
    pub(super) is_telling: bool,
    cancel: &'a Cancel,
    fill: Vec<Token>,
    /// When the run began, by the clock; what an earlier run measured is taken up this much later.
    start: Duration,
    wall_before: Duration,
    conditions: Vec<GpuConditions>,
    conditions_at: Option<Duration>,
    /// Whether a disturbed repetition is set aside at once: sweeps that run in turn do so together.
    pub(super) repeats_at_once: bool,
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
        let abilities = target.abilities();
        let mut possible = plan.clone();
        possible.cells.retain(|test| abilities.refusal(test).is_none());
        Self {
            fill: tokens.draw(Purpose::Fill, deepest, true),
            cells: plan.cells.iter().map(|_| Progress::default()).collect(),
            curve: Vec::new(),
            n_curve_told: 0,
            warmup: Warmup::default(),
            prompts: Prompts::new(&possible, abilities.whole_prompt.unwrap_or(limits.n_batch)),
            last_unit: None,
            n_longest_decode: 0,
            n_batch: limits.n_batch.max(1),
            abilities,
            target,
            clock,
            plan,
            header,
            looks_at_work: plan.request.work,
            tokens,
            observer,
            is_telling: false,
            cancel,
            start: clock.now(),
            wall_before: Duration::ZERO,
            conditions: Vec::new(),
            conditions_at: None,
            repeats_at_once: true,
        }
    }

    /// Takes up a run that was cut short: what it measured is not measured again, what failed is tried again.
    pub(super) fn take_up(&mut self, run: &Run) {
        // What llama.cpp made of the configuration then; a context that is opened now says it anew.
        self.header.resolved = run.header.resolved.clone();
        self.header.work.clone_from(&run.header.work);
        self.header.timing = run.header.timing.clone();
        self.wall_before = run.header.timing.wall.unwrap_or_default();
        self.curve.clone_from(&run.curve);
        for (progress, test) in self.cells.iter_mut().zip(&self.plan.cells) {
            if let Some(cell) = run.cells.iter().find(|cell| cell.test == *test) {
                *progress = Progress::taken_up(cell);
                self.warmup = cell.measured().and_then(|measured| measured.warmup).unwrap_or(self.warmup);
            }
        }
        self.refuse_unsupported();
        for &unit in self.plan.depths.iter().flat_map(|depth| &depth.units) {
            // A run that was cut short between the halves of a pair has one sample too many.
            let n_reps = self.n_reps(unit) as usize;
            unit.cells().for_each(|cell| self.cells[cell].samples.truncate(n_reps));
            self.settle(unit);
        }
    }

    /// Runs the whole plan; what fails is in its cell. A panic fails the cells that have no figure yet, unless the
    /// observer is what panicked: that is the application's own, and goes on.
    pub(super) fn run(mut self) -> Run {
        self.begin();
        let measure = AssertUnwindSafe(|| match self.plan.request.method {
            Method::Rewind => self.run_rewinding(),
            Method::FreshContext => self.run_fresh(),
        });
        if let Err(panic) = catch_unwind(measure) {
            if self.is_telling {
                resume_unwind(panic);
            }
            self.fail_after_panic(panic.as_ref());
        }
        self.finish()
    }

    pub(super) fn fail_after_panic(&mut self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
        let message = format!("the measurement panicked: {text}");
        let failure = Failure { kind: FailureKind::Panic, message };
        self.fail_open(&failure);
    }

    /// Fails every unit that lacks repetitions.
    fn fail_open(&mut self, failure: &Failure) {
        let plan = self.plan;
        for depth in &plan.depths {
            for unit in self.open_units(depth) {
                self.fail(unit, failure);
            }
        }
    }

    /// Before anything is run.
    pub(super) fn begin(&mut self) {
        self.start = self.clock.now();
        let facts = ClockFacts::measure(self.clock);
        if self.header.timing.started_at.is_empty() {
            self.header.timing.started_at = utc_now();
        }
        self.header.timing.clock_resolution = Some(facts.resolution);
        self.header.timing.clock_overhead = Some(facts.overhead);
        self.tell(&Event::Planned(self.plan));
        for cell in 0..self.cells.len() {
            if self.cells[cell].is_done(self.plan.request.n_reps_max()) {
                self.report(cell);
            }
        }
        self.refuse_past_training();
        self.refuse_unsupported();
        if let Err(failure) = self.go_on() {
            // Before a context is made for nothing.
            self.fail_open(&failure);
        }
    }

    /// After everything was run: the observer hears of the cells it has not heard of yet.
    pub(super) fn finish(mut self) -> Run {
        for cell in 0..self.cells.len() {
            self.report(cell);
        }
        self.header.timing.wall = Some(self.elapsed());
        let cells = (0..self.cells.len()).map(|cell| self.cell(cell)).collect();
        Run { header: self.header, cells, curve: self.curve }
    }

    /// Since the beginning of the run; of one that was taken up, since its own beginning, the pause left out.
    pub(super) fn elapsed(&self) -> Duration {
        self.wall_before + (self.clock.now() - self.start)
    }

    /// Cells that would begin past the trained context fail before anything is run for them.
    fn refuse_past_training(&mut self) {
        for (unit, failure) in self.plan.past_training(self.target.limits().n_ctx_train) {
            self.fail(unit, &failure);
        }
    }

    /// Adds tokens of the fill from `from` up to `to`, each chunk timed for the curve.
    pub(super) fn fill(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        if self.encodes_depths() && to > 0 {
            return self.encode_depth(to);
        }
        let mut done = from;
        while done < to {
            self.go_on()?;
            self.tell(&Event::Filling { n_done: done, n_depth: to });
            let n_chunk = self.plan.n_chunk(done, self.n_batch);
            let n_tokens = n_chunk.min(to - done);
            let chunk = &self.fill[done as usize..(done + n_tokens) as usize];
            let sample = timed::prompt(self.target, self.clock, chunk, self.n_batch)?;
            *self.header.timing.fill.get_or_insert_default() += sample.elapsed;
            *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(n_tokens);
            let is_first_of_its_length = self.decoded(n_tokens);
            let warmup = self.prompts.are_cold() || n_chunk < self.n_batch || is_first_of_its_length;
            self.prompts.filled(n_tokens, sample.elapsed);
            // What is filled again is no new point.
            if self.curve.last().is_none_or(|last| last.n_depth + last.n_tokens <= done) {
                self.curve.push(CurvePoint { n_depth: done, n_tokens, elapsed: sample.elapsed, warmup });
            }
            done += n_tokens;
        }
        Ok(())
    }

    /// Keeps account of a decode; whether it was the longest yet in this context.
    pub(super) fn decoded(&mut self, n_tokens: u32) -> bool {
        let n_tokens = n_tokens.min(self.n_batch);
        let is_longest = n_tokens > self.n_longest_decode;
        self.n_longest_decode = self.n_longest_decode.max(n_tokens);
        is_longest
    }

    /// A context that was opened just now is cold.
    pub(super) fn opened(&mut self) {
        self.n_longest_decode = 0;
    }

    /// The first tokens of the fill.
    pub(super) fn fill_tokens(&self, n_tokens: u32) -> Vec<Token> {
        self.fill[..n_tokens as usize].to_vec()
    }

    /// Times one repetition of a unit from the present state and keeps its samples.
    pub(super) fn measure(&mut self, unit: Unit) -> Result<(), Failure> {
        let rep = self.n_visits(unit);
        // Before the whole unit: nothing comes between the halves of a pair.
        let pace = self.pace();
        for cell in self.possible_cells(unit) {
            let test = self.plan.cells[cell];
            let starts_sequence = test.n_depth == 0;
            let tokens = self.draw(Purpose::Repetition { cell, rep }, test.kind, starts_sequence);
            self.measure_with(cell, &tokens, pace)?;
        }
        Ok(())
    }

    /// The same for a prompt of the fill's own tokens: the fill can go on from behind it.
    pub(super) fn measure_as_fill(&mut self, carried: Carried) -> Result<(), Failure> {
        let n_depth = self.plan.cells[carried.cell].n_depth;
        let tokens = self.fill[n_depth as usize..(n_depth + carried.n_tokens) as usize].to_vec();
        let pace = self.pace();
        self.measure_with(carried.cell, &tokens, pace)
    }

    /// The pace of the machine, where it is asked for and can be told.
    fn pace(&mut self) -> Option<PaceTime> {
        if self.plan.request.paced { self.target.pace() } else { None }
    }

    fn measure_with(&mut self, cell: usize, tokens: &[Token], pace: Option<PaceTime>) -> Result<(), Failure> {
        self.go_on()?;
        let test = self.plan.cells[cell];
        self.cells[cell].started_at.get_or_insert_with(utc_now);
        let rep = self.cells[cell].samples.len() as u32;
        let last = self.cells[cell].samples.last().map(|sample| sample.elapsed);
        self.tell(&Event::Measuring { test: &test, rep, n_reps: self.plan.request.n_reps_max(), last });
        let mut sample = self.time(test.kind, tokens)?;
        sample.at = sample.at.map(|at| self.wall_before + at.saturating_sub(self.start));
        sample.pace = pace.map(|pace| pace.elapsed);
        if let Some(on_core) = pace.and_then(|pace| pace.on_core) {
            sample.disturbance.get_or_insert_default().pace_on_core = Some(on_core);
        }
        *self.header.timing.timed.get_or_insert_default() += sample.elapsed;
        *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(test.kind.n_tokens());
        self.decoded(if let TestKind::Pp(n) = test.kind { n } else { 1 });
        self.cells[cell].samples.push(sample);
        if self.header.placement.is_none() {
            // By now the weights have been read.
            self.header.placement = self.target.placement();
        }
        self.read_conditions();
        merge_conditions(&mut self.cells[cell].conditions, &self.conditions);
        Ok(())
    }

    /// Times one run of a test from where the target stands.
    pub(super) fn time(&mut self, kind: TestKind, tokens: &[Token]) -> Result<Sample, Failure> {
        let n_at_once = self.abilities.n_at_once(kind, self.n_batch);
        match kind {
            TestKind::Pp(_) => timed::prompt(self.target, self.clock, tokens, n_at_once),
            TestKind::Tg(_) => timed::generation(self.target, self.clock, tokens),
            TestKind::Embd(_) => timed::embedding(self.target, self.clock, tokens, n_at_once),
        }
    }

    /// Looks at the GPUs, unless that was done a moment ago: the driver takes milliseconds to answer.
    fn read_conditions(&mut self) {
        const PAUSE: Duration = Duration::from_millis(500);
        let now = self.clock.now();
        if self.conditions_at.is_none_or(|at| now - at >= PAUSE) {
            self.conditions = self.target.conditions();
            self.conditions_at = Some(now);
        }
    }

    /// Units of a depth that have not failed and need more repetitions.
    pub(super) fn open_units(&self, depth: &Depth) -> Vec<Unit> {
        depth.units.iter().copied().filter(|&unit| !self.has_failed(unit) && !self.is_done(unit)).collect()
    }

    fn has_failed(&self, unit: Unit) -> bool {
        self.possible_cells(unit).is_empty()
    }

    fn is_done(&self, unit: Unit) -> bool {
        let n_reps_max = self.plan.request.n_reps_max();
        self.possible_cells(unit).into_iter().all(|cell| self.cells[cell].is_done(n_reps_max))
    }

    /// Repetitions that the unit has.
    pub(super) fn n_reps(&self, unit: Unit) -> u32 {
        let n_samples = |cell: usize| self.cells[cell].samples.len() as u32;
        self.possible_cells(unit).into_iter().map(n_samples).min().unwrap_or(0)
    }

    /// Asks the stopping rule whether the unit has enough repetitions: the halves of a pair stop together.
    pub(super) fn settle(&mut self, unit: Unit) {
        let Some(rule) = &self.plan.request.stopping else { return };
        let cells = self.possible_cells(unit);
        let stops: Vec<_> = cells.into_iter().map(|cell| (cell, self.cells[cell].decide(rule))).collect();
        if stops.iter().all(|(_, stop)| stop.is_some()) {
            for (cell, stop) in stops {
                self.cells[cell].stop = stop;
            }
        }
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
            return Err(Failure { kind: FailureKind::Cancelled, message: "the sweep was cancelled".into() });
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, event: &Event<'_>) {
        self.is_telling = true;
        self.observer.event(event);
        self.is_telling = false;
    }

    /// Tells the observer about a finished cell, once.
    pub(super) fn report(&mut self, index: usize) {
        if !std::mem::replace(&mut self.cells[index].reported, true) {
            let cell = self.cell(index);
            self.header.timing.wall = Some(self.elapsed());
            let curve = &self.curve[self.n_curve_told..];
            self.is_telling = true;
            self.observer.event(&Event::CellDone { header: &self.header, cell: &cell, curve });
            self.is_telling = false;
            self.n_curve_told = self.curve.len();
        }
    }

    /// Tells the observer how far a cell is that will go on later.
    pub(super) fn report_so_far(&mut self, unit: Unit) {
        for index in unit.cells() {
            let cell = self.cell(index);
            self.header.timing.wall = Some(self.elapsed());
            let curve = &self.curve[self.n_curve_told..];
            self.is_telling = true;
            self.observer.event(&Event::CellSoFar { header: &self.header, cell: &cell, curve });
            self.is_telling = false;
            self.n_curve_told = self.curve.len();
        }
    }

    fn cell(&self, index: usize) -> Cell {
        let warmup = self.prompts.add_to(self.warmup);
        self.cells[index].cell(self.plan.cells[index], warmup, &self.header.timing.started_at)
    }
}

pub(super) fn utc_now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}
