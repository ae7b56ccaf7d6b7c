//! How often intervals and verdicts are wrong, over thousands of simulated measurements. `LLAMA_BENCH_SIMULATIONS=full
//! cargo test --lib stats::simulation -- --nocapture` prints the figures.

use std::time::Duration;

use super::{
    Bootstrap, Confidence, Interval, Samples, Stop, StoppingRule,
    rng::Rng,
    simulated::{chance, trials},
};

/// Noise around a mean of 100 ms.
#[derive(Clone, Copy, Debug)]
enum Noise {
    Normal,
    /// Gamma of shape 4: skewness 1, a tail towards long times.
    Skewed,
    /// Exponential: skewness 2.
    LongTailed,
    /// Normal on a line that climbs by two standard deviations from the first sample to the last.
    Drifting,
}

const KINDS: [Noise; 3] = [Noise::Normal, Noise::Skewed, Noise::Drifting];
const MEAN: f64 = 100e6;

/// `n` times in nanoseconds with the relative standard deviation `cv`.
fn draw(noise: Noise, n: usize, cv: f64, rng: &mut Rng) -> Vec<f64> {
    let one = |i: usize| match noise {
        Noise::Normal => rng.normal(),
        Noise::Skewed => (rng.gamma(4) - 4.0) / 2.0,
        Noise::LongTailed => rng.gamma(1) - 1.0,
        Noise::Drifting => rng.normal() + 2.0 * (i as f64 / (n - 1) as f64 - 0.5),
    };
    (0..n).map(one).map(|x| MEAN * (1.0 + cv * x)).collect()
}

fn set(values: &[f64]) -> Samples<Duration> {
    Samples::new(values.iter().map(|ns| Duration::from_nanos(ns.round() as u64))).unwrap()
}

fn holds(interval: &Interval<Duration>) -> bool {
    interval.contains(Duration::from_nanos(MEAN as u64))
}

/// The share of `trials` for which this is true.
fn share(trials: usize, mut is_so: impl FnMut() -> bool) -> f64 {
    (0..trials).filter(|_| is_so()).count() as f64 / trials as f64
}

#[test]
fn intervals_hold_the_mean_as_often_as_they_say() {
    /// Three standard errors of the simulation itself.
    const CHANCE: f64 = 0.0047;
    // A drift may go on after the last repetition: without an upper limit.
    let most = |noise| if matches!(noise, Noise::Drifting) { 1.0 } else { 0.97 };
    let mut rng = Rng::new(2);
    for noise in KINDS {
        for n in [5, 6, 8, 10, 20, 40] {
            let coverage = share(20_000, || {
                let times = set(&draw(noise, n, 0.02, &mut rng));
                holds(&times.mean_interval(Confidence::P95).unwrap())
            });
            println!("{noise:?}, {n} samples: {coverage:.3}");
            assert!(
                (0.945 - CHANCE..=most(noise) + CHANCE).contains(&coverage),
                "{noise:?}, {n} samples: {coverage}"
            );
        }
    }
}

/// A long tail that few samples do not show: fewer intervals hold, as the module's documentation says.
#[test]
fn few_samples_of_a_long_tail_miss_more_often() {
    let mut rng = Rng::new(4);
    for (n, least) in [(5, 0.895), (10, 0.905), (20, 0.92)] {
        let coverage = share(20_000, || {
            let times = set(&draw(Noise::LongTailed, n, 0.02, &mut rng));
            holds(&times.mean_interval(Confidence::P95).unwrap())
        });
        println!("LongTailed, {n} samples: {coverage:.3}");
        assert!((least..0.945).contains(&coverage), "{n} samples: {coverage}");
    }
}

#[test]
fn bootstrapped_intervals_hold_the_mean_as_often_as_they_say() {
    let mut rng = Rng::new(3);
    for noise in [Noise::Normal, Noise::Skewed] {
        let mut seed = 0;
        let n_trials = trials(4000);
        let coverage = share(n_trials, || {
            let times = set(&draw(noise, 50, 0.02, &mut rng));
            seed += 1;
            let bootstrap = Bootstrap { n_resamples: 1000, seed };
            holds(&times.bootstrap_interval(Confidence::P95, bootstrap).unwrap())
        });
        println!("{noise:?}, 50 samples, bootstrap: {coverage:.3}");
        let off = 0.01 + chance(0.05, n_trials);
        assert!((coverage - 0.95).abs() <= off, "{noise:?}: {coverage}");
    }
}

#[test]
fn intervals_stay_honest_under_the_stopping_rule() {
    let n_trials = trials(800);
    let off = chance(0.05, n_trials);
    let rule = StoppingRule::new();
    let mut rng = Rng::new(5);
    for noise in KINDS {
        for cv in [0.0025, 0.0075, 0.015, 0.03] {
            let mut precise = 0;
            let coverage = share(n_trials, || {
                // The drift covers the maximum number of repetitions.
                let all = draw(noise, rule.max, cv, &mut rng);
                let times = set(&all);
                let decide = |n| Some((n, rule.decide(&times.values()[..n], Duration::ZERO)?));
                let (n, stop) = (1..=rule.max).find_map(decide).unwrap();
                precise += usize::from(stop == Stop::Precise);
                let ended = set(&all[..n]).decided_by(stop.deciding(n));
                let interval = ended.mean_interval(Confidence::P95).unwrap();
                match noise {
                    // The truth is the mean over what was measured.
                    Noise::Drifting => {
                        let middle = (n - 1) as f64 / 2.0 / (rule.max - 1) as f64;
                        let mean = MEAN * (1.0 + cv * 2.0 * (middle - 0.5));
                        interval.contains(Duration::from_nanos(mean.round() as u64))
                    }
                    _ => holds(&interval),
                }
            });
            println!("{noise:?}, cv {cv}, stopping rule: {coverage:.3}");
            let (least, most) = (0.94 - off, if matches!(noise, Noise::Drifting) { 1.0 } else { 0.98 + off });
            assert!((least..=most).contains(&coverage), "{noise:?}, cv {cv}: {coverage}");
            assert!(
                precise > n_trials / 2,
                "{noise:?}, cv {cv}: only {precise} of {n_trials} became precise"
            );
        }
    }
}

#[test]
fn the_rule_spends_less_than_half_of_twenty_repetitions_on_quiet_cells() {
    let mut rng = Rng::new(6);
    // A prefill and a generation of the reference run vary by 0.25 and 0.2 %.
    for (cv, most) in [(0.002, 10.0), (0.0025, 10.0), (0.0075, 12.0), (0.01, 16.0)] {
        let mut spent = 0;
        for _ in 0..400 {
            let times = set(&draw(Noise::Normal, 100, cv, &mut rng));
            let stop =
                |n: &usize| StoppingRule::new().decide(&times.values()[..*n], Duration::ZERO).is_some();
            spent += (1..=100).find(stop).unwrap();
        }
        let mean = spent as f64 / 400.0;
        println!("cv {cv}: {mean:.1} repetitions on average");
        assert!(mean < most, "cv {cv}: {mean} repetitions on average");
    }
}
