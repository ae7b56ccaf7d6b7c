//! Looking at configurations without measuring them: what they take, and whether returning to a depth is right.

use serde::{Deserialize, Serialize};

use super::{Campaign, Configuration, Part, tell::Stage};
use crate::{
    Error,
    bench::{
        BenchError, Cancel, Event, Note, Observer, Preview, Sweep, TimeLeft, Verification, lock::Turn,
        observe::Silent,
    },
    isolate::{Answer, Ended, EventLine, Isolation, Work, converse},
    llama::{ContextParams, ModelParams},
    record::{Failure, FailureKind, Link, ModelInfo, Report},
};

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Look {
    /// Cells, memory and time ([`Sweep::preview`], [`Sweep::try_out`]).
    Plan,
    /// Whether rewound contexts match fresh ones ([`Sweep::verify`]).
    Verify,
}

/// What was found of one configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inspected {
    /// How the model is loaded, and how contexts are made; not sent by a process of its own.
    #[serde(skip)]
    pub params: (ModelParams, ContextParams),
    /// The model, as far as it is known.
    pub model: ModelInfo,
    /// The ways to the servers that it is placed on.
    pub links: Vec<Link>,
    /// Values without effect.
    pub notes: Vec<Note>,
    /// Why nothing was found: the model was not loaded, or the process ended.
    pub failure: Option<Failure>,
    /// What would be measured.
    pub preview: Option<Preview>,
    /// What one run takes; `None` if a short trial failed, or without weights.
    pub time: Option<TimeLeft>,
    /// Bytes of weights that were not loaded, since they are more than all memory that is free.
    pub weights_too_large: Option<u64>,
    /// How far rewound contexts are from fresh ones, or why that is not known.
    pub verification: Option<Result<Verification, Failure>>,
}

impl Inspected {
    fn of(sweep: Sweep<'_>, look: Look) -> Result<Self, Error> {
        let (model, context) = sweep.params();
        let header = sweep.header()?;
        let mut found = Self {
            params: (model.clone(), context.clone()),
            model: header.model,
            links: header.links,
            notes: sweep.notes()?,
            failure: sweep.failure().cloned(),
            preview: None,
            time: None,
            weights_too_large: None,
            verification: None,
        };
        if found.params.0.no_alloc {
            found.weights_too_large = found.model.size_bytes;
        }
        match look {
            _ if found.failure.is_some() => {}
            Look::Plan => {
                let preview = sweep.preview()?;
                // Memory says more than a context that could not be made.
                if preview.check().is_ok() && found.weights_too_large.is_none() {
                    found.failure = sweep.refusal()?;
                }
                if found.failure.is_none() {
                    if preview.counts.n_cells > 0 && found.weights_too_large.is_none() {
                        found.time = sweep.try_out()?;
                    }
                    found.preview = Some(preview);
                }
            }
            Look::Verify => {
                found.verification = Some(match sweep.verify() {
                    Ok(verification) => Ok(verification),
                    Err(BenchError::Verify(failure)) => Err(failure),
                    Err(usage) => return Err(usage.into()),
                });
            }
        }
        Ok(found)
    }
}

impl Campaign<'_> {
    /// Looks at each configuration in turn and passes what was found to `visit`. Nothing more is begun once it is
    /// cancelled.
    ///
    /// # Errors
    /// As [`plan`](Self::plan) and [`isolated`](Self::isolated), and whatever `visit` returns.
    pub fn inspect<E: From<Error>>(
        mut self,
        look: Look,
        mut visit: impl FnMut(&Configuration, Inspected) -> Result<(), E>,
    ) -> Result<(), E> {
        self.only_plans = look == Look::Plan;
        let Some(isolation) = self.isolation.take() else {
            return self.for_each(|configuration, sweep| visit(configuration, Inspected::of(sweep, look)?));
        };
        isolation.check().map_err(Error::from)?;
        self.isolation = Some(isolation.clone());
        let subjects = self.subjects()?;
        let configurations = self.configurations(&subjects)?;
        let observer = self.observer.take().unwrap_or_else(Silent::observer);
        let stage = Stage::new(observer, &configurations);
        let request = &configurations[0].plan.request;
        let _turn = if look == Look::Verify { Turn::of(request, &mut &stage, &self.cancel) } else { None };
        for (index, (subject, configuration)) in subjects.iter().zip(&configurations).enumerate() {
            if self.cancel.is_cancelled() {
                break;
            }
            let part = Part { of: vec![self.part_of(subject)], ..Part::default() };
            let mut found = apart(&isolation, part, look, stage.part(index, 0), &self.cancel)
                .map_err(Error::from)?
                .unwrap_or_else(|failure| Inspected::lost(configuration, failure));
            found.params = (subject.params.clone(), subject.context.clone());
            visit(configuration, found)?;
        }
        Ok(())
    }
}

impl Inspected {
    fn lost(configuration: &Configuration, failure: Failure) -> Self {
        let model = configuration.header.model.clone();
        let params = Default::default();
        let (links, notes, failure) = (Vec::new(), Vec::new(), Some(failure));
        Self {
            params,
            model,
            links,
            notes,
            failure,
            preview: None,
            time: None,
            weights_too_large: None,
            verification: None,
        }
    }
}

/// Looks at one configuration in a process of its own.
fn apart(
    isolation: &Isolation,
    part: Part,
    look: Look,
    mut observer: impl Observer,
    cancel: &Cancel,
) -> Result<Result<Inspected, Failure>, crate::isolate::IsolateError> {
    let hear = |event: EventLine| {
        event.tell(|event: &Event<'_>| observer.event(event));
        Ok(())
    };
    Ok(match converse(isolation, &Work::Inspect(Box::new(part), look), cancel, hear)? {
        Ended::Done(Answer::Inspected(found)) => Ok(*found),
        Ended::Done(_) => {
            Err(Failure::new(FailureKind::Isolation, "the process of its own did something else"))
        }
        Ended::Lost(failure) => Err(failure),
    })
}

impl Part {
    /// Looks at its one configuration in this process.
    pub(crate) fn inspect(
        self,
        look: Look,
        observer: &mut dyn Observer,
        cancel: &Cancel,
    ) -> Result<Inspected, Error> {
        let mut all = Vec::new();
        self.campaign(cancel).observer(observer).inspect(look, |_, found| {
            all.push(found);
            Ok::<(), Error>(())
        })?;
        all.pop().ok_or_else(|| BenchError::Verify(super::source::not_begun()).into())
    }
}

impl Default for Part {
    /// Nothing, once.
    fn default() -> Self {
        Self { of: Vec::new(), n_runs: 1, interleaved: false, redraws: false, earlier: Report::default() }
    }
}
