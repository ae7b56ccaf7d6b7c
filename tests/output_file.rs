//! The file of `--output` and standard output: neither stops the other, and nothing that was measured is lost.
#![allow(missing_docs)]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use support::{Ran, SMALL, closed_pipe, example, run, small_sweep};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_file_with_results_is_replaced_only_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["json", "jsonl", "md"] {
        let file = folder.path().join(format!("results.{format}"));
        fs::write(&file, "").unwrap();
        assert_eq!(small_sweep(&["--output", text(&file)]).status, 0, "nothing is lost with an empty file");
        let before = fs::read(&file).unwrap();
        // Before anything is loaded: that the model is missing does not matter.
        let refused = small_sweep(&["-m", "missing.gguf", "--output", text(&file)]);
        assert_eq!((refused.status, refused.out.as_str()), (2, ""), "{}", refused.err);
        for word in [text(&file), "--resume", "--force"] {
            assert!(refused.err.contains(word), "{}", refused.err);
        }
        assert!(!refused.err.contains("missing.gguf"), "{}", refused.err);
        assert_eq!(fs::read(&file).unwrap(), before);
        // A command that measures nothing does not touch it.
        assert_eq!(small_sweep(&["--plan", "--output", text(&file)]).status, 0);
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(small_sweep(&["--force", "--output", text(&file)]).status, 0);
        assert_ne!(fs::read(&file).unwrap(), before);
    }
    let both = small_sweep(&["--force", "--resume", "--output", "x.jsonl"]);
    assert_eq!(both.status, 2, "{}", both.err);
}

#[test]
#[cfg(unix)]
fn a_closed_standard_output_does_not_stop_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["jsonl", "json"] {
        let file = folder.path().join(format!("results.{format}"));
        let mut command = example("sweep");
        command.args(SMALL).args(["-o", "jsonl", "--output", text(&file)]);
        let ran = run(command.stdout(closed_pipe()));
        assert_eq!(ran.status, 0, "{}", ran.err);
        let loaded = llama_bench_rs::report::read_file(&file).unwrap().report;
        assert!(loaded.is_complete() && loaded.runs[0].cells.len() == 4, "{format}");
    }
}

#[test]
#[cfg(unix)]
fn a_sweep_that_nobody_reads_ends_quietly() {
    for format in ["md", "jsonl", "json"] {
        let mut command = example("sweep");
        command.args(["--shape", "tiny-llama", "-p", "8", "-n", "8", "-d", "0-8000+8", "-r", "1", "-t", "1"]);
        command.args(["--order", "blocks", "-o", format]);
        let ran = run(command.stdout(closed_pipe()));
        assert_eq!(ran.status, 141, "{}", ran.err);
        assert!(!ran.err.contains("roken pipe") && !ran.err.contains("panicked"), "{}", ran.err);
    }
}

/// `head` goes away, `2>&1 | head` takes standard error along, and no program panics.
#[test]
#[cfg(unix)]
fn a_closed_pipe_is_no_panic() {
    let small = ["-p", "4", "-n", "1", "-d", "0", "-r", "1"];
    let cases: [(&str, &[&str]); 12] = [
        ("sweep", &["--version"]),
        ("sweep", &["--list-shapes"]),
        ("sweep", &["--list-devices"]),
        ("sweep", &["--help"]),
        ("sweep", &["--shape", "tiny-llama", "--plan"]),
        ("sweep", &["--shape", "tiny-llama", "-p", "8", "-n", "4", "-r", "1", "-t", "1", "--verify"]),
        (
            "sweep",
            &["--shape", "tiny-llama", "-p", "8", "-n", "4", "-r", "1", "-t", "1", "-o", "term", "--explain"],
        ),
        ("sweep", &["-m", "missing.gguf", "--verbose", "-p", "8", "-n", "0", "-r", "1"]),
        ("report", &["--json-schema"]),
        ("report", &["missing.json", "also-missing.json"]),
        ("compare", &["--a", "n_threads=1", "--b", "n_threads=1,n_batch=64"]),
        ("method_check", &["--rounds", "1"]),
    ];
    for (program, arguments) in cases {
        let mut command = example(program);
        command.args(arguments);
        if matches!(program, "compare" | "method_check") {
            command.args(small);
        }
        let ran = run(command.stdout(closed_pipe()));
        assert_ne!(ran.status, 101, "{program} {arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{program} {arguments:?}: {}", ran.err);
        let status = command.stdout(closed_pipe()).stderr(closed_pipe()).status().unwrap().code();
        assert!(status.is_some_and(|status| status != 101), "{program} {arguments:?}: {status:?}");
    }
}

