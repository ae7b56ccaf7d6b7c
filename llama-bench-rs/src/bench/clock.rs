//! The clock of a measurement, as a trait: tests of the engine use a fake one.
//!
//! ```
//! use llama_bench_rs::bench::clock::{ClockFacts, MonotonicClock};
//!
//! let facts = ClockFacts::measure(&MonotonicClock::start());
//! println!("steps of {:?}, {:?} for an empty measurement", facts.resolution, facts.overhead);
//! ```

use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock.
pub trait Clock {
    /// Time since the clock's own origin.
    fn now(&self) -> Duration;

    /// Waits.
    fn wait(&self, duration: Duration);

    /// Time since 1970 in UTC, now; `None` if the clock is not one of this world.
    fn utc(&self) -> Option<Duration>;
}

/// The operating system's monotonic clock, counted from its creation.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(Instant);

impl MonotonicClock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn utc(&self) -> Option<Duration> {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()
    }
}

/// What the clock itself adds to a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockFacts {
    /// Smallest step seen between two different readings.
    pub resolution: Duration,
    /// Median time between two readings with nothing in between.
    pub overhead: Duration,
}

impl ClockFacts {
    /// Reads the clock a few thousand times (well under a millisecond on common machines).
    pub fn measure(clock: &impl Clock) -> Self {
        let mut gaps: Vec<Duration> = (0..1001)
            .map(|_| {
                let start = clock.now();
                clock.now().saturating_sub(start)
            })
            .collect();
        gaps.sort_unstable();
        let resolution = gaps.iter().copied().find(|gap| !gap.is_zero()).unwrap_or_default();
        Self { resolution, overhead: gaps[gaps.len() / 2] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_and_costs_little() {
        let clock = MonotonicClock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        let facts = ClockFacts::measure(&clock);
        assert!(facts.overhead < Duration::from_millis(1), "{facts:?}");
    }
}
