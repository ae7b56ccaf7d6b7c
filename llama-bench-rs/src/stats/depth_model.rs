use std::time::Duration;

use super::{
    Confidence, Interval, IntervalMethod, Quantity,
    linearity::{self, Groups, Linearity},
    student::t_quantile,
};
use crate::units::TokensPerSecond;

/// What was measured at one depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthSamples {
    /// Tokens in the context when the clock started.
    pub n_depth: u32,
    /// Tokens that one repetition processed.
    pub n_tokens: u32,
    /// The time of each repetition.
    pub times: Vec<Duration>,
}

/// A straight line through the time per token against the depth, by least squares over all repetitions. Noise is a
/// share of the time that it disturbs, so each counts by the inverse square of its depth's mean.
///
/// Attention looks at every earlier token, and its time grows with the depth; the rest of the work does not depend on it.
/// If the line does not fit ([`DepthModel::linearity`]), intervals follow from the distances of the depths from the line
/// instead of the spread of the repetitions, and are wider.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthModel {
    intercept: Coefficient,
    slope: Coefficient,
    linearity: Option<Linearity>,
    line: Line,
    /// The shallowest and the deepest depth.
    measured: (f64, f64),
}

/// A coefficient of the line with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Coefficient {
    /// The estimate, in nanoseconds.
    pub ns: f64,
    /// Lower bound of the interval, in nanoseconds.
    pub lower_ns: f64,
    /// Upper bound of the interval, in nanoseconds.
    pub upper_ns: f64,
}

/// A speed that was not measured: what one more repetition at this depth is expected to show.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Predicted {
    /// Tokens in the context.
    pub n_depth: u32,
    /// The predicted speed.
    pub rate: TokensPerSecond,
    /// The 95 % interval of one more repetition; `None` if it is so wide that it reaches down to no time at all.
    pub interval: Option<Interval<TokensPerSecond>>,
    /// Whether the depth lies outside of those measured, where the line is not tested.
    pub is_extrapolated: bool,
}

/// The fitted line, in nanoseconds per token; variances are those of the relative error.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    weights: f64,
    mean_depth: f64,
    mean_ns: f64,
    slope: f64,
    /// Weighted sum of the squared distances of the depths from their mean.
    spread: f64,
    /// The variance that the uncertainty of the line comes from.
    variance: f64,
    /// The variance of one more repetition around the line.
    variance_of_one: f64,
    degrees_of_freedom: f64,
}

impl DepthModel {
    /// The line through these points; what took no time is left out. `None` for fewer than two depths or fewer than
    /// three repetitions in all.
    pub fn fit(points: &[DepthSamples]) -> Option<Self> {
        let groups = Groups::new(points);
        if groups.n_depths() < 2 || groups.n() < 3 {
            return None;
        }
        let mut line = Line::through(&groups);
        let squares = groups.sum(|point| (point.y - line.at(point.x)).powi(2));
        line.degrees_of_freedom = (groups.n() - 2) as f64;
        line.variance = squares / line.degrees_of_freedom;
        line.variance_of_one = line.variance;
        let linearity = linearity::test(&groups, |x| line.at(x), squares);
        if let Some(misfit) = linearity.as_ref().and_then(Linearity::misfit) {
            line.variance = misfit.variance;
            line.variance_of_one = misfit.variance_of_one;
            line.degrees_of_freedom = misfit.degrees_of_freedom;
        }
        let t = t_quantile(line.degrees_of_freedom, Confidence::P95)?;
        let coefficient = |ns: f64, variance: f64| {
            let half = t * variance.sqrt();
            Coefficient { ns, lower_ns: ns - half, upper_ns: ns + half }
        };
        Some(Self {
            intercept: coefficient(line.at(0.0), line.variance_at(0.0)),
            slope: coefficient(line.slope, line.variance / line.spread),
            linearity,
            line,
            measured: groups.range(),
        })
    }

    /// The time of a token in an empty context, in nanoseconds.
    pub fn intercept(&self) -> Coefficient {
        self.intercept
    }

    /// What each token in the context adds to the time of a token, in nanoseconds.
    pub fn slope(&self) -> Coefficient {
        self.slope
    }

    /// Whether the line fits; `None` if the points cannot decide, such as three depths measured once.
    pub fn linearity(&self) -> Option<Linearity> {
        self.linearity
    }

    /// The speed at a depth, always a prediction, even at a measured depth; `None` if the line has no positive time there.
    pub fn predict(&self, n_depth: u32) -> Option<Predicted> {
        let x = f64::from(n_depth);
        let ns = self.line.at(x);
        let rate = |ns: f64| TokensPerSecond::new(1e9 / ns);
        let t = t_quantile(self.line.degrees_of_freedom, Confidence::P95)?;
        let half = t * (self.line.variance_at(x) + self.line.variance_of_one * ns.powi(2)).sqrt();
        let interval = (ns - half > 0.0)
            .then(|| {
                let (lower, upper) = (rate(ns + half)?.to_f64(), rate(ns - half)?.to_f64());
                Interval::between(lower, upper, Confidence::P95, IntervalMethod::Regression)
            })
            .flatten();
        Some(Predicted {
            n_depth,
            rate: rate(ns)?,
            interval,
            is_extrapolated: x < self.measured.0 || x > self.measured.1,
        })
    }
}

impl Line {
    /// The line alone, without its variances.
    fn through(groups: &Groups) -> Self {
        let weights = groups.sum(|_| 1.0);
        let (mean_depth, mean_ns) = (groups.sum(|p| p.x) / weights, groups.sum(|p| p.y) / weights);
        let spread = groups.sum(|p| (p.x - mean_depth).powi(2));
        let slope = groups.sum(|p| (p.x - mean_depth) * (p.y - mean_ns)) / spread;
        let (variance, variance_of_one, degrees_of_freedom) = (0.0, 0.0, 0.0);
        Self { weights, mean_depth, mean_ns, slope, spread, variance, variance_of_one, degrees_of_freedom }
    }

    /// Its height at `x`.
    fn at(&self, x: f64) -> f64 {
        self.mean_ns + self.slope * (x - self.mean_depth)
    }

    /// The variance of its height at `x`.
    fn variance_at(&self, x: f64) -> f64 {
        self.variance * (1.0 / self.weights + (x - self.mean_depth).powi(2) / self.spread)
    }
}

#[cfg(test)]
#[path = "depth_model_tests.rs"]
mod tests;
