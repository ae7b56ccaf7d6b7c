use proptest::prelude::*;

use super::*;
use crate::stats::LinearityTest;

fn points(n_tokens: u32, depths: &[u32], ms: &[&[f64]]) -> Vec<DepthSamples> {
    let times = |ms: &[f64]| ms.iter().map(|ms| Duration::from_secs_f64(ms / 1e3)).collect();
    let point = |(&n_depth, ms): (&u32, &&[f64])| DepthSamples { n_depth, n_tokens, times: times(ms) };
    depths.iter().zip(ms).map(point).collect()
}

/// Each depth once, at these rates.
fn at_rates(depths: &[u32], rates: &[f64]) -> Vec<DepthSamples> {
    let time = |&rate: &f64| Duration::from_secs_f64(1000.0 / rate);
    let point = |(&n_depth, rate)| DepthSamples { n_depth, n_tokens: 1000, times: vec![time(rate)] };
    depths.iter().zip(rates).map(point).collect()
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-6 * expected.abs(), "{got} instead of {expected}");
}

const DEPTHS: [u32; 4] = [0, 1024, 2048, 4096];
const STRAIGHT: [&[f64]; 4] =
    [&[10.0, 10.2, 9.9], &[11.1, 10.9, 11.0], &[12.2, 11.9, 12.0], &[14.1, 13.9, 14.2]];
const BENT: [&[f64]; 4] = [&[10.0, 10.2, 9.9], &[12.1, 11.9, 12.0], &[13.2, 12.9, 13.0], &[14.1, 13.9, 14.2]];

const REFERENCE_DEPTHS: [u32; 5] = [0, 4096, 8192, 16384, 32768];
const REFERENCE_GENERATION: [f64; 5] = [90.06, 81.15, 76.21, 69.39, 60.30];

#[test]
fn coefficients_agree_with_statsmodels() {
    // OLS(y, add_constant(x)).fit(): params, conf_int()
    let model = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap();
    close(model.intercept().ns, 1_001_333.333_333);
    close(model.intercept().lower_ns, 988_602.172);
    close(model.intercept().upper_ns, 1_014_064.49);
    close(model.slope().ns, 98.772_321_428);
    close(model.slope().lower_ns, 93.346_213_8);
    close(model.slope().upper_ns, 104.198_429);
}

#[test]
fn a_prediction_agrees_with_statsmodels_and_is_marked() {
    // get_prediction([[1, 3000]]).summary_frame(): mean, obs_ci_lower, obs_ci_upper, as rates
    let model = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap();
    let predicted = model.predict(3000).unwrap();
    close(predicted.rate.get(), 770.623_643_237);
    let interval = predicted.interval.unwrap();
    close(interval.lower().unwrap().get(), 753.013_853);
    close(interval.upper().get(), 789.076_792);
    assert_eq!(interval.method(), IntervalMethod::Regression);
    assert!(!predicted.is_extrapolated && model.predict(4097).unwrap().is_extrapolated);
    let deeper = DepthModel::fit(&points(10, &[512, 1024, 2048, 4096], &STRAIGHT)).unwrap();
    assert!(deeper.predict(511).unwrap().is_extrapolated, "shallower is outside too");
}

#[test]
fn a_straight_line_is_not_called_wrong() {
    // F 0.08095238, p 0.92298333; the mean of the first depth lies 0.2246 % off
    let linearity = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap().linearity().unwrap();
    assert_eq!(linearity.test, LinearityTest::LackOfFit);
    close(linearity.p_value.get(), 0.922_983_328_4);
    close(linearity.largest_deviation.get(), 0.002_246_026_261);
    assert!(!linearity.is_wrong());
}

#[test]
fn a_bent_line_is_wrong_and_widens_every_interval() {
    let model = DepthModel::fit(&points(10, &DEPTHS, &BENT)).unwrap();
    // F 68.795238, p 9.116499e-06
    let linearity = model.linearity().unwrap();
    close(linearity.p_value.get(), 9.116_498_858e-6);
    assert!(linearity.is_wrong());
    // numpy: slope ± t.ppf(0.975, 2) * sqrt(mean square of the lack of fit / spread of the depths)
    close(model.slope().lower_ns, -3.005_997_763);
    close(model.slope().upper_ns, 189.389_926_33);
    let predicted = model.predict(3000).unwrap();
    close(predicted.rate.get(), 745.762_632_6);
    close(predicted.interval.unwrap().lower().unwrap().get(), 591.595_237_1);
    close(predicted.interval.unwrap().upper().get(), 1008.599_786_9);
}

