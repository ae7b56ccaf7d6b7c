//! How often a comparison with a baseline is wrong, measured on this machine: `cargo run --release --example
//! regression_study`. Takes about five minutes, in which nothing else should run.
//!
//! Every run is a quick sweep in a process of its own, as in a test; runs of the same configuration and runs slowed by
//! 5 % take turns, so that both meet the same conditions. Each is held against baselines of the runs before it.

use std::{
    error::Error,
    process::{Command, ExitCode},
    time::Instant,
};

use clap::Parser;
use llama_bench_rs::{
    llama::ContextParams,
    record::{Report, Run},
    report::{self, Format},
    stats::Verdict,
    testing::{self, Outcome, RegressionError, Tolerance},
    units::Ratio,
};

/// Measures how often quick sweeps are called regressed or improved, equal ones and slowed ones.
#[derive(Debug, Parser)]
struct Args {
    /// Pairs of runs, one equal and one slowed, after the first baseline
    #[arg(long, default_value = "50")]
    pairs: usize,
    /// Runs of the largest baseline
    #[arg(long, default_value = "10")]
    baseline: usize,
    /// By how much slowed runs take longer, in percent
    #[arg(long, default_value = "5")]
    slowdown: f64,
    /// Tolerance of the comparison, in percent
    #[arg(long, default_value = "5")]
    tolerance: u32,
    /// Threads [default: llama-bench's]
    #[arg(short = 't', long)]
    threads: Option<u32>,
    /// The shape of the model
    #[arg(long, default_value = "tiny-llama")]
    shape: String,
    /// Make one run, slowed by this many percent, and print it: what the study starts for each run
    #[arg(long, hide = true)]
    one: Option<f64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    if let Some(slowdown) = args.one {
        print!("{}", report::to_string(&measure(&args, slowdown)?, Format::Jsonl)?);
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    // Equal runs in the order made, and the slowed ones with how many equal ones came before.
    let (mut equal, mut slowed) = (Vec::new(), Vec::new());
    for _ in 0..args.baseline {
        equal.push(start_run(&args, 0.0)?);
    }
    for pair in 0..args.pairs {
        eprint!("\rpair {} of {}", pair + 1, args.pairs);
        // Neither always follows the other.
        for slow in if pair % 2 == 0 { [false, true] } else { [true, false] } {
            match slow {
                false => equal.push(start_run(&args, 0.0)?),
                true => slowed.push((equal.len(), start_run(&args, args.slowdown)?)),
            }
        }
    }
    eprintln!();
    println!("{} runs in {:.0} s\n", equal.len() + slowed.len(), start.elapsed().as_secs_f64());
    spread(&equal);
    println!(
        "\n| runs in the baseline | comparisons | false alarms | slowdowns of {} % found | cannot tell |",
        args.slowdown
    );
    println!("| ---: | ---: | ---: | ---: | ---: |");
    for n in [1, 2, 3, 5, args.baseline] {
        rates(&args, n, &equal, &slowed)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args, slowdown: f64) -> Result<Report, Box<dyn Error>> {
    let model = testing::tiny(&args.shape)?;
    let mut sweep = testing::quick_sweep(&model);
    if let Some(n) = args.threads {
        sweep = sweep.context(ContextParams::default().n_threads(n).n_threads_batch(n));
    }
    if slowdown > 0.0 {
        sweep = sweep.slowed_by(Ratio::new(slowdown / 100.0).ok_or("a slowdown is a number")?);
    }
    Ok(sweep.run()?)
}

/// A run in a process of its own.
fn start_run(args: &Args, slowdown: f64) -> Result<Run, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--one", &slowdown.to_string(), "--shape", &args.shape]);
    if let Some(n) = args.threads {
        command.args(["--threads", &n.to_string()]);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut report = report::read_str(&String::from_utf8(output.stdout)?)?.report;
    Ok(report.runs.pop().ok_or("a run that measured nothing")?)
}

/// How far runs lie apart, and repetitions within a run.
fn spread(runs: &[Run]) {
    println!(
        "| test | median of a repetition | spread of runs | of repetitions |\n| :--- | ---: | ---: | ---: |"
    );
    for (i, cell) in runs[0].cells.iter().enumerate() {
        let sets: Vec<_> = runs.iter().filter_map(|run| run.cells[i].times()).collect();
        let medians = llama_bench_rs::stats::Samples::new(sets.iter().map(|set| set.median()));
        let within = sets.iter().filter_map(|set| set.cv()).map(Ratio::get).sum::<f64>() / sets.len() as f64;
        let Some(medians) = medians else { continue };
        let between = medians.cv().unwrap_or_default();
        println!("| {} | {:.3?} | {between} | {:.2} % |", cell.test, medians.median(), within * 100.0);
    }
}

#[derive(Default)]
struct Tally {
    cells: usize,
    regressed: usize,
    improved: usize,
    cannot_tell: usize,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        let count = |verdict| outcome.with(verdict).count();
        self.cells += outcome.cells.len();
        self.regressed += count(Verdict::Regressed);
        self.improved += count(Verdict::Improved);
        self.cannot_tell += count(Verdict::CannotTell);
    }
}

/// Holds every run against a baseline of the `n` equal runs before it.
fn rates(args: &Args, n: usize, equal: &[Run], slowed: &[(usize, Run)]) -> Result<(), Box<dyn Error>> {
    let mut same = Tally::default();
    for now in args.baseline..equal.len() {
        same.add(&compare(args, &equal[now - n..now], &equal[now])?);
    }
    let mut slow = Tally::default();
    for (before, run) in slowed {
        slow.add(&compare(args, &equal[before - n..*before], run)?);
    }
    let share = |part: usize, of: usize| format!("{part} of {of} ({:.1} %)", 100.0 * part as f64 / of as f64);
    println!(
        "| {n} | {} | {} | {} | {} |",
        same.cells,
        share(same.regressed + same.improved, same.cells),
        share(slow.regressed, slow.cells),
        share(same.cannot_tell, same.cells),
    );
    Ok(())
}

fn compare(args: &Args, before: &[Run], now: &Run) -> Result<Outcome, Box<dyn Error>> {
    let report = |runs: &[Run]| Report { runs: runs.to_vec() };
    let (before, now) = (report(before), report(std::slice::from_ref(now)));
    match testing::check_no_regression(&before, &now, Tolerance::percent(args.tolerance)) {
        Ok(outcome) => Ok(outcome),
        Err(RegressionError::Regressed(outcome)) => Ok(*outcome),
        Err(error) => Err(error.into()),
    }
}
