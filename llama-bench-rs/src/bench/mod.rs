//! Measuring: a [`Sweep`] of one model, [`interleave`]d sweeps, a [`Campaign`] of many configurations, and [`Loads`] of
//! models several times over.
//!
//! ```no_run
//! use llama_bench_rs::{bench::{Event, Sweep}, llama::Model};
//!
//! let model = Model::load("model.gguf")?;
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
//! Inside, a [`Plan`] lists the repetitions in order. The engine runs it on a [`target`], which wraps the context, and
//! times it with a [`clock`].

#[doc(hidden)]
pub mod abilities;
#[doc(hidden)]
pub mod calibration;
mod campaign;
pub(crate) mod ceilings;
#[doc(hidden)]
pub mod clock;
mod contexts;
mod cpu_features;
#[cfg(test)]
mod curve_tests;
mod delay;
mod describe;
mod disturbance;
#[cfg(test)]
mod energy_tests;
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
mod links;
mod llama_target;
mod loads;
pub(crate) mod lock;
mod memory_estimate;
mod metering;
#[cfg(feature = "nvml")]
mod monitor;
#[cfg(not(feature = "nvml"))]
#[path = "monitor_off.rs"]
mod monitor;
mod notes;
mod numa;
#[doc(hidden)]
pub mod observe;
mod page_cache;
#[cfg(test)]
mod pause_tests;
mod placement;
#[doc(hidden)]
pub mod plan;
mod possible;
mod preview;
#[cfg(test)]
mod profile_tests;
mod profiling;
#[doc(hidden)]
pub mod range;
mod repeats;
mod request;
mod room;
mod sharing;
mod sweep;
#[doc(hidden)]
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

pub use campaign::{Campaign, Grid};
#[doc(hidden)]
pub use campaign::{Campaigned, Configuration, Inspected, Look, Source};
pub(crate) use campaign::{Part, PartOf, measure_apart, places_of};
#[doc(hidden)]
pub use ceilings::CeilingPolicy;
#[cfg(feature = "cli")]
pub(crate) use describe::of_params;
pub(crate) use describe::unrecorded;
pub(crate) use engine::utc_now;
#[doc(hidden)]
pub use error::BenchError;
pub use forecast::ProgressLine;
#[doc(hidden)]
pub use forecast::{Extent, Forecast, Position, TimeLeft, clock_words};
#[doc(hidden)]
pub use llama_target::LlamaTarget;
#[doc(hidden)]
pub use loads::{Loaded, Loads};
#[doc(hidden)]
pub use memory_estimate::{DeviceEstimate, MemoryEstimate};
#[doc(hidden)]
pub use notes::Note;
#[doc(hidden)]
pub use observe::Observer;
pub use observe::{Cancel, Event};
#[doc(hidden)]
pub use page_cache::{PageCache, drop_from_page_cache};
#[doc(hidden)]
pub use plan::{Plan, Request};
#[doc(hidden)]
pub use preview::{Counts, Preview};
#[doc(hidden)]
pub use profiling::Profiling;
pub use sweep::Sweep;
#[doc(hidden)]
pub use sweep::interleave;
pub(crate) use turns::turns;
#[doc(hidden)]
pub use verify::{Verification, VerifiedDepth, VerifiedLevel};

use clock::Clock;
use target::Target;

#[doc(hidden)]
pub use crate::record::Order;
use crate::record::{Header, Run};

/// Runs a plan on a target. [`Sweep`] does this for a model; use it directly to measure something else the same way, as
/// `benches/overhead.rs` does.
///
/// A cell that fails carries its [`Failure`](crate::record::Failure); the others are still measured.
#[doc(hidden)]
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
