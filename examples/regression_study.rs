//! How often a comparison with a baseline is wrong, measured on this machine: `cargo run --release --example
//! regression_study`. Takes about five minutes, in which nothing else should run.
//!
//! Every run is a quick sweep in a process of its own, as in a test; runs of the same configuration and runs slowed by
//! 5 % take turns: both meet the same conditions. Each is compared with baselines of the runs before it.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use clap::Parser;
use llama_bench_rs::{
    cli,
    judge::RunEstimate,
    judge::Verdict,
    llama::ContextParams,
    record::{Report, Run, Test},
    report::{self, Format},
    stats::Samples,
    testing::{self, CellOutcome, Outcome, RegressionError, Tolerance},
    units::Share,
};

/// Files of runs that are kept.
const EQUAL: &str = "equal.jsonl";
const SLOWED: &str = "slowed.jsonl";

/// Measures how often quick sweeps are called regressed or improved, equal ones and slowed ones.
#[derive(Debug, Parser)]
#[command(name = "regression_study", disable_version_flag = true)]
struct Args {
    /// Pairs of runs, one equal and one slowed, after the first baseline
    #[arg(long, value_name = "N", default_value = "50", value_parser = cli::whole::<usize>)]
    pairs: usize,
    /// Runs of the largest baseline
    #[arg(long, value_name = "N", default_value = "10", value_parser = cli::whole::<usize>)]
    baseline: usize,
    /// Runs that are held against a baseline together, as one report
    #[arg(long, value_name = "N", default_value = "1", value_parser = cli::whole::<usize>)]
    together: usize,
    /// By how much slowed runs take longer, in percent
    #[arg(long, value_name = "PERCENT", default_value = "5")]
    slowdown: f64,
    /// Tolerance of the comparison, in percent
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = cli::whole::<u32>)]
    tolerance: u32,
    /// Threads [default: llama-bench's]
    #[arg(short = 't', long, value_name = "N", value_parser = cli::thread_count)]
    threads: Option<u32>,
    /// Repetitions of a run [default: a quick sweep's]
    #[arg(short = 'r', long, value_name = "N", value_parser = cli::at_least_one)]
    repetitions: Option<u32>,
    /// The shape of the model
    #[arg(long, value_name = "NAME", default_value = "tiny-llama")]
    shape: String,
    /// Keep the runs in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Judge the runs kept in this folder and measure nothing
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Make one run, slowed by this many percent, and print it: what the study starts for each run
    #[arg(long, hide = true)]
    one: Option<f64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Args = cli::parse();
    if let Some(slowdown) = args.one {
        print::out(format_args!("{}", report::to_string(&measure(&args, slowdown)?, Format::Jsonl)?));
        return Ok(print::exit_code(0));
    }
    let runs = match &args.from {
        Some(folder) => Runs::read(folder)?,
        None => Runs::measure(&args)?,
    };
    if let Some(folder) = &args.keep {
        runs.write(folder)?;
    }
    spread(&args, &runs)?;
    say!(
        "\n| runs in the baseline | comparisons | false alarms | slowdowns found | where the noise allows it | cannot \
         tell | inconclusive |"
    );
    say!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for n in [1, 2, 3, 5, args.baseline] {
        let (same, slow) = rates(&args, n, &runs, |_| true)?;
        say!(
            "| {n} | {} | {} | {} | {} | {} | {} |",
            same.cells,
            same.alarms(),
            slow.found(),
            slow.found_where_told(),
            share(same.cannot_tell, same.cells),
            share(same.inconclusive, same.cells)
        );
    }
    Ok(print::exit_code(0))
}

/// Equal runs and slowed ones, each in the order made.
struct Runs {
    equal: Vec<Run>,
    slowed: Vec<Run>,
}

/// Which of a pair goes first: neither always follows the other.
fn equal_goes_first(pair: usize) -> bool {
    pair.is_multiple_of(2)
}

impl Runs {
    fn measure(args: &Args) -> Result<Self, Box<dyn Error>> {
        let start = Instant::now();
        let mut runs = Self { equal: Vec::new(), slowed: Vec::new() };
        for _ in 0..args.baseline {
            runs.equal.push(start_run(args, 0.0)?);
        }
        for pair in 0..args.pairs {
            for equal in [equal_goes_first(pair), !equal_goes_first(pair)] {
                if equal {
                    runs.equal.push(start_run(args, 0.0)?);
                } else {
                    runs.slowed.push(start_run(args, args.slowdown)?);
                }
            }
        }
        let n = runs.equal.len() + runs.slowed.len();
        say!("{n} runs in {:.0} s\n", start.elapsed().as_secs_f64());
        Ok(runs)
    }

    fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        for (name, runs) in [(EQUAL, &self.equal), (SLOWED, &self.slowed)] {
            let report = Report { runs: runs.clone() };
            fs::write(folder.join(name), report::to_string(&report, Format::Jsonl)?)?;
        }
        Ok(())
    }

    fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let read = |name| report::read_file(folder.join(name)).map(|loaded| loaded.report.runs);
        Ok(Self { equal: read(EQUAL)?, slowed: read(SLOWED)? })
    }
}

