use super::{SettingError, SloError};
use crate::{bench::BenchError, record::Difference};

/// Why serving cannot begin, or two runs cannot be compared.
///
/// A load that fails is not an error: it carries its [`Failure`](crate::record::Failure).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No load was given.
    #[error("nothing to serve: give at least one number of users or one rate of arrivals")]
    NoLoads,
    /// No repetitions were asked for.
    #[error("0 repetitions give no figure: ask for at least 1")]
    NoRepetitions,
    /// A parameter that cannot be used.
    #[error("{name} {value}: {remedy}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: String,
    },
    /// A search needs a level to search for.
    #[error("a search for the largest load needs a service level: give one, such as ttft=2s,itl=100ms")]
    NoSlo,
    /// The service level could not be understood.
    #[error(transparent)]
    Slo(#[from] SloError),
    /// The run to resume is of something else.
    #[error(
        "the earlier run is of another configuration and cannot be resumed: {}; serve into another file",
        differences.iter().map(|one| one.in_flags()).collect::<Vec<_>>().join(", ")
    )]
    OtherRun {
        /// What differs, the present value first.
        differences: Vec<Difference>,
    },
    /// The runs did not serve the same requests.
    #[error(
        "the runs did not serve the same requests: {what} differs; use the same workload, loads and seed"
    )]
    OtherWork {
        /// What differs.
        what: &'static str,
    },
    /// Both sides of a comparison need the same loads.
    #[error("no load was served on both sides: serve the same numbers of users or rates")]
    NothingInCommon,
    /// The parameters of the context or the machine cannot be used.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// llama.cpp cannot be used at all.
    #[error(transparent)]
    Llama(#[from] crate::llama::LlamaError),
    /// The policy, the requests or a load cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

crate::error::debug_like_display!(ServeError);
