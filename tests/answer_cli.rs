//! What a person reads first: with `-o term`, with `--explain`, and beside a table of means.
#![allow(missing_docs)]

mod support;

use support::{SMALL, example, run, small_sweep};

#[test]
fn a_terminal_shows_the_answer_first() {
    let ran = run(example("sweep").args(SMALL).args(["-o", "term"]).env("COLUMNS", "72"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[1].starts_with("Generation "), "{}", ran.out);
    assert!(lines.iter().all(|line| line.chars().count() <= 72), "as wide as COLUMNS says:\n{}", ran.out);
    assert!(ran.out.find("\nBy depth\n") < ran.out.find("\nConfiguration\n"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no colours where nobody looks");
    assert!(!ran.err.contains("trust: "), "it is in the first lines: {}", ran.err);
}

/// A terminal that was made narrower after the shell set `COLUMNS`.
#[cfg(target_os = "linux")]
#[test]
fn a_terminals_own_width_counts() {
    use std::{ffi::OsStr, fs::File, io::Read, os::unix::ffi::OsStrExt};

    use rustix::{
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        termios::{Winsize, tcsetwinsize},
    };

    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).and_then(|()| unlockpt(&screen)).unwrap();
    tcsetwinsize(&screen, Winsize { ws_row: 40, ws_col: 66, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    let mut command = example("sweep");
    command.args(SMALL).args(["-o", "term"]).env("COLUMNS", "200").env("NO_COLOR", "1");
    let mut sweep = command.stdout(terminal).stderr(std::process::Stdio::null()).spawn().unwrap();
    // The last writer is then the sweep.
    drop(command);
    let (mut shown, mut screen) = (Vec::new(), File::from(screen));
    // On Linux, reading a terminal that was closed ends with an error.
    let _ = screen.read_to_end(&mut shown);
    assert!(sweep.wait().unwrap().success());
    let shown = String::from_utf8(shown).unwrap();
    let longest = shown.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(longest.is_some_and(|longest| (56..=66).contains(&longest)), "{longest:?}\n{shown}");
}

#[test]
fn a_table_of_means_is_followed_by_one_line_of_trust_on_standard_error() {
    let trust = |err: &str| err.lines().filter(|line| line.contains("trust: ")).count();
    let table = small_sweep(&[]);
    assert_eq!((table.status, trust(&table.err)), (0, 1), "{}", table.err);
    assert!(!table.out.contains("trust"), "{}", table.out);
    let json = small_sweep(&["-o", "json"]);
    assert_eq!((json.status, trust(&json.err)), (0, 0), "scripts read the samples: {}", json.err);
    let explained = small_sweep(&["--explain"]);
    assert_eq!((explained.status, trust(&explained.err)), (0, 0), "{}", explained.err);
    assert!(explained.out.contains("| depth | prefill t/s |"), "{}", explained.out);
}

#[test]
fn the_table_shows_the_statistic_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (jsonl, md) = (folder.path().join("r.jsonl"), folder.path().join("r.md"));
    let (jsonl, md) = (jsonl.to_str().unwrap(), md.to_str().unwrap());
    let ran = small_sweep(&["--stat", "median", "--output", jsonl]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.lines().next().unwrap().ends_with(" t/s, median ± MAD |"), "{}", ran.out);
    // The same file as another statistic, on standard output and in a file.
    let report = run(example("report").args([jsonl, "--stat", "p90"]));
    assert!(report.out.lines().next().unwrap().ends_with(" t/s, p90 of times |"), "{}", report.out);
    let ran = small_sweep(&["--stat", "p99", "-o", "none", "--output", md]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(std::fs::read_to_string(md).unwrap().contains(" t/s, p99 of times |"));
    for program in ["sweep", "report"] {
        let refused = run(example(program).args(["--stat", "p100", jsonl]));
        assert_eq!(refused.status, 2, "{}", refused.err);
        assert!(refused.err.contains("\"p100\" is not a valid statistic"), "{}", refused.err);
    }
}
