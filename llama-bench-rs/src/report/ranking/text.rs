//! A ranking in words.

use std::fmt;

use super::{Best, Failed, Ranking, Ranks};
use crate::{
    judge::{Because, Lead, Scope, assumed_of_ranked_runs},
    record::Test,
    report::{
        Stat,
        explain::escape,
        in_words::{count, one_line, quoted, sentence},
    },
    units::{Share, TokensPerSecond},
};

impl fmt::Display for Ranking {
    /// A heading, a line for each test, what failed, and the flags to copy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        write!(f, "{}", table(&self.rows()))?;
        for line in self.notes() {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl Ranking {
    /// The result in one line.
    pub fn headline(&self) -> String {
        let n = count(self.configurations.len(), "configuration");
        if self.is_decided() {
            format!("The best of {n}:")
        } else {
            format!("No sure difference between {n}:")
        }
    }

    /// The same as Markdown, which reads well unrendered too: a heading, a table, and a list of notes.
    pub fn markdown(&self) -> String {
        let rows: Vec<[String; 5]> =
            self.rows().into_iter().map(|row| row.map(|cell| escape(&cell))).collect();
        let notes = self.notes();
        let note = |note: &String| match note.split_once(": -") {
            Some((what, flags)) => format!("- {}: `-{}`\n", escape(what), flags.replace('`', "'")),
            None => format!("- {}\n", escape(note)),
        };
        let notes: String = notes.iter().map(note).collect();
        format!("{}\n\n{}\n{notes}", self.headline(), markdown_table(&rows))
    }

    /// The names of the columns, then a row for each test; the last column is empty if there are but two configurations.
    pub(in crate::report) fn rows(&self) -> Vec<[String; 5]> {
        let has_others = self.configurations.len() > 2;
        let against = format!("against {}", self.reference_name());
        let speed = match self.stat {
            Stat::Mean => "t/s (fast end)".into(),
            stat => format!("t/s (fast end; {stat})"),
        };
        let mut rows = vec![["test".into(), "best".into(), speed, against, "against the next best".into()]];
        rows.extend(self.tests.iter().map(|best| self.row(best)));
        if !has_others {
            rows.iter_mut().for_each(|row| row[4].clear());
        }
        rows
    }

    /// The lines below the table: what to ask for, how small a difference would be sure, and what failed.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.advice();
        notes.extend(self.busy());
        notes.extend(self.unsure());
        notes.extend(self.other_by_stat());
        let table = match self.stat {
            Stat::Mean => "means".into(),
            stat => format!("the {stat}"),
        };
        notes.push(format!(
            "Fast end: the expected speed of the fastest of ten repetitions (of half of them if there are fewer than \
             twenty). Other programs disturb it least. The table of all tests has {table}."
        ));
        notes.extend(self.failed.iter().map(Failed::to_string));
        notes
    }

    /// That the table of all tests has another order, which the ranking does not rest on.
    fn other_by_stat(&self) -> Option<String> {
        let others: Vec<String> = self
            .tests
            .iter()
            .filter_map(|best| {
                let other = &self.configurations[best.fastest_of_stat?].name;
                Some(format!("{other} in {}", best.test))
            })
            .collect();
        (!others.is_empty()).then(|| {
            let stat = self.stat;
            format!("By the {stat} of all repetitions the fastest is another: {}. Disturbed repetitions count there.", others.join(", "))
        })
    }

    /// That other programs hid some differences.
    fn busy(&self) -> Option<String> {
        let leads = self.tests.iter().flat_map(|best| best.against_reference.iter().chain([&best.next.1]));
        let shares = leads.filter_map(|lead| match lead.finding.because {
            Because::Disturbed { share } => Some(share),
            _ => None,
        });
        let most = shares.max_by(|a, b| a.get().total_cmp(&b.get()))?;
        Some(format!(
            "Neighbours were busy: up to {most:.0} of a configuration's repetitions were disturbed. Measure again while \
             nothing else runs."
        ))
    }

    /// `ub 512 (the default)`.
    fn reference_name(&self) -> String {
        let Ranks { name, is_default, .. } = &self.configurations[self.reference];
        format!("{name} ({})", if *is_default { "the default" } else { "the first" })
    }

    fn row(&self, best: &Best) -> [String; 5] {
        let (next, lead) = &best.next;
        let others = match best.tied.iter().filter(|one| *one != next).count() {
            0 => String::new(),
            n => format!(", nor from {n} more"),
        };
        let next_best = format!("{}: {}", self.configurations[*next].name, self::lead(lead));
        let against = match &best.against_reference {
            Some(lead) => self::lead(lead),
            None if best.configuration == self.reference && self.configurations.len() == 2 => {
                format!("is the best; {next_best}")
            }
            None if best.configuration == self.reference => "is the best".into(),
            None => "–".into(),
        };
        [
            best.test.to_string(),
            self.configurations[best.configuration].name.clone(),
            match best.of_stat.filter(|_| self.stat != Stat::Mean) {
                Some(of_stat) => format!("{}; {}", rate(best.rate), rate(of_stat)),
                None => rate(best.rate),
            },
            against,
            format!("{next_best}{others}"),
        ]
    }

    /// The flags to copy, or that nothing should be changed.
    fn advice(&self) -> Vec<String> {
        if self.choices.is_empty() {
            let has_one_for_all = self
                .tests
                .iter()
                .all(|best| best.configuration == self.reference || best.tied.contains(&self.reference));
            let nothing = format!("Nothing is surely faster than {}.", self.reference_name());
            let n_parallel = self.tests.first().map(|best| best.test.n_parallel);
            let is_one_level = self.tests.iter().all(|best| Some(best.test.n_parallel) == n_parallel);
            let what = if is_one_level { "the depth" } else { "the depth and the number of sequences" };
            let mixed = format!("Which one is best depends on {what}: choose by the lines above.");
            return vec![if has_one_for_all { nothing } else { mixed }];
        }
        let line = |choice: &super::Choice| {
            let Ranks { name, flags, .. } = &self.configurations[choice.side];
            let words: Vec<String> = flags.iter().map(|word| quoted(word)).collect();
            let mut what = match choice.family {
                None => "To copy".to_owned(),
                Some(family) => format!("To copy for {family}"),
            };
            if let Some(n) = choice.n_parallel {
                what += &format!(" with {}", count(n as usize, "sequence"));
            }
            // Another one leads there, by less than what is sure.
            let is_led = |best: &&Best| {
                let Test { kind, n_parallel, .. } = best.test;
                let is_meant = choice.family.is_none_or(|family| kind.family() == family)
                    && choice.n_parallel.is_none_or(|n| n_parallel == n);
                is_meant && best.configuration != choice.side
            };
            if self.tests.iter().any(|best| is_led(&best)) {
                what += ", in no test surely slower than the best";
            }
            if words.is_empty() {
                format!("{what}: nothing to add, {name} is the default")
            } else {
                format!("{what}: {}", words.join(" "))
            }
        };
        self.choices.iter().map(line).collect()
    }

    /// What more runs would decide.
    fn unsure(&self) -> Option<String> {
        let is_open = self.tests.iter().any(|best| !best.tied.is_empty());
        let widths = self.tests.iter().filter_map(|best| best.next.1.half_width());
        let wider = |a: Share, b: Share| if a < b { b } else { a };
        let widest = Some(widths.fold(self.rule.noise(), wider)).filter(|_| is_open)?;
        Some(match self.scope {
            Scope::Assumed => format!(
                "One run of each: {}, and a difference up to {widest:.0} is not sure. \
                 --runs 3 tells smaller ones.",
                assumed_of_ranked_runs()
            ),
            Scope::BetweenRuns => {
                format!("A difference up to {widest:.1} is not sure; more --runs tell smaller ones.")
            }
        })
    }
}

/// `+33.2 % (+24.9 % to +42.1 %)`.
fn lead(lead: &Lead) -> String {
    let Lead { speedup, bounds, finding } = lead;
    if lead.is_sure() {
        format!("{speedup} ({} to {})", bounds.lower(), bounds.upper())
    } else if let Because::Disturbed { .. } = finding.because {
        format!("cannot tell ({speedup})")
    } else {
        format!("no sure difference ({speedup})")
    }
}

/// Three significant digits; whole tokens from 100 on.
fn rate(rate: TokensPerSecond) -> String {
    match rate.get() {
        r if r < 9.995 => format!("{r:.2}"),
        r if r < 99.95 => format!("{r:.1}"),
        r => format!("{r:.0}"),
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = one_line(&self.failure.message);
        let tests: Vec<String> = self.tests.iter().map(ToString::to_string).collect();
        let name = if self.name.is_empty() { "a configuration" } else { &self.name };
        if tests.is_empty() {
            write!(f, "{} failed: {message}", sentence_of(name))
        } else {
            write!(f, "{} failed in {}: {message}", sentence_of(name), tests.join(", "))
        }
    }
}

/// Names of flags keep their case.
fn sentence_of(name: &str) -> String {
    if name == "a configuration" { sentence(name) } else { name.to_owned() }
}

/// A table with a rule below its head; a column without a name is left out.
fn markdown_table(rows: &[[String; 5]]) -> String {
    let columns: Vec<usize> =
        (0..5).filter(|&column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(4);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let row = |row: &[String; 5]| {
        let cell = |&column: &usize| match column {
            2 => format!("{:>1$}", row[column], width(column)),
            _ => format!("{:<1$}", row[column], width(column)),
        };
        line(columns.iter().map(cell).collect())
    };
    let rule = |&column: &usize| match column {
        2 => format!("{:->1$}:", "", width(column) - 1),
        _ => format!("{:->1$}", "", width(column)),
    };
    let mut lines: Vec<String> = rows.iter().map(row).collect();
    lines.insert(1.min(lines.len()), line(columns.iter().map(rule).collect()));
    lines.concat()
}

/// Columns as wide as they need to be; speeds to the right, all else to the left.
fn table(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let line = |row: &[String; 5]| {
        let cell = |(column, text): (usize, &String)| match column {
            2 => format!("{text:>0$}", width(column)),
            _ => format!("{text:<0$}", width(column)),
        };
        let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
