//! A target at work: what is asked of it, what the application hears of that, and the account of what it took.

use std::time::Duration;

use super::audience::Audience;
use crate::{
    bench::{
        abilities::{Abilities, Memory},
        calibration::CalibrationTime,
        clock::{Clock, ClockFacts},
        observe::Event,
        plan::Request,
        target::{Keep, Limits, Metered, Row, Target, Token},
        timed,
        tokens::Input,
    },
    record::{
        Cell, CurvePoint, Failure, GpuConditions, Header, Order, Rewind, Run, Sample, TestKind,
        work::WorkKind,
    },
};

/// How long a request to stop may go unheard in a pause.
const SLICE: Duration = Duration::from_millis(50);

/// How long what is known of the GPUs counts as new: the driver takes milliseconds to answer.
const CONDITIONS_LAST: Duration = Duration::from_millis(500);

/// The target, the clock and the application of a run, with the run's header.
pub(super) struct Session<'a, T, C> {
    target: &'a mut T,
    clock: &'a C,
    audience: Audience<'a>,
    header: Header,
    abilities: Abilities,
    limits: Limits,
    /// Whether contexts are asked for the graphs that they compute.
    looks_at_work: bool,
    /// Whether all sequences lie in one KV buffer.
    shares_prefix: bool,
    /// Tokens of the longest decode that the open context has run: a longer one finds everything cold.
    n_longest_decode: u32,
    /// When the run began, by the clock; a resumed run adds the time that it had already taken.
    start: Duration,
    wall_before: Duration,
    conditions: Vec<GpuConditions>,
    conditions_at: Option<Duration>,
    /// Whether the counters of energy are still to be looked at.
    looks_at_energy: bool,
    /// What was counted of the GPUs in the latest repetition.
    counted: Vec<GpuConditions>,
}

impl<'a, T: Target, C: Clock> Session<'a, T, C> {
    pub(super) fn new(
        target: &'a mut T,
        clock: &'a C,
        audience: Audience<'a>,
        header: Header,
        request: &Request,
    ) -> Self {
        let (abilities, limits) = (target.abilities(), target.limits());
        let limits = Limits { n_batch: limits.n_batch.max(1), ..limits };
        let start = clock.now();
        Self {
            target,
            clock,
            audience,
            header,
            abilities,
            limits,
            looks_at_work: request.work,
            shares_prefix: request.shared_prefix,
            n_longest_decode: 0,
            start,
            wall_before: Duration::ZERO,
            conditions: Vec::new(),
            conditions_at: None,
            looks_at_energy: request.energy,
            counted: Vec::new(),
        }
    }

    /// Takes over the facts of an earlier run.
    pub(super) fn resume(&mut self, run: &Run) {
        // How llama.cpp resolved the configuration then; opening a context replaces it.
        self.header.resolved = run.header.resolved.clone();
        self.header.work.clone_from(&run.header.work);
        self.header.timing = run.header.timing.clone();
        self.header.metering.clone_from(&run.header.metering);
        self.wall_before = run.header.timing.wall.unwrap_or_default();
    }

    /// The run begins now.
    pub(super) fn begin(&mut self, now: impl FnOnce() -> String) {
        self.start = self.clock.now();
        let facts = ClockFacts::measure(self.clock);
        if self.header.timing.started_at.is_empty() {
            self.header.timing.started_at = now();
        }
        self.header.timing.clock_resolution = Some(facts.resolution);
        self.header.timing.clock_overhead = Some(facts.overhead);
    }

    /// The run is over: its header.
    pub(super) fn finish(mut self) -> Header {
        self.note_wall();
        self.header
    }

    pub(super) fn started_at(&self) -> &str {
        &self.header.timing.started_at
    }

    pub(super) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether a depth is a text that the encoder reads again each time, rather than tokens in the context.
    pub(super) fn encodes_depths(&self) -> bool {
        matches!(self.abilities.memory, Memory::Encoded { .. })
    }

    pub(super) fn set_order(&mut self, order: Order) {
        self.header.resolved.order = Some(order);
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Since the beginning of the run; for a resumed run, since its own beginning, without the pause.
    fn note_wall(&mut self) {
        self.header.timing.wall = Some(self.wall_before + (self.clock.now() - self.start));
    }
}

/// The application.
impl<T: Target, C: Clock> Session<'_, T, C> {
    pub(super) fn tell(&mut self, event: &Event<'_>) {
        self.audience.tell(event);
    }

    /// Tells of a cell as it stands, and of the chunks of the fill that were timed since the cell before.
    pub(super) fn tell_cell(&mut self, cell: &Cell, curve: &[CurvePoint], is_over: bool) {
        self.note_wall();
        let header = &self.header;
        self.audience.tell(&if is_over {
            Event::CellDone { header, cell, curve }
        } else {
            Event::CellSoFar { header, cell, curve }
        });
    }

    /// `Err` once the application asked to stop.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        self.audience.go_on()
    }

    /// Whether a panic that was caught just now is the application's own.
    pub(super) fn has_application_panicked(&self) -> bool {
        self.audience.has_panicked()
    }
}

