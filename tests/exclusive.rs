//! Two sweeps of one machine: the second waits for the first, and says so.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
};

use support::{SMALL, example, read, run};

/// A sweep whose cache folder is this one.
fn sweep(cache: &Path) -> Command {
    let mut command = example("sweep");
    command.env("XDG_CACHE_HOME", cache).args(SMALL).args(["-o", "jsonl"]);
    command
}

/// The lock as another process holds it.
fn held(cache: &Path) -> File {
    let folder = cache.join("llama-bench-rs");
    fs::create_dir_all(&folder).unwrap();
    let file = File::create(folder.join("measuring.lock")).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn a_sweep_waits_for_another_process_with_a_word_and_goes_on_when_that_ends() {
    let cache = tempfile::tempdir().unwrap();
    let other = held(cache.path());
    let mut child = sweep(cache.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting for another sweep") {
        assert!(err.read_line(&mut said).unwrap() > 0, "it ended without waiting: {said}");
    }
    drop(other);
    let ran = read(child.wait_with_output().unwrap());
    err.read_to_string(&mut said).unwrap();
    assert_eq!(ran.status, 0, "{said}");
    assert_eq!(ran.out.lines().count(), 4);
    assert_eq!(said.matches("waiting for another sweep").count(), 1, "{said}");
}

#[test]
fn a_sweep_that_shares_the_machine_does_not_wait() {
    let cache = tempfile::tempdir().unwrap();
    let _other = held(cache.path());
    let ran = run(sweep(cache.path()).arg("--share-machine"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(!ran.err.contains("waiting"), "{}", ran.err);
}

#[test]
fn a_cache_folder_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    // Neither a cache folder nor one for temporary files.
    let ran = run(sweep(&file).env("TMPDIR", &file));
    assert_eq!((ran.status, ran.out.lines().count()), (0, 4), "{}", ran.err);
}
