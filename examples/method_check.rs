//! Checks in one process that rewinding gives the figures of llama-bench's own procedure, and what each costs:
//! `cargo run --release --example method_check -- -m model.gguf -p 512 -n 32 -d 0,4096`.
//!
//! Both methods measure the whole sweep in turn, round after round; a cell's figure in a round is the mean of its
//! repetitions. Exit status: 0 they agree or it is too noisy to tell, 1 a cell differs by more than the tolerance or
//! failed, 2 bad usage.

#[macro_use]
#[path = "support/print.rs"]
mod print;
#[path = "support/agreement.rs"]
mod agreement;
#[path = "support/signals.rs"]
mod signals;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agreement::{Agreement, show};
use clap::Parser;
use llama_bench_rs::{
    Error,
    bench::Sweep,
    cli::{self, ContextArgs, DefaultTests, ModelArgs, TestArgs, at_least_one},
    llama::{Backend, LlamaError},
    record::{Cell, Failure, Method, Test, TestKind},
    stats::{Design, Ratio, Samples},
    units::{Share, TokensPerSecond},
};
use signals::Interrupt;

/// Checks that rewinding gives the figures of llama-bench's own procedure. By default: prompts of 128 and generations of 16
/// tokens at depths 0, 512 and 1024.
///
/// Both methods measure the whole sweep in turn, round after round. Without a model the synthetic tiny-gpt-oss is
/// measured. Every flag has one value, but for -p, -n, -pg and -d.
///
/// The methods agree in a cell if the whole 95 % interval of the ratio of their speeds lies within the tolerance.
///
/// Ctrl-C ends the measuring early: the rounds that are complete are compared.
///
/// Exit status: 0 they agree or it is too noisy to tell, 1 a cell differs by more than the tolerance or failed, 2 bad
/// usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "method_check", disable_version_flag = true)]
struct Args {
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    context: ContextArgs,
    /// Repetitions per cell and round
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "3", value_parser = at_least_one, help_heading = "Statistics")]
    n_reps: u32,
    /// Rounds: each measures everything by each method
    #[arg(long, value_name = "N", default_value = "5", value_parser = at_least_one, help_heading = "Statistics")]
    rounds: u32,
    /// Most that a cell may differ, in percent
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = cli::percent, help_heading = "Statistics")]
    tolerance: Share,
}

const TESTS: DefaultTests<'_> = DefaultTests { n_prompt: 128, n_gen: 16, depths: &[0, 512, 1024] };

const METHODS: [Method; 2] = [Method::FreshContext, Method::Rewind];

fn main() -> ExitCode {
    match run(&cli::parse()) {
        Ok(status) => print::exit_code(status),
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
#[derive(Clone, Default)]
struct Found {
    means: Vec<(Test, Vec<Duration>)>,
    steady: Vec<(Test, Vec<Duration>)>,
    walls: Vec<Duration>,
    failures: Vec<String>,
}

/// The exit status.
fn run(args: &Args) -> Result<u8, Error> {
    let backend = Backend::init()?;
    // Everything that can be wrong with the request is found before anything is loaded.
    let (params, context) = (args.model.one(&backend)?, args.context.one()?);
    let failure = Failure { kind: "model_load".into(), message: "not loaded yet".into() };
    args.tests.ask(Sweep::not_loaded("", &params, failure), TESTS).plan()?;
    let sources = args.model.sources("tiny-gpt-oss")?;
    let [source] = &sources[..] else {
        return Err(LlamaError::Parameter {
            name: "-m, --shape and --like",
            value: format!("{} models", sources.len()),
            remedy: "name one".into(),
        }
        .into());
    };
    let interrupt = Interrupt::watch().map_err(|error| LlamaError::Unsupported {
        what: "watching for Ctrl-C".into(),
        why: error.to_string(),
    })?;
    let model = source.load(&params)?;
    let mut found = [Found::default(), Found::default()];
    for round in 0..args.rounds {
        let mut with_round = found.clone();
        // Each method is as often the first one as the second.
        let turn = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in turn {
            complain!("method_check: round {} of {}: {}", round + 1, args.rounds, METHODS[which]);
            let sweep = Sweep::new(&model).context(context.clone()).method(METHODS[which]);
            measure(args, sweep.cancel(interrupt.cancel().clone()), &mut with_round[which])?;
        }
        // An interrupted round has cells of one method only.
        if let Some(status) = interrupt.status() {
            complain!("method_check: interrupted after {round} of {} rounds", args.rounds);
            if round > 0 {
                print(args, &found);
            }
            return Ok(status);
        }
        found = with_round;
    }
    Ok(if print(args, &found) { 0 } else { 1 })
}

fn measure(args: &Args, sweep: Sweep<'_>, found: &mut Found) -> Result<(), Error> {
    let start = Instant::now();
    let report = args.tests.ask(sweep.repetitions(args.n_reps), TESTS).run()?;
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
    let mut agree = Agreement::Yes;
    say!("| test | fresh context t/s | rewind t/s | ratio (95 % interval) | the methods |");
    say!("| --- | ---: | ---: | ---: | --- |");
    for ((test, before), (_, after)) in fresh.means.iter().zip(&rewind.means) {
        agree = agree.and(row(args, &test.to_string(), u64::from(test.n_tokens()), before, after));
    }
    for ((test, before), (_, after)) in fresh.steady.iter().zip(&rewind.steady) {
        if matches!(test.kind, TestKind::Tg(_)) {
            agree = agree.and(row(args, &format!("{test}, steady step"), 1, before, after));
        }
    }
    let total =
        |found: &Found| found.walls.iter().sum::<Duration>().as_secs_f64() / found.walls.len().max(1) as f64;
    let (slow, fast) = (total(fresh), total(rewind));
    say!(
        "\ntime per round: {slow:.2} s fresh context, {fast:.2} s rewind ({:.2} times as long)",
        fast / slow
    );
    for failure in fresh.failures.iter().chain(&rewind.failures) {
        say!("failed: {failure}");
        agree = Agreement::No;
    }
    say!(
        "{}",
        match agree {
            Agreement::Yes => "the methods agree",
            Agreement::Unknown => "too noisy to tell whether the methods agree: use more --rounds",
            Agreement::No => "the methods do not agree",
        }
    );
    agree != Agreement::No
}

fn row(args: &Args, name: &str, n_tokens: u64, before: &[Duration], after: &[Duration]) -> Agreement {
    let rate = |times: &[Duration]| {
        let rates = times.iter().filter_map(|&time| TokensPerSecond::from_elapsed(n_tokens, time));
        Samples::new(rates).map(|rates| rates.summary())
    };
    let rates = |times: &[Duration]| match rate(times) {
        Some(rate) => match rate.ci95 {
            Some(interval) => format!("{:.2} ± {:.2}", rate.mean.get(), interval.half_width().get()),
            None => format!("{:.2}", rate.mean.get()),
        },
        None => "no time passed".into(),
    };
    let noise = args.tolerance;
    let samples = Samples::new(before.iter().copied()).zip(Samples::new(after.iter().copied()));
    let ratio = samples.and_then(|(before, after)| Ratio::of_times(&before, &after, Design::Paired));
    let (ratio, agrees) = show(ratio, noise);
    say!("| {name} | {} | {} | {ratio} | {agrees} |", rates(before), rates(after));
    agrees
}
