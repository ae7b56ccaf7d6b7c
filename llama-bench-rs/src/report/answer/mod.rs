//! What a report answers, in the order in which a reader asks: what came out and whether to trust it, then the figures
//! by depth, then what was expected, then what to run next.
//!
//! Terminal, page and Markdown render these types; each has a `Display` or methods for the texts that all of them share.
//!
//! ```
//! use llama_bench_rs::{record::Report, report::answer::Answer};
//!
//! # fn demo(report: &Report) {
//! let answer = Answer::of(report, &[]);
//! println!("{}", answer.headline);
//! for row in answer.configurations.iter().flat_map(|configuration| &configuration.pivot.rows) {
//!     if let Some(first) = row.first_token {
//!         println!("depth {}: first token after {first}", row.n_depth);
//!     }
//! }
//! for next in &answer.next {
//!     println!("{next}");
//! }
//! # }
//! # demo(&Report::default());
//! ```

mod command;
mod facts;
mod figure;
mod headline;
mod light;
mod next;
mod pivot;
mod said;
mod serve;
mod trust;
mod why;

pub use facts::SharedFacts;
pub use figure::{EnergyFigure, SpeedFigure, TimeFigure};
pub use headline::{Headline, SpeedRange, Together};
pub use light::LightFigure;
#[cfg(feature = "pages")]
pub(in crate::report) use light::caption as light_caption;
pub(in crate::report) use light::{BUSY, not_counted};
pub use next::Next;
pub use pivot::{Pivot, PivotRow};
pub use said::Said;
pub use trust::{Trust, Why};
pub use why::WhyFalls;

pub use crate::{judge::Percentiles, stats::TimeSpread};

use std::collections::BTreeSet;

use super::{
    begun,
    insights::{Expectation, Expected, FailedCells},
    levels::{self, LevelRow, Levels, Sharing, levels, sharing},
};
use crate::{
    judge::percentiles,
    record::{Report, Run, TestKind},
};

/// What a report answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The result and its trust in a sentence.
    pub headline: Headline,
    /// The figures of each configuration, in the order measured.
    pub configurations: Vec<Configuration>,
    /// What the figures mean beyond the tables.
    pub said: Vec<Said>,
    /// What was expected of each configuration; empty if nothing was.
    pub expected: Vec<ExpectedRow>,
    /// What to run next.
    pub next: Vec<Next>,
    /// What was measured on, and how.
    pub facts: SharedFacts,
}

/// The figures of one configuration over all of its runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Configuration {
    /// What sets it apart from the others; empty if it is the only one.
    pub name: String,
    /// Indices in [`Report::runs`] of its runs, at least one.
    pub runs: Vec<usize>,
    /// Its main figures by depth.
    pub pivot: Pivot,
    /// What several sequences at once bring, depth by depth; empty if every test was of one.
    pub levels: Vec<Levels>,
    /// How its sequences hold a depth; `None` if it has no test of several, or that is not known.
    pub sharing: Option<Sharing>,
    /// How its times are spread, test by test.
    pub percentiles: Vec<Percentiles>,
    /// Why its speed falls with depth; `None` if it does not, or only one depth was measured.
    pub why_falls: Option<WhyFalls>,
    /// How far its figures can be trusted.
    pub trust: Trust,
    /// Its cells without a figure; `None` if there are none.
    pub failed: Option<FailedCells>,
}

/// One row of the table of expectations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExpectedRow {
    /// The configuration's name; empty if it is the only one.
    pub configuration: String,
    /// What was expected of it, and what was measured.
    pub expected: Expected,
}

impl Answer {
    /// What a report answers, compared with what was expected of it.
    pub fn of(report: &Report, expectations: &[Expectation]) -> Self {
        let (n_not_begun, report) = (begun::n_not_begun(report), &*begun::begun(report));
        let mut measured = measured(report);
        let is_begun = |run: &&Run| n_not_begun == 0 || !run.cells.is_empty();
        measured.iter_mut().for_each(|one| one.runs.retain(is_begun));
        measured.retain(|one| !one.runs.is_empty());
        let configurations: Vec<Configuration> =
            measured.iter().map(|one| configuration(report, one)).collect();
        let expected = expectations.iter().flat_map(|expectation| {
            measured.iter().map(|Measured { name, runs }| ExpectedRow {
                configuration: name.clone(),
                expected: expectation.check_runs(runs),
            })
        });
        Self {
            headline: Headline::of(report, &configurations, n_not_begun),
            said: said::said(report, expectations, &configurations),
            expected: expected.collect(),
            // After an interruption it is to resume.
            next: if n_not_begun == 0 { next::next(report, &measured) } else { Vec::new() },
            facts: SharedFacts::of(report, &measured),
            configurations,
        }
    }

    /// The rows of all pivots: of several configurations at each depth those that were measured there, then those without
    /// any figure, whose row is `None`.
    pub fn rows(&self) -> Vec<(&Configuration, Option<&PivotRow>)> {
        let all = &self.configurations;
        let depths: BTreeSet<u32> = all.iter().flat_map(|it| &it.pivot.rows).map(|row| row.n_depth).collect();
        let mut rows = Vec::new();
        for depth in depths {
            let at_depth = |it: &&PivotRow| it.n_depth == depth;
            rows.extend(all.iter().filter_map(|it| Some((it, Some(it.pivot.rows.iter().find(at_depth)?)))));
        }
        rows.extend(all.iter().filter(|it| it.pivot.rows.is_empty()).map(|it| (it, None)));
        rows
    }

