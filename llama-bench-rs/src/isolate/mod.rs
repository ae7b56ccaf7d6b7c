//! Measuring in processes of their own: what ends one of them costs one configuration, and the others are still measured.
//!
//! llama.cpp and the drivers below it end the process if they cannot continue: a failed assertion, a CUDA error that
//! spoils the context, the kernel that needs memory. A program that can start itself again survives that.
//!
//! ```no_run
//! use llama_bench_rs::{bench::Campaign, isolate::{self, Isolation}};
//!
//! fn main() -> Result<(), llama_bench_rs::Error> {
//!     isolate::child(); // first: in a child it does the work and does not return
//!
//!     let measured = Campaign::new()
//!         .models(["a.gguf", "b.gguf"])
//!         .tests(|sweep| sweep.prompt(512).generate(128))
//!         .isolated(Isolation::new())
//!         .run()?;
//!     for (run, cell) in measured.report.cells() {
//!         if let Some(failure) = cell.failure() {
//!             println!("{}: {}", run.header.model.filename, failure.message); // killed by signal 6 (SIGABRT): …
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What stays the same
//! Report, events, order, resuming and cancelling are those of a campaign in one process. The observer runs in the
//! parent, between timed regions: the child waits until it returns. The parent loads no model and makes no context.
//!
//! # What is different
//! - Configurations are measured one after the other: contexts of two processes do not take turns.
//! - Each child loads its model itself.
//! - [`Campaign::tests`](crate::bench::Campaign::tests) is asked in the parent, before a model is loaded. The request
//!   travels to the child, the closure does not.
//!
//! # What a child inherits, and what it does not
//! The environment, the working directory, limits, CPU affinity, and whatever `main` did before [`child()`]. Not the
//! arguments, unless [`Isolation::args`] gives some, and not the terminal: a child is in a process group of its own, and
//! its standard input and output are empty from [`child()`] on. It gets an interruption from the parent, and ends when the
//! parent does, however that ends.
//!
//! Before [`child()`] may come what must hold in both, such as a panic hook. Whatever else comes before it is done
//! again in every child. llama.cpp's log reaches the parent's [`tracing`] subscriber unless `main` sets one before
//! [`child()`].
//!
//! # In tests
//! The `main` of a test program is the harness, which knows nothing of children and would run every test in each of them.
//! Either the test target has `harness = false` and a `main` of its own, or a test names itself:
//! `Isolation::new().args(["--exact", "the_test", "--nocapture"])`, and calls [`child()`] first.
//!
//! A child costs its start: some tens of milliseconds on a CPU, a second with CUDA, and a load of its model.

mod child;
mod ending;
mod error;
mod events;
mod log;
mod parent;
mod tail;
mod wire;

use std::{
    ffi::OsString,
    sync::atomic::{AtomicBool, Ordering},
};

#[doc(hidden)]
pub use error::IsolateError;
pub(crate) use events::EventLine;
pub(crate) use parent::{Ended, converse};
use wire::Told;
pub(crate) use wire::{Answer, Work};

/// Whether `main` called [`child()`] in this process.
static CALLED: AtomicBool = AtomicBool::new(false);

/// Does the work of an isolated configuration and ends the process, if it was started for that; otherwise returns at once.
///
/// The first call in `main` of a program that isolates: [the module](self) says what may come before it.
pub fn child() {
    CALLED.store(true, Ordering::Relaxed);
    if child::is_wanted() {
        child::run();
    }
}

/// How configurations are measured in processes of their own.
///
/// A child is this executable, started again without arguments.
#[derive(Clone, Debug, Default)]
#[must_use = "give it to Campaign::isolated"]
pub struct Isolation {
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// A process for each run, even if runs could share a loaded model.
    pub(crate) each_run: bool,
    /// All configurations of a run in one process.
    pub(crate) together: bool,
}

impl Isolation {
    /// A process for each configuration, and for each load of its model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Arguments for the children; none by default.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a variable to the children's environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// A process for each run of a configuration, in place of a fresh context.
    pub fn each_run(mut self) -> Self {
        self.each_run = true;
        self
    }

    /// All configurations of a load or run in one process: they can take turns, and what ends it costs all of them.
    #[doc(hidden)]
    pub fn together(mut self) -> Self {
        self.together = true;
        self
    }

    /// Refuses to start a program that would not do the work.
    pub(crate) fn check(&self) -> Result<(), IsolateError> {
        if CALLED.load(Ordering::Relaxed) { Ok(()) } else { Err(IsolateError::NotCalled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error,
        bench::{Campaign, Loads},
        llama::ModelParams,
    };

    /// This program is a test harness, which never called `child`.
    #[test]
    fn a_program_that_would_run_itself_from_the_beginning_is_refused() {
        let campaign = Campaign::new().models(["a.gguf"]).tests(|sweep| sweep.prompt(8));
        let refused = campaign.isolated(Isolation::new()).run().unwrap_err();
        assert!(matches!(refused, Error::Isolate(IsolateError::NotCalled)), "{refused}");
        assert!(refused.to_string().contains("isolate::child() first in main"), "{refused}");
        let loads = Loads::new(1).side("a.gguf", &ModelParams::default(), |sweep| sweep.prompt(8));
        let refused = loads.isolated(Isolation::new()).run().unwrap_err();
        assert!(matches!(refused, Error::Isolate(IsolateError::NotCalled)), "{refused}");
    }
}
