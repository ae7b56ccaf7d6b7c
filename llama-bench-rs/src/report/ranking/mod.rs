//! Which of several configurations is the best, by how much, against which, and how to ask for it.

mod text;

pub use crate::judge::Choice;
use crate::{
    judge::{self, Lead, Ranked, RankedTest, Rule, Scope},
    record::{Failure, Report, Run, Test},
    units::{Speedup, TokensPerSecond},
};

use super::{ConfigurationRuns, Stat, configurations, stat};

/// The configurations of a report in the order of their speed. Its `Display` is what `sweep` prints at the end.
///
/// ```
/// # fn demo(report: &llama_bench_rs::record::Report) {
/// if let Some(ranking) = llama_bench_rs::report::ranking(report) {
///     println!("{ranking}");
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ranking {
    /// The configurations that have figures, at least two, in the order measured.
    pub configurations: Vec<Ranks>,
    /// The one that all are compared with: llama-bench's default if it was measured, else the first.
    pub reference: usize,
    /// Test by test, in the order measured.
    pub tests: Vec<Best>,
    /// What to ask for; empty if nothing is surely faster than the reference. Sides are indices of `configurations`.
    pub choices: Vec<Choice>,
    /// What failed: whole configurations, and tests of those that have other figures.
    pub failed: Vec<Failed>,
    /// What the intervals are of.
    pub scope: Scope,
    /// The rule that was applied.
    pub rule: Rule,
    /// The statistic in the table of all tests, beside which the ranking stands.
    pub stat: Stat,
}

/// A configuration of a ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ranks {
    /// What of it differs from the others, such as `ub 1024 fa 1`.
    pub name: String,
    /// The flags of `sweep` for it, for what differs only.
    pub flags: Vec<String>,
    /// Whether it is llama-bench's default in all that differs.
    pub is_default: bool,
}

/// The best configuration of a test. Numbers are indices of [`Ranking::configurations`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Best {
    /// The test.
    pub test: Test,
    /// The fastest.
    pub configuration: usize,
    /// Its speed, at the fast end of its runs.
    pub rate: TokensPerSecond,
    /// How it stands to the reference; `None` if it is the reference, or that has no figure.
    pub against_reference: Option<Lead>,
    /// The next best, and how the best stands to it.
    pub next: (usize, Lead),
    /// Those that are not surely slower than the best, fastest first.
    pub tied: Vec<usize>,
    /// All that have a figure, the fastest first.
    pub order: Vec<usize>,
    /// The speed of the fastest over that of the slowest.
    pub widest: Speedup,
    /// Its speed by the statistic of the table: [`Ranking::stat`].
    pub of_stat: Option<TokensPerSecond>,
    /// Another that the table has as the fastest by far, beyond what [`Rule::noise`] lets pass.
    pub fastest_of_stat: Option<usize>,
}

/// A configuration, or some of its tests, without a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// What of the configuration differs from the others.
    pub name: String,
    /// The tests that failed; empty for all.
    pub tests: Vec<Test>,
    /// Why the first of them did.
    pub failure: Failure,
}

impl Ranking {
    /// The configurations worth having, in the order measured: the best of each test, and those not surely slower.
    pub fn candidates(&self) -> Vec<&Ranks> {
        self.leading(|_| true)
    }

    /// The configurations among which the best of some test is not decided yet; more runs would decide.
    pub fn undecided(&self) -> Vec<&Ranks> {
        self.leading(|best| !best.tied.is_empty())
    }

    fn leading(&self, of: impl Fn(&Best) -> bool) -> Vec<&Ranks> {
        let leads = |one: usize| {
            self.tests.iter().any(|best| of(best) && (best.configuration == one || best.tied.contains(&one)))
        };
        self.configurations
            .iter()
            .enumerate()
            .filter(|(one, _)| leads(*one))
            .map(|(_, ranks)| ranks)
            .collect()
    }

    /// Whether any configuration is surely slower than the best in any test.
    pub fn is_decided(&self) -> bool {
        self.tests.iter().any(|best| best.tied.len() + 1 < best.order.len())
    }
}

/// Ranks the configurations of a report; `None` if fewer than two have a figure of the same test, or one has a repetition
/// of no time.
pub fn ranking(report: &Report) -> Option<Ranking> {
    ranking_with(report, Stat::Mean)
}

/// The same beside a table that shows this statistic. The order is still that of the fast end, which other programs change
/// least.
pub fn ranking_with(report: &Report, stat: Stat) -> Option<Ranking> {
    ranked(configurations(report), Rule::default(), stat)
}

