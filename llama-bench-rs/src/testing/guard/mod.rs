//! A speed test in one call.

mod apart;
mod error;
mod mode;
mod outcome;
mod place;
mod source;
mod words;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
};

use apart::{Call, Errand};
pub use error::GuardError;
pub use mode::GuardMode;
pub use outcome::{GuardVerdict, Guarded, Saved};
use place::Place;
pub use source::Measure;

use super::{Gap, Outcome, RegressionError, Tolerance, check_no_regression, check_work};
use crate::{
    judge::Verdict,
    judge::baseline::{Baseline, BaselineError, Baselines, Difference, Key},
    record::{Cell, Report, Run},
};

/// Runs that a baseline should have: with fewer, the spread between runs is hardly known.
const N_WANTED: usize = 3;

/// Measures once more.
type Again<'a> = dyn FnMut() -> Result<Report, GuardError> + 'a;

/// How often a guard measures again before it fails or stays inconclusive.
const N_RERUNS: u32 = 4;

/// Fails the test if what is measured is slower than the baseline `name`; the first runs make that baseline.
///
/// ```no_run
/// # use llama_bench_rs::testing;
/// #[test]
/// fn the_model_is_as_fast_as_it_was() {
///     let model = testing::tiny_model().unwrap();
///     testing::guard("main", testing::quick_sweep(&model));
/// }
/// ```
///
/// What it does when, and what its messages ask for: [the module](crate::testing#the-first-hour). [`Guard`] has settings.
///
/// # Panics
/// If [`Guard::check`] returns an error.
#[track_caller]
pub fn guard(name: &str, source: impl Measure) {
    Guard::new(name).assert(source);
}

/// A speed test against a baseline, with its settings; see [`guard`].
///
/// ```no_run
/// # use llama_bench_rs::{bench::Sweep, testing::{self, Guard, Tolerance}};
/// # let model = testing::tiny_model()?;
/// Guard::new("long").tolerance(Tolerance::percent(10)).assert(|| Sweep::new(&model).prompt(512).generate(64).run());
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is measured before `assert` or `check`"]
pub struct Guard {
    name: String,
    folder: Option<PathBuf>,
    tolerance: Tolerance,
    n_reruns: u32,
    reruns_apart: bool,
    mode: Option<GuardMode>,
    place: Place,
}

