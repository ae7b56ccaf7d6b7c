//! Compares two configurations, or two files of results, and says which is faster, by how much, with what certainty:
//! `cargo run --release --example compare -- -m model.gguf --a "-fa 0" --b "-fa 1"`.
//!
//! When it measures, both sides are loaded several times, in turn, each time in fresh contexts: where a model and its
//! context lie in memory changes the speed on a CPU by several per cent, and repetitions within one load cannot separate that
//! from a difference between the sides. Within a load every repetition of one side is followed by one of the other.
//! Intervals are between loads; p values are corrected for the number of lines.

#[path = "../support/failed.rs"]
mod failed;
#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
mod deaths;
mod files;
#[path = "../support/form.rs"]
mod form;
mod light;
mod lines;
mod measure;
mod progress;
mod serving;
#[path = "../support/serving.rs"]
mod serving_files;
mod side;
#[path = "../support/signals.rs"]
mod signals;
mod table;
mod write;

use std::process::ExitCode;

use llama_bench_rs::{cli, isolate};

use args::Args;
use failed::{BAD_USAGE, Failed, SOME_FAILED, bad_usage};

const SLOWER: u8 = 3;

fn main() -> ExitCode {
    isolate::child();
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
