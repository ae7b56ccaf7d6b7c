//! Energy from a counter that is updated now and then: what a repetition took, and how sure that is.
//!
//! A reading shows the counter as it was at its last update, up to one period ago. So a difference of two readings lacks
//! what was drawn since the last update at its end, and has too much what was drawn since the last update at its start.
//! The expected error is subtracted; what remains is in the interval. `docs/energy.md` has the derivation.

use std::time::Duration;

/// Power within a repetition: at its end it may differ from its mean by this share.
const UNEVEN: f64 = 0.1;

/// A figure is shown if half of its interval is at most this share of it.
const WORST: f64 = 0.1;

/// Half of a 95 % interval, in standard deviations.
const SIGMAS: f64 = 1.96;

/// What is known of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyCounter {
    /// Longest time between two updates, with the time that a reading takes.
    pub period: Duration,
    /// Most power that the device may draw, in watts; `None` if unknown.
    pub limit_w: Option<f64>,
}

/// What a counter showed around one repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyReading {
    /// When the first reading was, on any clock that all repetitions share.
    pub at: Duration,
    /// By how much it advanced, in joules.
    pub joules: f64,
    /// Between the two readings.
    pub elapsed: Duration,
    /// Since the reading before; `None` if there was none.
    pub gap: Option<Duration>,
    /// Joules and time of the region that ended with that reading.
    pub prior: Option<(f64, Duration)>,
}

/// Energy with its 95 % interval, in joules.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Energy {
    /// The estimate.
    pub joules: f64,
    /// Half of the part of the interval that does not shrink with more repetitions.
    systematic: f64,
    /// Variance of the part that does.
    variance: f64,
    /// The readings cannot be off by more than this.
    most: f64,
}

/// Why there is no figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoEnergy {
    /// There are no repetitions.
    Nothing,
    /// A repetition is shorter than the counter's period.
    TooShort {
        /// The shortest repetition.
        elapsed: Duration,
        /// The counter's period.
        period: Duration,
    },
    /// The interval is too wide.
    TooWide {
        /// Half of it, as a share of the figure.
        half_width: f64,
    },
    /// The counter did not advance.
    Still,
}

impl Energy {
    /// The energy of these repetitions together, as one counter saw it.
    ///
    /// # Errors
    /// There are none, or one is shorter than the counter's period.
    pub fn of(readings: &[EnergyReading], counter: &EnergyCounter) -> Result<Self, NoEnergy> {
        let shortest = readings.iter().map(|reading| reading.elapsed).min().ok_or(NoEnergy::Nothing)?;
        let period = counter.period;
        if shortest < period || shortest.is_zero() {
            return Err(NoEnergy::TooShort { elapsed: shortest, period });
        }
        let before = |i: usize| i.checked_sub(1).map(|before| &readings[before]);
        let all: Vec<One> = (0..readings.len()).map(|i| One::of(&readings[i], before(i), counter)).collect();
        let sum = all.iter().fold(Self::default(), |sum, one| sum.plus(one.energy));
        Ok(Self { variance: sum.variance.max(in_step(readings, &all, period)), ..sum })
    }

    /// The energy of both: counters of different devices, or further repetitions.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            joules: self.joules + other.joules,
            systematic: self.systematic + other.systematic,
            variance: self.variance + other.variance,
            most: self.most + other.most,
        }
    }

    /// Half of the 95 % interval, in joules.
    pub fn half_width(&self) -> f64 {
        self.systematic + (SIGMAS * self.variance.sqrt()).min(self.most)
    }

    /// The ends of the 95 % interval, in joules; never below 0.
    pub fn bounds(&self) -> (f64, f64) {
        let half = self.half_width();
        ((self.joules - half).max(0.0), self.joules + half)
    }

    /// The same, if it is precise enough to be shown: within 10 %.
    ///
    /// # Errors
    /// Half of the interval is more than 10 % of the figure, or the energy is 0.
    pub fn resolved(self) -> Result<Self, NoEnergy> {
        if self.joules <= 0.0 {
            return Err(NoEnergy::Still);
        }
        let half_width = self.half_width() / self.joules;
        if half_width <= WORST { Ok(self) } else { Err(NoEnergy::TooWide { half_width }) }
    }
}

/// One repetition, at least as long as the period.
///
/// With `s` the time since the last update, equally likely anywhere in the period, the reading at the end lacks `s` times
/// the power of the repetition, and that at the start has `s` times the power before it.
struct One {
    energy: Energy,
    /// Power in it and before it, in watts, each as it counts for the energy.
    power: f64,
    before: f64,
}

