//! The fast end of a set: an estimate without bias for any number of values.

use super::moments::mean;

/// The expected smallest of `k` of these ascending values, drawn without replacement.
pub(crate) fn fastest_of(sorted: &[f64], k: usize) -> f64 {
    let n = sorted.len();
    // The share of draws in which the i-th value is the smallest: C(n - 1 - i, k - 1) / C(n, k).
    let mut weight = k as f64 / n as f64;
    let mut sum = 0.0;
    for (i, value) in sorted.iter().enumerate().take(n + 1 - k) {
        sum += weight * value;
        weight *= (n - i - k) as f64 / (n - 1 - i).max(1) as f64;
    }
    sum
}

/// The variance of [`fastest_of`] by the jackknife; 0 if there are too few values.
pub(crate) fn jackknife(sorted: &[f64], k: usize) -> f64 {
    let n = sorted.len();
    if n <= k {
        return 0.0;
    }
    let without = |i: usize| -> f64 {
        let rest: Vec<f64> = sorted[..i].iter().chain(&sorted[i + 1..]).copied().collect();
        fastest_of(&rest, k)
    };
    let estimates: Vec<f64> = (0..n).map(without).collect();
    let center = mean(&estimates);
    (n - 1) as f64 / n as f64 * estimates.iter().map(|x| (x - center).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::rng::Rng;

    #[test]
    fn the_expected_fastest_is_that_of_all_draws() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        // Of ten pairs 4 have 1 as the smaller, 3 have 2, 2 have 4, 1 has 8.
        assert!((fastest_of(&values, 2) - (4.0 + 6.0 + 8.0 + 8.0) / 10.0).abs() < 1e-12);
        assert!((fastest_of(&values, 1) - 6.2).abs() < 1e-12, "the mean");
        assert!((fastest_of(&values, 5) - 1.0).abs() < 1e-12);
        assert_eq!(fastest_of(&[3.0], 1), 3.0);
        // The jackknife of a mean is its squared standard error: variance / n.
        assert!((jackknife(&values, 1) - 37.20000000000001 / 5.0).abs() < 1e-9);
        assert_eq!(jackknife(&[3.0], 1), 0.0);
    }

    #[test]
    fn the_number_of_repetitions_does_not_matter() {
        let mut rng = Rng::new(17);
        let mut mean_of = |n: usize| {
            let draws = 4000;
            let one = |rng: &mut Rng| {
                let mut values: Vec<f64> = (0..n).map(|_| rng.gamma(4)).collect();
                values.sort_by(f64::total_cmp);
                fastest_of(&values, 10)
            };
            (0..draws).map(|_| one(&mut rng)).sum::<f64>() / f64::from(draws)
        };
        let (few, many) = (mean_of(20), mean_of(100));
        assert!((few / many - 1.0).abs() < 0.02, "{few} {many}");
    }
}
