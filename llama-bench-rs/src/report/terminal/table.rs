use std::time::Duration;

use super::paint::{Ink, Paint};
use crate::{
    record::{Cell, Run, TestKind},
    report::{
        figures::Figures,
        in_words::{duration, one_line, test},
    },
};

/// Columns between two others.
const GAP: &str = "  ";

/// Widest and narrowest bar.
const BAR: std::ops::RangeInclusive<usize> = 8..=24;

/// One line of the table.
struct Row<'a> {
    test: String,
    n_depth: u32,
    /// The figures with their share of the series' fastest, or why there are none.
    outcome: Result<(Figures, f64), String>,
    cell: &'a Cell,
}

/// The cells by test, depths ascending.
pub(super) fn table(run: &Run, paint: &Paint) -> String {
    let rows = rows(run);
    let column = |heading: &str, cells: Vec<String>| Column::new(paint, heading, cells);
    let all = |value: fn(&Row) -> String| rows.iter().map(value).collect::<Vec<_>>();
    let figures = |value: fn(&Row, &Figures) -> String| {
        let value =
            |row: &Row| row.outcome.as_ref().map_or(String::new(), |(figures, _)| value(row, figures));
        rows.iter().map(value).collect::<Vec<_>>()
    };
    let (name, depth) =
        (column("test", all(|r| r.test.clone())), column("depth", all(|r| r.n_depth.to_string())));
    let rate = column("t/s", figures(|_, f| format!("{:.2}", f.rate.get())));
    let spread = column("95 % in run", figures(|_, f| half_width(f)));
    let time = column("time", figures(|_, f| duration(f.time)));
    let token = column("a token", figures(|row, f| token(row.cell, f.time)));
    let count = column("n", figures(|_, f| f.times.as_ref().map_or(String::new(), |t| t.n().to_string())));

    // What must be there, then as much of the rest as fits: times, bars, time of a token, number.
    let gap = GAP.len();
    let mut room = paint.width() as isize;
    room -= (name.width + depth.width + rate.width + spread.width + 3 * gap) as isize;
    let mut take = |width: usize| {
        let fits = room >= (width + gap) as isize;
        if fits {
            room -= (width + gap) as isize;
        }
        fits
    };
    let with_time = take(time.width);
    let with_bar = take(*BAR.start());
    let with_token = !token.is_empty() && take(token.width);
    let with_count = !count.is_empty() && take(count.width);
    let bar_width = if with_bar { (*BAR.start() + room.max(0) as usize).min(*BAR.end()) } else { 0 };

    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text += cells.join(GAP).trim_end();
        text.push('\n');
    };
    let some = |is_shown: bool, cell: String| is_shown.then_some(cell);
    let head = [
        Some(name.left(&name.heading)),
        Some(depth.right(&depth.heading)),
        Some(rate.right(&rate.heading)),
        Some(spread.left(&spread.heading)),
        some(with_bar, format!("{:<bar_width$}", "speed")),
        some(with_time, time.right(&time.heading)),
        some(with_token, token.right(&token.heading)),
        some(with_count, count.right(&count.heading)),
    ];
    line(head.into_iter().flatten().map(|cell| paint.ink(Ink::Faint, &cell)).collect());
    for (i, row) in rows.iter().enumerate() {
        let start = vec![name.left(&name.cells[i]), depth.right(&depth.cells[i])];
        match &row.outcome {
            Ok((_, share)) => {
                let rest = [
                    Some(paint.ink(Ink::Strong, &rate.right(&rate.cells[i]))),
                    Some(spread.left(&spread.cells[i])),
                    some(with_bar, paint.bar(*share, bar_width)),
                    some(with_time, time.right(&time.cells[i])),
                    some(with_token, token.right(&token.cells[i])),
                    some(with_count, count.right(&count.cells[i])),
                ];
                line(start.into_iter().chain(rest.into_iter().flatten()).collect());
            }
            Err(reason) => {
                let room = paint.width().saturating_sub(name.width + depth.width + 2 * gap);
                let reason = cut(&paint.text(reason), room);
                line(start.into_iter().chain([paint.ink(Ink::Bad, &reason)]).collect());
            }
        }
    }
    text
}

fn rows(run: &Run) -> Vec<Row<'_>> {
    let mut series: Vec<_> = run.cells.iter().map(|cell| (cell.test.kind, cell.test.group)).collect();
    let mut seen = Vec::new();
    series.retain(|key| {
        !seen.contains(key) && {
            seen.push(*key);
            true
        }
    });
    let mut rows = Vec::new();
    for (kind, group) in series {
        let mut cells: Vec<&Cell> =
            run.cells.iter().filter(|cell| (cell.test.kind, cell.test.group) == (kind, group)).collect();
        cells.sort_by_key(|cell| cell.test.n_depth);
        let figures: Vec<_> = cells.iter().map(|cell| Figures::of(cell)).collect();
        let fastest = figures.iter().flatten().map(|f| f.rate.get()).fold(0.0, f64::max);
        for (cell, figures) in cells.into_iter().zip(figures) {
            let outcome = match figures {
                Some(figures) => {
                    let share = figures.rate.get() / fastest;
                    Ok((figures, share))
                }
                None => Err(reason(cell)),
            };
            rows.push(Row { test: test(kind, group), n_depth: cell.test.n_depth, outcome, cell });
        }
    }
    rows
}

fn reason(cell: &Cell) -> String {
    match cell.failure() {
        Some(failure) => format!("failed: {} ({})", one_line(&failure.kind), one_line(&failure.message)),
        None => "no time passed".into(),
    }
}

/// Half the interval, or the standard deviation where that is all there is.
fn half_width(figures: &Figures) -> String {
    match (figures.half_width, figures.cv) {
        (Some(half_width), _) => format!("± {:.2}", half_width.get()),
        (None, Some(cv)) => format!("(sd {:.2})", cv.get() * figures.rate.get()),
        (None, None) => String::new(),
    }
}

/// The time of a generated token; a prompt's tokens are not waited for one by one.
fn token(cell: &Cell, time: Duration) -> String {
    match cell.test.kind {
        TestKind::Tg(n @ 1..) => duration(time / n),
        TestKind::Tg(0) | TestKind::Pp(_) | TestKind::Embd(_) => String::new(),
    }
}

/// The text, cut to so many characters.
fn cut(text: &str, width: usize) -> String {
    const ELLIPSIS: &str = "...";
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(ELLIPSIS.len())).chain(ELLIPSIS.chars()).collect(),
        false => text.into(),
    }
}

struct Column {
    heading: String,
    cells: Vec<String>,
    width: usize,
}

impl Column {
    fn new(paint: &Paint, heading: &str, cells: Vec<String>) -> Self {
        let cells: Vec<String> = cells.iter().map(|cell| paint.text(cell)).collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        Self { heading: heading.into(), cells, width: width.max(heading.len()) }
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }

    fn left(&self, text: &str) -> String {
        format!("{text:<0$}", self.width)
    }

    fn right(&self, text: &str) -> String {
        format!("{text:>0$}", self.width)
    }
}
