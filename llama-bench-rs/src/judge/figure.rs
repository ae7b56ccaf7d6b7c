//! What a run counts as in a test.

use crate::{
    record::{Cell, Outcome, Run, Sample},
    stats::{PacedRun, Quantity, fastest},
    units::Share,
};

/// A run counts as the expected fastest of so many of its repetitions: other work on the machine only ever adds time,
/// often to all repetitions for a second or longer.
const FASTEST_OF: usize = 10;

/// What one run says of one test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunFigure {
    /// The logarithm of its time in nanoseconds, at the fast end.
    pub log_time: f64,
    /// The variance of that by the run's own repetitions.
    pub variance_within: f64,
    /// The same with the machine's momentary speed taken out; `None` if the run does not know it.
    pub adjusted: Option<AdjustedFigure>,
    /// The share of the repetitions that other work disturbed; `None` if that is not known.
    pub disturbed_share: Option<Share>,
}

/// A figure from which the momentary speed of the machine was taken out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdjustedFigure {
    /// The logarithm of the time over that of the control work, the mean of the middle half.
    pub log_time: f64,
    /// The variance of that by the run's own repetitions.
    pub variance_within: f64,
    /// The logarithm of what the control work took.
    pub log_pace: f64,
    /// Which control work: figures of different ones cannot be compared.
    pub version: u32,
}

impl RunFigure {
    /// The figure of a cell as the expected fastest of `n_fastest` of its repetitions: the same number for everything that
    /// is compared. Of another tool's summary it is the mean. `None` if the cell failed or took no time.
    pub fn of(run: &Run, cell: &Cell, n_fastest: usize) -> Option<Self> {
        let figure = match &cell.outcome {
            Outcome::Measured(measured) => {
                let times = cell.times()?;
                let logs: Vec<f64> = times.sorted().iter().map(|time| time.ln()).collect();
                let n_fastest = n_fastest.clamp(1, logs.len());
                Self {
                    log_time: fastest::fastest_of(&logs, n_fastest),
                    variance_within: fastest::jackknife(&logs, n_fastest),
                    adjusted: run
                        .header
                        .config
                        .pace
                        .zip(cell.paced_run())
                        .map(|(version, paced)| AdjustedFigure::of(&paced, version)),
                    disturbed_share: disturbed_share(&measured.samples),
                }
            }
            Outcome::Summarised(summary) => Self {
                log_time: summary.mean.to_f64().ln(),
                variance_within: 0.0,
                adjusted: None,
                disturbed_share: None,
            },
            Outcome::Failed(_) => return None,
        };
        figure.log_time.is_finite().then_some(figure)
    }
}

impl AdjustedFigure {
    fn of(paced: &PacedRun, version: u32) -> Self {
        Self {
            log_time: paced.log_multiple(),
            variance_within: paced.variance(),
            log_pace: paced.log_pace(),
            version,
        }
    }
}

/// How many repetitions of all these cells the figure is the fastest of: ten, or half of what the one with fewest has.
pub(super) fn n_fastest<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> usize {
    let counts = cells.into_iter().filter_map(|cell| Some(cell.measured()?.samples.len()));
    (counts.min().unwrap_or(1) / 2).clamp(1, FASTEST_OF)
}

/// The share of disturbed repetitions, as far as samples tell it.
fn disturbed_share(_samples: &[Sample]) -> Option<Share> {
    None
}
