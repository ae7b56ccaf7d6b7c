use std::{
    fmt,
    mem::{Discriminant, discriminant},
};

use super::Configuration;
use crate::{
    record::Report,
    report::{
        in_words::{count, plural},
        insights::{Expectation, Level, Statement, Steps, insights_with},
        run_labels,
        sides::Files,
    },
};

/// A sentence about what the figures mean, and its subject. Its `Display` is both.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Said {
    /// How to take it.
    pub level: Level,
    /// The configurations that it is about, with the numbers of the runs if there are several; empty if it is about all.
    pub of: String,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.of, self.text) }
    }
}

/// What the figures mean beyond what the tables show. Of several runs only warnings, and sentences that all share.
pub(super) fn said(
    report: &Report,
    expectations: &[Expectation],
    configurations: &[Configuration],
) -> Vec<Said> {
    let mut all: Vec<Sentence> = Vec::new();
    for insight in insights_with(report, expectations) {
        let (level, text) = (insight.level(), insight.to_string());
        let is_in_a_table = match insight.statement {
            Statement::Expected(_) | Statement::Chat(_) | Statement::Levels(_) | Statement::Next(_) => true,
            Statement::Steps(Steps::Tail { .. }) => level == Level::Note,
            _ => false,
        };
        let kind = discriminant(&insight.statement);
        match all.iter_mut().find(|known| known.text == text) {
            _ if is_in_a_table => {}
            Some(known) => known.runs.push(insight.run),
            None => all.push(Sentence { level, kind, text, runs: vec![insight.run] }),
        }
    }
    let n_runs = report.runs.len();
    if n_runs > 1 {
        all.retain(|it| it.level == Level::Warning || it.runs.len() == n_runs);
        all.sort_by_key(|it| it.level != Level::Warning);
    }
    let mut said: Vec<Said> = Vec::new();
    let mut kinds: Vec<_> = all.iter().map(|it| it.kind).collect();
    let mut seen = Vec::new();
    kinds.retain(|kind| {
        !seen.contains(kind) && {
            seen.push(*kind);
            true
        }
    });
    for kind in kinds {
        let of_kind: Vec<&Sentence> = all.iter().filter(|it| it.kind == kind).collect();
        let is_crowd = of_kind.iter().filter(|it| it.runs.len() < n_runs).count() > OF_A_KIND;
        let shown = if is_crowd { OF_A_KIND } else { of_kind.len() };
        said.extend(of_kind[..shown].iter().map(|it| {
            let of =
                if it.runs.len() == n_runs { String::new() } else { who(&it.runs, configurations, report) };
            Said { level: it.level, of, text: it.text.clone() }
        }));
        if is_crowd {
            let mut more: Vec<usize> =
                of_kind[shown..].iter().flat_map(|it| it.runs.iter().copied()).collect();
            more.sort_unstable();
            more.dedup();
            let text = format!(
                "The same kind of warning in {}: {}.",
                count(more.len(), "more run"),
                who(&more, configurations, report)
            );
            said.push(Said { level: Level::Warning, of: String::new(), text });
        }
    }
    said
}

/// Most warnings of a kind that are shown in full.
const OF_A_KIND: usize = 3;

/// Most configurations that a sentence names.
const NAMED: usize = 4;

/// A sentence, and the runs that it is about.
struct Sentence {
    level: Level,
    kind: Discriminant<Statement>,
    text: String,
    runs: Vec<usize>,
}

fn who(runs: &[usize], configurations: &[Configuration], report: &Report) -> String {
    let by_file = Files::of(report).are_several().then(|| run_labels(report));
    let of = |configuration: &Configuration| {
        let own =
            |run: &usize| configuration.runs.iter().position(|it| it == run).map(|i| (i + 1).to_string());
        let places: Vec<String> = runs.iter().filter_map(own).collect();
        let (n, name) = (configuration.runs.len(), &configuration.name);
        if places.is_empty() {
            return None;
        }
        if let (Some(labels), true) = (&by_file, places.len() < n) {
            let own = runs.iter().filter(|run| configuration.runs.contains(run));
            return Some(own.map(|&run| labels[run].as_str()).collect::<Vec<_>>().join("; "));
        }
        let run = plural(places.len(), "run", "runs");
        Some(match (places.len() == n, name.is_empty()) {
            (true, _) => name.clone(),
            (false, true) => format!("{run} {} of {n}", places.join(", ")),
            (false, false) => format!("{name} ({run} {} of {n})", places.join(", ")),
        })
    };
    let names: Vec<String> = configurations.iter().filter_map(of).collect();
    match names.len().saturating_sub(NAMED) {
        0 | 1 => names.join("; "),
        n_more => format!("{} and {n_more} more", names[..NAMED].join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        record::{Cell, Config, Header, Measured, Outcome, Report, Run, Sample, Test, TestKind},
        report::answer::Answer,
    };

    #[test]
    fn runs_with_the_same_kind_of_warning_are_named() {
        let run = |i: u64| {
            // Each has another spread: sentences of one kind that are not equal.
            let sample = |j: u64| Sample {
                elapsed: Duration::from_millis(100 + j % 2 * (40 + 3 * i)),
                ..Sample::default()
            };
            let samples = (0..6).map(sample).collect();
            let cell = Cell {
                test: Test::from(TestKind::Tg(8)),
                started_at: String::new(),
                outcome: Outcome::Measured(Measured { samples, ..Measured::default() }),
            };
            let config = Config { n_ubatch: Some(16 << i), ..Config::default() };
            Run { header: Header { config, ..Header::default() }, cells: vec![cell], curve: vec![] }
        };
        let said = Answer::of(&Report { runs: (0..5).map(run).collect() }, &[]).said;
        let more: Vec<&str> =
            said.iter().map(|it| &it.text[..]).filter(|it| it.contains("same kind")).collect();
        assert!(!more.is_empty(), "{said:#?}");
        for text in more {
            assert_eq!(text, "The same kind of warning in 2 more runs: ub 128; ub 256.");
        }
    }
}
