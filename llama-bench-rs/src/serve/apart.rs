//! Serving a configuration in a process of its own.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    Arrivals, LoadRecord, Progress, Serve, ServeEvent, ServeObserver, ServeRun, ServeSettings, ServeTurn, Try,
};
use crate::{
    Error,
    bench::{Cancel, Source, lock::Turn},
    isolate::{Answer, Ended, EventLine, Isolation, Work, converse},
    llama::{ContextParams, ModelParams},
    record::{Failure, FailureKind, Header},
};

/// Time between two signs of progress within a repetition: they delay its requests.
const PAUSE: Duration = Duration::from_millis(200);

/// A configuration that is served in a process of its own: what ends that costs its loads alone.
///
/// Others are served after it, not in turn with it. [`isolate`](crate::isolate) says what the program must do for it.
#[derive(Clone, Debug)]
pub struct ServeApart {
    order: ServeOrder,
    /// What is known of it before its model is loaded.
    header: Header,
    exclusive: bool,
}

/// All that another process needs to serve a configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServeOrder {
    name: String,
    model: Source,
    params: ModelParams,
    context: ContextParams,
    settings: ServeSettings,
    loads: Vec<Arrivals>,
    earlier: Option<Box<ServeRun>>,
    /// Loads that ended a process, with the reason.
    lost: Vec<(Arrivals, Failure)>,
}

impl ServeApart {
    /// These loads of a model; `header` is that of a run whose model could not be loaded.
    pub fn new(
        model: impl Into<Source>,
        (params, context): (&ModelParams, &ContextParams),
        header: &Header,
        settings: &ServeSettings,
        loads: &[Arrivals],
    ) -> Self {
        let order = ServeOrder {
            name: String::new(),
            model: model.into(),
            params: params.clone(),
            context: context.clone(),
            settings: settings.clone(),
            loads: loads.to_vec(),
            earlier: None,
            lost: Vec::new(),
        };
        Self { order, header: header.clone(), exclusive: true }
    }

    /// Names the configuration.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.order.name = name.into();
        self
    }

    /// Resumes an interrupted run, as [`Serve::resume`].
    #[must_use]
    pub fn resume(mut self, earlier: Option<ServeRun>) -> Self {
        self.order.earlier = earlier.map(Box::new);
        self
    }

    /// As [`Serve::exclusive`].
    #[must_use]
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
        self
    }

    /// Serves it. The load that a lost process was serving has the reason, and what is left is served by another process;
    /// two that end in a row at the same point end all of it. Reported repetitions stay.
    ///
    /// # Errors
    /// As [`Serve::run`] and [`Serve::resume`]; the program does not call [`isolate::child`](crate::isolate::child()).
    pub fn run(
        self,
        isolation: &Isolation,
        cancel: &Cancel,
        observer: &mut dyn ServeObserver,
    ) -> Result<ServeRun, Error> {
        isolation.check()?;
        let Self { order, header, exclusive } = self;
        let waiting = || observer.event(&ServeEvent::Waiting);
        let _turn = if exclusive { Turn::take(cancel, waiting) } else { None };
        let (name, settings, loads) = (order.name.clone(), order.settings.clone(), order.loads.clone());
        let not_loaded = |failure: &Failure| {
            ServeRun::not_loaded(&name, header.clone(), settings.clone(), &loads, failure)
        };
        let mut order = order;
        let mut told = order.earlier.as_deref().cloned();
        let mut last_point = None;
        loop {
            let mut serving: Option<Arrivals> = None;
            let hear = |event: EventLine| {
                let EventLine::Serve(event) = event else { return Err("an event of a sweep".into()) };
                event.tell(observer)?;
                match *event {
                    ServeLine::Run { run, .. } => (told, serving) = (Some(*run), None),
                    ServeLine::Turn { load, .. } => serving = Some(load.arrivals),
                    ServeLine::Tried(_) => {}
                }
                Ok(())
            };
            let failure = match converse(isolation, &Work::Serve(Box::new(order.clone())), cancel, hear)? {
                Ended::Done(Answer::Served(run)) => return Ok(*run),
                Ended::Done(_) => {
                    let why = "another was done".into();
                    return Err(crate::isolate::IsolateError::Work { why }.into());
                }
                Ended::Lost(failure) => failure,
            };
            let is_over = failure.kind == FailureKind::Cancelled || cancel.is_cancelled();
            let point = (serving.clone(), told.as_ref().map_or(0, n_repetitions));
            let is_again = last_point.as_ref() == Some(&point);
            if is_over || is_again {
                let failure = if is_over { failure } else { given_up(&failure) };
                let mut run = told.unwrap_or_else(|| not_loaded(&failure));
                run.fail_rest(&failure);
                order.lost.iter().for_each(|(load, why)| run.fail(load, why));
                return Ok(run);
            }
            last_point = Some(point);
            // The load that was being served lost it; those that are left get a process of their own.
            if let (Some(load), Some(run)) = (serving, &mut told) {
                run.fail(&load, &failure);
                if let Some(load) = run.load(&load) {
                    observer.event(&ServeEvent::LoadFailed { run, load, failure: &failure });
                }
                order.lost.push((load, failure));
                if is_served(run) {
                    return Ok(run.clone());
                }
            }
            order.earlier = told.clone().map(Box::new);
        }
    }
}

fn given_up(failure: &Failure) -> Failure {
    let message =
        format!("given up, since two processes in a row ended at the same point: {}", failure.message);
    Failure { message, ..failure.clone() }
}

fn n_repetitions(run: &ServeRun) -> usize {
    run.loads.iter().map(|load| load.repetitions.len()).sum()
}

