//! How often intervals hold, and warnings are given, with noise that is not independent: simulated runs of ten cells. The
//! figures of `docs/results/intervals.md` are those of
//! `LLAMA_BENCH_SIMULATIONS=full cargo test --lib stats::simulation_noise -- --nocapture --test-threads 1`.

use std::{fmt, time::Duration};

use super::{Confidence, Samples, Stop, StoppingRule, Suspicion, rng::Rng, simulated::is_full};

/// Noise around a mean of zero; the scale of the normal part is 1 % of the time, unless it says otherwise.
#[derive(Clone, Copy, Debug)]
enum Noise {
    Normal,
    /// Lognormal of sigma 0.5: skewness 1.75.
    Lognormal,
    Exponential,
    /// Climbs by 3 % over the maximum number of repetitions.
    Drift,
    /// 2 % faster in the second half of them.
    Step,
    /// 5 % of repetitions are slow by 30 %.
    Slow,
    /// 151 and 165, each for so many repetitions on average.
    Levels(f64),
    /// The next deviation keeps this share of the last one.
    Autoregressive(f64),
    /// Four repetitions in a row are slow by 10 %, one time in fifty.
    Bursts,
    /// A sine of 2 % with a period of so many repetitions.
    Periodic(f64),
}

/// One noise of each sort, for an ordinary `cargo test`.
const SOME: [Noise; 4] = [Noise::Normal, Noise::Slow, Noise::Levels(10.0), Noise::Autoregressive(0.8)];

const ALL: [Noise; 14] = [
    Noise::Normal,
    Noise::Lognormal,
    Noise::Exponential,
    Noise::Drift,
    Noise::Step,
    Noise::Slow,
    Noise::Levels(10.0),
    Noise::Levels(30.0),
    Noise::Autoregressive(0.3),
    Noise::Autoregressive(0.5),
    Noise::Autoregressive(0.8),
    Noise::Autoregressive(0.95),
    Noise::Bursts,
    Noise::Periodic(40.0),
];

const CV: f64 = 0.01;
const CELLS_OF_A_KIND: usize = 5;

/// `n` times, 1 on average over all times (drift and step: over those).
fn draw(noise: Noise, n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut high = rng.uniform() < 0.5;
    let mut last = rng.normal();
    let mut left = 0;
    let phase = rng.uniform();
    let mut one = |i: usize| match noise {
        Noise::Normal => CV * rng.normal(),
        Noise::Lognormal => {
            let variance = 0.25f64;
            let (mean, stddev) = ((variance / 2.0).exp(), (variance.exp() * (variance.exp() - 1.0)).sqrt());
            CV * ((0.5 * rng.normal()).exp() - mean) / stddev
        }
        Noise::Exponential => CV * (rng.gamma(1) - 1.0),
        Noise::Drift => CV * rng.normal() + 0.03 * (i as f64 / (n - 1) as f64 - 0.5),
        Noise::Step => {
            let second = (n - n / 2) as f64 / n as f64;
            CV * rng.normal() + 0.02 * if i < n / 2 { second } else { second - 1.0 }
        }
        Noise::Slow => CV * rng.normal() + if rng.uniform() < 0.05 { 0.285 } else { -0.015 },
        Noise::Levels(length) => {
            let level = if high { 7.0 } else { -7.0 } / 158.0;
            high ^= rng.uniform() < 1.0 / length;
            CV * rng.normal() + level
        }
        Noise::Autoregressive(share) => {
            let now = last;
            last = share * last + (1.0 - share * share).sqrt() * rng.normal();
            CV * now
        }
        Noise::Bursts => {
            if left == 0 && rng.uniform() < 0.02 {
                left = 4;
            }
            let is_slow = left > 0;
            left -= i32::from(is_slow);
            // Four of 49 + 4 repetitions on average.
            CV * rng.normal() + if is_slow { 0.1 } else { 0.0 } - 0.1 * 4.0 / 53.0
        }
        Noise::Periodic(period) => {
            CV * rng.normal() + 0.02 * (std::f64::consts::TAU * (i as f64 / period + phase)).sin()
        }
    };
    (0..n).map(|i| 1.0 + one(i)).collect()
}

/// How many repetitions a cell has.
#[derive(Clone, Copy, Debug)]
enum Count {
    Fixed(usize),
    Rule,
}

/// The repetitions of a cell, and the mean that its interval is to hold.
fn cell(noise: Noise, count: Count, rng: &mut Rng) -> (Samples<Duration>, f64) {
    let rule = StoppingRule::new();
    let all = draw(noise, if let Count::Fixed(n) = count { n } else { rule.max }, rng);
    let times: Vec<Duration> = all.iter().map(|&time| Duration::from_secs_f64(0.1 * time)).collect();
    let (n, stop) = match count {
        Count::Fixed(n) => (n, Stop::Maximum),
        Count::Rule => (1..=rule.max)
            .find_map(|n| Some((n, rule.decide(&times[..n], Duration::ZERO)?)))
            .unwrap_or((rule.max, Stop::Maximum)),
    };
    // A drift or step happens while it is measured: the mean over that time is the truth.
    let truth = match noise {
        Noise::Drift => 1.0 + 0.03 * ((n - 1) as f64 / 2.0 / (all.len() - 1) as f64 - 0.5),
        Noise::Step if n < all.len() => 1.0 + 0.02 * ((n.min(all.len() / 2)) as f64 / n as f64 - 0.5),
        _ => 1.0,
    };
    (Samples::new(times[..n].iter().copied()).unwrap().decided_by(stop.deciding(n)), truth)
}

