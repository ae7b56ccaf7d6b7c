use llama_bench_rs::record::{Header, pp, tg};
use serde_json::from_value;

use super::*;

/// A run with one test of 3 GB a token, which takes 2 ms at ceilings of 3 TB/s.
fn run(device: &str, rate: f64, uncounted: &[&str]) -> Run {
    let counts: serde_json::Map<String, Value> =
        uncounted.iter().map(|name| ((*name).to_owned(), json!(1))).collect();
    let work = json!({
        "n_graphs": 1,
        "devices": [{ "device": "CUDA0", "weight_bytes": 3_000_000_000_u64 }],
        "uncounted": counts,
    });
    let rates = json!([{ "kind": "copy", "data_type": "f32", "per_second": rate, "lower": rate, "upper": rate, "n": 9 }]);
    let row = json!({
        "schema_version": llama_bench_rs::record::SCHEMA_VERSION,
        "outcome": "measured",
        "model_filename": "m.gguf",
        "build_commit": "1234567",
        "n_prompt": 0,
        "n_depth": 0,
        "avg_ns": 10_000_000,
        "test_time": "2026-01-01T00:00:00Z",
        "n_gen": 1,
        "samples_ns": [2_000_000, 2_000_000],
        "cell_work": work,
        "ceilings": [{ "device": device, "rates": rates }],
    });
    let report: llama_bench_rs::record::Report = from_value(json!([row])).unwrap();
    report.runs.into_iter().next().unwrap()
}

#[test]
fn runs_without_ceilings_have_no_lines() {
    let run = Run { header: Header::default(), cells: Vec::new(), curve: Vec::new() };
    assert!(lines(&[&run], &[&run], &[pp(8), tg(4)]).is_empty());
}

#[test]
fn an_unknown_share_has_its_reason_below_the_table() {
    let (known, other) = (run("CUDA0", 3e12, &[]), run("CUDA1", 3e12, &[]));
    let all = lines(&[&known], &[&other], &[tg(1)]);
    let (rows, notes) = shown(&all);
    assert_eq!(rows, [["tg1", "50.0 %", "unknown (1)"].map(String::from)]);
    assert_eq!(notes, ["(1) B: the ceilings of CUDA0 were not measured"]);
    let mut bare = known.clone();
    bare.header.ceilings.clear();
    let (_, notes) = shown(&lines(&[&bare], &[&known], &[tg(1)]));
    assert_eq!(notes, ["(1) A: the ceilings of the devices were not measured (--ceilings)"]);
    let (_, notes) = shown(&lines(&[&known], &[], &[tg(1)]));
    assert_eq!(notes, ["(1) B: the test was not measured"]);
    let columns = columns(["share", "lower", "upper", "unknown"], Some(&all[0].b));
    assert_eq!(columns[0].1, Value::Null);
    assert_eq!(columns[3].1, "the ceilings of CUDA0 were not measured");
}

#[test]
fn what_cannot_be_true_or_is_a_lower_bound_is_said_below_the_table() {
    let (above, without) = (run("CUDA0", 1e12, &[]), run("CUDA0", 3e12, &["RWKV_WKV7"]));
    let (rows, notes) = shown(&lines(&[&above], &[&without], &[tg(1)]));
    assert_eq!(rows, [["tg1", "150 % (1)", "at least 50.0 % (2)"].map(String::from)]);
    assert!(notes[0].starts_with("(1) A: above 100 %: "), "{notes:?}");
    assert_eq!(notes[1], "(2) B: the arithmetic of RWKV_WKV7 is not counted");
}
