//! llama-bench's flags in the built sweep: what they lead to in its rows and on its streams.
#![allow(missing_docs)]

mod support;

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;
use support::{example, run, small_sweep, sweep};

/// One quick test, as rows.
fn rows(more: &[&str]) -> Vec<Value> {
    let ran = sweep("--shape tiny-llama -p 8 -n 0 -t 1 -r 1 -o json".split(' ').chain(more.iter().copied()));
    assert_eq!(ran.status, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn switches_with_a_value_and_lists_reach_the_rows() {
    let rows = rows(&[
        "--cpu-strict",
        "0,1",
        "-nopo",
        "1",
        "--no-host",
        "1,0",
        "--repack=0",
        "-ts",
        "3/1",
        "-dev",
        "none",
        "-ot",
        "nothing{1,2}=CPU;other=CPU",
        "-lzm",
        "off",
        "-mmp",
        "0",
        "-C",
        "0x0",
        "--prio",
        "0",
        "-mg",
        "0",
    ]);
    let of = |field: &str| rows.iter().map(|row| row[field].to_string()).collect::<Vec<_>>();
    assert_eq!(of("cpu_strict"), ["false", "true", "false", "true"]);
    assert_eq!(
        of("no_host"),
        ["true", "true", "false", "false"],
        "a model is loaded once for all its contexts"
    );
    for (field, value) in [
        ("no_op_offload", "1"),
        ("repack", "false"),
        ("tensor_split", "\"3.00/1.00\""),
        ("devices", "\"none\""),
        ("tensor_buft_overrides", "\"nothing{1,2}=CPU;other=CPU\""),
        ("lazy_mode", "\"off\""),
        ("load_mode", "\"none\""),
    ] {
        assert_eq!(of(field), [value; 4], "{field}");
    }
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let ran = small_sweep(&["-r", "4", "-r", "3", "-o", "md", "-o", "jsonl"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for line in ran.out.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["samples_ns"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_second_format_goes_to_standard_error() {
    let ran = small_sweep(&["-oe", "jsonl"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains(" pp16 |"), "{}", ran.out);
    // Remarks are printed there too.
    let rows = ran.err.lines().filter(|line| line.starts_with('{'));
    let rows: Vec<Value> = rows.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    // A table over several configurations is written when all are measured.
    let ran = small_sweep(&["-d", "0", "-n", "0", "-ub", "16,32", "-o", "none", "-oe", "md"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
    let is_row = |line: &&str| line.starts_with("| llama") && line.contains(" pp16 ");
    assert_eq!(ran.err.lines().filter(is_row).count(), 4, "{}", ran.err);
    assert_eq!(
        ran.err.matches(" between 2 configurations:").count() + ran.err.matches("best of 2").count(),
        1
    );
}

#[test]
fn a_format_behind_output_is_llama_benchs_flag() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = example("sweep");
    command
        .args("--shape tiny-llama -p 8 -n 0 -t 1 -r 1 --output json".split(' '))
        .current_dir(folder.path());
    let ran = run(&mut command);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&ran.out).unwrap().len(), 1);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no file is written");
}

#[test]
fn progress_is_a_line_for_each_step() {
    let ran = small_sweep(&["--progress"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.lines().all(|line| line.starts_with("sweep: ")), "{}", ran.err);
    for step in [
        "loading",
        "warming up",
        "test 1 of 4: pp16: repetition 1 of 2",
        "test 4 of 4: tg4 @ d32: repetition 2 of 2",
    ] {
        assert!(ran.err.contains(step), "{step}: {}", ran.err);
    }
}

#[test]
fn what_changes_figures_is_recorded() {
    let rows = rows(&["--numa", "distribute", "--delay", "0.01"]);
    assert_eq!((&rows[0]["numa"], &rows[0]["delay_ns"]), (&"distribute".into(), &10_000_000.into()));
    let rows = self::rows(&["-fitt", "64", "-fitc", "128"]);
    assert_eq!((&rows[0]["fit_target"], &rows[0]["fit_min_ctx"]), (&64.into(), &128.into()));
    let rows = self::rows(&[]);
    assert_eq!((&rows[0]["fit_target"], &rows[0]["fit_min_ctx"]), (&0.into(), &0.into()));
    assert_eq!((&rows[0]["numa"], &rows[0]["delay_ns"]), (&"disabled".into(), &0.into()));
}

#[test]
fn a_plan_has_every_combination_once() {
    let ran = small_sweep(&["--plan", "-fa", "on,off", "-ub", "8-32*2", "-nkvo", "0,1"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.out.matches("cells of").count(), 2 * 3 * 2, "{}", ran.out);
    let ran = sweep("--shape tiny-llama -p 0 -n 0 -pg 8,4 -pg 16,4 -d 0,8 --plan".split(' '));
    assert!(ran.out.contains("8 cells of"), "{}", ran.out);
}

/// Which model and configuration, in words.
#[test]
fn a_verification_says_what_it_is_of() {
    let flags = "--shape tiny-gpt-oss -p 16 -n 0 -d 0,200 -t 1 -fa 1 -ub 64 --verify".split(' ');
    let ran = sweep(flags);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let first = ran.out.lines().next().unwrap();
    assert!(first.contains("gpt-oss") && first.contains("-ub 64 -fa 1"), "{first}");
    let explained = ["Off by: ", "Among rewinds: ", "Rounding of a whole restore: "];
    for words in ["| memory cleared |", "| 200 | partial snapshot ", "Order: "].into_iter().chain(explained) {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    for word in ["PartialOn", "Clear ", "Rounds", "Blocks"] {
        assert!(!ran.out.contains(word), "{word} is a name of Rust alone: {}", ran.out);
    }
}

#[test]
fn copies_for_several_sequences_are_verified_too() {
    for (shared, words) in
        [(&["-npl", "1,3"][..], "has its own copy"), (&["-npl", "3", "-pps"], "share the tokens")]
    {
        let ran = small_sweep(&[&["--verify", "-n", "4"], shared].concat());
        assert_eq!(ran.status, 0, "{}", ran.err);
        for words in [words, "| depth | sequences | copies |", "Every rewind and every copy is ", "Worst: "] {
            assert!(ran.out.contains(words), "{words}: {}", ran.out);
        }
    }
}

#[test]
fn verifications_of_several_configurations_end_with_a_sum_and_show_progress() {
    let ran = small_sweep(&["--verify", "-ub", "16,32", "-n", "0"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("All 2 configurations verified: "), "{}", ran.out);
    assert!(ran.out.contains(".\n\nub 32 ("), "an empty line between blocks: {}", ran.out);
    assert!(!ran.out.contains("-ub"), "the name says it: {}", ran.out);
    for place in ["verifying ub 16 (", "(1 of 2)", "(2 of 2)"] {
        assert!(ran.err.contains(place), "{place}: {}", ran.err);
    }
}

#[test]
fn flags_without_effect_are_said() {
    let ran = small_sweep(&["--min-reps", "5", "--strict", "-o", "none"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for line in [
        "sweep: --min-reps has no effect without --until",
        "sweep: --strict has no effect without --baseline",
    ] {
        assert!(ran.err.lines().any(|it| it == line), "{line}: {}", ran.err);
    }
    let ran = small_sweep(&["--plan", "--strict"]);
    assert!(ran.err.contains("sweep: --strict has no effect with --plan"), "{}", ran.err);
}

#[test]
fn what_cannot_be_had_says_what_to_do_instead() {
    let ran = small_sweep(&["-hf", "x"]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("-hf") && ran.err.contains("download the GGUF file"), "{}", ran.err);
    let ran = small_sweep(&["-dev", "CUDA77"]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("CUDA77") && ran.err.contains("CPU"), "{}", ran.err);
}

/// A process that is limited to one CPU gets one thread, on any machine.
#[test]
fn threads_follow_the_affinity_mask() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let first: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    let has_taskset = Command::new("taskset").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if first.is_empty() || !has_taskset {
        eprintln!("SKIPPED threads_follow_the_affinity_mask: it needs Linux and taskset");
        return;
    }
    let sweep = example("sweep");
    let mut command = Command::new("taskset");
    command.args(["-c", &first]).arg(sweep.get_program());
    command.env("LLAMA_BENCH_CACHE", env!("CARGO_TARGET_TMPDIR"));
    let ran = run(command.args("--shape tiny-llama -p 8 -n 0 -r 1 -o json".split(' ')));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let threads: BTreeSet<u64> = rows.iter().filter_map(|row| row["n_threads"].as_u64()).collect();
    assert_eq!(threads, [1].into());
}
