#![doc = include_str!("../README.md")]
//!
//! # What to read first
//! | to do this | read |
//! |---|---|
//! | measure, test, compare, chat: ten tasks in a few lines each | [`cookbook`] |
//! | keep a model's speed in your own tests | [`testing`]: the first hour, every message, how many runs |
//! | measure one model | [`Sweep`]; many configurations: [`bench::Campaign`] |
//! | survive what ends the process: a failed assertion, the kernel, a lost device | [`isolate`] |
//! | know what many users at once would experience | [`serve`] |
//! | use the figures | [`Report`], [`Cell`], and [`stats`] for what they are |
//! | understand a verdict | [`judge`] |
//! | write files, tables and pages | [`report`] |
//! | take llama-bench's flags in your program | [`cli`] |
//! | load a model, generate, embed | [`llama`]; whole conversations: [`chat`] |
//! | read GGUF files, or make synthetic models | [`gguf`] |
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `measure` | yes | everything but the wrapper: sweeps, records, verdicts, text formats, tests |
//! | `nvml` | yes | clocks, temperature and power of NVIDIA's GPUs beside each cell |
//! | `pages` | no | reports as web pages and pictures: [`report::html`], [`report::svg`] |
//! | `cli` | no | llama-bench's flags for a program's own command line: [`cli`] |
//! | `sqlite` | no | [`report::read_file`] also reads databases |
//! | `openmp`, `native` | yes | how llama.cpp is built for the CPU |
//! | `cuda`, `vulkan`, `metal`, `hip` | no | GPUs |
//! | `rpc` | no | devices of other machines, and serving this one's |
//! | `dynamic-backends` | no | backends are loaded at run time |
//!
//! The wrapper alone: `default-features = false, features = ["own", "openmp", "native"]`. A guard in tests needs `measure`.
//!
//! # What is stable
//! What this documentation shows. Other public items serve the programs of this project's repository, and may change in
//! any release.
#![deny(unsafe_code)]

#[cfg(feature = "measure")]
pub mod bench;
pub mod chat;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "measure")]
pub mod cookbook;
mod error;
pub mod gguf;
#[cfg(feature = "measure")]
pub mod isolate;
#[cfg(feature = "measure")]
pub mod judge;
pub mod llama;
#[cfg(feature = "measure")]
pub mod record;
#[cfg(feature = "measure")]
pub mod report;
#[cfg(feature = "measure")]
pub mod serve;
#[cfg(feature = "measure")]
pub mod stats;
#[cfg(feature = "measure")]
pub mod testing;
#[doc(hidden)]
pub mod units;

pub use error::Error;
#[cfg(feature = "measure")]
#[doc(hidden)] // its place before it was judge's
#[doc(hidden)]
pub use judge::baseline;
pub use llama::Model;

#[cfg(feature = "measure")]
pub use {
    bench::Sweep,
    judge::{Tolerance, baseline::Baselines},
    record::{Cell, Report, embd, pp, tg},
};

pub use units::{Share, TokensPerSecond};

/// The result of anything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
