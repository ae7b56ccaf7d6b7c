//! What a comparison would have found: how large a change must be to stand out of the noise.

use super::{Comparison, Confidence, Threshold, interval::t_quantile};
use crate::units::Share;

/// How sure a difference of logarithms is, and beside how many others it was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sureness {
    /// Standard error.
    pub(super) error: f64,
    pub(super) degrees_of_freedom: f64,
    pub(super) n_together: usize,
}

impl Sureness {
    /// The logarithm of the smallest change that is found in 95 of 100 cases and more.
    fn detectable(&self, threshold: Threshold) -> Option<f64> {
        let t = |beyond: f64| t_quantile(self.degrees_of_freedom, Confidence::new(1.0 - beyond)?);
        let noise = (1.0 + threshold.noise.get()).ln();
        // The interval has to lie beyond the noise, and the p value, the smallest of all in Holm's order, under alpha.
        let beyond_noise = noise + t(0.05)? * self.error;
        let alpha = threshold.alpha.get() / self.n_together as f64;
        let significant = if alpha < 1.0 { t(alpha)? * self.error } else { 0.0 };
        // One case in forty lies further to the wrong side than this: as many again are left for the error, which is
        // itself only an estimate.
        Some(beyond_noise.max(significant) + t(0.05)? * self.error)
    }
}

impl Comparison {
    /// The smallest slowdown, as a share of the time, that would be called regressed in 95 of 100 comparisons and more
    /// with noise like this, if it were the only one among those [judged together](Comparison::correct): what the
    /// comparison can say at all, whatever it says. `None` where no slowdown that a number can tell would be found.
    ///
    /// With two or three samples or runs, which hardly know their noise, it is a guess.
    pub fn detectable_slowdown(&self) -> Option<Share> {
        let log = self.sureness.detectable(self.threshold)?;
        Share::new(log.exp_m1())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stats::{Design, Samples, Verdict, rng::Rng};

    fn times(mean: f64, cv: f64, n: usize, rng: &mut Rng) -> Samples<Duration> {
        let times = (0..n).map(|_| Duration::from_secs_f64(mean * (1.0 + cv * rng.normal())));
        Samples::new(times).unwrap()
    }

    fn compare(before: &Samples<Duration>, after: &Samples<Duration>) -> Comparison {
        Comparison::of_times(before, after, Design::Independent, Threshold::default()).unwrap()
    }

    #[test]
    fn a_slowdown_of_that_size_is_found_in_more_than_95_of_100_cases() {
        let mut rng = Rng::new(3);
        for (n, cv, n_together) in [(8, 0.01, 1), (8, 0.03, 1), (20, 0.02, 10), (40, 0.03, 1)] {
            // What the noise is known to be, not what a few samples say of it.
            let error = cv * (2.0 / n as f64).sqrt();
            let sureness = Sureness { error, degrees_of_freedom: (2 * n - 2) as f64, n_together };
            let slowdown = sureness.detectable(Threshold::default()).unwrap().exp();
            let mut found = 0;
            for _ in 0..2000 {
                let slow = compare(&times(0.1, cv, n, &mut rng), &times(0.1 * slowdown, cv, n, &mut rng));
                let mut all = vec![slow];
                let mut equal = || compare(&times(0.1, cv, n, &mut rng), &times(0.1, cv, n, &mut rng));
                all.extend((1..n_together).map(|_| equal()));
                Comparison::correct(&mut all);
                found += usize::from(all[0].verdict == Verdict::Regressed);
            }
            let share = found as f64 / 2000.0;
            assert!((0.96..0.99).contains(&share), "{n} samples of {cv}, {n_together} cells: {share}");
        }
    }

    #[test]
    fn what_a_comparison_says_that_it_detects_it_does() {
        // The noise is estimated from the very samples, and the slowdown is judged where they say that it is detectable.
        let mut rng = Rng::new(5);
        let (mut told, mut found) = (0, 0);
        for _ in 0..6000 {
            let slow = compare(&times(0.1, 0.022, 10, &mut rng), &times(0.105, 0.022, 10, &mut rng));
            let is_told = slow.detectable_slowdown().unwrap().get() <= 0.05;
            told += usize::from(is_told);
            found += usize::from(is_told && slow.verdict == Verdict::Regressed);
        }
        let share = found as f64 / told as f64;
        println!("found {found} of {told}: {share:.3}");
        assert!(told > 600 && share > 0.95, "{found} of {told}");
    }

    #[test]
    fn no_noise_leaves_the_threshold() {
        let still = Samples::new([Duration::from_millis(7); 5]).unwrap();
        let detectable = compare(&still, &still).detectable_slowdown().unwrap();
        assert!((detectable.get() - 0.01).abs() < 1e-12, "{detectable:?}");
    }

    #[test]
    fn more_cells_and_more_noise_hide_more() {
        let mut rng = Rng::new(4);
        let (quiet, noisy) = (times(0.1, 0.01, 10, &mut rng), times(0.1, 0.04, 10, &mut rng));
        let of = |set: &Samples<Duration>| compare(set, set);
        let detectable = |comparison: &Comparison| comparison.detectable_slowdown().unwrap();
        assert!(detectable(&of(&noisy)) > detectable(&of(&quiet)));
        let mut together = [of(&noisy); 50];
        Comparison::correct(&mut together);
        assert!(detectable(&together[0]) > detectable(&of(&noisy)));
    }
}
