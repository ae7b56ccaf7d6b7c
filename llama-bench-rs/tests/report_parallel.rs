//! Tests with several sequences in files and comparisons: a level is never taken for another one.

mod report_support;

use std::time::Duration;

use llama_bench_rs::{
    baseline::{BaselineError, Baselines},
    judge::{self, Rule, Tolerance, Verdict},
    record::*,
    report::{self, Format, Journal, read_str},
    with,
};
use report_support::reference;
use serde_json::Value;

/// Every level at these depths; `slowed` is what the time of a test is multiplied by. The n-th run is a little slower.
fn run(n: u32, slowed: impl Fn(Test) -> f64) -> Run {
    let mut header = reference().runs[0].header.clone();
    header.timing.started_at = format!("2025-11-03T10:{n:02}:00Z");
    header.config.fit_target = Some(64);
    header.config.fit_min_ctx = Some(512);
    let tests = [1, 2, 8].into_iter().flat_map(|n| [0, 64].map(|depth| tg(4).parallel(n).at(depth)));
    let cell = |test: Test| {
        // More sequences take longer, but less than as much longer.
        let step = 0.010
            * (1.0 + 0.1 * f64::from(test.n_parallel))
            * slowed(test)
            * (1.0 + 0.002 * f64::from(n % 3));
        let sample = |i: u32| {
            let step = Duration::from_secs_f64(step * (1.0 + 0.001 * f64::from(i)));
            with!(Sample { elapsed: step * 4, steps: vec![step; 4], ..Sample::default() })
        };
        let measured = with!(Measured { samples: (0..4).map(sample).collect(), ..Measured::default() });
        Cell { test, started_at: String::new(), outcome: Outcome::Measured(measured) }
    };
    Run { header, cells: tests.map(cell).collect(), curve: Vec::new() }
}

fn runs(n: u32, slowed: impl Fn(Test) -> f64) -> Report {
    Report { runs: (0..n).map(|i| run(i, &slowed)).collect() }
}

fn as_it_is(_: Test) -> f64 {
    1.0
}

fn of_eight(test: Test) -> f64 {
    if test.n_parallel == 8 { 1.2 } else { 1.0 }
}

fn json(report: &Report) -> Vec<Value> {
    serde_json::from_str(&report::to_string(report, Format::Json).unwrap()).unwrap()
}

#[test]
fn a_row_tells_the_sequences_and_the_speed_of_each() {
    let rows = json(&runs(1, as_it_is));
    let told = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("n_parallel"), [1, 1, 2, 2, 8, 8]);
    assert_eq!(told("n_gen"), [4; 6], "those of each sequence");
    let row = &rows[4];
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!((number("avg_ts") / number("avg_ts_per_sequence") - 8.0).abs() < 1e-9);
    assert!((number("avg_ts") - 8.0 / 0.018).abs() < 1.0, "of all sequences together: {row}");
    // Four times four steps, of 18 to 18.054 ms.
    assert!((number("step_p50_ns") - 18_027_000.0).abs() < 2.0, "{row}");
    assert!(
        number("step_p90_ns") <= number("step_p99_ns") && (number("step_p99_ns") - 18_054_000.0).abs() < 9.0
    );
    let prompt = json(&reference());
    assert_eq!(prompt[0]["step_p99_ns"], Value::Null);
}

#[test]
fn every_format_keeps_levels_apart() {
    let report = runs(2, as_it_is);
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let text = report::to_string(&report, format).unwrap();
        assert_eq!(read_str(&text).unwrap().report, report, "{format}");
    }
    let table = report::to_string(&report, Format::Markdown).unwrap();
    for test in ["tg4", "tg4 @ d64", "tg4 x2", "tg4 x8 @ d64"] {
        assert!(table.contains(&format!("| {test:>15} |")), "{test}: {table}");
        assert!(table.contains(&format!("\n| {test} | 2 | ")), "between runs, {test}: {table}");
    }
    let slower = table.lines().find(|line| line.contains("tg4 x8 |")).unwrap();
    assert!(slower.contains(" 443."), "8 sequences, 32 tokens in 72 ms: {slower}");
}

#[test]
fn a_file_without_levels_has_one_sequence() {
    let text = report::to_string(&reference(), Format::Jsonl).unwrap();
    let old = text.replace("\"n_parallel\": 1, ", "").replace("\"avg_ts_per_sequence\": ", "\"x\": ");
    assert!(old != text && !old.contains("n_parallel"));
    assert_eq!(read_str(&old).unwrap().report, reference());
    let nobody = text.replacen("\"n_parallel\": 1, ", "\"n_parallel\": 0, ", 1);
    let said = read_str(&nobody).unwrap_err().to_string();
    assert_eq!(said, "line 1: field `n_parallel` holds 0, but must hold 1 or more sequences");
}

/// llama-bench's columns are those of one sequence. Its script would average both.
#[test]
fn a_row_of_several_sequences_joins_with_no_other() {
    let report = runs(1, as_it_is);
    let targets: Vec<Value> = json(&report).iter().map(|row| row["fit_target"].clone()).collect();
    let null = Value::Null;
    assert_eq!(targets, [64.into(), 64.into(), null.clone(), null.clone(), null.clone(), null]);
    let csv = report::to_string(&report, Format::Csv).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let column = reader.headers().unwrap().iter().position(|name| name == "fit_target").unwrap();
    let targets: Vec<String> = reader.records().map(|row| row.unwrap()[column].to_owned()).collect();
    assert_eq!(targets, ["64", "64", "x2@5f4a7ef3", "x2@5f4a7ef3", "x8@5f4a7ef3", "x8@5f4a7ef3"]);
    let config = &read_str(&csv).unwrap().report.runs[0].header.config;
    assert_eq!((config.fit_target, config.fit_min_ctx), (Some(64), Some(512)));
    let odd = csv.replacen("x2@5f4a7ef3", "y2@5f4a7ef3", 1);
    assert!(read_str(&odd).unwrap_err().to_string().contains("fit_target"));
}

