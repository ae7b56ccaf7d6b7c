//! What the sweep example refuses: a message that names the value, a status, and never a signal.
//!
//! Status 2 is for requests that cannot be meant (bad usage); status 1 for those that failed, as a model that cannot be
//! loaded does: others are measured, and its cells carry the reason (see `failed_runs.rs`).
#![allow(missing_docs)]

mod support;

use std::fs;

use support::{Ran, example, run, small_sweep, sweep};

/// Ended with this status, printed no result, and the message holds all of `says`.
fn refused(ran: &Ran, status: i32, says: &[&str]) {
    assert_eq!(ran.status, status, "{} {}", ran.out, ran.err);
    assert_eq!(ran.out, "", "nothing was measured");
    for word in says {
        assert!(ran.err.contains(word), "no {word:?} in: {}", ran.err);
    }
}

#[test]
fn names_that_nothing_has() {
    refused(&small_sweep(&["-dev", "CUDA99"]), 2, &["CUDA99", "CPU"]);
    refused(&sweep(["--shape", "gpt-9"]), 2, &["gpt-9", "tiny-llama"]);
    refused(&small_sweep(&["--file-type", "q99"]), 2, &["q99", "mxfp4"]);
    refused(&small_sweep(&["-ctk", "q9"]), 2, &["q9", "q8_0"]);
    refused(&small_sweep(&["-fa", "maybe"]), 2, &["maybe", "auto"]);
    refused(&small_sweep(&["-sm", "diagonal"]), 2, &["diagonal", "layer"]);
    refused(&small_sweep(&["-lm", "tape"]), 2, &["tape", "mmap"]);
    refused(&small_sweep(&["-o", "xml"]), 2, &["xml", "jsonl"]);
    refused(&small_sweep(&["--frobnicate"]), 2, &["--frobnicate"]);
    refused(&small_sweep(&["stray"]), 2, &["stray"]);
}

#[test]
fn numbers_that_cannot_be_meant() {
    let nothing = ["--shape", "tiny-llama", "-p", "0", "-n", "0"];
    refused(&sweep(nothing), 2, &["nothing to measure"]);
    refused(&small_sweep(&["-pg", "0,8"]), 2, &["0 tokens"]);
    refused(&sweep(["--shape", "tiny-llama", "-r", "0"]), 2, &["give 1 or more"]);
    for flag in ["-p", "-n", "-d", "-b", "-ub", "-t", "-r"] {
        refused(&sweep(["--shape", "tiny-llama", flag, "-5"]), 2, &["-5"]);
        refused(&sweep(["--shape", "tiny-llama", flag, "many"]), 2, &["many"]);
        refused(&sweep(["--shape", "tiny-llama", flag, "99999999999"]), 2, &["99999999999"]);
    }
    for (range, says) in [
        ("9-1", "the end is before the start: write 1-9"),
        ("0-9+0", "does not advance"),
        ("1-9*1", "does not advance"),
        ("0-8*2", "does not advance"),
        ("0-2147483647", "10000 values"),
        ("1,,2", "not a number or range"),
        ("1-", "not a number or range"),
    ] {
        refused(&sweep(["--shape", "tiny-llama", "-d", range]), 2, &[range, says]);
    }
    refused(&small_sweep(&["-pg", "512"]), 2, &["512,128"]);
    refused(&small_sweep(&["-C", "0xzz"]), 2, &["0xzz"]);
    refused(&small_sweep(&["-ts", "1/x"]), 2, &["x"]);
    refused(&small_sweep(&["-ot", "exps"]), 2, &["exps", "PATTERN=BUFFER"]);
    refused(&sweep(["--shape", "tiny-llama", "-p", "16", "-d", "2147483647"]), 2, &["2147483647"]);
}

/// Each value by itself is refused before any file is made or loaded.
#[test]
fn values_that_no_model_takes_are_refused_before_one_is_loaded() {
    for (flags, says) in [
        (["-b", "0"], ["--batch-size", "give 1 to"]),
        (["-ub", "512,0"], ["--ubatch-size", "give 1 to"]),
        (["-t", "0"], ["--threads", "give 1 to 512"]),
        (["--poll", "200"], ["--poll", "give 0 to 100"]),
        (["--prio", "7"], ["--prio", "-1 (low) to 3 (realtime)"]),
        (["--runs", "0"], ["--runs", "give 1 or more"]),
        (["-ot", "exps=NoSuchBuffer"], ["NoSuchBuffer", "CPU"]),
        (["-ot", "ffn_(=CPU"], ["ffn_(", "regular expression"]),
        (["-ts", "1/nan"], ["--tensor-split", "\"nan\""]),
        (["-ncmoe", "5000"], ["n_cpu_moe", "5000"]),
    ] {
        // A missing file would be reported first if it were opened.
        let ran = sweep(["-m", "no/such/model.gguf"].into_iter().chain(flags));
        refused(&ran, 2, &says);
        assert!(!ran.err.contains("no/such/model.gguf"), "{}", ran.err);
    }
    let mask = format!("1{}", "0".repeat(128));
    refused(&small_sweep(&["-C", &mask]), 2, &["CPU 512", "CPUs 0 to 511", "taskset"]);
}

