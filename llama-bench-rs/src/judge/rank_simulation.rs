//! How often rankings are wrong, over hundreds of simulated campaigns. `LLAMA_BENCH_SIMULATIONS=full cargo test --lib
//! judge::rank_simulation -- --nocapture` prints the figures.

use super::{
    simulation::{MACHINE, Machine, Slow},
    *,
};
use crate::stats::{
    Rng,
    simulated::{chance, trials},
};

/// Campaigns of `n_sides` configurations with `n_runs` runs each, the last one slower by this much: the shares of those in
/// which any difference is called sure, and in which the last one's is in every test, to the right side.
fn shares(machines: &[Machine], n_runs: usize, slowdown: f64, n_campaigns: usize) -> (f64, f64) {
    let mut rng = Rng::new(7);
    let (mut alarms, mut found) = (0, 0);
    for _ in 0..n_campaigns {
        let last = machines.len() - 1;
        let runs: Vec<Vec<Run>> = machines
            .iter()
            .enumerate()
            .map(|(side, machine)| {
                let slow = if side == last { Slow::All } else { Slow::Nothing };
                (0..n_runs).map(|_| machine.run(0.0, 1, slow, slowdown, &mut rng)).collect()
            })
            .collect();
        let sides: Vec<Vec<&Run>> = runs.iter().map(|runs| runs.iter().collect()).collect();
        let ranked = rank(&sides, 0, Rule::default()).unwrap();
        let is_sure = |lead: &Option<Lead>| lead.is_some_and(|lead| lead.is_sure());
        let places = || ranked.tests.iter().flat_map(|test| &test.places);
        alarms +=
            usize::from(places().any(|place| is_sure(&place.behind) || is_sure(&place.against_reference)));
        found += usize::from(places().filter(|place| place.side == last).all(|place| is_sure(&place.behind)));
    }
    (alarms as f64 / n_campaigns as f64, found as f64 / n_campaigns as f64)
}

/// The share of false alarms that is aimed at.
const AIM: f64 = 0.05;

#[test]
fn equal_configurations_are_seldom_told_apart() {
    for (n_sides, n_runs, n_campaigns) in
        [(2, 1, 300), (3, 1, 300), (3, 2, 300), (3, 3, 300), (12, 1, 100), (12, 3, 100)]
    {
        for (common, own) in [(0.002, 0.001), (0.005, 0.005), (0.02, 0.005)] {
            let machines = vec![Machine { common, own, ..MACHINE }; n_sides];
            let n_campaigns = trials(n_campaigns);
            let (alarms, _) = shares(&machines, n_runs, 0.0, n_campaigns);
            println!("{n_sides} configurations, {n_runs} runs {common} and {own} apart: {alarms:.3}");
            assert!(
                alarms <= AIM + chance(AIM, n_campaigns),
                "{n_sides} configurations, {n_runs} runs {common} apart: {alarms}"
            );
        }
    }
}

#[test]
fn runs_that_lie_further_apart_than_assumed_are_believed_when_there_are_several() {
    for n_runs in [3, 5] {
        let machines = [Machine { common: 0.06, own: 0.02, ..MACHINE }; 3];
        let (alarms, _) = shares(&machines, n_runs, 0.0, trials(300));
        println!("{n_runs} runs of three configurations, 6 % apart: {alarms:.3}");
        assert!(alarms <= AIM + chance(AIM, trials(300)), "{n_runs} runs: {alarms}");
    }
}

#[test]
fn one_configuration_that_varies_more_is_seldom_told_from_its_equals() {
    let quiet = Machine { common: 0.005, own: 0.002, ..MACHINE };
    let machines = [quiet, quiet, quiet, Machine { common: 0.03, ..quiet }];
    let (alarms, _) = shares(&machines, 3, 0.0, trials(300));
    println!("three quiet configurations and one that varies six times as much: {alarms:.3}");
    assert!(alarms <= AIM + 2.0 * chance(AIM, trials(300)), "{alarms}");
}

