use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Outcome, Run, Test, TestKind},
    report::{
        figures::{Point, Series},
        in_words::{percent, speed},
    },
    stats::{DepthModel, DepthSamples, Linearity, Predicted},
};

/// A speed at a depth that was not measured, from a line through those that were.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The test.
    pub kind: TestKind,
    /// What is predicted.
    pub predicted: Predicted,
    /// Whether a line fits; `None` if that cannot be tested.
    pub linearity: Option<Linearity>,
}

/// The speed of a test of this kind and one sequence at any depth, as the line through the run's measurements has it; `None` for fewer
/// than three depths.
pub fn predict(run: &Run, kind: TestKind, n_depth: u32) -> Option<Prediction> {
    let all = Series::all(run);
    prediction(all.iter().find(|series| series.test == kind.into())?, n_depth)
}

/// The main tests at twice the deepest depth, as far as the model was trained for; those that would say nothing, since
/// their interval is as wide as the speed itself, are left out.
pub(super) fn predictions(run: &Run, all: &[Series]) -> Vec<Prediction> {
    let kinds = [TestKind::is_prompt, TestKind::is_generation, TestKind::is_embedding];
    let main = kinds.map(|is_kind| Series::main(all, is_kind));
    let of_series = |series: &Series| {
        let deepest = series.points.last()?.n_depth();
        let n_trained = run.header.model.n_ctx_train;
        let limit =
            n_trained.filter(|&n| n > 0).map_or(u32::MAX, |n| n.saturating_sub(series.test.kind.n_tokens()));
        let n_depth = deepest.saturating_mul(2).min(limit);
        let says_something = |prediction: &Prediction| {
            let Predicted { rate, interval, .. } = prediction.predicted;
            interval.is_some_and(|interval| interval.half_width().get() < rate.get() / 2.0)
        };
        (n_depth > deepest).then(|| prediction(series, n_depth)).flatten().filter(says_something)
    };
    main.into_iter().flatten().filter_map(of_series).collect()
}

fn prediction(series: &Series, n_depth: u32) -> Option<Prediction> {
    const FEWEST_DEPTHS: usize = 3;
    if series.points.len() < FEWEST_DEPTHS {
        return None;
    }
    // A cell with samples must not outweigh one that has only a mean.
    let means_only = series.points.iter().any(|point| matches!(point.cell.outcome, Outcome::Summarised(_)));
    let points: Vec<DepthSamples> = series
        .points
        .iter()
        .map(|Point { cell, figures }| DepthSamples {
            n_depth: cell.test.n_depth,
            n_tokens: cell.test.n_tokens(),
            times: match &figures.times {
                Some(times) if !means_only => times.values().to_vec(),
                _ => vec![figures.time],
            },
        })
        .collect();
    let model = DepthModel::fit(&points)?;
    Some(Prediction {
        kind: series.test.kind,
        predicted: model.predict(n_depth)?,
        linearity: model.linearity(),
    })
}

impl Say for Prediction {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Predicted { n_depth, rate, interval, is_extrapolated } = self.predicted;
        let test = Test::from(self.kind).at(n_depth);
        write!(f, "Predicted, not measured: {test} would run at {} t/s", speed(rate))?;
        match interval.and_then(|interval| Some((interval.lower()?, interval.upper()))) {
            Some((lower, upper)) => {
                write!(f, " (95 % interval: {} to {} t/s)", speed(lower), speed(upper))?;
            }
            None => write!(f, " (how far off that may be cannot be told)")?,
        }
        if is_extrapolated {
            write!(f, ", if the line through the depths measured goes on like that")?;
        }
        write!(f, ".")?;
        match self.linearity {
            Some(linearity) if linearity.is_wrong() => write!(
                f,
                " The depths measured lie up to {} off a line: take it as a rough guide.",
                percent(linearity.largest_deviation)
            ),
            _ => Ok(()),
        }
    }
}
