//! What guards do with made-up reports, run by run.
#![allow(missing_docs)]

mod report_support;

use std::{
    cell, env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use llama_bench_rs::{
    baseline::{BaselineError, Baselines},
    record::{Cell, Outcome, Report, TestKind},
    testing::{Guard, GuardError, GuardMode, GuardVerdict, Guarded, RegressionError, Tolerance},
};
use report_support::{failed, reference};
use tempfile::TempDir;

/// One run of the reference on this day, slower by this share; runs lie a few per mille apart.
fn run_on(day: u32, slowdown: f64) -> Report {
    let mut report = reference();
    let run = &mut report.runs[0];
    run.cells.truncate(4);
    run.header.timing.started_at = format!("2025-11-{day:02}T10:00:00Z");
    let factor = (1.0 + slowdown) * (1.0 + 0.001 * [0.0, 1.0, -1.0, 2.0, -2.0][day as usize % 5]);
    for cell in &mut run.cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.samples.iter_mut().for_each(|sample| sample.elapsed = sample.elapsed.mul_f64(factor));
        }
    }
    report
}

/// A folder with a guard in it that saves.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With a baseline of the first three days.
    fn with_baseline() -> Self {
        let place = Self::new();
        for day in 1..=3 {
            place.baselines().save("main", &run_on(day, 0.0)).unwrap();
        }
        place
    }

    fn baselines(&self) -> Baselines {
        Baselines::new(self.folder.path())
    }

    fn guard(&self, mode: GuardMode) -> Guard {
        // These tests measure made-up figures, which another process would not have.
        Guard::new("main").folder(self.folder.path()).mode(mode).reruns_apart(false)
    }

    fn check(&self, mode: GuardMode, report: &Report) -> Result<Guarded, GuardError> {
        self.guard(mode).check(report)
    }

    fn n_runs(&self) -> usize {
        self.baselines().load("main", &reference()).map_or(0, |baseline| baseline.report().runs.len())
    }

    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.folder.path().join("main")).unwrap().map(|e| e.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap()
    }
}

