//! Models and configurations that do not load: their cells carry the reason, and the others are measured.
#![allow(missing_docs)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use support::{example, run, sweep, tiny_model};

const SMALL: [&str; 8] = ["-p", "16", "-n", "4", "-r", "2", "-t", "1"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn rows(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn sweep_of(models: &[&Path], more: &[&str]) -> support::Ran {
    let models: Vec<&str> = models.iter().map(|path| text(path)).collect();
    sweep(["-m", &models.join(",")].into_iter().chain(SMALL).chain(more.iter().copied()))
}

/// A good model and a file of the same that was cut off.
fn good_and_cut_off(folder: &Path) -> (PathBuf, PathBuf) {
    let good = tiny_model(folder);
    let bad = folder.join("bad.gguf");
    let bytes = fs::read(&good).unwrap();
    fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
    (good, bad)
}

#[test]
fn remarks_name_the_configuration_that_they_are_about() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny_model(folder.path());
    let ran = sweep_of(&[&model], &["-fa", "0,1", "-ctv", "q8_0", "-o", "jsonl"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let remark = ran.err.lines().find(|line| line.contains("needs flash attention")).unwrap();
    assert!(remark.starts_with("sweep: fa 0: "), "{remark}");
}

#[test]
fn every_format_has_the_good_models_figures_and_the_bad_ones_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = good_and_cut_off(folder.path());
    for format in ["json", "jsonl", "csv", "sql", "md", "term"] {
        let ran = sweep_of(&[&bad, &good], &["-o", format]);
        assert_eq!(ran.status, 1, "{format}: {}", ran.err);
        assert!(ran.err.starts_with("sweep: ") && ran.err.contains("bad.gguf"), "said at once: {}", ran.err);
        assert!(ran.out.contains("cut off"), "{format}: {}", ran.out);
        let rows: Vec<Value> = match format {
            "json" => serde_json::from_str(&ran.out).unwrap(),
            "jsonl" => rows(&ran.out),
            "csv" => {
                let loaded = llama_bench_rs::report::read_str(&ran.out).unwrap().report;
                assert_eq!(loaded.runs.len(), 2);
                assert!(!loaded.runs[0].has_figures() && loaded.runs[1].has_figures());
                continue;
            }
            _ => {
                assert!(ran.out.contains("model_load"), "{format}: {}", ran.out);
                continue;
            }
        };
        let outcomes: Vec<&Value> = rows.iter().map(|row| &row["outcome"]).collect();
        assert_eq!(outcomes, ["failed", "failed", "measured", "measured"], "{format}");
        assert!(rows[0]["model_filename"].as_str().unwrap().ends_with("bad.gguf"), "{}", rows[0]);
        assert!(rows[0]["error_message"].as_str().unwrap().contains("cut off"), "{}", rows[0]);
        assert_eq!(rows[0]["n_threads"], 1, "what was asked for is known");
    }
}

#[test]
fn files_that_cannot_be_opened_cost_their_own_cells_alone() {
    let folder = tempfile::tempdir().unwrap();
    let good = tiny_model(folder.path());
    let bytes = fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let a_folder = folder.path().join("folder.gguf");
    fs::create_dir(&a_folder).unwrap();
    let cases = [
        folder.path().join("missing.gguf"),
        a_folder,
        write("empty.gguf", b""),
        write("notes.gguf", b"Dear diary, this is not a model.\n"),
        write("magic.gguf", b"GGUF"),
        write("half.gguf", &bytes[..bytes.len() / 2]),
    ];
    let mut models: Vec<&Path> = cases.iter().map(PathBuf::as_path).collect();
    models.insert(3, &good);
    let ran = sweep_of(&models, &["-o", "jsonl"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let rows = rows(&ran.out);
    assert_eq!(rows.len(), 2 * models.len());
    for (path, rows) in models.iter().zip(rows.chunks(2)) {
        let is_good = *path == good;
        assert!(rows.iter().all(|row| row["avg_ts"].is_number() == is_good), "{}", rows[0]);
        let n_said =
            ran.err.lines().filter(|line| line.contains(text(path)) && !line.contains("spread")).count();
        assert_eq!(n_said, usize::from(!is_good), "{}", ran.err);
    }
}

/// A combination that no machine can load, beside one that each can.
#[test]
fn a_configuration_that_does_not_load_is_a_failed_run_and_the_others_go_on() {
    let flags = "--shape tiny-llama -p 16 -n 0 -r 1 -t 1 -dev CPU -sm tensor,layer -o json".split(' ');
    let ran = sweep(flags);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&rows[0]["split_mode"], &rows[0]["outcome"]), (&"tensor".into(), &"failed".into()));
    assert_eq!((&rows[1]["split_mode"], &rows[1]["outcome"]), (&"layer".into(), &"measured".into()));
    assert!(ran.err.contains("pp16") && ran.err.contains("split mode tensor"), "{}", ran.err);
}

#[test]
fn a_plan_goes_on_after_a_model_that_does_not_load() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = good_and_cut_off(folder.path());
    let ran = sweep_of(&[&bad, &good], &["--plan"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("cut off") && ran.out.contains("tokens to time"), "{}", ran.out);
    let ran = sweep_of(&[&bad, &good], &["-o", "none"]);
    assert!(ran.err.contains("sweep: 2 cells, "), "without those of the bad one: {}", ran.err);
    let ran = sweep_of(&[&bad, &good], &["--verify"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("cut off") && ran.out.contains("Every rewind"), "{} {}", ran.err, ran.out);
}

#[test]
fn baselines_are_judged_and_saved_although_a_model_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = good_and_cut_off(folder.path());
    let dir = ["--baseline-dir", text(folder.path()), "--tolerance", "100000"];
    let saved = sweep_of(&[&bad, &good], &[&dir[..], &["--save-baseline", "main"]].concat());
    assert!(saved.status == 1 && saved.err.contains("saved as main"), "{}", saved.err);
    let judged = sweep_of(&[&bad, &good], &[&dir[..], &["--baseline", "main"]].concat());
    assert_eq!(judged.status, 1, "{}", judged.err);
    for word in ["against the baseline main", "cut off", "the others", "tg4"] {
        assert!(judged.err.contains(word), "no {word:?} in {}", judged.err);
    }
}

#[test]
fn a_resumed_campaign_tries_failed_runs_again_and_keeps_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = good_and_cut_off(folder.path());
    let results = folder.path().join("results.jsonl");
    let flags = ["-o", "jsonl", "--resume", "--output", text(&results)];
    let campaign = || sweep_of(&[&good, &bad, &good], &flags);
    let samples = |rows: &[Value]| rows.iter().map(|row| row["samples_ns"].clone()).collect::<Vec<_>>();
    // The good model is loaded once, and both of its runs are measured before the bad one's turn comes.
    let in_file = || {
        let mut rows = rows(&fs::read_to_string(&results).unwrap());
        rows.sort_by_key(|row| row["run"].as_u64());
        rows
    };

    assert_eq!(campaign().status, 1);
    let first = in_file();
    assert_eq!(first.len(), 6);
    // Still bad: it is not measured again, and nothing is lost.
    let ran = campaign();
    assert_eq!(ran.status, 1, "{}", ran.err);
    let second = in_file();
    assert_eq!(samples(&second), samples(&first));
    // Mended: its cells are measured, the others stay.
    fs::copy(&good, &bad).unwrap();
    let ran = campaign();
    assert_eq!(ran.status, 0, "{}", ran.err);
    let third = in_file();
    assert_eq!(
        (&samples(&third)[..2], &samples(&third)[4..]),
        (&samples(&first)[..2], &samples(&first)[4..])
    );
    assert!(third.iter().all(|row| row["outcome"] == "measured"));
    assert_eq!(rows(&ran.out).len(), 6);
    // Bad again: what was measured of it is kept, and the sweep is complete.
    fs::write(&bad, b"GGUF").unwrap();
    let ran = campaign();
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(samples(&in_file()), samples(&third));
}

#[test]
fn a_report_that_cannot_be_read_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let good = tiny_model(folder.path());
    let results = folder.path().join("results.jsonl");
    assert_eq!(sweep_of(&[&good], &["--output", text(&results)]).status, 0);
    let damaged = folder.path().join("damaged.jsonl");
    fs::write(&damaged, "{\"model\n").unwrap();
    let missing = folder.path().join("missing.jsonl");
    let ran = run(example("report").args([&damaged, &results, &missing]));
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.out.contains("pp16"), "{}", ran.out);
    assert!(ran.err.contains("damaged.jsonl") && ran.err.contains("missing.jsonl"), "{}", ran.err);
    let ran = run(example("report").args([&damaged, &missing]));
    assert!(ran.status == 2 && ran.err.contains("none of the files"), "{}", ran.err);
}

