//! Why nothing can be measured in processes of their own.

/// Measuring in processes of their own is not possible. What a single process fails at is in its cells.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// A child would run the whole program again.
    #[error(
        "configurations cannot be measured in processes of their own: this program would start itself again from the \
         beginning; call llama_bench_rs::isolate::child() first in main"
    )]
    NotCalled,
    /// The work cannot be written for another process.
    #[error("the work of a process of its own cannot be written: {why}; measure without isolation")]
    Work {
        /// What is wrong with it.
        why: String,
    },
    /// The child found that the request cannot be run.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
        /// Whether something was asked for wrongly.
        is_usage: bool,
    },
}

crate::error::debug_like_display!(IsolateError);
