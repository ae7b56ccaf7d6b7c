//! The lines of a picture over depths: one per side and test, named by how it differs from the others.

use super::{panel::Shape, theme::Ink};
pub(crate) use crate::record::device;
use crate::{
    record::{Cell, Failure, Header, Report, Run, Test, TestKind},
    report::sides::{Side, sides},
};

/// Control characters have no place in XML, not even escaped.
pub(crate) use crate::units::text::printable as clean;

/// A test of a side over its depths, or over its numbers of sequences.
#[derive(Clone, Debug)]
pub(super) struct Series<'a> {
    /// How it differs from the other lines of the picture; empty if it is the only one.
    pub name: String,
    /// The runs of its side.
    pub runs: Vec<&'a Run>,
    /// As llama-bench names tests, without what the lower axis counts.
    pub test: String,
    pub kind: TestKind,
    /// Ascending, at least one.
    pub spots: Vec<Spot<'a>>,
    pub ink: Ink,
    pub shape: Shape,
    /// Whether the fill is of this line: of one sequence, over depths.
    pub shows_fill: bool,
}

/// A test at one place of the lower axis.
#[derive(Clone, Debug)]
pub(super) struct Spot<'a> {
    /// Tokens in the context, or sequences.
    pub at: u32,
    /// The speed shown is that of all sequences together over this.
    pub over: u32,
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

/// In the order of the panels.
pub(super) const KINDS: [fn(TestKind) -> bool; 3] =
    [TestKind::is_prompt, TestKind::is_embedding, TestKind::is_generation];

/// All lines: those of prompt processing first, then of embedding and generation, each by side. Of several numbers of
/// sequences a side has the smallest: pictures over those show the others.
pub(super) fn series(report: &Report) -> Vec<Series<'_>> {
    let sides = sides(report);
    let mut all = Vec::new();
    for is_kind in KINDS {
        let mut keys: Vec<Test> = Vec::new();
        for key in sides.iter().flat_map(tests).filter(|test| is_kind(test.kind)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (n_side, side) in sides.iter().enumerate() {
            let own = tests(side);
            for (n_key, &key) in keys.iter().enumerate().filter(|(_, key)| own.contains(key)) {
                let spots = spots(side, key);
                let test = key.to_string();
                let parts = [side.name.clone(), if keys.len() > 1 { test.clone() } else { String::new() }];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                // One colour per side; of a single side, one per test.
                let (colour, shape) = if sides.len() > 1 { (n_side, n_key) } else { (n_key, n_key) };
                all.push(Series {
                    name: parts.join(", "),
                    runs: side.runs.clone(),
                    test,
                    kind: key.kind,
                    spots,
                    ink: Ink::Series(colour % Ink::N_SERIES),
                    shape: Shape::ALL[(shape + colour / Ink::N_SERIES) % Shape::ALL.len()],
                    shows_fill: key.n_parallel == 1,
                });
            }
        }
    }
    all
}

/// The tests of a side at any depth, each with the smallest number of sequences, in the order measured.
fn tests(side: &Side<'_>) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    let all = side.runs.iter().flat_map(|run| &run.cells).map(|cell| cell.test.at_any_depth());
    // A file may hold a test of no sequence.
    for test in all.filter(|test| test.n_parallel > 0) {
        match tests.iter_mut().find(|other| other.parallel(1) == test.parallel(1)) {
            Some(other) => other.n_parallel = other.n_parallel.min(test.n_parallel),
            None => tests.push(test),
        }
    }
    tests
}

/// A test of a side at each of its depths.
fn spots<'a>(side: &Side<'a>, key: Test) -> Vec<Spot<'a>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for run in &side.runs {
        let mut seen = Vec::new();
        for cell in run.cells.iter().filter(|cell| cell.test.at_any_depth() == key) {
            let n_depth = cell.test.n_depth;
            if seen.contains(&n_depth) {
                continue;
            }
            seen.push(n_depth);
            match spots.iter_mut().find(|spot| spot.at == n_depth) {
                Some(spot) => spot.cells.push(cell),
                None => spots.push(Spot { at: n_depth, over: 1, cells: vec![cell] }),
            }
        }
    }
    spots.sort_by_key(|spot| spot.at);
    spots
}

/// A value that all headers share; empty if they differ.
pub(super) fn shared(report: &Report, property: impl Fn(&Header) -> String) -> String {
    let mut values = report.runs.iter().map(|run| property(&run.header));
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { clean(&first) } else { String::new() }
}
