//! Baselines on disk: what is kept, what is refused, what damage says.
#![allow(missing_docs)]

mod report_support;

use std::{fs, path::Path, time::Duration};

use llama_bench_rs::{
    baseline::{BaselineError, Baselines, Key},
    record::{Outcome, Report, Run, TestKind},
    report::{self, Format},
};
use report_support::{failed, reference};
use tempfile::TempDir;

fn folder() -> (TempDir, Baselines) {
    let dir = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(dir.path().join("baselines"));
    (dir, baselines)
}

/// The reference run, begun at this second.
fn run_at(second: u32) -> Report {
    let mut report = reference();
    report.runs[0].header.timing.started_at = format!("2025-11-03T10:00:{second:02}Z");
    report
}

fn starts(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| &run.header.timing.started_at[17..19]).collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_saved_is_loaded() {
    let (_dir, baselines) = folder();
    assert!(!baselines.contains("main").unwrap());
    let saved = baselines.save("main", &run_at(0)).unwrap();
    let loaded = baselines.load("main", &run_at(30)).unwrap();
    assert_eq!(loaded, saved);
    assert_eq!(loaded.report(), &run_at(0));
    assert_eq!(loaded.name(), "main");
    let fingerprint = Key::of(&reference().runs[0].header).fingerprint();
    assert_eq!(loaded.files(), [baselines.folder().join("main").join(format!("{fingerprint}.json"))]);
    assert!(baselines.contains("main").unwrap());
    assert_eq!(baselines.names(), ["main"]);
}

#[test]
fn the_file_is_for_people_too() {
    let (_dir, baselines) = folder();
    let mut report = reference();
    report.runs[0].cells.truncate(1);
    let saved = baselines.save("gb10", &report).unwrap();
    let text = fs::read_to_string(&saved.files()[0]).unwrap();
    let (envelope, rows) = text.split_once("\"rows\": [\n").unwrap();
    insta::assert_snapshot!(envelope);
    let row = report::to_string(&report, Format::Jsonl).unwrap();
    assert_eq!(rows, format!("    {row}  ]\n}}\n"));
}

#[test]
fn runs_add_up_and_the_oldest_goes() {
    let (_dir, baselines) = folder();
    let baselines = baselines.keep(3);
    for second in 0..5 {
        baselines.save("main", &run_at(second)).unwrap();
    }
    let loaded = baselines.load("main", &reference()).unwrap();
    assert_eq!(starts(&loaded.report().runs), ["02", "03", "04"]);
    // A report may bring several runs, and more than are kept.
    let many = Report { runs: (10..15).flat_map(|second| run_at(second).runs).collect() };
    assert_eq!(starts(&baselines.save("main", &many).unwrap().report().runs), ["12", "13", "14"]);
}

#[test]
fn another_build_begins_anew() {
    let (_dir, baselines) = folder();
    baselines.save("main", &run_at(0)).unwrap();
    let mut newer = run_at(1);
    newer.runs[0].header.build.commit = "abcdef01".into();
    let loaded = baselines.save("main", &newer).unwrap();
    assert_eq!(starts(&loaded.report().runs), ["01"]);
    // The build is not part of a baseline's key.
    assert_eq!(baselines.load("main", &run_at(2)).unwrap(), loaded);
}

#[test]
fn one_name_serves_several_machines_and_configurations() {
    let (_dir, baselines) = folder();
    let mut other = run_at(1);
    other.runs[0].header.host.cpu_info = "EPYC".into();
    let mut third = run_at(2);
    third.runs[0].header.config.n_ubatch = Some(512);
    let both = Report { runs: [run_at(0).runs, third.runs.clone()].concat() };
    baselines.save("main", &both).unwrap();
    baselines.save("main", &other).unwrap();
    assert_eq!(files(&baselines.folder().join("main")).len(), 3 + 1, "a file each, and the lock");
    assert_eq!(starts(&baselines.load("main", &other).unwrap().report().runs), ["01"]);
    let mut loaded = baselines.load("main", &both).unwrap().report().runs.clone();
    loaded.sort_by(|a, b| a.header.timing.started_at.cmp(&b.header.timing.started_at));
    assert_eq!(starts(&loaded), ["00", "02"]);
}

#[test]
fn something_else_is_refused_with_what_differs() {
    let (_dir, baselines) = folder();
    baselines.save("main", &reference()).unwrap();
    let mut other = reference();
    let header = &mut other.runs[0].header;
    header.host.gpu_info = "NVIDIA B200".into();
    header.config.n_ubatch = Some(512);
    header.model.description = "gpt-oss 20B MXFP4 MoE".into();
    let error = baselines.load("main", &other).unwrap_err();
    let BaselineError::Differs { differences, .. } = &error else { panic!("{error:?}") };
    assert_eq!(differences.len(), 3);
    insta::assert_snapshot!(error);
    // Of several, the closest one is reported.
    let mut closer = other.clone();
    closer.runs[0].header.config.n_threads = Some(7);
    baselines.save("main", &closer).unwrap();
    let error = baselines.load("main", &other).unwrap_err().to_string();
    assert!(error.contains("n_threads: 7 in the baseline, 20 now"), "{error}");
    assert!(!error.contains("gpu_info"), "{error}");
}

