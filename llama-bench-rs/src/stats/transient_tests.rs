use super::*;
use crate::stats::{
    rng::Rng,
    simulated::{chance, trials},
};

/// Excess of the first steps in ms over a steady step of 3.08 ms, as measured on a GPU.
const PROFILES: [&[f64]; 2] = [&[1.87, 1.63, 0.06, 0.0], &[4.7, 3.8, 3.2, 0.06]];
const STEADY_MS: f64 = 3.08;

/// Noise of a step, as a factor.
#[derive(Clone, Copy, Debug)]
enum Noise {
    Normal(f64),
    /// Exponential on top.
    LongTailed(f64),
    /// Normal, and one step in twenty takes two to three times as long.
    Stuttering(f64),
}

const KINDS: [Noise; 5] = [
    Noise::Normal(0.002),
    Noise::Normal(0.1),
    Noise::LongTailed(0.02),
    Noise::LongTailed(0.3),
    Noise::Stuttering(0.02),
];

fn factor(noise: Noise, rng: &mut Rng) -> f64 {
    match noise {
        Noise::Normal(cv) => 1.0 + cv * rng.normal(),
        Noise::LongTailed(cv) => 1.0 + cv * rng.gamma(1),
        Noise::Stuttering(cv) => {
            let stutter = if rng.below(20) == 0 { 1.0 + rng.uniform() } else { 0.0 };
            1.0 + cv * rng.normal() + stutter
        }
    }
}

/// Repetitions whose steps grow by `growth` over 128 tokens of context.
fn draw(
    profile: &[f64],
    sizes: (usize, usize),
    growth: f64,
    noise: Noise,
    rng: &mut Rng,
) -> Vec<Vec<Duration>> {
    let (n_reps, n_steps) = sizes;
    let step = |i: usize, rng: &mut Rng| {
        let steady = STEADY_MS * (1.0 + growth * i as f64 / 128.0) + profile.get(i).unwrap_or(&0.0);
        Duration::from_secs_f64((steady * factor(noise, rng)).max(0.0) / 1e3)
    };
    (0..n_reps).map(|_| (0..n_steps).map(|i| step(i, rng)).collect()).collect()
}

fn find(repetitions: &[Vec<Duration>]) -> Option<Transient> {
    Transient::find(repetitions.iter().map(Vec::as_slice))
}

const SIZES: [(usize, usize); 7] = [(3, 8), (5, 8), (3, 32), (5, 32), (20, 32), (3, 128), (20, 128)];

#[test]
fn noise_is_not_a_transient() {
    let mut rng = Rng::new(1);
    for noise in KINDS {
        for sizes in SIZES {
            for growth in [0.0, 0.2] {
                let n_trials = trials(1000);
                let n_found = (0..n_trials)
                    .filter(|_| find(&draw(&[], sizes, growth, noise, &mut rng)).is_some())
                    .count();
                let most = (0.04 + chance(0.04, n_trials)) * n_trials as f64;
                assert!(n_found as f64 <= most, "{noise:?} {sizes:?} {growth}: {n_found} of {n_trials}");
            }
        }
    }
}

#[test]
fn transients_are_found_with_their_length_and_excess() {
    let mut rng = Rng::new(2);
    for (profile, length) in PROFILES.into_iter().zip([2, 3]) {
        for (noise, least) in [
            (Noise::Normal(0.002), 0.99),
            (Noise::Normal(0.03), 0.9),
            (Noise::LongTailed(0.02), 0.95),
            (Noise::Stuttering(0.02), 0.7),
        ] {
            for sizes in SIZES {
                let n_trials = trials(300);
                let mut n_right = 0;
                for _ in 0..n_trials {
                    let found = find(&draw(profile, sizes, 0.05, noise, &mut rng));
                    n_right += usize::from(found.is_some_and(|found| found.n_steps == length));
                }
                let least = (least - chance(least, n_trials)) * n_trials as f64;
                assert!(
                    n_right as f64 >= least,
                    "{noise:?} {sizes:?}: {n_right} of {n_trials} times {length} steps"
                );
            }
        }
        let exact = find(&draw(profile, (5, 32), 0.0, Noise::Normal(0.0), &mut rng)).unwrap();
        let sum: f64 = profile[..length].iter().sum();
        assert!((exact.excess.as_secs_f64() * 1e3 - sum).abs() < 1e-5, "{exact:?} for {sum} ms");
    }
}

#[test]
fn a_slow_second_step_alone_is_one_and_a_slow_late_one_is_not() {
    let mut rng = Rng::new(3);
    let mut found = |profile: &[f64]| find(&draw(profile, (5, 32), 0.0, Noise::Normal(0.01), &mut rng));
    assert_eq!(found(&[0.0, 2.0]).map(|found| found.n_steps), Some(2));
    assert_eq!(found(&[2.0, 0.0, 2.0]).map(|found| found.n_steps), Some(3));
    assert_eq!(found(&[0.0, 0.0, 0.0, 0.0, 0.0, 5.0]), None);
    // Faster first steps are not slow ones.
    assert_eq!(found(&[-1.0, -1.0]), None);
}

#[test]
fn without_enough_steps_nothing_is_said() {
    let ms = |values: &[u64]| values.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
    assert_eq!(Transient::find([]), None);
    assert_eq!(find(&[ms(&[])]), None);
    assert_eq!(find(&[ms(&[9]), ms(&[9])]), None);
    assert_eq!(find(&[ms(&[9, 1])]), None);
    // One repetition of eight steps: the first is the longest by chance too often.
    assert_eq!(find(&[ms(&[9, 1, 1, 1, 1, 1, 1, 1])]), None);
    // All equal, and no time at all.
    assert_eq!(find(&[ms(&[1; 32]), ms(&[1; 32])]), None);
    assert_eq!(find(&vec![ms(&[0; 32]); 5]), None);
}

#[test]
fn rank_sums_are_as_probable_as_counting_says() {
    // Of the 6^3 outcomes 1 adds up to 15, 4 to at least 14.
    assert!((probability_of_rank_sum(&[5, 5, 5], 15) - 1.0 / 216.0).abs() < 1e-12);
    assert!((probability_of_rank_sum(&[5, 5, 5], 14) - 4.0 / 216.0).abs() < 1e-12);
    assert!((probability_of_rank_sum(&[1, 2], 0) - 1.0).abs() < 1e-12);
    let exact = probability_of_rank_sum(&[32; 39], 39 * 16 + 60);
    let normal = probability_of_rank_sum(&[32; 40], 40 * 16 + 61);
    assert!((exact - normal).abs() < 5e-3, "{exact} and {normal}");
}
