//! Measures llama.cpp in the caller's own process: prompt processing (pp) and token generation (tg)
//! speed at each context depth, as typed values.
#![deny(unsafe_code)]

#[cfg(feature = "measure")]
pub mod baseline;
#[cfg(feature = "measure")]
pub mod bench;
pub mod chat;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
pub mod gguf;
#[cfg(feature = "measure")]
pub mod judge;
pub mod llama;
#[cfg(feature = "measure")]
pub mod record;
#[cfg(feature = "measure")]
pub mod report;
#[cfg(feature = "measure")]
pub mod stats;
#[cfg(feature = "measure")]
pub mod testing;
pub mod units;

pub use error::Error;

/// The result of anything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
