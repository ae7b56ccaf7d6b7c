//! A fact that a file does not have is not shown in any format, neither as 0 nor as false.

mod report_support;

use llama_bench_rs::{
    record::Report,
    report::{
        self, FIELDS, Format, Kind, Origin, ReportError, explain_markdown, header_text, html,
        terminal::{Style, render},
    },
};
use report_support::reference;
use serde_json::{Map, Value};

/// A row needs these: what was run, and how long that took.
const NEEDED: [&str; 4] = ["model_filename", "n_prompt", "n_gen", "avg_ns"];

/// Values that no other field has, and that are not 0: what is shown of a field is found again.
fn rows() -> Vec<Map<String, Value>> {
    let text = report::to_string(&reference(), Format::Json).unwrap();
    let rows: Vec<Map<String, Value>> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows.len(), 10);
    rows
}

fn read(rows: &[Map<String, Value>]) -> Report {
    try_read(rows).unwrap()
}

fn try_read(rows: &[Map<String, Value>]) -> Result<Report, ReportError> {
    Ok(report::read_str(&serde_json::to_string(rows).unwrap())?.report)
}

/// The report of rows that lack a field; `None` if they are refused, by its name.
fn read_without(rows: &[Map<String, Value>], field: &str) -> Option<Report> {
    match try_read(&without(rows, field)) {
        Ok(report) => Some(report),
        Err(error) => {
            assert!(["n_depth", "samples_ns"].contains(&field), "{field}: {error}");
            assert!(error.to_string().contains(field), "{error}");
            None
        }
    }
}

fn without(rows: &[Map<String, Value>], field: &str) -> Vec<Map<String, Value>> {
    let mut rows = rows.to_vec();
    rows.iter_mut().for_each(|row| drop(row.remove(field)));
    rows
}

/// Everything that is rendered of a report for people, by name.
fn shown(report: &Report) -> Vec<(&'static str, String)> {
    let page = html::page(report).unwrap();
    // The data block is a file: the next test.
    let page = page.split("<script type=\"application/json\"").next().unwrap_or_default().to_owned();
    vec![
        ("Markdown", report::to_string(report, Format::Markdown).unwrap()),
        ("terminal", render(report, Style { width: 200, ..Style::default() })),
        ("page", page),
        ("explain", explain_markdown(report, &[])),
        ("header", report.runs.iter().map(header_text).collect()),
    ]
}

/// The words of a text; a number keeps its unit apart.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || "<>()|,;:=\"".contains(c))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn count(words: &[String], word: &str) -> usize {
    words.iter().filter(|&w| w == word).count()
}

#[test]
fn a_field_that_is_not_there_is_not_shown_as_0_or_false() {
    let rows = rows();
    let whole = shown(&read(&rows));
    for field in FIELDS.iter().filter(|field| !NEEDED.contains(&field.name)) {
        let Some(lacking) = read_without(&rows, field.name) else { continue };
        for ((name, before), (_, now)) in whole.iter().zip(shown(&lacking)) {
            let (before, now) = (words(before), words(&now));
            for invented in ["0", "0.00", "false", "0x0", "-1", "null", "None", "0.0", "NaN", "unknown"] {
                assert!(
                    count(&now, invented) <= count(&before, invented),
                    "{}: {name} shows {invented:?} where the file tells nothing:\n{}",
                    field.name,
                    now.join(" ")
                );
            }
        }
    }
}

