//! The spread of the runs of many sides, and the range that equal sides show because of it.

use super::assumed;
use crate::{stats::Rng, units::Probability};

/// Simulated campaigns of equal sides: they meet a false-alarm rate of 5 % to 0.35 percentage points (one standard error).
const DRAWINGS: usize = 4000;
/// Fewer for very many sides and tests.
const MOST_NUMBERS: usize = 4_000_000;
const FEWEST_DRAWINGS: usize = 500;

/// The logarithm of a run's time and its variance by the run's own repetitions.
pub(super) type Figure = Option<(f64, f64)>;

/// By side, run and test.
pub(super) type Figures = Vec<Vec<Vec<Figure>>>;

/// The figures of one kind of tests, and how they vary.
pub(super) struct Spread {
    figures: Figures,
    /// The variance that all tests of a run have in common, and that of each beyond it.
    common: f64,
    own: f64,
    /// The degrees of freedom of the former.
    pub(super) degrees_of_freedom: f64,
    /// Each side's own variance in common; `None` for one run.
    of_side: Vec<Option<f64>>,
    n_tests: usize,
}

impl Spread {
    pub(super) fn of(figures: Figures) -> Self {
        let squares: Vec<Squares> = figures.iter().map(|side| Squares::of(side)).collect();
        let sum = |pick: fn(&Squares) -> f64| squares.iter().map(pick).sum::<f64>();
        let blend = |assumed: f64, squares: f64, known: f64| {
            (assumed::WEIGHT * assumed.powi(2) + squares) / (assumed::WEIGHT + known)
        };
        let known = sum(|of| of.n_common);
        let common = blend(assumed::COMMON.get(), sum(|of| of.common), known);
        let (common, degrees_of_freedom) = if known > 0.0 {
            (common, assumed::WEIGHT + known)
        } else {
            (assumed::RANKED.get().powi(2), f64::INFINITY)
        };
        Self {
            common,
            own: blend(assumed::OWN, sum(|of| of.own), sum(|of| of.n_own)),
            degrees_of_freedom,
            of_side: squares.iter().map(|of| (of.n_common > 0.0).then(|| of.common / of.n_common)).collect(),
            n_tests: figures.iter().flatten().map(Vec::len).max().unwrap_or(0),
            figures,
        }
    }

    /// How much longer the other side takes, as a difference of logarithms, and the variance of that; `None` unless both
    /// have the test.
    pub(super) fn difference(&self, one: usize, other: usize, test: usize) -> Option<(f64, f64)> {
        let ((log, variance), (other_log, other_variance)) = (self.mean(one, test)?, self.mean(other, test)?);
        Some((other_log - log, variance + other_variance))
    }

    /// The mean of a side's runs in a test, and its variance, which is larger if the side's runs lie further apart than
    /// those of the others or its repetitions scatter more than runs do.
    fn mean(&self, side: usize, test: usize) -> Option<(f64, f64)> {
        let figures: Vec<(f64, f64)> = self.figures[side].iter().filter_map(|run| run[test]).collect();
        let n = figures.len() as f64;
        let mean = |pick: fn(&(f64, f64)) -> f64| figures.iter().map(pick).sum::<f64>() / n;
        let between = self.common.max(self.of_side[side].unwrap_or(0.0)) + self.own;
        let within = mean(|figure| figure.1);
        // The observed spread of runs includes that of their repetitions; an assumed one does not.
        let whole = if self.degrees_of_freedom.is_finite() { between.max(within) } else { between + within };
        (n > 0.0).then(|| (mean(|figure| figure.0), whole / n))
    }
}

/// What the runs of one side contribute to the spread: sums of squares, and from how many differences.
#[derive(Default)]
struct Squares {
    common: f64,
    n_common: f64,
    own: f64,
    n_own: f64,
}

impl Squares {
    /// From the runs that have every test of the side.
    fn of(side: &[Vec<Figure>]) -> Self {
        let n = side.first().map_or(0, Vec::len);
        let tests: Vec<usize> = (0..n).filter(|&test| side.iter().any(|run| run[test].is_some())).collect();
        let logs = |run: &Vec<Figure>| -> Option<Vec<f64>> {
            tests.iter().map(|&test| run[test].map(|(log, _)| log)).collect()
        };
        let runs: Vec<Vec<f64>> = side.iter().filter_map(logs).collect();
        if runs.len() < 2 || tests.is_empty() {
            return Self::default();
        }
        let (n_runs, n_tests) = (runs.len() as f64, tests.len() as f64);
        let of_test: Vec<f64> =
            (0..tests.len()).map(|i| runs.iter().map(|run| run[i]).sum::<f64>() / n_runs).collect();
        let mut squares =
            Self { n_common: n_runs - 1.0, n_own: (n_runs - 1.0) * (n_tests - 1.0), ..Self::default() };
        for run in &runs {
            let off: Vec<f64> = run.iter().zip(&of_test).map(|(log, test)| log - test).collect();
            let common = off.iter().sum::<f64>() / n_tests;
            squares.common += common.powi(2);
            squares.own += off.iter().map(|off| (off - common).powi(2)).sum::<f64>();
        }
        squares
    }
}

