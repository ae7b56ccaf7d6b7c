//! `sweep --save-baseline` and `sweep --baseline`, from outside: what each stream gets, and the exit status.
#![allow(missing_docs)]

mod support;

use std::{path::Path, process::Output, time::Duration};

use llama_bench_rs::{
    baseline::Baselines,
    record::{Outcome, Report, work::Nodes},
    report,
};

/// A sweep of a second or less, with these flags.
fn run(baselines: &Path, flags: &[&str]) -> Output {
    support::example("sweep")
        .args("--shape tiny-llama -p 8 -n 2 -d 0 -r 3 -t 1 --baseline-dir".split(' '))
        .arg(baselines)
        .args(flags)
        .output()
        .unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The same runs, all in this share of their time.
fn faster(report: &Report, share: f64) -> Report {
    let mut report = report.clone();
    for cell in report.runs.iter_mut().flat_map(|run| &mut run.cells) {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("{cell:?}") };
        for sample in &mut measured.samples {
            sample.elapsed = sample.elapsed.mul_f64(share).max(Duration::from_nanos(100));
            // It would be the time on a core, which no run of this length has.
            sample.disturbance = None;
        }
    }
    report
}

#[test]
fn calibrated_runs_are_compared_relative_to_the_loop() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let saved = run(folder.path(), &["--calibrate", "--save-baseline", "main", "-o", "json"]);
        let (out, err) = texts(&saved);
        assert!(saved.status.success(), "{err}");
        let report = report::read_str(&out).unwrap().report;
        let calibrations = |cell: &llama_bench_rs::record::Cell| cell.calibrated_run().is_some();
        // Work on devices is not calibrated.
        let is_on_cpu = report.runs[0].header.resolved.offloaded_layers.is_none();
        assert!(report.cells().all(|(_, cell)| calibrations(cell) == is_on_cpu));
        if !is_on_cpu {
            return;
        }
    }
    let say = |flags: &[&str]| texts(&run(folder.path(), &[flags, &["--tolerance", "10000"]].concat())).0;
    let adjusted = say(&["--calibrate", "--baseline", "main"]);
    assert!(adjusted.contains("relative to the calibration loop"), "{adjusted}");
    let mixed = say(&["--baseline", "main"]);
    assert!(mixed.contains("not all runs are calibrated: pp8, tg2"), "{mixed}");
}

#[test]
fn a_baseline_is_saved_compared_and_missed() {
    let folder = tempfile::tempdir().unwrap();
    let saved = run(folder.path(), &["--save-baseline", "main", "-o", "json"]);
    let (stdout, stderr) = texts(&saved);
    assert_eq!(saved.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("saved as main in "), "{stderr}");
    let measured = report::read_str(&stdout).unwrap().report;
    let baselines = Baselines::new(folder.path());
    let baseline = baselines.load("main", &measured).unwrap();
    assert_eq!(baseline.report().runs.len(), 1);

    // Whatever runs beside this test, it does not take a million times as long.
    let same = run(folder.path(), &["--baseline", "main", "--tolerance", "100000000"]);
    let (stdout, stderr) = texts(&same);
    assert_eq!(same.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("Against the baseline main:") && stdout.contains("verdict"), "{stdout}");

    // And it always takes a thousand times as long as this.
    let fast = faster(baseline.report(), 1e-4);
    for _ in 0..5 {
        baselines.save("fast", &fast).unwrap();
    }
    let flags = ["--baseline", "fast", "--save-baseline", "fast", "-o", "jsonl"];
    let slow = run(folder.path(), &flags);
    let (stdout, stderr) = texts(&slow);
    assert_eq!(slow.status.code(), Some(3), "{stdout}{stderr}");
    assert!(report::read_str(&stdout).is_ok(), "the comparison stays out of the results: {stdout}");
    assert!(stderr.contains("2 of 2 cells got slower") && stderr.contains("REGRESSED"), "{stderr}");
    assert!(stderr.contains("not saved as fast"), "{stderr}");
    assert_eq!(baselines.load("fast", &measured).unwrap().report().runs.len(), 5);

    let other = run(folder.path(), &["--baseline", "main", "--save-baseline", "small", "-ub", "64"]);
    let (_, stderr) = texts(&other);
    assert_eq!(other.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("n_ubatch: 512 in the baseline, 64 now"), "{stderr}");
    assert!(stderr.contains("saved as small in "), "a baseline of something else loses no results: {stderr}");
}