#[test]
fn a_damaged_baseline_is_refused_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let flags = |more: &[&str]| {
        let all =
            ["-p", "8", "-n", "0", "-r", "1", "-t", "1", "--baseline-dir", folder.path().to_str().unwrap()];
        sweep(all.iter().chain(more))
    };
    let saved = flags(&["--shape", "tiny-llama", "--save-baseline", "main", "-o", "none"]);
    assert_eq!(saved.status, 0, "{}", saved.err);
    let file = fs::read_dir(folder.path().join("main")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.filter(|path| path.extension().is_some()).find(|path| path.is_file()).unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    // As an editor of Windows saves it.
    fs::write(&file, format!("\u{feff}{}", whole.replace('\n', "\r\n"))).unwrap();
    let compared =
        flags(&["--shape", "tiny-llama", "--baseline", "main", "--tolerance", "1000000%", "-o", "none"]);
    assert_eq!(compared.status, 0, "{}", compared.err);
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    for flag in ["--baseline", "--save-baseline"] {
        let ran = flags(&["-m", "no/such/model.gguf", flag, "main"]);
        refused(&ran, 2, &["is damaged", "delete it and save the baseline again"]);
        assert!(!ran.err.contains("no/such/model.gguf"), "{}", ran.err);
    }
}

/// A value that only some combinations cannot have makes failed cells: other configurations are measured.
#[test]
fn context_parameters_that_do_not_go_together_are_failed_cells() {
    let ran = sweep("--shape tiny-llama -p 16 -n 0 -r 1 -t 1 -ctv q8_0,f16 -fa 0 -o json".split(' '));
    assert_eq!(ran.status, 1, "{}", ran.err);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(rows[0]["error_message"].as_str().unwrap().contains("flash attention"), "{}", rows[0]);
    assert!(rows[1]["avg_ts"].as_f64().unwrap() > 0.0, "{}", rows[1]);
}

#[test]
fn files_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (nowhere, odd, bare) = (path("no/such/folder/results.json"), path("results.xml"), path("results"));
    refused(&small_sweep(&["--output", &nowhere]), 2, &[&nowhere]);
    refused(&small_sweep(&["--output", &odd]), 2, &[&odd, "jsonl"]);
    refused(&small_sweep(&["--output", &bare]), 2, &[&bare, "jsonl"]);
    let directory = path("folder.json");
    fs::create_dir(&directory).unwrap();
    refused(&small_sweep(&["--output", &directory]), 2, &[&directory]);
}

/// Runs the sweep, by its path as `$0`, in a shell that first makes room for its model of 5 MB scarce.
#[cfg(unix)]
fn in_scarce_room(folder: &std::path::Path, shell: &[&str], script: &str) -> Ran {
    let output = std::process::Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", script])
        .arg(support::example("sweep").get_program())
        .env("LLAMA_BENCH_CACHE", folder)
        .output()
        .unwrap();
    support::read(output)
}

/// A failed run that says so.
#[cfg(unix)]
fn no_room(ran: &Ran) {
    assert_eq!(ran.status, 1, "{}", ran.err);
    for word in ["disk_full", "no room for", "free some space", "nothing was left behind"] {
        assert!(ran.out.contains(word), "no {word:?} in: {}", ran.out);
    }
}

/// A limit on the size of this one process's files: for the writer it is as good as a full disk.
#[test]
#[cfg(unix)]
fn a_model_larger_than_files_may_be_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // 2048 blocks of 512 bytes. The signal that comes with the error is ignored.
    let script = r#"trap '' XFSZ; ulimit -f 2048; exec "$0" --shape tiny-llama --keep -p 16 -n 0 -r 1"#;
    no_room(&in_scarce_room(folder.path(), &["sh"], script));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A disk of one megabyte that only this process and its children see.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_nothing() {
    let shell = ["unshare", "--map-root-user", "--mount", "sh"];
    let mount = r#"mount -t tmpfs -o size=1m tmpfs "$LLAMA_BENCH_CACHE""#;
    let folder = tempfile::tempdir().unwrap();
    let trial = std::process::Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", mount])
        .env("LLAMA_BENCH_CACHE", folder.path())
        .output();
    if !trial.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: this user cannot mount a small disk here");
        return;
    }
    // The disk goes with the process: what is left on it is listed before.
    let list = r#"status=$?; echo "left on the disk:"; ls -A "$LLAMA_BENCH_CACHE"; exit $status"#;
    let script = format!(r#"{mount} || exit 99; "$0" --shape tiny-llama --keep -p 16 -n 0 -r 1; {list}"#);
    let ran = in_scarce_room(folder.path(), &shell, &script);
    no_room(&ran);
    assert!(ran.out.trim_end().ends_with("left on the disk:"), "{}", ran.out);
}

#[test]
fn a_noise_that_is_not_a_percentage_is_bad_usage() {
    for noise in ["nan", "-1", "much"] {
        let ran = run(example("compare").args(["--a", "-t 1", "--b", "-t 1", "--noise", noise]));
        assert_eq!(ran.status, 2, "{}", ran.err);
        assert!(ran.err.contains("is not a percentage"), "{}", ran.err);
    }
}
