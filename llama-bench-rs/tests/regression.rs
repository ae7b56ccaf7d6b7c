//! What the assertions for tests say of made-up reports.
#![allow(missing_docs)]

mod report_support;

use llama_bench_rs::with;
use std::time::Duration;

use llama_bench_rs::{
    judge::Verdict,
    record::{Outcome, Report, Run, TestKind},
    report::{self, Format},
    testing::{
        Calibration, Floor, RegressionError, Tolerance, assert_at_least, assert_no_regression,
        check_at_least, check_no_regression, pg, pp, tg,
    },
};
use report_support::{failed, reference};

/// `n` runs of the reference that lie a few per mille apart, all slower by this share.
fn runs(n: usize, slowdown: f64) -> Report {
    let run = |i: usize| {
        let mut run = reference().runs.remove(0);
        run.cells.truncate(4);
        let factor = (1.0 + slowdown) * (1.0 + 0.001 * [0.0, 1.0, -1.0, 2.0, -2.0][i % 5]);
        slow_down(&mut run.cells.iter_mut().collect::<Vec<_>>(), factor);
        run
    };
    Report { runs: (0..n).map(run).collect() }
}

fn slow_down(cells: &mut [&mut llama_bench_rs::record::Cell], factor: f64) {
    for cell in cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.samples.iter_mut().for_each(|sample| sample.elapsed = sample.elapsed.mul_f64(factor));
        }
    }
}

fn check(baseline: &Report, report: &Report) -> Result<llama_bench_rs::testing::Outcome, RegressionError> {
    check_no_regression(baseline, report, Tolerance::default())
}

#[test]
fn the_same_speed_passes() {
    let outcome = check(&runs(5, 0.0), &runs(1, 0.002)).unwrap();
    assert_eq!(outcome.cells.len(), 4);
    assert!(outcome.cells.iter().all(|cell| cell.verdict() == Verdict::NoChange), "{outcome}");
    assert_eq!(outcome.warning(), None);
    assert_eq!(outcome.builds_now, ["llama-cpp-sys-2 0.1.161 5f4a7ef3"]);
}

#[test]
fn one_slow_cell_of_four_is_found_and_shown() {
    let mut now = runs(1, 0.0);
    now.runs[0].header.build.commit = "abcdef01".into();
    slow_down(&mut [&mut now.runs[0].cells[3]], 1.08);
    slow_down(&mut [&mut now.runs[0].cells[0]], 0.9);
    let error = check(&runs(5, 0.0), &now).unwrap_err();
    let RegressionError::Regressed(outcome) = &error else { panic!("{error:?}") };
    let verdicts: Vec<_> = outcome.cells.iter().map(|cell| cell.verdict()).collect();
    use Verdict::{Improved, NoChange, Regressed};
    assert_eq!(verdicts, [Improved, NoChange, NoChange, Regressed]);
    insta::assert_snapshot!(error);
}

