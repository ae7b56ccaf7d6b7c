//! The figures of a cell from any kind of file.

use std::time::Duration;

use crate::{
    record::{Cell, Outcome, Run, Test, TestKind},
    stats::{Samples, TimePart},
    units::{RateSpread, Share, TokensPerSecond},
};

/// The figures of a cell that has any.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Mean of the repetitions' rates, llama-bench's `avg_ts`.
    pub(crate) rate: TokensPerSecond,
    /// Half the 95 % interval of that mean; `None` for one repetition, and if the samples are not known.
    pub(crate) half_width: Option<RateSpread>,
    /// Standard deviation of the rates over their mean.
    pub(crate) cv: Option<Share>,
    /// Mean of the repetitions' wall times.
    pub(crate) time: Duration,
    /// Every repetition's rate; `None` if only a summary is known.
    pub(crate) rates: Option<Samples<TokensPerSecond>>,
    /// Every repetition's wall time; `None` if only a summary is known.
    pub(crate) times: Option<Samples<Duration>>,
}

impl Figures {
    /// `None` for a cell that failed or took no time.
    pub(crate) fn of(cell: &Cell) -> Option<Self> {
        match &cell.outcome {
            Outcome::Measured(_) => {
                let (rates, times) = (cell.rate_samples()?, cell.times()?);
                let summary = rates.summary();
                Some(Self {
                    rate: summary.mean,
                    half_width: summary.ci95.map(|interval| interval.half_width()),
                    cv: summary.cv,
                    time: times.mean(),
                    rates: Some(rates),
                    times: Some(times),
                })
            }
            Outcome::Summarised(summary) => {
                let n_tokens = u64::from(cell.test.n_tokens());
                let rate = summary.rate.or_else(|| TokensPerSecond::from_elapsed(n_tokens, summary.mean))?;
                let cv = summary.rate_stddev.and_then(|stddev| Share::new(stddev.get() / rate.get()));
                Some(Self { rate, half_width: None, cv, time: summary.mean, rates: None, times: None })
            }
            Outcome::Failed(_) => None,
        }
    }

    /// Half the 95 % interval over the mean.
    pub(crate) fn relative_half_width(&self) -> Option<Share> {
        Share::new(self.half_width?.get() / self.rate.get())
    }

    /// The time of a repetition, to add to others.
    pub(crate) fn time_part(&self) -> TimePart<'_> {
        self.times.as_ref().map_or(TimePart::Mean(self.time), TimePart::Samples)
    }
}

/// A cell that has figures, with them.
#[derive(Clone, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) figures: Figures,
}

/// The cells of one test over the depths, ascending, those without a figure left out.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    /// [At any depth](Test::at_any_depth).
    pub(crate) test: Test,
    pub(crate) points: Vec<Point<'a>>,
}

impl<'a> Series<'a> {
    /// Every series of a run in the order in which its test first occurs.
    pub(crate) fn all(run: &'a Run) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for cell in &run.cells {
            let Some(figures) = Figures::of(cell) else { continue };
            let test = cell.test.at_any_depth();
            let point = Point { cell, figures };
            match all.iter_mut().find(|series| series.test == test) {
                Some(series) => series.points.push(point),
                None => all.push(Self { test, points: vec![point] }),
            }
        }
        for series in &mut all {
            series.points.sort_by_key(Point::n_depth);
        }
        all
    }

    /// The shallowest and the deepest cell; `None` if there is only one depth.
    pub(crate) fn ends(&self) -> Option<[&Point<'a>; 2]> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        (first.n_depth() < last.n_depth()).then_some([first, last])
    }

    /// The series of one sequence that represents its kind: what a single user sees. Preferred are single tests over halves
    /// of a pg test, then the series with more depths, then the one with more tokens.
    pub(crate) fn main(all: &[Self], is_kind: impl Fn(TestKind) -> bool) -> Option<&Self> {
        all.iter()
            .filter(|series| is_kind(series.test.kind) && series.test.n_parallel == 1)
            .max_by_key(|s| (s.test.group.is_none(), s.points.len(), s.test.kind.n_tokens()))
    }

    /// Of each kind of test the series with the fewest sequences, which are those of a single user if that was measured.
    pub(crate) fn of_fewest_sequences(all: &[Self]) -> impl Iterator<Item = &Self> {
        let fewest = |kind: TestKind| {
            let same = all.iter().filter(move |other| other.test.kind.family() == kind.family());
            same.map(|other| other.test.n_parallel).min()
        };
        all.iter().filter(move |series| fewest(series.test.kind) == Some(series.test.n_parallel))
    }
}

impl Point<'_> {
    /// Tokens in the context when the clock starts.
    pub(crate) fn n_depth(&self) -> u32 {
        self.cell.test.n_depth
    }
}