/// Whether nothing is left to serve.
fn is_served(run: &ServeRun) -> bool {
    let n_reps = run.settings.n_reps as usize;
    let is_over = |load: &LoadRecord| load.failure.is_some() || load.whole().count() >= n_reps;
    (run.settings.search.is_none() || run.capacity.is_some()) && run.loads.iter().all(is_over)
}

impl ServeOrder {
    /// Serves it in this process.
    pub(crate) fn serve(self, observer: &mut dyn ServeObserver, cancel: &Cancel) -> Result<ServeRun, Error> {
        let Self { name, model: source, params, context, settings, loads, earlier, lost } = self;
        let model = match source.load_unless(&params, cancel) {
            Ok(model) => model,
            Err(failure) => {
                let path = source.path().unwrap_or_default();
                let unloaded = crate::bench::Sweep::not_loaded(&path, &params, failure.clone());
                let header = unloaded.context(context).generate(1).header()?;
                let not_loaded = || ServeRun::not_loaded(&name, header, settings, &loads, &failure);
                let mut run = earlier.map_or_else(not_loaded, |earlier| *earlier);
                run.fail_rest(&failure);
                return Ok(run);
            }
        };
        let mut serve = Serve::new(&model).name(name).context(context).loads(loads).exclusive(false);
        (serve.settings, serve.lost) = (settings, lost);
        if let Some(earlier) = earlier {
            serve = serve.resume(*earlier)?;
        }
        let mut runs = serve.cancel(cancel.clone()).observer(observer).run()?.runs;
        runs.pop().ok_or_else(|| super::ServeError::NoLoads.into())
    }
}

/// An event of serving, without its borrows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ServeLine {
    Turn { name: String, load: Box<LoadRecord>, rep: u32, n_reps: Option<u32>, doing: Doing },
    Tried(Try),
    Run { run: Box<ServeRun>, why: Why },
}

/// What is done in a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Doing {
    Opening,
    Serving,
    Step(Progress),
}

/// Why a run is reported, with the places of its load and repetition.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Why {
    Planned,
    RepetitionDone(usize, usize),
    LoadFailed(usize),
    Searched,
}

impl ServeLine {
    /// `None` for what is not reported, or came too soon after the last sign of progress.
    pub(crate) fn of(event: &ServeEvent<'_>, last_step: &mut Option<Instant>) -> Option<Self> {
        let run = |run: &ServeRun, why| Some(Self::Run { run: Box::new(run.clone()), why });
        let place = |run: &ServeRun, load: &LoadRecord| {
            run.loads.iter().position(|one| one.arrivals == load.arrivals)
        };
        match *event {
            // The parent has the turn, and memory is in the record.
            ServeEvent::Waiting | ServeEvent::MemoryEstimate(_) => None,
            ServeEvent::Planned(all) => run(all, Why::Planned),
            ServeEvent::Searched(all) => run(all, Why::Searched),
            ServeEvent::RepetitionDone { run: all, load, repetition } => {
                let rep = load.repetitions.iter().position(|one| one.rep == repetition.rep)?;
                run(all, Why::RepetitionDone(place(all, load)?, rep))
            }
            ServeEvent::LoadFailed { run: all, load, .. } => run(all, Why::LoadFailed(place(all, load)?)),
            ServeEvent::Tried(tried) => Some(Self::Tried(tried.clone())),
            ServeEvent::Opening(turn) => Some(Self::turn(turn, Doing::Opening)),
            ServeEvent::Serving(turn) => Some(Self::turn(turn, Doing::Serving)),
            ServeEvent::Step { turn, progress } => {
                let now = Instant::now();
                if last_step.is_some_and(|last| now - last < PAUSE) {
                    return None;
                }
                *last_step = Some(now);
                Some(Self::turn(turn, Doing::Step(*progress)))
            }
        }
    }

    fn turn(turn: ServeTurn<'_>, doing: Doing) -> Self {
        let load = Box::new(LoadRecord { repetitions: Vec::new(), ..turn.load.clone() });
        Self::Turn { name: turn.name.to_owned(), load, rep: turn.rep, n_reps: turn.n_reps, doing }
    }

    fn tell(&self, observer: &mut dyn ServeObserver) -> Result<(), String> {
        let missing = || "a load that its run does not have".to_owned();
        match self {
            Self::Turn { name, load, rep, n_reps, doing } => {
                let turn = ServeTurn { name, index: 0, load, rep: *rep, n_reps: *n_reps };
                observer.event(&match doing {
                    Doing::Opening => ServeEvent::Opening(turn),
                    Doing::Serving => ServeEvent::Serving(turn),
                    Doing::Step(progress) => ServeEvent::Step { turn, progress },
                });
            }
            Self::Tried(tried) => observer.event(&ServeEvent::Tried(tried)),
            Self::Run { run, why } => {
                let load = |i: usize| run.loads.get(i).ok_or_else(missing);
                observer.event(&match *why {
                    Why::Planned => ServeEvent::Planned(run),
                    Why::Searched => ServeEvent::Searched(run),
                    Why::RepetitionDone(i, rep) => {
                        let repetition = load(i)?.repetitions.get(rep).ok_or_else(missing)?;
                        ServeEvent::RepetitionDone { run, load: load(i)?, repetition }
                    }
                    Why::LoadFailed(i) => {
                        let failure = load(i)?.failure.as_ref().ok_or_else(missing)?;
                        ServeEvent::LoadFailed { run, load: load(i)?, failure }
                    }
                });
            }
        }
        Ok(())
    }
}
