//! Measuring: what to run ([`plan`]), on what ([`target`]), by which clock, and the sweep that brings them together.

pub mod abilities;
mod campaign;
pub mod clock;
#[cfg(test)]
mod curve_tests;
mod delay;
mod describe;
mod disturbance;
mod encoded;
mod engine;
mod error;
mod failed;
#[cfg(test)]
mod fake;
mod forecast;
mod fresh;
mod interleaved;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod lanes_tests;
mod llama_target;
mod loads;
pub(crate) mod lock;
#[cfg(feature = "nvml")]
mod monitor;
#[cfg(not(feature = "nvml"))]
#[path = "monitor_off.rs"]
mod monitor;
mod needs;
mod notes;
pub mod observe;
pub mod pace;
mod page_cache;
mod pause;
mod placement;
pub mod plan;
mod possible;
mod progress;
pub mod range;
mod repeats;
mod rewinding;
mod sweep;
pub mod target;
#[cfg(test)]
mod tests;
mod timed;
mod tokens;
mod verify;
mod verify_text;
mod warmup;
mod work;

pub(crate) use campaign::places_of;
pub use campaign::{Campaign, Campaigned, Configuration, Grid, Source};
pub use error::BenchError;
pub use forecast::{Extent, Forecast, Position, ProgressLine, TimeLeft, clock_words};
pub use llama_target::LlamaTarget;
pub use loads::{Loaded, Loads};
pub use needs::{DeviceNeeds, Needs};
pub use notes::Note;
pub use observe::{Cancel, Event, Observer};
pub use page_cache::{PageCache, drop_from_page_cache};
pub use plan::{Plan, Request};
pub use sweep::{Sweep, interleave};
pub use verify::{Verification, VerifiedDepth};

use clock::Clock;
use target::Target;

pub use crate::record::Order;
use crate::record::{Header, Run};

/// Runs a plan on a target. [`Sweep`] does this for a model; use it directly to measure something else the same way.
///
/// A cell that fails carries its [`Failure`](crate::record::Failure); the others go on.
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
