//! What each format looks like, and whether a real SQLite loads the SQL.

mod report_support;

use llama_bench_rs::{
    record::{Cell, Outcome, Report, TestKind},
    report::{self, FIELDS, Format, Kind, Origin, Sink, Stat},
};
use report_support::{assorted, reference};
use rusqlite::{Connection, types::Value as Sql};

fn text(report: &Report, format: Format) -> String {
    report::to_string(report, format).unwrap()
}

#[test]
fn markdown() {
    insta::assert_snapshot!(text(&reference(), Format::Markdown));
}

#[test]
fn markdown_of_two_configurations_with_a_failure() {
    insta::assert_snapshot!(text(&assorted(), Format::Markdown));
}

#[test]
fn json() {
    insta::assert_snapshot!(text(&assorted(), Format::Json));
}

#[test]
fn jsonl() {
    insta::assert_snapshot!(text(&assorted(), Format::Jsonl));
}

#[test]
fn csv() {
    insta::assert_snapshot!(text(&assorted(), Format::Csv));
}

#[test]
fn sql() {
    insta::assert_snapshot!(text(&assorted(), Format::Sql));
}

#[test]
fn formats_are_named_as_llama_bench_names_them() {
    for format in Format::ALL {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    let error = "yaml".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "unknown format `yaml`: use json, jsonl, csv, sql, md or batched-bench");
    let error = "".parse::<Format>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no extension names a format: use json, jsonl, csv, sql, md or batched-bench"
    );
}

/// The figures that the reference run's owner saw.
#[test]
fn the_mean_and_spread_are_llama_benchs() {
    let json: serde_json::Value = serde_json::from_str(&text(&reference(), Format::Json)).unwrap();
    let close = |field: &str, expected: f64| {
        let got = json[0][field].as_f64().unwrap();
        assert!((got - expected).abs() < 0.01, "{field}: {got} instead of {expected}");
    };
    close("avg_ts", 3713.754);
    close("stddev_ts", 9.45);
    assert_eq!(json[0]["samples_ns"].as_array().unwrap().len(), 5);
    // 2048 tokens take half a second, not half a millisecond.
    close("avg_ns", 551_466_409.0);
}

fn sqlite(sql: &str) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(sql).unwrap();
    db
}

