//! The figure of one side with an interval that includes the spread between runs.

use std::{cmp::Ordering, time::Duration};

use super::{
    assumed,
    figure::{self, RunFigure},
};
use crate::{
    record::{Cell, Run},
    stats::{Bounds, Confidence, Quantity, mean, t_quantile},
    units::{RateSpread, Share, TokensPerSecond},
};

/// What an interval is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Between runs: it contains the mean of further runs.
    BetweenRuns,
    /// Of one run, whose distance from others is assumed: 2 % of the time.
    Assumed,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::BetweenRuns => f.write_str("between runs"),
            Scope::Assumed => write!(f, "one run; {}", assumed::of_one_run()),
        }
    }
}

/// The time of a repetition, from several separate runs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunEstimate {
    /// The geometric mean of the runs' figures.
    pub time: Duration,
    /// Its 95 % interval.
    pub bounds: Bounds<Duration>,
    /// How many runs there are, at least one.
    pub n_runs: usize,
}

impl RunEstimate {
    /// The time of cells at the fast end, at most one a run: the expected fastest of ten of their repetitions, or of half
    /// of what the cell with fewest has. `None` if there are none, or one failed or took no time.
    pub fn of<'a>(cells: impl IntoIterator<Item = (&'a Run, &'a Cell)>) -> Option<Self> {
        let cells: Vec<(&Run, &Cell)> = cells.into_iter().collect();
        let pool: Vec<&Cell> = cells.iter().map(|(_, cell)| *cell).collect();
        Self::beside(&cells, &pool)
    }

    /// The same, with the number of repetitions that all cells of the pool allow: they are compared with each other.
    pub(crate) fn beside(cells: &[(&Run, &Cell)], pool: &[&Cell]) -> Option<Self> {
        let n_fastest = figure::n_fastest(pool.iter().copied());
        let figures: Option<Vec<RunFigure>> =
            cells.iter().map(|(run, cell)| RunFigure::of(run, cell, n_fastest)).collect();
        Self::of_figures(&figures?)
    }

    pub(super) fn of_figures(figures: &[RunFigure]) -> Option<Self> {
        let logs: Vec<f64> = figures.iter().map(|figure| figure.log_time).collect();
        let within: Vec<f64> = figures.iter().map(|figure| figure.variance_within).collect();
        let (log, half_width) = interval(&logs, &within)?;
        // The bounds of a wide interval are limited to what a duration can hold.
        let bound = |log: f64| Duration::from_nanos((log.exp().round() as u64).max(1));
        let time = <Duration as Quantity>::from_f64(log.exp()).filter(|time| !time.is_zero())?;
        let bounds = Bounds::between(bound(log - half_width).min(time), bound(log + half_width).max(time));
        Some(Self { time, bounds, n_runs: figures.len() })
    }

    /// What its interval is of.
    pub fn scope(&self) -> Scope {
        scope(self.n_runs)
    }

    /// The speed of this many tokens in that time.
    pub fn rate(&self, n_tokens: u32) -> Option<TokensPerSecond> {
        TokensPerSecond::from_elapsed(u64::from(n_tokens), self.time)
    }
}

/// The speed that tables print, from one or several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PrintedRate {
    /// The mean of the repetitions' rates; of several runs the geometric mean of those.
    pub rate: TokensPerSecond,
    /// Its 95 % interval.
    pub bounds: Bounds<TokensPerSecond>,
    /// How many runs there are, at least one.
    pub n_runs: usize,
}

