//! Sweeps that are killed and resumed, from outside.
#![allow(missing_docs)]

mod support;

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, thread, time::Duration};

use serde_json::Value;
use support::{Ran, example, run};

const N_REPS: usize = 6;
const ARGS: [&str; 14] =
    ["--shape", "tiny-llama", "-p", "24", "-n", "6", "-d", "0-192+64", "-r", "6", "-t", "1", "-o", "jsonl"];
const N_CELLS: usize = 8;

/// Times of the repetitions of each cell, by depth and length; every line must be whole and every cell occur once.
fn cells(file: &Path) -> BTreeMap<(u64, u64, u64), Vec<u64>> {
    cells_of(&fs::read_to_string(file).unwrap_or_default())
}

/// The same without a last line that is not whole: the sweep may be writing it, or was killed while it did.
fn whole_cells(file: &Path) -> BTreeMap<(u64, u64, u64), Vec<u64>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    cells_of(text.rfind('\n').map_or("", |end| &text[..end]))
}

fn cells_of(text: &str) -> BTreeMap<(u64, u64, u64), Vec<u64>> {
    let mut cells = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
        let number = |name: &str| row[name].as_u64().unwrap();
        let samples = row["samples_ns"].as_array().unwrap().iter().map(|ns| ns.as_u64().unwrap()).collect();
        let key = (number("n_depth"), number("n_prompt"), number("n_gen"));
        assert!(cells.insert(key, samples).is_none(), "{key:?} stands twice");
    }
    cells
}

fn resume(file: &Path, more: &[&str]) -> Ran {
    run(example("sweep").args(ARGS).args(["--resume", "--output"]).arg(file).args(more))
}

/// Starts a sweep and kills it after this time, or when the file has this many repetitions.
fn killed(file: &Path, order: &str, after: Duration, n_samples: usize) {
    let mut child = example("sweep")
        .args(ARGS)
        .args(["--order", order, "--resume", "--output"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let count = || whole_cells(file).values().map(Vec::len).sum::<usize>();
    while count() < n_samples && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_sweep_is_resumed_where_it_was() {
    for order in ["rounds", "blocks"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.jsonl");
        // At the start, in the middle of things, and near the end.
        for (ms, n_samples) in [(0, 0), (7, 0), (3, 1), (0, 9), (2, 17), (1, 30), (0, 44)] {
            let before = whole_cells(&file);
            killed(&file, order, Duration::from_millis(ms), n_samples);
            let after = whole_cells(&file);
            for (cell, samples) in &before {
                assert!(after[cell].starts_with(samples), "{order}: {cell:?} lost repetitions");
            }
            assert!(after.values().map(Vec::len).sum::<usize>() >= n_samples);
        }
        let before = whole_cells(&file);
        let ran = resume(&file, &["--order", order]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the file");
        let whole = cells(&file);
        assert_eq!(whole.len(), N_CELLS);
        for (cell, samples) in &whole {
            assert_eq!(samples.len(), N_REPS, "{order}: {cell:?}");
            assert!(before.get(cell).is_none_or(|known| samples.starts_with(known)), "{order}: {cell:?}");
        }
        // Standard output has the whole sweep, including what was measured earlier.
        assert_eq!(ran.out.lines().count(), N_CELLS);
    }
}

#[test]
fn a_line_that_was_cut_off_is_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    assert_eq!(resume(&file, &[]).status, 0);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 700]).unwrap();
    assert_eq!(resume(&file, &[]).status, 0);
    let (before, after) = (whole.lines().collect::<Vec<_>>(), fs::read_to_string(&file).unwrap());
    let kept = after.lines().zip(&before).filter(|(after, before)| {
        let samples = |line: &str| serde_json::from_str::<Value>(line).unwrap()["samples_ns"].clone();
        samples(after) == samples(before)
    });
    assert_eq!((kept.count(), cells(&file).len()), (N_CELLS - 1, N_CELLS));
}

#[test]
fn a_run_with_nothing_left_to_measure_keeps_what_is_known_of_its_context() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sweep.jsonl");
    let known = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap();
        let row = |line| serde_json::from_str::<Value>(line).unwrap();
        let fields = ["memory", "n_ctx", "flash_attn_resolved", "rep_order"];
        text.lines().map(row).map(|row| fields.iter().map(|&field| row[field].clone()).collect()).collect()
    };
    assert_eq!(resume(&file, &[]).status, 0);
    let before = known();
    assert!(before.iter().all(|row| !row[1].is_null()), "{before:?}");
    assert_eq!(resume(&file, &[]).status, 0);
    assert_eq!(known(), before);
}

#[test]
fn another_configuration_is_refused_by_name_and_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    assert_eq!(resume(&file, &[]).status, 0);
    let before = fs::read(&file).unwrap();
    let refused = resume(&file, &["-ub", "64"]);
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains("-ub is 64 and was 512"), "{}", refused.err);
    assert_eq!(fs::read(&file).unwrap(), before);

    fs::write(&file, "{\"damaged\n{}\n").unwrap();
    let damaged = resume(&file, &[]);
    assert_eq!(damaged.status, 2, "{}", damaged.err);
    assert!(damaged.err.contains("results.jsonl") && damaged.err.contains("line 1"), "{}", damaged.err);
    let csv = run(example("sweep").args(ARGS).args(["--resume", "--output", "x.csv"]));
    assert!(csv.status == 2 && csv.err.contains("JSONL"), "{}", csv.err);
}
