//! Serving that is interrupted, killed or left without readers: what was served is kept and can be resumed.
#![allow(missing_docs)]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use llama_bench_rs::serve;
use support::{SMALL_LOAD, closed_pipe, example, run, small_load};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// More than can be served before the end comes.
const LONG: [&str; 12] = [
    "--shape",
    "tiny-llama",
    "--users",
    "1,2",
    "--prompt",
    "8",
    "--generate",
    "8",
    "--requests",
    "4",
    "-t",
    "1",
];

/// Starts a long run into this file and waits until it has some repetitions.
fn started(file: &Path, n_reps: &str) -> Child {
    let mut child = example("serve_bench")
        .args(LONG)
        .args(["-r", n_reps, "-o", "none", "--output"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while fs::read_to_string(file).unwrap_or_default().matches("\"serving\":\"repetition\"").count() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    child
}

fn n_repetitions(file: &Path) -> usize {
    serve::read_file(file).unwrap().loads().map(|(_, load)| load.whole().count()).sum()
}

#[test]
fn a_killed_run_leaves_whole_repetitions_and_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serving.jsonl");
    const N_REPS: &str = "30";
    let mut child = started(&file, N_REPS);
    child.kill().unwrap();
    child.wait().unwrap();
    // A kill may come in the middle of a line: everything before it is there.
    let (journal, found) = serve::ServeJournal::resume(&file).unwrap();
    drop(journal);
    let n_kept: usize = found.loads().map(|(_, load)| load.whole().count()).sum();
    assert!(n_kept >= 2, "{n_kept}");

    let flags = ["-r", N_REPS, "-o", "none", "--resume", "--output", text(&file)];
    let ran = run(example("serve_bench").args(LONG).args(flags));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let resumed = serve::read_file(&file).unwrap();
    for (i, (_, load)) in resumed.loads().enumerate() {
        assert_eq!(load.whole().count().to_string(), N_REPS);
        // What was there was not served again.
        let earlier = found.runs[0].loads.get(i).map_or(&[][..], |load| &load.repetitions[..]);
        for repetition in earlier.iter().filter(|repetition| repetition.is_whole()) {
            assert!(load.repetitions.contains(repetition));
        }
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_keeps_what_was_served_and_says_how_to_resume() {
    if support::is_ignored(15) {
        println!("SKIPPED: SIGTERM is ignored here, and by every child");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my serving.jsonl");
    let child = started(&file, "100000");
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let ran = support::read(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 143, "{}", ran.err);
    assert!(n_repetitions(&file) >= 2);
    let last = ran.err.lines().last().unwrap();
    assert!(last.contains("to resume: ") && last.ends_with("my serving.jsonl' --resume"), "{last}");
}

#[test]
fn only_a_file_of_the_same_requests_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serving.jsonl");
    let into = ["-o", "none", "--output", text(&file)];
    assert_eq!(small_load(&into).status, 0);
    let before = fs::read(&file).unwrap();
    for (more, says) in [
        (&[][..], "--resume"),
        (&["--resume", "--seed", "7"], "seed"),
        (&["--resume", "--prompt", "17"], "workload"),
        (&["--resume", "--chunk", "8"], "policy"),
        (&["--resume", "-ub", "128"], "ub"),
        (&["--resume", "-r", "3"], "-r is 3 and was 2"),
        (&["--resume", "-ub", "128,256"], "other configurations"),
    ] {
        let flags = [&into[..], more].concat();
        let refused = small_load(&flags);
        assert_eq!(refused.status, 2, "{more:?}: {}", refused.err);
        assert!(refused.err.contains(says), "{more:?}: no {says:?} in {}", refused.err);
        assert_eq!(fs::read(&file).unwrap(), before, "{more:?}");
    }
    let again = small_load(&[&into[..], &["--resume"]].concat());
    assert_eq!((again.status, n_repetitions(&file)), (0, 4), "{}", again.err);
}

#[test]
#[cfg(unix)]
fn a_closed_standard_output_does_not_stop_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (i, format) in ["md", "jsonl", "json", "csv", "term"].into_iter().enumerate() {
        let file = folder.path().join(format!("serving-{i}.jsonl"));
        let mut command = example("serve_bench");
        command.args(SMALL_LOAD).args(["-o", format, "--output", text(&file)]);
        let ran = run(command.stdout(closed_pipe()));
        assert_eq!(ran.status, 0, "{format}: {}", ran.err);
        assert_eq!(n_repetitions(&file), 4, "{format}");
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
    // Nobody takes the records: most of them are not served.
    let ran =
        run(example("serve_bench").args(LONG).args(["-r", "100000", "-o", "jsonl"]).stdout(closed_pipe()));
    assert_eq!(ran.status, 141, "{}", ran.err);
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_is_named_and_holds_whole_records() {
    // The model is made before the limit is there.
    assert_eq!(small_load(&[]).status, 0);
    for name in ["serving.jsonl", "serving.json", "serving.csv"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        // Blocks of 512 bytes, room for a part of the records. The signal that comes with the error must not end it.
        let blocks = if name.ends_with("csv") { 1 } else { 8 };
        let script = format!(r#"ulimit -f {blocks}; exec "$0" "$@""#);
        let program = example("serve_bench");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(program.get_program()).args(SMALL_LOAD);
        command.args(["-o", "jsonl", "--output", text(&file)]);
        command.env("LLAMA_BENCH_CACHE", env!("CARGO_TARGET_TMPDIR"));
        let ran = run(&mut command);
        assert_eq!(ran.status, 1, "{name}: {}", ran.err);
        assert!(ran.err.contains(name) && ran.err.contains("too large"), "{}", ran.err);
        // Standard output has everything.
        assert_eq!(
            serve::read_str(&ran.out).unwrap().loads().map(|(_, load)| load.whole().count()).sum::<usize>(),
            4
        );
        let written = fs::read_to_string(&file).unwrap();
        if name.ends_with("jsonl") {
            assert!(written.ends_with('\n') && serve::read_str(&written).is_ok(), "{written}");
        }
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 1, "nothing but the file: {left:?}");
    }
}

#[test]
fn other_formats_are_complete_whenever_the_process_ends() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["serving.json", "serving.csv", "serving.md"] {
        let file = folder.path().join(name);
        let mut child = example("serve_bench")
            .args(LONG)
            .args(["-r", "100000", "-o", "none", "--output"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut written = String::new();
        while !written.contains("2 users") && !written.contains("\"users\":2") && written.lines().count() < 3
        {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            written = fs::read_to_string(&file).unwrap_or_default();
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let written = fs::read_to_string(&file).unwrap();
        if name.ends_with("json") {
            assert!(serve::read_str(&written).unwrap().loads().count() == 2, "{written:.200}");
        }
        assert!(written.ends_with('\n'), "{name}: {written:.200}");
    }
}
