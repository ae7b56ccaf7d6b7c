//! The share of the speed of light as a person sees it: in the terminal and on the page.

mod page_support;
mod report_support;

use llama_bench_rs::{
    record::{Report, SCHEMA_VERSION},
    report::{
        html,
        terminal::{Style, render},
    },
};
use page_support::text;
use serde_json::{Value, json};

/// Generation of one token of 3 GB in 10 ms on a device of 3 TB/s, whose range begins at `lower`.
fn report(lower: f64, uncounted: &Value) -> Report {
    let device = json!({ "device": "CUDA0", "weight_bytes": 3_000_000_000_u64 });
    let rate = json!({
        "kind": "copy", "data_type": "f32", "per_second": 3e12, "lower": lower, "upper": 3e12, "n": 9,
    });
    let row = json!({
        "schema_version": SCHEMA_VERSION,
        "outcome": "measured",
        "model_filename": "m.gguf",
        "build_commit": "1234567",
        "n_prompt": 0,
        "n_depth": 0,
        "avg_ns": 10_000_000,
        "test_time": "2026-01-01T00:00:00Z",
        "n_gen": 1,
        "samples_ns": [10_000_000, 10_000_000],
        "cell_work": { "n_graphs": 1, "devices": [device], "uncounted": uncounted },
        "ceilings": [{ "device": "CUDA0", "rates": [rate] }],
    });
    serde_json::from_value(json!([row])).unwrap()
}

/// The terminal's text and the page's, with single spaces.
fn shown(report: &Report) -> [String; 2] {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let terminal = render(report, Style { width: 200, ..Style::default() });
    [words(&terminal), words(&text(&html::page(report).unwrap()))]
}

#[test]
fn a_narrow_range_is_a_share_and_a_wide_one_a_range() {
    for shown in shown(&report(2.5e12, &json!({}))) {
        assert!(shown.contains("10.0 %") && !shown.contains("at least:"), "{shown}");
    }
    for shown in shown(&report(1e12, &json!({}))) {
        assert!(shown.contains("10.0 % to 30.0 %"), "{shown}");
    }
}

#[test]
fn a_share_without_some_arithmetic_is_a_lower_bound_that_names_it() {
    for shown in shown(&report(3e12, &json!({ "RWKV_WKV7": 24 }))) {
        assert!(shown.contains("at least 10.0 %"), "{shown}");
        assert!(shown.contains("allow; at least: the arithmetic of RWKV_WKV7 is not counted."), "{shown}");
    }
}
