use std::fmt::Write as _;

use super::{
    chapters::{Chapter, chapters},
    header_facts,
    insights::{Expectation, Level},
};
use crate::record::Report;

/// The header and the insights of every run as Markdown, to go around the table of
/// [`Format::Markdown`](super::Format::Markdown), as one pastes it into an issue.
pub fn explain_markdown(report: &Report, expectations: &[Expectation]) -> String {
    let mut text = String::new();
    for Chapter { heading, run, insights } in chapters(report, expectations) {
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(heading) = heading {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "### {heading}\n");
        }
        for fact in header_facts(run) {
            let _ = writeln!(text, "- **{}**: {}", fact.label, escape(&fact.value));
        }
        if !insights.is_empty() {
            text.push('\n');
        }
        for insight in insights {
            let mark = match insight.level() {
                Level::Warning => "**Warning:** ",
                Level::Note | Level::Good => "",
            };
            let _ = writeln!(text, "- {mark}{}", escape(&insight.to_string()));
        }
    }
    text
}

/// Text from a file must stay text: no markup, no links, no HTML, and nobody mentioned.
fn escape(text: &str) -> String {
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
