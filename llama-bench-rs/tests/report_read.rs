//! Files of llama-bench itself, and files that are damaged.

mod report_support;

use std::time::Duration;

use llama_bench_rs::{
    record::{FlashAttnSetting, Method, Outcome, Report, TestKind},
    report::{self, Format, Place, ReportError, read_str},
};
use report_support::{assorted, reference};

const JSON: &str = include_str!("fixtures/llama-bench.json");
const JSONL: &str = include_str!("fixtures/llama-bench.jsonl");
const CSV: &str = include_str!("fixtures/llama-bench.csv");

#[test]
fn llama_benchs_json_becomes_one_run() {
    let loaded = read_str(JSON).unwrap();
    let [run] = &loaded.report.runs[..] else { panic!("{} runs", loaded.report.runs.len()) };
    assert_eq!(run.header.build.commit, "b1d2e3f");
    assert_eq!(run.header.model.filename, "models/tiny \"q\".gguf");
    assert_eq!(run.header.model.size_bytes, Some(2_471_645_608));
    assert_eq!(run.header.config.flash_attn, Some(FlashAttnSetting::Auto));
    assert_eq!((run.header.config.n_threads, run.header.config.n_threads_batch), (Some(2), Some(2)));
    assert_eq!(run.header.config.method, Some(Method::FreshContext));
    let config = &run.header.config;
    assert_eq!((config.repack, config.no_op_offload, config.warmup), (Some(true), Some(false), None));

    let pp = loaded.report.cell(TestKind::Pp(64), 0).unwrap();
    assert_eq!(pp.times().unwrap().values()[1], Duration::from_millis(1610));
    assert!((pp.rate_summary().unwrap().mean.get() - 40.001).abs() < 1e-3);
    assert_eq!(pp.started_at, "2026-02-03T04:05:00Z");
    let deep = loaded.report.cell(TestKind::Pp(64), 256).unwrap();
    assert_eq!(deep.measured().unwrap().rewind, None);
    assert_eq!(
        deep.rate_summary().unwrap().stddev,
        None,
        "one repetition has no spread, whatever the file says"
    );
}

#[test]
fn a_blend_of_prompt_and_generation_is_left_out_by_name() {
    let loaded = read_str(JSON).unwrap();
    assert_eq!(loaded.report.cells().count(), 3);
    let [skipped] = &loaded.skipped[..] else { panic!("{:?}", loaded.skipped) };
    assert_eq!((skipped.place, skipped.n_prompt, skipped.n_gen), (Place::Row(4), 64, 8));
    assert!(skipped.to_string().starts_with("row 4 is llama-bench's pg test pp64+tg8"));
    let error = serde_json::from_str::<Report>(JSON).unwrap_err();
    assert!(error.to_string().contains("pp64+tg8"), "{error}");
}

/// `llama-bench -embd 1`: its prompts are embedded, its generations compute embeddings besides.
#[test]
fn llama_benchs_rows_with_embeddings_are_tests_of_embeddings() {
    let without = read_str(JSON).unwrap().report;
    let with = read_str(&JSON.replace("\"embeddings\": false", "\"embeddings\": true")).unwrap().report;
    let kinds = |report: &Report| report.cells().map(|(_, cell)| cell.test.kind).collect::<Vec<_>>();
    let embedded = kinds(&without).into_iter().map(|kind| match kind {
        TestKind::Pp(n) => TestKind::Embd(n),
        other => other,
    });
    assert_eq!(kinds(&with), embedded.collect::<Vec<_>>());
    assert!(kinds(&with).contains(&TestKind::Embd(64)));
    let [run] = &with.runs[..] else { panic!("{} runs", with.runs.len()) };
    assert_eq!(run.header.config.embeddings, Some(true));
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        assert_eq!(read_str(&report::to_string(&with, format).unwrap()).unwrap().report, with);
    }
}

#[test]
fn llama_benchs_jsonl_holds_the_same() {
    let (json, jsonl) = (read_str(JSON).unwrap(), read_str(JSONL).unwrap());
    assert_eq!(json.report, jsonl.report);
    assert_eq!(jsonl.skipped[0].place, Place::Line(4));
}

#[test]
fn llama_benchs_csv_has_summaries_only() {
    let loaded = read_str(CSV).unwrap();
    assert_eq!(loaded.report.runs.len(), 1);
    let cell = loaded.report.cell(TestKind::Tg(8), 0).unwrap();
    let Outcome::Summarised(summary) = cell.outcome else { panic!("{:?}", cell.outcome) };
    assert_eq!((summary.mean, summary.stddev), (Duration::from_millis(400), Some(Duration::from_millis(4))));
    assert!((summary.rate.unwrap().get() - 20.001333).abs() < 1e-9);
    let single = loaded.report.cell(TestKind::Pp(64), 256).unwrap();
    let Outcome::Summarised(summary) = single.outcome else { panic!("{:?}", single.outcome) };
    assert_eq!((summary.stddev, summary.rate_stddev), (None, None));
    assert!(cell.measured().is_none() && cell.failure().is_none() && loaded.report.is_complete());
}

#[test]
fn what_was_read_from_llama_bench_can_be_written_and_read_again() {
    for text in [JSON, CSV] {
        let report = read_str(text).unwrap().report;
        for format in [Format::Json, Format::Jsonl, Format::Csv] {
            assert_eq!(read_str(&report::to_string(&report, format).unwrap()).unwrap().report, report);
        }
    }
}

