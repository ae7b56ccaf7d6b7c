//! The comparison as a table for people or as rows for scripts.

use std::io;

use llama_bench_rs::{
    judge::{Bounds, Verdict},
    report::terminal::Style,
    units::Speedup,
};
use serde_json::{Value, json};

use crate::{
    Failed, SOME_FAILED,
    form::Form,
    light,
    lines::{Comparison, Line},
    table,
};

impl Form {
    /// Prints a text that belongs to the table, in lines as wide as the terminal; prints nothing if scripts read standard output.
    pub fn tell(self, text: &str) {
        match self {
            Self::Markdown => say!("{text}"),
            Self::Terminal => crate::print::out(format_args!("{}", table::wrapped(text, width()))),
            Self::Json | Self::Jsonl | Self::Csv | Self::Nothing => {}
        }
    }
}

/// Columns of standard output.
fn width() -> usize {
    Style::of(&io::stdout()).width
}

/// Prints all comparisons to standard output.
pub fn write(form: Form, all: &[Comparison]) -> Result<(), Failed> {
    let rows = || all.iter().flat_map(|one| one.lines.iter().map(|line| row(one, line)));
    match form {
        Form::Markdown => all.iter().for_each(markdown),
        Form::Terminal => {
            let tables: Vec<String> = all.iter().map(|one| table::table(one, width())).collect();
            crate::print::out(format_args!("{}", tables.join("\n")));
        }
        Form::Json => {
            let rows: Vec<String> = rows().map(|row| format!("  {}", object(&row))).collect();
            say!("[\n{}\n]", rows.join(",\n"));
        }
        Form::Jsonl => rows().for_each(|row| say!("{}", object(&row))),
        Form::Csv => crate::print::out(format_args!("{}", csv(rows())?)),
        Form::Nothing => {}
    }
    Ok(())
}

fn markdown(one: &Comparison) {
    if !one.name.is_empty() {
        say!("### {}\n", one.name);
    }
    for change in &one.changes {
        say!("B: {change}");
    }
    if !one.changes.is_empty() {
        say!("");
    }
    say!("| test | A t/s | B t/s | B over A (95 % interval between {}) | p | verdict |", one.of.plural());
    say!("| --- | ---: | ---: | ---: | ---: | --- |");
    for line in &one.lines {
        let speedup = line.speedup.map_or_else(String::new, |speedup| change(speedup, line.bounds));
        let [a, b, p] = [rate(line.a), rate(line.b), p_value(line)];
        say!("| {} | {a} | {b} | {speedup} | {p} | {} |", line.name, line.says);
    }
    if !one.energy.is_empty() {
        markdown_of_energy(one);
    }
    if !one.light.is_empty() {
        say!("\n| test | A of light | B of light |");
        say!("| --- | ---: | ---: |");
        let (rows, notes) = light::shown(&one.light);
        rows.iter().for_each(|[test, a, b]| say!("| {test} | {a} | {b} |"));
        if !notes.is_empty() {
            say!("\n{}", notes.join("\n"));
        }
    }
}

fn markdown_of_energy(one: &Comparison) {
    say!(
        "\n| test | A J/token | B J/token | B over A (95 % interval between {}) | p | verdict |",
        one.of.plural()
    );
    say!("| --- | ---: | ---: | ---: | ---: | --- |");
    for line in &one.energy {
        let ratio = line.speedup.map_or_else(String::new, |ratio| change(ratio, line.bounds));
        let [a, b, p] = [joules(line.a), joules(line.b), p_value(line)];
        say!("| {} | {a} | {b} | {ratio} | {p} | {} |", line.name, line.says);
    }
}

/// Joules per token with four digits, or nothing.
pub fn joules(joules: Option<f64>) -> String {
    joules.map_or_else(String::new, |joules| {
        let decimals = (3 - joules.abs().log10().floor() as i32).clamp(0, 9) as usize;
        format!("{joules:.decimals$}")
    })
}

/// Tokens per second, or nothing.
pub fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(String::new, |rate| format!("{rate:.2}"))
}

/// The p value of a line, or nothing.
pub fn p_value(line: &Line) -> String {
    line.p_value.map_or_else(String::new, |p| p.to_string())
}

/// `1.032 (1.010 to 1.055)`.
fn change(speedup: Speedup, bounds: Option<Bounds<Speedup>>) -> String {
    let bounds =
        bounds.map(|bounds| format!(" ({:.3} to {:.3})", bounds.lower().get(), bounds.upper().get()));
    format!("{:.3}{}", speedup.get(), bounds.unwrap_or_default())
}

/// The columns of a row by name, in order.
type Row = Vec<(&'static str, Value)>;

/// All columns are in every row: what is not known is null.
fn row(one: &Comparison, line: &Line) -> Row {
    let bound = |of: fn(Bounds<Speedup>) -> Speedup| line.bounds.map(|bounds| of(bounds).get());
    let energy = one.energy.iter().find(|energy| energy.name == line.name);
    let of_light = one.light.iter().find(|light| light.name == line.name);
    let energy_bound = |of: fn(Bounds<Speedup>) -> Speedup| Some(of(energy?.bounds?).get());
    let verdict = line.verdict.map(|verdict| match verdict {
        Verdict::Improved => "faster",
        Verdict::Regressed => "slower",
        Verdict::NoChange => "no change",
        Verdict::Inconclusive => "inconclusive",
        _ => "cannot tell",
    });
    let mut row = vec![
        ("configuration", json!(one.name)),
        ("test", json!(line.name)),
        ("a_ts", json!(line.a)),
        ("b_ts", json!(line.b)),
        ("speedup", json!(line.speedup.map(Speedup::get))),
        ("speedup_lower", json!(bound(Bounds::lower))),
        ("speedup_upper", json!(bound(Bounds::upper))),
        ("p_value", json!(line.p_value.map(|p| p.get()))),
        ("verdict", json!(verdict)),
        ("says", json!(line.says)),
        ("a_j_per_token", json!(energy.and_then(|energy| energy.a))),
        ("b_j_per_token", json!(energy.and_then(|energy| energy.b))),
        ("energy_ratio", json!(energy.and_then(|energy| energy.speedup).map(Speedup::get))),
        ("energy_ratio_lower", json!(energy_bound(Bounds::lower))),
        ("energy_ratio_upper", json!(energy_bound(Bounds::upper))),
        ("energy_says", json!(energy.map(|energy| &energy.says))),
    ];
    let a = ["a_light_share", "a_light_share_lower", "a_light_share_upper", "a_light_unknown"];
    let b = ["b_light_share", "b_light_share_lower", "b_light_share_upper", "b_light_unknown"];
    row.extend(light::columns(a, of_light.map(|line| &line.a)));
    row.extend(light::columns(b, of_light.map(|line| &line.b)));
    row
}

/// An object whose fields keep their order.
fn object(row: &Row) -> String {
    let fields: Vec<String> = row.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

/// A line of names and a line for each row.
fn csv(rows: impl Iterator<Item = Row>) -> Result<String, Failed> {
    let failed = |error: &dyn ToString| Failed { message: error.to_string(), status: SOME_FAILED };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (i, row) in rows.enumerate() {
        if i == 0 {
            writer.write_record(row.iter().map(|(name, _)| name)).map_err(|e| failed(&e))?;
        }
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(row.iter().map(|(_, value)| text(value))).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
