use std::{fmt, time::Duration};

use crate::{
    judge::{PrintedRate, printed_time},
    record::{Cell, Run},
    report::{
        figures::Figures,
        in_words::{duration, rough_duration, rough_rate, speed},
    },
    stats::TimeSum,
    units::{RateSpread, Share, TokensPerSecond, words::digits},
};

/// A speed with half its 95 % interval: within the run if there is one, between runs if there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpeedFigure {
    /// The mean.
    pub rate: TokensPerSecond,
    /// Half the interval; `None` if the spread is not known.
    pub half_width: Option<RateSpread>,
}

impl SpeedFigure {
    /// Of the cells of one test, at most one a run; `None` if none has a figure.
    pub(in crate::report) fn of(cells: &[&Cell]) -> Option<Self> {
        let mut figures = cells.iter().filter_map(|cell| Figures::of(cell));
        let first = figures.next()?;
        if figures.next().is_none() {
            return Some(Self { rate: first.rate, half_width: first.half_width });
        }
        let printed = PrintedRate::of(cells.iter().copied())?;
        Some(Self { rate: printed.rate, half_width: printed.half_width() })
    }

    /// Half the interval over the mean.
    pub fn relative_half_width(&self) -> Option<Share> {
        Share::new(self.half_width?.get() / self.rate.get())
    }

    /// The figure without its unit, for a column that names it: `3714 ± 12`.
    pub fn bare(&self) -> String {
        let spread = self.half_width.map_or_else(String::new, |half| format!(" ± {}", rough_rate(half)));
        format!("{}{spread}", speed(self.rate))
    }
}

impl fmt::Display for SpeedFigure {
    /// `3714 ± 12 t/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} t/s", self.bare())
    }
}

/// Joules per token with half of their 95 % interval: as far as the counters resolve them if there is one run, between runs
/// if there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EnergyFigure {
    /// Joules per token.
    pub j_per_token: f64,
    /// Half of the interval.
    pub half_width: f64,
}

impl EnergyFigure {
    /// Of the cells of one test, at most one a run; `None` if one of them has no figure.
    pub(in crate::report) fn of(cells: &[(&Run, &Cell)]) -> Option<Self> {
        let figure = |(run, cell): &(&Run, &Cell)| {
            let energy = run.header.energy_of(cell)?.ok()?;
            let bounds = energy.per_token_bounds();
            Some((energy.per_token(), (bounds.upper() - bounds.lower()) / 2.0))
        };
        let figures: Vec<(f64, f64)> = cells.iter().map(figure).collect::<Option<_>>()?;
        if let [(j_per_token, half_width)] = figures[..] {
            return Some(Self { j_per_token, half_width });
        }
        // One estimate for whatever is measured once per run.
        let as_time = |joules: f64| Duration::try_from_secs_f64(joules).ok();
        let times = figures.iter().map(|&(joules, half)| Some((as_time(joules)?, as_time(half))));
        let (mean, half) = printed_time(&times.collect::<Option<Vec<_>>>()?)?;
        Some(Self { j_per_token: mean.as_secs_f64(), half_width: half.as_secs_f64() })
    }
}

impl fmt::Display for EnergyFigure {
    /// `2.10 ± 0.065`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ± {}", digits(self.j_per_token, 3), digits(self.half_width, 2))
    }
}

/// A time with half its 95 % interval: within the run if there is one, between runs if there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeFigure {
    /// The mean.
    pub time: Duration,
    /// Half the interval; `None` if the spread is not known.
    pub half_width: Option<Duration>,
}

impl TimeFigure {
    /// The same time in each run; `None` without runs.
    pub(super) fn of(runs: &[TimeSum]) -> Option<Self> {
        let half_width = |sum: &TimeSum| sum.ci95.map(|interval| interval.half_width());
        if let [one] = runs {
            return Some(Self { time: one.mean, half_width: half_width(one) });
        }
        let times: Vec<_> = runs.iter().map(|sum| (sum.mean, half_width(sum))).collect();
        let (time, half_width) = printed_time(&times)?;
        Some(Self { time, half_width: Some(half_width) })
    }
}

impl fmt::Display for TimeFigure {
    /// `551 ms ± 1.7 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration(self.time))?;
        self.half_width.map_or(Ok(()), |half| write!(f, " ± {}", rough_duration(half)))
    }
}