    /// What the columns of the pivots mean, in one or two sentences.
    pub fn caption(&self) -> String {
        let scope = match self.configurations.iter().map(|it| it.runs.len()).max() {
            None | Some(0..=1) => "within a run",
            Some(_) => "between the runs of a configuration",
        };
        let mut text = format!("±: half the 95 % interval of the mean, {scope}.");
        if self.configurations.iter().any(|it| it.pivot.has_answers()) {
            text += " First token and answers of 100 and 500 tokens: from the prompt's arrival, as if the context did not \
                     grow while the answer is written.";
        }
        if self.configurations.iter().flat_map(|it| &it.pivot.rows).any(PivotRow::has_energy) {
            text += " J/token: energy of the devices that hold the layers; ± of a single run: as far as their counters resolve \
                     it.";
        }
        let lights: Vec<&LightFigure> =
            self.configurations.iter().flat_map(|it| &it.pivot.rows).flat_map(PivotRow::lights).collect();
        text += &light::caption(lights).map_or_else(String::new, |caption| format!(" {caption}"));
        text
    }

    /// The rows by number of sequences: depth by depth, of several configurations at each depth those that were measured
    /// there.
    pub fn level_rows(&self) -> Vec<(&Configuration, &Levels, &LevelRow)> {
        let all =
            || self.configurations.iter().flat_map(|it| it.levels.iter().map(move |levels| (it, levels)));
        let depths: BTreeSet<u32> = all().map(|(_, levels)| levels.n_depth).collect();
        let at_depth = |depth: u32| all().filter(move |(_, levels)| levels.n_depth == depth);
        let rows = depths.into_iter().flat_map(at_depth);
        rows.flat_map(|(it, levels)| levels.rows.iter().map(move |row| (it, levels, row))).collect()
    }

    /// What the columns of the tables by number of sequences mean, in sentences.
    pub fn levels_caption(&self) -> String {
        let with = || self.configurations.iter().filter(|it| !it.levels.is_empty());
        let mut sharing = with().map(|it| it.sharing);
        let first = sharing.next().flatten();
        let shared = first.filter(|_| sharing.all(|other| other == first));
        let all: Vec<&Levels> = with().flat_map(|it| &it.levels).collect();
        levels::caption(&all, shared, with().any(|it| it.runs.len() > 1))
    }

    /// What the figures by number of sequences mean, each sentence with the name of its configuration; empty if it is the
    /// only one.
    pub fn levels_said(&self) -> Vec<(&str, String)> {
        let mut all = Vec::new();
        for it in &self.configurations {
            let said = it.levels.iter().map(Levels::to_string).filter(|said| !said.is_empty());
            all.extend(said.map(|said| (&it.name[..], said)));
        }
        all
    }

    /// A sentence that says what the [percentiles](Percentiles) are of; empty if there are none.
    pub fn times_caption(&self) -> String {
        type IsKind = fn(TestKind) -> bool;
        let all = || self.configurations.iter().flat_map(|it| &it.percentiles);
        let are_several = all().any(|it| it.test.n_parallel > 1);
        let (prompt, token) = if are_several {
            ("the prompts of all sequences (pp)", "a step, which is a token of each sequence (tg)")
        } else {
            ("a prompt (pp)", "a generated token (tg)")
        };
        let kinds: [(IsKind, &str); 3] = [
            (TestKind::is_prompt, prompt),
            (TestKind::is_embedding, "a text (embd)"),
            (TestKind::is_generation, token),
        ];
        let named = kinds.into_iter().filter(|(is_kind, _)| all().any(|it| is_kind(it.test.kind)));
        match &named.map(|(_, name)| name).collect::<Vec<_>>()[..] {
            [] => String::new(),
            [one] => format!("Times are of {one}."),
            [others @ .., last] => format!("Times are of {} and of {last}.", others.join(", of ")),
        }
    }

    /// Why speed falls with depth, if it does in any configuration.
    pub fn why_falls(&self) -> Option<WhyFalls> {
        self.configurations.iter().find_map(|it| it.why_falls)
    }
}

/// The runs of one configuration under its name.
struct Measured<'a> {
    name: String,
    runs: Vec<&'a Run>,
}

/// The configurations of a report, in the order measured.
fn measured(report: &Report) -> Vec<Measured<'_>> {
    let all = super::configurations(report).into_iter();
    all.map(|one| Measured { name: one.name, runs: one.runs }).collect()
}

fn configuration(report: &Report, Measured { name, runs }: &Measured<'_>) -> Configuration {
    let index = |run: &&Run| report.runs.iter().position(|other| std::ptr::eq(other, *run));
    Configuration {
        name: name.clone(),
        runs: runs.iter().filter_map(index).collect(),
        pivot: Pivot::of(runs),
        levels: levels(runs),
        sharing: sharing(runs),
        percentiles: percentiles(runs),
        why_falls: WhyFalls::of(runs),
        trust: Trust::of(runs),
        failed: FailedCells::of_runs(runs),
    }
}
