use super::*;
use crate::{
    stats::{Verdict, rng::Rng, simulation::share_of_cells},
    units::{Share, Speedup},
};

const MS: f64 = 1e6;

fn set(times_ns: impl IntoIterator<Item = f64>) -> Samples<Duration> {
    Samples::new(times_ns.into_iter().map(|ns| Duration::from_nanos(ns.round() as u64))).unwrap()
}

/// A run whose repetitions all take this long.
fn steady(ms: f64) -> Samples<Duration> {
    set([ms * MS; 5])
}

/// Half of the 5 % that shall be found, as the assertions for tests use it.
fn threshold() -> Threshold {
    Threshold { noise: Share::new(0.025).unwrap(), ..Threshold::default() }
}

fn compare(before: &[Samples<Duration>], after: &[Samples<Duration>]) -> Comparison {
    Comparison::of_runs(before, after, threshold()).unwrap()
}

#[test]
fn agrees_with_the_formula_by_hand() {
    let before: Vec<_> = [100.0, 102.0, 101.0].map(steady).into();
    let comparison = compare(&before, &[steady(110.0)]);
    // numpy: m = log([100, 102, 101]); s2 = (0.01**2 + sum((m - m.mean())**2)) / 3
    // scipy: t.ppf(0.975, 3), 2 * t.sf(abs(d) / sqrt(s2 * (1/3 + 1)), 3)
    let logs = [100f64.ln(), 102f64.ln(), 101f64.ln()];
    let center = logs.iter().sum::<f64>() / 3.0;
    let squares: f64 = logs.iter().map(|x| (x - center).powi(2)).sum();
    let error = ((1e-4 + squares) / 3.0 * (1.0 / 3.0 + 1.0)).sqrt();
    let difference = center - 110f64.ln();
    let close = |got: Speedup, log: f64| assert!((got.get() - log.exp()).abs() < 1e-6, "{got} {}", log.exp());
    close(comparison.speedup, difference);
    close(comparison.lower, difference - 3.182_446 * error);
    close(comparison.upper, difference + 3.182_446 * error);
    assert!(comparison.p_value.get() < 0.01);
    assert_eq!(comparison.verdict, Verdict::Regressed);
}

#[test]
fn one_run_finds_large_changes_only_and_more_runs_smaller_ones() {
    let runs = |n: usize, ms: f64| -> Vec<_> {
        (0..n).map(|i| steady(ms * (1.0 + 0.002 * (i % 3) as f64))).collect()
    };
    assert_eq!(compare(&runs(1, 100.0), &runs(1, 115.0)).verdict, Verdict::CannotTell);
    assert_eq!(compare(&runs(1, 100.0), &runs(1, 130.0)).verdict, Verdict::Regressed);
    assert_eq!(compare(&runs(2, 100.0), &runs(1, 110.0)).verdict, Verdict::Regressed);
    assert_eq!(compare(&runs(8, 100.0), &runs(1, 105.0)).verdict, Verdict::Regressed);
    assert_eq!(compare(&runs(8, 100.0), &runs(1, 95.0)).verdict, Verdict::Improved);
    assert_eq!(compare(&runs(8, 100.0), &runs(1, 100.2)).verdict, Verdict::NoChange);
    let width = |n, m| {
        let c = compare(&runs(n, 100.0), &runs(m, 100.0));
        c.upper.get() - c.lower.get()
    };
    assert!(width(1, 1) > width(3, 1) && width(3, 1) > width(8, 1) && width(8, 1) > width(8, 3));
}

#[test]
fn a_run_on_a_busy_machine_cannot_tell() {
    let before: Vec<_> = (0..8).map(|_| steady(100.0)).collect();
    let busy = set([106.0, 160.0, 90.0, 130.0, 101.0].map(|ms| ms * MS));
    let comparison = compare(&before, &[busy]);
    assert_eq!(comparison.verdict, Verdict::CannotTell, "{comparison:?}");
    // One repetition that was interrupted is not a busy machine.
    let interrupted = set([106.0, 106.2, 105.8, 160.0, 106.1].map(|ms| ms * MS));
    assert_eq!(compare(&before, &[interrupted]).verdict, Verdict::Regressed);
}

#[test]
fn the_expected_fastest_is_that_of_all_draws() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    // Of ten pairs 4 have 1 as the smaller, 3 have 2, 2 have 4, 1 has 8.
    assert!((fastest_of(&values, 2) - (4.0 + 6.0 + 8.0 + 8.0) / 10.0).abs() < 1e-12);
    assert!((fastest_of(&values, 1) - 6.2).abs() < 1e-12, "the mean");
    assert!((fastest_of(&values, 5) - 1.0).abs() < 1e-12);
    assert_eq!(fastest_of(&[3.0], 1), 3.0);
    // The jackknife of a mean is its squared standard error: variance / n.
    assert!((jackknife(&values, 1) - 37.20000000000001 / 5.0).abs() < 1e-9);
    assert_eq!(jackknife(&[3.0], 1), 0.0);
}