#[test]
fn half_of_the_tolerance_always_passes_and_the_whole_is_found() {
    let verdicts = |slowdown| match check(&runs(10, 0.0), &runs(2, slowdown)) {
        Ok(outcome) => outcome.cells.iter().map(|cell| cell.verdict()).collect::<Vec<_>>(),
        Err(RegressionError::Regressed(outcome)) => outcome.cells.iter().map(|cell| cell.verdict()).collect(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(verdicts(0.02), [Verdict::NoChange; 4]);
    assert_eq!(verdicts(0.05), [Verdict::Regressed; 4]);
    assert_eq!(verdicts(-0.06), [Verdict::Improved; 4]);
    let wide = Tolerance::percent(20);
    assert!(check_no_regression(&runs(10, 0.0), &runs(1, 0.08), wide).is_ok());
}

#[test]
fn a_single_run_cannot_tell_and_says_so() {
    let outcome = check(&runs(1, 0.0), &runs(1, 0.05)).unwrap();
    assert!(outcome.cells.iter().all(|cell| cell.verdict() == Verdict::CannotTell), "{outcome}");
    let warning = outcome.warning().unwrap();
    assert!(warning.contains("tg32 @ d4096") && warning.contains("save more runs"), "{warning}");
    let strict = Tolerance::default().strict(true);
    let error = check_no_regression(&runs(1, 0.0), &runs(1, 0.05), strict).unwrap_err();
    assert!(matches!(error, RegressionError::Unsure(_)), "{error}");
    assert!(error.to_string().starts_with("4 of 4 cells may have got slower"), "{error}");
    assert!(error.to_string().contains("one run each: cannot tell"), "{error}");
    // The assertion passes, with the warning.
    assert_no_regression(&runs(1, 0.0), &runs(1, 0.05), Tolerance::default());
}

#[test]
fn what_is_missing_or_failed_is_no_pass() {
    let mut now = runs(1, 0.0);
    now.runs[0].cells.remove(2);
    let deep = TestKind::Tg(32);
    now.runs[0].cells[2] = failed(deep, 4096);
    let error = check(&runs(5, 0.0), &now).unwrap_err();
    let RegressionError::Incomplete { gaps, judged } = &error else { panic!("{error:?}") };
    assert_eq!(gaps.len(), 2);
    assert_eq!(judged.as_ref().map(|outcome| outcome.cells.len()), Some(2), "the others are judged");
    insta::assert_snapshot!(error);
    // A test that failed before too, and a new one, are not judged.
    let mut before = runs(5, 0.0);
    for run in &mut before.runs {
        run.cells[3] = failed(deep, 4096);
        run.cells.remove(2);
    }
    let outcome = check(&before, &now).unwrap();
    assert_eq!((outcome.cells.len(), outcome.uncompared.len()), (2, 0));
    let outcome = check(&before, &runs(1, 0.0)).unwrap();
    assert_eq!(
        outcome.uncompared.iter().map(|t| t.to_string()).collect::<Vec<_>>(),
        ["pp2048 @ d4096", "tg32 @ d4096"]
    );
    assert!(outcome.to_string().ends_with("not in the baseline: pp2048 @ d4096, tg32 @ d4096"), "{outcome}");
}

/// A model that could not be loaded hides no regression of another one.
#[test]
fn a_failed_run_is_a_gap_and_the_others_are_judged() {
    let mut not_loaded = runs(1, 0.0).runs.remove(0);
    let filename = "missing.gguf".into();
    not_loaded.header.model = with!(llama_bench_rs::record::ModelInfo { filename, ..Default::default() });
    not_loaded.cells.iter_mut().for_each(|cell| *cell = failed(cell.test.kind, cell.test.n_depth));
    let with_failed = |mut report: Report| {
        report.runs.insert(0, not_loaded.clone());
        report
    };
    let error = check(&runs(5, 0.0), &with_failed(runs(1, 0.0))).unwrap_err();
    let RegressionError::Incomplete { gaps, judged } = &error else { panic!("{error:?}") };
    assert_eq!((gaps.len(), judged.as_ref().unwrap().cells.len()), (4, 4));
    let error = check(&runs(5, 0.0), &with_failed(runs(5, 0.3))).unwrap_err();
    let RegressionError::Regressed(outcome) = &error else { panic!("{error:?}") };
    assert_eq!(outcome.gaps.len(), 4);
    assert!(error.to_string().contains("not judged: "), "{error}");
}

/// Runs of a machine that was slower by these shares, each with its calibration.
fn calibrated_runs(machine: &[f64], slowdown: f64) -> Report {
    let mut report = runs(machine.len(), slowdown);
    for (run, factor) in report.runs.iter_mut().zip(machine) {
        run.header.config.calibration = Some(1);
        slow_down(&mut run.cells.iter_mut().collect::<Vec<_>>(), 1.0 + factor);
        set_calibration(run, Some(Duration::from_micros(50).mul_f64(1.0 + factor)));
    }
    report
}

fn set_calibration(run: &mut Run, calibration: Option<Duration>) {
    for cell in &mut run.cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.samples.iter_mut().for_each(|sample| sample.calibration = calibration);
        }
    }
}

