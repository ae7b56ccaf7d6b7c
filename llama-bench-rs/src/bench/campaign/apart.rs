//! Measuring configurations in processes of their own.

use std::ops::Range;

use super::{
    Campaign, Part, PartOf, Subject,
    deaths::{Lost, Point},
    measure::{Loaded, Measuring, not_needed},
    part::Asked,
    source::not_begun,
};
use crate::{
    Error,
    bench::{Cancel, Event, Observer, Plan, Sweep, utc_now},
    isolate::{Answer, Ended, EventLine, Isolation, Work, converse},
    record::{Cell, CurvePoint, Failure, FailureKind, Header, Measured, Outcome, Report, Run, Test},
};

/// What one process measures: these runs of these configurations, from the same load of each model.
struct Unit {
    n_load: u32,
    runs: Range<u32>,
    indices: Vec<usize>,
}

impl Measuring<'_, '_, '_> {
    /// Measures everything, in as many processes as are asked for.
    pub(super) fn apart(&mut self, isolation: &Isolation) -> Result<(), Error> {
        let (n_loads, n_runs) = (self.campaign.n_loads, self.campaign.n_runs);
        for n_load in 0..n_loads {
            let runs = n_load * n_runs..(n_load + 1) * n_runs;
            let step = if isolation.each_run { 1 } else { n_runs };
            for first in runs.step_by(step as usize) {
                let all = 0..self.subjects.len();
                let parts: Vec<Vec<usize>> = if isolation.together {
                    vec![all.collect()]
                } else {
                    all.map(|index| vec![index]).collect()
                };
                for indices in parts {
                    self.unit(isolation, Unit { n_load, runs: first..first + step, indices })?;
                }
            }
        }
        Ok(())
    }

    fn unit(&mut self, isolation: &Isolation, unit: Unit) -> Result<(), Error> {
        let is_cancelled = self.campaign.cancel.is_cancelled();
        if unit.runs.start > 0 && is_cancelled {
            return Ok(());
        }
        let places: Vec<(usize, u32)> =
            unit.runs.clone().flat_map(|run| unit.indices.iter().map(move |&index| (index, run))).collect();
        let is_over = places.iter().all(|&(index, run)| self.is_over(index, run));
        if is_over || is_cancelled {
            let failure = if is_over { not_needed() } else { not_begun() };
            let loaded = Loaded { model: Err(failure), indices: &unit.indices };
            let places = places.into_iter().filter(|&(_, run)| is_over || run == 0);
            return places.into_iter().try_for_each(|(index, run)| self.pack(&loaded, &[index], run));
        }
        let mut unit = unit;
        for index in std::mem::take(&mut unit.indices) {
            match self.deaths.given_up(index) {
                Some(failure) => {
                    let of_index: Vec<_> = places.iter().copied().filter(|place| place.0 == index).collect();
                    self.give_up(&of_index, &failure);
                }
                None => unit.indices.push(index),
            }
        }
        let places: Vec<(usize, u32)> =
            places.into_iter().filter(|(index, _)| unit.indices.contains(index)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let earlier: Vec<Option<Run>> = places
            .iter()
            .map(|&(index, run)| {
                let place = self.place(index, run);
                self.earlier[place].take()
            })
            .collect();
        let part = Part {
            of: unit.indices.iter().map(|&index| self.campaign.part_of(&self.subjects[index])).collect(),
            n_runs: unit.runs.len() as u32,
            interleaved: self.campaign.interleaved,
            redraws: unit.n_load > 0,
            earlier: Report { runs: earlier.iter().flatten().cloned().collect() },
        };
        let stage = self.stage;
        let mut runs: Vec<Heard<'_, _>> = places
            .iter()
            .zip(earlier)
            .map(|(&(index, run), earlier)| {
                let configuration = stage.configuration(index);
                Heard::new(stage.part(index, run), &configuration.header, &configuration.plan, earlier)
            })
            .collect();
        let n_of = unit.indices.len();
        let tell = |event: &Event<'_>| stage.tell(event);
        let lost = hear_part(isolation, part, n_of, &mut runs, &self.campaign.cancel, tell)?;
        if let Some(lost) = &lost {
            self.deaths.count(places[lost.turn].0, lost);
        } else {
            unit.indices.iter().for_each(|&index| self.deaths.forget(index));
        }
        let mut left = Vec::new();
        for (run, (index, n_run)) in runs.into_iter().zip(places) {
            let place = self.place(index, n_run);
            if run.run.is_none() {
                self.earlier[place] = run.earlier;
                left.push((index, n_run));
            } else {
                self.measured[place] = run.run;
            }
        }
        // What was not begun is not to blame: each run gets a process of its own.
        for run in unit.runs.clone() {
            let of_run = left.iter().filter(|(_, n_run)| *n_run == run).map(|(index, _)| *index);
            let indices: Vec<usize> = of_run.collect();
            if !indices.is_empty() && lost.is_some() {
                self.unit(isolation, Unit { n_load: unit.n_load, runs: run..run + 1, indices })?;
            }
        }
        Ok(())
    }

    /// Ends the runs of a configuration without another process.
    fn give_up(&mut self, places: &[(usize, u32)], failure: &Failure) {
        for &(index, run) in places {
            let place = self.place(index, run);
            let (stage, earlier) = (self.stage, self.earlier[place].take());
            let configuration = stage.configuration(index);
            let part = stage.part(index, run);
            let mut heard = Heard::new(part, &configuration.header, &configuration.plan, earlier);
            heard.finish(None, failure);
            self.measured[place] = heard.run;
        }
    }
}

