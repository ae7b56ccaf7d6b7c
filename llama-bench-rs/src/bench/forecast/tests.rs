use std::time::Duration;

use super::*;
use crate::{
    bench::{Configuration, Request, plan::Unit, plan::tests::request},
    record::{
        Cell, Config, CurvePoint, Failure, FlashAttnSetting, Header, Measured, Outcome, Sample, Test,
        TestKind, configuration_names,
    },
    stats::{Rng, StoppingRule},
};

/// A made-up machine with its own clock, on which a campaign is acted out event by event.
struct World {
    forecast: Forecast,
    now: f64,
    rng: Rng,
    configurations: Vec<Configuration>,
    /// How much longer each configuration takes than the first, for prompts and for generations.
    factors: Vec<[f64; 2]>,
    /// The share of repetitions that are disturbed: they take half as long again, and are repeated.
    disturbed: f64,
    /// Repetitions that a stopping rule asks for: at least, and on average beyond.
    needed: Option<(u32, f64)>,
    /// Time and what was foretold then.
    told: Vec<(f64, Option<TimeLeft>)>,
}

const CURVE: [CurvePoint; 0] = [];

impl World {
    fn new(configs: Vec<Config>, request: &Request, n_runs: u32, seed: u64) -> Self {
        let headers: Vec<Header> =
            configs.into_iter().map(|config| Header { config, ..Header::default() }).collect();
        let names = configuration_names(&headers.iter().collect::<Vec<_>>());
        let plan = request.clone().plan().unwrap();
        let mut rng = Rng::new(seed);
        // Settings act together in ways of their own, too.
        let mut own = |log: f64| (log + 0.05 * rng.normal()).exp();
        let factors = headers.iter().map(|header| {
            let Config { n_ubatch, flash_attn, n_threads, .. } = &header.config;
            let threads = f64::from(n_threads.unwrap_or(1)).ln();
            let batch = f64::from(n_ubatch.unwrap_or(512)).ln();
            let fa = if *flash_attn == Some(FlashAttnSetting::On) { -0.25 } else { 0.0 };
            [own(-0.3 * batch - 0.8 * threads + fa), own(-0.45 * threads + 0.4 * fa)]
        });
        let factors: Vec<[f64; 2]> = factors.collect();
        let first = factors[0];
        let factors = factors.into_iter().map(|of| [of[0] / first[0], of[1] / first[1]]).collect();
        let both = headers.into_iter().zip(names);
        let configurations = both
            .map(|(header, name)| Configuration { name, header, plan: plan.clone(), n_runs, defect: None })
            .collect();
        let (forecast, rng) = (Forecast::new(), Rng::new(seed + 1));
        let mut world = Self {
            forecast,
            now: 0.0,
            rng,
            configurations,
            factors,
            disturbed: 0.05,
            needed: None,
            told: vec![],
        };
        let all = world.configurations.clone();
        world.hear(&Event::Campaign(&all));
        world
    }

    fn hear(&mut self, event: &Event<'_>) {
        let now = Duration::from_secs_f64(self.now);
        self.forecast.hear(event, now);
        // Not always at the moment of an event.
        self.told.push((self.now, self.forecast.left(now)));
    }

    fn turn(&mut self, index: usize, run: u32) {
        let name = self.configurations[index].name.clone();
        self.hear(&Event::Configuration { index, n: self.configurations.len(), name: &name, run });
    }

    fn take(&mut self, seconds: f64) {
        self.now += seconds * (1.0 + 0.03 * self.rng.normal()).max(0.5);
    }

    fn seconds(&self, index: usize, test: &Test) -> f64 {
        let [prompt, generation] = self.factors[index];
        let (n, depth) = (f64::from(test.kind.n_tokens()), f64::from(test.n_depth));
        let n_parallel = f64::from(test.n_parallel);
        match test.kind {
            // The weights are read once for all sequences, and what is in the context for each.
            TestKind::Tg(_) => {
                0.02 * generation * n * (0.8 + 0.2 * n_parallel + n_parallel * depth / 20_000.0)
            }
            _ => 0.001 * prompt * n * n_parallel * (1.0 + depth / 8_000.0),
        }
    }

    fn begin(&mut self, index: usize) {
        let plan = self.configurations[index].plan.clone();
        self.hear(&Event::planned(&plan));
        self.hear(&Event::Opening { n_ctx: 8192 });
        self.take(0.4);
        self.hear(&Event::WarmingUp);
        self.take(2.0 * self.factors[index][0]);
    }

    fn fill(&mut self, index: usize, from: u32, to: u32) {
        for n_done in (from..to).step_by(512) {
            self.hear(&Event::Filling { n_done, n_depth: to });
            let test = Test::from(TestKind::Pp(512)).at(n_done);
            self.take(self.seconds(index, &test));
        }
    }

