use std::fmt;

use super::Configuration;
use crate::{
    record::Report,
    report::insights::{Expectation, Level, Statement, Steps, insights_with},
};

/// A sentence about what the figures mean, and whom it is about. Its `Display` is both.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Said {
    /// How to take it.
    pub level: Level,
    /// The configurations that it is about, and of those with several runs which of them; empty if it is about all.
    pub of: String,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.of, self.text) }
    }
}

/// What the figures mean beyond what the tables show. Of several runs only the warnings, and what all of them say.
pub(super) fn said(
    report: &Report,
    expectations: &[Expectation],
    configurations: &[Configuration],
) -> Vec<Said> {
    let mut all: Vec<(Level, String, Vec<usize>)> = Vec::new();
    for insight in insights_with(report, expectations) {
        let (level, text) = (insight.level(), insight.to_string());
        let is_in_a_table = match insight.statement {
            Statement::Expected(_) | Statement::Chat(_) | Statement::Next(_) => true,
            Statement::Steps(Steps::Tail { .. }) => level == Level::Note,
            _ => false,
        };
        if is_in_a_table {
            continue;
        }
        match all.iter_mut().find(|(_, known, _)| *known == text) {
            Some((_, _, runs)) => runs.push(insight.run),
            None => all.push((level, text, vec![insight.run])),
        }
    }
    let n_runs = report.runs.len();
    let is_worth_it =
        |level: Level, runs: &[usize]| n_runs == 1 || level == Level::Warning || runs.len() == n_runs;
    let said = |(level, text, runs): (Level, String, Vec<usize>)| {
        let of = if runs.len() == n_runs { String::new() } else { who(&runs, configurations) };
        is_worth_it(level, &runs).then_some(Said { level, of, text })
    };
    all.into_iter().filter_map(said).collect()
}

fn who(runs: &[usize], configurations: &[Configuration]) -> String {
    let of = |configuration: &Configuration| {
        let own =
            |run: &usize| configuration.runs.iter().position(|it| it == run).map(|i| (i + 1).to_string());
        let places: Vec<String> = runs.iter().filter_map(own).collect();
        let (n, name) = (configuration.runs.len(), &configuration.name);
        if places.is_empty() {
            return None;
        }
        let run = if places.len() == 1 { "run" } else { "runs" };
        Some(match (places.len() == n, name.is_empty()) {
            (true, _) => name.clone(),
            (false, true) => format!("{run} {} of {n}", places.join(", ")),
            (false, false) => format!("{name} ({run} {} of {n})", places.join(", ")),
        })
    };
    configurations.iter().filter_map(of).collect::<Vec<_>>().join("; ")
}
