//! The sweep example with ceilings, from outside.
#![allow(missing_docs)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// The only file of ceilings.
fn path(cache: &Path) -> PathBuf {
    let mut files = fs::read_dir(cache.join("ceilings")).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one device, one file");
    path
}

fn rates(ceilings: &Value) -> Vec<Value> {
    ceilings["rates"].as_array().unwrap().clone()
}

/// Of what was measured, what is kept: on a busy machine not all of it.
fn kept(ceilings: &Value) -> Vec<Value> {
    let counts = |rate: &Value| {
        let [lower, upper] = ["lower", "upper"].map(|end| rate[end].as_f64().unwrap());
        rate["disturbed"] != true && lower >= upper / 2.0
    };
    rates(ceilings).into_iter().filter(counts).collect()
}

fn in_file(cache: &Path) -> Vec<Value> {
    let file: Value = serde_json::from_str(&fs::read_to_string(path(cache)).unwrap()).unwrap();
    rates(&file["ceilings"])
}

fn n_lines(ran: &Ran, part: &str) -> usize {
    ran.err.lines().filter(|line| line.contains(part)).count()
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
    let is_disturbed = rates(own).iter().any(|rate| rate["disturbed"] == true);
    // Where the work of a cell is known, its share is.
    for row in &first {
        let is_counted = !row["cell_work"].is_null();
        assert_eq!(row["light_share"].is_null(), !is_counted, "{}", row["light_unknown"]);
        assert_eq!(row["light_unknown"].is_null(), is_counted, "{}", row["light_unknown"]);
        let lower = row["light_share_lower"].as_f64();
        assert!(
            is_disturbed || lower.is_none_or(|lower| lower <= 1.0),
            "above the speed of light: {lower:?}"
        );
    }
    assert_eq!(in_file(cache.path()), kept(own));
    // The second run takes them from the file, and measures the others again.
    let second = rows(&small_sweep(cache.path(), &["--ceilings", "-o", "json"]));
    let again = rates(&second[0]["ceilings"][0]);
    assert!(kept(own).iter().all(|rate| again.contains(rate)), "{again:?}");
    assert_eq!(again.len(), rates(own).len());
    // What was damaged is named and measured again.
    fs::write(path(cache.path()), "{").unwrap();
    let third = small_sweep(cache.path(), &["--ceilings", "-o", "json"]);
    assert_eq!(n_lines(&third, "damaged"), 1, "{}", third.err);
    let third = rows(&third);
    assert_ne!(third[0]["ceilings"], *ceilings);
    assert_eq!(in_file(cache.path()), kept(&third[0]["ceilings"][0]));
}

#[test]
fn disturbed_ceilings_are_named() {
    let cache = tempfile::tempdir().unwrap();
    let ran = small_sweep(cache.path(), &["--ceilings", "--quiet", "-o", "json"]);
    let is_disturbed = rates(&rows(&ran)[0]["ceilings"][0]).iter().any(|rate| rate["disturbed"] == true);
    assert_eq!(n_lines(&ran, "other programs were busy while"), usize::from(is_disturbed), "{}", ran.err);
}

#[test]
fn a_cache_that_cannot_be_used_is_named_once_also_by_isolated_processes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let ran = small_sweep(&file, &["--ceilings", "--isolate", "--quiet", "-ub", "8,16", "-o", "json"]);
    let sizes: BTreeSet<_> = rows(&ran).iter().map(|row| row["n_ubatch"].as_u64()).collect();
    assert_eq!(sizes.len(), 2);
    assert_eq!(n_lines(&ran, &file.display().to_string()), 1, "{}", ran.err);
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
                // 0 if other programs disturbed a ceiling.
                None => assert!(lower >= Some(0.0) && lower <= share && share <= upper, "{side}: {row}"),
                // A llama.cpp whose graphs cannot be read.
                Some(why) => assert!(share.is_none() && why.contains("were not counted"), "{side}: {row}"),
            }
        }
    }
    let table = compare("md").out;
    assert!(table.contains("| test | A of light | B of light |"), "{table}");
    assert!(!table.contains("ceilings of the devices were not measured"), "{table}");
}
