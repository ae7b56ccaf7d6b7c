//! The report for a person at a terminal: header, aligned table with intervals and bars, insights.
//!
//! ```no_run
//! use std::io::IsTerminal;
//!
//! use llama_bench_rs::report::{self, terminal::{Style, render}};
//!
//! # fn main() -> llama_bench_rs::Result<()> {
//! let report = report::read_file("results.jsonl")?.report;
//! let style = Style { colour: std::io::stdout().is_terminal(), ..Style::default() };
//! print!("{}", render(&report, style));
//! # Ok(())
//! # }
//! ```

mod paint;
mod table;

use super::{
    between_runs::between_runs_text,
    chapters::{Chapter, chapters},
    header_facts,
    insights::{Expectation, Insight, Level},
    side_by_side::SideBySide,
};
use crate::record::{Report, Run};
use paint::{Ink, Paint};

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it by escape sequences: only for a terminal.
    pub colour: bool,
    /// Columns to fill. Bars and lesser columns are left out where they do not fit; figures never are.
    pub width: usize,
    /// Whether to use characters beyond ASCII, such as `±` and block bars.
    pub unicode: bool,
}

impl Default for Style {
    /// Plain Unicode text, 100 columns wide.
    fn default() -> Self {
        Self { colour: false, width: 100, unicode: true }
    }
}

/// A whole report.
pub fn render(report: &Report, style: Style) -> String {
    render_with(report, &[], style)
}

/// A whole report, held against what was expected of it.
pub fn render_with(report: &Report, expectations: &[Expectation], style: Style) -> String {
    let paint = Paint::new(style);
    let mut text = String::new();
    for Chapter { heading, run, insights } in chapters(report, expectations) {
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(heading) = heading {
            text += &paint.ink(Ink::Strong, &heading);
            text += "\n\n";
        }
        text += &header(run, &paint);
        if !run.cells.is_empty() {
            text.push('\n');
            text += &table::table(run, &paint);
        }
        if !insights.is_empty() {
            text.push('\n');
        }
        insights.iter().for_each(|insight| text += &bullet(insight, &paint));
    }
    let together = between_runs_text(report);
    if !together.is_empty() {
        text += &format!("\n{together}");
    }
    if let Some(all) = SideBySide::of(report) {
        let (caption, tables) = (paint.wrapped("", 0, &all.caption()), paint.text(&all.tables(style.width)));
        text += &format!("\n{}\n\n{caption}\n{tables}", paint.ink(Ink::Strong, "Side by side"));
    }
    text
}

/// The facts, labels in a column of their own.
fn header(run: &Run, paint: &Paint) -> String {
    let facts = header_facts(run);
    let width = facts.iter().map(|fact| fact.label.chars().count()).max().unwrap_or(0) + 2;
    let line = |fact: &super::Fact| {
        let label = paint.ink(Ink::Faint, &format!("{:<width$}", format!("{}:", fact.label)));
        paint.wrapped(&label, width, &fact.value)
    };
    facts.iter().map(line).collect()
}

fn bullet(insight: &Insight, paint: &Paint) -> String {
    let (ink, mark) = match insight.level() {
        Level::Warning => (Ink::Warning, "! "),
        Level::Good => (Ink::Good, "+ "),
        Level::Note => (Ink::Faint, "- "),
    };
    paint.wrapped(&paint.ink(ink, mark), mark.len(), &insight.to_string())
}
