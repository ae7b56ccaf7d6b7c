//! Measures llama.cpp in the caller's own process: prompt processing (pp) and token generation (tg)
//! speed at each context depth, as typed values.
#![deny(unsafe_code)]

pub mod bench;
pub mod chat;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
pub mod gguf;
pub mod judge;
pub mod llama;
pub mod record;
pub mod report;
pub mod stats;
pub mod testing;
pub mod units;

pub use error::Error;
#[doc(hidden)] // its place before it was judge's
pub use judge::baseline;

/// The result of anything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
