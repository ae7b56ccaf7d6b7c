//! llama-batched-bench's table, which it prints unless JSONL is asked for.

use serde_json::Value;

use super::{Object, Placed};
use crate::report::{Place, Problem, ReportError};

/// The columns, and the fields of a line that they are.
const COLUMNS: [(&str, &str); 10] = [
    ("PP", "pp"),
    ("TG", "tg"),
    ("B", "pl"),
    ("N_KV", "n_kv"),
    ("T_PP s", "t_pp"),
    ("S_PP t/s", "speed_pp"),
    ("T_TG s", "t_tg"),
    ("S_TG t/s", "speed_tg"),
    ("T s", "t"),
    ("S t/s", "speed"),
];

/// Whether the text has such a table.
pub(in crate::report) fn is_table(text: &str) -> bool {
    text.lines().any(|line| is_head(&cells(line)))
}

/// The lines of the table as objects.
pub(in crate::report) fn lines(text: &str) -> Result<Placed, ReportError> {
    let (mut lines, mut settings) = (Vec::new(), Object::new());
    for (i, line) in text.lines().enumerate() {
        let cells = cells(line);
        let is_row = cells.len() == COLUMNS.len() && !is_head(&cells) && !line.contains("---");
        if let Some(at) = line.find("n_kv_max = ") {
            settings = line[at..].split(',').filter_map(setting).collect();
        } else if is_row {
            let place = Place::Line(i + 1);
            let row = row(&settings, &cells).map_err(|problem| ReportError::Field { place, problem })?;
            lines.push((place, row));
        }
    }
    Ok(lines)
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inner.map_or_else(Vec::new, |inner| inner.split('|').map(str::trim).collect())
}

fn is_head(cells: &[&str]) -> bool {
    cells.iter().eq(COLUMNS.iter().map(|(heading, _)| heading))
}

/// `n_ubatch = 512`.
fn setting(text: &str) -> Option<(String, Value)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().parse::<i64>().ok()?.into()))
}

fn row(settings: &Object, cells: &[&str]) -> Result<Object, Problem> {
    if settings.get("is_tg_separate").and_then(Value::as_i64) == Some(1) {
        let needed = "0: one sequence after the other is not a test of several at once";
        return Err(Problem::new("is_tg_separate", 1, needed));
    }
    let mut row = settings.clone();
    row.remove("is_tg_separate");
    for ((_, field), cell) in COLUMNS.iter().zip(cells) {
        // The quotient of a time of zero.
        let is_undefined = cell.ends_with("nan") || cell.ends_with("inf");
        let value = if is_undefined { Ok(Value::Null) } else { serde_json::from_str(cell) };
        let value = value.map_err(|_| Problem::new(field, cell, "a number"))?;
        row.insert((*field).to_owned(), value);
    }
    row.entry("n_kv_max").or_insert(Value::Null);
    let is_shared = row.get("is_pp_shared").and_then(Value::as_i64) == Some(1);
    let number = |row: &Object, name: &str| row.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let n_parallel = number(&row, "pl");
    for (tokens, n, time, speed) in [
        ("pp", if is_shared { 1.0 } else { n_parallel }, "t_pp", "speed_pp"),
        ("tg", n_parallel, "t_tg", "speed_tg"),
    ] {
        let n_tokens = number(&row, tokens) * n;
        // Times have three decimals and speeds two: the one with the smaller share of rounding counts.
        let (printed, rate) = (number(&row, time), number(&row, speed));
        if n_tokens > 0.0 && rate > 0.0 && 0.005 / rate < 0.0005 / printed.max(f64::MIN_POSITIVE) {
            row.insert(time.to_owned(), (n_tokens / rate).into());
        }
    }
    Ok(row)
}
