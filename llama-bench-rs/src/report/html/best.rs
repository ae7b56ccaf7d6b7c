//! Which of several configurations is the best.

use maud::{Markup, html};

use super::tables::{heading, scroll};
use crate::report::Ranking;

/// The best configuration of each test, by how much it leads, and the flags that ask for it.
pub(super) fn best(ranking: &Ranking) -> Markup {
    let rows = ranking.rows();
    // With two configurations the next best is the reference: the column is empty.
    let shown = |row: &[String; 5]| -> Vec<String> {
        let named = row.iter().zip(&rows[0]).filter(|(_, name)| !name.is_empty());
        named.map(|(cell, _)| cell.clone()).collect()
    };
    let table = html! {
        table class="best" {
            @for (i, row) in rows.iter().map(shown).enumerate() {
                @if i == 0 {
                    thead { tr { @for name in &row { (heading(name, "")) } } }
                } @else {
                    tr {
                        @for (i, cell) in row.iter().enumerate() {
                            @if i == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { (ranking.headline().trim_end_matches(':')) }
        (scroll("The best configuration of each test", table))
        @for note in ranking.notes() {
            @match note.split_once(": -") {
                Some((what, flags)) => {
                    p class="why" { (what) ":" }
                    pre { code { "-" (flags) } }
                },
                None => p { (flags_kept_whole(&note)) },
            }
        }
    }
}

/// A sentence in whose flags no line breaks: `--runs 3` stays together.
fn flags_kept_whole(text: &str) -> Markup {
    let mut words = text.split(' ').peekable();
    html! {
        @while let Some(word) = words.next() {
            @if word.starts_with("--") {
                @let value = words.next_if(|next| next.starts_with(|c: char| c.is_ascii_digit()));
                span class="flag" { (word) @if let Some(value) = value { " " (value) } }
            } @else {
                (word)
            }
            @if words.peek().is_some() { " " }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_and_its_number_stay_in_one_line() {
        let html =
            flags_kept_whole("It is not sure. --runs 3 tells smaller ones; more --runs, too.").into_string();
        let expected = "It is not sure. <span class=\"flag\">--runs 3</span> tells smaller ones; more \
                        <span class=\"flag\">--runs,</span> too.";
        assert_eq!(html, expected);
    }
}