/// Says something and gives the command that helps.
#[track_caller]
fn assert_says(message: &impl ToString, parts: &[&str]) {
    let message = message.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn the_first_runs_make_the_baseline() {
    let place = Place::new();
    let first = place.check(GuardMode::Save, &run_on(1, 0.0)).unwrap();
    assert_eq!((first.verdict, first.saved.as_ref().unwrap().n_runs), (GuardVerdict::Saved, 1));
    assert_says(&first, &["no baseline yet: saved 1 of 3 runs to", "check it in", "at another time"]);
    let second = place.check(GuardMode::Save, &run_on(2, 0.0)).unwrap();
    assert_eq!(second.verdict, GuardVerdict::Inconclusive, "one run on each side says nothing");
    assert_says(&second, &["inconclusive; too noisy to tell whether pp2048", "saved 2 of 3 runs to"]);
    let third = place.check(GuardMode::Save, &run_on(3, 0.0)).unwrap();
    assert_says(&third, &["saved 3 of 3 runs"]);
    assert_eq!(place.n_runs(), 3);
    let fourth = place.check(GuardMode::Save, &run_on(4, 0.0)).unwrap();
    assert_eq!((fourth.verdict, fourth.saved, place.n_runs()), (GuardVerdict::Passed, None, 3));
    assert_eq!(fourth.notes, <[String; 0]>::default());
}

#[test]
fn a_slower_run_is_not_added() {
    let place = Place::new();
    place.check(GuardMode::Save, &run_on(1, 0.0)).unwrap();
    let slower = place.check(GuardMode::Save, &run_on(2, 0.08)).unwrap();
    assert_eq!(
        (slower.verdict, slower.saved.as_ref(), place.n_runs()),
        (GuardVerdict::Inconclusive, None, 1)
    );
    assert_says(&slower, &["not added: this run is too far from it", "LLAMA_BENCH_GUARD=add cargo "]);
    place.check(GuardMode::Add, &run_on(2, 0.08)).unwrap();
    assert_eq!(place.n_runs(), 2);
}

#[test]
fn another_build_is_judged_and_not_added() {
    let place = Place::new();
    place.check(GuardMode::Save, &run_on(1, 0.0)).unwrap();
    let mut other = run_on(2, 0.0);
    other.runs[0].header.build.commit = "abcdef01".into();
    let guarded = place.check(GuardMode::Save, &other).unwrap();
    assert_says(
        &guarded,
        &["not added: this is another build of llama.cpp", "LLAMA_BENCH_GUARD=renew cargo "],
    );
    let kept = place.baselines().load("main", &reference()).unwrap();
    assert_eq!(kept.report().runs[0].header.build, reference().runs[0].header.build);
}

#[test]
fn an_alarm_is_measured_again_before_it_fails() {
    let place = Place::with_baseline();
    let n_calls = cell::Cell::new(0);
    // The first run was disturbed, the others are not.
    let once_slow = || {
        n_calls.set(n_calls.get() + 1);
        Ok::<_, io::Error>(run_on(4, if n_calls.get() == 1 { 0.3 } else { 0.0 }))
    };
    let guarded = place.guard(GuardMode::Check).check(once_slow).unwrap();
    assert_eq!((n_calls.get(), guarded.n_measured), (guarded.n_measured, guarded.n_measured));
    assert!(n_calls.get() > 1);
    assert_ne!(guarded.verdict, GuardVerdict::Saved);

    n_calls.set(0);
    let always_slow = || {
        n_calls.set(n_calls.get() + 1);
        Ok::<_, io::Error>(run_on(3 + n_calls.get(), 0.3))
    };
    let error = place.guard(GuardMode::Check).check(always_slow).unwrap_err();
    assert_eq!(n_calls.get(), 5);
    assert!(matches!(&error, GuardError::Regression { n_measured: 5, .. }), "{error}");
    assert_says(
        &error,
        &[
            "4 of 4 cells got slower",
            "5 runs of llama.cpp",
            "measured 5 times",
            "LLAMA_BENCH_GUARD=renew cargo ",
        ],
    );
    // A report cannot be measured again.
    let error = place.check(GuardMode::Check, &run_on(4, 0.3)).unwrap_err();
    assert!(matches!(&error, GuardError::Regression { n_measured: 1, .. }), "{error}");
    assert_eq!(place.n_runs(), 3);
    n_calls.set(0);
    place.guard(GuardMode::Check).reruns(0).check(always_slow).unwrap_err();
    assert_eq!(n_calls.get(), 1);
}

/// A run that no cell of a whole baseline can be judged by is not the last word.
#[test]
fn what_cannot_be_told_is_measured_again() {
    let place = Place::with_baseline();
    let n_calls = cell::Cell::new(0);
    let scattered = || {
        n_calls.set(n_calls.get() + 1);
        Ok::<_, io::Error>(run_on(4, [0.035, 0.0, -0.01, 0.01, 0.0][n_calls.get() - 1]))
    };
    // Noise could hide 5 % here, but not 10 %.
    let first = place.check(GuardMode::Check, &run_on(4, 0.035)).unwrap();
    assert_eq!((first.verdict, first.n_measured), (GuardVerdict::Passed, 1));
    let strict = place.guard(GuardMode::Check).tolerance(Tolerance::default().strict(true));
    assert_says(
        &strict.check(&run_on(4, 0.035)).unwrap_err(),
        &["may have got slower: cannot tell or inconclusive"],
    );
    let guarded = place.guard(GuardMode::Check).check(scattered).unwrap();
    assert!(guarded.n_measured > 1, "{guarded}");
}

/// Where memory lies is a process's own: what is in doubt is measured in others.
#[test]
fn what_is_in_doubt_is_measured_again_in_processes_of_their_own() {
    let marks = Path::new(env!("CARGO_TARGET_TMPDIR")).join("processes-of-guards");
    fs::create_dir_all(&marks).unwrap();
    let n_marks = || fs::read_dir(&marks).unwrap().count();
    let (before, place) = (n_marks(), Place::with_baseline());
    let measure = || {
        fs::write(marks.join(std::process::id().to_string()), "")?;
        Ok::<_, io::Error>(run_on(4, 0.035))
    };
    let guarded = place.guard(GuardMode::Check).reruns_apart(true).check(measure).unwrap();
    // Without threads of their own, tests have no names to be started by.
    let others =
        if std::thread::current().name() == Some("main") { 0 } else { guarded.n_measured as usize - 1 };
    assert!(guarded.n_measured > 1, "{guarded}");
    assert_eq!(n_marks() - before, others + 1);
}

#[test]
fn in_ci_a_missing_baseline_is_an_error_before_anything_is_measured() {
    let place = Place::new();
    let measure = || -> Result<Report, io::Error> { panic!("measured") };
    let error = place.guard(GuardMode::Check).check(measure).unwrap_err();
    assert!(matches!(error, GuardError::NoBaseline { has_others: false, .. }));
    assert_says(
        &error,
        &["no baseline in ", "on this machine run", "LLAMA_BENCH_GUARD=save cargo ", "check the folder in"],
    );
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[test]
fn another_machine_has_a_baseline_of_its_own() {
    let place = Place::with_baseline();
    let mut elsewhere = run_on(4, 0.5);
    elsewhere.runs[0].header.host.cpu_info = "another processor".into();
    let error = place.check(GuardMode::Check, &elsewhere).unwrap_err();
    assert!(matches!(error, GuardError::NoBaseline { has_others: true, .. }));
    assert_says(&error, &["of this machine (those there are of others)", "LLAMA_BENCH_GUARD=save cargo "]);
    let saved = place.check(GuardMode::Save, &elsewhere).unwrap();
    assert_says(&saved, &["no baseline of this machine yet: saved 1 of 3"]);
    assert_eq!(place.n_runs(), 3, "the others' is as it was");
}

/// The same processor with another setting, or without its GPU, is what a guard is for.
#[test]
fn another_configuration_is_an_error_until_it_is_renewed() {
    let place = Place::with_baseline();
    // A file of another machine that differs in less does not hide it.
    let mut elsewhere = run_on(1, 0.0);
    elsewhere.runs[0].header.host.cpu_info = "another processor".into();
    elsewhere.runs[0].header.config.n_ubatch = Some(7);
    place.baselines().save("main", &elsewhere).unwrap();
    let mut changed = run_on(4, 0.0);
    changed.runs[0].header.config.n_ubatch = Some(7);
    changed.runs[0].header.host.gpu_info = "gone".into();
    for mode in [GuardMode::Check, GuardMode::Save] {
        let error = place.check(mode, &changed).unwrap_err();
        let GuardError::Baseline { source: BaselineError::Differs { differences, .. }, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(differences.len(), 2, "{error}");
        assert_says(&error, &["gpu_info", "n_ubatch", "intended", "LLAMA_BENCH_GUARD=renew cargo "]);
    }
    let renewed = place.check(GuardMode::Renew, &changed).unwrap();
    assert_says(&renewed, &["renewed: saved 1 of 3 runs"]);
    assert!(place.check(GuardMode::Save, &changed).is_ok());
}

#[test]
fn renewing_replaces_what_is_there_damaged_or_not() {
    let place = Place::with_baseline();
    place.check(GuardMode::Renew, &run_on(5, 0.3)).unwrap();
    assert_eq!(place.n_runs(), 1);
    fs::write(place.file(), "{").unwrap();
    let error = place.check(GuardMode::Save, &run_on(5, 0.0)).unwrap_err();
    assert!(matches!(&error, GuardError::Baseline { source: BaselineError::Damaged { .. }, .. }), "{error}");
    assert_says(&error, &["is damaged", "LLAMA_BENCH_GUARD=renew cargo "]);
    place.check(GuardMode::Renew, &run_on(5, 0.0)).unwrap();
    assert_eq!(place.n_runs(), 1);
}

#[test]
fn a_baseline_of_one_sitting_says_so_and_takes_a_run_of_another_day() {
    let place = Place::new();
    for _ in 0..3 {
        place.check(GuardMode::Add, &run_on(1, 0.0)).unwrap();
    }
    let same_day = place.check(GuardMode::Save, &run_on(1, 0.0)).unwrap();
    assert_eq!(same_day.saved, None);
    assert_says(
        &same_day,
        &["the 3 runs of the baseline are of one sitting", "LLAMA_BENCH_GUARD=add cargo "],
    );
    let error = place.check(GuardMode::Check, &run_on(1, 0.5)).unwrap_err();
    assert_says(&error, &["are of one sitting"]);
    let later = place.check(GuardMode::Save, &run_on(4, 0.0)).unwrap();
    assert_eq!((later.saved.unwrap().n_runs, place.n_runs()), (4, 4));
    let settled = place.check(GuardMode::Save, &run_on(5, 0.0)).unwrap();
    assert_eq!((settled.saved, settled.notes), (None, vec![]));
}

#[test]
fn what_failed_is_neither_saved_nor_passed() {
    let mut report = run_on(1, 0.0);
    report.runs[0].cells[1] = failed(TestKind::Tg(32), 0);
    for mode in [GuardMode::Save, GuardMode::Renew, GuardMode::Add] {
        let place = Place::new();
        let error = place.check(mode, &report).unwrap_err();
        let is_gap =
            matches!(&error, GuardError::Regression { source: RegressionError::Incomplete { .. }, .. });
        assert!(is_gap, "{error}");
        assert_says(&error, &["tg32 failed", "nothing was saved"]);
        assert_eq!(place.n_runs(), 0);
    }
    let place = Place::with_baseline();
    assert_says(&place.check(GuardMode::Save, &report).unwrap_err(), &["tg32 failed"]);
    let unable = || Err::<Report, _>(io::Error::other("no such model"));
    let error = place.guard(GuardMode::Check).check(unable).unwrap_err();
    assert_eq!(format!("{error:?}"), "cannot measure: no such model");
}

/// Tests that were added to the sweep later.
#[test]
fn what_is_not_in_the_baseline_is_named_and_may_not_fail() {
    let place = Place::with_baseline();
    let with = |cell: Cell| {
        let mut report = run_on(4, 0.0);
        report.runs[0].cells.push(cell);
        report
    };
    let new = reference().runs[0].cells[5].clone();
    let guarded = place.check(GuardMode::Save, &with(new)).unwrap();
    assert_says(
        &guarded,
        &["not in the baseline and not judged: tg32 @ d8192", "LLAMA_BENCH_GUARD=renew cargo "],
    );
    let error = place.check(GuardMode::Save, &with(failed(TestKind::Tg(32), 8192))).unwrap_err();
    assert_says(&error, &["1 of the cells to judge is not there", "tg32 @ d8192 failed"]);
}

#[test]
fn a_guard_that_is_off_measures_nothing() {
    let measure = || -> Result<Report, io::Error> { panic!("measured") };
    let guarded = Place::new().guard(GuardMode::Off).check(measure).unwrap();
    assert_eq!(guarded.verdict, GuardVerdict::Off);
    assert_says(&guarded, &["off: nothing was measured"]);
}

#[test]
fn faster_than_the_baseline_passes_and_says_how_to_hold_it() {
    let guarded = Place::with_baseline().check(GuardMode::Save, &run_on(4, -0.2)).unwrap();
    assert_says(&guarded, &["passed; faster than the baseline", "LLAMA_BENCH_GUARD=renew cargo "]);
}

/// Started by the test below, with an environment of its own; else it saves to a folder of its own.
#[test]
fn guarded_by_the_environment() {
    let guard = Guard::new("main");
    let folder = tempfile::tempdir().unwrap();
    if env::var_os("GUARD_TESTS_PARENT").is_some() {
        guard.assert(&run_on(1, 0.0));
    } else {
        guard.folder(folder.path()).mode(GuardMode::Save).assert(&run_on(1, 0.0));
        assert_eq!(Baselines::new(folder.path()).names(), ["main"]);
    }
}

/// Whether the test above passes in this package with this environment, and what it shows.
fn start(package: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "guarded_by_the_environment"]).env("GUARD_TESTS_PARENT", "1");
    for name in ["CI", "NEXTEST", "LLAMA_BENCH_GUARD", "LLAMA_BENCH_BASELINES"] {
        command.env_remove(name);
    }
    command.env("CARGO_MANIFEST_DIR", package).env("CARGO_PKG_NAME", "app").envs(variables.iter().copied());
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(shown).unwrap())
}