#[test]
fn what_a_baseline_cannot_judge_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let saved = run(folder.path(), &["--save-baseline", "main", "-o", "none"]);
    assert!(saved.status.success(), "{}", texts(&saved).1);
    for (flags, says) in [
        (&["-d", "4"][..], "has tests that are not asked for: pp8, tg2; ask for the same tests"),
        (&["-n", "0"], "has tests that are not asked for: tg2;"),
        (&["-ub", "64"], "n_ubatch: 512 in the baseline, 64 now"),
    ] {
        let output = support::example("sweep")
            .args(["--shape", "tiny-llama", "-p", "8", "-r", "2", "-t", "1", "--baseline-dir"])
            .arg(folder.path())
            .args(if flags[0] == "-n" { &[][..] } else { &["-n", "2"] })
            .args(if flags[0] == "-d" { &[][..] } else { &["-d", "0"] })
            .args(["--baseline", "main"])
            .args(flags)
            .output()
            .unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(says), "{flags:?}: {stdout}{stderr}");
    }
}

#[test]
fn bad_names_are_found_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, remedy) in [
        (["--baseline", "main"], "there is no baseline \"main\""),
        (["--baseline", "../main"], "use ASCII letters"),
        (["--save-baseline", ""], "it is empty"),
        (["--tolerance", "-1"], "0 or more"),
        (["--tolerance", "much"], "0 or more"),
    ] {
        let output = run(folder.path(), &flags);
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(remedy), "{flags:?}: {stderr}");
    }
}

#[test]
fn what_falls_short_of_an_expectation_makes_exit_status_3() {
    let folder = tempfile::tempdir().unwrap();
    let expect = |expected: &[&str]| {
        let flags: Vec<&str> = expected.iter().flat_map(|text| ["--expect", *text]).collect();
        let output = run(folder.path(), &flags);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, out, err) = expect(&["pp8=0.001..", "tg2=..1e9"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("\npp8: at least 0.001 t/s expected, ") && out.contains("\ntg2: at most "), "{out}");
    let (status, out, _) = expect(&["pp8=0.001..,tg2=1e9.."]);
    assert_eq!(status, Some(3));
    assert!(out.contains("falls short of the expectation."), "{out}");
    let (status, _, err) = expect(&["tg2@512=1.."]);
    assert_eq!(status, Some(2));
    assert!(err.contains("tg2 @ d512 is not among the tests"), "{err}");
}

/// A baseline of a llama.cpp that computed attention in one node: the graph shows it, without any time.
#[test]
fn work_that_is_lost_since_the_baseline_has_status_3_and_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--save-baseline", "main", "-o", "json", "-fa", "0"];
    let saved = run(folder.path(), &flags);
    let (stdout, stderr) = texts(&saved);
    assert!(saved.status.success(), "{stderr}");
    let mut report = report::read_str(&stdout).unwrap().report;
    for work in report.runs.iter_mut().flat_map(|run| &mut run.header.work) {
        work.nodes.retain(|nodes| nodes.op != "SOFT_MAX");
        let attention = Nodes {
            op: "FLASH_ATTN_EXT".into(),
            data_type: "f16".into(),
            device: "CPU".into(),
            weights: None,
            n: 2,
        };
        work.nodes.push(attention);
    }
    let other = tempfile::tempdir().unwrap();
    // So slow that the speed alone passes.
    Baselines::new(other.path()).save("main", &faster(&report, 100.0)).unwrap();
    let compared = run(other.path(), &["--baseline", "main", "-fa", "0"]);
    let (stdout, _) = texts(&compared);
    assert_eq!(compared.status.code(), Some(3), "{stdout}");
    let said = stdout.split("Against the baseline main: ").nth(1).unwrap_or_default();
    assert!(said.starts_with("llama.cpp computes what was measured in another way"), "{stdout}");
    assert!(said.contains("lost: flash attention is off: 2 x FLASH_ATTN_EXT became "), "{stdout}");
    assert!(said.contains("detectable"), "the table follows: {stdout}");
}
