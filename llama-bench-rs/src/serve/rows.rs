//! The figures of each load as a flat row, for scripts.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Arrivals, Figure, LoadFigures, LoadRecord, ServeReport, ServeRun, words};
use crate::{
    report::ReportError,
    units::{RequestsPerSecond, Share, TokensPerSecond},
};

/// The columns of a row by name, in order. Every row has all of them: what is not known is null.
pub(super) type Row = Vec<(String, Value)>;

/// A row for each load of each run.
pub(super) fn rows(report: &ServeReport) -> Vec<Row> {
    let names = words::names(report);
    let of_run = |(run, name): (&ServeRun, &String)| {
        let loads = words::figures(run).into_iter();
        loads.map(|(load, figures)| row(run, name, load, &figures)).collect::<Vec<_>>()
    };
    report.runs.iter().zip(&names).flat_map(of_run).collect()
}

/// A row as an object.
pub(super) fn object(row: &Row) -> Value {
    row.iter().cloned().collect()
}

/// A line of names and a line for each load; times in nanoseconds, bounds of 95 % intervals.
///
/// # Errors
/// None that depends on the report.
pub fn to_csv(report: &ServeReport) -> Result<String, ReportError> {
    let failed = |error: csv::Error| ReportError::Write(std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (i, row) in rows(report).iter().enumerate() {
        if i == 0 {
            writer.write_record(row.iter().map(|(name, _)| name)).map_err(failed)?;
        }
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(row.iter().map(|(_, value)| text(value))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| ReportError::Write(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row(run: &ServeRun, name: &str, load: &LoadRecord, figures: &LoadFigures) -> Row {
    let (header, settings) = (&run.header, &run.settings);
    let (users, rate, think) = match &load.arrivals {
        Arrivals::Closed { users, think } => (Some(*users), None, Some(think.to_string())),
        Arrivals::Open { rate } => (None, Some(*rate), None),
    };
    let failure = load.failure.as_ref();
    let mut row: Row = Vec::new();
    let mut add = |name: &str, value: Value| row.push((name.to_owned(), value));
    add("configuration", json!(name));
    add("build_commit", json!(header.build.commit));
    add("model_filename", json!(header.model.filename));
    add("model_type", json!(header.model.description));
    add("users", json!(users));
    add("rate", json!(rate));
    add("think", json!(think));
    add("prompt", json!(settings.workload.prompts.to_string()));
    add("generate", json!(settings.workload.generations.to_string()));
    add("prefix", json!(settings.workload.n_prefix));
    add("seed", json!(settings.workload.seed));
    add("n_slots", json!(load.n_slots));
    add("n_reps", json!(figures.n_reps));
    add("n_requests", json!(figures.n_requests));
    add("n_failed", json!(figures.n_failed));
    add("error_kind", json!(failure.map(|failure| failure.kind.as_str())));
    add("error_message", json!(failure.map(|failure| &failure.message)));
    add_figure(&mut row, "generation_ts", figures.generation, tokens);
    add_figure(&mut row, "prompt_ts", figures.prompt, tokens);
    add_figure(&mut row, "requests_per_second", figures.requests, requests);
    let latencies = [
        ("queueing", &figures.queueing),
        ("ttft", &figures.ttft),
        ("itl", &figures.itl),
        ("total", &figures.total),
    ];
    for (latency, percentiles) in latencies {
        for (p, figure) in percentiles.each() {
            add_figure(&mut row, &format!("{latency}_p{p}_ns"), figure, nanoseconds);
        }
    }
    row.push(("rows_per_step".into(), json!(figures.rows_per_step)));
    add_figure(&mut row, "busy", figures.busy, share);
    row.push(("slo".into(), json!(settings.slo.map(|slo| slo.to_string()))));
    row.push(("n_kept".into(), json!(figures.goodput.map(|goodput| goodput.n_kept))));
    add_figure(&mut row, "kept", figures.goodput.and_then(|goodput| goodput.share), share);
    add_figure(&mut row, "goodput", figures.goodput.and_then(|goodput| goodput.requests), requests);
    row
}

fn add_figure<T: Copy>(row: &mut Row, name: &str, figure: Option<Figure<T>>, bare: fn(T) -> Value) {
    row.push((name.to_owned(), json!(figure.map(|figure| bare(figure.value)))));
    row.push((format!("{name}_lower"), json!(figure.and_then(|figure| figure.lower).map(bare))));
    row.push((format!("{name}_upper"), json!(figure.and_then(|figure| figure.upper).map(bare))));
}

fn tokens(rate: TokensPerSecond) -> Value {
    json!(rate.get())
}

fn requests(rate: RequestsPerSecond) -> Value {
    json!(rate.get())
}

fn share(share: Share) -> Value {
    json!(share.get())
}

fn nanoseconds(time: Duration) -> Value {
    json!(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
