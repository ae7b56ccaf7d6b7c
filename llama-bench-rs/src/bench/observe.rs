//! What an application hears while a sweep runs, and how it stops one.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{campaign::Configuration, needs::Needs, notes::Note, plan::Plan};
use crate::{
    record::{Cell, CurvePoint, Failure, Header, Method, Test},
    stats::StoppingRule,
};

/// Something that happened in a sweep. Events come between timed regions, never inside one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another sweep measures on this machine; this one begins when it ends ([`Sweep::exclusive`](super::Sweep::exclusive)).
    Waiting,
    /// A campaign begins: all its configurations, in the order of [`Event::Configuration`]'s `index`. Sent once.
    Campaign(&'a [Configuration]),
    /// What follows, up to the next of these events, is of this configuration. Sent when a run of it begins and, while
    /// configurations are interleaved, each time that it has its turn again.
    Configuration {
        /// Its place among the configurations of the campaign, from 0.
        index: usize,
        /// Configurations of the campaign.
        n: usize,
        /// What of it differs from the others, such as `ub 1024 fa 1`; empty if it is the only one.
        name: &'a str,
        /// Its run, from 0.
        run: u32,
    },
    /// The file of a synthetic model is being written.
    Making {
        /// The file.
        path: &'a Path,
        /// Bytes written.
        n_bytes: u64,
        /// Bytes in all.
        n_total: u64,
    },
    /// A model is being loaded: once with a share of 0, then as it gets on.
    Loading {
        /// Its file.
        path: &'a Path,
        /// The share that is loaded, from 0 to 1.
        share: f32,
    },
    /// A value of the configuration does not do what its name says.
    Note(&'a Note),
    /// A run begins: what it will measure.
    Planned {
        /// Its tests, in the order of the report.
        cells: &'a [Test],
        /// Repetitions of each; with a stopping rule, at most.
        n_reps: u32,
        /// The rule that ends the repetitions of a cell sooner; `None` if their number is fixed.
        stopping: Option<StoppingRule>,
        /// How depths are reached.
        method: Method,
    },
    /// What the next context will take, by device, and how much is free.
    Needs(&'a Needs),
    /// A context for `n_ctx` tokens is being made.
    Opening {
        /// Tokens that it will hold.
        n_ctx: u32,
    },
    /// The context could not show what it computes: it is made anew, and measured without a record of that.
    WorkUnknown(&'a Failure),
    /// Untimed runs.
    WarmingUp,
    /// The context is being filled.
    Filling {
        /// Tokens in the context.
        n_done: u32,
        /// Tokens that this fill ends at.
        n_depth: u32,
    },
    /// A repetition is about to be timed.
    Measuring {
        /// The test.
        test: &'a Test,
        /// Repetitions done.
        rep: u32,
        /// Repetitions planned; with a stopping rule, at most.
        n_reps: u32,
        /// What the latest of the repetitions done took; `None` before the first.
        last: Option<Duration>,
    },
    /// A repetition of a cell is over and others will follow in later rounds: what is known of it so far.
    CellSoFar {
        /// The run that it belongs to, as it stands.
        header: &'a Header,
        /// The cell, with the samples so far.
        cell: &'a Cell,
        /// Chunks of the fill that were timed since the cell before.
        curve: &'a [CurvePoint],
    },
    /// A cell has its outcome.
    CellDone {
        /// The run that it belongs to, complete but for its final timing.
        header: &'a Header,
        /// The cell.
        cell: &'a Cell,
        /// Chunks of the fill that were timed since the cell before.
        curve: &'a [CurvePoint],
    },
}

impl<'a> Event<'a> {
    /// A run of this plan begins.
    pub(super) fn planned(plan: &'a Plan) -> Self {
        let request = &plan.request;
        let (n_reps, stopping, method) = (request.n_reps_max(), request.stopping, request.method);
        Self::Planned { cells: &plan.cells, n_reps, stopping, method }
    }
}

/// Hears the events of a sweep; any `FnMut(&Event)` is one.
pub trait Observer {
    /// Called on the measuring thread: what takes long here delays the sweep, though never a timed region.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// Asks a sweep to stop at the next chunk of work; what was measured is kept. Clones share the request.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Cancel {
    /// Asked for when the flag is true: for a flag that a signal handler or another library sets.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// Nothing asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks; safe from any thread and from a signal handler.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