#[test]
fn a_sure_but_small_bend_is_good_enough() {
    let ms: [&[f64]; 4] = [&[10.0, 10.001], &[11.02, 11.021], &[12.02, 12.021], &[14.0, 14.001]];
    let linearity = DepthModel::fit(&points(10, &DEPTHS, &ms)).unwrap().linearity().unwrap();
    assert!(linearity.p_value.get() < 1e-6 && !linearity.is_wrong());
}

#[test]
fn without_repetitions_a_quadratic_term_tells() {
    // OLS with a column x²: p 0.08127335 for the generation of the reference run
    let model = DepthModel::fit(&at_rates(&REFERENCE_DEPTHS, &REFERENCE_GENERATION)).unwrap();
    let linearity = model.linearity().unwrap();
    assert_eq!(linearity.test, LinearityTest::QuadraticTerm);
    assert!((linearity.p_value.get() - 0.081_273_35).abs() < 1e-6, "{}", linearity.p_value.get());
    close(linearity.largest_deviation.get(), 0.037_788_828);
    assert!(!linearity.is_wrong());
    close(model.intercept().ns, 11_539_783.5);
    // numpy: y = 100 + x + x²/4 at 0, 1, 2, 3, 4, 5 with errors of up to 0.02
    let depths = [0, 1, 2, 3, 4, 5];
    let ms: [&[f64]; 6] = [&[100.01], &[101.24], &[103.0], &[105.26], &[108.0], &[111.24]];
    assert!(DepthModel::fit(&points(1, &depths, &ms)).unwrap().linearity().unwrap().is_wrong());
}

#[test]
fn three_points_once_each_cannot_tell() {
    let model = DepthModel::fit(&at_rates(&[0, 4096, 8192], &[100.0, 60.0, 50.0])).unwrap();
    assert_eq!(model.linearity(), None);
    assert!(model.predict(2048).is_some());
}

#[test]
fn a_perfect_line_is_exact() {
    let model = DepthModel::fit(&points(1, &[0, 10, 20, 30], &[&[1.0], &[2.0], &[3.0], &[4.0]])).unwrap();
    let predicted = model.predict(15).unwrap();
    close(predicted.rate.get(), 400.0);
    assert!(!model.linearity().unwrap().is_wrong());
    let repeated = points(1, &[0, 10, 20], &[&[1.0, 1.0], &[2.0, 2.0], &[3.0, 3.0]]);
    assert_eq!(DepthModel::fit(&repeated).unwrap().linearity().unwrap().p_value.get(), 1.0);
}

#[test]
fn what_no_line_goes_through_has_no_model() {
    assert_eq!(DepthModel::fit(&[]), None);
    assert_eq!(DepthModel::fit(&points(1, &[0, 9], &[&[1.0], &[2.0]])), None);
    assert_eq!(DepthModel::fit(&points(1, &[5], &[&[1.0, 2.0, 3.0]])), None);
    let with_empty = points(1, &[0, 5, 9], &[&[1.0, 1.1], &[], &[2.0, 2.1]]);
    assert_eq!(DepthModel::fit(&with_empty).unwrap().linearity(), None);
    // A line that falls below zero has no speed there.
    let falling = DepthModel::fit(&points(1, &[0, 10, 20], &[&[3.0], &[2.0], &[1.0]])).unwrap();
    assert_eq!(falling.predict(40), None);
}

proptest! {
    #[test]
    fn any_points_are_taken(
        times in prop::collection::vec(
            (any::<u32>(), prop::collection::vec(0u64..1_000_000_000_000_000, 0..5)), 0..8),
        n_depth in any::<u32>(),
    ) {
        let points: Vec<DepthSamples> = times
            .into_iter()
            .map(|(n_depth, ns)| DepthSamples {
                n_depth,
                n_tokens: 32,
                times: ns.into_iter().map(Duration::from_nanos).collect(),
            })
            .collect();
        if let Some(model) = DepthModel::fit(&points) {
            prop_assert!(model.slope().ns.is_finite());
            let _ = model.predict(n_depth);
        }
    }
}
