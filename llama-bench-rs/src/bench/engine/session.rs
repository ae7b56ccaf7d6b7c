//! A target at work: what is asked of it, which events the application gets, and the account of what it took.

mod context;

use std::time::Duration;

use super::{audience::Audience, pace::Pace};
use crate::{
    bench::{
        abilities::{Abilities, Memory},
        calibration::CalibrationTime,
        clock::{Clock, ClockFacts},
        observe::Event,
        plan::Request,
        profiling::Traced,
        target::{Limits, Metered, Row, Target, Token},
        timed,
        tokens::Input,
    },
    llama::Stops,
    record::{
        Cell, CurvePoint, Failure, GpuConditions, Header, Order, OrderChoice, Run, Sample, Test, TestKind,
    },
};

/// How long a request to stop may go unnoticed in a pause.
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
    /// Why they are not asked any more, once one of them broke.
    no_work: Option<String>,
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
    pace: Pace,
    /// Spent on copies of sequences.
    copied: Duration,
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
            no_work: None,
            shares_prefix: request.shared_prefix,
            n_longest_decode: 0,
            start,
            wall_before: Duration::ZERO,
            conditions: Vec::new(),
            conditions_at: None,
            looks_at_energy: request.energy,
            counted: Vec::new(),
            pace: Pace::default(),
            copied: Duration::ZERO,
        }
    }

    /// Takes over the facts of an earlier run.
    pub(super) fn resume(&mut self, run: &Run) {
        // How llama.cpp resolved the configuration then; opening a context replaces it.
        self.header.resolved = run.header.resolved.clone();
        self.header.work.clone_from(&run.header.work);
        self.header.timing = run.header.timing.clone();
        self.header.metering.clone_from(&run.header.metering);
        if self.header.ceilings.is_empty() {
            self.header.ceilings.clone_from(&run.header.ceilings);
        }
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

    pub(super) fn set_order(&mut self, order: Order, choice: Option<OrderChoice>) {
        self.header.resolved.order = Some(order);
        self.header.timing.order_choice = choice;
    }

    /// What a repetition is expected to take; `None` if nothing like it was run.
    pub(super) fn expected(&self, test: &Test) -> Option<Duration> {
        self.pace.of(test)
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

    /// Reports a cell as it stands, and the chunks of the fill that were timed since the cell before.
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

/// Work.
impl<T: Target, C: Clock> Session<'_, T, C> {
    /// Fills in tokens, at most `n_at_once` in one decode. What that took, and whether no decode in this context was as
    /// long before.
    pub(super) fn fill(&mut self, tokens: &[Token], n_at_once: u32) -> Result<(Duration, bool), Failure> {
        let Sample { elapsed, .. } = timed::prompt(self.target, self.clock, tokens, n_at_once)?;
        let n_tokens = tokens.len() as u32;
        *self.header.timing.fill.get_or_insert_default() += elapsed;
        self.pace.ran(TestKind::Pp(n_tokens), 1, n_tokens, elapsed);
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
            self.header.numa = self.target.numa();
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

    /// Runs a test once from the current state for a profile, with these stops: no sample of any speed.
    pub(super) fn profile(
        &mut self,
        kind: TestKind,
        input: &Input,
        stops: Option<Stops>,
    ) -> Result<Traced, Failure> {
        self.go_on()?;
        if let Some(stops) = stops {
            self.target.trace(stops)?;
        }
        let sample = self.run(kind, input);
        let stops = if stops.is_some() { self.target.traced() } else { Ok(Vec::new()) };
        let elapsed = sample?.elapsed;
        self.add_decoded(input.n_tokens());
        Ok(Traced { elapsed, stops: stops? })
    }

    fn time(&mut self, kind: TestKind, input: &Input) -> Result<Sample, Failure> {
        let sample = self.run(kind, input)?;
        let n_seqs = if let Input::Several { n_seqs, .. } = input { *n_seqs } else { 1 };
        self.pace.ran(kind, n_seqs, input.n_tokens(), sample.elapsed);
        Ok(sample)
    }

    fn run(&mut self, kind: TestKind, input: &Input) -> Result<Sample, Failure> {
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