impl Campaign<'_> {
    /// What another process needs to know of a configuration.
    pub(super) fn part_of(&self, subject: &Subject) -> PartOf {
        let sweep = Sweep::not_loaded(&subject.path, &subject.params, not_needed());
        PartOf::new(subject.source.clone(), &self.asked(sweep, subject))
    }
}

impl PartOf {
    /// What a sweep of this model was asked for.
    pub(crate) fn new(model: super::Source, sweep: &Sweep<'_>) -> Self {
        let (params, context) = sweep.params();
        Self { model, params: params.clone(), context: context.clone(), asked: Asked::by(sweep) }
    }
}

/// Measures one configuration once in a process of its own; no event is sent before it is over.
pub(crate) fn measure_apart(
    isolation: &Isolation,
    part: Part,
    header: &Header,
    plan: &Plan,
    cancel: &Cancel,
) -> Result<Run, Error> {
    let mut runs = [Heard::new(|_: &Event<'_>| {}, header, plan, None)];
    // The only run is over, however the process ended.
    let _ = hear_part(isolation, part, 1, &mut runs, cancel, |_| {})?;
    let [heard] = runs;
    heard.run.ok_or_else(|| crate::bench::BenchError::NoRuns.into())
}

/// Lets a child measure, and completes what it began. Runs that a child which was lost did not begin are not there
/// afterwards, except after an interruption.
fn hear_part<O: Observer>(
    isolation: &Isolation,
    part: Part,
    n_of: usize,
    runs: &mut [Heard<'_, O>],
    cancel: &Cancel,
    mut tell: impl FnMut(&Event<'_>),
) -> Result<Option<Lost>, Error> {
    let (mut turn, mut point) = (0, Point::Loading);
    let hear = |event: EventLine| {
        point = Point::of(&event).unwrap_or(point);
        match event {
            EventLine::Configuration { index, run } => {
                turn = run as usize * n_of + index;
                return if turn < runs.len() { Ok(()) } else { Err(format!("run {run} of {index}")) };
            }
            EventLine::Waiting | EventLine::Making { .. } | EventLine::Loading { .. } => {
                event.tell(&mut tell);
            }
            event => runs[turn].hear(event)?,
        }
        Ok(())
    };
    match converse(isolation, &Work::Measure(Box::new(part)), cancel, hear)? {
        Ended::Done(Answer::Measured(headers)) => {
            let unsaid =
                Failure::new(FailureKind::Isolation, "the process that measured it did not tell its outcome");
            for (place, header) in headers {
                if let Some(run) = runs.get_mut(place) {
                    run.finish(Some(header), &unsaid);
                }
            }
        }
        Ended::Done(_) => {}
        Ended::Lost(failure) => {
            let is_cancelled = failure.kind == FailureKind::Cancelled || cancel.is_cancelled();
            for (i, run) in runs.iter_mut().enumerate() {
                // After an interruption later runs are not begun.
                if run.is_begun || i == turn || (is_cancelled && i < n_of) {
                    run.finish(None, &failure);
                }
            }
            if !is_cancelled {
                return Ok(Some(Lost { failure, turn, point }));
            }
        }
    }
    Ok(None)
}

/// A run, as far as its child has reported it.
struct Heard<'p, O> {
    observer: O,
    /// As it is planned, and then as the child has it.
    header: Header,
    plan: &'p Plan,
    earlier: Option<Run>,
    cells: Vec<(Cell, bool)>,
    curve: Vec<CurvePoint>,
    is_begun: bool,
    has_header: bool,
    /// All of it, at the end.
    run: Option<Run>,
}

impl<'p, O: Observer> Heard<'p, O> {
    fn new(observer: O, header: &Header, plan: &'p Plan, earlier: Option<Run>) -> Self {
        let header = header.clone();
        let (cells, curve) = (Vec::new(), Vec::new());
        Self { observer, header, plan, earlier, cells, curve, is_begun: false, has_header: false, run: None }
    }

    fn known(&self, test: &Test) -> Option<&Cell> {
        self.cells.iter().map(|(cell, _)| cell).find(|cell| cell.test == *test)
    }

    fn hear(&mut self, event: EventLine) -> Result<(), String> {
        let line = match event {
            EventLine::Cell(line) => line,
            event => {
                self.is_begun |= matches!(event, EventLine::Planned { .. });
                event.tell(|event| self.observer.event(event));
                return Ok(());
            }
        };
        let done = line.done;
        let known = |test: &Test| self.known(test).and_then(Cell::measured).cloned();
        let (mut header, cell, curve) = line.read(known)?;
        header.merge_work(&self.header.work);
        (self.header, self.has_header) = (header, true);
        self.tell(cell, &curve, done);
        Ok(())
    }

    /// Takes a cell and tells the observer.
    fn tell(&mut self, cell: Cell, curve: &[CurvePoint], done: bool) {
        self.curve.extend_from_slice(curve);
        let header = &self.header;
        self.observer.event(&if done {
            Event::CellDone { header, cell: &cell, curve }
        } else {
            Event::CellSoFar { header, cell: &cell, curve }
        });
        self.cells.retain(|(known, _)| known.test != cell.test);
        self.cells.push((cell, done));
    }

    /// Makes the run from what was reported, under its final header if the child got so far. Cells without an outcome
    /// have the reason; what was measured of them, also before, is kept.
    fn finish(&mut self, header: Option<Header>, failure: &Failure) {
        let earlier = self.earlier.take().filter(Run::has_figures);
        if let Some(header) = header {
            self.header = header;
        } else if let (false, Some(earlier)) = (self.has_header, &earlier) {
            self.header = earlier.header.clone();
        }
        if self.header.timing.started_at.is_empty() {
            self.header.timing.started_at = utc_now();
        }
        if !self.is_begun {
            let plan = self.plan;
            self.observer.event(&Event::planned(plan));
        }
        // The curve of an earlier run is sent again with its first cell.
        let mut untold = match &earlier {
            Some(earlier) if self.cells.is_empty() => earlier.curve.clone(),
            _ => Vec::new(),
        };
        for test in &self.plan.cells {
            let told = self.cells.iter().find(|(cell, _)| cell.test == *test);
            if told.is_some_and(|(_, done)| *done) {
                continue;
            }
            let told = told.map(|(cell, _)| cell);
            let before = earlier.iter().flat_map(|run| &run.cells).find(|cell| cell.test == *test);
            let cell = self.ended(*test, told.or(before), failure);
            self.tell(cell, &std::mem::take(&mut untold), true);
        }
        let place = |cell: &Cell| self.plan.cells.iter().position(|test| *test == cell.test);
        let mut cells: Vec<Cell> =
            std::mem::take(&mut self.cells).into_iter().map(|(cell, _)| cell).collect();
        cells.sort_by_key(place);
        self.run = Some(Run { header: self.header.clone(), cells, curve: std::mem::take(&mut self.curve) });
    }

    /// The last state of a cell whose process ended.
    fn ended(&self, test: Test, known: Option<&Cell>, failure: &Failure) -> Cell {
        let started_at = known.map_or(&self.header.timing.started_at, |cell| &cell.started_at).clone();
        let n_all = self.plan.request.n_reps_max() as usize;
        let outcome = match known.and_then(Cell::measured) {
            Some(measured) if measured.samples.is_empty() => Outcome::Failed(failure.clone()),
            Some(measured) => {
                let is_whole = measured.stop.is_some() || measured.samples.len() >= n_all;
                // Of a sweep that somebody stopped, the number of repetitions says it.
                let is_said = is_whole || failure.kind == FailureKind::Cancelled;
                let ended = (!is_said).then(|| failure.clone());
                Outcome::Measured(Measured { ended, ..measured.clone() })
            }
            None => Outcome::Failed(failure.clone()),
        };
        Cell { test, started_at, outcome }
    }
}
