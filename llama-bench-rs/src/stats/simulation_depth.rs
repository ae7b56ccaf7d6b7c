//! Whether intervals over depths hold as often as they claim: of lines, falls and sums.

use std::time::Duration;

use super::{DepthModel, DepthSamples, Fall, Samples, TimePart, TimeSum, rng::Rng};
use crate::units::TokensPerSecond;

const DEPTHS: [u32; 5] = [0, 4096, 8192, 16384, 32768];

/// Repetitions around a mean in nanoseconds, with this relative standard deviation.
fn draw(mean: f64, n: usize, cv: f64, rng: &mut Rng) -> Vec<Duration> {
    (0..n).map(|_| Duration::from_nanos((mean * (1.0 + cv * rng.normal())).round() as u64)).collect()
}

fn set(times: Vec<Duration>) -> Samples<Duration> {
    Samples::new(times).unwrap()
}

/// Time per token on a line, times a bend, which is 1 for none.
fn measure(depths: &[u32], n: usize, cv: f64, bend: impl Fn(u32) -> f64, rng: &mut Rng) -> Vec<DepthSamples> {
    depths
        .iter()
        .map(|&n_depth| {
            let token = (300_000.0 + 7.0 * f64::from(n_depth)) * bend(n_depth);
            DepthSamples { n_depth, n_tokens: 512, times: draw(512.0 * token, n, cv, rng) }
        })
        .collect()
}

fn share(trials: usize, mut is_so: impl FnMut() -> bool) -> f64 {
    (0..trials).filter(|_| is_so()).count() as f64 / trials as f64
}

#[test]
fn coefficients_and_predictions_hold_the_truth_as_often_as_they_say() {
    let mut rng = Rng::new(11);
    for n in [1, 3] {
        let (mut intercepts, mut slopes, mut predictions) = (0, 0, 0);
        const TRIALS: usize = 4000;
        for _ in 0..TRIALS {
            let model = DepthModel::fit(&measure(&DEPTHS, n, 0.002, |_| 1.0, &mut rng)).unwrap();
            let holds = |c: super::Coefficient, truth: f64| c.lower_ns <= truth && truth <= c.upper_ns;
            intercepts += usize::from(holds(model.intercept(), 300_000.0));
            slopes += usize::from(holds(model.slope(), 7.0));
            let new = draw(300_000.0 + 7.0 * 12_000.0, 1, 0.002, &mut rng)[0];
            let rate = TokensPerSecond::from_elapsed(1, new).unwrap();
            predictions +=
                usize::from(model.predict(12_000).unwrap().interval.is_some_and(|i| i.contains(rate)));
        }
        for (what, n_held) in [("intercept", intercepts), ("slope", slopes), ("prediction", predictions)] {
            let coverage = n_held as f64 / TRIALS as f64;
            assert!((0.93..=0.97).contains(&coverage), "{what}, {n} repetitions: {coverage}");
        }
    }
}

#[test]
fn a_line_is_seldom_called_wrong_and_a_bend_often() {
    let mut rng = Rng::new(12);
    let mut wrong = |depths: &[u32], n: usize, cv: f64, bend: fn(u32) -> f64| {
        share(1500, || {
            let model = DepthModel::fit(&measure(depths, n, cv, bend, &mut rng)).unwrap();
            model.linearity().is_some_and(|linearity| linearity.is_wrong())
        })
    };
    for (depths, n, cv) in
        [(&DEPTHS[..3], 5, 0.02), (&DEPTHS[..3], 1, 0.02), (&DEPTHS, 5, 0.05), (&DEPTHS, 1, 0.05)]
    {
        let alarms = wrong(depths, n, cv, |_| 1.0);
        assert!(alarms <= 0.065, "{} depths, {n} repetitions, cv {cv}: {alarms}", depths.len());
    }
    // Twenty percent slower in the middle.
    let bend = |depth: u32| if depth == 8192 { 1.2 } else { 1.0 };
    assert!(wrong(&DEPTHS, 5, 0.02, bend) > 0.95);
    assert!(wrong(&DEPTHS[..4], 5, 0.02, bend) > 0.95);
}

#[test]
fn falls_and_their_ratio_hold_the_truth_as_often_as_they_say() {
    let mut rng = Rng::new(13);
    let (mut falls, mut ratios) = (0, 0);
    const TRIALS: usize = 10_000;
    for _ in 0..TRIALS {
        let mut fall = |slowdown: f64, cv: f64| {
            let mut rates = |mean: f64| {
                let times = draw(mean, 5, cv, &mut rng).into_iter();
                Samples::new(times.map(|time| TokensPerSecond::from_elapsed(512, time).unwrap())).unwrap()
            };
            Fall::of_samples(&rates(5e8), &rates(5e8 * slowdown)).unwrap()
        };
        let (prompt, generation) = (fall(1.83, 0.01), fall(1.49, 0.02));
        let holds = |lower: f64, upper: f64, truth: f64| lower <= truth && truth <= upper;
        let interval = prompt.interval.unwrap();
        falls += usize::from(holds(interval.lower().get(), interval.upper().get(), 1.0 / 1.83 - 1.0));
        let ratio = prompt.ratio_to(&generation).unwrap().interval.unwrap();
        let truth = (1.0 / 1.83 - 1.0) / (1.0 / 1.49 - 1.0);
        ratios += usize::from(holds(ratio.lower().get(), ratio.upper().get(), truth));
    }
    for (what, n_held) in [("fall", falls), ("ratio", ratios)] {
        let coverage = n_held as f64 / TRIALS as f64;
        assert!((0.93..=0.97).contains(&coverage), "{what}: {coverage}");
    }
}

#[test]
fn sums_hold_the_truth_as_often_as_they_say() {
    let mut rng = Rng::new(14);
    for (prompt_cv, step_cv) in [(0.002, 0.02), (0.01, 0.5)] {
        let coverage = share(10_000, || {
            let (prompt, step) =
                (set(draw(551e6, 5, prompt_cv, &mut rng)), set(draw(11e6, 5, step_cv, &mut rng)));
            let sum = TimeSum::of([TimePart::Samples(&prompt), TimePart::Samples(&step)]).unwrap();
            sum.ci95.unwrap().contains(Duration::from_micros(562_000))
        });
        assert!((0.93..=0.97).contains(&coverage), "{prompt_cv}, {step_cv}: {coverage}");
    }
}