fn measure(args: &Args, slowdown: f64) -> Result<Report, Box<dyn Error>> {
    let model = testing::tiny(&args.shape)?;
    let mut sweep = testing::quick_sweep(&model);
    if let Some(n) = args.threads {
        sweep = sweep.context(ContextParams::default().n_threads(n).n_threads_batch(n));
    }
    if let Some(n) = args.repetitions {
        sweep = sweep.repetitions(n);
    }
    if slowdown > 0.0 {
        sweep = sweep.slowed_by(Share::new(slowdown / 100.0).ok_or("a slowdown is a number")?);
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
    if let Some(n) = args.repetitions {
        command.args(["--repetitions", &n.to_string()]);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut report = report::read_str(&String::from_utf8(output.stdout)?)?.report;
    Ok(report.runs.pop().ok_or("a run that measured nothing")?)
}

/// How far runs lie apart, and repetitions within a run; and how the largest baseline does on each test.
fn spread(args: &Args, runs: &Runs) -> Result<(), Box<dyn Error>> {
    say!(
        "| test | time | spread of runs, calibrated | as measured | of their medians | of repetitions | false alarms | \
         slowdowns found | where the noise allows it |"
    );
    say!("| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (i, cell) in runs.equal[0].cells.iter().enumerate() {
        let sets: Vec<_> = runs.equal.iter().filter_map(|run| run.cells[i].times()).collect();
        let figures = runs.equal.iter().filter_map(|run| RunEstimate::of([(run, &run.cells[i])]));
        let Some(figures) = Samples::new(figures.map(|figure| figure.time)) else { continue };
        let Some(medians) = Samples::new(sets.iter().map(Samples::median)) else { continue };
        let within = sets.iter().filter_map(Samples::cv).map(Share::get).sum::<f64>() / sets.len() as f64;
        let (same, slow) = rates(args, args.baseline, runs, |test| *test == cell.test)?;
        say!(
            "| {} | {:.3?} | {} | {} | {} | {:.2} % | {} | {} | {} |",
            cell.test,
            figures.median(),
            calibrated_spread(&runs.equal, i)
                .map_or_else(|| "no calibration".into(), |spread| spread.to_string()),
            figures.cv().unwrap_or_default(),
            medians.cv().unwrap_or_default(),
            within * 100.0,
            same.alarms(),
            slow.found(),
            slow.found_where_told()
        );
    }
    Ok(())
}

/// How far the calibrated figures of the runs lie apart.
fn calibrated_spread(runs: &[Run], cell: usize) -> Option<Share> {
    // The multiple of the calibration loop, as a time: that of a loop of one millisecond.
    let time =
        |run: &Run| Some(Duration::from_secs_f64(run.cells[cell].calibrated_run()?.multiple().get() / 1e3));
    Samples::new(runs.iter().filter_map(time))?.cv()
}

/// Verdicts of some cells.
#[derive(Default)]
struct Tally {
    cells: usize,
    regressed: usize,
    improved: usize,
    cannot_tell: usize,
    inconclusive: usize,
    /// Cells whose comparison says that it would find the slowdown, and how many of them are regressed.
    told: usize,
    told_regressed: usize,
}

impl Tally {
    fn add(&mut self, cell: &CellOutcome, slowdown: f64) {
        let is_told = cell.judged.detectable.is_some_and(|least| least.get() <= slowdown);
        let is_regressed = cell.verdict() == Verdict::Regressed;
        self.cells += 1;
        self.regressed += usize::from(is_regressed);
        self.improved += usize::from(cell.verdict() == Verdict::Improved);
        self.cannot_tell += usize::from(cell.verdict() == Verdict::CannotTell);
        self.inconclusive += usize::from(cell.verdict() == Verdict::Inconclusive);
        self.told += usize::from(is_told);
        self.told_regressed += usize::from(is_told && is_regressed);
    }

    fn alarms(&self) -> String {
        share(self.regressed + self.improved, self.cells)
    }

    fn found(&self) -> String {
        share(self.regressed, self.cells)
    }

    fn found_where_told(&self) -> String {
        match self.told {
            0 => "nowhere".into(),
            told => share(self.told_regressed, told),
        }
    }
}

fn share(part: usize, of: usize) -> String {
    format!("{part} of {of} ({:.1} %)", 100.0 * part as f64 / of as f64)
}

/// Compares every run, or every few together, with a baseline of the `n` equal runs before; counts the tests that are
/// wanted.
fn rates(
    args: &Args,
    n: usize,
    runs: &Runs,
    is_wanted: impl Fn(&Test) -> bool,
) -> Result<(Tally, Tally), Box<dyn Error>> {
    let add = |tally: &mut Tally, before: usize, now: &[Run]| -> Result<(), Box<dyn Error>> {
        let outcome = compare(args, &runs.equal[before - n..before], now)?;
        let cells = outcome.cells.iter().filter(|cell| is_wanted(&cell.test));
        cells.for_each(|cell| tally.add(cell, args.slowdown / 100.0));
        Ok(())
    };
    let (mut same, mut slow) = (Tally::default(), Tally::default());
    let together = args.together.max(1);
    for (i, now) in runs.equal[args.baseline..].chunks_exact(together).enumerate() {
        add(&mut same, args.baseline + i * together, now)?;
    }
    for (i, now) in runs.slowed.chunks_exact(together).enumerate() {
        let pair = i * together;
        add(&mut slow, args.baseline + pair + usize::from(equal_goes_first(pair)), now)?;
    }
    Ok((same, slow))
}

fn compare(args: &Args, before: &[Run], now: &[Run]) -> Result<Outcome, Box<dyn Error>> {
    let report = |runs: &[Run]| Report { runs: runs.to_vec() };
    let (before, now) = (report(before), report(now));
    match testing::check_no_regression(&before, &now, Tolerance::percent(args.tolerance)) {
        Ok(outcome) => Ok(outcome),
        Err(RegressionError::Regressed(outcome)) => Ok(*outcome),
        Err(error) => Err(error.into()),
    }
}
