//! Running what a sweep asks for: once or several times, alone or in turn with others.

use super::{Subject, Sweep};
use crate::{
    bench::{
        Cancel, Observer, Plan, ceilings,
        clock::MonotonicClock,
        engine::{Engine, run_interleaved},
        error::BenchError,
        llama_target::LlamaTarget,
        lock::Turn,
        observe::Silent,
        turns::first_created,
    },
    llama::{ContextParams, Model},
    record::{Header, Report, Run},
};

impl Sweep<'_> {
    /// Runs the sweep: one run in the report, or as many as [`runs`](Self::runs) asked for. A cell that fails carries its
    /// reason, and the others are still measured. After a cancellation no further run begins.
    ///
    /// # Errors
    /// Nothing to measure, or lengths that cannot be run. A model or context that fails later is in the cells.
    pub fn run(self) -> Result<Report, crate::Error> {
        let (n_runs, cancel) = (self.n_runs, self.cancel.clone());
        let mut ready = Ready::new(self)?;
        let _turn = ready.turn();
        ready.measure_ceilings();
        let mut report = Report::default();
        while report.runs.len() < n_runs as usize && (report.runs.is_empty() || !cancel.is_cancelled()) {
            let clock = MonotonicClock::start();
            report.runs.push(match &mut ready {
                Ready::Measure(prepared) => prepared.engine(&clock).run(),
                Ready::Failed(run) => Run::clone(run),
            });
            ready.forget_earlier();
        }
        Ok(report)
    }
}

/// Interleaves several sweeps: one repetition of each in turn, each in a context of its own. Drift of the machine affects
/// all alike, and the n-th repetition of one is paired with the n-th of the others.
///
/// The report has one run per sweep, in the order given. If [`Sweep::runs`] asks for more, everything is run again in
/// fresh contexts: first run of each sweep, then second run of each. The method is always [`Method::Rewind`], one depth
/// after the other. A sweep whose context does not fit beside the others is measured alone after them.
///
/// [`Method::Rewind`]: crate::record::Method::Rewind
///
/// # Errors
/// As [`Sweep::run`], of any of them.
pub fn interleave(sweeps: Vec<Sweep<'_>>) -> Result<Report, crate::Error> {
    let n_runs: Vec<u32> = sweeps.iter().map(|sweep| sweep.n_runs).collect();
    let mut ready = sweeps.into_iter().map(Ready::new).collect::<Result<Vec<Ready<'_>>, BenchError>>()?;
    let _turn = ready.iter_mut().find_map(Ready::turn);
    ready.iter_mut().for_each(Ready::measure_ceilings);
    let mut report = Report::default();
    let n_rounds = n_runs.iter().copied().max().unwrap_or(0);
    for round in 0..n_rounds {
        let mut taking_part: Vec<&mut Ready<'_>> = ready
            .iter_mut()
            .zip(&n_runs)
            .filter(|(_, n_runs)| round < **n_runs)
            .map(|(one, _)| one)
            .collect();
        if round > 0 && taking_part.iter().any(|one| one.is_cancelled()) {
            break;
        }
        let clock = MonotonicClock::start();
        let first = first_created(taking_part.len(), round, n_rounds);
        taking_part.rotate_left(first);
        let engines = taking_part.iter_mut().filter_map(|one| match one {
            Ready::Measure(prepared) => Some(prepared.engine(&clock)),
            Ready::Failed(_) => None,
        });
        let mut measured = run_interleaved(engines.collect()).into_iter();
        let run_of = |one: &&mut Ready<'_>| match one {
            Ready::Measure(_) => measured.next(),
            Ready::Failed(run) => Some(Run::clone(run)),
        };
        let mut runs: Vec<Run> = taking_part.iter().filter_map(run_of).collect();
        runs.rotate_right(first);
        report.runs.append(&mut runs);
        taking_part.into_iter().for_each(Ready::forget_earlier);
    }
    Ok(report)
}

/// A sweep that can begin, or the failed run of one without a model.
enum Ready<'a> {
    Measure(Box<Prepared<'a>>),
    Failed(Box<Run>),
}

/// A sweep with all that its engine borrows.
struct Prepared<'a> {
    model: &'a Model,
    context: ContextParams,
    plan: Plan,
    header: Header,
    target: LlamaTarget,
    observer: &'a mut dyn Observer,
    cancel: Cancel,
    earlier: Option<Run>,
}

impl<'a> Ready<'a> {
    fn new(sweep: Sweep<'a>) -> Result<Self, BenchError> {
        if sweep.n_runs == 0 {
            return Err(BenchError::NoRuns);
        }
        let (plan, header) = (sweep.plan()?, sweep.header()?);
        let Sweep { subject, context, observer, cancel, earlier, slowdown, .. } = sweep;
        let observer = observer.unwrap_or_else(Silent::observer);
        Ok(match subject {
            Subject::Model(model) => {
                let target = LlamaTarget::new(model, &context).slowed(slowdown);
                Self::Measure(Box::new(Prepared {
                    model,
                    context,
                    plan,
                    header,
                    target,
                    observer,
                    cancel,
                    earlier,
                }))
            }
            Subject::NotLoaded(not_loaded) => {
                Self::Failed(Box::new(not_loaded.run(&plan, header, earlier.as_ref(), observer)))
            }
        })
    }
}

impl Ready<'_> {
    /// Only the first run resumes an earlier one.
    fn forget_earlier(&mut self) {
        if let Self::Measure(prepared) = self {
            prepared.earlier = None;
        }
    }

    /// Waits until no other sweep measures, if this one is exclusive and has something to measure.
    fn turn(&mut self) -> Option<Turn> {
        match self {
            Self::Measure(prepared) => prepared.turn(),
            Self::Failed(_) => None,
        }
    }

    /// Before a context takes memory.
    fn measure_ceilings(&mut self) {
        if let Self::Measure(prepared) = self {
            let Prepared { model, context, plan, header, observer, cancel, .. } = &mut **prepared;
            header.ceilings = ceilings::of(model, context, plan.request.ceilings, *observer, cancel);
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Measure(prepared) if prepared.cancel.is_cancelled())
    }
}

impl Prepared<'_> {
    fn turn(&mut self) -> Option<Turn> {
        Turn::of(&self.plan.request, self.observer, &self.cancel)
    }

    fn engine<'b>(&'b mut self, clock: &'b MonotonicClock) -> Engine<'b, LlamaTarget, MonotonicClock> {
        let header = self.header.clone();
        let mut engine =
            Engine::new(&mut self.target, clock, &self.plan, header, self.observer, &self.cancel);
        if let Some(earlier) = &self.earlier {
            engine.resume(earlier);
        }
        engine
    }
}
