//! The sweep example from outside: what it prints, what it writes, how it ends.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{Ran, example, run, small_sweep, sweep, tiny_model};

/// The cells of the small sweep as (depth, prompt, generation), in order.
const CELLS: [(u64, u64, u64); 4] = [(0, 16, 0), (0, 0, 4), (32, 16, 0), (32, 0, 4)];

fn measured(ran: &Ran) {
    assert_eq!(ran.status, 0, "{}", ran.err);
    let complaints = support::complaints(&ran.err);
    assert!(complaints.is_empty(), "results alone, and nothing to complain of: {complaints:?}");
}

/// The rows are the small sweep's, in order, with a figure and every repetition.
fn are_the_cells(rows: &[Value]) {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            assert!(row["avg_ts"].as_f64().is_some_and(|rate| rate > 0.0), "{row}");
            assert_eq!(row["samples_ns"].as_array().map(Vec::len), Some(2), "{row}");
            let number = |key: &str| row[key].as_u64().unwrap();
            (number("n_depth"), number("n_prompt"), number("n_gen"))
        })
        .collect();
    assert_eq!(cells, CELLS);
}

fn is_a_table(text: &str, n_rows: usize) {
    // The ranking below is a table of its own.
    let is_line = |line: &&str| line.starts_with('|');
    let lines: Vec<&str> = text.lines().skip_while(|line| !is_line(line)).take_while(is_line).collect();
    assert_eq!(lines.len(), n_rows + 2, "{text}");
    let columns = lines[0].matches('|').count();
    assert!(lines.iter().all(|line| line.matches('|').count() == columns), "{text}");
    assert!(lines[0].contains(" test ") && lines[0].contains(" t/s "), "{text}");
    assert!(lines[1].chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')), "{text}");
}

#[test]
fn a_sweep_prints_a_table_and_nothing_else() {
    let ran = small_sweep(&[]);
    measured(&ran);
    is_a_table(&ran.out, CELLS.len());
    for test in ["pp16 |", "tg4 |", "pp16 @ d32 |", "tg4 @ d32 |"] {
        assert!(ran.out.contains(test), "{}", ran.out);
    }
}

#[test]
fn json_is_an_array_of_rows() {
    let ran = small_sweep(&["-o", "json"]);
    measured(&ran);
    are_the_cells(&serde_json::from_str::<Vec<Value>>(&ran.out).unwrap());
}

#[test]
fn jsonl_is_a_row_a_line() {
    let ran = small_sweep(&["-o", "jsonl"]);
    measured(&ran);
    let rows: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    are_the_cells(&rows);
}

#[test]
fn csv_has_a_line_of_names_and_a_row_per_cell() {
    let ran = small_sweep(&["-o", "csv"]);
    measured(&ran);
    let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
    let names = reader.headers().unwrap().clone();
    let column = |name: &str| names.iter().position(|one| one == name).unwrap();
    let wanted = ["n_depth", "n_prompt", "n_gen"].map(column);
    let rate = column("avg_ts");
    let cells: Vec<_> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            assert!(row[rate].parse::<f64>().unwrap() > 0.0);
            let [depth, prompt, generation] = wanted.map(|at| row[at].parse::<u64>().unwrap());
            (depth, prompt, generation)
        })
        .collect();
    assert_eq!(cells, CELLS);
}

#[test]
fn sql_makes_and_fills_llama_benchs_table() {
    let ran = small_sweep(&["-o", "sql"]);
    measured(&ran);
    let base = rusqlite::Connection::open_in_memory().unwrap();
    base.execute_batch(&ran.out).unwrap();
    let mut query = base
        .prepare("SELECT n_depth, n_prompt, n_gen FROM llama_bench WHERE avg_ts > 0 ORDER BY rowid")
        .unwrap();
    let cells: Vec<(i64, i64, i64)> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        cells,
        CELLS.map(|(depth, prompt, generation)| (depth as i64, prompt as i64, generation as i64))
    );
}

#[test]
fn a_file_holds_what_standard_output_holds() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["json", "jsonl", "csv", "sql", "md"] {
        let path = folder.path().join(format!("results.{format}"));
        let ran = small_sweep(&["-o", format, "--output", path.to_str().unwrap()]);
        measured(&ran);
        assert_eq!(fs::read_to_string(&path).unwrap(), ran.out, "{format}");
    }
}

