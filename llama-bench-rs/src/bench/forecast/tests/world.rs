//! A machine that is made up, to foretell its time.

use std::time::Duration;

use crate::{
    bench::{
        Configuration, Event, Forecast, Request, TimeLeft,
        plan::{Unit, tests::request},
    },
    record::{
        Cell, Config, CurvePoint, Failure, FlashAttnSetting, Header, Measured, Outcome, Sample, Test,
        TestKind, configuration_names,
    },
    stats::Rng,
};

/// A made-up machine with its own clock, on which a campaign is acted out event by event.
pub(super) struct World {
    pub(super) forecast: Forecast,
    pub(super) now: f64,
    pub(super) rng: Rng,
    pub(super) configurations: Vec<Configuration>,
    /// How much longer each configuration takes than the first, for prompts and for generations.
    pub(super) factors: Vec<[f64; 2]>,
    /// The share of repetitions that are disturbed: they take half as long again, and are repeated.
    pub(super) disturbed: f64,
    /// Repetitions that a stopping rule asks for: at least, and on average beyond.
    pub(super) needed: Option<(u32, f64)>,
    /// Time and what was foretold then.
    pub(super) told: Vec<(f64, Option<TimeLeft>)>,
}

const CURVE: [CurvePoint; 0] = [];

impl World {
    pub(super) fn new(configs: Vec<Config>, request: &Request, n_runs: u32, seed: u64) -> Self {
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

    pub(super) fn hear(&mut self, event: &Event<'_>) {
        let now = Duration::from_secs_f64(self.now);
        self.forecast.hear(event, now);
        // Not always at the moment of an event.
        self.told.push((self.now, self.forecast.left(now)));
    }

    pub(super) fn turn(&mut self, index: usize, run: u32) {
        let name = self.configurations[index].name.clone();
        self.hear(&Event::Configuration { index, n: self.configurations.len(), name: &name, run });
    }

    pub(super) fn take(&mut self, seconds: f64) {
        self.now += seconds * (1.0 + 0.03 * self.rng.normal()).max(0.5);
    }

    pub(super) fn seconds(&self, index: usize, test: &Test) -> f64 {
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

    pub(super) fn begin(&mut self, index: usize) {
        let plan = self.configurations[index].plan.clone();
        self.hear(&Event::planned(&plan));
        self.hear(&Event::Opening { n_ctx: 8192 });
        self.take(0.4);
        self.hear(&Event::WarmingUp);
        self.take(2.0 * self.factors[index][0]);
    }

    pub(super) fn fill(&mut self, index: usize, from: u32, to: u32) {
        for n_done in (from..to).step_by(512) {
            self.hear(&Event::Filling { n_done, n_depth: to });
            let test = Test::from(TestKind::Pp(512)).at(n_done);
            self.take(self.seconds(index, &test));
        }
    }

    pub(super) fn cell(&mut self, index: usize, place: usize, n_reps: u32) {
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

    pub(super) fn repetition(&mut self, index: usize, place: usize, rep: u32) {
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

    pub(super) fn n_reps(&mut self) -> u32 {
        match self.needed {
            Some((least, beyond)) => least + (-self.rng.uniform().ln() * beyond) as u32,
            None => self.configurations[0].plan.request.n_reps,
        }
    }

    /// One configuration after the other, each per depth.
    pub(super) fn one_after_the_other(mut self) -> Self {
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
    pub(super) fn interleaved(mut self, n_together: usize) -> Self {
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
    pub(super) fn worst(&self, slack: f64) -> (f64, String) {
        let total = self.now;
        let late = self.told.iter().filter(|(now, _)| *now >= total / 3.0);
        let error = |(now, told): &(f64, Option<TimeLeft>)| {
            let (left, told) = (total - now, told.expect("known by then").expected.as_secs_f64());
            let error = ((told - left).abs() - slack * total).max(0.0) / left.max(1e-9);
            (error, format!("{error:.3} at {now:.0} of {total:.0} s, {told:.0} s left in place of {left:.0}"))
        };
        late.map(error).fold((0.0, String::new()), |worst, one| if one.0 > worst.0 { one } else { worst })
    }

    pub(super) fn assert_within_a_quarter(&self, slack: f64, what: &str) {
        let (worst, text) = self.worst(slack);
        println!("{what}: {text}");
        assert!(worst < 0.25, "{what}: {text}");
    }
}

/// Twenty-four configurations whose slowest takes about six times as long as the fastest, the outermost axis first.
pub(super) fn grid() -> Vec<Config> {
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

pub(super) fn asked() -> Request {
    Request { prompts: vec![512], generations: vec![32], depths: vec![0, 2048, 4096], n_reps: 5, ..request() }
}
