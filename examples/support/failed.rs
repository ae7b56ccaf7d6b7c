//! A failure of a program, with its exit status.

use llama_bench_rs::{Error, isolate::IsolateError, report::ReportError};

pub const SOME_FAILED: u8 = 1;
pub const BAD_USAGE: u8 = 2;

/// A message and the exit status that goes with it.
pub struct Failed {
    pub message: String,
    pub status: u8,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // What cannot be measured, or is of another configuration, is bad usage.
        let is_usage = match &error {
            Error::Isolate(IsolateError::Refused { is_usage, .. }) => *is_usage,
            error => matches!(error, Error::Bench(_)),
        };
        let status = if is_usage { BAD_USAGE } else { SOME_FAILED };
        Self { message: error.to_string(), status }
    }
}

impl From<ReportError> for Failed {
    fn from(error: ReportError) -> Self {
        Self { message: error.to_string(), status: SOME_FAILED }
    }
}

pub fn bad_usage(message: impl ToString) -> Failed {
    Failed { message: message.to_string(), status: BAD_USAGE }
}
