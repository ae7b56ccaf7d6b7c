//! The speed at one point of a line, with what is known of its uncertainty.

use super::series::Spot;
use crate::{
    judge::PrintedRate,
    record::{Cell, Outcome},
    units::{TokensPerSecond, words::digits},
};

/// What a mean is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The repetitions of one run; `None` if their number is not known.
    Repetitions(Option<usize>),
    /// Several runs.
    Runs(usize),
}

/// A speed in tokens per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    pub mean: f64,
    /// The 95 % interval of the mean: within a run, or between several.
    pub interval: Option<(f64, f64)>,
    pub of: Of,
}

/// The speed at a point; `None` if every cell failed or no time passed.
pub(super) fn speed(spot: &Spot<'_>) -> Option<Speed> {
    let with_speed = spot.cells.iter().copied().filter(|cell| in_run(cell).is_some());
    let cells: Vec<&Cell> = with_speed.collect();
    let all = if let [cell] = cells[..] { in_run(cell) } else { between_runs(cells) }?;
    let of = |speed: f64| speed / f64::from(spot.over);
    let interval = all.interval.map(|(lower, upper)| (of(lower), of(upper)));
    Some(Speed { mean: of(all.mean), interval, ..all })
}

fn between_runs(cells: Vec<&Cell>) -> Option<Speed> {
    let PrintedRate { rate, bounds, n_runs } = PrintedRate::of(cells)?;
    Some(Speed {
        mean: rate.get(),
        interval: Some((bounds.lower().get(), bounds.upper().get())),
        of: Of::Runs(n_runs),
    })
}

fn in_run(cell: &Cell) -> Option<Speed> {
    if let Outcome::Summarised(summary) = &cell.outcome {
        let n_tokens = u64::from(cell.test.n_tokens());
        let rate = summary.rate.or_else(|| TokensPerSecond::from_elapsed(n_tokens, summary.mean))?;
        return Some(Speed { mean: rate.get(), interval: None, of: Of::Repetitions(None) });
    }
    let summary = cell.rate_summary()?;
    let interval = summary.ci95.map(|i| (i.lower().map_or(0.0, TokensPerSecond::get), i.upper().get()));
    Some(Speed { mean: summary.mean.get(), interval, of: Of::Repetitions(Some(summary.n)) })
}

/// A number with three significant digits, four before the point.
pub(crate) fn figure(value: f64) -> String {
    digits(value, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter() {
        let shown = [3713.75, 90.06, 6.234, 0.51234, 99.96, 9.996].map(figure);
        assert_eq!(shown, ["3714", "90.1", "6.23", "0.512", "100", "10.0"]);
    }
}
