use super::*;
use crate::{
    stats::{Verdict, rng::Rng, simulation::share_of_cells},
    units::Share,
};

const MS: f64 = 1e6;

fn duration(ns: f64) -> Duration {
    Duration::from_nanos(ns.round() as u64)
}

fn threshold() -> Threshold {
    Threshold { noise: Share::new(0.025).unwrap(), ..Threshold::default() }
}

/// A run whose repetitions all take this long at this pace.
fn steady(ms: f64, pace_us: f64) -> PacedRun {
    PacedRun::new([(duration(ms * MS), duration(pace_us * 1e3)); 8]).unwrap()
}

#[test]
fn the_middle_half_is_what_counts() {
    // scipy.stats.trim_mean(x, 0.25); winsorised variance by hand: 2,2,2,3,4,5,5,5 has 14 / 7.
    let (figure, variance) = middle(&[-90.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 80.0]).unwrap();
    assert!((figure - 3.5).abs() < 1e-12);
    assert!((variance - 14.0 / 7.0 / (0.25 * 8.0)).abs() < 1e-12);
    assert_eq!(middle(&[]), None);
    assert_eq!(middle(&[7.0]), Some((7.0, 0.0)));
    assert_eq!(middle(&[1.0, 3.0]).unwrap().0, 2.0);
}

#[test]
fn a_run_at_another_speed_of_the_machine_is_no_change() {
    let before: Vec<_> =
        (0..8).map(|i| steady(10.0 * (1.0 + 0.02 * i as f64), 60.0 * (1.0 + 0.02 * i as f64))).collect();
    let compare = |run| Comparison::of_paced_runs(&before, &[run], threshold()).unwrap();
    assert_eq!(compare(steady(11.8, 70.8)).verdict, Verdict::NoChange);
    assert_eq!(compare(steady(9.8, 58.8)).verdict, Verdict::NoChange);
    let slower = compare(steady(11.8 * 1.06, 70.8));
    assert_eq!(slower.verdict, Verdict::Regressed);
    assert!((slower.speedup.get() - 1.0 / 1.06).abs() < 1e-3, "{slower:?}");
    assert_eq!(compare(steady(11.8 * 0.94, 70.8)).verdict, Verdict::Improved);
}

#[test]
fn a_machine_far_from_its_usual_speed_cannot_tell() {
    let before: Vec<_> = (0..8).map(|_| steady(10.0, 60.0)).collect();
    let compare = |run| Comparison::of_paced_runs(&before, &[run], threshold()).unwrap();
    // Control work takes 1.5 times as long, and the work itself 1.25 times: a tenth too fast by the pace, or slow?
    let disturbed = compare(steady(12.5, 90.0));
    assert_eq!(disturbed.verdict, Verdict::CannotTell, "{disturbed:?}");
    // At its usual speed as much would be a change, and so it is beside a disturbed run of the baseline.
    assert_eq!(compare(steady(10.0 / 1.2, 60.0)).verdict, Verdict::Improved);
    let mut mixed = before.clone();
    mixed[3] = steady(12.5, 90.0);
    let slower = Comparison::of_paced_runs(&mixed, &[steady(10.5, 60.0)], threshold()).unwrap();
    assert_eq!(slower.verdict, Verdict::Regressed, "{slower:?}");
    assert!((slower.speedup.get() - 1.0 / 1.05).abs() < 1e-3, "{slower:?}");
}

#[test]
fn doubt_grows_with_the_square_of_the_distance() {
    let doubt = |us: f64| steady(1.0, us).doubt(60e3_f64.ln()).sqrt();
    // 60 µs times exp(0), exp(0.1), exp(-0.1) and exp(0.3)
    for (us, expected) in [(60.0, 0.0), (66.310_255, 0.01), (54.290_245, 0.01), (80.991_528, 0.09)] {
        assert!((doubt(us) - expected).abs() < 1e-5, "{us}: {}", doubt(us));
    }
}

#[test]
fn the_pace_of_a_run_can_be_told() {
    let run = PacedRun::new([(duration(MS), duration(40e3)), (duration(MS), duration(90e3))]).unwrap();
    assert_eq!(run.pace(), Duration::from_micros(60));
}

#[test]
fn what_has_no_time_is_refused() {
    assert_eq!(PacedRun::new([]), None);
    assert_eq!(PacedRun::new([(Duration::ZERO, duration(MS))]), None);
    assert_eq!(PacedRun::new([(duration(MS), Duration::ZERO)]), None);
    let one = [steady(1.0, 1.0)];
    assert_eq!(Comparison::of_paced_runs(&[], &one, threshold()), Err(CompareError::NoRuns));
    assert_eq!(Comparison::of_paced_runs(&one, &[], threshold()), Err(CompareError::NoRuns));
}

#[test]
fn a_run_that_scatters_cannot_tell() {
    let before: Vec<_> = (0..8).map(|_| steady(10.0, 60.0)).collect();
    let times = [9.0, 15.0, 10.0, 13.0, 10.5, 8.0, 14.0, 11.0];
    let busy = PacedRun::new(times.map(|ms| (duration(ms * MS), duration(60e3)))).unwrap();
    let comparison = Comparison::of_paced_runs(&before, &[busy], threshold()).unwrap();
    assert_eq!(comparison.verdict, Verdict::CannotTell, "{comparison:?}");
}

/// A run on a machine that changes its speed: by 15 % from run to run and by 20 % within it, for the work and the control
/// work alike. What is left differs by `between` from run to run and by 3 % within.
fn run(between: f64, slowdown: f64, rng: &mut Rng) -> PacedRun {
    let machine = 1.0 + 0.15 * rng.uniform();
    let own = (1.0 + slowdown) * (1.0 + between * rng.normal());
    let repetition = |rng: &mut Rng| {
        let now = machine * if rng.uniform() < 0.3 { 1.2 } else { 1.0 };
        let time = 4.0 * MS * own * now * (1.0 + 0.03 * (rng.gamma(4) - 4.0) / 2.0);
        (duration(time), duration(60e3 * now * (1.0 + 0.01 * rng.normal())))
    };
    let repetitions: Vec<_> = (0..60).map(|_| repetition(rng)).collect();
    PacedRun::new(repetitions).unwrap()
}

/// The share of cells that get the verdict.
fn share(n_runs: usize, between: f64, slowdown: f64, is_so: fn(Verdict) -> bool) -> f64 {
    let mut rng = Rng::new(23);
    share_of_cells(400, is_so, || {
        let before: Vec<_> = (0..n_runs).map(|_| run(between, 0.0, &mut rng)).collect();
        Comparison::of_paced_runs(&before, &[run(between, slowdown, &mut rng)], threshold()).unwrap()
    })
}

#[test]
fn equal_runs_seldom_differ_on_a_machine_that_changes_its_speed() {
    let changed = |verdict| matches!(verdict, Verdict::Improved | Verdict::Regressed);
    for n_runs in [1, 2, 3, 5, 10] {
        for between in [0.0, 0.005, 0.01, 0.02] {
            let alarms = share(n_runs, between, 0.0, changed);
            assert!(alarms <= 0.05, "{n_runs} runs that lie {between} apart: {alarms}");
        }
    }
}

#[test]
fn a_slowdown_of_five_percent_is_found_on_a_machine_that_changes_its_speed() {
    let regressed = |verdict| verdict == Verdict::Regressed;
    let found = share(10, 0.002, 0.05, regressed);
    assert!(found >= 0.95, "{found}");
}
