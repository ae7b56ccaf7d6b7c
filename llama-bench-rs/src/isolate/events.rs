//! The events of a sweep as lines.
//!
//! A cell travels as the row that a journal has of it. Of a cell that has more repetitions later, only those that are new
//! are sent.

use std::{collections::HashMap, ffi::OsString, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    bench::{Event, MemoryEstimate, Note},
    record::{Cell, CurvePoint, Failure, Header, Measured, Method, Outcome, Sample, Test},
    report::{Flat, Problem},
    serve::ServeLine,
    stats::StoppingRule,
};

/// An event, without its borrows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum EventLine {
    Waiting,
    Configuration { index: usize, run: u32 },
    Making { path: OsString, n_bytes: u64, n_total: u64 },
    Loading { path: OsString, share: f32 },
    Note(Note),
    Planned { cells: Vec<Test>, n_reps: u32, stopping: Option<StoppingRule>, method: Method },
    MemoryEstimate(MemoryEstimate),
    Opening { n_ctx: u32 },
    WorkUnknown(Failure),
    Ceilings { device: String, n_done: usize, n: usize },
    CeilingsDisturbed { device: String, n_disturbed: usize, n: usize },
    CeilingsCache { problem: String },
    WarmingUp,
    Filling { n_done: u32, n_depth: u32 },
    Measuring { test: Test, rep: u32, n_reps: u32, last: Option<Duration> },
    Profiling { test: Test },
    ProfileUnknown { test: Test, failure: Failure },
    Cell(CellLine),
    Serve(Box<ServeLine>),
}

/// A cell with its run's header, as a row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellLine {
    /// Whether it has its outcome.
    pub(crate) done: bool,
    /// Repetitions that were sent before, and disturbed ones; the row has the others.
    known: (usize, usize),
    row: Box<Flat>,
}

/// What was sent of the unfinished cells of a run.
#[derive(Debug, Default)]
pub(super) struct Sent(HashMap<Test, (Vec<Sample>, Vec<Sample>)>);

impl EventLine {
    /// `None` for what the parent says itself.
    pub(super) fn of(event: &Event<'_>, sent: &mut Sent) -> Option<Self> {
        Some(match *event {
            // A trace is for observers of the process that measures.
            Event::Campaign(_) | Event::Traced { .. } => return None,
            Event::Waiting => Self::Waiting,
            Event::Configuration { index, run, .. } => Self::Configuration { index, run },
            Event::Making { path, n_bytes, n_total } => Self::Making { path: path.into(), n_bytes, n_total },
            Event::Loading { path, share } => Self::Loading { path: path.into(), share },
            Event::Note(note) => Self::Note(note.clone()),
            Event::Planned { cells, n_reps, stopping, method } => {
                Self::Planned { cells: cells.to_vec(), n_reps, stopping, method }
            }
            Event::MemoryEstimate(estimate) => Self::MemoryEstimate(estimate.clone()),
            Event::Opening { n_ctx } => Self::Opening { n_ctx },
            Event::WorkUnknown(failure) => Self::WorkUnknown(failure.clone()),
            Event::Ceilings { device, n_done, n } => Self::Ceilings { device: device.to_owned(), n_done, n },
            Event::CeilingsDisturbed { device, n_disturbed, n } => {
                Self::CeilingsDisturbed { device: device.to_owned(), n_disturbed, n }
            }
            Event::CeilingsCache { problem } => Self::CeilingsCache { problem: problem.to_owned() },
            Event::WarmingUp => Self::WarmingUp,
            Event::Filling { n_done, n_depth } => Self::Filling { n_done, n_depth },
            Event::Measuring { test, rep, n_reps, last } => {
                Self::Measuring { test: *test, rep, n_reps, last }
            }
            Event::Profiling { test } => Self::Profiling { test: *test },
            Event::ProfileUnknown { test, failure } => {
                Self::ProfileUnknown { test: *test, failure: failure.clone() }
            }
            Event::CellSoFar { header, cell, curve } => Self::Cell(sent.row(header, cell, curve, false)),
            Event::CellDone { header, cell, curve } => Self::Cell(sent.row(header, cell, curve, true)),
        })
    }