#[test]
fn a_report_finds_the_cell_of_one_sequence_and_of_several() {
    let mut report = runs(1, as_it_is);
    report.runs[0].cells.reverse();
    assert_eq!(report.cell(TestKind::Tg(4), 64).unwrap().test, tg(4).at(64));
    assert_eq!(report.cell_of(tg(4).parallel(8).at(64)).unwrap().test.n_parallel, 8);
    report.runs[0].cells.retain(|cell| cell.test.n_parallel > 1);
    assert!(report.cell(TestKind::Tg(4), 64).is_none());
}

#[test]
fn a_journal_keeps_levels_apart_and_goes_on_with_those_that_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let Run { header, cells, .. } = run(0, as_it_is);
    let mut journal = Journal::create(&path).unwrap();
    journal.begin();
    // Interleaved: every level has a part of its repetitions.
    let so_far = |cell: &Cell| {
        let mut cell = cell.clone();
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        measured.samples.truncate(1);
        cell
    };
    cells[..4].iter().for_each(|cell| journal.cell_so_far(&header, &so_far(cell), &[]).unwrap());
    cells[..3].iter().for_each(|cell| journal.cell(&header, cell, &[]).unwrap());
    drop(journal);
    let (mut journal, found) = Journal::resume(&path).unwrap();
    let n_samples: Vec<_> =
        found.cells().map(|(_, cell)| (cell.test, cell.measured().unwrap().samples.len())).collect();
    let expected: Vec<_> = cells[..4].iter().zip([4, 4, 4, 1]).map(|(cell, n)| (cell.test, n)).collect();
    assert_eq!(n_samples, expected);
    journal.begin();
    cells.iter().for_each(|cell| journal.cell(&header, cell, &[]).unwrap());
    journal.finish().unwrap();
    let mut whole = report::read_file(&path).unwrap().report;
    whole.runs[0].cells.sort_by_key(|cell| cell.test);
    let mut expected = cells;
    expected.sort_by_key(|cell| cell.test);
    assert_eq!(whole.runs[0].cells, expected);
}

/// The tests with this verdict.
fn with(judgement: &judge::Judgement, verdict: Verdict) -> Vec<String> {
    judgement.with(verdict).map(|judged| judged.test.to_string()).collect()
}

#[test]
fn a_level_that_got_slower_is_found_and_the_others_are_not_accused() {
    let (before, after) = (runs(5, as_it_is), runs(5, of_eight));
    let sides = [&before, &after].map(|report| report.runs.iter().collect::<Vec<_>>());
    let judged = judge::compare(&sides[0], &sides[1], Rule::default()).unwrap();
    assert_eq!(with(&judged, Verdict::Regressed), ["tg4 x8", "tg4 x8 @ d64"], "{judged:?}");
    assert_eq!(with(&judged, Verdict::NoChange).len(), 4, "{judged:?}");
    let mut both = before;
    both.runs.extend(after.runs.into_iter().map(|mut run| {
        run.header.config.n_ubatch = Some(64);
        run
    }));
    let text = report::comparison_text(&both).unwrap();
    let changed: Vec<&str> = text.lines().filter(|line| line.contains("REGRESSED")).collect();
    assert!(changed.len() == 2 && changed.iter().all(|line| line.contains("tg4 x8")), "{text}");
}

#[test]
fn a_baseline_has_its_levels() {
    let folder = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(folder.path().join("baselines"));
    let before = runs(5, as_it_is);
    baselines.save("main", &before).unwrap();
    let slower = baselines.compare("main", &runs(3, of_eight), Tolerance::percent(5)).unwrap();
    let said = slower.to_string();
    assert!(slower.is_slower() && said.contains("tg4 x8"), "{said}");
    assert!(!baselines.compare("main", &runs(3, as_it_is), Tolerance::percent(5)).unwrap().is_slower());
    // Levels that are not asked for could not be judged.
    let header = &before.runs[0].header;
    let one = [tg(4), tg(4).at(64)];
    let refused = baselines.check_tests("main", header, &one).unwrap_err();
    let BaselineError::OtherTests { missing, .. } = refused else { panic!("{refused}") };
    assert_eq!(missing.iter().map(|test| test.n_parallel).collect::<Vec<_>>(), [2, 2, 8, 8]);
    let more = [1, 2, 4, 8].into_iter().flat_map(|n| one.map(|test| test.parallel(n)));
    let unknown = baselines.check_tests("main", header, &more.collect::<Vec<_>>()).unwrap();
    assert_eq!(unknown, one.map(|test| test.parallel(4)));
}

#[test]
fn each_level_has_its_ranking() {
    let mut report = runs(3, as_it_is);
    let mut other = runs(3, |test| if test.n_parallel == 8 { 0.7 } else { 1.4 });
    other.runs.iter_mut().for_each(|run| run.header.config.n_ubatch = Some(64));
    report.runs.extend(other.runs);
    let ranking = report::ranking(&report).unwrap();
    let best: Vec<_> = ranking.tests.iter().map(|best| (best.test.n_parallel, best.configuration)).collect();
    assert_eq!(best, [(1, 0), (1, 0), (2, 0), (2, 0), (8, 1), (8, 1)], "{ranking}");
}
