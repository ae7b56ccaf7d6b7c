//! The result of a sweep: raw samples, and everything needed to judge them.
//!
//! `bench` fills these types and `report` writes them; neither knows the other. Only raw durations are stored: means,
//! intervals and rates are computed from them on each call. [`work`] counts what was computed, without times.
//!
//! ```
//! use llama_bench_rs::record::{Report, tg};
//!
//! fn print(report: &Report) {
//!     for (run, cell) in report.cells().filter(|(_, cell)| cell.test == tg(128).at(4096)) {
//!         println!("{}: {:?}", run.header.model.description, cell.throughput());
//!     }
//! }
//! # print(&Report::default());
//! ```

use std::time::Duration;

use crate::units::Share;

mod ceilings;
mod cell;
mod cell_energy;
mod cell_text;
mod cell_work;
mod conditions;
mod cut_short;
mod difference;
mod disturbance;
mod energy;
mod failure;
#[cfg(test)]
pub(crate) mod fixture;
mod header;
mod light;
mod link;
mod numa;
mod order;
pub(crate) mod parameters;
mod placement;
mod profile;
mod settings;
mod shorthand;
mod sitting;
mod summary;
mod with;
mod words;
#[doc(hidden)]
pub mod work;

#[doc(hidden)]
pub use ceilings::{Ceiling, CeilingKind, Ceilings};
pub use cell::{Cell, Sample, Test, TestKind};
#[doc(hidden)]
pub use cell::{Group, Measured, Outcome, Rewind, Summarised, TestKindError, Warmup};
#[doc(hidden)]
pub use cell_energy::{CellEnergy, EnergyUnknown};
#[doc(hidden)]
pub use cell_work::{CellWork, DeviceWork, Product};
#[doc(hidden)]
pub use conditions::{GpuConditions, merge_conditions};
#[doc(hidden)]
pub use cut_short::CutShort;
#[doc(hidden)]
pub use difference::Difference;
pub(crate) use difference::of_known;
#[doc(hidden)]
pub use disturbance::Disturbance;
#[doc(hidden)]
pub use energy::{Counted, Meter, MeterDomain, Metering};
pub use failure::Failure;
#[doc(hidden)]
pub use failure::FailureKind;
pub use header::Header;
#[doc(hidden)]
pub use header::{
    DeviceInfo, FlashAttnSetting, Host, Load, Method, ModelInfo, Order, Resolved, Timing, WeightSource,
};
#[doc(hidden)]
pub use light::{Binds, Light, LightPart, LightUnknown};
#[doc(hidden)]
pub use link::Link;
#[doc(hidden)]
pub use numa::NumaNode;
#[doc(hidden)]
pub use order::{OrderChoice, OrderReason};
pub use parameters::Config;
#[doc(hidden)]
pub use placement::Placement;
pub(crate) use profile::median;
#[doc(hidden)]
pub use profile::{BlockTime, CopyTime, OperationTime, OperationTimes, Profile};
#[cfg(feature = "pages")]
pub(crate) use settings::device;
pub(crate) use settings::numbered;
#[doc(hidden)]
pub use settings::{Setting, configuration_names, settings};
#[doc(hidden)]
pub use shorthand::pg;
pub use shorthand::{embd, pp, tg};
#[doc(hidden)]
pub use sitting::n_sittings;
pub(crate) use sitting::sittings;
#[doc(hidden)]
pub use work::Work;

#[doc(hidden)]
pub use crate::llama::{BlockKind, Build, DeviceMemory};

/// The version of the record schema; a file of a newer version is refused, an older one is read.
#[doc(hidden)]
pub const SCHEMA_VERSION: u32 = 1;

/// Everything measured in one call: one [`Run`] per configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// One entry per configuration, in the order measured.
    pub runs: Vec<Run>,
}

/// One configuration measured over its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was measured, on what, how.
    pub header: Header,
    /// One entry per test and depth, failed ones included, in the order they were planned.
    pub cells: Vec<Cell>,
    /// Prompt processing speed while the context was filled, chunk by chunk; empty if the method does not keep it.
    pub curve: Vec<CurvePoint>,
}

/// One chunk of the fill, timed on the way to the deepest depth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct CurvePoint {
    /// Tokens in the context before this chunk.
    pub n_depth: u32,
    /// Tokens in this chunk.
    pub n_tokens: u32,
    /// From submission to completion (synchronised).
    pub elapsed: Duration,
    /// Whether it served as a warm-up, or was cut short to see whether prompts were warm: not a sample of any speed.
    pub warmup: bool,
}

impl Run {
    /// Whether any cell has figures. Without any the whole run failed, for example because its model could not be loaded.
    pub fn has_figures(&self) -> bool {
        self.cells.iter().any(|cell| cell.failure().is_none())
    }

    /// The share of the run's time, loading included, that was necessary: loading once, filling once to the deepest depth,
    /// and the timed repetitions. `None` if times are unknown.
    pub fn efficiency(&self) -> Option<Share> {
        let Header { load, timing, .. } = &self.header;
        let mut n_filled = 0;
        let mut once = Duration::ZERO;
        for point in &self.curve {
            // What was filled again does not count.
            if point.n_depth >= n_filled {
                n_filled = point.n_depth + point.n_tokens;
                once += point.elapsed;
            }
        }
        let loading = load.elapsed?;
        let wall = loading + timing.wall?;
        Share::new((loading + once + timing.timed?).as_secs_f64() / wall.as_secs_f64())
    }
}

impl Report {
    /// All cells with the run that each belongs to.
    pub fn cells(&self) -> impl Iterator<Item = (&Run, &Cell)> {
        self.runs.iter().flat_map(|run| run.cells.iter().map(move |cell| (run, cell)))
    }

    /// The first cell of this test at this depth with one sequence, over all runs; [`cell_of`](Self::cell_of) finds those
    /// with several.
    pub fn cell(&self, kind: TestKind, n_depth: u32) -> Option<&Cell> {
        let is_it = |test: Test| (test.kind, test.n_depth, test.n_parallel) == (kind, n_depth, 1);
        self.cells().map(|(_, cell)| cell).find(|cell| is_it(cell.test))
    }

    /// Whether no cell failed, and none lost repetitions because the process that measured it ended.
    pub fn is_complete(&self) -> bool {
        self.cells().all(|(_, cell)| cell.reason().is_none())
    }
}

/// Every test of these runs once, in the order in which it first occurs.
pub(crate) fn tests_of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<Test> {
    let mut tests = Vec::new();
    for cell in runs.into_iter().flat_map(|run| &run.cells) {
        if !tests.contains(&cell.test) {
            tests.push(cell.test);
        }
    }
    tests
}
