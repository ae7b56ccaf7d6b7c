//! The report for a person at a terminal: the answer first, then the figures by depth and by number of sequences, bars,
//! sentences, what was expected, what to run next, and the configuration last.
//!
//! ```no_run
//! use llama_bench_rs::report::{self, terminal::{Style, render}};
//!
//! # fn main() -> llama_bench_rs::Result<()> {
//! let report = report::read_file("results.jsonl")?.report;
//! print!("{}", render(&report, Style::of(&std::io::stdout())));
//! # Ok(())
//! # }
//! ```

mod bars;
mod facts;
mod grid;
mod levels;
mod names;
mod paint;
mod pivot;
mod profile;
mod style;

use super::{
    answer::{Answer, ExpectedRow, Next, Said},
    begun::begun,
    configurations,
    insights::{Expectation, Level},
    ranking,
    side_by_side::SideBySide,
    sides::Files,
};
use crate::{
    judge::{Scope, assumed_of_one_run},
    record::Report,
};
use names::Names;

pub(crate) use grid::{Column, Grid};
pub(crate) use paint::{Ink, Paint};
pub use style::Style;

/// A whole report.
pub fn render(report: &Report, style: Style) -> String {
    render_with(report, &[], style)
}

/// A whole report, compared with what was expected of it.
pub fn render_with(report: &Report, expectations: &[Expectation], style: Style) -> String {
    if report.runs.is_empty() {
        return String::new();
    }
    let paint = Paint::new(style);
    let (answer, report) = (Answer::of(report, expectations), &*begun(report));
    let names = Names::of(&answer, paint.width());
    let sections = [
        headline(&answer, &paint) + &names.legend(&paint),
        best(report, &paint),
        pivot::pivot(&answer, &names, &paint),
        levels::levels(&answer, &names, &paint),
        bars::bars(report, &answer, &names, &paint),
        profile::profile(report, &names, &paint),
        side_by_side(report, &paint),
        said(&answer.said, &paint),
        expected(&answer.expected, &names, &paint),
        next(&answer.next, &paint),
        facts::facts(&answer.facts, &paint),
    ];
    let mut text = sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n");
    if style.height.is_some_and(|height| text.lines().count() > height) {
        text += &format!("\n{}", headline(&answer, &paint));
    }
    text
}

fn headline(answer: &Answer, paint: &Paint) -> String {
    let ink = match answer.headline.trust.level() {
        Level::Good => Ink::Good,
        Level::Note => Ink::Strong,
        Level::Warning => Ink::Warning,
    };
    let title = paint.wrapped("", 0, &answer.headline.title());
    let sentence = paint.wrapped("", 0, &answer.headline.sentence());
    paint.ink_lines(Ink::Strong, &title) + &paint.ink_lines(ink, &sentence)
}

/// Which configuration is the best at each test; empty if fewer than two can be compared.
fn best(report: &Report, paint: &Paint) -> String {
    let Some(ranking) = ranking(report) else { return String::new() };
    let rows = ranking.rows();
    let [names, rows @ ..] = &rows[..] else { return String::new() };
    let texts = |column: usize| rows.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
    let label = ranking.rows().iter().map(|row| row[0].chars().count()).max().unwrap_or(0) + 2;
    let is_wide = |column: &usize| {
        let widest = ranking.rows().iter().map(|row| row[*column].chars().count()).max();
        label + widest.unwrap_or(0) > paint.width()
    };
    // Sentences that are wider than the screen stand below the table, in several lines each.
    let (wide, narrow): (Vec<usize>, Vec<usize>) = [3, 4].into_iter().partition(is_wide);
    let mut blocks = vec![vec![Column::left(&names[1], texts(1)), Column::right(&names[2], texts(2))]];
    blocks.extend(narrow.into_iter().map(|column| vec![Column::left(&names[column], texts(column))]));
    let grid =
        Grid { keys: vec![Column::left(&names[0], texts(0))], blocks, n_rows: rows.len(), ..Grid::default() };
    let below: String =
        wide.into_iter().map(|column| sentences(paint, label, &ranking.rows(), column)).collect();
    let notes = ranking.notes();
    let notes: String = notes.iter().map(|note| paint.wrapped("", 0, note)).collect();
    heading(paint, &ranking.headline()) + &grid.render(paint) + &below + &notes
}

