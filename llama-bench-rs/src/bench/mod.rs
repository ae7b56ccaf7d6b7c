//! Measuring: a [`Sweep`] of one model, [`interleave`]d sweeps, a [`Campaign`] of many configurations, and [`Loads`] of
//! models several times over.
//!
//! ```no_run
//! use llama_bench_rs::{bench::{Event, Sweep}, llama::{Backend, Model, ModelParams}};
//!
//! let model = Model::load(&Backend::init()?, "model.gguf", &ModelParams::default())?;
//! let mut progress = |event: &Event<'_>| {
//!     if let Event::Measuring { test, rep, n_reps, .. } = event {
//!         eprintln!("{test}: repetition {} of {n_reps}", rep + 1);
//!     }
//! };
//! let report = Sweep::new(&model).depths([0, 4096]).prompt(512).generate(32).observer(&mut progress).run()?;
//! assert_eq!(report.runs.len(), 1);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! Inside, a [`Plan`] says what is run in which order, a [`target`] is what is measured, and the engine runs the one on
//! the other by a [`clock`].

pub mod abilities;
mod campaign;
pub mod clock;
#[cfg(test)]
mod curve_tests;
mod delay;
mod describe;
mod disturbance;
mod engine;
mod error;
mod failed;
#[cfg(test)]
mod fake;
mod forecast;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod lanes_tests;
mod llama_target;
mod loads;
pub(crate) mod lock;
mod monitor;
mod needs;
mod notes;
pub mod observe;
pub mod pace;
mod page_cache;
#[cfg(test)]
mod pause_tests;
mod placement;
pub mod plan;
mod possible;
mod preview;
pub mod range;
mod repeats;
mod request;
mod sweep;
pub mod target;
#[cfg(test)]
mod tests;
mod timed;
mod tokens;
mod turns;
mod verify;
mod verify_text;
#[cfg(test)]
mod work_tests;

pub(crate) use campaign::places_of;
pub use campaign::{Campaign, Campaigned, Configuration, Grid, Source};
#[cfg(feature = "cli")]
pub(crate) use describe::of_params;
pub use error::BenchError;
pub use forecast::{Extent, Forecast, Position, ProgressLine, TimeLeft, clock_words};
pub use llama_target::LlamaTarget;
pub use loads::{Loaded, Loads};
pub use needs::{DeviceNeeds, Needs};
pub use notes::Note;
pub use observe::{Cancel, Event, Observer};
pub use page_cache::{PageCache, drop_from_page_cache};
pub use plan::{Plan, Request};
pub use preview::Preview;
pub use sweep::{Sweep, interleave};
pub use verify::{Verification, VerifiedDepth};

use clock::Clock;
use target::Target;

pub use crate::record::Order;
use crate::record::{Header, Run};

/// Runs a plan on a target. [`Sweep`] does this for a model; use it directly to measure something else the same way, as
/// `benches/overhead.rs` does.
///
/// A cell that fails carries its [`Failure`](crate::record::Failure); the others are still measured.
pub fn run<T: Target, C: Clock>(
    plan: &Plan,
    target: &mut T,
    clock: &C,
    header: Header,
    observer: &mut dyn Observer,
    cancel: &Cancel,
) -> Run {
    let _turn = lock::Turn::of(&plan.request, observer, cancel);
    engine::Engine::new(target, clock, plan, header, observer, cancel).run()
}
