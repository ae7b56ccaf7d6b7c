//! Compares two configurations, or two files of results, and says which is faster, by how much, how surely:
//! `cargo run --release --example compare -- -m model.gguf --a "-fa 0" --b "-fa 1"`.
//!
//! When it measures, both sides are loaded several times, in turn, each time in fresh contexts: where a model and its
//! context lie in memory makes several per cent of the speed on a CPU, and repetitions within one load cannot tell that
//! from a difference between the sides. Within a load every repetition of one side is followed by one of the other.
//! Intervals are between loads; p values are corrected for the number of lines.

#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
mod files;
mod lines;
mod measure;
mod progress;
mod side;
mod write;

use std::process::ExitCode;

use llama_bench_rs::{Error, cli, report::ReportError};

use args::Args;

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const SLOWER: u8 = 3;

fn main() -> ExitCode {
    let args: Args = cli::parse();
    let ran = if args.files.is_empty() { measure::run(&args) } else { files::run(&args) };
    match ran {
        Ok(status) => print::exit_code(if status == SLOWER && args.allow_slower { 0 } else { status }),
        Err(Failed { message, status }) => {
            complain!("compare: {message}");
            ExitCode::from(status)
        }
    }
}

/// A message and the exit status that goes with it.
struct Failed {
    message: String,
    status: u8,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let status = if matches!(error, Error::Bench(_)) { BAD_USAGE } else { SOME_FAILED };
        Self { message: error.to_string(), status }
    }
}

impl From<ReportError> for Failed {
    fn from(error: ReportError) -> Self {
        Self { message: error.to_string(), status: SOME_FAILED }
    }
}

fn bad_usage(message: impl ToString) -> Failed {
    Failed { message: message.to_string(), status: BAD_USAGE }
}
