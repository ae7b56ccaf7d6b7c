use super::*;
use crate::stats::Rng;

const MS: Duration = Duration::from_millis(1);

/// Power over time, in pieces, and a counter that shows it as it was at its last update.
struct Device {
    /// End of each piece in seconds, and its power in watts.
    pieces: Vec<(f64, f64)>,
    period: f64,
    phase: f64,
}

impl Device {
    fn drawn(&self, until: f64) -> f64 {
        let mut begin = 0.0;
        let mut joules = 0.0;
        for &(end, power) in &self.pieces {
            joules += power * (until.min(end) - begin).max(0.0);
            begin = end;
        }
        joules
    }

    fn shown(&self, at: f64) -> f64 {
        self.drawn(((at - self.phase) / self.period).floor() * self.period + self.phase)
    }
}

/// A run of repetitions: before each of them `gap` seconds of another power.
#[derive(Clone, Copy)]
struct Profile {
    n: usize,
    elapsed: f64,
    watts: f64,
    gap: f64,
    gap_watts: f64,
    period: f64,
    /// By how much their lengths vary, as a share.
    jitter: f64,
    limit_w: Option<f64>,
}

const STEADY: Profile = Profile {
    n: 5,
    elapsed: 0.8,
    watts: 300.0,
    gap: 0.004,
    gap_watts: 150.0,
    period: 0.1,
    jitter: 0.002,
    limit_w: Some(700.0),
};

impl Profile {
    /// What was measured, and what was truly drawn.
    fn run(&self, rng: &mut Rng) -> (Result<Energy, NoEnergy>, f64) {
        let uniform = Rng::uniform;
        let mut device = Device {
            pieces: vec![(2.0, self.gap_watts)],
            period: self.period,
            phase: self.period * uniform(rng),
        };
        let (mut now, mut regions) = (2.0, Vec::new());
        for _ in 0..self.n {
            now += self.gap * (1.0 + self.jitter * (uniform(rng) - 0.5));
            device.pieces.push((now, self.gap_watts));
            let begin = now;
            now += self.elapsed * (1.0 + self.jitter * (uniform(rng) - 0.5));
            device.pieces.push((now, self.watts));
            regions.push((begin, now));
        }
        let mut before: Option<(f64, f64, f64)> = None;
        let mut readings = Vec::new();
        for &(begin, end) in &regions {
            let joules = device.shown(end) - device.shown(begin);
            readings.push(EnergyReading {
                at: Duration::from_secs_f64(begin),
                joules,
                elapsed: Duration::from_secs_f64(end - begin),
                gap: before.map(|(last, ..)| Duration::from_secs_f64(begin - last)),
                prior: before.map(|(_, joules, elapsed)| (joules, Duration::from_secs_f64(elapsed))),
            });
            before = Some((end, joules, end - begin));
        }
        let counter = EnergyCounter { period: Duration::from_secs_f64(self.period), limit_w: self.limit_w };
        let truth = regions.iter().map(|(begin, end)| (end - begin) * self.watts).sum();
        (Energy::of(&readings, &counter), truth)
    }

    /// How many of 400 intervals hold the truth, and by how much the figures are off on average, as a share.
    fn coverage(&self, seed: u64) -> (f64, f64) {
        let mut rng = Rng::new(seed);
        let n = 400;
        let (mut held, mut off) = (0, 0.0);
        for _ in 0..n {
            let (energy, truth) = self.run(&mut rng);
            let energy = energy.expect("long enough");
            let (low, high) = energy.bounds();
            held += usize::from(low <= truth && truth <= high);
            off += energy.joules / truth - 1.0;
        }
        (held as f64 / f64::from(n), off / f64::from(n))
    }
}

#[test]
fn intervals_hold_the_truth_on_any_kind_of_repetition() {
    let profiles = [
        ("back to back", STEADY),
        ("few and short", Profile { n: 3, elapsed: 0.25, ..STEADY }),
        ("one", Profile { n: 1, ..STEADY }),
        ("as short as the period", Profile { elapsed: 0.101, n: 4, ..STEADY }),
        ("idle in between", Profile { gap: 0.3, gap_watts: 110.0, ..STEADY }),
        ("more power in between", Profile { gap: 0.05, gap_watts: 650.0, ..STEADY }),
        ("a quick counter", Profile { period: 0.001, limit_w: None, watts: 60.0, gap_watts: 20.0, ..STEADY }),
        // Every repetition ends where the counter is in the same phase.
        ("in step with the counter", Profile { elapsed: 0.85, gap: 0.05, jitter: 0.0, n: 10, ..STEADY }),
    ];
    for (i, (name, profile)) in profiles.into_iter().enumerate() {
        let (coverage, _) = profile.coverage(7 + i as u64);
        assert!(coverage >= 0.95, "{name}: {coverage}");
    }
}

#[test]
fn the_lag_of_the_counter_is_taken_out() {
    // Before the first repetition half of the power limit is assumed.
    let assumed = Profile { gap_watts: 350.0, ..STEADY };
    for (name, profile) in [
        ("one", Profile { n: 1, ..assumed }),
        ("back to back", assumed),
        ("with pauses", Profile { gap: 0.3, ..assumed }),
        ("short pauses with another power", Profile { gap: 0.03, elapsed: 0.3, ..assumed }),
    ] {
        let (_, off) = profile.coverage(3);
        assert!(off.abs() < 0.005, "{name}: {off}");
    }
}

#[test]
fn figures_that_the_counter_cannot_resolve_are_not_shown() {
    let mut rng = Rng::new(1);
    let shown = |profile: Profile, rng: &mut Rng| profile.run(rng).0.and_then(Energy::resolved);
    assert!(shown(STEADY, &mut rng).is_ok());
    let short = shown(Profile { elapsed: 0.03, ..STEADY }, &mut rng);
    assert!(matches!(short, Err(NoEnergy::TooShort { elapsed, period }) if elapsed < period), "{short:?}");
    let wide = shown(Profile { elapsed: 0.12, n: 1, ..STEADY }, &mut rng);
    assert!(matches!(wide, Err(NoEnergy::TooWide { half_width }) if half_width > 0.1), "{wide:?}");
    assert!(shown(Profile { elapsed: 0.12, period: 0.001, ..STEADY }, &mut rng).is_ok());
    let counter = EnergyCounter { period: MS, limit_w: None };
    assert_eq!(Energy::of(&[], &counter), Err(NoEnergy::Nothing));
}

#[test]
fn a_counter_that_did_not_move_has_no_figure() {
    let still = EnergyReading { at: MS, joules: 0.0, elapsed: 200 * MS, gap: None, prior: None };
    let energy = Energy::of(&[still], &EnergyCounter { period: 100 * MS, limit_w: None }).unwrap();
    assert_eq!(energy.resolved(), Err(NoEnergy::Still));
}

#[test]
fn more_repetitions_narrow_the_interval() {
    let mut rng = Rng::new(5);
    let width = |n: usize, rng: &mut Rng| {
        let energy = Profile { n, ..STEADY }.run(rng).0.unwrap();
        energy.half_width() / energy.joules
    };
    let [few, many] = [3, 30].map(|n| width(n, &mut rng));
    assert!(many < few / 2.0, "{few} {many}");
}
