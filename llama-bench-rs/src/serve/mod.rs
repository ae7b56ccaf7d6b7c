//! What users of a server experience: requests of many users at once, served by one context with continuous batching.
//!
//! A [`Scheduler`] decides which tokens each decode submits. It is pure data: it reads no clock and knows no model.
//! `drive` connects it with a [`Server`], which decodes, and a [`Clock`](crate::bench::clock::Clock), and returns a
//! [`Repetition`] with every request's times.
//!
//! | part | what it says |
//! |---|---|
//! | [`Policy`] | how requests share the steps of the server |
//! | [`Workload`] | the requests: lengths of prompts and generations ([`Distribution`]), a shared prefix, how many, the seed |
//! | [`Arrivals`] | when they come: users who think and ask again, or a rate |
//! | [`Repetition`] | what each request and each step took |
//! | [`Serve`] | all of it with a model, under several loads: makes a [`ServeReport`] |
//! | [`Slo`] | the service level that requests should keep; [`Search`] finds the largest load that does |
//! | [`compare`] | two configurations under the same loads |

mod apart;
mod arrivals;
mod compare;
mod distribution;
mod distribution_text;
mod drive;
mod error;
mod files;
#[cfg(feature = "pages")]
#[doc(hidden)]
pub mod html;
mod journal;
mod llama_server;
mod markdown;
mod nanoseconds;
mod not_loaded;
mod policy;
mod record;
mod report;
mod rows;
mod said;
mod scheduler;
mod serve_builder;
mod serve_event;
mod serve_run;
mod server;
mod setting_error;
mod slo;
mod slo_search;
mod slots;
mod stats;
mod stats_figure;
#[cfg(feature = "pages")]
#[doc(hidden)]
pub mod svg;
#[doc(hidden)]
pub mod terminal;
mod words;
mod workload;

#[cfg(test)]
mod arrivals_tests;
#[cfg(test)]
mod drive_tests;
#[cfg(test)]
mod fairness_tests;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod files_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod report_fixture;
#[cfg(test)]
mod scheduler_tests;
#[cfg(test)]
mod text_tests;
#[cfg(test)]
mod workload_tests;

#[doc(hidden)]
pub use apart::ServeApart;
pub(crate) use apart::{ServeLine, ServeOrder};
pub use arrivals::Arrivals;
pub use compare::compare;
#[doc(hidden)]
pub use compare::{LoadComparison, Metric, MetricComparison, ServeComparison, compare_reports};
#[doc(hidden)]
pub use distribution::{Amount, Distribution, Lengths, List, Times};
#[doc(hidden)]
pub use drive::drive;
pub use error::ServeError;
pub use files::read_file;
#[doc(hidden)]
pub use files::{is_serving, is_serving_bytes, read_bytes, read_str, to_json, write_jsonl};
#[doc(hidden)]
pub use journal::{ServeJournal, ServeLines};
#[doc(hidden)]
pub use llama_server::LlamaServer;
#[doc(hidden)]
pub use markdown::to_markdown;
pub use policy::{Policy, Prompts};
#[doc(hidden)]
pub use record::{Repetition, RequestRecord, StepRecord};
#[doc(hidden)]
pub use report::{LoadRecord, ServeSettings, ServedRepetition};
pub use report::{ServeReport, ServeRun};
#[doc(hidden)]
pub use rows::to_csv;
#[doc(hidden)]
pub use said::explain;
#[doc(hidden)]
pub use scheduler::{Action, Progress, Scheduler};
#[doc(hidden)]
pub use serve_builder::LoadPreview;
pub use serve_builder::{Serve, interleave};
#[doc(hidden)]
pub use serve_event::{ServeEvent, ServeObserver, ServeTurn};
#[doc(hidden)]
pub use server::{Row, Server};
#[doc(hidden)]
pub use setting_error::{DistributionError, SettingError};
pub use slo::Slo;
#[doc(hidden)]
pub use slo::SloError;
pub use slo_search::Search;
#[doc(hidden)]
pub use slo_search::{Capacity, Ended, Try, TryVerdict};
pub use stats::LoadFigures;
#[doc(hidden)]
pub use stats::{Goodput, LatencyPercentiles};
#[doc(hidden)]
pub use stats_figure::{Figure, FigureOf};
pub use workload::Workload;
#[doc(hidden)]
pub use workload::{Request, Vocabulary};

/// Replaces a file as a whole through a temporary one beside it: it is never seen half written.
///
/// # Errors
/// The file cannot be written; it is then as it was.
#[doc(hidden)]
pub fn replace_file(path: &std::path::Path, text: &[u8]) -> std::io::Result<()> {
    crate::report::replace_file(path, text, true).map(drop)
}
