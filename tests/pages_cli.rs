//! The page and the picture of a sweep.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path, time::Duration};

use llama_bench_rs::{
    record::{Cell, Test},
    report,
};
use support::small_sweep;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every cell that a file or a page holds, with the times of its repetitions.
fn cells(path: &Path) -> Vec<(Test, Vec<Duration>)> {
    let times = |cell: &Cell| match cell.measured() {
        Some(measured) => measured.samples.iter().map(|sample| sample.elapsed).collect(),
        None => Vec::new(),
    };
    let report = report::read_file(path).unwrap().report;
    report.cells().map(|(_, cell)| (cell.test, times(cell))).collect()
}

#[test]
fn a_sweep_writes_page_picture_file_and_table_in_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let [page, picture, file] = ["a.html", "a.svg", "a.jsonl"].map(|name| folder.path().join(name));
    let ran = small_sweep(&[
        "-ub",
        "8,16",
        "--html",
        text(&page),
        "--svg",
        text(&picture),
        "--picture",
        "bars",
        "--output",
        text(&file),
        "--expect",
        "pp16=0.001..",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("| model"), "{}", ran.out);
    let measured = report::read_file(&file).unwrap().report;
    assert_eq!(measured.runs.len(), 2);
    assert_eq!(cells(&page), cells(&file));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("Expected and measured") && page.contains("as expected"), "{page}");
    let picture = fs::read_to_string(picture).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("Speed of each configuration"), "{picture}");
}

#[test]
fn a_dash_is_standard_output() {
    let ran = small_sweep(&["-o", "none", "--html", "-"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("<!DOCTYPE html>") && ran.out.ends_with("</html>"), "{}", ran.out);
    assert_eq!(report::read_str(&ran.out).unwrap().report.cells().count(), 4);
}

/// Before anything is loaded: that the model is missing does not matter.
#[test]
fn what_could_not_be_written_is_refused_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there.html");
    fs::write(&there, "mine").unwrap();
    let (missing, dir) = (folder.path().join("missing/a.html"), folder.path().to_owned());
    let same = folder.path().join("same.jsonl");
    for (arguments, word) in [
        (vec!["--html", text(&there)], "--force"),
        (vec!["--svg", text(&there)], "--force"),
        (vec!["--html", text(&missing)], "cannot write"),
        (vec!["--html", text(&dir)], "it is a folder"),
        (vec!["--html", "-"], "-o none"),
        (vec!["--html", "-", "--svg", "-", "-o", "none"], "another flag"),
        (vec!["--output", text(&same), "--html", text(&same)], "another flag"),
        (vec!["--force"], "--html"),
        (vec!["--picture", "bars"], "--svg"),
        (vec!["--svg", "a.png"], "pictures are SVG, not png"),
    ] {
        let ran = small_sweep(&[&["-m", "missing.gguf"], &arguments[..]].concat());
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(word) && !ran.err.contains("missing.gguf"), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was made");
    // A command that measures nothing does not touch it.
    let ran = small_sweep(&["--plan", "--html", text(&there)]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
}

/// The page of the part that was measured before the interruption gives way to that of the whole.
#[test]
fn a_resumed_sweep_replaces_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let [page, file] = ["a.html", "a.jsonl"].map(|name| folder.path().join(name));
    let flags = ["--output", text(&file), "--html", text(&page), "-o", "none"];
    assert_eq!(small_sweep(&flags).status, 0);
    let whole = fs::read_to_string(&file).unwrap();
    let half: String = whole.split_inclusive('\n').take(2).collect();
    fs::write(&file, half).unwrap();
    let resumed = small_sweep(&[&flags[..], &["--resume"]].concat());
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    assert_eq!((cells(&page).len(), cells(&page)), (4, cells(&file)));
}

#[test]
fn runs_in_processes_of_their_own_make_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("a.html");
    let ran = small_sweep(&["--runs", "2", "--runs-in", "process", "--html", text(&page)]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(report::read_file(&page).unwrap().report.runs.len(), 2);
}

/// A failed load is a failed run, on the page too.
#[test]
fn failures_are_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("a.html");
    let broken = folder.path().join("broken.gguf");
    fs::write(&broken, "not a model").unwrap();
    let ran = small_sweep(&["-m", text(&broken), "--html", text(&page)]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("broken.gguf") && page.contains("failed"), "{page}");
}

/// Whoever names an upper end wants to hear of what lies beyond it, as of what falls short.
#[test]
fn a_speed_beyond_either_end_of_what_was_expected_is_status_3() {
    for (expected, says) in [("tg4=1e12..", "falls short"), ("tg4=..0.001", "exceeds")] {
        let ran = small_sweep(&["-o", "term", "--expect", expected]);
        assert_eq!(ran.status, 3, "{expected}: {}", ran.err);
        assert!(ran.out.contains(says), "{expected}: {}", ran.out);
    }
}
