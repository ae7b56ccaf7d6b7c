//! Runs without figures, because the model could not be loaded.

use std::path::{Path, PathBuf};

use super::{Event, Observer, Plan, engine::utc_now};
use crate::{
    Error,
    gguf::GgufError,
    llama::ModelParams,
    record::{Cell, Failure, FailureKind, Header, Outcome, Run},
};

/// A model that could not be loaded, and why.
#[derive(Clone, Debug)]
pub(super) struct NotLoaded {
    pub(super) path: PathBuf,
    /// The file whose shape it has, if it is synthetic.
    pub(super) like: Option<PathBuf>,
    /// Boxed: a sweep of a loaded model has none.
    pub(super) params: Box<ModelParams>,
    pub(super) failure: Failure,
}

impl NotLoaded {
    pub(super) fn new(path: &Path, params: &ModelParams, failure: Failure) -> Self {
        Self { path: path.to_owned(), like: None, params: Box::new(params.clone()), failure }
    }

    /// Every planned cell with the reason. What an earlier run measured is kept.
    pub(super) fn run(
        &self,
        plan: &Plan,
        header: Header,
        earlier: Option<&Run>,
        observer: &mut dyn Observer,
    ) -> Run {
        let earlier = earlier.filter(|run| run.has_figures());
        let mut header = earlier.map_or(header, |run| run.header.clone());
        if header.timing.started_at.is_empty() {
            header.timing.started_at = utc_now();
        }
        let known = |test| earlier?.cells.iter().find(|cell| cell.test == test && cell.failure().is_none());
        let cell = |&test| {
            known(test).cloned().unwrap_or_else(|| Cell {
                test,
                started_at: header.timing.started_at.clone(),
                outcome: Outcome::Failed(self.failure.clone()),
            })
        };
        let cells: Vec<Cell> = plan.cells.iter().map(cell).collect();
        let curve = earlier.map(|run| run.curve.clone()).unwrap_or_default();
        observer.event(&Event::planned(plan));
        let mut untold = &curve[..];
        for cell in &cells {
            observer.event(&Event::CellDone { header: &header, cell, curve: std::mem::take(&mut untold) });
        }
        Run { header, cells, curve }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Llama(error) => return error.into(),
            Error::Gguf(GgufError::Stopped { .. }) => FailureKind::Cancelled,
            Error::Gguf(GgufError::DiskFull { .. }) => FailureKind::DiskFull,
            Error::Gguf(_) => FailureKind::ModelFile,
            Error::Bench(_) | Error::Serve(_) => FailureKind::Bench,
            Error::Isolate(_) => FailureKind::Isolation,
            Error::Report(_) => FailureKind::Report,
            Error::Baseline(_) => FailureKind::Baseline,
            Error::Regression(_) | Error::Guard(_) => FailureKind::Regression,
        };
        Self { kind, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::plan::tests::request,
        record::{CurvePoint, Test, TestKind},
    };

    fn not_loaded() -> NotLoaded {
        let failure = Failure { kind: "model_load".into(), message: "it is damaged".into() };
        NotLoaded::new(Path::new("bad.gguf"), &ModelParams::default(), failure)
    }

    #[test]
    fn every_planned_cell_has_the_reason_and_is_told() {
        let plan = request().plan().unwrap();
        let mut told = Vec::new();
        let mut observe = |event: &Event<'_>| {
            if let Event::CellDone { cell, .. } = event {
                told.push(cell.test);
            }
        };
        let run = not_loaded().run(&plan, Header::default(), None, &mut observe);
        assert_eq!(told, plan.cells);
        assert!(run.cells.iter().all(|cell| cell.failure().unwrap().message == "it is damaged"));
        assert!(!run.has_figures() && !run.header.timing.started_at.is_empty());
    }

    #[test]
    fn what_was_measured_before_is_kept() {
        let plan = request().plan().unwrap();
        let mut target = crate::bench::fake::FakeTarget::default();
        let clock = target.clock.clone();
        let header = Header {
            model: crate::record::ModelInfo { n_layer: Some(7), ..Default::default() },
            ..Header::default()
        };
        let cancel = crate::bench::Cancel::new();
        let mut silent = |_: &Event<'_>| {};
        let mut earlier = super::super::run(&plan, &mut target, &clock, header, &mut silent, &cancel);
        let lost = Test::from(TestKind::Tg(4)).at(64);
        earlier.cells.retain(|cell| cell.test != lost);
        let mut curve: Vec<CurvePoint> = Vec::new();
        let mut observe = |event: &Event<'_>| {
            if let Event::CellDone { curve: points, .. } = event {
                curve.extend_from_slice(points);
            }
        };
        let run = not_loaded().run(&plan, Header::default(), Some(&earlier), &mut observe);
        assert_eq!((run.header.model.n_layer, &run.curve), (Some(7), &earlier.curve));
        assert_eq!(curve, earlier.curve, "told once");
        for cell in &run.cells {
            assert_eq!(cell.failure().is_some(), cell.test == lost, "{}", cell.test);
        }
    }
}
