//! The figures of serving for a person at a terminal: the answer first, then the loads, sentences, the configuration.

use super::{
    LoadFigures, LoadRecord, ServeReport, ServeRun, markdown,
    said::{self, Level},
    words,
};
use crate::report::{
    Fact,
    terminal::{Column, Grid, Ink, Paint, Style},
};

/// A whole report; empty without runs.
pub fn render(report: &ServeReport, style: Style) -> String {
    let paint = Paint::new(style);
    let names = words::names(report);
    let sections = report.runs.iter().zip(&names).map(|(run, name)| of_run(run, name, &paint));
    let mut text = sections.collect::<Vec<_>>().join("\n");
    for line in said::unknown(report) {
        text += &paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &line));
    }
    if let Some(run) = report.runs.first() {
        text += &format!("\n{}", facts(run, &paint));
    }
    text
}

fn of_run(run: &ServeRun, name: &str, paint: &Paint) -> String {
    let mut text = String::new();
    if !name.is_empty() {
        text += &paint.ink_lines(Ink::Strong, &paint.wrapped("", 0, name));
    }
    text += &paint.ink_lines(Ink::Strong, &paint.wrapped("", 0, &said::headline(run)));
    text += &paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &said::subject(run)));
    text.push('\n');
    text += &table(run, paint);
    let said = said::said(run);
    if !said.is_empty() {
        text += &format!("\n{}\n", paint.ink(Ink::Strong, "What it means"));
    }
    for said in said {
        let (ink, mark) = match said.level {
            Level::Warning => (Ink::Warning, "! "),
            Level::Good => (Ink::Good, "+ "),
            Level::Note => (Ink::Faint, "- "),
        };
        text += &paint.wrapped(&paint.ink(ink, mark), mark.len(), &said.text);
    }
    text
}

/// A row a load, with the 95 % intervals; what does not fit the width stands in a table below.
fn table(run: &ServeRun, paint: &Paint) -> String {
    let all: Vec<(&LoadRecord, LoadFigures)> =
        words::figures(run).into_iter().filter(|(_, figures)| figures.n_reps > 0).collect();
    if all.is_empty() {
        return String::new();
    }
    let texts = |text: fn(&LoadFigures) -> String| all.iter().map(|(_, figures)| text(figures)).collect();
    let loads = all.iter().map(|(load, _)| load.arrivals.to_string()).collect();
    let pair = |heading: [&str; 2], p50: fn(&LoadFigures) -> String, p99: fn(&LoadFigures) -> String| {
        vec![Column::right(heading[0], texts(p50)), Column::right(heading[1], texts(p99))]
    };
    let mut blocks = vec![
        vec![
            Column::right("t/s", texts(|of| words::rate(of.generation))),
            Column::right("requests/s", texts(|of| words::requests(of.requests))),
        ],
        pair(["TTFT\np50", "TTFT\np99"], |of| words::time(of.ttft.p50), |of| words::time(of.ttft.p99)),
        pair(["ITL\np50", "ITL\np99"], |of| words::time(of.itl.p50), |of| words::time(of.itl.p99)),
        pair(["total\np50", "total\np99"], |of| words::time(of.total.p50), |of| words::time(of.total.p99)),
    ];
    if run.settings.slo.is_some() {
        let share = |of: &LoadFigures| words::share(of.goodput.and_then(|goodput| goodput.share));
        blocks.push(vec![Column::right("in time", texts(share))]);
    }
    blocks.push(vec![
        Column::right(
            "tokens\nper step",
            texts(|of| of.rows_per_step.map_or_else(String::new, |n| format!("{n:.1}"))),
        ),
        Column::right("of", texts(markdown::amount)),
    ]);
    let grid = Grid { keys: vec![Column::left("load", loads)], blocks, n_rows: all.len(), ..Grid::default() };
    grid.render(paint)
}

fn facts(run: &ServeRun, paint: &Paint) -> String {
    let facts = words::facts(run);
    let width = facts.iter().map(|fact| fact.label.chars().count()).max().unwrap_or(0) + 2;
    let line = |fact: &Fact| {
        let label = paint.ink(Ink::Faint, &format!("{:<width$}", format!("{}:", fact.label)));
        paint.wrapped(&label, width, &fact.value)
    };
    let lines: String = facts.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("{}\n{lines}", paint.ink(Ink::Strong, "Configuration")) }
}
