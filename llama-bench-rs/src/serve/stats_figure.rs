use std::time::Duration;

use crate::{
    stats::{Confidence, mean_with_half_width},
    units::{RequestsPerSecond, Share, TokensPerSecond},
};

/// A figure of one load. The unit of its uncertainty is the repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figure<T> {
    /// The mean of the repetitions' figures, or the figure of all repetitions together: see [`Figure::of`].
    pub value: T,
    /// Lower bound of the 95 % interval of the mean (Student's t over the repetitions); `None` if it is not known or the
    /// interval reaches zero.
    pub lower: Option<T>,
    /// Upper bound of the interval; `None` if it is not known.
    pub upper: Option<T>,
    /// What the value was computed from.
    pub of: FigureOf,
    /// Repetitions.
    pub n_reps: usize,
    /// Observations of all repetitions together: requests, or the times between tokens.
    pub n: usize,
}

/// What the value of a [`Figure`] was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FigureOf {
    /// The mean of one figure per repetition.
    Repetitions,
    /// All observations of all repetitions together, because single repetitions have too few: without an interval.
    All,
}

/// What a figure can be of.
pub trait Unit: Copy {
    /// The value of a bare number; `None` if there is none.
    fn of(number: f64) -> Option<Self>;
}

impl Unit for Duration {
    fn of(nanoseconds: f64) -> Option<Self> {
        (0.0..u64::MAX as f64).contains(&nanoseconds).then(|| Self::from_nanos(nanoseconds.round() as u64))
    }
}

impl Unit for TokensPerSecond {
    fn of(tokens_per_second: f64) -> Option<Self> {
        Self::new(tokens_per_second)
    }
}

impl Unit for RequestsPerSecond {
    fn of(requests_per_second: f64) -> Option<Self> {
        Self::new(requests_per_second)
    }
}

impl Unit for Share {
    fn of(share: f64) -> Option<Self> {
        Self::new(share)
    }
}

impl<T: Unit> Figure<T> {
    /// The mean of one bare number per repetition with its interval; `None` without repetitions, or if the mean is not a
    /// value of the quantity.
    pub(super) fn mean_of(per_repetition: &[f64], n: usize) -> Option<Self> {
        let (mean, half_width) = mean_with_half_width(per_repetition, Confidence::P95)?;
        let positive = |bound: f64| Some(bound).filter(|bound| *bound > 0.0);
        Some(Self {
            value: T::of(mean)?,
            lower: half_width.and_then(|half| T::of(positive(mean - half)?)),
            upper: half_width.and_then(|half| T::of(mean + half)),
            of: FigureOf::Repetitions,
            n_reps: per_repetition.len(),
            n,
        })
    }

    /// A bare number of all repetitions together.
    pub(super) fn of_all(number: f64, n_reps: usize, n: usize) -> Option<Self> {
        let value = T::of(number)?;
        Some(Self { value, lower: None, upper: None, of: FigureOf::All, n_reps, n })
    }
}
