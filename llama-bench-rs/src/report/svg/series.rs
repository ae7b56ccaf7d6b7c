//! The lines of a picture: one per side and test, named by how it differs from the others.

use super::{panel::Shape, theme::Ink};
pub(crate) use crate::record::device;
use crate::{
    record::{Cell, Failure, Group, Header, Report, Run, TestKind},
    report::{
        in_words,
        sides::{Side, sides},
    },
};

/// Control characters have no place in XML, not even escaped.
pub(crate) use crate::units::text::printable as clean;

/// A test of a side over its depths.
#[derive(Clone, Debug)]
pub(super) struct Series<'a> {
    /// How it differs from the other lines of the picture; empty if it is the only one.
    pub name: String,
    /// The runs of its side.
    pub runs: Vec<&'a Run>,
    /// As llama-bench names tests, without the depth.
    pub test: String,
    pub kind: TestKind,
    /// Ascending by depth, at least one.
    pub spots: Vec<Spot<'a>>,
    pub ink: Ink,
    pub shape: Shape,
}

/// A test at one depth.
#[derive(Clone, Debug)]
pub(super) struct Spot<'a> {
    pub n_depth: u32,
    /// At least one, at most one a run.
    pub cells: Vec<&'a Cell>,
}

impl<'a> Spot<'a> {
    /// Why no cell has a figure; `None` if one has.
    pub fn failure(&self) -> Option<&'a Failure> {
        let mut failures = self.cells.iter().map(|cell| cell.failure());
        let first = failures.next()??;
        failures.all(|failure| failure.is_some()).then_some(first)
    }
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

/// All lines: those of prompt processing first, then of embedding and generation, each by side.
pub(super) fn series(report: &Report) -> Vec<Series<'_>> {
    let sides = sides(report);
    let mut all = Vec::new();
    for is_kind in KINDS {
        let mut keys: Vec<Key> = Vec::new();
        for (_, cell) in report.cells().filter(|(_, cell)| is_kind(cell.test.kind)) {
            let key = (cell.test.kind, cell.test.group);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (n_side, side) in sides.iter().enumerate() {
            for (n_key, &key) in keys.iter().enumerate() {
                let spots = spots(side, key);
                if spots.is_empty() {
                    continue;
                }
                let test = in_words::test(key.0, key.1);
                let parts = [side.name.clone(), if keys.len() > 1 { test.clone() } else { String::new() }];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                // One colour per side; of a single side, one per test.
                let (colour, shape) = if sides.len() > 1 { (n_side, n_key) } else { (n_key, n_key) };
                all.push(Series {
                    name: parts.join(", "),
                    runs: side.runs.clone(),
                    test,
                    kind: key.0,
                    spots,
                    ink: Ink::Series(colour % Ink::N_SERIES),
                    shape: Shape::ALL[(shape + colour / Ink::N_SERIES) % Shape::ALL.len()],
                });
            }
        }
    }
    all
}

/// A test of a side at each of its depths.
fn spots<'a>(side: &Side<'a>, key: Key) -> Vec<Spot<'a>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for run in &side.runs {
        let mut seen = Vec::new();
        for cell in run.cells.iter().filter(|cell| (cell.test.kind, cell.test.group) == key) {
            let n_depth = cell.test.n_depth;
            if seen.contains(&n_depth) {
                continue;
            }
            seen.push(n_depth);
            match spots.iter_mut().find(|spot| spot.n_depth == n_depth) {
                Some(spot) => spot.cells.push(cell),
                None => spots.push(Spot { n_depth, cells: vec![cell] }),
            }
        }
    }
    spots.sort_by_key(|spot| spot.n_depth);
    spots
}

/// A value that all headers share; empty if they differ.
pub(super) fn shared(report: &Report, property: impl Fn(&Header) -> String) -> String {
    let mut values = report.runs.iter().map(|run| property(&run.header));
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { clean(&first) } else { String::new() }
}