#[test]
fn the_file_may_have_another_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    let ran = small_sweep(&["--output", path.to_str().unwrap()]);
    measured(&ran);
    is_a_table(&ran.out, CELLS.len());
    let rows = fs::read_to_string(path).unwrap();
    are_the_cells(&rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>());
}

#[test]
fn every_combination_is_a_row_and_the_table_shows_what_differs() {
    let ran = small_sweep(&["-fa", "0,1", "-ub", "32,64", "--quiet"]);
    measured(&ran);
    is_a_table(&ran.out, 4 * CELLS.len());
    let head = ran.out.lines().next().unwrap();
    assert!(head.contains(" fa ") && head.contains(" n_ubatch "), "{head}");
}

#[test]
fn a_model_from_a_file_and_one_by_shape_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_model(folder.path());
    let flags = "--shape tiny-mamba2 -p 16 -n 0 -r 1 -t 1 -o json --quiet".split(' ');
    let ran = sweep(["-m", path.to_str().unwrap()].into_iter().chain(flags));
    measured(&ran);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let name =
        |row: &Value| Path::new(row["model_filename"].as_str().unwrap()).file_name().unwrap().to_owned();
    assert_eq!(rows.len(), 2);
    assert_eq!(name(&rows[0]), "tiny.gguf");
    assert!(name(&rows[1]).to_str().unwrap().starts_with("tiny-mamba2"));
}

#[test]
fn a_micro_batch_beyond_the_batch_is_the_batch() {
    let ran = small_sweep(&["-b", "64", "-ub", "512", "-o", "json"]);
    measured(&ran);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(rows.iter().all(|row| row["n_batch"] == 64 && row["n_ubatch"] == 64), "{}", ran.out);
}

#[test]
fn a_depth_past_the_trained_context_fails_alone() {
    let ran = sweep([
        "--shape",
        "tiny-llama",
        "-p",
        "16",
        "-n",
        "0",
        "-d",
        "0,131073",
        "-r",
        "2",
        "-t",
        "1",
        "-o",
        "json",
    ]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["n_depth"] == 0 && rows[0]["avg_ts"].as_f64().unwrap() > 0.0, "{}", rows[0]);
    let failed = &rows[1];
    assert!(failed["n_depth"] == 131_073 && failed["avg_ts"].is_null(), "{failed}");
    let why = failed["error_message"].as_str().unwrap();
    assert!(why.contains("131072") && why.contains("131073"), "{why}");

    let table =
        sweep(["--shape", "tiny-llama", "-p", "16", "-n", "0", "-d", "0,131073", "-r", "2", "-t", "1"]);
    assert_eq!(table.status, 1);
    assert!(table.out.contains("pp16 @ d131073") && table.out.contains("131072"), "{}", table.out);
}

#[test]
fn lists_are_printed_without_measuring() {
    for (flag, expected) in [
        ("--list-devices", "CPU"),
        ("--list-shapes", "gpt-oss-20b"),
        ("--version", "llama.cpp"),
        ("--help", "-ub"),
    ] {
        let ran = sweep([flag]);
        measured(&ran);
        let expected = if flag == "--help" { "--ubatch-size" } else { expected };
        assert!(ran.out.contains(expected), "{flag}: {}", ran.out);
    }
}

/// What was measured before the interrupt is kept, and the file is whole.
#[test]
#[cfg(unix)]
fn an_interrupt_keeps_what_was_measured() {
    use std::{
        io::{BufRead, BufReader, Read},
        process::{Command, Stdio},
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    // Two thousand cells; the test waits for the first.
    let mut child = example("sweep")
        .args(["--shape", "tiny-llama", "-p", "8", "-n", "8", "-d", "0-8000+8", "-r", "3", "-t", "1"])
        .args(["--order", "blocks", "-o", "jsonl", "--output", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let ended = support::read(child.wait_with_output().unwrap());
    assert_eq!(ended.status, 130, "{}", ended.err);

    let lines = first.lines().chain(rest.lines());
    let rows: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2002, "every cell has its row");
    assert!(rows[0]["avg_ts"].as_f64().unwrap() > 0.0);
    let last = &rows[rows.len() - 1];
    assert_eq!(last["error_kind"], "cancelled", "{last}");
    let in_file: Vec<Value> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(in_file.len(), rows.len());
}

/// A reader such as `head` that closes the pipe does not crash it.
#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_the_sweep_with_a_status() {
    use std::process::Stdio;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = run(example("sweep").args(support::SMALL).stdout(Stdio::from(writer)));
    assert_ne!(ran.status, 101, "a panic: {}", ran.err);
}
