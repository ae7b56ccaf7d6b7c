//! SQLite databases: this crate's own SQL loaded into one, llama-bench's, and files that only look like one.
#![cfg(feature = "sqlite")]
#![allow(missing_docs)]

mod report_support;

use std::{fs, path::PathBuf};

use llama_bench_rs::{
    record::{Method, Outcome, Report, TestKind},
    report::{self, Format, Place, ReportError, read_file},
};
use report_support::{assorted, reference};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database file with these statements run.
fn database(sql: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("llama bench.sqlite");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    (dir, path)
}

fn sql(report: &Report) -> String {
    report::to_string(report, Format::Sql).unwrap()
}

#[test]
fn our_own_sql_comes_back_as_it_was() {
    for report in [reference(), assorted()] {
        let (_dir, path) = database(&sql(&report));
        let before = fs::read(&path).unwrap();
        let loaded = read_file(&path).unwrap();
        assert_eq!(loaded.report, report);
        assert!(loaded.skipped.is_empty());
        assert_eq!(fs::read(&path).unwrap(), before, "the file was not touched");
    }
}

#[test]
fn a_database_that_grows_keeps_its_runs_apart() {
    let mut later = reference();
    later.runs[0].header.timing.started_at = "2025-11-04T00:00:00Z".into();
    let (_dir, path) = database(&(sql(&reference()) + &sql(&later)));
    let runs = read_file(&path).unwrap().report.runs;
    assert_eq!(runs, [reference().runs, later.runs].concat());
}

/// The table as llama-bench makes it, filled from its own CSV.
fn theirs() -> String {
    let mut reader = csv::Reader::from_reader(&include_bytes!("fixtures/llama-bench.csv")[..]);
    let names = reader.headers().unwrap().clone();
    let integers =
        ["build_number", "model_size", "n_prompt", "n_gen", "n_depth", "n_batch", "flash_attn", "avg_ns"];
    let column = |name: &str| match name {
        _ if integers.contains(&name) => format!("{name} INTEGER"),
        "avg_ts" | "stddev_ts" => format!("{name} REAL"),
        _ => format!("{name} TEXT"),
    };
    let columns: Vec<String> = names.iter().map(column).collect();
    let mut sql = format!("CREATE TABLE IF NOT EXISTS llama_bench ({});\n", columns.join(", "));
    for row in reader.records() {
        let values: Vec<String> =
            row.unwrap().iter().map(|v| format!("'{}'", v.replace('\'', "''"))).collect();
        let names: Vec<&str> = names.iter().collect();
        sql += &format!("INSERT INTO llama_bench ({}) VALUES ({});\n", names.join(", "), values.join(", "));
    }
    sql
}

#[test]
fn llama_benchs_table_reads_like_its_csv() {
    let (_dir, path) = database(&theirs());
    let csv = report::read_str(include_str!("fixtures/llama-bench.csv")).unwrap();
    let loaded = read_file(&path).unwrap();
    assert_eq!(loaded.report, csv.report);
    assert_eq!(loaded.skipped.len(), csv.skipped.len());
    assert!(loaded.skipped.iter().all(|skipped| matches!(skipped.place, Place::Row(_))));
    let cell = loaded.report.cell(TestKind::Tg(8), 0).unwrap();
    assert!(matches!(cell.outcome, Outcome::Summarised(_)));
    assert_eq!(loaded.report.runs[0].header.config.method, Some(Method::FreshContext));
}

fn refused(sql: &str) -> ReportError {
    let (_dir, path) = database(sql);
    read_file(path).unwrap_err()
}

#[test]
fn databases_of_something_else_are_named() {
    let other = refused("CREATE TABLE results (x)");
    assert!(other.to_string().contains("without a table `llama_bench`"), "{other}");
    let empty = refused("CREATE TABLE llama_bench (model_filename, n_prompt, n_gen, avg_ns)");
    assert!(empty.to_string().contains("empty: nothing was measured"), "{empty}");
    let fields = refused("CREATE TABLE llama_bench (a); INSERT INTO llama_bench VALUES (1)");
    assert!(matches!(fields, ReportError::MissingField { place: Place::Row(1), .. }), "{fields}");
    let newer = refused("CREATE TABLE llama_bench (schema_version); INSERT INTO llama_bench VALUES (99)");
    assert!(matches!(newer, ReportError::NewerSchema { found: 99, .. }), "{newer}");
}

#[test]
fn a_bad_value_is_named_with_its_row() {
    let (_dir, path) = database(&sql(&reference()));
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE llama_bench SET n_batch = 'lots' WHERE rowid = 3", []).unwrap();
    let error = read_file(&path).unwrap_err();
    assert!(matches!(error, ReportError::Field { place: Place::Row(3), .. }), "{error}");
    assert!(error.to_string().contains("n_batch"), "{error}");
}

#[test]
fn damage_is_an_error_of_the_database() {
    let (_dir, path) = database(&sql(&reference()));
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 3);
    bytes[100..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let error = read_file(&path).unwrap_err();
    assert!(matches!(error, ReportError::Database { .. }), "{error:?}");
    assert!(error.to_string().contains("llama bench.sqlite"), "{error}");
}

#[test]
fn rows_that_another_process_adds_do_not_matter() {
    let (_dir, path) = database(&sql(&reference()));
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM llama_bench").unwrap();
    assert_eq!(read_file(&path).unwrap().report, reference());
    writer.execute_batch("ROLLBACK").unwrap();
}
