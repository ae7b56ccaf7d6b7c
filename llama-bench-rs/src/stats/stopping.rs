use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Apart, Confidence, Samples, Serial,
    chance::Chance,
    moments::{mean, stddev},
    serial::widening,
    student::{t_quantile, z_quantile},
};
use crate::units::Share;

/// When to stop repeating a measurement: pure arithmetic over the times so far.
///
/// A rule tends to stop when samples happen to lie close together, which makes their interval too narrow, most of all before
/// a long tail has shown itself. Two things help:
///
/// - Precision is checked from [`StoppingRule::min`] repetitions on; from half of them on, against nine tenths of the target.
/// - When the target is reached, half as many repetitions again are made, which had no part in the decision. The interval is
///   then that of [`Samples::decided_by`](super::Samples::decided_by), and within the target too.
///
/// In simulations of independent repetitions the interval contains the true mean in 94 to 98 % of all cases; without these,
/// under skewed noise, in 90 %.
///
/// The arithmetic assumes independent repetitions of one kind. If successive ones are alike ([`Serial`]) or there are two
/// groups ([`Apart`]), neither the interval nor the noise is trusted, and repetitions continue to the maximum or the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoppingRule {
    /// Fewest repetitions before the interval is compared with the target; half of it, before it is compared with nine tenths
    /// of the target.
    pub min: usize,
    /// Most repetitions.
    pub max: usize,
    /// The target: half the width of the mean's interval
    /// ([`IntervalMethod::StudentT`](super::IntervalMethod::StudentT)), as a part of the mean.
    pub target: Share,
    /// The confidence of the interval.
    pub confidence: Confidence,
    /// Most time to spend, untimed work included; `None` for no limit.
    pub budget: Option<Duration>,
}

/// What ended the repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// The interval was as narrow as asked for, and half as many repetitions again were made.
    Precise,
    /// The noise no longer changes, and at this noise the target needs more than the maximum.
    SteadyNoise,
    /// The most repetitions were made.
    Maximum,
    /// The time is spent.
    Budget,
}

impl Stop {
    /// Of `n` repetitions that ended like this, how many, from the first on, decided the end.
    pub fn deciding(self, n: usize) -> usize {
        match self {
            // Those after reaching the target, half as many again, decided nothing.
            Self::Precise => n * 2 / 3,
            Self::SteadyNoise | Self::Maximum | Self::Budget => n,
        }
    }
}

/// The part of the target that counts before the minimum: few repetitions may lie close together by chance.
const EARLY: f64 = 0.9;

impl StoppingRule {
    /// 9 to 100 repetitions, until the 95 % interval is within ± 1 % of the mean.
    pub fn new() -> Self {
        Self {
            min: 12,
            max: 100,
            target: Share::new(0.01).unwrap_or_default(),
            confidence: Confidence::P95,
            budget: None,
        }
    }

    /// Whether to stop after these repetitions, if all work so far took `spent`; `None` to continue.
    pub fn decide(&self, times: &[Duration], spent: Duration) -> Option<Stop> {
        let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        let n = times.len();
        let n_deciding = Stop::Precise.deciding(n);
        if self.suffice(&seconds, self.quantile(n_deciding), 1.0)
            && (self.was_precise(&seconds[..n_deciding]) || n >= self.max && self.is_precise(&seconds))
            && is_one_noise(times)
        {
            Some(Stop::Precise)
        } else if n >= self.max {
            Some(Stop::Maximum)
        } else if n > 0 && self.budget.is_some_and(|budget| spent >= budget) {
            Some(Stop::Budget)
        } else if n >= self.min && self.is_hopeless(&seconds) && is_one_noise(times) {
            Some(Stop::SteadyNoise)
        } else {
            None
        }
    }

    /// Whether the target was reached at some point.
    fn was_precise(&self, times: &[f64]) -> bool {
        (2..=times.len()).any(|n| self.is_precise(&times[..n]))
    }