/// The number of standard errors that the widest difference among so many equal sides exceeds in any test with this
/// chance. Kinds of tests are independent of each other. Simulated with a fixed seed.
pub(super) fn widest_of_equals<'a>(
    n_sides: usize,
    kinds: impl IntoIterator<Item = &'a Spread>,
    chance: Probability,
) -> f64 {
    let kinds: Vec<&Spread> = kinds.into_iter().filter(|kind| kind.n_tests > 0).collect();
    let n_numbers: usize = kinds.iter().map(|kind| n_sides * (kind.n_tests + 1)).sum();
    let n_drawings = (MOST_NUMBERS / n_numbers.max(1)).clamp(FEWEST_DRAWINGS, DRAWINGS);
    let mut rng = Rng::new(42);
    let mut widest: Vec<f64> = (0..n_drawings)
        .map(|_| kinds.iter().map(|kind| kind.widest(n_sides, &mut rng)).fold(0.0, f64::max))
        .collect();
    widest.sort_by(f64::total_cmp);
    let at = ((1.0 - chance.get()) * n_drawings as f64).ceil() as usize;
    widest[at.min(n_drawings) - 1]
}

impl Spread {
    /// The widest difference in one simulated campaign, in units of its estimated standard error.
    fn widest(&self, n_sides: usize, rng: &mut Rng) -> f64 {
        let whole = self.common + self.own;
        let (common, own) = ((self.common / whole).sqrt(), (self.own / whole).sqrt());
        let of_side: Vec<f64> = (0..n_sides).map(|_| common * rng.normal()).collect();
        let range = |rng: &mut Rng| {
            let of_test = of_side.iter().map(|of_side| of_side + own * rng.normal());
            let (low, high) = of_test.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
            high - low
        };
        let widest = (0..self.n_tests).map(|_| range(rng)).fold(0.0, f64::max);
        widest / (std::f64::consts::SQRT_2 * estimated(self.degrees_of_freedom, rng))
    }
}

/// One estimate of a standard error of 1 (chi-square distribution, approximated after Wilson and Hilferty).
fn estimated(degrees_of_freedom: f64, rng: &mut Rng) -> f64 {
    let part = 2.0 / (9.0 * degrees_of_freedom);
    (1.0 - part + part.sqrt() * rng.normal()).max(0.05).powi(3).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(n_sides: usize, n_runs: usize, n_tests: usize) -> Spread {
        // Runs exactly as far apart as assumed, in the shared part alone.
        let log = |run: usize| if run.is_multiple_of(2) { 0.02 } else { -0.02 };
        let run = |run: usize| vec![Some((log(run), 0.0)); n_tests];
        Spread::of((0..n_sides).map(|_| (0..n_runs).map(run).collect()).collect())
    }

    #[test]
    fn the_widest_difference_of_one_test_is_tukeys() {
        // Studentised ranges, from tables: of known errors q(0.05; 2) = 2.77, q(0.05; 3) = 3.31, q(0.05; 10) = 4.47, and
        // q(0.05; 3, 11) = 3.82.
        for (n_sides, n_runs, q) in [(2, 1, 2.77), (3, 1, 3.31), (10, 1, 4.47)] {
            let widest = widest_of_equals(n_sides, [&equal(n_sides, n_runs, 1)], Probability::percent(5));
            let expected = q / std::f64::consts::SQRT_2;
            assert!((widest / expected - 1.0).abs() < 0.04, "{n_sides} sides: {widest} and {expected}");
        }
        let known = equal(5, 3, 1);
        assert_eq!(known.degrees_of_freedom, 11.0);
        let widest = widest_of_equals(3, [&known], Probability::percent(5));
        assert!((widest * std::f64::consts::SQRT_2 / 3.82 - 1.0).abs() < 0.04, "{widest}");
    }

    #[test]
    fn tests_that_share_their_noise_cost_little_and_kinds_that_do_not_cost_more() {
        let chance = Probability::percent(5);
        let (one, ten) = (equal(3, 3, 1), equal(3, 3, 10));
        let [alone, shared, apart] = [
            widest_of_equals(3, [&one], chance),
            widest_of_equals(3, [&ten], chance),
            widest_of_equals(3, [&one, &one], chance),
        ];
        assert!(alone < shared && shared < 1.15 * alone, "{alone} {shared}");
        assert!(apart > 1.05 * alone, "{alone} {apart}");
    }

    #[test]
    fn a_side_that_varies_more_is_known_less_well() {
        let quiet = |log: f64| vec![Some((log, 0.0))];
        let sides = vec![
            vec![quiet(0.0), quiet(0.001), quiet(0.002)],
            vec![quiet(0.0), quiet(0.001), quiet(0.002)],
            vec![quiet(0.0), quiet(0.5), quiet(-0.5)],
        ];
        let spread = Spread::of(sides);
        let [among_quiet, with_loud] =
            [1, 2].map(|other| spread.difference(0, other, 0).map(|(_, variance)| variance).unwrap());
        assert!(with_loud > among_quiet, "{with_loud} {among_quiet}");
    }

    #[test]
    fn a_test_that_a_side_lacks_has_no_difference() {
        let spread = Spread::of(vec![vec![vec![Some((1.0, 0.0)), None]], vec![vec![Some((2.0, 0.0)); 2]]]);
        assert_eq!(spread.difference(0, 1, 0).map(|(log, _)| log), Some(1.0));
        assert_eq!(spread.difference(0, 1, 1), None);
    }
}
