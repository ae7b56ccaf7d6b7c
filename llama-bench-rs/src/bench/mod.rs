//! Placeholder module documentation.

mod error;

pub use error::BenchError;
