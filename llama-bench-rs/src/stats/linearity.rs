use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::{DepthSamples, moments::mean, student::two_sided_p};
use crate::units::{Probability, Share};

/// Whether a straight line fits.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Linearity {
    /// How that was tested.
    pub test: LinearityTest,
    /// The p value: how often noise alone moves points at least as far off a true line.
    pub p_value: Probability,
    /// The largest distance of a depth's mean from the line, as a part of the line's height there.
    pub largest_deviation: Share,
    misfit: Option<Misfit>,
}

/// How a line is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinearityTest {
    /// F test of the lack of fit against the spread of the repetitions at each depth (pure error).
    LackOfFit,
    /// Student's t test of a quadratic term, if nothing was repeated.
    QuadraticTerm,
}

/// The relative variances to use if the points lie farther off the line than their repetitions allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Misfit {
    pub(super) variance: f64,
    pub(super) variance_of_one: f64,
    pub(super) degrees_of_freedom: f64,
}

impl Linearity {
    /// A p value below this is significant.
    pub const ALPHA: f64 = 0.05;

    /// Up to this deviation a line is good enough, even if the deviation is significant.
    pub const TOLERANCE: f64 = 0.01;

    /// Whether the line is wrong: surely (p under [`Linearity::ALPHA`]) and by more than [`Linearity::TOLERANCE`].
    pub fn is_wrong(&self) -> bool {
        self.p_value.get() < Self::ALPHA && self.largest_deviation.get() > Self::TOLERANCE
    }

    pub(super) fn misfit(&self) -> Option<Misfit> {
        self.misfit.filter(|_| self.p_value.get() < Self::ALPHA)
    }
}

/// Times per token in nanoseconds, by depth.
///
/// Noise is a share of the time that it disturbs: times count by the inverse square of their depth's mean, and all
/// variances are those of the relative error.
pub(super) struct Groups(Vec<Group>);

struct Group {
    depth: f64,
    times: Vec<f64>,
    weight: f64,
}

/// One repetition.
#[derive(Clone, Copy)]
pub(super) struct Point {
    /// Tokens in the context.
    pub(super) x: f64,
    /// Nanoseconds per token.
    pub(super) y: f64,
    weight: f64,
}

impl Groups {
    /// Groups repeated depths and leaves out what took no time.
    pub(super) fn new(points: &[DepthSamples]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for point in points.iter().filter(|point| point.n_tokens > 0) {
            let depth = f64::from(point.n_depth);
            let times = point
                .times
                .iter()
                .filter(|time| !time.is_zero())
                .map(|time| time.as_secs_f64() * 1e9 / f64::from(point.n_tokens));
            match groups.iter_mut().find(|group| group.depth == depth) {
                Some(group) => group.times.extend(times),
                None => groups.push(Group { depth, times: times.collect(), weight: 0.0 }),
            }
        }
        groups.retain(|group| !group.times.is_empty());
        groups.iter_mut().for_each(|group| group.weight = mean(&group.times).powi(-2));
        Self(groups)
    }

    fn each(&self) -> impl Iterator<Item = Point> {
        let point = |group: &Group, y: f64| Point { x: group.depth, y, weight: group.weight };
        self.0.iter().flat_map(move |group| group.times.iter().map(move |&y| point(group, y)))
    }

    /// The weighted sum of a value over all repetitions.
    pub(super) fn sum(&self, value: impl Fn(Point) -> f64) -> f64 {
        self.each().map(|point| point.weight * value(point)).sum()
    }

    pub(super) fn n(&self) -> usize {
        self.0.iter().map(|group| group.times.len()).sum()
    }

    pub(super) fn n_depths(&self) -> usize {
        self.0.len()
    }

    /// The shallowest and the deepest depth.
    pub(super) fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), group| {
            (low.min(group.depth), high.max(group.depth))
        })
    }
}

