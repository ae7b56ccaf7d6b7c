//! Progress events of serving. They come between repetitions and between the steps of one, outside of what is timed.

use super::{LoadRecord, Progress, ServeRun, ServedRepetition, Try};
use crate::{bench::MemoryEstimate, record::Failure};

/// Something that happened while loads were served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeEvent<'a> {
    /// Another program of this kind measures on this machine; this one begins when it ends.
    Waiting,
    /// Serving begins: the run as it stands, with all of its loads. What an earlier run left is in them.
    Planned(&'a ServeRun),
    /// Estimated memory of a load's context by device, and how much is free.
    MemoryEstimate(&'a MemoryEstimate),
    /// A context is being made and warmed up for a repetition.
    Opening(ServeTurn<'a>),
    /// A repetition begins.
    Serving(ServeTurn<'a>),
    /// A step of the repetition is done.
    Step {
        /// The repetition.
        turn: ServeTurn<'a>,
        /// How far it is.
        progress: &'a Progress,
    },
    /// A repetition is over; if it was cut short, [`Repetition::cut_short`](super::Repetition::cut_short) says why.
    RepetitionDone {
        /// The run as it stands, this repetition included.
        run: &'a ServeRun,
        /// Its load.
        load: &'a LoadRecord,
        /// The repetition.
        repetition: &'a ServedRepetition,
    },
    /// A load cannot be served, or not any more; the others go on.
    LoadFailed {
        /// The run as it stands.
        run: &'a ServeRun,
        /// The load.
        load: &'a LoadRecord,
        /// Why.
        failure: &'a Failure,
    },
    /// A search has judged a load.
    Tried(&'a Try),
    /// A search is over: the run has its answer.
    Searched(&'a ServeRun),
}

/// One repetition of one load.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServeTurn<'a> {
    /// The configuration's name.
    pub name: &'a str,
    /// The place of the configuration among those served in turn, from 0.
    pub index: usize,
    /// The load.
    pub load: &'a LoadRecord,
    /// The repetition's number, from 0.
    pub rep: u32,
    /// Repetitions asked for; a search makes as many as it needs.
    pub n_reps: Option<u32>,
}

/// Receives the events of serving; any `FnMut(&ServeEvent)` is one.
pub trait ServeObserver {
    /// Called on the serving thread. Between steps, slow code here delays the requests as a slow server would.
    fn event(&mut self, event: &ServeEvent<'_>);
}

impl<F: FnMut(&ServeEvent<'_>)> ServeObserver for F {
    fn event(&mut self, event: &ServeEvent<'_>) {
        self(event);
    }
}

/// Ignores all events but a wait for another program, which would look like a hang.
pub(super) struct Silent;

impl ServeObserver for Silent {
    fn event(&mut self, event: &ServeEvent<'_>) {
        if let ServeEvent::Waiting = event {
            crate::bench::lock::tell_on_stderr();
        }
    }
}
