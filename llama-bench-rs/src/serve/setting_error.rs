use std::{io, path::PathBuf};

use crate::units::text::cited;

/// Why a distribution of lengths or times was refused.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// The text is not a distribution.
    #[error("{} is not a valid {what}: write {examples}", cited(text))]
    Syntax {
        /// The text.
        text: String,
        /// What it would have been.
        what: &'static str,
        /// How it is written.
        examples: &'static str,
    },
    /// A value is out of range.
    #[error("{value} is not a valid {what}: give {least} to {most}")]
    OutOfRange {
        /// The value.
        value: String,
        /// What it would have been.
        what: &'static str,
        /// The least valid value.
        least: String,
        /// The largest valid value.
        most: String,
    },
    /// The most of a uniform distribution is under its least.
    #[error("uniform:{least}:{most}: the most is under the least: write uniform:{most}:{least}")]
    Reversed {
        /// The least.
        least: String,
        /// The most.
        most: String,
    },
    /// The most of a lognormal distribution is under its median.
    #[error(
        "lognormal with the median {median} and at most {most}: half of the values would be {most}; give a most over \
         {median}"
    )]
    UnderMedian {
        /// The median.
        median: String,
        /// The most.
        most: String,
    },
    /// The spread of a lognormal distribution is not a number, or far too wide.
    #[error("{sigma} is not a valid sigma of a lognormal distribution: give 0 to {most}")]
    Sigma {
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// The widest that is accepted.
        most: f64,
    },
    /// A list or a file has no values.
    #[error(
        "{} holds no {what}: write one value after another",
        file.as_ref().map_or("the list".into(), |file| file.display().to_string())
    )]
    NoValues {
        /// The file; `None` for a list on its own.
        file: Option<PathBuf>,
        /// What it would have held.
        what: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is too large to be a list of values.
    #[error("{} is larger than {n_mib} MiB: give a list of fewer values", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size, in MiB.
        n_mib: u64,
    },
    /// A word in a file is not a value.
    #[error("{}, line {line}: {} is not a {what}: write one value after another", path.display(), cited(word))]
    FileValue {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The word.
        word: String,
        /// What it would have been.
        what: &'static str,
    },
}

crate::error::debug_like_display!(DistributionError);

/// Why a server cannot be driven with these settings.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// There are no slots.
    #[error("a server with 0 slots serves nobody: give n_parallel at least 1")]
    NoSlots,
    /// There are more slots than any context has sequences.
    #[error("{n_parallel} slots are more than any context has sequences: give n_parallel at most {most}")]
    TooManySlots {
        /// Slots asked for.
        n_parallel: u32,
        /// The most that are accepted.
        most: u32,
    },
    /// The slots cannot all generate in one step.
    #[error(
        "a step of {n_batch} tokens does not hold one of each of {n_parallel} slots: raise n_batch to at least \
         {n_parallel}, or have fewer slots"
    )]
    SmallBatch {
        /// Most tokens of a step.
        n_batch: u32,
        /// Slots.
        n_parallel: u32,
    },
    /// No prompt would ever be read.
    #[error("with chunks of 0 prompt tokens no prompt is ever read: give at least 1, or no limit")]
    EmptyChunk,
    /// Nobody asks.
    #[error("0 users ask for nothing: give at least 1")]
    NoUsers,
    /// The rate of arrivals is not a positive number.
    #[error("{rate} requests/s is not a valid rate: give a number over 0, such as 0.5")]
    Rate {
        /// Requests per second.
        rate: f64,
    },
    /// The workload has no requests.
    #[error("0 requests give no figure: ask for at least 1")]
    NoRequests,
    /// The workload has more requests than a repetition holds.
    #[error(
        "{n_requests} requests are more than a repetition holds: ask for at most {most}, and for more repetitions"
    )]
    TooManyRequests {
        /// Requests asked for.
        n_requests: u32,
        /// The most that are accepted.
        most: u32,
    },
    /// The vocabulary has no tokens.
    #[error("a vocabulary of 0 tokens has none to send: load a model with a vocabulary")]
    NoVocabulary,
    /// A request goes past the last position of a context.
    #[error(
        "request {id} has {n_prompt} prompt tokens and generates {n_gen}, past the last position that llama.cpp can \
         count ({max}): shorten the prefix, the prompts or the generations"
    )]
    TooLong {
        /// The request.
        id: u32,
        /// Tokens of its prompt.
        n_prompt: u64,
        /// Tokens that it asks for.
        n_gen: u32,
        /// Largest number of positions.
        max: u32,
    },
    /// A distribution cannot be drawn from.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
}

crate::error::debug_like_display!(SettingError);
