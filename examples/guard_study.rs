//! How often the guard of `tests/downstream` is wrong on this machine, by what else runs there: `cargo run --release
//! --example guard_study > table.md`. Takes about two hours, in which nothing else should run.
//!
//! Every run is the test of that crate in a process of its own, as cargo or nextest starts it, with a baseline of three
//! runs that is made again for every ten. Runs of equal work and slowed ones take turns: both meet the same conditions.

#[macro_use]
#[path = "support/print.rs"]
mod print;
#[path = "guard_study/load.rs"]
mod load;
#[path = "guard_study/target.rs"]
mod target;

use std::{
    error::Error,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use llama_bench_rs::cli;
use load::Load;
use target::{Baseline, Downstream, Verdict};

/// What runs while the baseline is saved, what runs while it is checked, and by how much checked runs are slowed.
struct Setting {
    name: &'static str,
    saved: Load,
    checked: Load,
    slowdowns: &'static [u32],
}

const SETTINGS: [Setting; 6] = [
    Setting { name: "quiet", saved: Load::Quiet, checked: Load::Quiet, slowdowns: &[0, 5, 10] },
    Setting { name: "tests", saved: Load::OtherTests, checked: Load::OtherTests, slowdowns: &[0, 10] },
    Setting { name: "loops", saved: Load::BusyLoops, checked: Load::BusyLoops, slowdowns: &[0, 10] },
    Setting { name: "nextest", saved: Load::Nextest, checked: Load::Nextest, slowdowns: &[0, 10] },
    Setting { name: "saved-loaded", saved: Load::BusyLoops, checked: Load::Quiet, slowdowns: &[0, 10] },
    Setting { name: "checked-loaded", saved: Load::Quiet, checked: Load::BusyLoops, slowdowns: &[0, 10] },
];

/// Measures how often a guard fails, passes or is inconclusive, with equal work and with slowed work.
#[derive(Debug, Parser)]
#[command(name = "guard_study", disable_version_flag = true)]
struct Args {
    /// Runs of the guard in each setting, for each slowdown
    #[arg(long, value_name = "N", default_value = "50", value_parser = cli::whole::<usize>)]
    runs: usize,
    /// The same of slowed work [default: as many]
    #[arg(long, value_name = "N", value_parser = cli::whole::<usize>)]
    slowed_runs: Option<usize>,
    /// Runs that share a baseline
    #[arg(long, value_name = "N", default_value = "10", value_parser = cli::at_least_one)]
    per_baseline: u32,
    /// Runs of a baseline
    #[arg(long, value_name = "N", default_value = "3", value_parser = cli::whole::<usize>)]
    baseline_runs: usize,
    /// Settings to measure, all by default: quiet, tests, loops, nextest, saved-loaded, checked-loaded
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    settings: Vec<String>,
    /// The test program of tests/downstream, built elsewhere: for a machine without cargo
    #[arg(long)]
    executable: Option<PathBuf>,
    /// Keep a core busy until standard input ends: what the study starts as load
    #[arg(long, hide = true)]
    spin: bool,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    if args.spin {
        load::spin();
    }
    match study(&args) {
        Ok(()) => print::exit_code(0),
        Err(error) => {
            complain!("guard_study: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a row for each setting and slowdown once it is measured.
fn study(args: &Args) -> Result<(), Box<dyn Error>> {
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    if let Some(unknown) = args.settings.iter().find(|asked| !names.contains(&asked.as_str())) {
        return Err(format!("--settings {unknown}: not a setting; write some of {}", names.join(",")).into());
    }
    let downstream = match &args.executable {
        Some(executable) => Downstream::built(executable.clone())?,
        None => Downstream::build()?,
    };
    say!("| baseline saved | checked | slowed by | runs | failed | inconclusive | passed | time of a run |");
    say!("| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let is_asked =
        |setting: &&Setting| args.settings.is_empty() || args.settings.iter().any(|s| s == setting.name);
    for setting in SETTINGS.iter().filter(is_asked) {
        let needs_nextest = [setting.saved, setting.checked].contains(&Load::Nextest);
        if needs_nextest && !downstream.can_run_apart() {
            complain!("guard_study: SKIPPED {}: cargo nextest is not installed", setting.name);
            continue;
        }
        for (slowdown, tally) in setting.slowdowns.iter().zip(measure(args, setting, &downstream)?) {
            say!("| {} | {} | {slowdown} % | {tally} |", setting.saved, setting.checked);
        }
    }
    Ok(())
}

/// The verdicts of a setting, for each of its slowdowns.
fn measure(args: &Args, setting: &Setting, downstream: &Downstream) -> Result<Vec<Tally>, Box<dyn Error>> {
    let mut tallies = vec![Tally::default(); setting.slowdowns.len()];
    while tallies[0].n() < args.runs {
        let baseline = Baseline::new()?;
        {
            let _busy = setting.saved.start()?;
            for _ in 0..args.baseline_runs {
                downstream.save(setting.saved, &baseline)?;
            }
        }
        let _busy = setting.checked.start()?;
        for _ in 0..(args.per_baseline as usize).min(args.runs - tallies[0].n()) {
            for (&slowdown, tally) in setting.slowdowns.iter().zip(&mut tallies) {
                if slowdown > 0 && args.slowed_runs.is_some_and(|most| tally.n() >= most) {
                    continue;
                }
                let start = Instant::now();
                tally.add(downstream.check(setting.checked, &baseline, slowdown)?, start.elapsed());
            }
        }
        complain!("{}: {} of {} runs", setting.name, tallies[0].n(), args.runs);
    }
    Ok(tallies)
}

/// Verdicts of a setting with a slowdown.
#[derive(Clone, Debug, Default)]
struct Tally {
    failed: usize,
    inconclusive: usize,
    passed: usize,
    time: Duration,
}

impl Tally {
    fn add(&mut self, verdict: Verdict, time: Duration) {
        *match verdict {
            Verdict::Failed => &mut self.failed,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Passed => &mut self.passed,
        } += 1;
        self.time += time;
    }

    fn n(&self) -> usize {
        self.failed + self.inconclusive + self.passed
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { failed, inconclusive, passed, time } = self;
        let mean = time.as_secs_f64() / self.n().max(1) as f64;
        write!(f, "{} | {failed} | {inconclusive} | {passed} | {mean:.1} s", self.n())
    }
}