/// A killed process leaves a readable file with what it measured.
#[test]
fn a_killed_sweep_leaves_a_readable_file_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["json", "jsonl", "csv", "sql", "md"] {
        let file = folder.path().join(format!("results.{format}"));
        let mut child = example("sweep")
            .args(["--shape", "tiny-llama", "-p", "8", "-n", "8", "-d", "0-8000+8", "-r", "1", "-t", "1"])
            .args(["--order", "blocks", "--output", text(&file)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // As large as a few rows of this format are.
        let enough = if format == "md" { 800 } else { 20_000 };
        while file.metadata().map_or(0, |file| file.len()) < enough {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        stop(&child);
        child.kill().unwrap();
        child.wait().unwrap();
        let written = fs::read_to_string(&file).unwrap();
        match format {
            "json" => assert!(serde_json::from_str::<Vec<Value>>(&written).unwrap().len() > 1),
            "sql" => {
                let base = rusqlite::Connection::open_in_memory().unwrap();
                base.execute_batch(&written).unwrap();
            }
            "md" => assert!(written.contains("\nbuild: "), "{written}"),
            _ => assert!(llama_bench_rs::report::read_str(&written).unwrap().report.cells().count() > 1),
        }
    }
}

/// Stops a process outside of a write: a kill in the middle of one cuts it between two pages.
#[cfg(unix)]
fn stop(child: &Child) {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
}

#[cfg(not(unix))]
fn stop(_: &Child) {}

/// What a full disk or a limit on files must look like: said with the file's name, standard output whole.
fn is_told(ran: &Ran, folder: &Path, name: &str, why: &str) {
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains(name) && ran.err.contains(why), "{}", ran.err);
    let rows: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4, "{}", ran.out);
    assert!(rows.iter().all(|row| row["avg_ts"].is_number()));
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "nothing but the file: {left:?}");
}

/// A limit on the size of this one process's files: for the writer it is as good as a full disk.
#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_is_named_and_holds_whole_rows() {
    // The model is made before the limit is there.
    assert_eq!(small_sweep(&[]).status, 0);
    for (format, order) in [("jsonl", "blocks"), ("jsonl", "rounds"), ("json", "blocks"), ("csv", "blocks")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("results.{format}"));
        // 5 blocks of 512 bytes, room for a row at most. The signal that comes with the error must not end the sweep.
        let script = r#"ulimit -f 5; exec "$0" "$@""#;
        let sweep = example("sweep");
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(sweep.get_program()).args(SMALL);
        command.args(["--order", order, "-o", "jsonl", "--output", text(&file)]);
        command.env("LLAMA_BENCH_CACHE", env!("CARGO_TARGET_TMPDIR"));
        let ran = run(&mut command);
        is_told(&ran, folder.path(), text(&file), "too large");
        let written = fs::read_to_string(&file).unwrap();
        match format {
            "json" => assert!(serde_json::from_str::<Vec<Value>>(&written).is_ok(), "{written}"),
            _ => assert!(written.is_empty() || written.ends_with('\n'), "{format}: {written}"),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_and_what_was_measured_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let ran = small_sweep(&["-o", "jsonl", "--output", text(&file)]);
    is_told(&ran, folder.path(), text(&file), "No space left");

    // On standard output too.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = run(example("sweep").arg("--list-shapes").stdout(full));
    assert!(ran.status == 1 && ran.err.contains("No space left"), "{}", ran.err);
}

/// Whatever cannot be opened, such as the system's files about memory, is an error or unknown.
#[test]
#[cfg(unix)]
fn a_process_that_may_open_few_files_does_not_panic() {
    // The model is made before the limit is there.
    assert_eq!(small_sweep(&[]).status, 0);
    for n_files in 4..=12 {
        let sweep = example("sweep");
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"ulimit -n {n_files}; exec "$0" "$@""#)]);
        command.arg(sweep.get_program()).args(SMALL).args(["-o", "json"]);
        command.env("LLAMA_BENCH_CACHE", env!("CARGO_TARGET_TMPDIR"));
        let ran = run(&mut command);
        assert!(!ran.err.contains("panicked"), "{n_files} files: {}", ran.err);
    }
}
