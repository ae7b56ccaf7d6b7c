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
                None => p { (note) },
            }
        }
    }
}
