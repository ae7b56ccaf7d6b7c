//! How much longer the rows of one expert must be than those of the others for it to be chosen as often as wanted.
//!
//! A token's score of an expert is normal with the length of its row as the deviation, and the experts with the highest
//! scores are chosen. The chance of the first expert is an integral over its score, which takes the same time for any number
//! of experts.

/// Experts up to which all of them are looked at; of more, as many stand for all.
const MOST: usize = 256;

/// Places on the first expert's score, from -6 to 6 deviations.
const N_PLACES: usize = 96;

/// As near to half of all tokens as rows of a sensible length come.
const MOST_CHANCE: f64 = 0.49;

/// Times that the interval is halved.
const N_STEPS: usize = 16;

/// The length of the row of an expert at this place, 0 for the first to 1.
pub(super) fn length(fall: f64, place: f64) -> f64 {
    (-fall * place).exp()
}

/// The fall at which the first of `n_expert` experts is chosen `wanted` times as often as the mean, or by half of all tokens
/// if that is less. Each token goes to `n_used` experts.
pub(super) fn fall(n_expert: u64, n_used: u64, wanted: f64) -> f64 {
    let n_used = n_used.max(1);
    if n_used >= n_expert {
        return 0.0;
    }
    let wanted = (wanted * n_used as f64 / n_expert as f64).min(MOST_CHANCE);
    // The steeper they fall, the busier is the first.
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..N_STEPS {
        let middle = f64::midpoint(low, high);
        if chance_of_first(n_expert, n_used, middle) < wanted { low = middle } else { high = middle }
    }
    low
}

/// The chance that the first expert is among those that are used.
pub(super) fn chance_of_first(n_expert: u64, n_used: u64, fall: f64) -> f64 {
    let n_others = n_expert.saturating_sub(1);
    let n_looked_at = n_others.min(MOST as u64);
    let lengths: Vec<f64> = (0..n_looked_at)
        .map(|i| (i as f64 + 0.5) / n_looked_at as f64 * n_others as f64 + 0.5)
        .map(|expert| length(fall, expert / n_expert as f64))
        .collect();
    let step = 12.0 / N_PLACES as f64;
    let at = |score: f64| {
        let above: Vec<f64> = lengths.iter().map(|length| upper_tail(score / length)).collect();
        let density = (-score * score / 2.0).exp() / std::f64::consts::TAU.sqrt();
        density * step * fewer_than(n_used, &above, n_others as f64 / n_looked_at.max(1) as f64)
    };
    (0..N_PLACES).map(|i| at(-6.0 + (i as f64 + 0.5) * step)).sum()
}

/// The chance that fewer than `n` of independent events happen. Each chance stands for `each` events.
fn fewer_than(n: u64, chances: &[f64], each: f64) -> f64 {
    if each <= 1.0 {
        // By the number of those that have happened, one event after the other.
        let mut counts = vec![0.0; n as usize];
        counts[0] = 1.0;
        for chance in chances {
            for i in (0..counts.len()).rev() {
                let one_less = if i > 0 { counts[i - 1] } else { 0.0 };
                counts[i] = counts[i] * (1.0 - chance) + one_less * chance;
            }
        }
        return counts.iter().sum();
    }
    let mean: f64 = each * chances.iter().sum::<f64>();
    if n <= MOST as u64 / 2 {
        // Many events, and few happen: Poisson's law.
        let mut term = (-mean).exp();
        let mut sum = 0.0;
        for i in 0..n {
            sum += term;
            term *= mean / (i + 1) as f64;
        }
        return sum;
    }
    let variance: f64 = each * chances.iter().map(|chance| chance * (1.0 - chance)).sum::<f64>();
    upper_tail((mean - n as f64 + 0.5) / variance.max(1e-12).sqrt())
}

/// The share of a normal distribution above `x` deviations, to 7 digits (Abramowitz and Stegun, 7.1.26).
fn upper_tail(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = series.iter().fold(0.0, |sum, factor| (sum + factor) * t) * (-z * z).exp() / 2.0;
    if x < 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::{
        Xoshiro256PlusPlus,
        rand_core::{Rng, SeedableRng},
    };

    use super::*;

    #[test]
    fn the_tail_is_that_of_the_normal_distribution() {
        for (x, share) in [(0.0, 0.5), (1.0, 0.158_655_3), (-2.0, 0.977_249_9), (3.0, 0.001_349_9)] {
            assert!((upper_tail(x) - share).abs() < 1e-6, "{x}: {}", upper_tail(x));
        }
    }

    #[test]
    fn equal_lengths_are_equal_chances() {
        for (n_expert, n_used) in [(4, 2), (16, 4), (128, 8), (257, 8), (4096, 8), (1 << 20, 8), (4096, 2048)]
        {
            let share = chance_of_first(n_expert, n_used, 0.0) * n_expert as f64 / n_used as f64;
            assert!((share - 1.0).abs() < 0.02, "{n_used} of {n_expert}: {share}");
        }
    }

    /// Drawn, for numbers of experts on both sides of the limit.
    #[test]
    fn the_first_is_chosen_as_often_as_wanted() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut normal =
            || (0..12).map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0;
        for (n_expert, n_used, wanted, n_trials) in
            [(16_u64, 4_usize, 1.8, 8000), (128, 8, 3.0, 4000), (512, 16, 4.0, 2000)]
        {
            let fall = fall(n_expert, n_used as u64, wanted);
            let is_chosen = |_: &i32| {
                let first = normal();
                let others =
                    (1..n_expert).filter(|&i| normal() * length(fall, i as f64 / n_expert as f64) > first);
                others.count() < n_used
            };
            let share = (0..n_trials).filter(is_chosen).count() as f64 / f64::from(n_trials);
            let found = share * n_expert as f64 / n_used as f64;
            assert!((found / wanted - 1.0).abs() < 0.15, "{n_used} of {n_expert}: {found} for {wanted}");
        }
        assert!((chance_of_first(64, 4, fall(64, 4, 1e9)) - 0.5).abs() < 0.02, "half of all tokens at most");
    }

    /// A number of experts that no search over all of them would end with.
    #[test]
    fn any_number_of_experts_takes_the_same_time() {
        let found = fall(1 << 62, 8, 3.0);
        assert!(found.is_finite() && found > 0.0, "{found}");
        assert_eq!((fall(8, 8, 3.0), fall(0, 0, 3.0)), (0.0, 0.0));
    }
}
