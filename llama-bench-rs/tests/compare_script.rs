//! What llama.cpp's `compare-llama-bench.py` does with a file that holds llama-bench's rows and ours.
#![allow(missing_docs)]

use llama_bench_rs::{
    llama::build_info,
    report::{self, FIELDS, Format, Origin},
};
use serde_json::{Map, Value};

/// The script joins two builds over llama-bench's fields, without these: the build, the results, and what the others
/// tell already.
const NOT_KEYS: [&str; 11] = [
    "build_commit",
    "build_number",
    "model_size",
    "model_n_params",
    "test_time",
    "avg_ns",
    "stddev_ns",
    "avg_ts",
    "stddev_ts",
    "samples_ns",
    "samples_ts",
];

fn rows(jsonl: &str) -> Vec<Map<String, Value>> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The script cuts the names of all builds to the length of the shortest, and takes `-b` as it is written.
#[test]
fn rows_of_llama_bench_and_ours_are_found_by_their_builds_and_join() {
    let theirs = include_str!("fixtures/llama-bench.jsonl");
    let mut ours = report::read_str(theirs).unwrap().report;
    for run in &mut ours.runs {
        run.header.build = build_info();
    }
    let (theirs, ours) = (rows(theirs), rows(&report::to_string(&ours, Format::Jsonl).unwrap()));
    let name = |row: &Map<String, Value>| row["build_commit"].as_str().unwrap().to_owned();
    let shortest = theirs.iter().chain(&ours).map(|row| name(row).len()).min().unwrap();
    let cut = |row: &Map<String, Value>| name(row)[..shortest].to_owned();
    assert!(ours.iter().all(|row| cut(row) == build_info().commit), "found as it is written in the file");
    assert!(theirs.iter().all(|row| cut(row) != build_info().commit));
    assert!(build_info().version.len() > 7, "the readable name is kept: {:?}", build_info().version);

    for row in &ours {
        assert_eq!(theirs.iter().filter(|other| joins(other, row)).count(), 1, "{row:?}");
    }
    // The script knows one sequence: a row of several must not be averaged with it.
    let mut several = report::read_str(include_str!("fixtures/llama-bench.jsonl")).unwrap().report;
    several.runs.iter_mut().flat_map(|run| &mut run.cells).for_each(|cell| cell.test.n_parallel = 4);
    for row in rows(&report::to_string(&several, Format::Jsonl).unwrap()) {
        assert_eq!(theirs.iter().filter(|other| joins(other, &row)).count(), 0, "{row:?}");
    }
}

/// Whether the script compares these rows of two builds.
fn joins(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    let is_key = |field: &&report::Field| field.origin != Origin::Own && !NOT_KEYS.contains(&field.name);
    let keys: Vec<&str> = FIELDS.iter().filter(is_key).map(|field| field.name).collect();
    assert!(keys.len() > 24, "{keys:?}");
    // SQLite has no booleans, and null equals nothing.
    let plain = |value: &Value| match value {
        Value::Bool(flag) => Value::from(u8::from(*flag)),
        other => other.clone(),
    };
    keys.iter().all(|key| {
        let sides = (a.get(*key).map(plain), b.get(*key).map(plain));
        sides.0.is_none() || sides.0 == sides.1 && sides.0 != Some(Value::Null)
    })
}
