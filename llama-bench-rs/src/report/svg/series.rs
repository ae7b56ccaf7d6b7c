//! The lines of a picture: one per run and test, named by what tells it from the others.

use super::{panel::Shape, theme::Ink};
pub(crate) use crate::record::device;
use crate::{
    record::{Cell, Group, Header, Report, Run, TestKind},
    report::{in_words, run_labels},
};

/// A test of a run over its depths.
#[derive(Clone, Debug)]
pub(super) struct Series<'a> {
    /// What tells it from the other lines of the picture; empty if there is no other.
    pub name: String,
    pub run: &'a Run,
    /// As llama-bench names tests, without the depth.
    pub test: String,
    pub kind: TestKind,
    /// Ascending by depth.
    pub cells: Vec<&'a Cell>,
    pub ink: Ink,
    pub shape: Shape,
}

impl Series<'_> {
    /// The figures of the line in one sentence that begins with its name.
    pub fn sentence(&self, figures: impl Iterator<Item = String>) -> String {
        let name =
            if self.name.is_empty() { self.test.clone() } else { format!("{} ({})", self.test, self.name) };
        format!("{name}: {}.", figures.collect::<Vec<_>>().join(", "))
    }
}

type Key = (TestKind, Option<Group>);

/// In the order of the panels.
pub(super) const KINDS: [fn(TestKind) -> bool; 3] =
    [TestKind::is_prompt, TestKind::is_embedding, TestKind::is_generation];

/// All lines: those of prompt processing first, then of embedding and generation, each by run.
pub(super) fn series(report: &Report) -> Vec<Series<'_>> {
    let labels = run_labels(report);
    let mut all = Vec::new();
    for is_kind in KINDS {
        let mut keys: Vec<Key> = Vec::new();
        for (_, cell) in report.cells().filter(|(_, cell)| is_kind(cell.test.kind)) {
            let key = (cell.test.kind, cell.test.group);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (n_run, (run, label)) in report.runs.iter().zip(&labels).enumerate() {
            for (n_key, &key) in keys.iter().enumerate() {
                let of_key = |cell: &&Cell| (cell.test.kind, cell.test.group) == key;
                let mut cells: Vec<&Cell> = run.cells.iter().filter(of_key).collect();
                cells.sort_by_key(|cell| cell.test.n_depth);
                if cells.is_empty() {
                    continue;
                }
                let parts = [
                    label.clone(),
                    if keys.len() > 1 { in_words::test(key.0, key.1) } else { String::new() },
                ];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                // One colour per run; of a single run, one per test.
                let (colour, shape) = if report.runs.len() > 1 { (n_run, n_key) } else { (n_key, n_key) };
                all.push(Series {
                    name: parts.join(", "),
                    run,
                    test: in_words::test(key.0, key.1),
                    kind: key.0,
                    cells,
                    ink: Ink::Series(colour % Ink::N_SERIES),
                    shape: Shape::ALL[(shape + colour / Ink::N_SERIES) % Shape::ALL.len()],
                });
            }
        }
    }
    all
}

/// A value that all headers share; empty if they differ.
pub(super) fn shared(report: &Report, property: impl Fn(&Header) -> String) -> String {
    let mut values = report.runs.iter().map(|run| property(&run.header));
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { clean(&first) } else { String::new() }
}

/// Control characters have no place in XML, not even escaped.
pub(crate) fn clean(text: &str) -> String {
    let allowed = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect()
}
