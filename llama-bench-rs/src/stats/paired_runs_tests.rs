use super::*;
use crate::{
    stats::{Verdict, rng::Rng},
    units::Probability,
};

/// Two sides of equal work: in each load either side lies well or badly in memory, which makes up to 9 % of its time,
/// while its repetitions differ by half a percent.
fn loads(n: usize, slowdown: f64, rng: &mut Rng) -> [Vec<Samples<Duration>>; 2] {
    let mut side = |slowdown: f64| -> Vec<Samples<Duration>> {
        let mut load = || {
            let placed = 0.1 * slowdown * (1.0 + 0.09 * rng.uniform());
            let times = (0..4).map(|_| Duration::from_secs_f64(placed * (1.0 + 0.005 * rng.normal())));
            Samples::new(times).unwrap()
        };
        (0..n).map(|_| load()).collect()
    };
    [side(1.0), side(slowdown)]
}

/// How many of 400 comparisons of four cells each, at a level of 1 %, are as asked for.
fn found(n_loads: usize, slowdown: f64, is_found: fn(&[Comparison]) -> bool) -> usize {
    let mut rng = Rng::new(11);
    let threshold = Threshold { alpha: Probability::new(0.01).unwrap(), ..Threshold::default() };
    let mut one = || {
        let mut cells: Vec<Comparison> = (0..4)
            .map(|_| {
                let [a, b] = loads(n_loads, slowdown, &mut rng);
                Comparison::of_paired_runs(&a, &b, threshold).unwrap()
            })
            .collect();
        Comparison::correct(&mut cells);
        is_found(&cells)
    };
    (0..400).filter(|_| one()).count()
}

fn has_change(cells: &[Comparison]) -> bool {
    cells.iter().any(|cell| matches!(cell.verdict, Verdict::Improved | Verdict::Regressed))
}

#[test]
fn equal_sides_that_lie_differently_in_each_load_do_not_differ() {
    for n_loads in [2, 3, 5, 8] {
        let n_false = found(n_loads, 1.0, has_change);
        assert!(n_false <= 8, "{n_loads} loads: {n_false} of 400");
    }
    // The repetitions of one load, taken for samples of the whole, say otherwise.
    let mut rng = Rng::new(11);
    let one_load = |rng: &mut Rng| {
        let [a, b] = loads(1, 1.0, rng);
        Comparison::of_times(&a[0], &b[0], Design::Paired, Threshold::default()).unwrap().verdict
    };
    let n_false =
        (0..400).filter(|_| matches!(one_load(&mut rng), Verdict::Improved | Verdict::Regressed)).count();
    assert!(n_false > 100, "{n_false} of 400");
}

#[test]
fn a_slowdown_of_a_tenth_is_found_with_eight_loads() {
    let n_found = found(8, 1.1, |cells| cells[0].verdict == Verdict::Regressed);
    assert!(n_found >= 380, "{n_found} of 400");
}

#[test]
fn the_figures_that_are_shown_have_the_ratio_that_is_shown() {
    let mut rng = Rng::new(5);
    let [a, b] = loads(5, 1.05, &mut rng);
    let comparison = Comparison::of_paired_runs(&a, &b, Threshold::default()).unwrap();
    let [before, after] = [&a, &b].map(|side| time_of_runs(side).unwrap().as_secs_f64());
    assert!((comparison.speedup.get() - before / after).abs() < 1e-6, "{comparison:?}");
    assert_eq!(time_of_runs(&[]), None);
}

#[test]
fn more_repetitions_of_the_same_loads_say_no_more() {
    let many = |times: &Samples<Duration>| Samples::new(times.values().repeat(50)).unwrap();
    let mut rng = Rng::new(6);
    let [a, b] = loads(4, 1.0, &mut rng);
    let width = |a: &[Samples<Duration>], b: &[Samples<Duration>]| {
        let comparison = Comparison::of_paired_runs(a, b, Threshold::default()).unwrap();
        comparison.upper.get() - comparison.lower.get()
    };
    let repeated = [&a, &b].map(|side| side.iter().map(many).collect::<Vec<_>>());
    assert!((width(&a, &b) - width(&repeated[0], &repeated[1])).abs() < 1e-9);
}

#[test]
fn what_makes_no_pairs_is_refused_by_name() {
    let run = Samples::new([Duration::from_millis(5)]).unwrap();
    let compare = |a: usize, b: usize| {
        let side = |n: usize| vec![run.clone(); n];
        Comparison::of_paired_runs(&side(a), &side(b), Threshold::default())
    };
    assert_eq!(compare(0, 2), Err(CompareError::NoRuns));
    assert_eq!(compare(1, 1), Err(CompareError::OnePair));
    let unpaired = compare(3, 2).unwrap_err().to_string();
    assert!(unpaired.contains("3 and 2 runs"), "{unpaired}");
    let nothing = Samples::new([Duration::ZERO]).unwrap();
    let none = vec![nothing; 2];
    assert_eq!(Comparison::of_paired_runs(&none, &none, Threshold::default()), Err(CompareError::NoTime));
}
