//! What the counters do while nothing is computed: how often they are updated, what reading them takes, and the idle draw.

use std::time::Duration;

use super::Meters;
use crate::{bench::clock::Clock, record::Metering};

/// Between two looks at the counters.
const POLL: Duration = Duration::from_micros(500);

/// Updates of a counter that are waited for, the first of which begins the measurement.
const N_UPDATES: usize = 4;

/// The idle draw is measured at least this long.
const SHORTEST: Duration = Duration::from_millis(100);

/// Longest wait: a counter that is updated less often has no figures.
const LONGEST: Duration = Duration::from_millis(600);

/// Reading the counters of throttling and transfers may take this long before and after each repetition.
const READ_AT_MOST: Duration = Duration::from_millis(2);

/// The updates of one counter that were seen.
#[derive(Clone, Default)]
struct Seen {
    value: Option<u64>,
    /// When the first and the latest update were seen, with their values.
    first: Option<(Duration, u64)>,
    latest: Option<(Duration, u64)>,
    n: usize,
    longest: Duration,
    reads: Vec<Duration>,
}

impl Seen {
    fn look(&mut self, value: Option<u64>, now: Duration, took: Duration) {
        self.reads.push(took);
        let Some(value) = value else { return };
        if self.value.is_some_and(|before| before != value) {
            if let Some((at, _)) = self.latest {
                self.longest = self.longest.max(now - at);
            }
            self.latest = Some((now, value));
            self.first = self.first.or(self.latest);
            self.n += 1;
        }
        self.value = Some(value);
    }

    fn is_enough(&self) -> bool {
        let span = |seen: &Self| Some(seen.latest?.0 - seen.first?.0);
        self.n >= N_UPDATES && span(self).is_some_and(|span| span >= SHORTEST)
    }

    /// The median of what the readings took.
    fn read(&self) -> Option<Duration> {
        let mut reads = self.reads.clone();
        reads.sort_unstable();
        reads.get(reads.len() / 2).copied()
    }
}

impl<C: Clock> Meters<C> {
    /// Looks at the counters until each has been updated some times. Nothing may be computed meanwhile. Takes 100 to 600 ms,
    /// and no time without counters of energy.
    pub(in crate::bench) fn settle(&mut self) -> Metering {
        let start = self.clock.now();
        let mut seen = vec![Seen::default(); self.slots.len()];
        while seen.iter().any(|seen| !seen.is_enough()) && self.clock.now() - start < LONGEST {
            for (slot, seen) in self.slots.iter_mut().zip(&mut seen) {
                let before = self.clock.now();
                let value = slot.source.meter.read_uj();
                let now = self.clock.now();
                seen.look(value, now, now - before);
            }
            self.clock.wait(POLL);
        }
        for (slot, seen) in self.slots.iter_mut().zip(&seen) {
            slot.learn(seen);
        }
        let counters_read = self.time_counters();
        self.metering(self.clock.now() - start, counters_read)
    }

    /// What reading the counters of throttling and transfers takes, the slower of two times. If it is too long they are given
    /// up.
    fn time_counters(&mut self) -> Option<Duration> {
        if self.counters.is_empty() {
            return None;
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..2 {
            let before = self.clock.now();
            self.counters.iter_mut().for_each(|counter| drop(counter.read()));
            slowest = slowest.max(self.clock.now() - before);
        }
        if slowest > READ_AT_MOST {
            self.counters.clear();
            return None;
        }
        Some(slowest)
    }
}

impl super::Slot {
    fn learn(&mut self, seen: &Seen) {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).ok();
        let facts = &mut self.source.facts;
        facts.read_ns = seen.read().and_then(ns);
        let (Some((first, from)), Some((last, to))) = (seen.first, seen.latest) else { return };
        let span = last - first;
        if seen.n < N_UPDATES || span.is_zero() {
            return;
        }
        facts.update_ns = ns(seen.longest);
        facts.idle_ns = ns(span);
        let uj = super::advance(from, to, self.source.meter.wraps_at_uj(), span);
        facts.idle_uw = uj.map(|uj| (uj as f64 / span.as_secs_f64()) as u64);
    }
}
