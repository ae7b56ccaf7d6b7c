//! `sweep --runs`: the whole sweep several times, and what the runs say together.

mod support;

use llama_bench_rs::report::{self, between_runs};
use support::{SMALL, small_sweep, sweep, tiny_model};

#[test]
fn several_runs_are_rows_of_their_own_and_a_table_of_all() {
    for place in ["context", "load", "process"] {
        let ran = small_sweep(&["--runs", "3", "--runs-in", place, "-o", "jsonl"]);
        assert_eq!(ran.status, 0, "{place}: {}", ran.err);
        let report = report::read_str(&ran.out).unwrap().report;
        assert_eq!(report.runs.len(), 3, "{place}");
        assert!(report.is_complete());
        let together = between_runs(&report);
        assert_eq!(together.len(), 4, "{place}");
        assert!(together.iter().all(|one| one.measured.n_runs == 3), "{together:?}");
        // Rows that were copied would be equal.
        assert_ne!(report.runs[0].cells, report.runs[1].cells);
    }
}

#[test]
fn the_tables_for_people_say_that_the_interval_is_between_runs() {
    let markdown = small_sweep(&["--runs", "2"]);
    assert_eq!(markdown.status, 0, "{}", markdown.err);
    assert_eq!(markdown.out.matches("95 % interval between runs").count(), 1, "{}", markdown.out);
    assert!(markdown.out.contains("| pp16 @ d32 | 2 | "), "{}", markdown.out);
    let terminal = small_sweep(&["--runs", "2", "-o", "term"]);
    assert!(terminal.out.contains("between the runs of a configuration"), "{}", terminal.out);
    let one = small_sweep(&[]);
    assert!(!one.out.contains("between runs"), "{}", one.out);
}

#[test]
fn several_configurations_take_turns_and_are_told_apart() {
    let ran = small_sweep(&["--runs", "2", "-b", "64,128"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let (_, all) = ran.out.split_once("95 % interval between runs").unwrap();
    assert!(all.contains("| configuration | test |"), "{all}");
    assert_eq!(all.matches("| pp16 | 2 | ").count(), 2, "{all}");
}

#[test]
fn interrupted_runs_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.jsonl");
    let file = file.to_str().unwrap();
    let arguments = ["--runs", "3", "--output", file, "-o", "none"];
    assert_eq!(small_sweep(&arguments).status, 0);
    let whole = std::fs::read_to_string(file).unwrap();
    // As a sweep leaves it that was ended within the second run.
    let n_lines = whole.lines().count();
    let part: Vec<&str> = whole.lines().take(n_lines / 2).collect();
    std::fs::write(file, part.join("\n") + "\n").unwrap();
    let resumed = small_sweep(&[&arguments[..], &["--resume"]].concat());
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    let report = report::read_file(file).unwrap().report;
    assert_eq!(report.runs.len(), 3);
    assert!(report.is_complete());
    assert!(report.runs.iter().all(|run| run.cells.len() == 4));
}

#[test]
fn runs_that_make_no_sense_are_bad_usage() {
    for (flags, said) in
        [(&["--runs", "0"][..], "give 1 or more"), (&["--runs", "2", "--runs-in", "moon"], "moon")]
    {
        let ran = small_sweep(flags);
        assert_eq!(ran.status, 2, "{flags:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{flags:?}: {}", ran.err);
    }
}

#[test]
fn a_process_leaves_output_and_judging_to_the_one_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.json");
    let flags = ["--runs", "2", "--runs-in", "process", "--explain", "--expect", "pp16=1e12..", "--output"];
    let ran =
        sweep(SMALL.iter().chain(&flags).map(|flag| (*flag).to_owned()).chain([file.display().to_string()]));
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert_eq!(report::read_file(&file).unwrap().report.runs.len(), 2);
    assert!(ran.out.contains("95 % interval between runs"), "{}", ran.out);

    // A model that cannot be loaded fails in each of them.
    let damaged = folder.path().join("damaged.gguf");
    let whole = std::fs::read(tiny_model(folder.path())).unwrap();
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let damaged = damaged.to_str().unwrap();
    let ran = sweep([
        "-m",
        damaged,
        "-p",
        "8",
        "-n",
        "0",
        "-r",
        "1",
        "--runs",
        "2",
        "--runs-in",
        "process",
        "-o",
        "jsonl",
    ]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let report = report::read_str(&ran.out).unwrap().report;
    assert_eq!(report.runs.len(), 2);
    assert!(!report.is_complete());
}
