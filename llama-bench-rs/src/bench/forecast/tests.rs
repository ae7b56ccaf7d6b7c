mod world;

use std::time::Duration;

use super::*;
use crate::{
    bench::Request,
    record::{Config, TestKind},
    stats::StoppingRule,
};
use world::{World, asked, grid};

#[test]
fn from_a_third_of_the_way_on_the_time_left_is_right_within_a_quarter() {
    for seed in 0..6 {
        for n_runs in [1, 3] {
            let world = World::new(grid(), &asked(), n_runs, seed).one_after_the_other();
            world.assert_within_a_quarter(0.01, &format!("one after the other, {n_runs} runs, seed {seed}"));
        }
        for n_together in [6, 24] {
            let world = World::new(grid(), &asked(), 1, seed).interleaved(n_together);
            world.assert_within_a_quarter(0.01, &format!("{n_together} in turn, seed {seed}"));
        }
    }
}

#[test]
fn the_order_of_the_axes_does_not_matter() {
    // The threads outermost: what four threads take is foretold from one and two.
    let mut configs = grid();
    configs.sort_by_key(|config| config.n_threads);
    for seed in 0..4 {
        let world = World::new(configs.clone(), &asked(), 1, seed).one_after_the_other();
        world.assert_within_a_quarter(0.01, &format!("threads outermost, seed {seed}"));
    }
    configs.reverse();
    World::new(configs, &asked(), 1, 1)
        .one_after_the_other()
        .assert_within_a_quarter(0.01, "the fastest first");
}

#[test]
fn numbers_of_sequences_are_counted_apart() {
    let request = Request { parallel: vec![1, 4, 16], ..asked() };
    for seed in 0..4 {
        let world = World::new(grid(), &request, 1, seed).one_after_the_other();
        world.assert_within_a_quarter(0.01, &format!("three levels, seed {seed}"));
        let world = World::new(grid(), &request, 1, seed).interleaved(6);
        world.assert_within_a_quarter(0.01, &format!("three levels in turn, seed {seed}"));
    }
    // One configuration: what was measured at the first depth foretells the others.
    let depths = vec![0, 512, 1024, 2048, 3072, 4096];
    let world = World::new(grid()[..1].to_vec(), &Request { depths, ..request }, 1, 1).one_after_the_other();
    world.assert_within_a_quarter(0.01, "three levels of one configuration");
}

#[test]
fn a_context_for_more_sequences_is_filled_once_more() {
    let request = Request { parallel: vec![1, 2], depths: vec![0, 2048], ..asked() };
    let mut world = World::new(grid()[..1].to_vec(), &request, 1, 1);
    world.turn(0, 0);
    world.begin(0);
    world.fill(0, 0, 2048);
    for place in 0..8 {
        (0..5).for_each(|rep| world.repetition(0, place, rep));
        // The generations of two sequences at the deeper depth are left.
        if place < 7 {
            world.cell(0, place, 5);
        }
    }
    let left = |world: &mut World| {
        world.forecast.left(Duration::from_secs_f64(world.now)).unwrap().expected.as_secs_f64()
    };
    let before = left(&mut world);
    let config = world.configurations[0].clone();
    assert_eq!(config.plan.cells[7].n_parallel, 2, "{:?}", config.plan.cells);
    world.hear(&Event::Opening { n_ctx: 8192 });
    let fill = left(&mut world) - before;
    let expected = world.seconds(0, &Test::from(TestKind::Pp(2048)));
    assert!((0.8 * expected..1.5 * expected).contains(&fill), "{fill} s, {expected} s for the fill");
}

#[test]
fn a_stopping_rule_gives_an_estimate_and_a_bound() {
    let rule = StoppingRule { max: 100, ..StoppingRule::new() };
    let request = Request { stopping: Some(rule), ..asked() };
    for seed in 0..4 {
        let mut world = World::new(grid(), &request, 1, seed);
        world.needed = Some((9, 8.0));
        let world = world.one_after_the_other();
        world.assert_within_a_quarter(0.03, &format!("a stopping rule, seed {seed}"));
        for (now, told) in world.told.iter().filter_map(|(now, told)| Some((now, told.as_ref()?))) {
            let at_most = told.at_most.expect("a rule has a most").as_secs_f64();
            assert!(at_most >= told.expected.as_secs_f64() && at_most >= 0.9 * (world.now - now), "{now} s");
        }
    }
}

#[test]
fn neighbours_that_keep_disturbing_are_taken_into_account() {
    for seed in 0..4 {
        let mut world = World::new(grid(), &asked(), 1, seed);
        world.disturbed = 0.3;
        world.one_after_the_other().assert_within_a_quarter(0.01, &format!("a third disturbed, seed {seed}"));
    }
}

