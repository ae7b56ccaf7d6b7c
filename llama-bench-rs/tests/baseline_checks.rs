//! What a baseline is asked before anything is measured, and what it takes afterwards.
#![allow(missing_docs)]

mod report_support;

use llama_bench_rs::{
    judge::{
        Tolerance,
        baseline::{BaselineError, Baselines, Key},
    },
    record::{ModelInfo, Outcome, Report, Test, pp, tg},
    testing::{quick_sweep, tiny_model},
};
use report_support::reference;
use tempfile::TempDir;

fn folder() -> (TempDir, Baselines) {
    let dir = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(dir.path());
    (dir, baselines)
}

/// Runs of the reference that take this many times as long.
fn runs(n: usize, factor: f64) -> Report {
    let mut report = Report { runs: vec![reference().runs.remove(0); n] };
    for cell in report.runs.iter_mut().flat_map(|run| &mut run.cells) {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.samples.iter_mut().for_each(|sample| sample.elapsed = sample.elapsed.mul_f64(factor));
        }
    }
    report
}

fn tests_of(report: &Report) -> Vec<Test> {
    report.runs[0].cells.iter().map(|cell| cell.test).collect()
}

#[test]
fn tests_that_a_baseline_has_and_a_request_lacks_are_refused() {
    let (_dir, baselines) = folder();
    let report = reference();
    baselines.save("main", &report).unwrap();
    let (header, tests) = (&report.runs[0].header, tests_of(&report));
    assert_eq!(baselines.check_tests("main", header, &tests).unwrap(), []);
    let error = baselines.check_tests("main", header, &tests[1..]).unwrap_err();
    assert!(matches!(&error, BaselineError::OtherTests { missing, .. } if *missing == tests[..1]), "{error}");
    let said = error.to_string();
    assert!(said.contains(&format!("tests that are not asked for: {};", tests[0])), "{said}");
}

#[test]
fn tests_that_the_baseline_lacks_are_named() {
    let (_dir, baselines) = folder();
    let report = reference();
    baselines.save("main", &report).unwrap();
    let new: Test = tg(7).at(9);
    let tests = [tests_of(&report), vec![new]].concat();
    assert_eq!(baselines.check_tests("main", &report.runs[0].header, &tests).unwrap(), [new]);
    // A cell without a figure is one that the baseline lacks.
    let mut failed = report.clone();
    let lost = failed.runs[0].cells[0].test;
    failed.runs[0].cells[0].outcome =
        Outcome::Failed(llama_bench_rs::record::Failure::new("decode", "decode failed"));
    baselines.renew("main", &failed).unwrap();
    assert_eq!(baselines.check_tests("main", &report.runs[0].header, &tests).unwrap(), [lost, new]);
}

#[test]
fn what_cannot_be_judged_at_all_is_refused_as_by_load() {
    let (_dir, baselines) = folder();
    let report = reference();
    let (mut header, tests) = (report.runs[0].header.clone(), tests_of(&report));
    let missing = baselines.check_tests("main", &header, &tests).unwrap_err();
    assert!(matches!(missing, BaselineError::NotFound { .. }), "{missing}");
    assert_eq!(baselines.require("main").unwrap_err().to_string(), missing.to_string());
    baselines.save("main", &report).unwrap();
    baselines.require("main").unwrap();
    header.config.n_ubatch = Some(7);
    let error = baselines.check_tests("main", &header, &tests).unwrap_err();
    assert!(matches!(error, BaselineError::Differs { .. }), "{error}");
}

#[test]
fn a_model_that_is_not_known_yet_passes_if_a_baseline_of_any_model_fits() {
    let (_dir, baselines) = folder();
    let report = reference();
    let mut other = reference();
    other.runs[0].header.model.description = "another".into();
    other.runs[0].cells.truncate(2);
    baselines.save("main", &report).unwrap();
    baselines.save("main", &other).unwrap();
    let mut header = report.runs[0].header.clone();
    header.model = ModelInfo::default();
    for report in [&report, &other] {
        assert_eq!(baselines.check_tests("main", &header, &tests_of(report)).unwrap(), []);
    }
    let error = baselines.check_tests("main", &header, &tests_of(&other)[..1]).unwrap_err();
    assert!(matches!(error, BaselineError::OtherTests { .. }), "{error}");
}

