//! The lines of a picture: one per run and test, named by what tells it from the others.

use serde_json::Value;

use super::{panel::Shape, theme::Ink};
use crate::{
    record::{Cell, Group, Header, Report, Run, TestKind},
    report::in_words,
};

/// A test of a run over its depths.
#[derive(Clone, Debug)]
pub(super) struct Series<'a> {
    /// What tells it from the other lines of the picture; empty if there is no other.
    pub name: String,
    pub run: &'a Run,
    /// As llama-bench names tests, without the depth.
    pub test: String,
    pub kind: TestKind,
    /// Ascending by depth.
    pub cells: Vec<&'a Cell>,
    pub ink: Ink,
    pub shape: Shape,
}

impl Series<'_> {
    /// The figures of the line in one sentence that begins with its name.
    pub fn sentence(&self, figures: impl Iterator<Item = String>) -> String {
        let name =
            if self.name.is_empty() { self.test.clone() } else { format!("{} ({})", self.test, self.name) };
        format!("{name}: {}.", figures.collect::<Vec<_>>().join(", "))
    }
}

type Key = (TestKind, Option<Group>);

/// In the order of the panels.
pub(super) const KINDS: [fn(TestKind) -> bool; 3] =
    [TestKind::is_prompt, TestKind::is_embedding, TestKind::is_generation];

/// All lines: those of prompt processing first, then of embedding and generation, each by run.
pub(super) fn series(report: &Report) -> Vec<Series<'_>> {
    let labels = run_labels(report);
    let mut all = Vec::new();
    for is_kind in KINDS {
        let mut keys: Vec<Key> = Vec::new();
        for (_, cell) in report.cells().filter(|(_, cell)| is_kind(cell.test.kind)) {
            let key = (cell.test.kind, cell.test.group);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (n_run, (run, label)) in report.runs.iter().zip(&labels).enumerate() {
            for (n_key, &key) in keys.iter().enumerate() {
                let of_key = |cell: &&Cell| (cell.test.kind, cell.test.group) == key;
                let mut cells: Vec<&Cell> = run.cells.iter().filter(of_key).collect();
                cells.sort_by_key(|cell| cell.test.n_depth);
                if cells.is_empty() {
                    continue;
                }
                let parts = [
                    label.clone(),
                    if keys.len() > 1 { in_words::test(key.0, key.1) } else { String::new() },
                ];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                // One colour per run; of a single run, one per test.
                let (colour, shape) = if report.runs.len() > 1 { (n_run, n_key) } else { (n_key, n_key) };
                all.push(Series {
                    name: parts.join(", "),
                    run,
                    test: in_words::test(key.0, key.1),
                    kind: key.0,
                    cells,
                    ink: Ink::Series(colour % Ink::N_SERIES),
                    shape: Shape::ALL[(shape + colour / Ink::N_SERIES) % Shape::ALL.len()],
                });
            }
        }
    }
    all
}

/// For each run of a report, what sets it apart from the others: model, device, build or settings. Empty for a run on its
/// own.
pub fn run_labels(report: &Report) -> Vec<String> {
    let headers: Vec<&Header> = report.runs.iter().map(|run| &run.header).collect();
    if headers.len() < 2 {
        return vec![String::new(); headers.len()];
    }
    let mut parts: Vec<Vec<String>> = vec![Vec::new(); headers.len()];
    let mut push = |differ: Vec<Option<String>>| {
        for (parts, part) in parts.iter_mut().zip(differ) {
            parts.extend(part);
        }
    };
    push(first_difference(
        &headers,
        &[
            |h| h.model.description.clone(),
            |h| file_name(&h.model.filename),
            |h| h.model.size_bytes.map(|n| format!("{n} bytes")).unwrap_or_default(),
        ],
    ));
    push(first_difference(&headers, &[|h| device(h), |h| h.host.cpu_info.clone()]));
    push(first_difference(&headers, &[|h| h.host.backends.clone()]));
    push(first_difference(
        &headers,
        &[
            |h| format!("build {}", h.build.commit),
            |h| h.build.version.clone(),
            |h| h.build.compiler.clone(),
            |h| h.build.cmake_options.clone(),
        ],
    ));
    for difference in config_differences(&headers) {
        push(difference);
    }
    // The same again: only the time tells them apart.
    let same: Vec<bool> =
        parts.iter().map(|part| parts.iter().filter(|&other| other == part).count() > 1).collect();
    for (n, (part, same)) in (1..).zip(parts.iter_mut().zip(same)) {
        if same {
            let at = &headers[n - 1].timing.started_at;
            part.push(if at.is_empty() { format!("run {n}") } else { format!("run {n}, {at}") });
        }
    }
    parts.into_iter().map(|part| clean(&part.join(", "))).collect()
}

/// The values of the first property in which the headers differ, if there is one.
fn first_difference(headers: &[&Header], properties: &[fn(&Header) -> String]) -> Vec<Option<String>> {
    let all =
        properties.iter().map(|property| headers.iter().map(|header| property(header)).collect::<Vec<_>>());
    let differ = all.into_iter().find(|values| values.iter().any(|value| value != &values[0]));
    differ.map_or(vec![None; headers.len()], |values| values.into_iter().map(Some).collect())
}

/// The configuration's fields that differ, under their own names.
fn config_differences(headers: &[&Header]) -> Vec<Vec<Option<String>>> {
    let configs: Vec<Value> =
        headers.iter().map(|header| serde_json::to_value(&header.config).unwrap_or_default()).collect();
    let Some(Value::Object(first)) = configs.first() else { return Vec::new() };
    let values_of = |name: &String| configs.iter().map(|config| config.get(name)).collect::<Vec<_>>();
    let follows = |name: &String| {
        let threads = &"n_threads".to_owned();
        name == "n_threads_batch" && values_of(name) == values_of(threads)
    };
    first
        .keys()
        .filter(|name| !follows(name))
        .map(|name| (name, values_of(name)))
        .filter(|(_, values)| values.iter().any(|value| value != &values[0]))
        .map(|(name, values)| {
            let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // What a run does not tell sets it apart by nothing.
            let known = |value: &&Value| !value.is_null() && value.as_str() != Some("");
            values
                .into_iter()
                .map(|value| value.filter(known).map(|value| format!("{name} {}", word(value))))
                .collect()
        })
        .collect()
}

/// The GPU, or without one the CPU.
pub(crate) fn device(header: &Header) -> String {
    let host = &header.host;
    if host.gpu_info.is_empty() { host.cpu_info.clone() } else { host.gpu_info.clone() }
}

/// The last part of a path of any system.
fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// A value that all headers share; empty if they differ.
pub(super) fn shared(report: &Report, property: impl Fn(&Header) -> String) -> String {
    let mut values = report.runs.iter().map(|run| property(&run.header));
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { clean(&first) } else { String::new() }
}

/// Control characters have no place in XML, not even escaped.
pub(crate) fn clean(text: &str) -> String {
    let allowed = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect()
}