#[test]
fn a_large_difference_is_told_from_one_run_each_and_a_small_one_from_three() {
    for (n_sides, n_runs, slowdown, common, least) in [
        (3, 1, 0.33, 0.005, 0.99),
        (12, 1, 0.45, 0.02, 0.9),
        (3, 3, 0.05, 0.005, 0.95),
        (12, 3, 0.05, 0.005, 0.95),
    ] {
        let machines = vec![Machine { common, own: 0.002, ..MACHINE }; n_sides];
        let n_campaigns = trials(60);
        let (_, found) = shares(&machines, n_runs, slowdown, n_campaigns);
        println!(
            "{n_sides} configurations, {n_runs} runs {common} apart, one slow by {slowdown}: {found:.3}"
        );
        let least: f64 = least - chance(least, n_campaigns);
        assert!(found >= least, "{n_sides} configurations, {n_runs} runs, {slowdown}: {found}");
    }
}

#[test]
fn a_ranking_names_the_fastest_first_and_stands_each_against_the_reference() {
    let mut rng = Rng::new(3);
    let machine = Machine { common: 0.0, own: 0.0, ..MACHINE };
    let runs: Vec<Run> =
        [0.5, 0.0, 1.0].map(|slowdown| machine.run(0.0, 1, Slow::All, slowdown, &mut rng)).to_vec();
    let sides: Vec<Vec<&Run>> = runs.iter().map(|run| vec![run]).collect();
    let ranked = rank(&sides, 0, Rule::default()).unwrap();
    assert_eq!((ranked.tests.len(), ranked.scope), (8, Scope::Assumed));
    for test in &ranked.tests {
        assert_eq!(
            test.places.iter().map(|place| place.side).collect::<Vec<_>>(),
            [1, 0, 2],
            "{}",
            test.test
        );
        let [first, second, third] = &test.places[..] else { panic!("three places") };
        let (ahead, behind) = (first.against_reference.unwrap(), third.against_reference.unwrap());
        assert_eq!((ahead.finding.verdict, behind.finding.verdict), (Verdict::Improved, Verdict::Regressed));
        assert!((ahead.speedup.get() - 1.5).abs() < 1e-3 && first.behind.is_none());
        assert!(second.against_reference.is_none() && second.behind == Some(ahead));
        assert!(ahead.bounds.lower().get() > 1.2 && ahead.bounds.upper().get() < 1.9, "{ahead:?}");
    }
}

#[test]
fn a_side_without_a_figure_has_no_place_and_one_alone_no_ranking() {
    let mut rng = Rng::new(3);
    let whole = MACHINE.run(0.0, 1, Slow::Nothing, 0.0, &mut rng);
    let mut part = whole.clone();
    part.cells.truncate(1);
    let ranked = rank(&[vec![&whole], vec![&part]], 0, Rule::default()).unwrap();
    assert_eq!(ranked.tests.len(), 1);
    part.cells.clear();
    assert!(rank(&[vec![&whole], vec![&part]], 0, Rule::default()).unwrap().tests.is_empty());
    assert_eq!(rank(&[vec![&whole]], 0, Rule::default()), Err(CompareError::NoRuns));
}

#[test]
fn sittings_lie_further_apart_than_the_runs_of_one() {
    let mut rng = Rng::new(3);
    let machine = Machine { common: 0.001, own: 0.0, ..MACHINE };
    let mut runs = |date: u32, slowdown: f64| -> Vec<Run> {
        (0..3).map(|_| machine.run(0.0, date, Slow::All, slowdown, &mut rng)).collect()
    };
    let (today, slow_today, slow_then) = (runs(9, 0.0), runs(9, 0.06), runs(1, 0.06));
    let lead = |other: &[Run]| {
        let sides = [today.iter().collect(), other.iter().collect()];
        rank(&sides, 0, Rule::default()).unwrap().tests[0].places[1].behind.unwrap()
    };
    assert!(lead(&slow_today).is_sure() && !lead(&slow_then).is_sure());
}