    fn is_precise(&self, times: &[f64]) -> bool {
        let n = times.len();
        let part = if n >= self.min { 1.0 } else { EARLY };
        // The quantile of many degrees of freedom is the smallest, and cheap to compute.
        n >= self.min.div_ceil(2)
            && self.suffice(times, Some(z_quantile(self.confidence)), part)
            && self.suffice(times, self.quantile(n), part)
    }

    /// Whether these repetitions are enough for this part of the target.
    fn suffice(&self, times: &[f64], quantile: Option<f64>, part: f64) -> bool {
        let enough = times.len() as f64 * part.powi(2);
        quantile.and_then(|quantile| self.needed(times, quantile)).is_some_and(|needed| needed <= enough)
    }

    /// The quantile for an interval that so many repetitions decided.
    fn quantile(&self, n_deciding: usize) -> Option<f64> {
        t_quantile(n_deciding.checked_sub(1)? as f64, self.confidence)
    }

    /// How many repetitions of this noise the target needs; `None` if the noise is not known yet.
    fn needed(&self, times: &[f64], quantile: f64) -> Option<f64> {
        let needed = (quantile * widening(times) * relative_stddev(times)? / self.target.get()).powi(2);
        needed.is_finite().then_some(needed)
    }

    fn is_hopeless(&self, times: &[f64]) -> bool {
        const WINDOW: usize = 8;
        const STEADY: f64 = 0.05;
        // Not after each repetition: the tests below take longer than a repetition of a small model.
        if times.len() < 2 * WINDOW || !times.len().is_multiple_of(4) {
            return false;
        }
        let needed = self.quantile(times.len()).and_then(|quantile| self.needed(times, quantile));
        if needed.is_none_or(|needed| needed <= self.max as f64) {
            return false;
        }
        let noise: Option<Vec<f64>> =
            (times.len() - WINDOW + 1..=times.len()).map(|n| relative_stddev(&times[..n])).collect();
        noise.is_some_and(|noise| {
            let (low, high) = noise.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
            high - low <= STEADY * mean(&noise)
        })
    }
}

/// Whether the repetitions look independent and of one group.
fn is_one_noise(times: &[Duration]) -> bool {
    /// With ordinary noise, each of the two tests keeps one cell in twenty running a little longer.
    const ALPHA: f64 = 0.05;
    let Some(cell) = Samples::new(times.iter().copied()).map(|samples| [samples]) else { return true };
    !Serial::by_chance(&cell, Chance::SOON).is_some_and(|serial| serial.is_alike(ALPHA))
        && !Apart::by_chance(&cell, Chance::SOON).is_some_and(|apart| apart.p_value < ALPHA)
}

impl Default for StoppingRule {
    fn default() -> Self {
        Self::new()
    }
}

/// The number of samples of this coefficient of variation for which half the width of the mean's interval (Student's t) is
/// at most `target` of the mean; `None` if it is more than a million.
pub fn repetitions_for(cv: Share, target: Share, confidence: Confidence) -> Option<usize> {
    const MOST: usize = 1_000_000;
    let enough = |n: usize| {
        let t = t_quantile((n - 1) as f64, confidence)?;
        Some(t * cv.get() <= target.get() * (n as f64).sqrt())
    };
    if !enough(MOST)? {
        return None;
    }
    // The half width shrinks as n grows.
    let (mut too_few, mut many) = (1, MOST);
    while many - too_few > 1 {
        let middle = too_few + (many - too_few) / 2;
        if enough(middle)? {
            many = middle;
        } else {
            too_few = middle;
        }
    }
    Some(many)
}

/// About how many samples with the same spread have an interval of half-width `target`, if `n` have one of `width`.
pub(crate) fn samples_for(n: usize, width: Share, target: Share) -> usize {
    (n as f64 * (width.get() / target.get()).powi(2)).ceil() as usize
}

