//! Compares two configurations and says which is faster, by how much, how surely:
//! `cargo run --release --example compare -- -m model.gguf --a flash_attn=off --b flash_attn=on`.
//!
//! Both sides are loaded several times, in turn, each time in fresh contexts: where a model and its context lie in memory
//! makes several per cent of the speed on a CPU, and repetitions within one load cannot tell that from a difference
//! between the sides. Within a load every repetition of one side is followed by one of the other. Intervals are between
//! loads; p values are corrected for the number of cells. Exit status: 0 measured, 1 a cell failed, 2 bad usage, 3 with
//! --fail-if-slower: B is slower.

#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod side;
mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use llama_bench_rs::{
    Error,
    bench::{Loads, range},
    llama::Backend,
    units::Share,
};

use side::{Side, n_bytes};

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const SLOWER: u8 = 3;

/// Compares two configurations, each loaded several times, in turn.
#[derive(Debug, Parser)]
struct Args {
    /// Model of both sides, unless a side names its own; without any, a tiny synthetic one
    #[arg(short, long)]
    model: Option<PathBuf>,
    /// One side: settings NAME=VALUE separated by commas (flash_attn, n_batch, n_ubatch, type_k, type_v, n_threads,
    /// n_gpu_layers, load_mode, model, shape; slowed=10 makes it 10 % slower on purpose, to check the comparison itself)
    #[arg(long, default_value = "")]
    a: Side,
    /// The other side
    #[arg(long)]
    b: Side,
    /// Prompt length in tokens; 0 for none
    #[arg(short = 'p', long, default_value_t = 128)]
    n_prompt: u32,
    /// Generation length in tokens; 0 for none
    #[arg(short = 'n', long, default_value_t = 16)]
    n_gen: u32,
    /// Depths: lists and ranges, such as 0-2048+512
    #[arg(short = 'd', long, default_value = "0,512", value_parser = depths)]
    n_depth: Depths,
    /// Loads of each side [default: 10 up to 2 GiB of models, 6 up to 16 GiB, 4 beyond]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    loads: Option<u32>,
    /// Repetitions per cell, side and load
    #[arg(short = 'r', long, default_value_t = 3)]
    n_reps: u32,
    /// A difference up to this many percent is noise, however surely it was measured
    #[arg(long, value_name = "PERCENT", default_value = "1", allow_negative_numbers = true, value_parser = percent)]
    noise: Share,
    /// Exit status 3 if B is slower in any cell
    #[arg(long)]
    fail_if_slower: bool,
    /// Print what would be loaded and run and what one load cannot tell, and stop
    #[arg(long)]
    plan: bool,
}

#[derive(Clone, Debug)]
struct Depths(Vec<u32>);

fn depths(list: &str) -> Result<Depths, range::RangeError> {
    range::parse(list).map(Depths)
}

fn percent(text: &str) -> Result<Share, String> {
    let percent = text.trim_end_matches('%').trim().parse::<f64>().ok();
    percent
        .filter(|percent| *percent >= 0.0)
        .and_then(|percent| Share::new(percent / 100.0))
        .ok_or_else(|| format!("{text:?} is not a percentage: write a number, 0 or more"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(status) => print::exit_code(status),
        Err(error) => {
            complain!("compare: {error}");
            ExitCode::from(if matches!(error, Error::Bench(_)) { BAD_USAGE } else { SOME_FAILED })
        }
    }
}

fn run(args: &Args) -> Result<u8, Error> {
    let _backend = Backend::init()?;
    let paths = [args.a.path(args)?, args.b.path(args)?];
    let n_loads = args.loads.unwrap_or_else(|| default_loads(n_bytes(&paths)));
    say!("A: {}\nB: {}\n", args.a.name(), args.b.name());
    if args.plan {
        return plan(args, &paths, n_loads).map(|()| 0);
    }
    let mut tell = |load| complain!("compare: load {} of {n_loads}", load + 1);
    let measured = Loads::new(n_loads)
        .side(&paths[0], &args.a.model_params, |sweep| args.a.ask(args, sweep))
        .side(&paths[1], &args.b.model_params, |sweep| args.b.ask(args, sweep))
        .observer(&mut tell)
        .run()?;
    let is_slower = table::print(args, &measured);
    let is_complete = measured.sides.iter().all(|side| side.is_complete());
    Ok(match (is_complete, args.fail_if_slower && is_slower) {
        (_, true) => SLOWER,
        (true, false) => 0,
        (false, false) => SOME_FAILED,
    })
}

/// Many where a load is cheap. With fewer than four, Student's t leaves only large differences.
fn default_loads(n_bytes: u64) -> u32 {
    const GIB: u64 = 1 << 30;
    match n_bytes {
        0..=0x8000_0000 => 10,
        n if n <= 16 * GIB => 6,
        _ => 4,
    }
}

fn plan(args: &Args, paths: &[PathBuf; 2], n_loads: u32) -> Result<(), Error> {
    let plans = [&args.a, &args.b].map(|side| side.plan(args));
    let [a, b] = plans;
    let plans = [a?, b?];
    let bytes = n_bytes(paths);
    let count = |n: u64| n.saturating_mul(u64::from(n_loads));
    let sum = |of: &dyn Fn(&llama_bench_rs::bench::Plan) -> u64| plans.iter().map(of).sum::<u64>();
    say!("loads of each side: {n_loads}, in memory at once: both sides");
    say!("bytes to load: {} each time, {} in all", mib(bytes), mib(count(bytes)));
    say!("tokens to fill: {}", count(sum(&|plan| plan.n_fill_tokens())));
    say!("tokens to time: {}", count(sum(&|plan| plan.n_timed_tokens())));
    say!(
        "\nOne load cannot tell the sides from where they happen to lie in memory, which changes from load to load and \
         makes up to 9 % of the speed on a CPU. --loads 1 shows the change without a verdict; with 2 or 3 loads only \
         large differences have one. Mapped files of two sides that differ are read from disk again for each load."
    );
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_are_loaded_more_often() {
        assert_eq!([0, 250 << 20, 5 << 30, 60 << 30].map(default_loads), [10, 10, 6, 4]);
    }

    #[test]
    fn a_side_that_is_slowed_says_by_how_many_percent() {
        let side: Side = "n_threads=1,slowed=10".parse().unwrap();
        assert_eq!(side.slowed, Share::new(0.1));
        for bad in ["slowed=-1", "slowed=nan", "slowed=much"] {
            let refused = bad.parse::<Side>().unwrap_err();
            assert!(refused.contains("is not a percentage"), "{refused}");
        }
    }
}