/// Ranks configurations under names of the caller's own, even if their records are equal.
///
/// ```
/// # fn demo(one: &llama_bench_rs::record::Report, other: &llama_bench_rs::record::Report) {
/// use llama_bench_rs::{judge::Rule, report::{ConfigurationRuns, ranking_of}};
///
/// let sides = [("before", one), ("after", other)]
///     .map(|(name, report)| ConfigurationRuns::new(name, report.runs.iter().collect()));
/// let ranking = ranking_of(sides.into(), Rule::default());
/// # }
/// ```
pub fn ranking_of(all: Vec<ConfigurationRuns<'_>>, rule: Rule) -> Option<Ranking> {
    ranked(all, rule, Stat::Mean)
}

fn ranked(all: Vec<ConfigurationRuns<'_>>, rule: Rule, stat: Stat) -> Option<Ranking> {
    let failed = all.iter().filter_map(failed).collect();
    let measured: Vec<ConfigurationRuns<'_>> = all.into_iter().filter(has_whole_cell).collect();
    let reference = measured.iter().position(|one| one.is_default).unwrap_or(0);
    let sides: Vec<Vec<&Run>> = measured.iter().map(|one| one.runs.clone()).collect();
    let Ranked { tests, choices, scope, rule } = judge::rank(&sides, reference, rule).ok()?;
    let rate = |side: usize, test: Test| stat::of_runs(stat, &sides[side], test);
    let tests: Vec<Best> = tests.iter().filter_map(|test| best(test, rule, rate)).collect();
    if tests.is_empty() {
        return None;
    }
    let rank =
        |one: ConfigurationRuns<'_>| Ranks { name: one.name, flags: one.flags, is_default: one.is_default };
    Some(Ranking {
        configurations: measured.into_iter().map(rank).collect(),
        choices,
        reference,
        tests,
        failed,
        scope,
        rule,
        stat,
    })
}

/// `rate` is that of a side in a test by the statistic of the table.
fn best(
    ranked: &RankedTest,
    rule: Rule,
    rate: impl Fn(usize, Test) -> Option<TokensPerSecond>,
) -> Option<Best> {
    let (first, others) = ranked.places.split_first()?;
    let next = others.first()?;
    let of_stat = rate(first.side, ranked.test);
    let rates = others.iter().filter_map(|place| Some((place.side, rate(place.side, ranked.test)?)));
    let fastest = rates.max_by(|(_, a), (_, b)| a.get().total_cmp(&b.get()));
    let is_far = |rate: TokensPerSecond| {
        let over = |own: TokensPerSecond| Speedup::new(rate.get() / own.get());
        of_stat.and_then(over).is_some_and(|speedup| rule.is_beyond_noise(speedup))
    };
    Some(Best {
        test: ranked.test,
        configuration: first.side,
        rate: first.estimate.rate(ranked.test.n_tokens())?,
        against_reference: first.against_reference,
        next: (next.side, next.behind?),
        tied: ranked.leading().skip(1).map(|place| place.side).collect(),
        order: ranked.places.iter().map(|place| place.side).collect(),
        widest: others.last()?.behind?.speedup,
        of_stat,
        fastest_of_stat: fastest.filter(|(_, rate)| is_far(*rate)).map(|(side, _)| side),
    })
}

/// Whether it has a cell that can be ranked: one that ended early is not compared with whole ones.
fn has_whole_cell(one: &ConfigurationRuns<'_>) -> bool {
    one.runs.iter().flat_map(|run| &run.cells).any(|cell| cell.reason().is_none())
}

/// What failed, or ended early, in every run of a configuration.
fn failed(one: &ConfigurationRuns<'_>) -> Option<Failed> {
    let cells = || one.runs.iter().flat_map(|run| &run.cells).filter(|cell| !cell.was_not_begun());
    let has_figure = |test: Test| cells().any(|cell| cell.test == test && cell.reason().is_none());
    let mut tests: Vec<Test> = Vec::new();
    let mut why = None;
    for cell in cells() {
        if let Some(failure) = cell.reason().filter(|_| !has_figure(cell.test) && !tests.contains(&cell.test))
        {
            tests.push(cell.test);
            why.get_or_insert(failure);
        }
    }
    if !has_whole_cell(one) {
        tests.clear();
    }
    Some(Failed { name: one.name.clone(), tests, failure: why?.clone() })
}

#[cfg(test)]
mod tests;