#[test]
fn a_verdict_needs_the_calibrated_times_to_agree() {
    let before = calibrated_runs(&[0.04, 0.1, 0.06, 0.14, 0.0, 0.1, 0.16, 0.08], 0.0);
    let outcome = check(&before, &calibrated_runs(&[0.1, 0.06], 0.0)).unwrap();
    let has_change = |outcome: &llama_bench_rs::testing::Outcome| {
        outcome.cells.iter().any(|cell| matches!(cell.verdict(), Verdict::Regressed | Verdict::Improved))
    };
    assert!(!has_change(&outcome), "{outcome}");
    // The machine takes half as long again, and so does the calibration loop: nothing got slower.
    let outcome = check(&before, &calibrated_runs(&[0.6], 0.0)).unwrap();
    assert!(outcome.cells.iter().all(|cell| cell.verdict() == Verdict::Inconclusive), "{outcome}");
    let warning = outcome.warning().unwrap();
    assert!(warning.starts_with("warning: neighbours busy: inconclusive whether pp2048, tg32"), "{warning}");
    // An interrupted calibration loop makes an alarm out of equal times.
    let mut interrupted = calibrated_runs(&[0.08], 0.0);
    set_calibration(&mut interrupted.runs[0], Some(Duration::from_micros(40)));
    let outcome = check(&before, &interrupted).unwrap();
    assert!(!has_change(&outcome), "{outcome}");
    // Both say it.
    let error =
        check(&calibrated_runs(&[0.0, 0.01, 0.0, 0.01, 0.0], 0.0), &calibrated_runs(&[0.0, 0.01], 0.1))
            .unwrap_err();
    let RegressionError::Regressed(outcome) = &error else { panic!("{error:?}") };
    for cell in &outcome.cells {
        assert_eq!(cell.verdict(), Verdict::Regressed);
        let Calibration::Adjusted(adjustment) = cell.judged.calibration else {
            panic!("{:?}", cell.judged.calibration)
        };
        assert!(adjustment.speedup.get() < 0.93 && cell.judged.speedup.get() < 0.93, "{adjustment:?}");
    }
    insta::assert_snapshot!(error);
}

#[test]
fn runs_that_are_not_all_calibrated_are_compared_as_measured() {
    let as_measured = check(&runs(5, 0.0), &runs(1, 0.0)).unwrap();
    assert!(as_measured.cells.iter().all(|cell| cell.judged.calibration == Calibration::Unknown));
    let another_work = |mut report: Report| {
        report.runs[0].header.config.calibration = Some(2);
        report
    };
    let without_one = |mut report: Report| {
        set_calibration(&mut report.runs[2], None);
        report
    };
    let (before, now) = (calibrated_runs(&[0.0; 5], 0.0), calibrated_runs(&[0.0], 0.0));
    for (before, now) in [
        (runs(5, 0.0), now.clone()),
        (before.clone(), runs(1, 0.0)),
        (before.clone(), another_work(now.clone())),
        (without_one(before), now),
    ] {
        let outcome = check(&before, &now).unwrap();
        for (cell, expected) in outcome.cells.iter().zip(&as_measured.cells) {
            assert_eq!(
                (cell.judged.calibration, cell.judged.speedup),
                (Calibration::Mixed, expected.judged.speedup)
            );
        }
        let told = "as measured, since not all runs are calibrated: pp2048, tg32";
        assert!(outcome.to_string().contains(told), "{outcome}");
    }
}

/// Runs of one day do not show other days: a warning says so for any number of them, and the interval is wider.
#[test]
fn a_baseline_of_one_sitting_is_warned_of() {
    let on = |day: u32, mut report: Report| {
        let at = format!("2026-11-{day:02}T10:00:00Z");
        report.runs.iter_mut().for_each(|run| run.header.timing.started_at.clone_from(&at));
        report
    };
    let before = on(1, runs(10, 0.0));
    let same_day = check(&before, &on(1, runs(1, 0.0))).unwrap();
    assert_eq!((same_day.warning(), same_day.baseline_is_of_one_sitting), (None, false));
    let another = check(&before, &on(2, runs(1, 0.0))).unwrap();
    assert!(another.warning().unwrap().contains("made in one sitting"), "{another}");
    let slower = |now| check(&before, &now).is_err();
    assert!(slower(on(1, runs(1, 0.05))), "found in the same sitting");
    assert!(!slower(on(2, runs(1, 0.05))), "as large as what days differ by");
    assert!(slower(on(2, runs(1, 0.15))));
    let mut days = runs(10, 0.0);
    for (i, run) in days.runs.iter_mut().enumerate() {
        run.header.timing.started_at = format!("2026-11-{:02}T10:00:00Z", i + 1);
    }
    let of_days = check(&days, &on(20, runs(1, 0.0))).unwrap();
    assert_eq!(of_days.warning(), None, "{of_days}");
    assert!(check(&days, &on(20, runs(1, 0.05))).is_err(), "days that are known not to differ");
}

#[test]
fn another_configuration_is_refused_by_name() {
    let mut now = runs(1, 0.0);
    now.runs[0].header.config.n_threads = Some(4);
    let error = check(&runs(5, 0.0), &now).unwrap_err();
    assert!(matches!(error, RegressionError::Differs { .. }));
    assert!(error.to_string().contains("configuration, n_threads: 20 in the baseline, 4 now"), "{error}");
    assert!(matches!(check(&Report::default(), &now), Err(RegressionError::NoRuns { side: "baseline" })));
    assert!(matches!(check(&now, &Report::default()), Err(RegressionError::NoRuns { side: "report" })));
}