/// The context and what it holds.
impl<T: Target, C: Clock> Session<'_, T, C> {
    /// Opens a context of this size ([`Target::open`]) for tests of these kinds, in place of the one before.
    pub(super) fn open(&mut self, n_ctx: u32, n_seqs: u32, kinds: &[TestKind]) -> Result<(), Failure> {
        self.go_on()?;
        let start = self.clock.now();
        // The old one goes first: both might not fit.
        self.target.close();
        if let Some(estimate) = self.target.memory_estimate(n_ctx, n_seqs) {
            self.tell(&Event::MemoryEstimate(&estimate));
            estimate.check()?;
        }
        let n_owners = if self.shares_prefix { 1 } else { n_seqs };
        self.tell(&Event::Opening { n_ctx: n_ctx.saturating_mul(n_owners) });
        let resolved = self.target.open(n_ctx, n_seqs);
        *self.header.timing.open.get_or_insert_default() += self.clock.now() - start;
        self.header.resolved = resolved?;
        if self.looks_at_work
            && let Err(failure) = self.look_at_work(kinds)
        {
            // A run without its work is better than none.
            self.looks_at_work = false;
            self.tell(&Event::WorkUnknown(&failure));
            return self.open(n_ctx, n_seqs, kinds);
        }
        self.n_longest_decode = 0;
        if std::mem::take(&mut self.looks_at_energy) {
            // Once per run: the model is loaded, the context made, and nothing computed yet.
            self.header.metering = self.target.metering();
        }
        Ok(())
    }

    /// Reads the graphs of these kinds of test, unless they are known. If that fails, the context cannot be used, and the
    /// failure says why.
    fn look_at_work(&mut self, kinds: &[TestKind]) -> Result<(), Failure> {
        // Prompts last, which is also the last graph that llama.cpp builds when it makes a context.
        for kind in [WorkKind::Embedding, WorkKind::Generation, WorkKind::Prompt] {
            let of_kind = kinds.iter().filter(|test| WorkKind::from(**test) == kind);
            let longest = of_kind.map(|test| test.n_tokens()).max();
            let is_known = self.header.work.iter().any(|work| work.kind == kind);
            let Some(n_tokens) = longest.filter(|_| !is_known) else { continue };
            let work = self.target.work(kind, n_tokens.min(self.limits.n_batch))?;
            self.header.merge_work(work.as_slice());
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.target.close();
    }

    pub(super) fn clear(&mut self) {
        self.target.clear();
    }

    /// Comes back to the empty context.
    pub(super) fn rewind_to_start(&mut self) {
        self.rewinding(T::clear);
    }

    /// Returns to the state held as `slot`.
    pub(super) fn rewind(&mut self, slot: usize) -> Result<(), Failure> {
        self.rewinding(|target| target.rewind(slot))
    }

    /// Makes the first `n_seqs` sequences copies of sequence 0.
    pub(super) fn spread(&mut self, n_seqs: u32) -> Result<(), Failure> {
        self.rewinding(|target| target.spread(n_seqs))
    }

    /// Holds the present state as `slot`.
    pub(super) fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure> {
        self.rewinding(|target| target.hold(slot, keep))
    }

    pub(super) fn can_hold_whole(&self) -> bool {
        self.target.can_hold_whole()
    }

    pub(super) fn hold_whole(&mut self) -> Result<(), Failure> {
        self.rewinding(T::hold_whole)
    }

    pub(super) fn save(&mut self) -> Result<Vec<u8>, Failure> {
        self.target.save()
    }

    pub(super) fn load(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.target.load(state)
    }

    /// Does it and counts the time as spent on the way back.
    fn rewinding<R>(&mut self, step: impl FnOnce(&mut T) -> R) -> R {
        let start = self.clock.now();
        let result = step(self.target);
        *self.header.timing.rewind.get_or_insert_default() += self.clock.now() - start;
        result
    }
}