#[test]
fn a_name_that_is_not_there_names_those_that_are() {
    let (_dir, baselines) = folder();
    let missing = baselines.load("main", &reference()).unwrap_err();
    assert!(matches!(missing, BaselineError::NotFound { .. }));
    assert!(missing.to_string().ends_with("save one first"), "{missing}");
    baselines.save("v1", &reference()).unwrap();
    baselines.save("v2", &reference()).unwrap();
    let missing = baselines.load("main", &reference()).unwrap_err().to_string();
    assert!(missing.contains("there are: v1, v2"), "{missing}");
    for name in ["../v1", "", "a/b"] {
        assert!(matches!(baselines.save(name, &reference()), Err(BaselineError::Name { .. })));
        assert!(matches!(baselines.load(name, &reference()), Err(BaselineError::Name { .. })));
    }
    assert_eq!(files(baselines.folder()), ["v1", "v2"], "nothing was written elsewhere");
}

#[test]
fn a_report_without_figures_is_no_baseline() {
    let (_dir, baselines) = folder();
    let mut all_failed = reference();
    all_failed.runs[0].cells = vec![failed(TestKind::Pp(2048), 0)];
    for report in [Report::default(), all_failed.clone()] {
        let error = baselines.save("main", &report).unwrap_err();
        assert!(matches!(error, BaselineError::NothingMeasured { .. }), "{error:?}");
    }
    // One that failed in part is.
    all_failed.runs[0].cells.push(reference().runs[0].cells[1].clone());
    assert_eq!(baselines.save("main", &all_failed).unwrap().report(), &all_failed);
}

#[test]
fn damage_is_named_with_its_file_and_remedy() {
    let (_dir, baselines) = folder();
    let saved = baselines.save("main", &reference()).unwrap();
    let path = &saved.files()[0];
    let whole = fs::read_to_string(path).unwrap();
    let refused = |text: &[u8]| {
        fs::write(path, text).unwrap();
        let error = baselines.load("main", &reference()).unwrap_err();
        let again = baselines.save("main", &reference()).unwrap_err();
        assert_eq!(error.to_string(), again.to_string(), "nothing is overwritten unseen");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        error
    };
    for text in [
        &whole.as_bytes()[..whole.len() / 2],
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        whole.replace("\"rows\"", "\"lines\"").as_bytes(),
        whole
            .replace(
                "\"cpu_info\": \"Cortex-X925, Cortex-A725\",\n    \"dev",
                "\"cpu_info\": \"EPYC\",\n    \"dev",
            )
            .as_bytes(),
        whole.replacen("\"samples_ns\": [", "\"samples_ns\": [-", 1).as_bytes(),
    ] {
        let error = refused(text);
        assert!(matches!(error, BaselineError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().ends_with("delete it and save the baseline again"), "{error}");
    }
    for newer in ["\"version\": 1", "\"schema_version\": "] {
        let version = if newer.ends_with('1') { "\"version\": 9" } else { "\"schema_version\": 9" };
        let error = refused(whole.replace(newer, version).as_bytes());
        assert!(matches!(error, BaselineError::NewerVersion { found: 9.., .. }), "{error:?}");
        assert!(error.to_string().contains("update llama-bench-rs"), "{error}");
    }
    fs::write(path, &whole).unwrap();
    assert_eq!(baselines.load("main", &reference()).unwrap(), saved);
}

#[test]
fn a_damaged_file_of_another_machine_is_no_hindrance() {
    let (_dir, baselines) = folder();
    let saved = baselines.save("main", &reference()).unwrap();
    fs::write(baselines.folder().join("main").join("0123456789abcdef.json"), "{").unwrap();
    assert_eq!(baselines.load("main", &reference()).unwrap(), saved);
}

#[test]
fn a_report_that_tells_less_finds_its_baseline() {
    let (_dir, baselines) = folder();
    baselines.save("main", &reference()).unwrap();
    let mut theirs = reference();
    theirs.runs[0].header.host.devices.clear();
    theirs.runs[0].header.model.architecture.clear();
    theirs.runs[0].header.model.n_vocab = None;
    assert_eq!(baselines.load("main", &theirs).unwrap().report(), &reference());
}

#[test]
fn nothing_but_the_files_is_left_behind() {
    let (_dir, baselines) = folder();
    for second in 0..3 {
        baselines.save("main", &run_at(second)).unwrap();
    }
    let names = files(&baselines.folder().join("main"));
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0] == ".lock" && names[1].ends_with(".json"), "{names:?}");
}

#[test]
fn many_can_save_at_once() {
    let (_dir, baselines) = folder();
    let baselines = baselines.keep(40);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let baselines = &baselines;
            scope.spawn(move || {
                for i in 0..5 {
                    baselines.save("main", &run_at(thread * 5 + i)).unwrap();
                    // A reader in between sees complete files.
                    baselines.load("main", &reference()).unwrap();
                }
            });
        }
    });
    let loaded = baselines.load("main", &reference()).unwrap();
    let mut seconds = starts(&loaded.report().runs);
    seconds.sort_unstable();
    assert_eq!(seconds, (0..20).map(|s| format!("{s:02}")).collect::<Vec<_>>());
}

#[test]
fn a_summary_without_samples_can_be_kept() {
    let (_dir, baselines) = folder();
    let mut theirs = report_support::assorted();
    theirs.runs.remove(0);
    assert!(matches!(theirs.runs[0].cells[0].outcome, Outcome::Summarised(_)));
    let loaded = baselines.save("main", &theirs).unwrap();
    let Outcome::Summarised(summary) = loaded.report().runs[0].cells[0].outcome else { panic!("{loaded:?}") };
    assert_eq!(summary.mean, Duration::from_nanos(551_466_000));
}