    /// Passes it to an observer; cells are passed by [`CellLine::read`].
    pub(crate) fn tell(&self, mut tell: impl FnMut(&Event<'_>)) {
        tell(&match self {
            Self::Waiting => Event::Waiting,
            Self::Making { path, n_bytes, n_total } => {
                Event::Making { path: Path::new(path), n_bytes: *n_bytes, n_total: *n_total }
            }
            Self::Loading { path, share } => Event::Loading { path: Path::new(path), share: *share },
            Self::Note(note) => Event::Note(note),
            Self::Planned { cells, n_reps, stopping, method } => {
                Event::Planned { cells, n_reps: *n_reps, stopping: *stopping, method: *method }
            }
            Self::MemoryEstimate(estimate) => Event::MemoryEstimate(estimate),
            Self::Opening { n_ctx } => Event::Opening { n_ctx: *n_ctx },
            Self::WorkUnknown(failure) => Event::WorkUnknown(failure),
            Self::Ceilings { device, n_done, n } => Event::Ceilings { device, n_done: *n_done, n: *n },
            Self::CeilingsDisturbed { device, n_disturbed, n } => {
                Event::CeilingsDisturbed { device, n_disturbed: *n_disturbed, n: *n }
            }
            Self::CeilingsCache { problem } => Event::CeilingsCache { problem },
            Self::WarmingUp => Event::WarmingUp,
            Self::Filling { n_done, n_depth } => Event::Filling { n_done: *n_done, n_depth: *n_depth },
            Self::Measuring { test, rep, n_reps, last } => {
                Event::Measuring { test, rep: *rep, n_reps: *n_reps, last: *last }
            }
            Self::Profiling { test } => Event::Profiling { test },
            Self::ProfileUnknown { test, failure } => Event::ProfileUnknown { test, failure },
            Self::Configuration { .. } | Self::Cell(_) | Self::Serve(_) => return,
        });
    }
}

impl Sent {
    fn row(&mut self, header: &Header, cell: &Cell, curve: &[CurvePoint], done: bool) -> CellLine {
        let mut cell = cell.clone();
        let mut known = (0, 0);
        if let Outcome::Measured(measured) = &mut cell.outcome {
            let (samples, set_aside) = self.0.entry(cell.test).or_default();
            known = (take_new(samples, &mut measured.samples), take_new(set_aside, &mut measured.set_aside));
        }
        if done {
            self.0.remove(&cell.test);
        }
        let mut row = Box::new(Flat::from((header, &cell)));
        row.set_curve(curve);
        CellLine { done, known, row }
    }
}

/// Leaves in `all` what was not sent before, remembers all, and returns how many were sent before.
fn take_new(sent: &mut Vec<Sample>, all: &mut Vec<Sample>) -> usize {
    let n_known = sent.iter().zip(&*all).take_while(|(sent, now)| sent == now).count();
    let new = all.split_off(n_known);
    sent.truncate(n_known);
    sent.extend_from_slice(&new);
    *all = new;
    n_known
}

impl CellLine {
    /// The header, the cell with what was `known` of it, and the new part of the curve.
    pub(crate) fn read(
        self,
        known: impl FnOnce(&Test) -> Option<Measured>,
    ) -> Result<(Header, Cell, Vec<CurvePoint>), String> {
        let bad = |problem: Problem| problem.to_string();
        let header = self.row.header().map_err(bad)?;
        let mut cell = self.row.part_of_cell().map_err(bad)?.ok_or("a row of no test")?;
        if let Outcome::Measured(mut measured) = cell.outcome {
            let before = known(&cell.test).unwrap_or_default();
            let join = |before: Vec<Sample>, n: usize, new: &mut Vec<Sample>| {
                let before = before.get(..n).ok_or("repetitions are missing")?;
                new.splice(..0, before.iter().cloned());
                Ok::<_, String>(())
            };
            join(before.samples, self.known.0, &mut measured.samples)?;
            join(before.set_aside, self.known.1, &mut measured.set_aside)?;
            // A row with a part of its repetitions looks interrupted.
            measured.ended = None;
            cell.outcome = Outcome::of(measured);
        }
        Ok((header, cell, self.row.curve.iter().map(CurvePoint::from).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_ceilings_reaches_the_parent() {
        let events = [
            Event::CeilingsDisturbed { device: "CPU", n_disturbed: 2, n: 13 },
            Event::CeilingsCache { problem: "/cache: cannot be written" },
        ];
        for event in &events {
            let line = EventLine::of(event, &mut Sent::default()).unwrap();
            let text = serde_json::to_string(&line).unwrap();
            let mut told = Vec::new();
            let line: EventLine = serde_json::from_str(&text).unwrap();
            line.tell(|event| told.push(format!("{event:?}")));
            assert_eq!(told, [format!("{event:?}")]);
        }
    }
}