fn column(db: &Connection, expression: &str) -> Vec<Sql> {
    let mut statement = db.prepare(&format!("SELECT {expression} FROM llama_bench ORDER BY rowid")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_real_sqlite_holds_what_the_json_holds() {
    let report = assorted();
    let db = sqlite(&text(&report, Format::Sql));
    let json: Vec<serde_json::Value> = serde_json::from_str(&text(&report, Format::Json)).unwrap();
    for field in FIELDS {
        for (row, (got, expected)) in column(&db, field.name).iter().zip(&json).enumerate() {
            let expected = match &expected[field.name] {
                serde_json::Value::Null => Sql::Null,
                serde_json::Value::Bool(flag) => Sql::Integer((*flag).into()),
                serde_json::Value::String(text) => Sql::Text(text.clone()),
                serde_json::Value::Number(n) if field.kind == Kind::Int => Sql::Integer(n.as_i64().unwrap()),
                serde_json::Value::Number(n) if field.kind == Kind::Float => Sql::Real(n.as_f64().unwrap()),
                other => Sql::Text(other.to_string()),
            };
            assert_eq!(*got, expected, "{} of row {row}", field.name);
        }
    }
    assert_eq!(column(&db, "rowid").len(), json.len());
}

/// A row as upstream's llama-bench prints it: every value quoted, its own columns only.
const UPSTREAM_INSERT: &str = "INSERT INTO llama_bench (build_commit, n_prompt, n_gen, avg_ts, cpu_strict) \
    VALUES ('abc', '512', '0', '12.5', '0');";

#[test]
fn llama_bench_can_add_to_our_table() {
    let db = sqlite(&(text(&reference(), Format::Sql) + UPSTREAM_INSERT));
    let rates = column(&db, "avg_ts");
    assert_eq!(rates.len(), 11);
    assert_eq!(rates[10], Sql::Real(12.5));
}

#[test]
fn text_arrives_in_sqlite_as_it_is() {
    let nasty = "it's \"q\"; DROP TABLE llama_bench;\r\n--\0\u{7f}\\ \u{1F980} größe 模型.gguf";
    let mut report = reference();
    report.runs[0].header.model.filename = nasty.into();
    report.runs[0].header.host.gpu_info = "''".into();
    report.runs[0].header.config.seed = Some(u64::MAX);
    let db = sqlite(&text(&report, Format::Sql));
    assert_eq!(column(&db, "model_filename"), vec![Sql::Text(nasty.into()); 10]);
    assert_eq!(column(&db, "gpu_info")[0], Sql::Text("''".into()));
    assert_eq!(column(&db, "seed")[0], Sql::Text(u64::MAX.to_string()));
}

/// The key columns over which upstream's compare-llama-bench.py joins two builds.
const KEYS: [&str; 28] = [
    "cpu_info",
    "gpu_info",
    "backends",
    "n_gpu_layers",
    "n_cpu_moe",
    "tensor_buft_overrides",
    "model_filename",
    "model_type",
    "n_batch",
    "n_ubatch",
    "embeddings",
    "cpu_mask",
    "cpu_strict",
    "poll",
    "n_threads",
    "type_k",
    "type_v",
    "load_mode",
    "no_kv_offload",
    "split_mode",
    "main_gpu",
    "tensor_split",
    "flash_attn",
    "n_prompt",
    "n_gen",
    "n_depth",
    "fit_target",
    "fit_min_ctx",
];

#[test]
fn a_join_of_two_builds_pairs_measured_cells_only() {
    let before = assorted();
    let mut after = assorted();
    for run in &mut after.runs {
        run.header.build.commit = "0badcafe".into();
    }
    let on: Vec<String> = KEYS.iter().map(|key| format!("a.{key} = b.{key}")).collect();
    let query = format!(
        "SELECT count(*), count(b.avg_ts) FROM llama_bench a JOIN llama_bench b ON {} AND \
         a.build_commit = '5f4a7ef3' AND b.build_commit = '0badcafe'",
        on.join(" AND ")
    );
    let db = sqlite(&(text(&before, Format::Sql) + &text(&after, Format::Sql)));
    let pairs: (i64, i64) = db.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(pairs, (5, 5), "six cells a build, one of them failed");

    // CSV, as the script loads it: every value is bound as text, and there is no null.
    let db = sqlite(&(text(&before, Format::Sql) + "DELETE FROM llama_bench;"));
    let columns: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    for report in [&before, &after] {
        for row in csv::Reader::from_reader(text(report, Format::Csv).as_bytes()).records() {
            let places = vec!["?"; columns.len()].join(", ");
            let row = row.unwrap();
            db.execute(
                &format!("INSERT INTO llama_bench VALUES ({places})"),
                rusqlite::params_from_iter(&row),
            )
            .unwrap();
        }
    }
    let pairs: (i64, i64) = db.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(pairs, (5, 5));
}

#[test]
fn an_empty_report_is_still_a_file() {
    let empty = Report::default();
    assert_eq!(text(&empty, Format::Json), "[\n]\n");
    assert_eq!(text(&empty, Format::Jsonl), "");
    assert_eq!(text(&empty, Format::Markdown), "");
}

#[test]
fn a_run_that_needs_another_column_begins_a_table_of_its_own() {
    let report = assorted();
    let mut sink = Sink::new(Format::Markdown, Vec::new());
    for run in report.runs.iter().rev() {
        sink.begin(&run.header).unwrap();
        sink.cell(&run.header, &run.cells[0]).unwrap();
    }
    insta::assert_snapshot!(String::from_utf8(sink.finish().unwrap()).unwrap());
}

#[test]
fn a_cell_that_took_no_time_has_no_rate() {
    let mut report = reference();
    let Cell { test, outcome: Outcome::Measured(measured), .. } = &mut report.runs[0].cells[0] else {
        panic!("the first cell is measured")
    };
    test.kind = TestKind::Pp(1);
    for sample in &mut measured.samples {
        sample.elapsed = std::time::Duration::ZERO;
    }
    let json: serde_json::Value = serde_json::from_str(&text(&report, Format::Json)).unwrap();
    assert_eq!(json[0]["avg_ns"], 0);
    assert!(json[0]["avg_ts"].is_null() && json[0]["samples_ts"][0].is_null());
    assert!(text(&report, Format::Markdown).contains("no time passed"));
    assert_eq!(report::read_str(&text(&report, Format::Csv)).unwrap().report, report);
}

#[test]
fn own_fields_are_told_from_llama_benchs() {
    let theirs = FIELDS.iter().filter(|field| field.origin == Origin::LlamaBench).count();
    assert_eq!(theirs, 42);
    assert!(KEYS.iter().all(|key| FIELDS.iter().any(|field| field.name == *key)));
}

/// llama-bench's columns to the letter but for the heading of the speed, which says what it is.
#[test]
fn markdown_of_medians_and_percentiles() {
    let table = |stat: Stat| {
        let mut bytes = Vec::new();
        report::write_with(&assorted(), Format::Markdown, stat, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(table(Stat::Mean), text(&assorted(), Format::Markdown));
    insta::assert_snapshot!("markdown_median", table(Stat::Median));
    insta::assert_snapshot!("markdown_p90", table(Stat::Percentile(90)));
}

/// Only a table for people shows one statistic; the others hold every repetition.
#[test]
fn other_formats_know_no_statistic() {
    for format in [Format::Json, Format::Jsonl, Format::Csv, Format::Sql] {
        let mut bytes = Vec::new();
        report::write_with(&reference(), format, Stat::Median, &mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), text(&reference(), format), "{format}");
    }
}
