use statrs::distribution::{ContinuousCDF, Normal};

use super::{Confidence, quantile::quantile, rng::Rng, student::t_quantile};

/// How a bootstrap draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bootstrap {
    /// Resamples drawn.
    pub n_resamples: u32,
    /// Seed of the draws: the same samples give the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// Ten thousand resamples: the bounds of a 95 % interval then vary by about a hundredth of its width from seed
    /// to seed.
    fn default() -> Self {
        Self { n_resamples: 10_000, seed: 0x6c6c_616d_612d_6273 }
    }
}

/// The share of a bootstrap's replicates to leave out on each side for sets of `n` values (the smallest set counts). The
/// first `n_deciding` values decided how many there are.
///
/// Resamples of a few values vary too little, and plain bootstrap intervals contain the mean less often than they claim.
/// The correction widens them as far as Student's t and n - 1 would (Hesterberg 2015, "What Teachers Should Know About the
/// Bootstrap").
pub(crate) fn tail(n: usize, n_deciding: usize, confidence: Confidence) -> Option<f64> {
    let t = t_quantile(n_deciding.checked_sub(1)? as f64, confidence)?;
    Some(Normal::standard().cdf(-t * (n as f64 / (n as f64 - 1.0)).sqrt()))
}

/// The bias-corrected and accelerated interval (Efron 1987) of a statistic of one or more independent sets, with this
/// probability beyond each bound: each set is resampled on its own, the acceleration is the jackknife's over all of
/// them. `None` if a set is empty or the statistic is not finite.
pub(crate) fn bca(
    sets: &[&[f64]],
    statistic: impl Fn(&[Vec<f64>]) -> f64,
    tail: f64,
    bootstrap: Bootstrap,
) -> Option<(f64, f64)> {
    if sets.iter().any(|set| set.is_empty()) || bootstrap.n_resamples == 0 {
        return None;
    }
    let mut drawn: Vec<Vec<f64>> = sets.iter().map(|set| set.to_vec()).collect();
    let observed = statistic(&drawn);
    let mut rng = Rng::new(bootstrap.seed);
    let mut replicates = Vec::with_capacity(bootstrap.n_resamples as usize);
    for _ in 0..bootstrap.n_resamples {
        for (set, drawn) in sets.iter().zip(&mut drawn) {
            drawn.fill_with(|| set[rng.below(set.len())]);
        }
        replicates.push(statistic(&drawn));
    }
    replicates.sort_by(f64::total_cmp);
    let (first, last) = (*replicates.first()?, *replicates.last()?);
    if !(observed.is_finite() && first.is_finite() && last.is_finite()) {
        return None;
    }
    if first == last {
        return Some((first, last));
    }
    let normal = Normal::standard();
    let (below, up_to) =
        (replicates.partition_point(|r| *r < observed), replicates.partition_point(|r| *r <= observed));
    let n = replicates.len() as f64;
    let share = ((below + up_to) as f64 / 2.0 / n).clamp(0.5 / n, 1.0 - 0.5 / n);
    let bias = normal.inverse_cdf(share);
    let acceleration = acceleration(sets, &statistic);
    let level = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        normal.cdf(bias + z / (1.0 - acceleration * z))
    };
    Some((quantile(&replicates, level(tail))?, quantile(&replicates, level(1.0 - tail))?))
}

/// A sixth of the skewness of the jackknife's influences, 0 if there is none.
fn acceleration(sets: &[&[f64]], statistic: &impl Fn(&[Vec<f64>]) -> f64) -> f64 {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for (i, set) in sets.iter().enumerate().filter(|(_, set)| set.len() > 1) {
        let without = |j: usize| {
            let mut rest: Vec<Vec<f64>> = sets.iter().map(|set| set.to_vec()).collect();
            rest[i].swap_remove(j);
            statistic(&rest)
        };
        let left_out: Vec<f64> = (0..set.len()).map(without).collect();
        let n = set.len() as f64;
        let mean = left_out.iter().sum::<f64>() / n;
        for value in left_out {
            let influence = (n - 1.0) * (mean - value) / n;
            cubes += influence.powi(3);
            squares += influence.powi(2);
        }
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    if acceleration.is_finite() { acceleration } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::moments::mean;

    const MANY: Bootstrap = Bootstrap { n_resamples: 100_000, seed: 1 };

    fn close(got: (f64, f64), expected: (f64, f64), tolerance: f64) {
        let off = (got.0 - expected.0).abs().max((got.1 - expected.1).abs());
        assert!(off < tolerance, "{got:?} instead of {expected:?}");
    }

    /// The survival times of the treated mice in Efron and Tibshirani's book (1993, table 2.1).
    const MICE: [f64; 7] = [94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0];
    const CONTROL: [f64; 9] = [52.0, 104.0, 146.0, 10.0, 51.0, 30.0, 40.0, 27.0, 46.0];

    #[test]
    fn the_mean_agrees_with_scipy() {
        // scipy.stats.bootstrap((mice,), np.mean, n_resamples=300_000, method="BCa")
        let got = bca(&[&MICE], |sets| mean(&sets[0]), 0.025, MANY).unwrap();
        close(got, (46.36, 138.29), 0.6);
    }

    #[test]
    fn the_ratio_of_two_means_agrees_with_scipy() {
        // the same with (mice, control) and lambda a, b, axis: a.mean(axis) / b.mean(axis)
        let ratio = |sets: &[Vec<f64>]| mean(&sets[0]) / mean(&sets[1]);
        let got = bca(&[&MICE, &CONTROL], ratio, 0.025, MANY).unwrap();
        close(got, (0.67, 3.006), 0.02);
    }

    #[test]
    fn few_values_widen_the_interval() {
        // scipy: norm.cdf(-t.ppf(0.975, n - 1) * sqrt(n / (n - 1)))
        for (n, expected) in [(5, 0.0009541005518824907), (30, 0.01875390027822054)] {
            let got = tail(n, n, Confidence::P95).unwrap();
            assert!((got - expected).abs() < 1e-9, "{n}: {got}");
        }
        assert!((tail(100_000, 100_000, Confidence::P95).unwrap() - 0.025).abs() < 1e-5);
        assert!(
            tail(30, 20, Confidence::P95) < tail(30, 30, Confidence::P95),
            "fewer deciding ones widen it"
        );
        assert_eq!(tail(1, 1, Confidence::P95), None);
        assert_eq!(tail(0, 0, Confidence::P95), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let interval = |seed| {
            let bootstrap = Bootstrap { n_resamples: 500, seed };
            bca(&[&MICE], |sets| mean(&sets[0]), 0.025, bootstrap).unwrap()
        };
        assert_eq!(interval(7), interval(7));
        assert_ne!(interval(7), interval(8));
    }

    #[test]
    fn values_that_do_not_vary_have_an_interval_of_one_point() {
        let got = bca(&[&[3.0; 5]], |sets| mean(&sets[0]), 0.025, Bootstrap::default());
        assert_eq!(got, Some((3.0, 3.0)));
        assert_eq!(bca(&[&[]], |sets| mean(&sets[0]), 0.025, Bootstrap::default()), None);
    }
}
