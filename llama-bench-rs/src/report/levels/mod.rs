//! What several sequences at once bring: the speed of all of them together and of each, how long a step takes, and up to
//! how many of them more pay.
//!
//! ```
//! use llama_bench_rs::{record::Report, report::{configurations, levels::levels}};
//!
//! # fn demo(report: &Report) {
//! for configuration in configurations(report) {
//!     for levels in levels(&configuration.runs) {
//!         println!("{levels}");
//!     }
//! }
//! # }
//! # demo(&Report::default());
//! ```

mod caption;
mod text;

use std::collections::BTreeSet;

pub use caption::Sharing;
pub(super) use caption::{caption, sharing};

use super::answer::SpeedFigure;
use crate::{
    judge::{Knee, LevelStep, growth},
    record::{Cell, Failure, Run, Test, TestKind},
    stats::{Growth, Samples, TimeSpread},
    units::{RateSpread, TokensPerSecond},
};

/// The figures of a configuration at one depth, by number of sequences. Its `Display` is one or more sentences, or nothing
/// if fewer than two numbers of sequences have a figure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Levels {
    /// Tokens that each sequence holds before its prompt.
    pub n_depth: u32,
    /// The prompt whose speed is shown, as a test of one sequence; `None` if none was measured.
    pub prefill: Option<Test>,
    /// The generation whose speed is shown, as a test of one sequence; `None` if none was measured.
    pub generation: Option<Test>,
    /// One row for each number of sequences, ascending; at least one.
    pub rows: Vec<LevelRow>,
    /// How the total of the generation, or of the prompt if none was generated, changes from each number of sequences with
    /// a figure to the next.
    pub steps: Vec<LevelStep>,
    /// The number of sequences beyond which that total hardly grows; `None` if fewer than two numbers have a figure.
    pub knee: Option<Knee>,
}

/// What a number of sequences means for speed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelRow {
    /// Sequences that are processed together.
    pub n_parallel: u32,
    /// Speed of prompt processing.
    pub prefill: Option<LevelFigure>,
    /// Speed of generation.
    pub generation: Option<LevelFigure>,
    /// How the times of single steps of the generation are spread; a step is one token of each sequence.
    pub step_times: Option<TimeSpread>,
    /// Why there is no figure at all; `None` if there is one.
    pub failure: Option<Failure>,
}

/// The speed of a test of several sequences.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelFigure {
    /// Of all sequences together.
    pub total: SpeedFigure,
    /// Of each of them: the total over their number.
    pub each: SpeedFigure,
    /// The total against that of one sequence; `None` at one sequence, and if that was not measured.
    pub scaling: Option<Growth>,
}

/// Those of the runs of one configuration, depth by depth, ascending; empty if every test was of one sequence.
pub fn levels(runs: &[&Run]) -> Vec<Levels> {
    if !has_levels(runs) {
        return Vec::new();
    }
    let lines = Lines::of(runs);
    lines.depths().into_iter().filter_map(|n_depth| lines.at(runs, n_depth)).collect()
}

/// Whether any test of these runs has several sequences.
pub(super) fn has_levels(runs: &[&Run]) -> bool {
    runs.iter().flat_map(|run| &run.cells).any(|cell| cell.test.n_parallel > 1)
}

/// Where the prompt of a test begins, or its generation if it has no prompt; `None` for a pg test that cannot be.
pub(super) fn starts_at(test: Test) -> Option<u32> {
    let n_before = test.group.filter(|_| test.kind.is_generation()).map_or(0, |group| group.n_prompt);
    test.n_depth.checked_sub(n_before)
}

/// The tests that are shown: of each kind the one that was measured with most numbers of sequences and depths.
pub(super) struct Lines {
    /// At any depth, of one sequence.
    pub(super) prefill: Option<Test>,
    /// The same.
    pub(super) generation: Option<Test>,
    /// Depth and number of sequences of each cell of the two.
    places: BTreeSet<(u32, u32)>,
}

