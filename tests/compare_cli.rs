//! The compare example: several loads of each side, two files, and what it says of them.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{Ran, example, run, small_sweep, tiny_model};

const SMALL: [&str; 10] = ["-p", "16", "-n", "2", "-d", "0", "-r", "2", "-t", "1"];

/// Two byte-equal files of a tiny model, compared quickly.
fn compare(folder: &Path, mode: &str, b: &str, more: &[&str]) -> Ran {
    let first = tiny_model(folder);
    let copy = folder.join("copy.gguf");
    fs::copy(&first, &copy).unwrap();
    let side = |path: &Path| format!("-lm {mode} -m {}", path.display());
    run(example("compare").args(["--a", &side(&first), "--b", &(side(&copy) + b)]).args(SMALL).args(more))
}

/// The last column of each row.
fn verdicts(ran: &Ran) -> Vec<String> {
    let rows = ran.out.lines().filter(|line| line.starts_with("| pp") || line.starts_with("| tg"));
    rows.map(|row| row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_side_that_is_much_slower_on_purpose_is_found_in_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    let slow = compare(folder.path(), "none", " --slowed 3000", &["--loads", "6"]);
    assert!(slow.out.contains("Of 6 loads of each side, in turn"), "{}", slow.out);
    let verdicts = verdicts(&slow);
    assert_eq!(verdicts.len(), 2, "{}", slow.out);
    // On a busy machine most repetitions are disturbed, which is said in place of a verdict.
    let is_found = |verdict: &String| verdict.contains("slower") || verdict.contains("neighbours busy");
    assert!(verdicts.iter().all(is_found), "{}", slow.out);
    let status = if verdicts.iter().any(|verdict| verdict.contains("slower")) { 3 } else { 0 };
    assert_eq!(slow.status, status, "{}\n{}", slow.out, slow.err);
    assert!(slow.err.contains("compare: load 6 of 6, ") && slow.err.contains(" left"), "{}", slow.err);

    let allowed =
        compare(folder.path(), "none", " --slowed=3000%", &["--loads", "6", "--allow-slower", "--quiet"]);
    assert_eq!(allowed.status, 0, "{}", allowed.err);
    assert!(support::complaints(&allowed.err).is_empty(), "{}", allowed.err);
}

#[test]
fn one_load_has_a_change_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let ran = compare(folder.path(), "none", " --slowed 900", &["--loads", "1"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(
        verdicts(&ran).iter().all(|verdict| verdict.contains("one load each: cannot tell")),
        "{}",
        ran.out
    );
    let change = ran.out.lines().find(|line| line.starts_with("| pp16")).unwrap().split(" | ").nth(3);
    assert!(change.unwrap().parse::<f64>().is_ok_and(|change| change < 1.0), "{}", ran.out);
}

#[test]
fn mapped_files_are_read_anew_or_small_differences_have_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--loads", "2", "--allow-slower"];
    let mapped = compare(folder.path(), "mmap", "", &flags);
    assert_eq!(mapped.status, 0, "{}", mapped.err);
    let is_redrawn = mapped.out.contains("read from disk again for each load");
    assert!(is_redrawn != mapped.out.contains("smaller differences have no verdict"), "{}", mapped.out);
    let read = compare(folder.path(), "none", "", &flags);
    assert!(!read.out.contains("from disk") && !read.out.contains("no verdict."), "{}", read.out);
}

/// A file on a disk in memory cannot leave the page cache.
#[test]
#[cfg(target_os = "linux")]
fn pages_that_cannot_move_make_small_differences_inconclusive() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq(["/dev/shm", "tmpfs"])) {
        println!("SKIPPED: there is no disk in memory at /dev/shm");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let ran = compare(folder.path(), "mmap", "", &["--loads", "2", "--allow-slower"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("smaller differences have no verdict"), "{}", ran.out);
    assert!(ran.out.contains("-lm none"), "{}", ran.out);
}

#[test]
fn the_plan_says_what_it_costs_and_what_one_load_cannot_tell() {
    let folder = tempfile::tempdir().unwrap();
    let plan = compare(folder.path(), "none", "", &["--plan"]);
    assert_eq!(plan.status, 0, "{}", plan.err);
    for part in ["loads of each side: 10", "bytes to load: ", "tokens to time: ", "One load cannot tell"] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    assert!(!plan.out.contains("| test |"), "{}", plan.out);
}

#[test]
fn a_side_that_cannot_be_loaded_is_told_and_fails() {
    let sides = ["--a", "model=missing.gguf", "--b", "n_threads=1", "-d", "0", "--loads", "1"];
    let ran = run(example("compare").args(sides));
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("missing.gguf"), "{}", ran.out);
}