#[test]
fn the_environment_says_what_guards_do_and_what_they_say_is_seen() {
    let package = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| start(package.path(), variables);
    let (passed, shown) = run(&[("CI", "true")]);
    assert!(!passed);
    assert_says(&shown, &["guard \"main\": no baseline in ", "(CI is set)", "cargo test -p app"]);
    // The harness captures what passing tests print; this must be seen nevertheless.
    let (passed, shown) = run(&[]);
    assert!(passed, "{shown}");
    assert_says(&shown, &["guard \"main\": no baseline yet: saved 1 of 3 runs to tests/baselines"]);
    assert_eq!(Baselines::new(package.path().join("tests/baselines")).names(), ["main"]);
    let (passed, shown) = run(&[("CI", "true")]);
    assert!(passed, "{shown}");
    let (passed, shown) = run(&[("LLAMA_BENCH_GUARD", "renew"), ("CI", "true")]);
    assert!(passed);
    assert_says(&shown, &["renewed: saved 1 of 3 runs"]);
    let (passed, shown) = run(&[("LLAMA_BENCH_GUARD", "overwrite")]);
    assert!(!passed);
    assert_says(&shown, &["LLAMA_BENCH_GUARD=overwrite: not a mode"]);
    let elsewhere = package.path().join("elsewhere");
    let (passed, shown) = run(&[("LLAMA_BENCH_BASELINES", elsewhere.to_str().unwrap())]);
    assert!(passed);
    assert_says(&shown, &["no baseline yet"]);
    assert_eq!(Baselines::new(elsewhere).names(), ["main"]);
}
