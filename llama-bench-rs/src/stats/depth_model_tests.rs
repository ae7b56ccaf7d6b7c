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
    // WLS(y, add_constant(x), weights=mean_of_depth**-2).fit(): params, conf_int()
    let model = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap();
    close(model.intercept().ns, 1_001_639.548_185);
    close(model.intercept().lower_ns, 990_001.034_089);
    close(model.intercept().upper_ns, 1_013_278.062_281);
    close(model.slope().ns, 98.588_643_012);
    close(model.slope().lower_ns, 92.812_055_362);
    close(model.slope().upper_ns, 104.365_230_662);
}

#[test]
fn a_prediction_agrees_with_statsmodels_and_is_marked() {
    // the same: f = params @ [1, 3000] ± t.ppf(0.975, 10) * sqrt(x @ cov_params @ x + scale * f**2), as rates
    let model = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap();
    let predicted = model.predict(3000).unwrap();
    close(predicted.rate.get(), 770.769_059_910);
    let interval = predicted.interval.unwrap();
    close(interval.lower().unwrap().get(), 751.026_195_691);
    close(interval.upper().get(), 791.577_942_376);
    assert_eq!(interval.method(), IntervalMethod::Regression);
    assert!(!predicted.is_extrapolated && model.predict(4097).unwrap().is_extrapolated);
    let deeper = DepthModel::fit(&points(10, &[512, 1024, 2048, 4096], &STRAIGHT)).unwrap();
    assert!(deeper.predict(511).unwrap().is_extrapolated, "shallower is outside too");
}

#[test]
fn a_straight_line_is_not_called_wrong() {
    // F 0.09282616, p 0.91231911; the mean of one depth lies 0.2353 % off
    let linearity = DepthModel::fit(&points(10, &DEPTHS, &STRAIGHT)).unwrap().linearity().unwrap();
    assert_eq!(linearity.test, LinearityTest::LackOfFit);
    close(linearity.p_value.get(), 0.912_319_106_9);
    close(linearity.largest_deviation.get(), 0.002_352_922_181);
    assert!(!linearity.is_wrong());
}

#[test]
fn a_bent_line_is_wrong_and_widens_every_interval() {
    let model = DepthModel::fit(&points(10, &DEPTHS, &BENT)).unwrap();
    // F 69.992801, p 8.540476e-06
    let linearity = model.linearity().unwrap();
    close(linearity.p_value.get(), 8.540_476_429e-6);
    assert!(linearity.is_wrong());
    // numpy: slope ± t.ppf(0.975, 2) * sqrt(mean square of the lack of fit / spread of the depths)
    close(model.slope().lower_ns, -0.517_062_634);
    close(model.slope().upper_ns, 200.263_393_383);
    let predicted = model.predict(3000).unwrap();
    close(predicted.rate.get(), 743.122_064_535);
    close(predicted.interval.unwrap().lower().unwrap().get(), 573.556_451_244);
    close(predicted.interval.unwrap().upper().get(), 1_055.030_001_015);
}

#[test]
fn a_sure_but_small_bend_is_good_enough() {
    let ms: [&[f64]; 4] = [&[10.0, 10.001], &[11.02, 11.021], &[12.02, 12.021], &[14.0, 14.001]];
    let linearity = DepthModel::fit(&points(10, &DEPTHS, &ms)).unwrap().linearity().unwrap();
    assert!(linearity.p_value.get() < 1e-4 && !linearity.is_wrong());
}

#[test]
fn without_repetitions_a_quadratic_term_tells() {
    // WLS with a column x²: p 0.08062672 for the generation of the reference run
    let model = DepthModel::fit(&at_rates(&REFERENCE_DEPTHS, &REFERENCE_GENERATION)).unwrap();
    let linearity = model.linearity().unwrap();
    assert_eq!(linearity.test, LinearityTest::QuadraticTerm);
    assert!((linearity.p_value.get() - 0.080_626_716).abs() < 1e-6, "{}", linearity.p_value.get());
    close(linearity.largest_deviation.get(), 0.031_287_736);
    assert!(!linearity.is_wrong());
    close(model.intercept().ns, 11_462_339.3);
    // 10 + x + x²/4 with errors of up to 0.02
    let depths = [0, 1, 2, 3, 4, 5];
    let ms: [&[f64]; 6] = [&[10.01], &[11.24], &[13.0], &[15.26], &[18.0], &[21.24]];
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
