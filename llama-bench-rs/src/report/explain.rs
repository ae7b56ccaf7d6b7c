use std::{fmt::Write as _, time::Duration};

use super::{
    Stat,
    answer::{Answer, Configuration, ExpectedRow, Next, PivotRow, TimeFigure},
    in_words::{duration, one_line, speed},
    insights::{Expectation, Level},
    levels::LevelRow,
};
use crate::record::Report;

/// What a report answers as Markdown, to go around the table of [`Format::Markdown`](super::Format::Markdown), as one pastes
/// it into an issue: the result first, then the figures by depth and by number of sequences, how times are spread, what the
/// figures mean, what was expected, what to run next, and the configuration.
pub fn explain_markdown(report: &Report, expectations: &[Expectation]) -> String {
    explain_markdown_with(report, expectations, Stat::Mean)
}

/// The same around a table with another statistic than the mean: the text then says that its own figures are means.
pub fn explain_markdown_with(report: &Report, expectations: &[Expectation], stat: Stat) -> String {
    if report.runs.is_empty() {
        return String::new();
    }
    let answer = Answer::of(report, expectations);
    let sections = [
        format!("**{}**: {}\n", escape(&answer.headline.title()), escape(&answer.headline.sentence())),
        match stat {
            Stat::Mean => String::new(),
            stat => format!("The speeds here are means; the table above shows another statistic ({stat}).\n"),
        },
        pivot(&answer),
        levels(&answer),
        percentiles(&answer),
        said(&answer),
        expected(&answer.expected),
        next(&answer.next),
        facts(&answer),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What a column shows of a row.
type Shown<'a> = &'a dyn Fn(&PivotRow) -> Option<String>;

fn pivot(answer: &Answer) -> String {
    let rows = answer.rows();
    if !rows.iter().any(|(_, row)| row.is_some()) {
        return String::new();
    }
    let time =
        |of: fn(&PivotRow) -> Option<TimeFigure>| move |row: &PivotRow| of(row).map(|time| time.to_string());
    let columns: [(&str, Shown<'_>); 7] = [
        ("depth", &|row| Some(row.n_depth.to_string())),
        ("prefill t/s", &|row| row.prefill.map(|figure| figure.bare())),
        ("generation t/s", &|row| row.generation.map(|figure| figure.bare())),
        ("embedding t/s", &|row| row.embedding.map(|figure| figure.bare())),
        ("first token", &time(|row| row.first_token)),
        ("100 tokens", &time(|row| row.answers[0])),
        ("500 tokens", &time(|row| row.answers[1])),
    ];
    let names: Vec<String> = rows.iter().map(|(configuration, _)| escape(&configuration.name)).collect();
    let mut table = Table::of_names("configuration", names);
    for (heading, value) in columns {
        let shown = |(configuration, row): &(&Configuration, Option<&PivotRow>)| match row {
            Some(row) => value(row),
            // In place of all figures.
            None => (heading == "depth").then(|| configuration.trust.to_string()),
        };
        table.right(heading, rows.iter().map(shown));
    }
    let why = answer.why_falls().map_or_else(String::new, |why| format!("\n{why}\n"));
    format!("{}\n{}\n{why}", table.text(), answer.caption())
}

/// What a column shows of a number of sequences.
type ShownOfLevel<'a> = &'a dyn Fn(&LevelRow) -> Option<String>;

fn levels(answer: &Answer) -> String {
    let rows = answer.level_rows();
    if rows.is_empty() {
        return String::new();
    }
    let step = |of: fn(&super::answer::TimeSpread) -> Duration| {
        move |row: &LevelRow| row.step_times.as_ref().map(|times| duration(of(times)))
    };
    let failure = |row: &LevelRow| {
        let failure = row.failure.as_ref()?;
        Some(escape(&one_line(&format!("{}: {}", failure.kind, failure.message))))
    };
    let columns: [(&str, ShownOfLevel<'_>); 10] = [
        ("sequences", &|row| Some(row.n_parallel.to_string())),
        ("generation t/s", &|row| Some(row.generation?.total.bare())),
        ("each t/s", &|row| Some(speed(row.generation?.each.rate))),
        ("scaling", &|row| Some(row.generation?.scaling_words())),
        ("step p50", &step(|times| times.p50)),
        ("p90", &step(|times| times.p90)),
        ("p99", &step(|times| times.p99)),
        ("prefill t/s", &|row| Some(row.prefill?.total.bare())),
        ("each t/s", &|row| Some(speed(row.prefill?.each.rate))),
        ("scaling", &|row| Some(row.prefill?.scaling_words())),
    ];
    let mut table = Table::of_names("configuration", rows.iter().map(|(it, ..)| escape(&it.name)).collect());
    table.right("depth", rows.iter().map(|(_, levels, _)| Some(levels.n_depth.to_string())));
    for (heading, value) in columns {
        table.right(heading, rows.iter().map(|(.., row)| value(row)));
    }
    table.left("failed", rows.iter().map(|(.., row)| failure(row)));
    let said = answer.levels_said().into_iter().map(|(name, said)| match name {
        "" => format!("\n{}\n", escape(&said)),
        name => format!("\n{}: {}\n", escape(name), escape(&said)),
    });
    format!("{}\n{}\n{}", table.text(), answer.levels_caption(), said.collect::<String>())
}

fn percentiles(answer: &Answer) -> String {
    let rows: Vec<_> = answer
        .configurations
        .iter()
        .flat_map(|configuration| configuration.percentiles.iter().map(move |it| (&configuration.name, it)))
        .collect();
    if rows.iter().all(|(_, it)| it.spread.is_none()) {
        return String::new();
    }
    let spread = |of: fn(&super::answer::TimeSpread) -> String| {
        rows.iter().map(move |(_, it)| it.spread.as_ref().map(of))
    };
    let mut table = Table::of_names("configuration", rows.iter().map(|(name, _)| escape(name)).collect());
    table.left("test", rows.iter().map(|(_, it)| Some(it.test.to_string())));
    table.right("mean", rows.iter().map(|(_, it)| Some(duration(it.mean))));
    table.right("p50", spread(|it| duration(it.p50)));
    table.right("p90", spread(|it| duration(it.p90)));
    table.right("p99", spread(|it| duration(it.p99)));
    table.right("max", spread(|it| duration(it.max)));
    table.right("n", spread(|it| it.n.to_string()));
    format!("{}\n\n{}", answer.times_caption(), table.text())
}

fn said(answer: &Answer) -> String {
    let line = |said: &super::answer::Said| {
        let mark = match said.level {
            Level::Warning => "**Warning:** ",
            Level::Note | Level::Good => "",
        };
        format!("- {mark}{}\n", escape(&said.to_string()))
    };
    answer.said.iter().map(line).collect()
}

fn expected(rows: &[ExpectedRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let names = rows.iter().map(|row| escape(&row.configuration)).collect();
    let mut table = Table::of_names("configuration", names);
    table.left("test", rows.iter().map(|row| Some(row.expected.expectation.test().to_string())));
    table.right("expected", rows.iter().map(|row| Some(row.expected.expectation.range())));
    table.right("measured (95 % interval)", rows.iter().map(|row| Some(row.expected.measured_words())));
    table.left("verdict", rows.iter().map(|row| Some(row.expected.verdict.to_string())));
    table.text()
}

fn next(all: &[Next]) -> String {
    if all.is_empty() {
        return String::new();
    }
    // A fence that no name in a command can close.
    let lines = all.iter().map(|Next { why, command, .. }| format!("# {}\n{command}\n", one_line(why)));
    let lines: String = lines.collect();
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("Next:\n\n{fence}sh\n{lines}{fence}\n")
}

fn facts(answer: &Answer) -> String {
    let mut text = String::new();
    let mut list = |heading: Option<&str>, facts: &[super::Fact]| {
        if let Some(heading) = heading {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{}:\n", escape(heading));
        }
        for fact in facts {
            let _ = writeln!(text, "- **{}**: {}", fact.label, escape(&fact.value));
        }
    };
    list(None, &answer.facts.shared);
    answer.facts.own.iter().for_each(|(name, own)| list(Some(name), own));
    text
}

/// A table under construction; columns without any text are left out.
#[derive(Default)]
struct Table {
    columns: Vec<(String, bool, Vec<String>)>,
}

impl Table {
    /// Begins with the names of rows.
    fn of_names(heading: &str, names: Vec<String>) -> Self {
        let mut table = Self::default();
        table.push(heading, true, names);
        table
    }

    fn left(&mut self, heading: &str, cells: impl Iterator<Item = Option<String>>) {
        self.push(heading, true, cells.map(Option::unwrap_or_default).collect());
    }

    fn right(&mut self, heading: &str, cells: impl Iterator<Item = Option<String>>) {
        self.push(heading, false, cells.map(Option::unwrap_or_default).collect());
    }

    fn push(&mut self, heading: &str, is_left: bool, cells: Vec<String>) {
        if cells.iter().any(|cell| !cell.is_empty()) {
            self.columns.push((heading.into(), is_left, cells));
        }
    }

    fn text(&self) -> String {
        let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let n_rows = self.columns.first().map_or(0, |(_, _, cells)| cells.len());
        let rule = |is_left: &bool| if *is_left { "---" } else { "---:" };
        let mut text = line(self.columns.iter().map(|(heading, ..)| heading.as_str()).collect());
        text += &line(self.columns.iter().map(|(_, is_left, _)| rule(is_left)).collect());
        for row in 0..n_rows {
            text += &line(self.columns.iter().map(|(_, _, cells)| cells[row].as_str()).collect());
        }
        text
    }
}

/// Text from a file must stay text: no markup, no links, no HTML, and nobody mentioned.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let next_to_word = letters.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '@' if next_to_word => escaped.push_str("&#64;"),
            // Within a word an underscore marks nothing up.
            '_' if next_to_word && before.is_alphanumeric() => escaped.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_file_stays_text() {
        assert_eq!(escape("gpt-oss-20b-Q4_K_M.gguf @ d4096"), "gpt-oss-20b-Q4_K_M.gguf @ d4096");
        assert_eq!(escape("<b>*a* [x](y) @me _z_"), "&lt;b>\\*a\\* \\[x\\](y) &#64;me \\_z\\_");
    }
}