#[test]
fn flags_on_the_line_are_of_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.jsonl");
    let flags = ["--shape", "tiny-llama", "-ub", "64", "-fa", "0", "--loads", "1", "-o", "json", "--quiet"];
    let ran = run(example("compare")
        .args(["--b", "-fa 1", "--output", file.to_str().unwrap()])
        .args(SMALL)
        .args(flags));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(support::complaints(&ran.err).is_empty(), "{}", ran.err);
    let lines: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(lines[0]["test"], "pp16");
    assert_eq!(lines[0]["verdict"], "cannot tell");
    assert!(lines[0]["a_ts"].as_f64().unwrap() > 0.0 && lines[0]["speedup_lower"].is_null(), "{}", ran.out);
    // The raw results are kept, A's first, and are those of the flags.
    let rows = fs::read_to_string(&file).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |field: &str| rows.iter().map(|row| row[field].to_string()).collect::<Vec<_>>();
    assert_eq!(of("flash_attn"), ["0", "0", "1", "1"]);
    assert_eq!(of("n_ubatch"), ["64"; 4]);
    assert!(rows.iter().all(|row| row["samples_ns"].as_array().unwrap().len() == 2), "{rows:?}");
    let again = run(example("compare").args(["--b", "-fa 1", "--output", file.to_str().unwrap()]));
    assert_eq!((again.status, again.out.as_str()), (2, ""));
    assert!(again.err.contains("holds results already") && again.err.contains("--force"), "{}", again.err);
}