/// What happened to the cells of many runs.
#[derive(Clone, Copy, Debug)]
struct Tally {
    coverage: f64,
    /// Share of the misses whose run was warned of; `None` without a miss.
    warned_misses: Option<f64>,
    warned_runs: f64,
    repetitions: f64,
}

impl Tally {
    fn of(noise: Noise, count: Count, runs: usize) -> Self {
        let mut rng = Rng::new(11);
        let (mut hits, mut misses, mut warned_misses, mut warned_runs, mut repetitions) = (0, 0, 0, 0, 0);
        for _ in 0..runs {
            let mut missed = 0;
            let kinds: [Vec<Samples<Duration>>; 2] = std::array::from_fn(|_| {
                let one = |_| {
                    let (samples, truth) = cell(noise, count, &mut rng);
                    let interval = samples.mean_interval(Confidence::P95).unwrap();
                    missed += usize::from(!interval.contains(Duration::from_secs_f64(0.1 * truth)));
                    repetitions += samples.n();
                    samples
                };
                (0..CELLS_OF_A_KIND).map(one).collect()
            });
            let warned = Suspicion::of(&kinds).is_any();
            warned_runs += usize::from(warned);
            misses += missed;
            warned_misses += if warned { missed } else { 0 };
            hits += 2 * CELLS_OF_A_KIND - missed;
        }
        let share = |part: usize, of: usize| part as f64 / of as f64;
        Self {
            coverage: share(hits, hits + misses),
            warned_misses: (misses > 0).then(|| share(warned_misses, misses)),
            warned_runs: share(warned_runs, runs),
            repetitions: share(repetitions, hits + misses),
        }
    }

    /// Intervals that miss without a warning.
    fn silent_misses(&self) -> f64 {
        (1.0 - self.coverage) * (1.0 - self.warned_misses.unwrap_or(1.0))
    }
}

impl Tally {
    /// The aim: 90 % of the intervals hold, or 90 % of the others come with a warning; with a margin for few runs.
    fn assert_honest(&self, noise: Noise) {
        let is_honest = self.coverage >= 0.88 || self.warned_misses.is_none_or(|warned| warned >= 0.75);
        assert!(is_honest, "{noise:?}: {self}");
        let is_normal = matches!(noise, Noise::Normal);
        assert!(!is_normal || self.coverage > 0.92 && self.warned_runs <= 0.17, "{noise:?}: {self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "held in {:5.1} %, {:5.1} % of misses warned of, silent misses {:4.1} %, {:5.1} % of runs warned of, {:.1} repetitions",
            100.0 * self.coverage,
            100.0 * self.warned_misses.unwrap_or(f64::NAN),
            100.0 * self.silent_misses(),
            100.0 * self.warned_runs,
            self.repetitions
        )
    }
}

/// The noises to simulate.
fn noises() -> &'static [Noise] {
    if is_full() { &ALL } else { &SOME }
}

/// Simulated runs of each kind: a few, or as many as the figures in the documentation need.
fn tell(noise: Noise, count: Count, usual: usize) -> Tally {
    let tally = Tally::of(noise, count, if is_full() { 120 } else { usual });
    println!("{noise:?}, {count:?}: {tally}");
    tally
}

#[test]
fn an_interval_holds_the_mean_or_the_run_is_warned_of() {
    for &noise in noises() {
        tell(noise, Count::Fixed(20), 24).assert_honest(noise);
        let ten = tell(noise, Count::Fixed(10), 24);
        match noise {
            // Ten repetitions of a period of forty look like a drift, or like nothing.
            Noise::Periodic(_) => assert!(ten.silent_misses() < 0.3, "{noise:?}: {ten}"),
            _ => ten.assert_honest(noise),
        }
    }
}

/// Five repetitions show half of it: if a level lasts for thirty, 74 % of runs of ten cells meet a change.
#[test]
fn five_repetitions_tell_less() {
    for &noise in noises() {
        let tally = tell(noise, Count::Fixed(5), 24);
        match noise {
            Noise::Levels(30.0) | Noise::Periodic(_) => {
                assert!(tally.silent_misses() < 0.6, "{noise:?}: {tally}");
            }
            _ => assert!(tally.silent_misses() < 0.2, "{noise:?}: {tally}"),
        }
    }
}

#[test]
fn a_stopping_rule_holds_the_mean_or_the_run_is_warned_of() {
    for &noise in noises() {
        tell(noise, Count::Rule, 6).assert_honest(noise);
    }
}
