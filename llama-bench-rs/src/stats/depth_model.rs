use std::time::Duration;

use super::{
    Confidence, Interval, IntervalMethod, Quantity,
    interval::t_quantile,
    linearity::{self, Groups, Linearity},
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

/// A straight line through the time per token against the depth, by least squares over all repetitions.
///
/// Attention looks at every token before, so that its time grows with the depth; the rest of the work does not depend
/// on it. Where the line is wrong ([`DepthModel::linearity`]), intervals are computed from how far the depths lie off
/// the line instead of how far the repetitions lie apart, and are wider.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthModel {
    intercept: Coefficient,
    slope: Coefficient,
    linearity: Option<Linearity>,
    line: Line,
    shallowest: u32,
    deepest: u32,
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
    /// Whether the depth lies outside of those measured, where nothing vouches for the line.
    pub is_extrapolated: bool,
}

/// The fitted line, in nanoseconds per token.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    n: f64,
    mean_depth: f64,
    mean_ns: f64,
    slope: f64,
    /// Sum of the squared distances of the depths from their mean.
    spread: f64,
    /// Variance that the uncertainty of the line comes from.
    variance: f64,
    /// Variance of one more repetition around the line.
    variance_of_one: f64,
    degrees_of_freedom: f64,
}

impl DepthModel {
    /// The line through these points; repetitions without time are fine, points without repetitions are left out.
    /// `None` for fewer than two depths or fewer than three repetitions in all.
    pub fn fit(points: &[DepthSamples]) -> Option<Self> {
        let groups = Groups::new(points)?;
        let n = groups.n() as f64;
        let degrees_of_freedom = n - 2.0;
        if groups.n_depths() < 2 || degrees_of_freedom < 1.0 {
            return None;
        }
        let mean = |value: fn(f64, f64) -> f64| groups.each().map(|(x, y)| value(x, y)).sum::<f64>() / n;
        let (mean_depth, mean_ns) = (mean(|x, _| x), mean(|_, y| y));
        let spread: f64 = groups.each().map(|(x, _)| (x - mean_depth).powi(2)).sum();
        let slope = groups.each().map(|(x, y)| (x - mean_depth) * (y - mean_ns)).sum::<f64>() / spread;
        let at = |x: f64| mean_ns + slope * (x - mean_depth);
        let squares: f64 = groups.each().map(|(x, y)| (y - at(x)).powi(2)).sum();
        let variance = squares / degrees_of_freedom;
        let mut line = Line {
            n,
            mean_depth,
            mean_ns,
            slope,
            spread,
            variance,
            variance_of_one: variance,
            degrees_of_freedom,
        };
        let linearity = linearity::test(&groups, at, squares);
        if let Some(misfit) = linearity.as_ref().and_then(|l| l.misfit()) {
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
            intercept: coefficient(at(0.0), line.variance_at(0.0)),
            slope: coefficient(slope, line.variance / spread),
            linearity,
            line,
            shallowest: points.iter().filter(|p| !p.times.is_empty()).map(|p| p.n_depth).min()?,
            deepest: points.iter().filter(|p| !p.times.is_empty()).map(|p| p.n_depth).max()?,
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

    /// Whether the line is the right shape; `None` where the points cannot tell, such as three depths measured once.
    pub fn linearity(&self) -> Option<Linearity> {
        self.linearity
    }

    /// The speed at a depth, always a prediction, even where something was measured; `None` if the line has come down
    /// to no time there.
    pub fn predict(&self, n_depth: u32) -> Option<Predicted> {
        let x = f64::from(n_depth);
        let ns = self.line.mean_ns + self.line.slope * (x - self.line.mean_depth);
        let rate = |ns: f64| TokensPerSecond::new(1e9 / ns);
        let t = t_quantile(self.line.degrees_of_freedom, Confidence::P95)?;
        let half = t * (self.line.variance_at(x) + self.line.variance_of_one).sqrt();
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
            is_extrapolated: n_depth < self.shallowest || n_depth > self.deepest,
        })
    }
}

impl Line {
    /// Variance of the line's height at `x`.
    fn variance_at(&self, x: f64) -> f64 {
        self.variance * (1.0 / self.n + (x - self.mean_depth).powi(2) / self.spread)
    }
}

#[cfg(test)]
#[path = "depth_model_tests.rs"]
mod tests;