/// A column of sentences, each behind the name of its row and wrapped.
fn sentences(paint: &Paint, label: usize, rows: &[[String; 5]], column: usize) -> String {
    let line = |row: &[String; 5]| paint.wrapped(&format!("{:<label$}", row[0]), label, &row[column]);
    let Some((names, rows)) = rows.split_first() else { return String::new() };
    let lines: String = rows.iter().map(line).collect();
    format!("\n{}{lines}", paint.ink_lines(Ink::Faint, &line(names)))
}

/// A heading of its own line.
fn heading(paint: &Paint, text: &str) -> String {
    format!("{}\n", paint.ink(Ink::Strong, text))
}

/// The changes between configurations, each with its verdict; empty for a single one.
fn side_by_side(report: &Report, paint: &Paint) -> String {
    /// For more configurations the ranking is enough.
    const MOST_SIDES: usize = 3;
    // With one run of each only the ranking can decide, from the spread of all configurations of the campaign.
    let is_told = ranking(report).is_some_and(|ranking| ranking.scope == Scope::Assumed);
    let are_several = configurations(report).len() > 1 || Files::of(report).are_several();
    let few = SideBySide::of(report).filter(|all| !is_told && all.names.len() <= MOST_SIDES && are_several);
    let Some(all) = few else { return String::new() };
    let caption = paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &all.caption()));
    heading(paint, "Side by side") + &paint.text(&all.tables(paint.width())) + &caption
}

fn said(all: &[Said], paint: &Paint) -> String {
    let line = |said: &Said| {
        let (ink, mark) = match said.level {
            Level::Warning => (Ink::Warning, "! "),
            Level::Good => (Ink::Good, "+ "),
            Level::Note => (Ink::Faint, "- "),
        };
        paint.wrapped(&paint.ink(ink, mark), mark.len(), &said.to_string())
    };
    let lines: String = all.iter().map(line).collect();
    if lines.is_empty() { lines } else { heading(paint, "What it means") + &lines }
}

fn expected(rows: &[ExpectedRow], names: &Names, paint: &Paint) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let all = |value: fn(&ExpectedRow) -> String| rows.iter().map(value).collect::<Vec<_>>();
    let verdict_ink = |i: usize| match rows[i].expected.level() {
        Level::Good => Some(Ink::Good),
        Level::Note => None,
        Level::Warning => Some(Ink::Warning),
    };
    let configurations = rows.iter().map(|row| names.short(&row.configuration)).collect();
    let grid = Grid {
        keys: vec![
            Column::left("configuration", configurations),
            Column::left("test", all(|row| row.expected.expectation.test().to_string())),
        ],
        blocks: vec![
            vec![Column::right("expected", all(|row| row.expected.expectation.range()))],
            vec![Column::right("measured\n(95 % interval)", all(|row| row.expected.measured_words()))],
            vec![Column::left("verdict", all(|row| row.expected.verdict.to_string())).inked(verdict_ink)],
        ],
        n_rows: rows.len(),
        ..Grid::default()
    };
    let has = |is_several: bool| {
        rows.iter().filter_map(|row| row.expected.measured).any(|it| (it.n_runs > 1) == is_several)
    };
    let scope = match (has(false), has(true)) {
        (false, false) => String::new(),
        (false, true) => "The interval is between runs.".to_owned(),
        (true, false) => format!("The interval is of one run; {}.", assumed_of_one_run()),
        (true, true) => format!("The interval is between runs; of a single run, {}.", assumed_of_one_run()),
    };
    let mut text = heading(paint, "Expected") + &grid.render(paint);
    if !scope.is_empty() {
        text += &paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &scope));
    }
    text
}

fn next(all: &[Next], paint: &Paint) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = heading(paint, "Next");
    for Next { why, command, .. } in all {
        let comment = paint.wrapped("  ", 2, why);
        let comment = comment.lines().map(|line| format!("# {}\n", line.trim_start()));
        text += &paint.ink_lines(Ink::Faint, &comment.collect::<String>());
        text += &paint.command(command);
    }
    text
}