impl Lines {
    pub(super) fn of(runs: &[&Run]) -> Self {
        // A file may hold a test of no sequence.
        let tests = || {
            runs.iter().flat_map(|run| &run.cells).map(|cell| cell.test).filter(|test| test.n_parallel > 0)
        };
        let line = |test: Test| test.at_any_depth().parallel(1);
        let main = |is_kind: fn(TestKind) -> bool| {
            let lines: BTreeSet<Test> = tests().filter(|test| is_kind(test.kind)).map(line).collect();
            // A test of its own before the halves of a pg test, as in the table by depth.
            let weight = |of: &Test| {
                let n_cells = tests().filter(|test| line(*test) == *of).count();
                (of.group.is_none(), n_cells, of.kind.n_tokens())
            };
            lines.into_iter().max_by_key(weight)
        };
        let (prefill, generation) = (main(TestKind::is_prompt), main(TestKind::is_generation));
        let is_shown = |test: &Test| [prefill, generation].contains(&Some(line(*test)));
        let places = tests().filter(is_shown).filter_map(|test| Some((starts_at(test)?, test.n_parallel)));
        Self { prefill, generation, places: places.collect() }
    }

    /// The depths at which one of the two was measured, ascending.
    pub(super) fn depths(&self) -> BTreeSet<u32> {
        self.places.iter().map(|(n_depth, _)| *n_depth).collect()
    }

    fn at(&self, runs: &[&Run], n_depth: u32) -> Option<Levels> {
        let at_depth = |test: Test| {
            let n_before = test.group.filter(|_| test.kind.is_generation()).map_or(0, |group| group.n_prompt);
            Some(Test { n_depth: n_depth.checked_add(n_before)?, ..test })
        };
        let (prefill, generation) = (self.prefill.and_then(at_depth), self.generation.and_then(at_depth));
        let numbers = self.places.iter().filter(|(depth, _)| *depth == n_depth).map(|(_, n)| *n);
        let rows: Vec<LevelRow> = numbers.map(|n| row(runs, prefill, generation, n)).collect();
        let main = generation.or(prefill)?;
        let has_figure = |row: &&LevelRow| row.main(generation.is_some()).is_some();
        let measured: Vec<u32> = rows.iter().filter(has_figure).map(|row| row.n_parallel).collect();
        let step = |pair: &[u32]| {
            let (from, to) = (pair[0], pair[1]);
            LevelStep { from, to, growth: growth(runs, main.parallel(from), main.parallel(to)) }
        };
        let steps: Vec<LevelStep> = measured.windows(2).map(step).collect();
        Some(Levels { n_depth, prefill, generation, rows, knee: Knee::of(&steps), steps })
    }
}

fn row(runs: &[&Run], prefill: Option<Test>, generation: Option<Test>, n_parallel: u32) -> LevelRow {
    let of = |test: Option<Test>| {
        let test = test.map(|test| test.parallel(n_parallel));
        let cells = test.map_or_else(Vec::new, |test| cells(runs, test));
        (test.and_then(|test| LevelFigure::of(runs, &cells, test)), cells)
    };
    let ((prefill, prompts), (generation, generations)) = (of(prefill), of(generation));
    let measured = generations.iter().filter_map(|cell| cell.measured());
    let step_times =
        measured.flat_map(|measured| &measured.samples).flat_map(|sample| &sample.steps).copied();
    let failure = generations.iter().chain(&prompts).find_map(|cell| cell.failure());
    LevelRow {
        n_parallel,
        prefill,
        generation,
        step_times: Samples::new(step_times).as_ref().and_then(TimeSpread::of),
        failure: failure.filter(|_| prefill.is_none() && generation.is_none()).cloned(),
    }
}

/// The cells of a test, at most one a run.
fn cells<'a>(runs: &[&'a Run], test: Test) -> Vec<&'a Cell> {
    runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.test == test)).collect()
}

impl LevelFigure {
    fn of(runs: &[&Run], cells: &[&Cell], test: Test) -> Option<Self> {
        let total = SpeedFigure::of(cells)?;
        let n = f64::from(test.n_parallel);
        let each = SpeedFigure {
            rate: TokensPerSecond::new(total.rate.get() / n)?,
            half_width: total.half_width.and_then(|half| RateSpread::new(half.get() / n)),
        };
        let scaling = (test.n_parallel > 1).then(|| growth(runs, test.parallel(1), test)).flatten();
        Some(Self { total, each, scaling })
    }

    /// The total over that of one sequence, such as `3.5x`; empty if that is not known.
    pub fn scaling_words(&self) -> String {
        let multiple = self.scaling.and_then(|scaling| scaling.multiple());
        multiple.map_or_else(String::new, |multiple| multiple.to_string())
    }
}

impl LevelRow {
    /// The speed that the sentences are about.
    fn main(&self, is_generation: bool) -> Option<LevelFigure> {
        if is_generation { self.generation } else { self.prefill }
    }
}

#[cfg(test)]
mod tests;