/// Tests the line `at`, around which the points have this weighted sum of squares; `None` if they cannot decide.
pub(super) fn test(groups: &Groups, at: impl Fn(f64) -> f64, squares: f64) -> Option<Linearity> {
    let (p_value, test, misfit) = if groups.n() > groups.n_depths() {
        let (p_value, misfit) = lack_of_fit(groups, squares)?;
        (p_value, LinearityTest::LackOfFit, Some(misfit))
    } else {
        (quadratic_term(groups, &at, squares)?, LinearityTest::QuadraticTerm, None)
    };
    let deviation = |group: &Group| (mean(&group.times) / at(group.depth) - 1.0).abs();
    let largest_deviation = Share::new(groups.0.iter().map(deviation).fold(0.0, f64::max))?;
    Some(Linearity { test, p_value: Probability::new(p_value)?, largest_deviation, misfit })
}

/// The sum of squares of so many points below which it is rounding of the clock.
fn is_nothing(squares: f64, n: f64) -> bool {
    squares <= 1e-14 * n
}

fn lack_of_fit(groups: &Groups, squares: f64) -> Option<(f64, Misfit)> {
    let (n, k) = (groups.n() as f64, groups.n_depths() as f64);
    if k < 3.0 {
        return None;
    }
    let around_mean = |group: &Group| {
        let mean = mean(&group.times);
        group.weight * group.times.iter().map(|y| (y - mean).powi(2)).sum::<f64>()
    };
    let pure: f64 = groups.0.iter().map(around_mean).sum();
    let lack = (squares - pure).max(0.0);
    let (pure_variance, lack_variance) = (pure / (n - k), lack / (k - 2.0));
    let p_value = if !is_nothing(pure, n) {
        FisherSnedecor::new(k - 2.0, n - k).ok()?.sf(lack_variance / pure_variance)
    } else if is_nothing(lack, n) {
        1.0
    } else {
        0.0
    };
    // Repetitions per depth; for unequal numbers their equivalent in the analysis of variance.
    let squared_counts: f64 = groups.0.iter().map(|group| (group.times.len() as f64).powi(2)).sum();
    let per_depth = (n - squared_counts / n) / (k - 1.0);
    let between_depths = ((lack_variance - pure_variance) / per_depth).max(0.0);
    let misfit = Misfit {
        variance: lack_variance,
        variance_of_one: pure_variance + between_depths,
        degrees_of_freedom: k - 2.0,
    };
    Some((p_value, misfit))
}

/// Two-sided p value of a quadratic term beside the line; `None` for fewer than four points.
fn quadratic_term(groups: &Groups, at: impl Fn(f64) -> f64, squares: f64) -> Option<f64> {
    let n = groups.n() as f64;
    if n < 4.0 {
        return None;
    }
    // The part of x² that is not linear: the residual of its regression on x. Depths are scaled to the largest, because
    // their powers would lose digits.
    let scale = groups.range().1.max(1.0);
    let weights = groups.sum(|_| 1.0);
    let average = |value: &dyn Fn(f64) -> f64| groups.sum(|point| value(point.x / scale)) / weights;
    let (mean_x, mean_square) = (average(&|x| x), average(&|x| x * x));
    let slope = average(&|x| (x - mean_x) * x * x) / average(&|x| (x - mean_x).powi(2));
    let curve = |x: f64| x * x - mean_square - slope * (x - mean_x);
    let spread = groups.sum(|point| curve(point.x / scale).powi(2));
    let along = groups.sum(|point| curve(point.x / scale) * (point.y - at(point.x)));
    let coefficient = along / spread;
    let rest = (squares - coefficient.powi(2) * spread).max(0.0);
    if is_nothing(rest, n) {
        return Some(if is_nothing(squares, n) { 1.0 } else { 0.0 });
    }
    let error = (rest / (n - 3.0) / spread).sqrt();
    two_sided_p(coefficient / error, n - 3.0)
}