fn relative_stddev(values: &[f64]) -> Option<f64> {
    Some(stddev(values)? / mean(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[f64]) -> Vec<Duration> {
        values.iter().map(|ms| Duration::from_secs_f64(ms / 1e3)).collect()
    }

    /// Times that swing by `percent` around 100 ms.
    fn swinging(n: usize, percent: f64) -> Vec<Duration> {
        ms(&(0..n).map(|i| 100.0 + if i % 2 == 0 { percent } else { -percent }).collect::<Vec<_>>())
    }

    fn first_stop(rule: StoppingRule, times: &[Duration]) -> Option<(usize, Stop)> {
        (0..=times.len())
            .find_map(|n| rule.decide(&times[..n], times[..n].iter().sum()).map(|stop| (n, stop)))
    }

    #[test]
    fn quiet_samples_stop_half_as_many_after_half_of_the_minimum_or_more() {
        assert_eq!(first_stop(StoppingRule::new(), &swinging(100, 0.1)), Some((9, Stop::Precise)));
        assert_eq!(first_stop(StoppingRule::new(), &swinging(100, 0.0)), Some((9, Stop::Precise)));
        // By hand: seven have the stddev 1 % * sqrt(7 - 1 / 7) / sqrt(6) and give t(6) * 1.069 % / sqrt(7) = 0.989 %, too
        // much; eight, with 1 % * sqrt(8 / 7), give t(7) * 1.069 % / sqrt(8) = 0.894 %, less than nine tenths.
        assert_eq!(first_stop(StoppingRule::new(), &swinging(100, 1.0)), Some((12, Stop::Precise)));
    }

    #[test]
    fn noise_of_two_percent_needs_nineteen_samples_and_half_as_many_again() {
        // By hand: t(17) * 2 % * sqrt(18 / 17) / sqrt(18) = 2.1098 * 2 % / sqrt(17) = 1.023 %, not yet;
        // an odd 19 has the stddev 2 % * sqrt(19 - 1 / 19) / sqrt(18) and gives 2.1009 * 2.052 % / 4.359 = 0.989 %.
        assert_eq!(first_stop(StoppingRule::new(), &swinging(100, 2.0)), Some((29, Stop::Precise)));
    }

    #[test]
    fn what_stops_is_within_the_target_in_the_end_too() {
        // Quiet for six repetitions and noisy after: nine would end it, with an interval of ± 1.28 %.
        let mut times = swinging(6, 0.2);
        times.extend(ms(&[103.6, 97.9, 101.1, 96.6, 102.4, 99.2].repeat(16)));
        let (n, stop) = first_stop(StoppingRule::new(), &times).unwrap();
        let samples = Samples::new(times[..n].iter().copied()).unwrap().decided_by(stop.deciding(n));
        assert_eq!(stop, Stop::Precise);
        assert!(n > 9, "{n}");
        let half_width = samples.mean_interval(Confidence::P95).unwrap().half_width();
        assert!(half_width.as_secs_f64() <= 0.01 * samples.mean().as_secs_f64(), "{half_width:?} after {n}");
    }

    #[test]
    fn the_maximum_cuts_the_last_repetitions_short() {
        let rule = StoppingRule { max: 25, ..StoppingRule::new() };
        assert_eq!(first_stop(rule, &swinging(100, 2.0)), Some((25, Stop::Precise)));
        let rule = StoppingRule { max: 15, ..StoppingRule::new() };
        assert_eq!(first_stop(rule, &swinging(100, 2.0)), Some((15, Stop::Maximum)));
    }

    #[test]
    fn steady_noise_that_is_too_large_is_given_up_early() {
        let (n, stop) = first_stop(StoppingRule::new(), &swinging(100, 20.0)).unwrap();
        assert_eq!(stop, Stop::SteadyNoise);
        assert!((16..30).contains(&n), "{n}");
    }

    #[test]
    fn growing_noise_runs_to_the_maximum() {
        let times: Vec<f64> =
            (0..60).map(|i| 100.0 + f64::from(i * i) * if i % 2 == 0 { 1.0 } else { -0.02 }).collect();
        let rule = StoppingRule { max: 40, ..StoppingRule::new() };
        assert_eq!(first_stop(rule, &ms(&times)), Some((40, Stop::Maximum)));
    }

    #[test]
    fn the_budget_ends_it_even_before_the_minimum_but_not_before_the_first() {
        let rule = StoppingRule { budget: Some(Duration::from_millis(250)), ..StoppingRule::new() };
        assert_eq!(first_stop(rule, &swinging(100, 5.0)), Some((3, Stop::Budget)));
        assert_eq!(rule.decide(&[], Duration::from_secs(9)), None);
    }

    #[test]
    fn repetitions_for_a_target_agree_with_the_table_of_students_t() {
        let needed = |percent: f64| {
            let (cv, target) = (Share::new(percent / 100.0).unwrap(), Share::new(0.01).unwrap());
            repetitions_for(cv, target, Confidence::P95)
        };
        // t(17) * 2 % / sqrt(18) = 0.9946 %, t(16) * 2 % / sqrt(17) = 1.028 %
        assert_eq!(needed(2.0), Some(18));
        // t(5) * 0.9 % / sqrt(6) = 0.9445 %, t(4) * 0.9 % / sqrt(5) = 1.118 %
        assert_eq!(needed(0.9), Some(6));
        assert_eq!(needed(0.0), Some(2));
        assert_eq!(needed(1000.0), None);
    }

    #[test]
    fn half_the_width_takes_four_times_the_samples() {
        let width = Share::percent;
        assert_eq!([samples_for(3, width(2), width(1)), samples_for(3, width(1), width(1))], [12, 3]);
        assert_eq!(samples_for(2, width(3), width(2)), 5);
        assert_eq!(samples_for(2, width(3), Share::ZERO), usize::MAX, "never");
    }

    #[test]
    fn the_last_third_of_precise_repetitions_had_no_say() {
        assert_eq!([9, 18, 29].map(|n| Stop::Precise.deciding(n)), [6, 12, 19]);
        assert_eq!([Stop::Maximum, Stop::Budget, Stop::SteadyNoise].map(|stop| stop.deciding(9)), [9; 3]);
    }

    /// Times near 100 ms, in no order.
    fn quiet(n: usize) -> Vec<f64> {
        (0..n).map(|i| 100.0 + 0.1 * (i * 7 % 5) as f64 + 0.03 * (i * 5 % 7) as f64).collect()
    }

    #[test]
    fn repetitions_like_their_neighbours_are_never_precise_nor_steady() {
        // Two levels 9 % apart, three repetitions each, and a target wide enough for both.
        let levels: Vec<f64> =
            quiet(60).iter().enumerate().map(|(i, ms)| ms + if i / 3 % 2 == 0 { 9.0 } else { 0.0 }).collect();
        let wide = StoppingRule { max: 60, target: Share::new(0.2).unwrap(), ..StoppingRule::new() };
        assert_eq!(first_stop(wide, &ms(&levels)), Some((60, Stop::Maximum)));
        // A target out of reach, for which independent noise would be given up.
        let strict = StoppingRule { max: 60, target: Share::new(0.002).unwrap(), ..StoppingRule::new() };
        assert_eq!(first_stop(strict, &ms(&levels)), Some((60, Stop::Maximum)));
        let drift: Vec<f64> = quiet(60).iter().enumerate().map(|(i, ms)| ms + 0.5 * i as f64).collect();
        assert_eq!(first_stop(wide, &ms(&drift)), Some((60, Stop::Maximum)));
        assert_eq!(first_stop(wide, &ms(&quiet(60))), Some((9, Stop::Precise)), "without either");
    }

    #[test]
    fn one_slow_repetition_keeps_a_cell_going() {
        let mut times = quiet(30);
        times[4] *= 1.3;
        let wide = StoppingRule { max: 30, target: Share::new(0.2).unwrap(), ..StoppingRule::new() };
        assert_eq!(first_stop(wide, &ms(&times)), Some((30, Stop::Maximum)));
    }

    #[test]
    fn samples_of_no_time_are_never_precise() {
        assert_eq!(first_stop(StoppingRule::new(), &[Duration::ZERO; 120]), Some((100, Stop::Maximum)));
    }
}
