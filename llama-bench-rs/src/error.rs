//! The crate's one error type; each part has its own, and all of them fit into it.

/// Anything that can go wrong in this crate. Every message names the value and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// llama.cpp refused or failed, or was kept from an abort by a check.
    #[error(transparent)]
    Llama(#[from] crate::llama::LlamaError),
    /// A GGUF file could not be read or written, or a shape is impossible.
    #[error(transparent)]
    Gguf(#[from] crate::gguf::GgufError),
    /// A sweep was asked for that cannot be run.
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    /// A report could not be written or read.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// A baseline could not be saved or loaded.
    #[error(transparent)]
    Baseline(#[from] crate::baseline::BaselineError),
    /// A report does not pass an assertion.
    #[error(transparent)]
    Regression(#[from] crate::testing::RegressionError),
}