/// What llama.cpp refuses of a list costs its own configurations, whether it is refused when the model is loaded or when a
/// context is made, and measured or planned.
#[test]
fn one_refused_value_of_a_list_costs_its_own_configurations() {
    // On any machine: a list of devices that is the CPU, which no tensor is split over.
    for (flags, refused, says) in [
        ("-dev CPU -sm none,tensor,layer", 1, "split mode tensor spreads a model over GPUs"),
        ("-mg 0,99", 1, "main_gpu = 99"),
        ("-fa off -ctv f16,q8_0", 1, "a quantised V cache needs flash attention"),
        ("-ts 1,0 -sm none,tensor,layer -dev CPU", 2, "split mode tensor spreads a model over GPUs"),
    ] {
        let line = format!("--shape tiny-llama -p 8 -n 0 -t 1 -r 1 -o json {flags}");
        let ran = support::sweep(line.split(' '));
        assert_eq!(ran.status, 1, "{flags}: {}", ran.err);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
        let is_failed = |row: &&serde_json::Value| row["outcome"] == "failed";
        let failed: Vec<_> = rows.iter().filter(is_failed).collect();
        assert_eq!(failed.len(), refused, "{flags}: {}", ran.out);
        assert!(rows.len() > refused, "{flags}: {}", ran.out);
        assert!(failed.iter().all(|row| row["error_message"].as_str().unwrap().contains(says)), "{failed:?}");

        let planned = support::sweep(line.split(' ').chain(["--plan"]));
        assert_eq!(planned.status, 1, "{flags}: {}", planned.err);
        // Long lines are wrapped.
        let text = planned.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.matches("cannot be measured").count(), refused, "{flags}: {}", planned.out);
        assert!(text.contains(says) && text.contains("tokens to time"), "{flags}: {}", planned.out);
    }
}

#[test]
fn more_sequences_than_one_of_several_batches_holds_cost_their_own_cells() {
    let line = "--shape tiny-llama -p 0 -n 4 -t 1 -r 1 -o json -npl 1,32 -b 16,64";
    let ran = support::sweep(line.split(' '));
    assert_eq!(ran.status, 1, "{}", ran.err);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
    let failed: Vec<_> = rows.iter().filter(|row| row["outcome"] == "failed").collect();
    assert_eq!((rows.len(), failed.len()), (4, 1), "{}", ran.out);
    assert_eq!((&failed[0]["n_batch"], &failed[0]["n_parallel"]), (&16.into(), &32.into()));
    let planned = support::sweep(line.split(' ').chain(["--plan"]));
    assert!(planned.out.contains("not possible: tg4 x32"), "{}", planned.out);
    // Alone it is a wrong request.
    let alone = support::sweep("--shape tiny-llama -p 0 -n 4 -t 1 -npl 32 -b 16".split(' '));
    assert_eq!((alone.status, alone.out.as_str()), (2, ""), "{}", alone.err);
}
