//! Checks in one process that rewinding gives the figures of llama-bench's own procedure, and what each costs:
//! `cargo run --release --example method_check -- -m model.gguf -p 512 -n 32 -d 0,4096`.
//!
//! Both methods measure the whole sweep in turn, round after round; a cell's figure in a round is the mean of its
//! repetitions. Exit status: 0 they agree, 1 a cell differs by more than the tolerance or failed, 2 bad usage.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use llama_bench_rs::{
    Error,
    bench::{Sweep, range},
    gguf::{Shape, Synthetic},
    llama::{Backend, ContextParams, FlashAttn, LlamaError, LoadMode, Model, ModelParams},
    record::{Cell, Method, Test, TestKind},
    stats::{Comparison, Design, Samples, Threshold},
    units::{Share, TokensPerSecond},
};

/// Checks that rewinding gives the figures of llama-bench's own procedure.
#[derive(Debug, Parser)]
struct Args {
    /// Model file (GGUF); without it a tiny synthetic one
    #[arg(short, long)]
    model: Option<PathBuf>,
    /// Prompt length in tokens
    #[arg(short = 'p', long, default_value_t = 128)]
    n_prompt: u32,
    /// Generation length in tokens
    #[arg(short = 'n', long, default_value_t = 16)]
    n_gen: u32,
    /// Depths: lists and ranges, such as 0-2048+512
    #[arg(short = 'd', long, default_value = "0,512,1024", value_parser = depths)]
    n_depth: Depths,
    /// Repetitions per cell and round
    #[arg(short = 'r', long, default_value_t = 3)]
    n_reps: u32,
    /// Rounds: each method measures everything once per round
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Most that a cell may differ, in percent
    #[arg(long, default_value_t = 2.0)]
    tolerance: f64,
    /// Physical batch size in tokens
    #[arg(long, default_value_t = 512)]
    ubatch: u32,
    /// Flash attention: on, off, auto (or 1, 0, -1)
    #[arg(long, default_value = "auto", allow_hyphen_values = true)]
    flash_attn: FlashAttn,
    /// Copy the weights into memory in place of mapping the file
    #[arg(long)]
    no_mmap: bool,
}

#[derive(Clone, Debug)]
struct Depths(Vec<u32>);

fn depths(list: &str) -> Result<Depths, range::RangeError> {
    range::parse(list).map(Depths)
}

const METHODS: [Method; 2] = [Method::FreshContext, Method::Rewind];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(agree) => print::exit_code(if agree { 0 } else { 1 }),
        Err(error @ (Error::Bench(_) | Error::Llama(LlamaError::Parameter { .. }))) => {
            complain!("method_check: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            complain!("method_check: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a method gave: the mean time of each cell in each round, the steady step, and the wall time of each round.
#[derive(Default)]
struct Found {
    means: Vec<(Test, Vec<Duration>)>,
    steady: Vec<(Test, Vec<Duration>)>,
    walls: Vec<Duration>,
    failures: Vec<String>,
}

fn run(args: &Args) -> Result<bool, Error> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => Synthetic::new(Shape::preset("tiny-gpt-oss")?).cached()?,
    };
    let backend = Backend::init()?;
    let load_mode = if args.no_mmap { LoadMode::None } else { LoadMode::Auto };
    let model = Model::load(&backend, &path, &ModelParams::default().load_mode(load_mode))?;
    let mut found = [Found::default(), Found::default()];
    for round in 0..args.rounds {
        // Each method is as often the first one as the second.
        let turn = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in turn {
            complain!("round {} of {}: {:?}", round + 1, args.rounds, METHODS[which]);
            measure(args, &model, METHODS[which], &mut found[which])?;
        }
    }
    Ok(print(args, &found))
}

