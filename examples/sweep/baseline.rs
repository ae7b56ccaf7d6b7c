//! Saving results as a baseline, and comparing them with one.

use std::path::PathBuf;

use llama_bench_rs::{
    bench::Configuration,
    cli::{self, OutputFormat},
    judge::{
        Tolerance,
        baseline::{AgainstBaseline, BaselineError, Baselines},
    },
    record::Report,
    units::words::count,
};

use crate::{BAD_USAGE, Failed, REGRESSED, SOME_FAILED, bad_usage, output::print_beside};

#[derive(Debug, clap::Args)]
pub struct BaselineArgs {
    /// Compare with the baseline of this name
    ///
    /// Exit status 3 if a cell got slower.
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Keep the results as a run of this baseline
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Folder of the baselines [default: llama-bench-baselines in cargo's target folder]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    baseline_dir: Option<PathBuf>,
    /// The slowdown that is too much, in percent of the time; half of it always passes
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = tolerance, hide_short_help = true)]
    tolerance: Tolerance,
    /// A cell that is too noisy to tell counts as slower
    #[arg(long, hide_short_help = true)]
    strict: bool,
}

impl BaselineArgs {
    /// Whether results are compared with a baseline.
    pub fn compares(&self) -> bool {
        self.baseline.is_some()
    }

    /// Whether results are kept as a baseline.
    pub fn saves(&self) -> bool {
        self.save_baseline.is_some()
    }
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    cli::percent(text).map(Tolerance::new)
}

/// The results so far, and what will become of them.
pub struct Baselining<'a> {
    args: &'a BaselineArgs,
    baselines: Baselines,
    report: Report,
}

impl<'a> Baselining<'a> {
    /// Finds bad names and missing baselines before anything is measured.
    pub fn new(args: &'a BaselineArgs) -> Result<Self, Failed> {
        let baselines = args.baseline_dir.as_ref().map_or_else(Baselines::default, Baselines::new);
        if let Some(name) = &args.save_baseline {
            baselines.contains(name).map_err(bad_usage)?;
            baselines.check(name).map_err(bad_usage)?;
        }
        if let Some(name) = &args.baseline {
            baselines.require(name).map_err(bad_usage)?;
        }
        Ok(Self { args, baselines, report: Report::default() })
    }

    /// Refuses, before anything is measured, what the baseline could not judge. What is to be saved under another name is
    /// measured all the same.
    pub fn check_plan(&self, configurations: &[Configuration]) -> Result<(), Failed> {
        let Some(name) = self.args.baseline.as_ref().filter(|_| self.args.save_baseline.is_none()) else {
            return Ok(());
        };
        for Configuration { header, plan, .. } in configurations {
            let unknown = self.baselines.check_tests(name, header, &plan.cells).map_err(bad_usage)?;
            if !unknown.is_empty() {
                let tests: Vec<String> = unknown.iter().map(ToString::to_string).collect();
                complain!("sweep: not in the baseline {name} and not judged: {}", tests.join(", "));
            }
        }
        Ok(())
    }

    pub fn add(&mut self, report: &Report) {
        if self.args.save_baseline.is_some() || self.args.baseline.is_some() {
            self.report.runs.extend(report.runs.iter().cloned());
        }
    }

    /// Compares, prints, saves; the exit status is `status` unless something got slower.
    pub fn finish(self, format: OutputFormat, status: u8) -> Result<u8, Failed> {
        let mut status = status;
        let mut compared = None;
        if let Some(name) = &self.args.baseline {
            let tolerance = self.args.tolerance.strict(self.args.strict);
            match self.baselines.compare(name, &self.report, tolerance) {
                Ok(against) => {
                    status = told(&against, format).unwrap_or(status);
                    compared = Some(against);
                }
                // What was measured is still saved.
                Err(error) => {
                    complain!("sweep: against the baseline {name}: {error}");
                    status = status_of(&error);
                }
            }
        }
        if let Some(name) = &self.args.save_baseline {
            let saved = match compared.filter(|against| against.name == *name) {
                Some(against) => self.baselines.save_compared(&self.report, &against),
                None => self.baselines.save(name, &self.report),
            };
            match saved {
                Ok(saved) => {
                    let n_runs = count(saved.report().runs.len(), "run");
                    for file in saved.files() {
                        complain!("sweep: saved as {name} in {} (now {n_runs})", file.display());
                    }
                }
                Err(error @ BaselineError::Slower { .. }) => complain!("sweep: {error}"),
                Err(error) => return Err(Failed { status: status_of(&error), message: error.to_string() }),
            }
        }
        Ok(status)
    }
}

/// Prints what a baseline says; the exit status if it is not that of the sweep.
fn told(against: &AgainstBaseline, format: OutputFormat) -> Option<u8> {
    let name = &against.name;
    if against.is_slower() {
        print_beside(format, &format!("\nAgainst the baseline {name}: {against}"));
        Some(REGRESSED)
    } else if against.is_passed() {
        print_beside(format, &format!("\nAgainst the baseline {name}:\n{against}"));
        None
    } else {
        complain!("sweep: against the baseline {name}: {against}");
        Some(SOME_FAILED)
    }
}

fn status_of(error: &BaselineError) -> u8 {
    match error {
        BaselineError::Differs { .. } | BaselineError::NotFound { .. } => BAD_USAGE,
        _ => SOME_FAILED,
    }
}