#[test]
fn the_number_of_repetitions_does_not_matter() {
    let mut rng = Rng::new(17);
    let mut mean_of = |n: usize| {
        let draws = 4000;
        let one = |rng: &mut Rng| {
            let mut values: Vec<f64> = (0..n).map(|_| rng.gamma(4)).collect();
            values.sort_by(f64::total_cmp);
            fastest_of(&values, 10)
        };
        (0..draws).map(|_| one(&mut rng)).sum::<f64>() / draws as f64
    };
    let (few, many) = (mean_of(20), mean_of(100));
    assert!((few / many - 1.0).abs() < 0.02, "{few} {many}");
}

#[test]
fn a_disturbance_of_most_of_a_run_does_not_matter() {
    let before: Vec<_> = (0..5).map(|_| set([100.0 * MS; 30])).collect();
    let mut times = vec![150.0 * MS; 60];
    times.extend([100.0 * MS; 40]);
    assert_eq!(compare(&before, &[set(times)]).verdict, Verdict::NoChange);
}

#[test]
fn what_has_no_runs_or_no_time_is_refused() {
    let none = Comparison::of_runs(&[], &[steady(1.0)], threshold());
    assert_eq!(none, Err(CompareError::NoRuns));
    assert_eq!(Comparison::of_runs(&[steady(1.0)], &[], threshold()), Err(CompareError::NoRuns));
    let no_time = Comparison::of_runs(&[steady(1.0)], &[steady(0.0)], threshold());
    assert_eq!(no_time, Err(CompareError::NoTime));
    assert_eq!(RunEstimate::of(&[]), None);
    assert_eq!(RunEstimate::of(&[steady(0.0)]), None);
}

#[test]
fn an_interval_without_end_is_still_one() {
    let wild = set([1e3, 1e9, 1e15]);
    let estimate = RunEstimate::of(std::slice::from_ref(&wild)).unwrap();
    assert_eq!(estimate.shortest, Duration::from_nanos(1));
    assert!(estimate.longest > Duration::from_secs(1 << 33), "{estimate:?}");
    assert_eq!(compare(&[steady(1.0), steady(1.0)], &[wild]).verdict, Verdict::CannotTell);
}

#[test]
fn an_estimate_narrows_with_runs() {
    let one = RunEstimate::of(&[steady(100.0)]).unwrap();
    assert_eq!(one.time, Duration::from_millis(100));
    // 12.706 standard errors of 1 %
    assert!((one.longest.as_secs_f64() / 0.1 - 0.127_062f64.exp()).abs() < 1e-5, "{one:?}");
    let four: Vec<_> = [100.0, 100.4, 99.6, 100.0].map(steady).into();
    let four = RunEstimate::of(&four).unwrap();
    assert_eq!(four.n_runs, 4);
    assert!(four.longest < one.longest && four.shortest > one.shortest);
}

/// Runs whose centers scatter by `between` and whose repetitions scatter by `within`, as shares of 10 ms.
fn runs(n: usize, between: f64, within: f64, slowdown: f64, rng: &mut Rng) -> Vec<Samples<Duration>> {
    let one = |rng: &mut Rng| {
        let center = 10.0 * MS * (1.0 + slowdown) * (1.0 + between * rng.normal());
        // A tail towards long times, as times have.
        set((0..9).map(|_| center * (1.0 + within * (rng.gamma(4) - 4.0) / 2.0)).collect::<Vec<_>>())
    };
    (0..n).map(|_| one(rng)).collect()
}

/// The share of cells that get the verdict.
fn share(n_runs: usize, noise: (f64, f64), slowdown: f64, is_so: fn(Verdict) -> bool) -> f64 {
    let mut rng = Rng::new(11);
    share_of_cells(800, is_so, || {
        let before = runs(n_runs, noise.0, noise.1, 0.0, &mut rng);
        compare(&before, &runs(1, noise.0, noise.1, slowdown, &mut rng))
    })
}

#[test]
fn equal_runs_seldom_differ_however_far_runs_lie_apart() {
    let changed = |verdict| matches!(verdict, Verdict::Improved | Verdict::Regressed);
    for n_runs in [1, 2, 3, 5, 10] {
        for noise in [(0.003, 0.01), (0.01, 0.01), (0.03, 0.01), (0.08, 0.02), (0.0, 0.1)] {
            let alarms = share(n_runs, noise, 0.0, changed);
            // Two runs that agree by luck, on a machine whose runs lie 8 % apart, are a little too much.
            let most = if n_runs == 2 && noise.0 > 0.05 { 0.08 } else { 0.05 };
            assert!(alarms <= most, "{n_runs} runs, noise {noise:?}: {alarms}");
        }
    }
}

#[test]
fn a_slowdown_of_five_percent_is_found_where_runs_agree() {
    let regressed = |verdict| verdict == Verdict::Regressed;
    for (n_runs, noise) in [(5, (0.002, 0.005)), (8, (0.003, 0.01))] {
        let found = share(n_runs, noise, 0.05, regressed);
        assert!(found >= 0.95, "{n_runs} runs, noise {noise:?}: {found}");
    }
}
