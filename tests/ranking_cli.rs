//! What `sweep` says of several configurations at the end, and while it measures.
#![allow(missing_docs)]

mod support;

use llama_bench_rs::report;
use support::{complaints, small_sweep};

/// The lines of the ranking, if there is one.
fn ranking(text: &str) -> Option<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_heading = |line: &&str| {
        line.starts_with("The best of 2 configurations:")
            || line.starts_with("No sure difference between 2 configurations:")
    };
    let at = lines.iter().position(is_heading)?;
    Some(lines[at..].to_vec())
}

#[test]
fn a_sweep_of_several_configurations_ends_with_the_best_of_each_test() {
    let ran = small_sweep(&["-ub", "64,512", "-b", "512"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let lines = ranking(&ran.out).unwrap_or_else(|| panic!("no ranking: {}", ran.out));
    // A Markdown table, which stays a table in a post.
    assert!(
        lines[2].starts_with("| test ") && lines[2].contains("against ub 512 (the default)"),
        "{}",
        ran.out
    );
    assert!(lines[3].starts_with("| ---") && lines[3].ends_with(" |"), "{}", ran.out);
    for (line, test) in lines[4..].iter().zip(["pp16 ", "tg4 ", "pp16 @ d32 ", "tg4 @ d32 "]) {
        assert!(line.starts_with(&format!("| {test}")) && line.contains(" ub "), "{line}");
    }
    assert!(ran.out.contains("One run of each: runs are assumed to lie 5 % apart"), "{}", ran.out);
    assert_eq!(ran.out.matches(lines[0]).count(), 1, "once: {}", ran.out);
    let before = &ran.out[..ran.out.find(lines[0]).unwrap()];
    assert!(before.contains("| test |") || before.contains("test |"), "after the table: {before}");
}

#[test]
fn the_ranking_is_below_the_table_of_report_and_beside_an_explanation_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.jsonl");
    let ran = small_sweep(&[
        "-ub",
        "64,512",
        "-b",
        "512",
        "--stat",
        "p90",
        "--explain",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.out.matches(" 2 configurations:").count(), 1, "{}", ran.out);
    assert!(ran.out.contains("t/s (fast end; p90)"), "{}", ran.out);
    assert!(
        ran.out.contains("The speeds here are means; the table above shows another statistic (p90)."),
        "{}",
        ran.out
    );
    let ran = support::run(support::example("report").arg(&file).args(["-o", "md"]));
    assert!(ranking(&ran.out).is_some_and(|lines| lines[2].starts_with("| test ")), "{}", ran.out);
}

#[test]
fn scripts_find_rows_alone_on_standard_output() {
    for format in ["jsonl", "csv"] {
        let ran = small_sweep(&["-ub", "64,512", "-b", "512", "-o", format]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(ranking(&ran.err).is_some(), "{format}: {}", ran.err);
        assert_eq!(report::read_str(&ran.out).unwrap().report.runs.len(), 2);
    }
}

#[test]
fn one_configuration_has_no_ranking_however_many_runs() {
    let ran = small_sweep(&["--runs", "2"]);
    assert!(!ran.out.contains("configurations:") && !ran.err.contains("configurations:"), "{}", ran.out);
}

#[test]
fn what_failed_is_said_to_have_failed() {
    // Without flash attention V cannot be quantised.
    let ran = small_sweep(&["-fa", "0,1,auto", "-ctv", "q8_0"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("- fa 0 failed: "), "{}", ran.out);
    assert!(ranking(&ran.out).is_some(), "{}", ran.out);
}

#[test]
fn quiet_means_quiet() {
    let ran = small_sweep(&["-ub", "64,512", "-b", "512", "--quiet"]);
    assert_eq!(ran.status, 0);
    assert_eq!(complaints(&ran.err), [""; 0]);
    let both = small_sweep(&["--quiet", "--progress"]);
    assert_eq!(both.status, 2, "{}", both.err);
}

#[test]
fn without_a_terminal_each_configuration_has_a_line() {
    let ran = small_sweep(&["-ub", "64,512", "-b", "512", "--runs", "2", "-o", "none"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("sweep: [")).collect();
    let places =
        ["[1/2 ub 64, run 1/2]", "[2/2 ub 512, run 1/2]", "[2/2 ub 512, run 2/2]", "[1/2 ub 64, run 2/2]"];
    assert_eq!(lines.len(), places.len(), "{}", ran.err);
    for (line, place) in lines.iter().zip(places) {
        assert!(line.starts_with(&format!("sweep: {place}")), "{line}");
    }
    // By the second run it is known how long it takes.
    assert!(lines[2].ends_with("s left"), "{}", lines[2]);
    assert!(ran.err.starts_with("sweep: 2 configurations, 16 cells, 32 repetitions\n"), "{}", ran.err);
    let one = small_sweep(&["-o", "none"]);
    assert!(!one.err.contains("sweep: [") && !one.err.contains("repetitions\n"), "{}", one.err);
}

#[test]
fn rows_of_several_configurations_are_one_table() {
    let ran = small_sweep(&["-ub", "64,512", "-b", "512"]);
    assert_eq!(ran.out.matches("|            test |").count(), 1, "{}", ran.out);
    assert_eq!(ran.out.lines().filter(|line| line.starts_with("| llama")).count(), 8, "{}", ran.out);
    assert!(ran.out.contains("| n_ubatch |"), "{}", ran.out);
}