#[test]
fn an_estimate_comes_with_the_first_repetition_of_each_kind_and_ends_at_nothing() {
    let world = World::new(grid()[..1].to_vec(), &asked(), 1, 1).one_after_the_other();
    let first = world.told.iter().find(|(_, told)| told.is_some()).unwrap().0;
    assert!(first < 0.35 * world.now, "after {first} of {} s", world.now);
    assert_eq!(world.told.last().unwrap().1.unwrap().expected, Duration::ZERO);
}

#[test]
fn what_failed_and_what_was_measured_before_takes_no_time() {
    let mut world = World::new(grid()[..4].to_vec(), &asked(), 1, 1);
    // The first was measured before, the second cannot be loaded.
    for (index, n_reps) in [(0, 5), (1, 0)] {
        world.turn(index, 0);
        (0..6).for_each(|place| world.cell(index, place, n_reps));
    }
    world.turn(2, 0);
    world.begin(2);
    (0..2).for_each(|place| world.repetition(2, place, 0));
    world.turn(2, 0);
    let one: f64 = world.configurations[2].plan.cells.iter().map(|test| 5.0 * world.seconds(2, test)).sum();
    let left = world.forecast.left(Duration::from_secs_f64(world.now)).unwrap().expected.as_secs_f64();
    // Two configurations, one of them at its beginning; setting up and filling come on top.
    assert!(left > 1.2 * one && left < 3.5 * one, "{left} s, {one} s for a configuration's repetitions");
}

#[test]
fn time_goes_by_within_a_repetition_but_no_further_than_its_end() {
    let mut world = World::new(grid()[..1].to_vec(), &asked(), 1, 1);
    world.turn(0, 0);
    world.begin(0);
    for rep in 0..2 {
        (0..2).for_each(|place| world.repetition(0, place, rep));
    }
    let test = world.configurations[0].plan.cells[0];
    world.hear(&Event::Measuring { test: &test, rep: 2, n_reps: 5, last: None });
    let mut left = |seconds: f64| {
        world.forecast.left(Duration::from_secs_f64(world.now + seconds)).unwrap().expected.as_secs_f64()
    };
    let (now, soon, late, very_late) = (left(0.0), left(0.1), left(60.0), left(600.0));
    assert!((now - soon - 0.1).abs() < 1e-6 && late < now && late == very_late, "{now} {soon} {late}");
}

#[test]
fn waiting_for_another_sweep_is_not_part_of_any_work() {
    let left = |wait: f64| {
        let mut world = World::new(grid()[..2].to_vec(), &asked(), 1, 1);
        world.turn(0, 0);
        world.hear(&Event::Waiting);
        world.now += wait;
        world.begin(0);
        (0..2).for_each(|place| world.repetition(0, place, 0));
        world.turn(0, 0);
        world.forecast.left(Duration::from_secs_f64(world.now)).unwrap().expected.as_secs_f64()
    };
    assert!((left(0.0) - left(1000.0)).abs() < 1.0, "{} {}", left(0.0), left(1000.0));
}

#[test]
fn larger_models_are_expected_to_take_longer() {
    let mut world = World::new(grid()[..2].to_vec(), &asked(), 1, 1);
    for (configuration, size) in world.configurations.iter_mut().zip([1, 3]) {
        configuration.header.config = Config::default();
        configuration.header.model.size_bytes = Some(size * 1_000_000_000);
        configuration.header.model.filename = format!("{size}.gguf");
    }
    world.factors = vec![[1.0; 2], [3.0; 2]];
    let all = world.configurations.clone();
    world.hear(&Event::Campaign(&all));
    world.told.clear();
    world.one_after_the_other().assert_within_a_quarter(0.01, "two models");
}

#[test]
fn a_sweep_on_its_own_has_an_estimate_too() {
    let mut forecast = Forecast::new();
    assert!(forecast.left(Duration::ZERO).is_none() && forecast.position().is_none());
    let plan = Request { depths: vec![0], generations: vec![], n_reps: 4, ..asked() }.plan().unwrap();
    forecast.hear(&Event::planned(&plan), Duration::ZERO);
    let at = Duration::from_secs;
    forecast.hear(&Event::Measuring { test: &plan.cells[0], rep: 0, n_reps: 4, last: None }, at(1));
    forecast.hear(&Event::Measuring { test: &plan.cells[0], rep: 1, n_reps: 4, last: None }, at(11));
    assert_eq!(forecast.left(at(11)).map(|left| left.expected.as_millis()), Some(30_000));
    assert_eq!(forecast.left(at(13)).map(|left| left.expected.as_millis()), Some(28_000));
    let extent = forecast.extent().unwrap();
    assert_eq!((extent.n_configurations, extent.n_cells, extent.n_repetitions), (1, 1, 4));
    assert_eq!(forecast.position().unwrap(), Position { index: 0, n: 1, name: "", run: (0, 1) });
}