/// Runs it until it prints something, then sends SIGINT; `None` if the signal is ignored.
#[cfg(unix)]
fn interrupted(command: &mut std::process::Command, says: &str) -> Option<Ran> {
    use std::{
        io::{BufRead, BufReader, Read},
        process::{Command, Stdio},
    };

    if support::is_ignored(2) {
        println!("SKIPPED: SIGINT is ignored here, and by every child");
        return None;
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut err, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains(says) {
        assert!(err.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    err.read_to_string(&mut text).unwrap();
    let ran = support::read(child.wait_with_output().unwrap());
    Some(Ran { err: text, ..ran })
}

/// Two loads are done when it is interrupted: they are compared, and all that was measured is in the file.
#[test]
#[cfg(unix)]
fn an_interruption_keeps_the_loads_that_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.jsonl");
    let mut command = example("compare");
    command.args(["--shape", "tiny-llama", "--b", "-fa 1", "--loads", "100000", "-o", "term", "--output"]);
    let Some(ran) = interrupted(command.arg(&file).args(SMALL), "load 3 of 100000") else { return };
    assert_eq!(ran.status, 130, "{}", ran.err);
    let line = ran.err.lines().find(|line| line.contains("compare: interrupted after "));
    let line = line.unwrap_or_else(|| panic!("{}", ran.err));
    let n: usize = line.split(' ').nth(3).unwrap().parse().unwrap();
    assert!(n >= 2 && line.ends_with(" of 100000 loads, which are compared"), "{line}");
    let joined = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains(&format!("Of {n} loads of each side, in turn")), "{}", ran.out);
    assert!(ran.out.lines().any(|line| line.starts_with("pp16 ")), "{}", ran.out);
    // What was cut is in the file too, and does not keep the loads before it from being compared.
    let rows = fs::read_to_string(&file).unwrap();
    assert!(rows.lines().count() >= 2 * 2 * n, "{rows}");
    let again = run(example("compare").args([&file, &file]));
    assert!(again.out.contains(&format!("Of {n} runs of A and {n} runs of B")), "{}", again.out);
    assert!(!again.out.contains("interrupted before"), "{}", again.out);
}

/// SIGKILL leaves no time to write anything.
#[test]
#[cfg(unix)]
fn a_killed_comparison_leaves_the_loads_that_were_done_in_its_file() {
    use std::{
        io::{BufRead, BufReader},
        process::Stdio,
    };

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.jsonl");
    let mut command = example("compare");
    command.args(["--shape", "tiny-llama", "--b", "-fa 1", "--loads", "100000", "--output"]);
    let mut child =
        command.arg(&file).args(SMALL).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut err, mut text) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !text.contains("load 3 of 100000") {
        assert!(err.read_line(&mut text).unwrap() > 0, "it ended by itself: {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let rows = fs::read_to_string(&file).unwrap();
    assert!(rows.lines().count() >= 2 * 2 * 2, "two loads of two sides with two tests: {rows}");
}

#[test]
#[cfg(unix)]
fn an_interruption_in_the_first_load_has_nothing_to_compare() {
    let mut command = example("compare");
    command.args([
        "--shape",
        "tiny-llama",
        "--b",
        "-fa 1",
        "-p",
        "16",
        "-n",
        "0",
        "-t",
        "1",
        "-r",
        "100000000",
    ]);
    let Some(ran) = interrupted(&mut command, "load 1 of ") else { return };
    assert_eq!(ran.status, 130, "{}", ran.err);
    assert!(ran.err.contains("interrupted in the first load: there is nothing to compare"), "{}", ran.err);
}

#[test]
#[cfg(unix)]
fn an_interruption_keeps_the_rounds_of_a_check_of_methods() {
    let mut command = example("method_check");
    command.args(["--shape", "tiny-llama", "--rounds", "100000"]).args(SMALL);
    let Some(ran) = interrupted(&mut command, "round 3 of 100000") else { return };
    assert_eq!(ran.status, 130, "{}", ran.err);
    assert!(ran.err.contains("interrupted after ") && ran.err.contains(" of 100000 rounds"), "{}", ran.err);
    assert!(ran.out.contains("| pp16 |") && ran.out.contains("time per round: "), "{}", ran.out);
}

#[test]
fn a_terminal_gets_a_table_of_its_width() {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = two_files(folder.path());
    for width in ["60", "80", "200"] {
        let ran = run(example("compare").args([&before, &after, "-o", "term"]).env("COLUMNS", width));
        assert_eq!(ran.status, 3, "{}", ran.err);
        let most: usize = width.parse().unwrap();
        // A path is one word.
        let lines = ran.out.lines().filter(|line| !line.contains(folder.path().to_str().unwrap()));
        let wide: Vec<&str> = lines.filter(|line| line.chars().count() > most).collect();
        assert!(wide.is_empty(), "{width}: {wide:?}");
        assert!(ran.out.contains("% slower") && ran.out.contains("B over A"), "{}", ran.out);
    }
}

/// A file of three runs of the small sweep, and one in which every generation took a thousand times as long.
fn two_files(folder: &Path) -> [String; 2] {
    let measured = folder.join("measured.jsonl");
    let ran = small_sweep(&["--runs", "3", "-o", "none", "--output", measured.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let text = fs::read_to_string(&measured).unwrap();
    let file = |name: &str, factor: u64, end: &str| {
        let row = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            if row["n_gen"] != 0 {
                for sample in row["samples_ns"].as_array_mut().unwrap() {
                    *sample = (factor * sample.as_u64().unwrap()).into();
                }
            }
            // They hold what other programs took, and times on a core that have not changed.
            row["samples_disturbance"] = Value::Null;
            row.to_string() + end
        };
        let path = folder.join(name);
        fs::write(&path, text.lines().map(row).collect::<String>()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // The second as an editor of Windows leaves it.
    let [before, after] = [file("before.jsonl", 1, "\n"), file("after.jsonl", 1000, "\r\n")];
    let marked = format!("\u{feff}{}", fs::read_to_string(&after).unwrap());
    fs::write(&after, marked).unwrap();
    [before, after]
}

#[test]
fn two_files_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = two_files(folder.path());
    let compare = |more: &[&str]| run(example("compare").args(more));
    let slower = compare(&[&before, &after]);
    assert_eq!(slower.status, 3, "{}\n{}", slower.out, slower.err);
    let says = verdicts(&slower);
    assert_eq!(says.len(), 4, "{}", slower.out);
    let (pp, tg): (Vec<_>, Vec<_>) =
        (says.iter().step_by(2).collect(), says.iter().skip(1).step_by(2).collect());
    assert!(pp.iter().all(|says| !says.contains("slower")), "{}", slower.out);
    assert!(tg.iter().all(|says| says.contains("% slower")), "{}", slower.out);
    assert!(
        slower.out.contains("between runs") && slower.out.contains("Of 3 runs of A and 3 runs of B"),
        "{}",
        slower.out
    );
    assert_eq!(compare(&[&before, &after, "--allow-slower"]).status, 0);
    let same = compare(&[&before, &before]);
    assert_eq!((same.status, same.err.as_str()), (0, ""), "{}", same.out);
    assert!(
        verdicts(&same).iter().all(|says| !says.contains("faster") && !says.contains("slower")),
        "{}",
        same.out
    );
    assert_eq!(compare(&[&after, &before]).status, 0, "faster is no failure");

    // From a pipe, as PowerShell writes to one.
    let wide: Vec<u8> =
        fs::read_to_string(&after).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pipe = folder.path().join("wide");
    fs::write(&pipe, wide).unwrap();
    let piped = run(example("compare").args([&before, "-"]).stdin(fs::File::open(&pipe).unwrap()));
    assert_eq!(piped.status, 3, "{}", piped.err);

    let csv = compare(&[&before, &after, "-o", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.out.as_bytes());
    let names = reader.headers().unwrap().clone();
    assert_eq!(names.iter().take(4).collect::<Vec<_>>(), ["configuration", "test", "a_ts", "b_ts"]);
    let at = names.iter().position(|name| name == "verdict").unwrap();
    let slower = reader.records().filter(|row| &row.as_ref().unwrap()[at] == "slower").count();
    assert!(slower >= 2, "{}", csv.out);
    let jsonl = compare(&[&before, &after, "-o", "jsonl"]);
    assert!(jsonl.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", jsonl.out);
    assert_eq!(compare(&[&before, &after, "-o", "none"]).out, "");
}

#[test]
fn files_that_cannot_be_compared_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let flags = "--shape tiny-llama -p 16 -n 0 -r 1 -t 1 -ub 16,32 -o jsonl".split(' ');
    let ran = run(example("sweep").args(flags));
    let rows: Vec<&str> = ran.out.lines().collect();
    let one = path("one.jsonl", rows[0]);
    let two = path("two.jsonl", &ran.out);
    let damaged = path("damaged.jsonl", "{\"model\": ");
    let refused = |arguments: &[&str], says: &str| {
        let ran = run(example("compare").args(arguments));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{arguments:?}: no {says:?} in {}", ran.err);
    };
    refused(&[&one], "1 file named: give two");
    refused(&[&one, &one, &one], "3 files named: give two");
    refused(&[&one, "missing.json"], "cannot read missing.json");
    refused(&[&one, &damaged], "damaged.jsonl: damaged jsonl, line 1");
    refused(&[&one, &one, "--b", "-fa 1"], "--b");
    refused(&[&one, &one, "-ub", "64"], "--ubatch-size");
    refused(&[&one, &one, "-d", "0"], "--n-depth");
    refused(&[], "--b <FLAGS>");
    refused(&["--b", "-fa perhaps"], "--b \"-fa perhaps\": ");
    refused(&["--b", "-ub 0"], "0 is not a valid batch size");
    refused(&["--b", "-ub 1,2"], "give each flag one value");
    refused(&["--b", "", "-p", "0", "-n", "0"], "nothing to measure");
    // What only one file has is left out, and said.
    let ran = run(example("compare").args([&one, &two]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("left out, in ") && ran.err.contains("32"), "{}", ran.err);
    assert!(verdicts(&ran).iter().all(|says| says.contains("one run each: cannot tell")), "{}", ran.out);
}
