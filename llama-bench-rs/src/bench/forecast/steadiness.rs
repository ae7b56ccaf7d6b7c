//! The spread of repetitions of the same work, and what follows for the time left.

use std::collections::BTreeMap;

use super::costs::Task;

/// The spread of the logarithms of times: within each cell around the mean of that cell (Welford's method).
#[derive(Clone, Debug, Default)]
pub(super) struct Steadiness {
    /// Repetitions of a cell and the mean of their logarithms.
    cells: BTreeMap<Task, (f64, f64)>,
    /// Over all cells: squares around the means, and repetitions beyond the first of each.
    squares: f64,
    n_beyond: f64,
}

/// The assumed spread, as a standard deviation of logarithms, and how many repetitions it counts as.
const USUAL: f64 = 0.6;
const WEIGHT: f64 = 4.0;

/// Distance of the mean of the slowest third of a normal distribution from its middle, in standard deviations.
const THIRD: f64 = 1.09;

impl Steadiness {
    pub(super) fn add(&mut self, task: Task, seconds: f64) {
        let log = seconds.max(1e-9).ln();
        let (n, mean) = self.cells.entry(task).or_default();
        let off = log - *mean;
        *n += 1.0;
        *mean += off / *n;
        if *n > 1.0 {
            self.squares += off * (log - *mean);
            self.n_beyond += 1.0;
        }
    }

    /// The time of the slowest third of repetitions over that of all.
    pub(super) fn slowest_third(&self) -> f64 {
        let variance = (self.squares + WEIGHT * USUAL.powi(2)) / (self.n_beyond + WEIGHT);
        (THIRD * variance.sqrt()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::pp, stats::Rng};

    /// The factor after so many repetitions of four cells that take very different times.
    fn after(n: u32, spread: f64) -> f64 {
        let (mut steadiness, mut rng) = (Steadiness::default(), Rng::new(1));
        for rep in 0..n {
            let seconds = f64::from(1 + rep % 4) * (spread * rng.normal()).exp();
            steadiness.add(Task::of_test(&pp(512).at(rep % 4), 0), seconds);
        }
        steadiness.slowest_third()
    }

    #[test]
    fn little_is_known_before_repetitions_were_made() {
        assert_eq!(after(0, 0.0), after(4, 0.0), "the first of a cell says nothing of its spread");
        assert!(after(0, 0.0) > 1.5);
    }

    #[test]
    fn a_steady_machine_is_known_to_be_one_and_a_busy_one_too() {
        assert!(after(200, 0.02) < 1.2, "{}", after(200, 0.02));
        let busy = after(200, 0.5);
        assert!((1.6..1.9).contains(&busy), "{busy}");
    }
}