#[test]
fn a_field_that_is_not_there_is_written_as_nothing() {
    let rows = rows();
    for field in FIELDS.iter().filter(|field| !NEEDED.contains(&field.name)) {
        let Some(lacking) = read_without(&rows, field.name) else { continue };
        let text = report::to_string(&lacking, Format::Json).unwrap();
        let again: Vec<Map<String, Value>> = serde_json::from_str(&text).unwrap();
        for (row, whole) in again.iter().zip(&rows) {
            let value = &row[field.name];
            let is_nothing = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(items) => items.is_empty(),
                _ => false,
            };
            // Computed from the samples, in another field too, or known for every file of this crate.
            let is_derived = [
                "embeddings",
                "test_kind",
                "stddev_ns",
                "avg_ts",
                "stddev_ts",
                "samples_ts",
                "first_step_ns",
                "steady_step_ns",
                "transient_steps",
                "transient_excess_ns",
                "schema_version",
                "run",
                "n_parallel",
                "avg_ts_per_sequence",
                "step_p50_ns",
                "step_p90_ns",
                "step_p99_ns",
                "outcome",
            ]
            .contains(&field.name);
            assert!(
                is_nothing || is_derived,
                "{} is written as {value} and was {}",
                field.name,
                whole[field.name]
            );
        }
    }
}

/// Of two runs in one file, one may have facts that the other lacks.
#[test]
fn a_run_that_tells_less_is_labelled_with_what_is_known() {
    let rows = rows();
    for field in ["poll", "no_kv_offload", "flash_attn", "model_size", "type_k", "stopping", "prio", "seed"] {
        let mut other = without(&rows, field);
        other.iter_mut().for_each(|row| drop(row.insert("run".into(), 1.into())));
        let both = read(&[rows.clone(), other].concat());
        assert_eq!(both.runs.len(), 2, "{field}");
        for (name, text) in shown(&both) {
            for invented in ["null", "None"] {
                assert_eq!(count(&words(&text), invented), 0, "{field}: {name} shows {invented}");
            }
        }
    }
}

/// llama-bench's files of any age: only the fields that each version had.
#[test]
fn llama_benchs_files_of_any_age_invent_nothing() {
    let mut rows = rows();
    let theirs: Vec<&str> =
        FIELDS.iter().filter(|field| field.origin != Origin::Own).map(|field| field.name).collect();
    for row in &mut rows {
        row.retain(|name, _| theirs.contains(&name.as_str()));
    }
    // From the newest field to the oldest.
    for field in theirs.iter().rev().filter(|name| !NEEDED.contains(name)) {
        rows.iter_mut().for_each(|row| drop(row.remove(*field)));
        let report = read(&rows);
        let text = shown(&report).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n");
        for invented in ["0.00 MiB", "0.00 M ", "poll 0", "seed 0", "warmed up", "0 layers"] {
            assert!(!text.contains(invented), "without {field}: {invented}");
        }
        let csv = report::to_string(&report, Format::Csv).unwrap();
        let back = report::read_str(&csv).unwrap().report;
        assert_eq!(back.runs[0].header.config, report.runs[0].header.config, "without {field}");
        assert!(report::to_string(&report, Format::Sql).unwrap().contains("NULL"), "without {field}");
    }
    let bare = read(&rows);
    assert_eq!(
        header_text(&bare.runs[0]).lines().count(),
        2,
        "file and method:\n{}",
        header_text(&bare.runs[0])
    );
}

/// A column of every kind can be empty or missing in CSV.
#[test]
fn empty_columns_of_csv_are_not_known() {
    let text = "model_filename,n_prompt,n_gen,avg_ns,avg_ts,poll,cpu_strict,model_size,flash_attn,n_gpu_layers\n\
                a.gguf,512,0,1000000,512000,,,,,\n";
    let report = report::read_str(text).unwrap().report;
    let header = &report.runs[0].header;
    assert_eq!((header.config.poll, header.config.cpu_strict), (None, None));
    assert_eq!((header.model.size_bytes, header.config.flash_attn), (None, None));
    assert_eq!((header.config.n_gpu_layers, header.config.warmup), (None, None));
    assert!(FIELDS.iter().any(|field| field.kind == Kind::Bool));
    for (name, text) in shown(&report) {
        for invented in ["0.00 MiB", "0x0", "false", " -1"] {
            assert!(!text.contains(invented), "{name}: {invented} in\n{text}");
        }
    }
}
