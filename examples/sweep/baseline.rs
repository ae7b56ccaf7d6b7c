//! Keeping results as a baseline, and holding them against one.

use std::path::PathBuf;

use llama_bench_rs::{
    Error,
    baseline::{BaselineError, Baselines},
    cli::{self, OutputFormat},
    record::{Report, work::WorkChange},
    testing::{LostWork, RegressionError, Tolerance, check_no_regression, check_work},
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
    /// Whether results are held against a baseline.
    pub fn compares(&self) -> bool {
        self.baseline.is_some()
    }

    /// Whether results are kept as a baseline.
    pub fn saves(&self) -> bool {
        self.save_baseline.is_some()
    }

    /// Neither saves nor compares.
    pub fn forget(&mut self) {
        (self.save_baseline, self.baseline) = (None, None);
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
        if let Some(name) = &args.baseline
            && !baselines.contains(name).map_err(bad_usage)?
        {
            let names = baselines.names();
            let known = if names.is_empty() { "none".into() } else { names.join(", ") };
            let folder = baselines.folder().display();
            return Err(bad_usage(format!("there is no baseline {name:?} in {folder} (there are: {known})")));
        }
        if let Some(name) = &args.baseline {
            baselines.check(name).map_err(bad_usage)?;
        }
        Ok(Self { args, baselines, report: Report::default() })
    }

    pub fn add(&mut self, report: &Report) {
        if self.args.save_baseline.is_some() || self.args.baseline.is_some() {
            self.report.runs.extend(report.runs.iter().cloned());
        }
    }

    /// Compares, prints, saves; the exit status is `status` unless something got slower.
    pub fn finish(self, format: OutputFormat, status: u8) -> Result<u8, Failed> {
        let mut status = status;
        if let Some(name) = &self.args.baseline {
            match self.compare(name) {
                Ok(table) => print_beside(format, &format!("\nAgainst the baseline {name}:\n{table}")),
                Err(Failed { message, status: REGRESSED }) => {
                    print_beside(format, &format!("\nAgainst the baseline {name}: {message}"));
                    status = REGRESSED;
                }
                // What was measured is saved all the same.
                Err(Failed { message, status: failed }) => {
                    complain!("sweep: against the baseline {name}: {message}");
                    status = failed;
                }
            }
        }
        if let Some(name) = &self.args.save_baseline {
            if status == REGRESSED && self.args.baseline == self.args.save_baseline {
                complain!("sweep: not saved as {name}: a baseline of slower runs would hide the regression");
                return Ok(status);
            }
            let saved = self.baselines.save(name, &self.report).map_err(failed)?;
            for file in saved.files() {
                complain!("sweep: saved as {name} in {}", file.display());
            }
        }
        Ok(status)
    }

    fn compare(&self, name: &str) -> Result<String, Failed> {
        let baseline = self.baselines.load(name, &self.report).map_err(failed)?;
        let tolerance = self.args.tolerance.strict(self.args.strict);
        let speed = match check_no_regression(&baseline, &self.report, tolerance) {
            Ok(outcome) => Ok(outcome.warning().unwrap_or_else(|| outcome.to_string())),
            Err(error @ (RegressionError::Regressed(_) | RegressionError::Unsure(_))) => {
                Err(Failed { message: error.to_string(), status: REGRESSED })
            }
            Err(error) => Err(Error::from(error).into()),
        };
        after_work(check_work(&baseline, &self.report), speed)
    }
}

/// What was computed comes first: it explains the speed, and no noise is in it.
fn after_work(
    work: Result<Vec<WorkChange>, LostWork>,
    speed: Result<String, Failed>,
) -> Result<String, Failed> {
    let (said, is_lost) = match work {
        Ok(changes) => (changes.iter().map(|change| format!("  {change}\n")).collect(), false),
        Err(lost) => (format!("{lost}\n"), true),
    };
    match speed {
        Ok(table) if !is_lost => Ok(said + &table),
        Ok(table) => Err(Failed { message: said + &table, status: REGRESSED }),
        Err(Failed { message, status }) => Err(Failed { message: said + &message, status }),
    }
}

fn failed(error: BaselineError) -> Failed {
    let status = match error {
        BaselineError::Differs { .. } | BaselineError::NotFound { .. } => BAD_USAGE,
        _ => SOME_FAILED,
    };
    Failed { message: error.to_string(), status }
}
