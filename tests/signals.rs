//! Signals: what was measured is kept, the rest is not begun, and the exit status is that of the signal.
#![allow(missing_docs)]
#![cfg(unix)]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;
use support::{ended, example, is_ignored, tiny_model};

/// More than can be measured before the signal comes.
const LONG: [&str; 12] = ["-p", "8", "-n", "8", "-d", "0-400+4", "-r", "200", "-t", "1", "--order", "blocks"];
const N_CELLS: usize = 202;

fn send(child: &Child, signal: &str) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

/// Starts a sweep and waits for the text of its first cell.
fn started(command: &mut Command) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("samples_ns") {
        assert!(out.read_line(&mut text).unwrap() > 0, "it ended by itself");
    }
    (child, out, text)
}

#[test]
fn every_signal_closes_the_json_and_loads_no_other_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny_model(folder.path());
    // Files of their own: one file is loaded once.
    let copies = ["second.gguf", "third.gguf"].map(|name| folder.path().join(name));
    copies.iter().for_each(|copy| _ = fs::copy(&model, copy).unwrap());
    let models = format!("{},{},{}", model.display(), copies[0].display(), copies[1].display());
    for (signal, number, status) in [("INT", 2, 130), ("TERM", 15, 143), ("HUP", 1, 129)] {
        if is_ignored(number) {
            println!("SKIPPED: SIG{signal} is ignored here, and by every child");
            continue;
        }
        let (child, out, text) = started(example("sweep").args(["-m", &models, "-o", "json"]).args(LONG));
        send(&child, signal);
        let ran = ended(child, out, text);
        assert_eq!(ran.status, status, "{signal}: {}", ran.err);
        let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(rows.len(), 3 * N_CELLS, "every cell has its row");
        assert!(rows[0]["avg_ts"].as_f64().unwrap() > 0.0);
        assert_eq!(rows[N_CELLS - 1]["error_kind"], "cancelled");
        for row in &rows[N_CELLS..] {
            assert_eq!(row["error_message"], "interrupted before the model was loaded", "{signal}");
        }
        let last = ran.err.lines().last().unwrap();
        assert!(last.contains("interrupted") && last.contains("--output"), "{last}");
    }
}

#[test]
fn cells_that_were_cut_say_how_far_they_came_and_the_last_line_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my results.jsonl");
    let flags = ["--shape", "tiny-llama", "-p", "8", "-n", "4", "-d", "0,32", "-t", "1", "--order", "rounds"];
    let mut child = example("sweep")
        .args(flags)
        .args(["-r", "10000000", "--output"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let rows = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    while rows().len() < 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    send(&child, "TERM");
    let ran = support::read(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 143, "{}", ran.err);
    for row in rows() {
        let n = row["samples_ns"].as_array().unwrap().len();
        let says = format!("interrupted after {n} of 10000000 repetitions");
        assert_eq!((&row["outcome"], &row["error_message"]), (&"measured".into(), &says.as_str().into()));
        assert!(ran.err.contains(&says), "{}", ran.err);
    }
    let last = ran.err.lines().last().unwrap();
    assert!(last.contains("to resume: ") && last.ends_with("my results.jsonl' --resume"), "{last}");
}

/// Only the sweep itself gets the signal, not the process that measures for it.
#[test]
fn a_sweep_in_processes_of_their_own_leaves_none_behind() {
    if is_ignored(15) {
        println!("SKIPPED: SIGTERM is ignored here, and by every child");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let mut child = example("sweep")
        .args(["--shape", "tiny-llama", "--runs", "3", "--runs-in", "process", "--progress", "-o", "none"])
        .args(LONG)
        .arg("--output")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut err, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains("repetition") {
        assert!(err.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
    }
    send(&child, "TERM");
    // Both hold this end of the pipe: it closes when neither is left.
    err.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{text}");
    assert!(!text.contains("run 2 of 3"), "{text}");
    for row in fs::read_to_string(&file).unwrap().lines() {
        serde_json::from_str::<Value>(row).unwrap();
    }
}

/// The first signal cannot complete: nothing reads the rows of the interrupted cells.
#[test]
fn a_later_signal_ends_the_sweep_at_once() {
    let (mut child, out, _) =
        started(example("sweep").args(["--shape", "tiny-llama", "-o", "json"]).args(LONG));
    send(&child, "INT");
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        send(&child, "TERM");
    };
    assert!(matches!(status, Some(130 | 143)), "{status:?}");
    drop(out);
}

/// `timeout` and terminals that close send theirs more than once.
#[test]
fn signals_in_quick_succession_are_one_request_and_lose_nothing() {
    if is_ignored(1) {
        println!("SKIPPED: SIGHUP is ignored here, and by every child");
        return;
    }
    let (child, out, text) =
        started(example("sweep").args(["--shape", "tiny-llama", "-o", "json"]).args(LONG));
    let id = child.id().to_string();
    // One process sends them, without other work in between.
    let send = format!("kill -HUP {id}; kill -HUP {id}; kill -TERM {id}; kill -CONT {id}");
    assert!(Command::new("sh").args(["-c", &send]).status().unwrap().success());
    let ran = ended(child, out, text);
    assert!(matches!(ran.status, 129 | 143), "{}: {}", ran.status, ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows.len(), N_CELLS, "every cell has its row");
}

#[test]
fn a_verification_ends_by_a_signal() {
    let mut child = example("sweep")
        .args(["--shape", "tiny-llama", "--verify", "--progress", "-p", "8", "-n", "0", "-t", "1"])
        .args(["-d", "0-4096+8", "-r", "100000"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("verifying") {
        assert!(err.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
    }
    send(&child, "TERM");
    err.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{text}");
    assert!(text.contains("interrupted before every depth was verified"), "{text}");
}

/// What is left of an interrupted sweep is not measured.
#[test]
fn an_interrupted_sweep_forecasts_nothing_more() {
    let mut child = example("sweep")
        .args(["--shape", "tiny-llama", "-p", "8", "-n", "4", "-d", "0,32", "-t", "1", "-r", "10000000"])
        .args(["-o", "none"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut err, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains("this will take") {
        assert!(err.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
    }
    send(&child, "TERM");
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{rest}");
    assert!(rest.contains("interrupted") && !rest.contains("this will take"), "{rest}");
}