fn measure(args: &Args, model: &Model, method: Method, found: &mut Found) -> Result<(), Error> {
    let context = ContextParams::default().n_ubatch(args.ubatch).flash_attn(args.flash_attn);
    let start = Instant::now();
    let report = Sweep::new(model)
        .context(context)
        .depths(args.n_depth.0.iter().copied())
        .prompt(args.n_prompt)
        .generate(args.n_gen)
        .repetitions(args.n_reps)
        .method(method)
        .run()?;
    found.walls.push(start.elapsed());
    for (_, cell) in report.cells() {
        match cell.time_summary() {
            Some(times) => push(&mut found.means, cell, times.mean),
            None => found.failures.extend(cell.failure().map(|f| format!("{}: {}", cell.test, f.message))),
        }
        if let Some(steady) = cell.step_summary().and_then(|steps| steps.steady) {
            push(&mut found.steady, cell, steady);
        }
    }
    Ok(())
}

fn push(all: &mut Vec<(Test, Vec<Duration>)>, cell: &Cell, time: Duration) {
    match all.iter_mut().find(|(test, _)| *test == cell.test) {
        Some((_, times)) => times.push(time),
        None => all.push((cell.test, vec![time])),
    }
}

/// Prints both side by side; whether they agree.
fn print(args: &Args, [fresh, rewind]: &[Found; 2]) -> bool {
    let mut agree = true;
    say!("| test | fresh context t/s | rewind t/s | ratio (95 % interval) |");
    say!("| --- | ---: | ---: | ---: |");
    for ((test, before), (_, after)) in fresh.means.iter().zip(&rewind.means) {
        agree &= row(args, &test.to_string(), u64::from(test.kind.n_tokens()), before, after);
    }
    for ((test, before), (_, after)) in fresh.steady.iter().zip(&rewind.steady) {
        if matches!(test.kind, TestKind::Tg(_)) {
            agree &= row(args, &format!("{test}, steady step"), 1, before, after);
        }
    }
    let total = |found: &Found| found.walls.iter().sum::<Duration>().as_secs_f64() / f64::from(args.rounds);
    let (slow, fast) = (total(fresh), total(rewind));
    say!("\ntime per round: {slow:.2} s fresh context, {fast:.2} s rewind ({:.2} of it)", fast / slow);
    for failure in fresh.failures.iter().chain(&rewind.failures) {
        say!("failed: {failure}");
        agree = false;
    }
    say!("{}", if agree { "the methods agree" } else { "the methods do not agree" });
    agree
}

fn row(args: &Args, name: &str, n_tokens: u64, before: &[Duration], after: &[Duration]) -> bool {
    let rate = |times: &[Duration]| {
        let rates = times.iter().filter_map(|&time| TokensPerSecond::from_elapsed(n_tokens, time));
        Samples::new(rates).map(|rates| rates.summary())
    };
    let show = |times: &[Duration]| match rate(times) {
        Some(rate) => match rate.ci95 {
            Some(interval) => format!("{:.2} ± {:.2}", rate.mean.get(), interval.half_width().get()),
            None => format!("{:.2}", rate.mean.get()),
        },
        None => "no time passed".into(),
    };
    let noise = Share::new(args.tolerance / 100.0).unwrap_or_default();
    let threshold = Threshold { noise, ..Threshold::default() };
    let samples = Samples::new(before.iter().copied()).zip(Samples::new(after.iter().copied()));
    let comparison = samples
        .and_then(|(before, after)| Comparison::of_times(&before, &after, Design::Paired, threshold).ok());
    let (ratio, agrees) = match comparison {
        Some(c) => {
            let (speedup, lower, upper) = (c.speedup.get(), c.lower.get(), c.upper.get());
            // Within the tolerance, or too noisy to say otherwise.
            let within = (speedup - 1.0).abs() <= noise.get() || (lower <= 1.0 && upper >= 1.0);
            (format!("{speedup:.4} ({lower:.4} to {upper:.4})"), within)
        }
        None => ("one round tells no interval".into(), true),
    };
    say!("| {name} | {} | {} | {ratio} |", show(before), show(after));
    agrees
}
