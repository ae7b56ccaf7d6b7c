//! How many steps a generation takes until it runs at its steady speed.

use std::time::Duration;

use statrs::distribution::{ContinuousCDF, Normal};

use super::{Quantity, quantile::quantile};

/// The slow steps at the beginning of each generation, such as those in which a graph is built and captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transient {
    /// How many steps it takes, at least one.
    pub n_steps: usize,
    /// How much longer these steps take together than as many steady ones: for each step the median over the
    /// repetitions, added up.
    pub excess: Duration,
}

/// Longest transient looked for, in steps; of short generations three eighths.
const LONGEST: usize = 8;

/// Steps after it that it is compared with: too few for the growing context to matter.
const N_REST: usize = 32;

/// A step that exceeds the steady one by less than this share does not count as slow.
const MATERIAL: f64 = 0.05;

/// Probability that a step among equal ones looks slow. Two steps can begin a transient: noise looks like one in at most 4 %
/// of all cells.
const ALPHA: f64 = 0.02;

impl Transient {
    /// From the steps of each repetition in order; `None` if no transient is found, or there are too few steps.
    ///
    /// A step is slow if two things hold. It takes 5 % longer than the steps that follow. And it ranks high among them, each
    /// repetition by itself, by an exact rank-sum test, which outliers and long tails do not disturb. The transient ends
    /// with the last slow step; one step between two slow ones may look normal.
    pub fn find<'a>(repetitions: impl IntoIterator<Item = &'a [Duration]>) -> Option<Self> {
        let repetitions: Vec<&[Duration]> =
            repetitions.into_iter().filter(|steps| !steps.is_empty()).collect();
        let n_common = repetitions.iter().map(|steps| steps.len()).min()?;
        let longest = LONGEST.min(n_common * 3 / 8);
        let compared: Vec<Repetition> =
            repetitions.iter().map(|steps| Repetition::new(steps, longest)).collect::<Option<_>>()?;
        let mut n_steps = 0;
        for i in 0..longest {
            if is_slow(&compared, i) {
                n_steps = i + 1;
            } else if i > n_steps {
                break;
            }
        }
        let excess: f64 = (0..n_steps).filter_map(|i| Some(excess(&compared, i)?.0)).sum();
        Some(Self { n_steps, excess: Duration::from_f64(excess.max(0.0))? }).filter(|found| found.n_steps > 0)
    }

    /// Steps that do not count as steady: the first may pay for something even without a transient.
    pub(super) fn n_unsteady(found: Option<Self>) -> usize {
        found.map_or(1, |transient| transient.n_steps)
    }
}

/// The steps of a repetition that may be slow, and the sorted ones that they are compared with.
struct Repetition {
    early: Vec<f64>,
    rest: Vec<f64>,
    steady: f64,
}

impl Repetition {
    fn new(steps: &[Duration], longest: usize) -> Option<Self> {
        let (early, rest) = steps.split_at_checked(longest)?;
        let mut rest: Vec<f64> = rest.iter().take(N_REST).map(|step| step.to_f64()).collect();
        rest.sort_by(f64::total_cmp);
        let steady = quantile(&rest, 0.5)?;
        Some(Self { early: early.iter().map(|step| step.to_f64()).collect(), rest, steady })
    }

    /// How many of the rest took less time; of equal ones none.
    fn rank(&self, i: usize) -> usize {
        self.rest.partition_point(|&step| step < self.early[i])
    }
}

fn is_slow(repetitions: &[Repetition], i: usize) -> bool {
    let is_material = excess(repetitions, i).is_some_and(|(excess, steady)| excess > MATERIAL * steady);
    let sum = repetitions.iter().map(|repetition| repetition.rank(i)).sum();
    let sizes: Vec<usize> = repetitions.iter().map(|repetition| repetition.rest.len()).collect();
    is_material && probability_of_rank_sum(&sizes, sum) <= ALPHA
}

/// By how much the step exceeds the steady one, and that: the medians over the repetitions.
fn excess(repetitions: &[Repetition], i: usize) -> Option<(f64, f64)> {
    let median = |of: &dyn Fn(&Repetition) -> f64| {
        let mut values: Vec<f64> = repetitions.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5)
    };
    Some((median(&|r| r.early[i] - r.steady)?, median(&|r| r.steady)?))
}

/// The probability that ranks, each uniform from 0 to its size, add up to `sum` or more.
fn probability_of_rank_sum(sizes: &[usize], sum: usize) -> f64 {
    /// From this many on the sum is normal to the digits that matter here.
    const MANY: usize = 40;
    if sizes.len() >= MANY {
        let mean: f64 = sizes.iter().map(|&n| n as f64 / 2.0).sum();
        let variance: f64 = sizes.iter().map(|&n| ((n as f64 + 1.0).powi(2) - 1.0) / 12.0).sum();
        return Normal::new(mean, variance.sqrt()).map_or(1.0, |normal| normal.sf(sum as f64 - 0.5));
    }
    let mut probabilities = vec![1.0];
    for &size in sizes {
        let mut next = vec![0.0; probabilities.len() + size];
        for (at, probability) in probabilities.iter().enumerate() {
            next[at..=at + size].iter_mut().for_each(|p| *p += probability / (size + 1) as f64);
        }
        probabilities = next;
    }
    probabilities.iter().skip(sum).sum()
}

#[cfg(test)]
#[path = "transient_tests.rs"]
mod tests;
