//! The sweep example with ceilings, from outside.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use support::{Ran, SMALL, example, run};

/// The small sweep, with a cache folder of its own.
fn small_sweep(cache: &Path, more: &[&str]) -> Ran {
    let mut command: Command = example("sweep");
    run(command.env("LLAMA_BENCH_CACHE", cache).args(SMALL).args(more))
}

fn rows(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.status, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn file(cache: &Path) -> Value {
    let path = cache.join("ceilings").join("CPU-1-threads.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn ceilings_are_measured_once_and_stored_in_every_row() {
    let cache = tempfile::tempdir().unwrap();
    let first = rows(&small_sweep(cache.path(), &["--ceilings", "-o", "json"]));
    let ceilings = &first[0]["ceilings"];
    let own = &ceilings[0];
    assert_eq!((&own["device"], &own["n_threads"]), (&Value::from("CPU"), &Value::from(1)), "{own}");
    for kind in ["copy", "read", "product"] {
        let of_kind = own["rates"].as_array().unwrap().iter().filter(|rate| rate["kind"] == kind);
        let fastest = of_kind.filter_map(|rate| rate["per_second"].as_f64()).fold(0.0, f64::max);
        assert!((1e8..1e13).contains(&fastest), "{kind}: {fastest}");
    }
    assert!(first.iter().all(|row| row["ceilings"] == *ceilings), "the same in each");
    // Where the work of a cell is known, its share is.
    for row in &first {
        let is_counted = !row["cell_work"].is_null();
        assert_eq!(row["light_share"].is_null(), !is_counted, "{}", row["light_unknown"]);
        assert_eq!(row["light_unknown"].is_null(), is_counted, "{}", row["light_unknown"]);
        let lower = row["light_share_lower"].as_f64();
        assert!(lower.is_none_or(|lower| lower <= 1.0), "above the speed of light: {lower:?}");
    }
    // The second run takes them from the file, and measures again what was damaged.
    assert_eq!(file(cache.path())["ceilings"]["rates"], ceilings[0]["rates"]);
    let second = rows(&small_sweep(cache.path(), &["--ceilings", "-o", "json"]));
    assert_eq!(second[0]["ceilings"], *ceilings);
    fs::write(cache.path().join("ceilings").join("CPU-1-threads.json"), "{").unwrap();
    let third = rows(&small_sweep(cache.path(), &["--ceilings", "-o", "json"]));
    assert_ne!(third[0]["ceilings"], *ceilings);
    assert_eq!(file(cache.path())["ceilings"]["rates"], third[0]["ceilings"][0]["rates"]);
}

#[test]
fn without_the_flag_nothing_is_measured() {
    let cache = tempfile::tempdir().unwrap();
    let rows = rows(&small_sweep(cache.path(), &["-o", "json"]));
    assert_eq!(rows[0]["ceilings"], Value::Array(Vec::new()));
    assert!(rows.iter().all(|row| row["light_share"].is_null() && row["light_unknown"].is_null()));
    assert!(!cache.path().join("ceilings").exists());
}

#[test]
fn a_comparison_that_measures_shows_the_share_of_both_sides() {
    let cache = tempfile::tempdir().unwrap();
    let compare = |form: &str| {
        let mut command = example("compare");
        let line = ["--b", "-fa 0", "-p", "16", "-n", "2", "-d", "0", "-r", "2", "-t", "1", "--loads", "1"];
        let more = ["--ceilings", "--quiet", "--allow-slower", "-o", form];
        run(command.env("LLAMA_BENCH_CACHE", cache.path()).args(line).args(more))
    };
    let rows = rows(&compare("json"));
    let tests: Vec<&Value> = rows.iter().filter(|row| !row["a_ts"].is_null()).collect();
    assert_eq!(tests.len(), 2, "{rows:?}");
    for row in tests {
        for side in ["a", "b"] {
            let of = |name: &str| &row[format!("{side}_light_{name}")];
            let [lower, share, upper] = ["share_lower", "share", "share_upper"].map(|name| of(name).as_f64());
            match of("unknown").as_str() {
                None => assert!(lower > Some(0.0) && lower <= share && share <= upper, "{side}: {row}"),
                // A llama.cpp whose graphs cannot be read.
                Some(why) => assert!(share.is_none() && why.contains("were not counted"), "{side}: {row}"),
            }
        }
    }
    let table = compare("md").out;
    assert!(table.contains("| test | A of light | B of light |"), "{table}");
    assert!(!table.contains("ceilings of the devices were not measured"), "{table}");
}