#[test]
fn configurations_are_compared_with_their_own() {
    let with_ubatch = |mut report: Report, n_ubatch| {
        report.runs.iter_mut().for_each(|run| run.header.config.n_ubatch = Some(n_ubatch));
        report
    };
    let before = [runs(5, 0.0).runs, with_ubatch(runs(5, 0.5), 512).runs].concat();
    let now = [with_ubatch(runs(1, 0.5), 512).runs, runs(1, 0.0).runs].concat();
    let outcome = check(&Report { runs: before }, &Report { runs: now }).unwrap();
    assert!(outcome.cells.iter().all(|cell| cell.verdict() == Verdict::NoChange), "{outcome}");
    assert_eq!(outcome.cells[0].configuration, "ub 512");
    assert_eq!(outcome.cells[4].configuration, "ub 2048");
}

#[test]
fn floors_are_judged_by_the_interval() {
    let report = runs(3, 0.0);
    let pp = pp(2048);
    let outcome = check_at_least(&report, pp, 3000.0).unwrap();
    assert_eq!((outcome.verdict(), outcome.measured.n_runs), (Verdict::NoChange, 3));
    let close = check_at_least(&report, pp, 3720.0).unwrap();
    assert_eq!(close.verdict(), Verdict::CannotTell);
    assert_at_least(&report, pp, 3720.0);
    let strict = check_at_least(&report, pp, Floor::new(3720.0).strict(true)).unwrap_err();
    assert!(strict.to_string().contains("may be slower"), "{strict}");
    let below = check_at_least(&report, pp, 4500.0).unwrap_err();
    assert!(matches!(below, RegressionError::BelowFloor(_)));
    insta::assert_snapshot!(below);
    let missing = check_at_least(&report, TestKind::Pp(512), 1.0).unwrap_err();
    assert!(missing.to_string().contains("pp512 was not measured"), "{missing}");
    let mut with_failure = report.clone();
    with_failure.runs[2].cells[0] = failed(pp.kind, 0);
    let failure = check_at_least(&with_failure, pp, 1.0).unwrap_err();
    assert!(
        failure.to_string().contains("out_of_memory") || failure.to_string().contains("q8_0"),
        "{failure}"
    );
    assert!(matches!(check_at_least(&Report::default(), pp, 1.0), Err(RegressionError::NoRuns { .. })));
}

#[test]
#[should_panic(expected = "4 of 4 cells got slower (tolerance 5 %)")]
fn the_assertion_panics_with_the_table() {
    assert_no_regression(&runs(5, 0.0), &runs(1, 0.2), Tolerance::default());
}

#[test]
#[should_panic(expected = "tg32 @ d4096 is slower than it must be")]
fn the_floor_panics_with_the_table() {
    assert_at_least(&runs(1, 0.0), tg(32).at(4096), 1e6);
}

#[test]
#[should_panic(expected = "a floor of NaN tokens per second is not a speed: give a finite number above 0")]
fn a_floor_that_is_not_a_speed_is_refused() {
    for number in [0.0, -1.0, f64::INFINITY] {
        let error = check_at_least(&runs(1, 0.0), tg(32), number).unwrap_err();
        assert!(matches!(error, RegressionError::InvalidFloor { .. }), "{error}");
    }
    assert_at_least(&runs(1, 0.0), tg(32), f64::NAN);
}

/// The halves of a pg test are other cells than the tests of the same lengths.
#[test]
fn the_floor_of_a_half_of_a_pg_test_is_its_own() {
    let mut report = runs(1, 0.0);
    let half = pg(2048, 32).generation();
    report.runs[0].cells[1].test = half;
    assert_eq!(check_at_least(&report, half, 1.0).unwrap().test, half);
    let error = check_at_least(&report, tg(32), 1.0).unwrap_err();
    assert!(error.to_string().contains("tg32 was not measured"), "{error}");
}

#[test]
fn llama_benchs_own_summary_can_be_the_baseline() {
    let csv = include_str!("fixtures/llama-bench.csv");
    let theirs = report::read_str(csv).unwrap().report;
    let again = report::read_str(&report::to_string(&theirs, Format::Json).unwrap()).unwrap().report;
    let outcome = check(&theirs, &again).unwrap();
    assert!(!outcome.cells.is_empty());
    assert!(outcome.cells.iter().all(|cell| cell.judged.speedup.get() == 1.0), "{outcome}");
}
