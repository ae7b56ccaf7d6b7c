//! The figure of a run in a test.

use std::time::Duration;

use crate::{
    record::{Cell, Outcome, Run, Sample},
    stats::{CalibratedRun, Quantity, Samples, fastest},
    units::Share,
};

/// A run counts as the expected fastest of this many repetitions: other work on the machine only adds time, often to all
/// repetitions for a second or longer.
const FASTEST_OF: usize = 10;

/// The figures of one run in one test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunFigure {
    /// The logarithm of its time in nanoseconds, at the fast end.
    pub log_time: f64,
    /// The variance of that by the run's own repetitions.
    pub variance_within: f64,
    /// The same for the time on a core, which excludes waiting for one; `None` if it is not known.
    pub on_core: Option<TimeFigure>,
    /// The same relative to the calibration loop; `None` if the run was not calibrated.
    pub adjusted: Option<AdjustedFigure>,
    /// The same for times on a core; `None` if they are not known.
    pub adjusted_on_core: Option<AdjustedFigure>,
    /// The share of the repetitions that other work disturbed; `None` if that is not known.
    pub disturbed_share: Option<Share>,
    /// The same with the repetitions that were repeated and set aside: how busy the neighbours were.
    pub busy_share: Option<Share>,
}

/// A figure of the times themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TimeFigure {
    /// The logarithm of the time in nanoseconds, at the fast end.
    pub log_time: f64,
    /// The variance of that by the run's own repetitions.
    pub variance_within: f64,
}

/// A figure relative to the calibration loop.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdjustedFigure {
    /// The logarithm of the time over that of the calibration loop: of times on a core at the fast end, of wall times the
    /// mean of the middle half.
    pub log_time: f64,
    /// The variance of that by the run's own repetitions.
    pub variance_within: f64,
    /// The logarithm of the calibration loop's time.
    pub log_calibration: f64,
    /// Version of the calibration loop: figures of different ones cannot be compared.
    pub version: u32,
}

impl RunFigure {
    /// The figure of a cell as the expected fastest of `n_fastest` of its repetitions: the same number for everything that
    /// is compared. Of another tool's summary it is the mean. `None` if the cell failed or took no time.
    pub fn of(run: &Run, cell: &Cell, n_fastest: usize) -> Option<Self> {
        let figure = match &cell.outcome {
            Outcome::Measured(_) => {
                let time = TimeFigure::of(&cell.times()?, n_fastest);
                let version = run.header.config.calibration;
                let adjusted =
                    |calibrated: Option<CalibratedRun>| Some(AdjustedFigure::of(&calibrated?, version?));
                Self {
                    log_time: time.log_time,
                    variance_within: time.variance_within,
                    on_core: cell.times_on_core().map(|times| TimeFigure::of(&times, n_fastest)),
                    adjusted: adjusted(cell.calibrated_run()),
                    adjusted_on_core: version
                        .and_then(|version| AdjustedFigure::on_core(cell, n_fastest, version)),
                    disturbed_share: disturbed_share(cell),
                    busy_share: busy_share(cell),
                }
            }
            Outcome::Summarised(summary) => Self {
                log_time: summary.mean.to_f64().ln(),
                variance_within: 0.0,
                on_core: None,
                adjusted: None,
                adjusted_on_core: None,
                disturbed_share: None,
                busy_share: None,
            },
            Outcome::Failed(_) => return None,
        };
        figure.log_time.is_finite().then_some(figure)
    }

    /// Counts the time on a core in place of the wall time, if it is known.
    pub(super) fn take_time_on_core(&mut self, is_adjusted: bool) {
        if let Some(TimeFigure { log_time, variance_within }) = self.on_core {
            (self.log_time, self.variance_within) = (log_time, variance_within);
        }
        if is_adjusted {
            self.adjusted = self.adjusted_on_core;
        }
    }
}

impl TimeFigure {
    fn of(times: &Samples<Duration>, n_fastest: usize) -> Self {
        let logs: Vec<f64> = times.sorted().iter().map(|time| time.ln()).collect();
        let n_fastest = n_fastest.clamp(1, logs.len());
        Self {
            log_time: fastest::fastest_of(&logs, n_fastest),
            variance_within: fastest::jackknife(&logs, n_fastest),
        }
    }
}

impl AdjustedFigure {
    /// Times on a core over those of the calibration loop. Neither includes waiting, and disturbances only add time, so the
    /// fast end is the most reliable figure.
    fn on_core(cell: &Cell, n_fastest: usize, version: u32) -> Option<Self> {
        let pairs = cell.calibrations_on_core()?;
        let mut multiples: Vec<f64> =
            pairs.iter().map(|(time, calibration)| time.to_f64().ln() - calibration.to_f64().ln()).collect();
        multiples.sort_by(f64::total_cmp);
        let n_fastest = n_fastest.clamp(1, multiples.len().max(1));
        let calibrations: f64 = pairs.iter().map(|(_, calibration)| calibration.to_f64().ln()).sum();
        let figure = Self {
            log_time: fastest::fastest_of(&multiples, n_fastest),
            variance_within: fastest::jackknife(&multiples, n_fastest),
            log_calibration: calibrations / pairs.len() as f64,
            version,
        };
        (figure.log_time.is_finite() && figure.log_calibration.is_finite()).then_some(figure)
    }

    fn of(calibrated: &CalibratedRun, version: u32) -> Self {
        Self {
            log_time: calibrated.log_multiple(),
            variance_within: calibrated.variance(),
            log_calibration: calibrated.log_calibration(),
            version,
        }
    }
}

/// Of how many repetitions of these cells the figure is the fastest: ten, or half of those of the cell with fewest.
pub(super) fn n_fastest<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> usize {
    let counts = cells.into_iter().filter_map(|cell| Some(cell.measured()?.samples.len()));
    (counts.min().unwrap_or(1) / 2).clamp(1, FASTEST_OF)
}

/// The share of disturbed repetitions among those that count; `None` if no repetition was watched.
fn disturbed_share(cell: &Cell) -> Option<Share> {
    let samples = &cell.measured()?.samples;
    samples.iter().find_map(Sample::lost_to_others)?;
    Share::new(cell.n_disturbed() as f64 / samples.len() as f64)
}

/// The share of disturbed repetitions among all that were made; `None` if no repetition was watched.
fn busy_share(cell: &Cell) -> Option<Share> {
    let (n, n_aside) = (cell.measured()?.samples.len(), cell.measured()?.set_aside.len());
    disturbed_share(cell)?;
    Share::new((cell.n_disturbed() + n_aside) as f64 / (n + n_aside) as f64)
}