    fn cell(&mut self, index: usize, place: usize, n_reps: u32) {
        let test = self.configurations[index].plan.cells[place];
        let sample = Sample { elapsed: Duration::from_millis(5), ..Sample::default() };
        let measured = Measured { samples: vec![sample; n_reps as usize], ..Measured::default() };
        let outcome = match n_reps {
            0 => Outcome::Failed(Failure { kind: "model_load".into(), message: String::new() }),
            _ => Outcome::Measured(measured),
        };
        let header = self.configurations[index].header.clone();
        let cell = Cell { test, started_at: String::new(), outcome };
        self.hear(&Event::CellDone { header: &header, cell: &cell, curve: &CURVE });
    }

    fn repetition(&mut self, index: usize, place: usize, rep: u32) {
        let test = self.configurations[index].plan.cells[place];
        let n_reps = self.configurations[index].plan.request.n_reps_max();
        loop {
            self.hear(&Event::Measuring { test: &test, rep, n_reps, last: None });
            let is_disturbed = self.rng.uniform() < self.disturbed;
            let seconds = self.seconds(index, &test) + 0.02;
            self.take(if is_disturbed { 1.5 * seconds } else { seconds });
            if !is_disturbed {
                return;
            }
        }
    }

    fn n_reps(&mut self) -> u32 {
        match self.needed {
            Some((least, beyond)) => least + (-self.rng.uniform().ln() * beyond) as u32,
            None => self.configurations[0].plan.request.n_reps,
        }
    }

    /// One configuration after the other, each per depth.
    fn one_after_the_other(mut self) -> Self {
        for index in 0..self.configurations.len() {
            for run in 0..self.configurations[index].n_runs {
                self.turn(index, run);
                self.begin(index);
                let mut n_now = 0;
                for depth in self.configurations[index].plan.depths.clone() {
                    self.fill(index, n_now, depth.n_depth);
                    // The last prompt stays in the context.
                    n_now = depth.n_depth + 512;
                    for place in depth.units.iter().copied().flat_map(Unit::cells) {
                        let n_reps = self.n_reps();
                        (0..n_reps).for_each(|rep| self.repetition(index, place, rep));
                        self.cell(index, place, n_reps);
                    }
                }
            }
        }
        self
    }

    /// So many configurations at a time, repetition by repetition in turn.
    fn interleaved(mut self, n_together: usize) -> Self {
        let all: Vec<usize> = (0..self.configurations.len()).collect();
        for lanes in all.chunks(n_together) {
            for &index in lanes {
                self.turn(index, 0);
                self.begin(index);
            }
            let mut n_now = 0;
            for depth in self.configurations[0].plan.depths.clone() {
                for &index in lanes {
                    self.turn(index, 0);
                    self.fill(index, n_now, depth.n_depth);
                }
                n_now = depth.n_depth;
                let places: Vec<usize> = depth.units.iter().copied().flat_map(Unit::cells).collect();
                for rep in 0..self.configurations[0].plan.request.n_reps {
                    for &index in lanes {
                        self.turn(index, 0);
                        places.iter().for_each(|&place| self.repetition(index, place, rep));
                    }
                }
                for &index in lanes {
                    self.turn(index, 0);
                    let n_reps = self.configurations[0].plan.request.n_reps;
                    places.iter().for_each(|&place| self.cell(index, place, n_reps));
                }
            }
        }
        self
    }

    /// The worst error from a third of the time on, as a part of the true time left, and a description of where it was. An
    /// error of less than this part of the whole does not matter: what the last repetitions take is chance.
    fn worst(&self, slack: f64) -> (f64, String) {
        let total = self.now;
        let late = self.told.iter().filter(|(now, _)| *now >= total / 3.0);
        let error = |(now, told): &(f64, Option<TimeLeft>)| {
            let (left, told) = (total - now, told.expect("known by then").expected.as_secs_f64());
            let error = ((told - left).abs() - slack * total).max(0.0) / left.max(1e-9);
            (error, format!("{error:.3} at {now:.0} of {total:.0} s, {told:.0} s left in place of {left:.0}"))
        };
        late.map(error).fold((0.0, String::new()), |worst, one| if one.0 > worst.0 { one } else { worst })
    }

    fn assert_within_a_quarter(&self, slack: f64, what: &str) {
        let (worst, text) = self.worst(slack);
        println!("{what}: {text}");
        assert!(worst < 0.25, "{what}: {text}");
    }
}

/// Twenty-four configurations whose slowest takes about six times as long as the fastest, the outermost axis first.
fn grid() -> Vec<Config> {
    let mut all = Vec::new();
    for n_ubatch in [128, 256, 512, 1024] {
        for flash_attn in [FlashAttnSetting::Off, FlashAttnSetting::On] {
            for n_threads in [1, 2, 4] {
                let n_threads = Some(n_threads);
                let (n_ubatch, flash_attn) = (Some(n_ubatch), Some(flash_attn));
                all.push(Config {
                    n_ubatch,
                    flash_attn,
                    n_threads,
                    n_threads_batch: n_threads,
                    ..Config::default()
                });
            }
        }
    }
    all
}

fn asked() -> Request {
    Request { prompts: vec![512], generations: vec![32], depths: vec![0, 2048, 4096], n_reps: 5, ..request() }
}

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
