//! Progress events of a sweep, and how to cancel one. [`Forecast`](super::Forecast) estimates the time left from them.
//!
//! ```no_run
//! use llama_bench_rs::{bench::{Cancel, Event, Sweep}, llama::Model};
//!
//! let (model, cancel) = (Model::load("model.gguf")?, Cancel::new());
//! let mut observer = |event: &Event<'_>| {
//!     if let Event::CellDone { cell, .. } = event && cell.failure().is_some() {
//!         cancel.cancel(); // what was measured is kept
//!     }
//! };
//! let report = Sweep::new(&model).prompt(512).cancel(cancel.clone()).observer(&mut observer).run()?;
//! assert_eq!(report.runs.len(), 1);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    campaign::Configuration, lock::tell_on_stderr, memory_estimate::MemoryEstimate, notes::Note, plan::Plan,
};
use crate::{
    llama::Stop,
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
    /// The events up to the next one of this kind belong to this configuration. Sent when a run of it begins and, while
    /// configurations are interleaved, at each of its turns.
    Configuration {
        /// Its place among the configurations of the campaign, from 0.
        index: usize,
        /// Configurations of the campaign.
        n: usize,
        /// How it differs from the others, such as `ub 1024 fa 1`; empty if it is the only one.
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
    /// A model is being loaded: sent once with a share of 0, then repeatedly.
    Loading {
        /// Its file.
        path: &'a Path,
        /// The share that is loaded, from 0 to 1.
        share: f32,
    },
    /// A value of the configuration has no effect or another effect.
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
    /// A ceiling of a device is about to be measured ([`Sweep::ceilings`](super::Sweep::ceilings)).
    Ceilings {
        /// The device.
        device: &'a str,
        /// Ceilings of it that are measured.
        n_done: usize,
        /// Ceilings of it to measure.
        n: usize,
    },
    /// Other programs were busy while ceilings of a device were measured: they may be too low, and are not kept for later
    /// runs ([`Ceiling::disturbed`](crate::record::Ceiling::disturbed)).
    CeilingsDisturbed {
        /// The device.
        device: &'a str,
        /// Ceilings that were disturbed.
        n_disturbed: usize,
        /// Ceilings that were measured.
        n: usize,
    },
    /// Ceilings of earlier runs cannot be read, or new ones cannot be kept. Sent once in a process.
    CeilingsCache {
        /// The file, what is wrong with it, and what follows.
        problem: &'a str,
    },
    /// Estimated memory of the next context by device, and how much is free.
    MemoryEstimate(&'a MemoryEstimate),
    /// A context for `n_ctx` tokens is being made.
    Opening {
        /// Tokens that it will hold.
        n_ctx: u32,
    },
    /// The context's graphs could not be recorded: it is created again and measured without that record.
    WorkUnknown(&'a Failure),
    /// The repetitions of this test are being profiled; its samples are taken.
    Profiling {
        /// The test.
        test: &'a Test,
    },
    /// A test could not be profiled; its samples stay.
    ProfileUnknown {
        /// The test.
        test: &'a Test,
        /// Why.
        failure: &'a Failure,
    },
    /// Every operation of one repetition, stopped after by itself ([`Profiling::trace`](super::Profiling::trace)).
    Traced {
        /// The test.
        test: &'a Test,
        /// Its operations, in order.
        stops: &'a [Stop],
    },
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
        /// What the latest repetition took; `None` before the first.
        last: Option<Duration>,
    },
    /// A repetition of a cell is over, and more of the cell follow later.
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
        /// The run that it belongs to, complete except for its final timing.
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

/// Receives the events of a sweep; any `FnMut(&Event)` is one.
pub trait Observer {
    /// Called on the measuring thread, between timed regions: slow code here delays the sweep but changes no figure.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// Ignores all events but a wait for another sweep, which would look like a hang.
pub(super) struct Silent;

impl Silent {
    /// An observer for those that were given none.
    pub(super) fn observer<'a>() -> &'a mut dyn Observer {
        // A type without a size takes no memory.
        Box::leak(Box::new(Self))
    }
}

impl Observer for Silent {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Waiting = event {
            tell_on_stderr();
        }
    }
}

/// Asks a sweep to stop at the next chunk of work; what was measured is kept. Clones share the request.
///
/// ```
/// use llama_bench_rs::bench::Cancel;
///
/// let cancel = Cancel::new();
/// let of_signal_handler = cancel.clone();
/// of_signal_handler.cancel();
/// assert!(cancel.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Cancel {
    /// Cancelled when the flag is true, such as one that a signal handler or another library sets.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; safe from any thread and from a signal handler.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