/// Work.
impl<T: Target, C: Clock> Session<'_, T, C> {
    /// Fills in tokens, at most `n_at_once` in one decode. What that took, and whether no decode in this context was as
    /// long before.
    pub(super) fn fill(&mut self, tokens: &[Token], n_at_once: u32) -> Result<(Duration, bool), Failure> {
        let Sample { elapsed, .. } = timed::prompt(self.target, self.clock, tokens, n_at_once)?;
        let n_tokens = tokens.len() as u32;
        *self.header.timing.fill.get_or_insert_default() += elapsed;
        self.add_decoded(n_tokens);
        Ok((elapsed, self.is_longest_decode(n_tokens)))
    }

    /// Fills in tokens of several sequences, at most `n_batch` in one decode.
    pub(super) fn fill_rows(&mut self, rows: &[Row]) -> Result<(), Failure> {
        let Sample { elapsed, .. } = timed::prompts(self.target, self.clock, rows, self.limits.n_batch)?;
        *self.header.timing.fill.get_or_insert_default() += elapsed;
        self.add_decoded(rows.len() as u32);
        Ok(())
    }

    /// Runs a test once from the current state, untimed; returns the time that it took.
    pub(super) fn warm_up(&mut self, kind: TestKind, input: &Input) -> Result<Duration, Failure> {
        let sample = self.time(kind, input)?;
        if let Input::One(tokens) = input {
            self.is_longest_decode(if kind.is_generation() { 1 } else { tokens.len() as u32 });
        }
        *self.header.timing.warmup.get_or_insert_default() += sample.elapsed;
        self.add_decoded(input.n_tokens());
        Ok(sample.elapsed)
    }

    /// A generation straight after the live fill.
    pub(super) fn generate_live(&mut self, kind: TestKind, input: &Input) -> Result<Sample, Failure> {
        let sample = self.time(kind, input)?;
        *self.header.timing.timed.get_or_insert_default() += sample.elapsed;
        self.add_decoded(input.n_tokens());
        Ok(sample)
    }

    /// Runs one repetition of a test from the current state.
    pub(super) fn repeat(
        &mut self,
        kind: TestKind,
        input: &Input,
        calibration: Option<CalibrationTime>,
    ) -> Result<Sample, Failure> {
        if self.header.metering.is_some() {
            self.target.meter();
        }
        let mut sample = self.time(kind, input)?;
        let Metered { energy, gpus } = self.target.metered();
        sample.utc = self.utc_of(&sample);
        sample.energy = energy;
        self.counted = gpus;
        if let Ok(ns) = u64::try_from(sample.elapsed.as_nanos()) {
            self.counted.iter_mut().for_each(|gpu| gpu.watched_ns = Some(ns));
        }
        sample.at = sample.at.map(|at| self.wall_before + at.saturating_sub(self.start));
        sample.calibration = calibration.map(|calibration| calibration.elapsed);
        if let Some(on_core) = calibration.and_then(|calibration| calibration.on_core) {
            sample.disturbance.get_or_insert_default().calibration_on_core = Some(on_core);
        }
        *self.header.timing.timed.get_or_insert_default() += sample.elapsed;
        self.add_decoded(input.n_tokens());
        if let Input::One(tokens) = input {
            self.is_longest_decode(if kind.is_prompt() { tokens.len() as u32 } else { 1 });
        }
        if self.header.placement.is_none() {
            // By now the weights have been read.
            self.header.placement = self.target.placement();
        }
        self.look_at_gpus();
        Ok(sample)
    }

    /// Times the calibration loop now; `None` if it is unrelated to the target's work.
    pub(super) fn calibrate(&mut self) -> Option<CalibrationTime> {
        self.target.calibrate()
    }

    /// What the GPUs did around the latest repetition: how they stood, and what was counted.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &GpuConditions> {
        self.conditions.iter().chain(&self.counted)
    }

    /// When a repetition began, by the clock of the world.
    fn utc_of(&self, sample: &Sample) -> Option<Duration> {
        self.clock.utc()?.checked_sub(self.clock.now().checked_sub(sample.at?)?)
    }

    /// Lets a pause go by, unless the application asks to stop.
    pub(super) fn pause(&self, delay: Duration) -> Result<(), Failure> {
        let end = self.clock.now() + delay;
        loop {
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            self.go_on()?;
            self.clock.wait(left.min(SLICE));
        }
    }

    fn time(&mut self, kind: TestKind, input: &Input) -> Result<Sample, Failure> {
        let n_at_once = self.abilities.n_at_once(kind, self.limits.n_batch);
        let (target, clock) = (&mut *self.target, self.clock);
        match (kind, input) {
            (TestKind::Pp(_), Input::One(tokens)) => timed::prompt(target, clock, tokens, n_at_once),
            (TestKind::Tg(_), Input::One(tokens)) => timed::generation(target, clock, tokens),
            (TestKind::Embd(_), Input::One(tokens)) => timed::embedding(target, clock, tokens, n_at_once),
            (TestKind::Tg(_), Input::Several { rows, n_seqs }) => {
                timed::generations(target, clock, rows, *n_seqs)
            }
            (_, Input::Several { rows, .. }) => timed::prompts(target, clock, rows, n_at_once),
        }
    }

    fn add_decoded(&mut self, n_tokens: u32) {
        *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(n_tokens);
    }

    /// Keeps account of a decode of one sequence; whether it was the longest yet in this context.
    fn is_longest_decode(&mut self, n_tokens: u32) -> bool {
        let n_tokens = n_tokens.min(self.limits.n_batch);
        let is_longest = n_tokens > self.n_longest_decode;
        self.n_longest_decode = self.n_longest_decode.max(n_tokens);
        is_longest
    }

    fn look_at_gpus(&mut self) {
        let now = self.clock.now();
        if self.conditions_at.is_none_or(|at| now - at >= CONDITIONS_LAST) {
            self.conditions = self.target.conditions();
            self.conditions_at = Some(now);
        }
    }
}