#[test]
fn older_files_had_booleans_where_now_are_integers() {
    let old = JSONL.replace("\"flash_attn\": -1", "\"flash_attn\": true, \"use_mmap\": true");
    let loaded = read_str(&old).unwrap();
    assert_eq!(loaded.report.runs[0].header.config.flash_attn, Some(FlashAttnSetting::On));
}

#[test]
fn a_byte_order_mark_and_blank_lines_do_not_matter() {
    let spaced = format!("\u{feff}\r\n{}\r\n\r\n", JSONL.replace('\n', "\r\n\r\n"));
    assert_eq!(read_str(&spaced).unwrap().report, read_str(JSONL).unwrap().report);
    assert_eq!(read_str(&format!("\u{feff}{CSV}")).unwrap().report, read_str(CSV).unwrap().report);
}

#[test]
fn files_that_follow_each_other_stay_apart() {
    let jsonl = report::to_string(&assorted(), Format::Jsonl).unwrap();
    let mut later = reference();
    later.runs[0].header.timing.started_at = "2025-11-04T00:00:00Z".into();
    let both = jsonl + &report::to_string(&later, Format::Jsonl).unwrap() + JSONL;
    let runs = read_str(&both).unwrap().report.runs;
    assert_eq!(runs.iter().map(|run| run.cells.len()).collect::<Vec<_>>(), [5, 1, 10, 3]);
}

fn refused(text: &str) -> String {
    read_str(text).expect_err(text).to_string()
}

#[test]
fn a_newer_schema_is_refused_before_anything_else_is_looked_at() {
    let newer = r#"[{"schema_version": 2, "avg_ns": "all different now"}]"#;
    assert!(matches!(read_str(newer), Err(ReportError::NewerSchema { place: Place::Row(1), found: 2 })));
    assert_eq!(
        refused(newer),
        "row 1 has schema version 2, but this version of llama-bench-rs reads up to 1: update llama-bench-rs"
    );
    let csv = "schema_version,model_filename,n_prompt,n_gen,avg_ns\n\"2\",\"m\",\"1\",\"0\",\"5\"\n";
    assert!(matches!(read_str(csv), Err(ReportError::NewerSchema { place: Place::Line(2), found: 2 })));
}

#[test]
fn other_files_are_named() {
    let messages = [
        refused(" \n"),
        refused("[]"),
        refused("hello"),
        refused(&report::to_string(&reference(), Format::Sql).unwrap()),
        refused(&report::to_string(&reference(), Format::Markdown).unwrap()),
        refused("[{\"a\": 1}]"),
        refused("[1]"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn damage_is_found_at_its_line() {
    let (first, rest) = JSONL.split_once('\n').unwrap();
    let (names, rows) = CSV.split_once('\n').unwrap();
    let messages = [
        refused(&format!("{first}\n{}", &rest[..40])),
        refused(&JSON[..JSON.len() - 100]),
        refused(&format!("{names}\n{}", &rows[..80])),
        refused(&format!("{names}\n{}", &rows[..81])),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_bad_value_is_named_with_its_field() {
    let ours = report::to_string(&reference(), Format::Jsonl).unwrap();
    let messages = [
        refused(&CSV.replace("\"2048\"", "\"lots\"")),
        refused(&JSONL.replace("\"n_prompt\": 64", "\"n_prompt\": -64")),
        refused(&JSONL.replace("\"flash_attn\": -1", "\"flash_attn\": 7")),
        refused(&JSONL.replace("\"poll\": 50", "\"poll\": [50]")),
        refused(&JSONL.replace("\"cpu_strict\": false", "\"cpu_strict\": 2")),
        refused(&JSONL.replace("\"type_k\": \"f16\"", "\"type_k\": 16")),
        refused(&ours.replace("\"rewind\": \"clear\"", "\"rewind\": \"magic\"")),
        refused(&ours.replacen("\"samples_at_ns\": [0,", "\"samples_at_ns\": [0, 0,", 1)),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn files_are_read_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.json");
    assert!(matches!(report::read_file(&path), Err(ReportError::Read { path: p, .. }) if p == path));
    std::fs::write(&path, report::to_string(&assorted(), Format::Json).unwrap()).unwrap();
    assert_eq!(report::read_file(&path).unwrap().report, assorted());
    std::fs::write(&path, b"SQLite format 3\0\x10\0").unwrap();
    let error = report::read_file(&path).unwrap_err().to_string();
    let said: &[&str] = if cfg!(feature = "sqlite") {
        &["cannot read the database"]
    } else {
        &["without the feature `sqlite`", "sqlite3 -csv"]
    };
    assert!(said.iter().all(|said| error.contains(said)), "{error}");
    std::fs::write(&path, b"[\xff").unwrap();
    assert!(report::read_file(&path).unwrap_err().to_string().contains("UTF-8"));
    assert!(report::read_file(dir.path()).is_err());
}

#[test]
fn names_without_a_row_are_no_results() {
    let names = CSV.lines().next().unwrap();
    let refused = read_str(&format!("{names}\n")).unwrap_err();
    assert!(refused.to_string().contains("nothing was measured"), "{refused}");
}