impl Guard {
    /// A guard of this name, which is a folder's in `tests/baselines` of the package (`LLAMA_BENCH_BASELINES` chooses
    /// another place).
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: None,
            tolerance: Tolerance::default(),
            n_reruns: N_RERUNS,
            reruns_apart: true,
            mode: None,
            place: Place::here(),
        }
    }

    /// The folder of the baselines.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// How much slower a cell may get.
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// How often to measure again before the test fails, or before it is called inconclusive; 4 by default. Slow work may
    /// want fewer.
    pub fn reruns(mut self, n_reruns: u32) -> Self {
        self.n_reruns = n_reruns;
        self
    }

    /// Whether to measure again in a process of its own, by default if cargo's test harness runs the test: the test
    /// program is started for this test alone, and ended when this guard has measured. What the test does before that, it
    /// does again there.
    pub fn reruns_apart(mut self, apart: bool) -> Self {
        self.reruns_apart = apart;
        self
    }

    /// What to do with the baseline, instead of what the environment says.
    pub fn mode(mut self, mode: GuardMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// [`check`](Self::check) for a test. What a person should know although the test passes goes to standard error, past
    /// the harness; the table goes there too, and the harness shows it if the test fails or on request.
    ///
    /// # Panics
    /// If `check` returns an error.
    #[track_caller]
    pub fn assert(&self, source: impl Measure) {
        match self.check(source) {
            Ok(guarded) => {
                if let Some(outcome) = &guarded.outcome {
                    eprintln!("{outcome}");
                }
                if guarded.is_worth_a_word() {
                    // Unlike what the print macros write, the harness does not keep this from passing tests.
                    let _ = writeln!(io::stderr().lock(), "guard {:?}: {guarded}", self.name);
                }
            }
            Err(error) => panic!("guard {:?}: {error}", self.name),
        }
    }

    /// Measures and judges. Measures again, as often as [`reruns`](Self::reruns) allows, if a cell looks slower, or if a
    /// baseline of three runs or more cannot tell; all runs are then judged together.
    ///
    /// # Errors
    /// A cell got slower, is missing or failed. There is no baseline and none may be saved; or it is damaged, or of
    /// another configuration. Nothing can be measured, or the system refuses to write.
    pub fn check(&self, mut source: impl Measure) -> Result<Guarded, GuardError> {
        let call = Call::of(&self.name);
        match call.errand() {
            Some(Errand::Measure(file)) => {
                let report = source.measure().map_err(GuardError::Measure)?;
                apart::deliver(&report, &file);
            }
            Some(Errand::Another) => return Ok(Guarded::new(GuardVerdict::Off, 0)),
            None => {}
        }
        let mode = self.mode.map_or_else(GuardMode::of_environment, Ok)?;
        if mode == GuardMode::Off {
            return Ok(Guarded::new(GuardVerdict::Off, 0));
        }
        let baselines = Baselines::new(self.folder.clone().unwrap_or_else(|| self.place.folder()));
        let is_there = baselines.contains(&self.name).map_err(|error| self.refused(error))?;
        if mode == GuardMode::Check && !is_there {
            return Err(self.missing(&baselines, false));
        }
        let can_repeat = source.can_repeat();
        let report = source.measure().map_err(GuardError::Measure)?;
        match mode {
            GuardMode::Renew => return self.begin(baselines.renew(&self.name, &whole(report)?), "renewed"),
            GuardMode::Add => {
                return self.begin(baselines.save(&self.name, &whole(report)?), "judged nothing");
            }
            GuardMode::Save | GuardMode::Check | GuardMode::Off => {}
        }
        let of_others = |error: &BaselineError| match error {
            BaselineError::NotFound { .. } => Some(false),
            BaselineError::Differs { differences, .. } => {
                differences.iter().any(Difference::is_of_another_machine).then_some(true)
            }
            _ => None,
        };
        match baselines.load(&self.name, &report) {
            Ok(baseline) => {
                let mut again = || match self.reruns_apart.then(|| call.measure()).flatten() {
                    Some(report) => Ok(report),
                    None => source.measure().map_err(GuardError::Measure),
                };
                let again = can_repeat.then_some(&mut again as &mut Again<'_>);
                self.judge(&baselines, &baseline, report, again, mode)
            }
            Err(error) => match of_others(&error) {
                Some(has_others) if mode == GuardMode::Check => Err(self.missing(&baselines, has_others)),
                Some(has_others) => {
                    let what = if has_others { "no baseline of this machine yet" } else { "no baseline yet" };
                    self.begin(baselines.save(&self.name, &whole(report)?), what)
                }
                None => Err(self.refused(error)),
            },
        }
    }

    /// Compares a report with the baseline, with more runs if one does not decide.
    fn judge(
        &self,
        baselines: &Baselines,
        baseline: &Baseline,
        report: Report,
        mut again: Option<&mut Again<'_>>,
        mode: GuardMode,
    ) -> Result<Guarded, GuardError> {
        let work = check_work(baseline, &report).map_err(|source| GuardError::Work {
            source,
            remedy: format!("\n  if this is what you want: {}", self.place.command(GuardMode::Renew)),
        })?;
        let n_before = least_runs(baseline.report());
        let can_tell = n_before >= N_WANTED;
        let judge = |report: &Report| check_no_regression(baseline, report, self.tolerance);
        let first = judge(&report);
        // Slower, but not by so much that few runs could be sure of it: no run for a baseline.
        let is_usual = first.as_ref().is_ok_and(|outcome| is_usual(outcome, self.tolerance));
        let (mut all, mut judged, mut n_measured) = (report.clone(), first, 1);
        while let Some(again) = &mut again
            && n_measured <= self.n_reruns
            && is_open(&judged, can_tell)
        {
            all.runs.extend(again()?.runs);
            judged = judge(&all);
            n_measured += 1;
        }
        let judged = judged.and_then(|outcome| complete(outcome, baseline, &all));
        let outcome = judged.map_err(|source| {
            let command = self.place.command(GuardMode::Renew);
            let note = format!("{}\n  if this is what you want: {command}", self.sitting(baseline, n_before));
            GuardError::Regression { source, n_measured, note }
        })?;
        let mut guarded = self.found(outcome, &work, n_measured);
        let is_of_another_sitting =
            baseline.n_sittings() == Some(1) && baseline.n_sittings_with(&report) == Some(2);
        if n_before < N_WANTED || is_of_another_sitting {
            if let Some(why) = self.hindrance(baseline, &report, is_usual, mode) {
                let sittings = if is_of_another_sitting { " of one sitting" } else { "" };
                let has = format!("the baseline has {n_before} of {} runs{sittings}", N_WANTED.max(n_before));
                guarded.notes.push(format!("{has}; not added: {why}"));
            } else {
                let saved = baselines.save(&self.name, &report).map_err(|error| self.refused(error))?;
                guarded.notes.push(self.told(&saved));
                guarded.saved = Some(saved_as(&saved));
            }
        } else if baseline.n_sittings() == Some(1) {
            guarded.notes.push(self.sitting(baseline, n_before).trim().to_owned());
        }
        Ok(guarded)
    }

    /// What is saved without being judged.
    fn begin(&self, saved: Result<Baseline, BaselineError>, what: &str) -> Result<Guarded, GuardError> {
        let saved = saved.map_err(|error| self.refused(error))?;
        let mut guarded = Guarded::new(GuardVerdict::Saved, 1);
        guarded.notes.push(format!("{what}: {}", self.told(&saved)));
        guarded.saved = Some(saved_as(&saved));
        Ok(guarded)
    }
}

/// The cells that failed.
fn failures(report: &Report) -> impl Iterator<Item = Gap> {
    let gap = |cell: &Cell| Some(Gap { test: cell.test, failure: Some(cell.failure()?.message.clone()) });
    report.cells().filter_map(move |(_, cell)| gap(cell))
}

/// The comparison, or an error if a test failed that the baseline lacks.
fn complete(outcome: Outcome, baseline: &Baseline, report: &Report) -> Result<Outcome, RegressionError> {
    let is_known = |test| baseline.report().cells().any(|(_, cell)| cell.test == test);
    let gaps: Vec<Gap> = failures(report).filter(|gap| !is_known(gap.test)).collect();
    if gaps.is_empty() {
        return Ok(outcome);
    }
    Err(RegressionError::Incomplete { gaps, judged: Some(Box::new(outcome)) })
}

/// A report that may become a baseline: without failed cells, which would never be compared.
fn whole(report: Report) -> Result<Report, GuardError> {
    let gaps: Vec<Gap> = failures(&report).collect();
    if gaps.is_empty() {
        return Ok(report);
    }
    let source = RegressionError::Incomplete { gaps, judged: None };
    Err(GuardError::Regression { source, n_measured: 1, note: "; nothing was saved".into() })
}

/// Whether another run could change the verdict.
fn is_open(judged: &Result<Outcome, RegressionError>, can_tell: bool) -> bool {
    match judged {
        Ok(outcome) => {
            let is_busy = outcome.open().any(|cell| cell.verdict() == Verdict::Inconclusive);
            is_busy || (can_tell && outcome.open().next().is_some())
        }
        Err(RegressionError::Regressed(_) | RegressionError::Unsure(_)) => true,
        Err(_) => false,
    }
}

/// Whether a run is as fast as those of a baseline, as far as one run can be: on average over its cells not slower by
/// more than the tolerance, and in none surely faster.
fn is_usual(outcome: &Outcome, tolerance: Tolerance) -> bool {
    let speedups = outcome.cells.iter().map(|cell| cell.judged.speedup.get().ln());
    let mean = speedups.sum::<f64>() / outcome.cells.len().max(1) as f64;
    mean >= -tolerance.slowdown().get().ln_1p() && outcome.with(Verdict::Improved).next().is_none()
}

/// The runs of the configuration that has the fewest.
fn least_runs(report: &Report) -> usize {
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    let keys = report.runs.iter().map(|run: &Run| Key::of(&run.header));
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts.into_values().min().unwrap_or(0)
}

fn saved_as(saved: &Baseline) -> Saved {
    let n_runs = least_runs(saved.report());
    Saved { n_runs, n_wanted: N_WANTED, files: saved.files().to_vec() }
}
