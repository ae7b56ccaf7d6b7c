use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::units::TokensPerSecond;

fn rates(values: &[f64]) -> Samples<TokensPerSecond> {
    Samples::new(values.iter().map(|&v| TokensPerSecond::new(v).unwrap())).unwrap()
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} instead of {expected}");
}

/// The five prefill samples of the reference run; figures by scipy.stats and numpy.
#[test]
fn the_reference_prefill() {
    let summary = rates(&[3710.15, 3730.4, 3708.61, 3707.6, 3712.01]).summary();
    assert_eq!(summary.n, 5);
    close(summary.mean.get(), 3713.754);
    close(summary.median.get(), 3710.15);
    close(summary.stddev.unwrap().get(), 9.453202102991366);
    close(summary.cv.unwrap().get(), 0.002545457265880122);
    close(summary.min.get(), 3707.6);
    close(summary.max.get(), 3730.4);
    assert!((summary.mad.get() - 1.86).abs() < 1e-9);
    let ci95 = summary.ci95.unwrap();
    close(ci95.lower().unwrap().get(), 3702.0162992809715);
    close(ci95.upper().get(), 3725.4917007190284);
}

/// NIST's certified values for the data set Michelso (speed of light, 100 values): mean 299.852400000000,
/// stddev 0.0790105478190518.
#[test]
fn nist_michelso() {
    const DEVIATIONS: [i32; 100] = [
        850, 740, 900, 1070, 930, 850, 950, 980, 980, 880, 1000, 980, 930, 650, 760, 810, 1000, 1000, 960,
        960, 960, 940, 960, 940, 880, 800, 850, 880, 900, 840, 830, 790, 810, 880, 880, 830, 800, 790, 760,
        800, 880, 880, 880, 860, 720, 720, 620, 860, 970, 950, 880, 910, 850, 870, 840, 840, 850, 840, 840,
        840, 890, 810, 810, 820, 800, 770, 760, 740, 750, 760, 910, 920, 890, 860, 880, 720, 840, 850, 850,
        780, 890, 840, 780, 810, 760, 810, 790, 810, 820, 850, 870, 870, 810, 740, 810, 940, 950, 800, 810,
        870,
    ];
    let values: Vec<f64> = DEVIATIONS.iter().map(|d| 299.0 + f64::from(*d) / 1000.0).collect();
    let summary = rates(&values).summary();
    close(summary.mean.get(), 299.8524);
    assert!((summary.stddev.unwrap().get() - 0.0790105478190518).abs() < 1e-12);
}

#[test]
fn one_sample_has_no_spread_and_no_interval() {
    let summary = rates(&[60.30]).summary();
    assert_eq!((summary.n, summary.stddev, summary.cv, summary.ci95), (1, None, None, None));
    assert_eq!(summary.mean, summary.median);
    assert_eq!(summary.mad.get(), 0.0);
    assert_eq!(Samples::<Duration>::new([]), None);
}

#[test]
fn one_more_prefill_of_the_reference_run() {
    // scipy: mean ± t.ppf(0.975, 4) * stddev * sqrt(1 + 1 / 5)
    let set = rates(&[3710.15, 3730.4, 3708.61, 3707.6, 3712.01]);
    let interval = set.prediction_interval(Confidence::P95).unwrap();
    close(interval.lower().unwrap().get(), 3685.002622485);
    close(interval.upper().get(), 3742.505377515);
    assert_eq!(rates(&[60.30]).prediction_interval(Confidence::P95), None);
}

#[test]
fn durations_stay_durations() {
    let set = Samples::new([1, 2, 6].map(Duration::from_millis)).unwrap();
    let summary = set.summary();
    assert_eq!(summary.mean, Duration::from_millis(3));
    assert_eq!(summary.median, Duration::from_millis(2));
    assert_eq!(summary.stddev, Some(Duration::from_nanos(2_645_751))); // sqrt(7) ms
    assert_eq!(summary.mad, Duration::from_millis(1));
    assert_eq!(summary.ci95.unwrap().lower(), None);
    assert_eq!(set.quantile(0.25), Some(Duration::from_micros(1_500)));
    assert_eq!(set.quantile(1.5), None);
    assert_eq!(set.values()[2], Duration::from_millis(6));
}

#[test]
fn no_time_at_all_has_a_mean_but_no_coefficient_of_variation() {
    let summary = Samples::new([Duration::ZERO; 3]).unwrap().summary();
    assert_eq!((summary.mean, summary.stddev, summary.cv), (Duration::ZERO, Some(Duration::ZERO), None));
}

proptest! {
    #[test]
    fn figures_lie_between_the_extremes(values in prop::collection::vec(1e-300..1e300f64, 1..40)) {
        let set = rates(&values);
        let s = set.summary();
        for figure in [s.mean, s.median, set.quantile(0.123).unwrap()] {
            prop_assert!(s.min <= figure && figure <= s.max);
        }
        prop_assert!(s.mad.get() <= s.max.get() - s.min.get());
        prop_assert!(s.ci95.is_none_or(|ci| ci.contains(s.mean)));
    }

    #[test]
    fn the_order_matters_to_the_interval_alone(mut values in prop::collection::vec(0u64..1_000_000_000_000, 2..40)) {
        let summary = |values: &[u64]| {
            let set = Samples::new(values.iter().copied().map(Duration::from_nanos)).unwrap();
            // The interval alone looks for a trend in the order.
            Summary { ci95: None, ..set.summary() }
        };
        let forward = summary(&values);
        values.reverse();
        prop_assert_eq!(forward, summary(&values));
    }
}

#[test]
fn the_interval_has_the_degrees_of_freedom_of_those_that_decided() {
    let set = rates(&[3710.15, 3730.4, 3708.61, 3707.6, 3712.01]);
    // scipy: t.ppf(0.975, df) * sem(set), df 4, 2 and 1
    let half_width =
        |set: &Samples<TokensPerSecond>| set.mean_interval(Confidence::P95).unwrap().half_width().get();
    close(half_width(&set), 11.737700719);
    close(half_width(&set.clone().decided_by(3)), 18.189896838);
    // Fewer than two cannot decide, and at most all do.
    close(half_width(&set.clone().decided_by(0)), 53.716757514);
    assert_eq!(set.clone().decided_by(9), set);
    let long: Vec<f64> = (0..60).map(|i| 100.0 + f64::from(i * 7 % 11)).collect();
    assert!(half_width(&rates(&long).decided_by(10)) > 1.1 * half_width(&rates(&long)), "bootstrapped too");
}