impl PrintedRate {
    /// Of cells of one test, at most one a run; `None` if none of them has a figure.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Option<Self> {
        let rates: Vec<(TokensPerSecond, f64)> = cells.into_iter().filter_map(printed).collect();
        let logs: Vec<f64> = rates.iter().map(|(rate, _)| rate.get().ln()).collect();
        let within: Vec<f64> = rates.iter().map(|(_, variance)| *variance).collect();
        let (log, half_width) = interval(&logs, &within)?;
        let bound = |log: f64| TokensPerSecond::new(log.clamp(-700.0, 700.0).exp());
        let rate = if let [(rate, _)] = rates[..] { rate } else { bound(log)? };
        let bounds = Bounds::between(bound(log - half_width)?, bound(log + half_width)?);
        Some(Self { rate, bounds, n_runs: rates.len() })
    }

    /// What its interval is of.
    pub fn scope(&self) -> Scope {
        scope(self.n_runs)
    }

    /// Half the width of its interval; `None` if that is not a number.
    pub fn half_width(&self) -> Option<RateSpread> {
        RateSpread::new((self.bounds.upper().get() - self.bounds.lower().get()) / 2.0)
    }

    /// Compares it with a limit in tokens per second: less if the whole interval lies below, greater if none of it does, equal
    /// if the interval contains the limit.
    pub fn against(&self, limit: f64) -> Ordering {
        if self.bounds.upper().get() < limit {
            Ordering::Less
        } else if self.bounds.lower().get() >= limit {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// The geometric mean of a time of several runs, with half its 95 % interval between runs, by the rule of [`PrintedRate`].
/// Each time comes with half its interval within its run, if that is known. `None` without times, or if one is zero.
pub(crate) fn printed_time(times: &[(Duration, Option<Duration>)]) -> Option<(Duration, Duration)> {
    // Half a 95 % interval is about two standard errors.
    let variance = |mean: f64, half: Duration| (half.to_f64() / mean / 2.0).powi(2);
    let logs: Vec<f64> = times.iter().map(|(time, _)| time.to_f64().ln()).collect();
    let within: Vec<f64> =
        times.iter().map(|(time, half)| half.map_or(0.0, |half| variance(time.to_f64(), half))).collect();
    let (log, half_width) = interval(&logs, &within)?;
    let bounds = ((log + half_width).exp(), (log - half_width).exp());
    Some((Duration::from_f64(log.exp())?, Duration::from_f64((bounds.0 - bounds.1) / 2.0)?))
}

fn scope(n_runs: usize) -> Scope {
    if n_runs > 1 { Scope::BetweenRuns } else { Scope::Assumed }
}

/// The figure of a cell in the tables, and the variance of its logarithm by the repetitions.
fn printed(cell: &Cell) -> Option<(TokensPerSecond, f64)> {
    match &cell.outcome {
        crate::record::Outcome::Measured(measured) => {
            let summary = cell.rate_summary()?;
            let cv = summary.cv.map_or(0.0, Share::get);
            Some((summary.mean, cv.powi(2) / measured.samples.len() as f64))
        }
        crate::record::Outcome::Summarised(summary) => {
            let n_tokens = u64::from(cell.test.n_tokens());
            let rate = summary.rate.or_else(|| TokensPerSecond::from_elapsed(n_tokens, summary.mean));
            Some((rate?, 0.0))
        }
        crate::record::Outcome::Failed(_) => None,
    }
}

/// The mean of the runs' logarithms with half its 95 % interval: Student's t of their spread, blended with the assumption
/// about it, or of their own repetitions if those scatter more.
fn interval(logs: &[f64], within: &[f64]) -> Option<(f64, f64)> {
    let n = logs.len();
    if n == 0 {
        return None;
    }
    let center = mean(logs);
    let squares: f64 = logs.iter().map(|log| (log - center).powi(2)).sum();
    let known = assumed::WEIGHT + (n - 1) as f64;
    let between = (assumed::WEIGHT * assumed::COMMON.get().powi(2) + squares) / known;
    let degrees_of_freedom = if n == 1 { assumed::ALONE } else { known };
    let error = (between.max(mean(within)) / n as f64).sqrt();
    let half_width = t_quantile(degrees_of_freedom, Confidence::P95)? * error;
    (center.is_finite() && half_width.is_finite()).then_some((center, half_width))
}