impl One {
    fn of(reading: &EnergyReading, before: Option<&EnergyReading>, counter: &EnergyCounter) -> Self {
        let (period, elapsed) = (counter.period.as_secs_f64(), reading.elapsed.as_secs_f64());
        let start = Start::of(reading, period, counter.limit_w);
        // power x elapsed = joules + power x period / 2 - what the start has too much
        let power = ((reading.joules - start.joules) / (elapsed - period / 2.0)).max(0.0);
        let scale = elapsed / (elapsed - period / 2.0);
        let highest = power.max(start.expected_w);
        // What the end of the repetition before lacks, the start of this one has, unless the counter was updated in between: a
        // chance of gap / period to be off by a whole period. Otherwise the phases of the two readings hang together through
        // the length of the repetition alone: in the worst case they differ by half a period to either side.
        let gap = before.filter(|before| reading.follows(before)).and(reading.gap);
        let gap = gap.map(|gap| gap.as_secs_f64());
        let off = gap.filter(|gap| *gap < period / 2.0);
        let off = off.map_or(period * period / 4.0, |gap| gap * (period - gap));
        // Power at the end of two repetitions of one kind differs from their means alike.
        let uneven = if gap.is_some() { 0.0 } else { UNEVEN * (period / 2.0 * power + start.of_prior) };
        let energy = Energy {
            joules: power * elapsed,
            systematic: (start.half_range + uneven) * scale,
            variance: (off * highest * highest + start.variance) * scale * scale,
            most: period * power.max(start.top_w) * scale,
        };
        Self { energy, power: power * scale, before: start.expected_w * scale }
    }
}

/// The variance of the sum if the counter is updated on the dot: the phases of all readings then depend on each other,
/// and repetitions that take a multiple of the period are all off in the same way. The worst of periods a little
/// shorter than the longest that was seen.
fn in_step(readings: &[EnergyReading], all: &[One], period: Duration) -> f64 {
    const N_PERIODS: u32 = 9;
    const SHORTEST: f64 = 0.98;
    let longest = period.as_secs_f64();
    if longest == 0.0 {
        return 0.0;
    }
    let n_phases = if readings.len() > 50 { 32 } else { 100 };
    let variance = |period: f64| {
        let off = |phase: f64| -> f64 {
            let since = |moment: f64| (moment - phase).rem_euclid(period);
            let one = |(reading, one): (&EnergyReading, &One)| {
                let begin = reading.at.as_secs_f64();
                since(begin) * one.before - since(begin + reading.elapsed.as_secs_f64()) * one.power
            };
            readings.iter().zip(all).map(one).sum()
        };
        let offs: Vec<f64> =
            (0..n_phases).map(|i| off(period * f64::from(i) / f64::from(n_phases))).collect();
        let mean = offs.iter().sum::<f64>() / f64::from(n_phases);
        offs.iter().map(|off| (off - mean).powi(2)).sum::<f64>() / f64::from(n_phases)
    };
    let shorter = |i: u32| longest * (1.0 - (1.0 - SHORTEST) * f64::from(i) / f64::from(N_PERIODS - 1));
    (0..N_PERIODS).map(|i| variance(shorter(i))).fold(0.0, f64::max)
}

impl EnergyReading {
    /// Whether nothing else was metered between that one and this.
    fn follows(&self, before: &Self) -> bool {
        /// Between a reading and the moment that a repetition is said to have begun.
        const NEAR: Duration = Duration::from_millis(1);
        self.gap.is_some_and(|gap| (before.at + before.elapsed + gap).abs_diff(self.at) <= NEAR)
    }
}

/// What the reading at the start is expected to hold of the time before it was due.
struct Start {
    joules: f64,
    /// Half of the range in which the expectation lies.
    half_range: f64,
    /// Of the part that the region before is known to have, by its own uncertainty.
    variance: f64,
    /// That part, in joules.
    of_prior: f64,
    /// Its mean power, and the highest that was possible, in watts.
    expected_w: f64,
    top_w: f64,
}

impl Start {
    fn of(reading: &EnergyReading, period: f64, limit_w: Option<f64>) -> Self {
        let rough = reading.joules / reading.elapsed.as_secs_f64();
        let gap = reading.gap.map_or(period, |gap| gap.as_secs_f64().min(period));
        let prior = reading.prior.filter(|(_, time)| !time.is_zero());
        let prior = prior.map(|(joules, time)| (joules / time.as_secs_f64(), time.as_secs_f64()));
        let (prior_w, prior_s) = prior.unwrap_or((0.0, 0.0));
        let top_w = limit_w.unwrap_or(2.0 * rough).max(rough).max(prior_w);
        // A moment u ago counts if the last update is older than that: with the share 1 - u / period.
        let weight = |from: f64, to: f64| (to - from) - (to * to - from * from) / (2.0 * period);
        let reach = (gap + prior_s).min(period);
        let of_prior = weight(gap, reach) * prior_w;
        let any = weight(0.0, gap) + weight(reach, period);
        let joules = any * top_w / 2.0 + of_prior;
        // The region before has the same uncertainty: half a period of its own length.
        let prior_off = if prior_s > 0.0 { (period / (2.0 * prior_s)).min(1.0) } else { 0.0 };
        Self {
            joules,
            half_range: any * top_w / 2.0,
            variance: (of_prior * prior_off).powi(2),
            of_prior,
            expected_w: if period > 0.0 { 2.0 * joules / period } else { 0.0 },
            top_w,
        }
    }
}

#[cfg(test)]
#[path = "energy_tests.rs"]
mod tests;