/// A check before measuring must not refuse what a comparison afterwards takes.
#[test]
fn a_sweep_is_of_the_same_before_and_after_it_is_measured() {
    let model = tiny_model().unwrap();
    let sweep = llama_bench_rs::bench::Sweep::new(&model).prompt(4).generate(2).repetitions(2);
    let before = Key::of(&sweep.header().unwrap());
    let report = sweep.run().unwrap();
    assert_eq!(before.differences(&Key::of(&report.runs[0].header)), []);
    let (_dir, baselines) = folder();
    baselines.save("main", &report).unwrap();
    let header = quick_sweep(&model).prompt(4).run().unwrap().runs.remove(0).header;
    let refused = baselines.check_tests("main", &header, &[pp(4)]).unwrap_err();
    assert!(matches!(refused, BaselineError::OtherTests { .. } | BaselineError::Differs { .. }), "{refused}");
}

#[test]
fn slower_runs_are_not_added_to_the_baseline_that_they_would_spoil() {
    let (_dir, baselines) = folder();
    baselines.save("main", &runs(5, 1.0)).unwrap();
    let slow = runs(2, 1.5);
    let against = baselines.compare("main", &slow, Tolerance::default()).unwrap();
    assert!(against.is_slower() && !against.is_passed());
    assert!(against.to_string().contains("cells got slower"), "{against}");
    let error = baselines.save_compared(&slow, &against).unwrap_err();
    assert!(error.to_string().starts_with("not saved as main: a baseline of slower runs"), "{error}");
    assert_eq!(baselines.load("main", &slow).unwrap().report().runs.len(), 5);

    let same = runs(1, 1.001);
    let against = baselines.compare("main", &same, Tolerance::default()).unwrap();
    assert!(against.is_passed() && !against.is_slower(), "{against}");
    assert_eq!(baselines.save_compared(&same, &against).unwrap().report().runs.len(), 6);
}

#[test]
fn what_is_missing_is_neither_slower_nor_passed() {
    let (_dir, baselines) = folder();
    baselines.save("main", &runs(5, 1.0)).unwrap();
    let mut part = runs(2, 1.0);
    part.runs.iter_mut().for_each(|run| run.cells.truncate(2));
    let against = baselines.compare("main", &part, Tolerance::default()).unwrap();
    assert!(!against.is_slower() && !against.is_passed());
    assert!(against.to_string().contains("was not measured: add it to the sweep"), "{against}");
    baselines.save_compared(&part, &against).unwrap();
}

#[test]
fn work_that_is_lost_counts_as_slower_whatever_the_clock_says() {
    let (_dir, baselines) = folder();
    let mut report = runs(3, 1.0);
    let on = |device: &str| llama_bench_rs::record::Work {
        kind: llama_bench_rs::record::work::WorkKind::Prompt,
        n_tokens: 64,
        n_splits: 1,
        nodes: vec![llama_bench_rs::record::work::Nodes {
            op: "MUL_MAT".into(),
            data_type: "q4_K".into(),
            device: device.into(),
            weights: Some(device.into()),
            n: 24,
        }],
        copies: Vec::new(),
        results: Vec::new(),
        strays: Vec::new(),
    };
    report.runs.iter_mut().for_each(|run| run.header.work = vec![on("CUDA0")]);
    baselines.save("main", &report).unwrap();
    report.runs.iter_mut().for_each(|run| run.header.work = vec![on("CPU")]);
    let against = baselines.compare("main", &report, Tolerance::default()).unwrap();
    assert!(against.speed.is_ok() && against.is_slower(), "{against}");
    let said = against.to_string();
    assert!(said.starts_with("llama.cpp computes what was measured in another way"), "{said}");
    assert!(said.contains("moved from CUDA0 to the CPU") && said.contains("detectable"), "{said}");
    assert!(baselines.save_compared(&report, &against).is_err());
}
