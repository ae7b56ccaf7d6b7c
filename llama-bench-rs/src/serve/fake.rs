//! A server and a clock without hardware. The server keeps the exact content of its slots and refuses what a context would
//! refuse; only it and waiting move the clock.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::{Arrivals, Policy, Repetition, Row, Scheduler, Server, Vocabulary, Workload, drive};
use crate::{
    bench::{Cancel, clock::Clock, target::Token},
    record::Failure,
};

/// A clock that counts how often it was read.
#[derive(Clone, Default)]
pub(crate) struct FakeClock(Rc<(Cell<Duration>, Cell<usize>)>);

impl FakeClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.0.set(self.0.0.get() + by);
    }

    pub(crate) fn n_reads(&self) -> usize {
        self.0.1.get()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.1.set(self.0.1.get() + 1);
        self.0.0.get()
    }

    fn wait(&self, duration: Duration) {
        self.advance(duration);
    }

    fn utc(&self) -> Option<Duration> {
        None
    }
}

type StepTime = Box<dyn FnMut(&[Row]) -> Duration>;

pub(crate) struct FakeServer {
    pub(crate) clock: FakeClock,
    /// What each slot holds.
    pub(crate) slots: Vec<Vec<Token>>,
    /// Every decode, in order.
    pub(crate) steps: Vec<Vec<Row>>,
    /// Every keep: slot, tokens asked for, tokens that it held before.
    pub(crate) keeps: Vec<(u32, u32, usize)>,
    /// Whether a slot can return to a place within what it holds.
    pub(crate) can_keep: bool,
    /// The decode that fails, from 0.
    pub(crate) fails_at: Option<usize>,
    /// Whether the rows of each decode are remembered.
    pub(crate) remembers: bool,
    n_decodes: usize,
    n_batch: usize,
    step_time: StepTime,
}

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) const VOCABULARY: Vocabulary = Vocabulary { n_vocab: 1000, bos: Some(7) };

impl FakeServer {
    /// For this policy; every decode takes 10 ms.
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            clock: FakeClock::default(),
            slots: vec![Vec::new(); policy.n_parallel as usize],
            steps: Vec::new(),
            keeps: Vec::new(),
            can_keep: true,
            fails_at: None,
            remembers: true,
            n_decodes: 0,
            n_batch: policy.n_batch as usize,
            step_time: Box::new(|_| 10 * MS),
        }
    }

    /// With another time for each decode.
    pub(crate) fn step_time(mut self, step_time: impl FnMut(&[Row]) -> Duration + 'static) -> Self {
        self.step_time = Box::new(step_time);
        self
    }

    /// Serves a whole workload.
    pub(crate) fn serve(&mut self, policy: Policy, workload: &Workload, arrivals: &Arrivals) -> Repetition {
        let scheduler = Scheduler::new(policy, workload, arrivals, VOCABULARY).unwrap();
        let clock = self.clock.clone();
        drive(scheduler, self, &clock, &Cancel::new(), &mut |_| {})
    }

    /// The decodes as `slot:first position+rows` each.
    pub(crate) fn shapes(&self) -> Vec<String> {
        let shape = |rows: &Vec<Row>| {
            let parts = rows.chunk_by(|a, b| a.slot == b.slot);
            let text = parts.map(|rows| format!("{}:{}+{}", rows[0].slot, rows[0].position, rows.len()));
            text.collect::<Vec<_>>().join(" ")
        };
        self.steps.iter().map(shape).collect()
    }
}

impl Server for FakeServer {
    fn keep(&mut self, slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        let held = &mut self.slots[slot as usize];
        self.keeps.push((slot, n_tokens, held.len()));
        assert!(n_tokens as usize <= held.len(), "slot {slot} holds {} tokens, not {n_tokens}", held.len());
        let is_possible = self.can_keep || n_tokens as usize == held.len();
        let n_kept = if is_possible { n_tokens } else { 0 };
        held.truncate(n_kept as usize);
        Ok(n_kept)
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        assert!(!rows.is_empty() && rows.len() <= self.n_batch, "{} rows", rows.len());
        let n_decodes = self.n_decodes;
        self.n_decodes += 1;
        if self.remembers {
            self.steps.push(rows.to_vec());
        }
        for row in rows {
            let held = &mut self.slots[row.slot as usize];
            assert_eq!(held.len(), row.position as usize, "slot {} is not continued", row.slot);
            held.push(row.token);
        }
        let time = (self.step_time)(rows);
        self.clock.advance(time);
        if self.fails_at == Some(n_decodes) {
            return Err(Failure::new("decode", "decode failed: 2"));
        }
        Ok(())
    }
}
