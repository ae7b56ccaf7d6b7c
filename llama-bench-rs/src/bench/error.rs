use crate::record::{Difference, Failure};

/// Why a sweep cannot begin.
///
/// A failure of a single cell is not an error: it becomes a [`Failure`](crate::record::Failure) in its cell.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// No length was given, of a prompt, a generation or a text to embed.
    #[error("nothing to measure: give a prompt length, a generation length, a length to embed or a pg pair")]
    NoTests,
    /// No depth was given.
    #[error("no depth to measure at: give at least one, 0 for an empty context")]
    NoDepths,
    /// A length of zero tokens was given.
    #[error("{what} of 0 tokens cannot be timed: give at least 1, or leave it out")]
    ZeroLength {
        /// Which length.
        what: &'static str,
    },
    /// No number of sequences was given.
    #[error("no number of sequences to measure with: give at least one, 1 for one at a time")]
    NoSequences,
    /// A context cannot hold as many sequences.
    #[error("{n} is not a valid number of sequences: give 1 to {max}")]
    Sequences {
        /// Number asked for.
        n: u32,
        /// Most sequences of a context.
        max: u32,
    },
    /// A step of so many sequences does not fit into a batch.
    #[error(
        "{n} sequences take a token each in one decode and n_batch is {n_batch}: raise -b (n_batch) to {n} or more, or \
         ask for {n_batch} sequences or fewer"
    )]
    MoreSequencesThanBatch {
        /// Sequences asked for.
        n: u32,
        /// Most tokens in one decode.
        n_batch: u32,
    },
    /// No repetitions were asked for.
    #[error("0 repetitions give no figure: ask for at least 1")]
    NoRepetitions,
    /// No run was asked for.
    #[error("0 runs give no figure: ask for at least 1")]
    NoRuns,
    /// A campaign has no model.
    #[error("no model to measure: name at least one")]
    NoModel,
    /// The report to resume has more runs of a configuration than are asked for.
    #[error(
        "the earlier report holds more than {n_runs} {} of {}: ask for as many, or measure into another file",
        if *n_runs == 1 { "run" } else { "runs" },
        if name.is_empty() { "the configuration" } else { name }
    )]
    MoreRuns {
        /// The configuration.
        name: String,
        /// Runs that are asked for.
        n_runs: u32,
    },
    /// A depth plus a length exceeds what a position can hold.
    #[error(
        "depth {n_depth} and {n_tokens} tokens go past the last position that llama.cpp can count ({max}): lower the \
         depth or shorten the tests"
    )]
    TooDeep {
        /// Depth asked for, in tokens.
        n_depth: u32,
        /// Tokens on top of it.
        n_tokens: u32,
        /// Largest number of positions.
        max: u32,
    },
    /// The run to resume is of something else.
    #[error(
        "the earlier run is of another configuration and cannot be resumed: {}; measure into another file",
        differences.iter().map(|one| one.in_flags()).collect::<Vec<_>>().join(", ")
    )]
    OtherRun {
        /// What differs, the present value first.
        differences: Vec<Difference>,
    },
    /// A context could not be verified.
    #[error("cannot verify ({}): {}", .0.kind, .0.message)]
    Verify(Failure),
    /// llama.cpp cannot be used at all.
    #[error(transparent)]
    Llama(#[from] crate::llama::LlamaError),
    /// A range list could not be understood.
    #[error(transparent)]
    Range(#[from] super::range::RangeError),
}

crate::error::debug_like_display!(BenchError);
