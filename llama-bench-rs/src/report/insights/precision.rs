use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Outcome, Run, Test},
    report::{
        figures::Figures,
        in_words::{count, percent, plural},
    },
    units::Share,
};

/// How far the means can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Precision {
    /// From the 95 % intervals of the means.
    Intervals {
        /// Cells that have one.
        n_cells: usize,
        /// The cell with the widest, and half that interval over the mean.
        widest: (Test, Share),
        /// Whether the run's repetitions depend on each other or fall into two groups, which may make the intervals too
        /// narrow: see [`Noise::Dependent`](super::Noise::Dependent) and [`Noise::Apart`](super::Noise::Apart).
        is_doubted: bool,
    },
    /// From standard deviations, if the number of samples is not known.
    Deviations {
        /// Cells that have one.
        n_cells: usize,
        /// The cell with the largest, and that deviation over the mean.
        largest: (Test, Share),
    },
    /// Cells that were measured once: nothing is known of their spread.
    Single {
        /// How many there are.
        n_cells: usize,
    },
    /// Cells of another tool that have only a mean.
    Unknown {
        /// How many there are.
        n_cells: usize,
    },
}

/// Means known better than this are good.
const GOOD: f64 = 0.01;

/// Means known worse than this are a reason to look again.
pub(in crate::report) const BAD: f64 = 0.05;

pub(super) fn precision(run: &Run, is_doubted: bool) -> Vec<Precision> {
    let (mut widths, mut deviations, mut n_single, mut n_unknown) = (Vec::new(), Vec::new(), 0, 0);
    for cell in &run.cells {
        let Some(figures) = Figures::of(cell) else { continue };
        match (figures.relative_half_width(), figures.cv, &cell.outcome) {
            (Some(width), ..) => widths.push((cell.test, width)),
            (None, Some(cv), Outcome::Summarised(_)) => deviations.push((cell.test, cv)),
            (None, _, Outcome::Summarised(_)) => n_unknown += 1,
            (None, ..) => n_single += 1,
        }
    }
    let most = |all: &[(Test, Share)]| all.iter().copied().max_by(|a, b| a.1.get().total_cmp(&b.1.get()));
    let mut said = Vec::new();
    if let Some(widest) = most(&widths) {
        said.push(Precision::Intervals { n_cells: widths.len(), widest, is_doubted });
    }
    if let Some(largest) = most(&deviations) {
        said.push(Precision::Deviations { n_cells: deviations.len(), largest });
    }
    if n_single > 0 {
        said.push(Precision::Single { n_cells: n_single });
    }
    if n_unknown > 0 {
        said.push(Precision::Unknown { n_cells: n_unknown });
    }
    said
}

impl Say for Precision {
    fn level(&self) -> Level {
        match self {
            Precision::Intervals { widest: (_, width), is_doubted: true, .. } if width.get() <= BAD => {
                Level::Note
            }
            Precision::Intervals { widest: (_, width), .. }
            | Precision::Deviations { largest: (_, width), .. } => match width.get() {
                w if w <= GOOD => Level::Good,
                w if w <= BAD => Level::Note,
                _ => Level::Warning,
            },
            Precision::Single { .. } => Level::Warning,
            Precision::Unknown { .. } => Level::Note,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judgement = match self.level() {
            Level::Note if matches!(self, Precision::Intervals { is_doubted: true, .. }) => {
                "it may be more, since the repetitions of this run are not independent"
            }
            Level::Good => "small enough to believe the figures",
            Level::Note => "differences of that size between two runs mean nothing",
            Level::Warning => "too much to believe the figures",
        };
        match *self {
            Precision::Intervals { n_cells: 1, widest: (test, width), .. } => write!(
                f,
                "The uncertainty of the mean of {test} (half the 95 % interval) is {}: {judgement}.",
                percent(width)
            ),
            Precision::Intervals { n_cells, widest: (test, width), .. } => write!(
                f,
                "The uncertainty of the means (half the 95 % interval) of {n_cells} cells is up to {} ({test}): \
                 {judgement}.",
                percent(width)
            ),
            Precision::Deviations { n_cells: 1, largest: (test, cv) } => write!(
                f,
                "The standard deviation of {test}, of which no samples are known, is {}: {judgement}.",
                percent(cv)
            ),
            Precision::Deviations { n_cells, largest: (test, cv) } => write!(
                f,
                "The standard deviations of {n_cells} cells of which no samples are known are at most {} ({test}): \
                 {judgement}.",
                percent(cv)
            ),
            Precision::Single { n_cells } => write!(
                f,
                "{} measured once: the spread is not known, and a difference to another run says nothing.",
                format_args!("{} {}", count(n_cells, "cell"), plural(n_cells, "was", "were"))
            ),
            Precision::Unknown { n_cells } => {
                write!(f, "Of {} only the mean is known.", count(n_cells, "cell"))
            }
        }
    }
}
