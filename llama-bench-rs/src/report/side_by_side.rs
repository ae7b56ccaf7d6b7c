//! Several configurations of a report, test by test, each held against the first: what page and terminal show.

use super::{
    columns::table,
    sides::{Side, sides},
};
use crate::{
    judge::{self, Finding, Judgement, Rule, RunEstimate},
    record::{Cell, Report, Run, Test, tests_of},
    units::{Speedup, TokensPerSecond},
};

/// The sides of a report.
pub(super) struct SideBySide<'a> {
    /// What each side is called: `ub 1024 fa 1`, or of two runs of the same `run 1 of 2`.
    pub(super) names: Vec<String>,
    /// One row per test, then one per kind of test.
    pub(super) rows: Vec<Row<'a>>,
    pub(super) rule: Rule,
}

/// A test on every side, or what all tests of a kind share.
pub(super) struct Row<'a> {
    /// `None` for a shift.
    #[cfg_attr(not(feature = "pages"), allow(dead_code, reason = "pages alone mark a test's rows"))]
    pub(super) test: Option<Test>,
    pub(super) name: String,
    /// By side; empty for a shift.
    pub(super) figures: Vec<Figure<'a>>,
    /// By side after the first.
    pub(super) changes: Vec<Option<Change>>,
}

/// What a side has of a test.
pub(super) enum Figure<'a> {
    Measured(RunEstimate, u32),
    Failed(&'a str),
    Missing,
}

/// The change from the first side.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) speedup: Speedup,
    pub(super) bounds: Option<judge::Bounds<Speedup>>,
    pub(super) finding: Finding,
}

impl<'a> SideBySide<'a> {
    /// The runs of each configuration and build are a side. Two runs of one configuration are a side each; of more, what
    /// they say together is shown. `None` for a run on its own.
    pub(super) fn of(report: &'a Report) -> Option<Self> {
        if report.runs.len() < 2 {
            return None;
        }
        let sides = sides(report);
        let name = |side: &Side<'_>| match sides.len() {
            1 => format!("all {} runs", side.runs.len()),
            _ => side.name.clone(),
        };
        let names = sides.iter().map(name).collect();
        let sides: Vec<Vec<&Run>> = sides.into_iter().map(|side| side.runs).collect();
        let rule = Rule::default();
        let [first, others @ ..] = &sides[..] else { return None };
        let pairs: Vec<(&[&Run], &[&Run])> = others.iter().map(|other| (&first[..], &other[..])).collect();
        // A file with a repetition of no time has figures, and no changes.
        let judgements = judge::compare_together(&pairs, rule).unwrap_or_default();
        let mut rows: Vec<Row<'_>> =
            tests_of(&report.runs).into_iter().map(|test| row(test, &sides, &judgements)).collect();
        rows.extend(shifts(others.len(), &judgements));
        Some(Self { names, rows, rule })
    }

    /// What is shown, in words.
    pub(super) fn caption(&self) -> String {
        let figures = "Speed in t/s at the fast end of each run, the geometric mean of a side's runs";
        if self.names.len() == 1 {
            return format!("{figures}, with its 95 % interval between runs.");
        }
        format!(
            "{figures}; its change from the first side, with its 95 % interval between runs. A change up to {:.0} never \
             counts; the chance of a false alarm is {:.0} over all lines together. One run on each side says nothing of how \
             far runs lie apart: the change is shown, but nothing can be told.",
            self.rule.noise(),
            self.rule.alpha.as_share()
        )
    }

    /// One table of plain text per side after the first; one in all if there is but one side. What does not fit into
    /// the width is left out: intervals, then what verdicts rest on, then the figures, which the runs' own tables have.
    pub(super) fn tables(&self, width: usize) -> String {
        if let [name] = &self.names[..] {
            let row = |row: &Row<'_>| {
                let figure = row.figures.first()?;
                Some([row.name.clone(), figure.text(), figure.interval()])
            };
            let rows: Vec<[String; 3]> = self.rows.iter().filter_map(row).collect();
            return table(["test", name, "95 % interval"], &rows);
        }
        (1..self.names.len()).map(|i| self.against_first(i, width)).collect::<Vec<_>>().join("\n")
    }

    fn against_first(&self, side: usize, width: usize) -> String {
        let fits = |table: &String| table.lines().all(|line| line.chars().count() <= width);
        let figure =
            |row: &Row<'_>, side: usize| row.figures.get(side).map_or_else(String::new, Figure::text);
        let change = |row: &Row<'_>, show: fn(&Change) -> String| {
            row.changes[side - 1].as_ref().map_or_else(String::new, show)
        };
        let speed = |row: &Row<'_>| change(row, |change| change.speedup.to_string());
        let finding = |row: &Row<'_>| change(row, |change| change.finding.to_string());
        let word = |row: &Row<'_>| change(row, |change| change.finding.verdict.to_string());
        let (first, other) = (&self.names[0][..], &self.names[side][..]);
        let with_intervals = || {
            let row = |row: &Row<'_>| {
                let interval = change(row, Change::interval);
                [row.name.clone(), figure(row, 0), figure(row, side), speed(row), interval, finding(row)]
            };
            let rows: Vec<[String; 6]> = self.rows.iter().map(row).collect();
            table(["test", first, other, "speed", "95 % interval", "verdict"], &rows)
        };
        let with_figures = |verdict: &dyn Fn(&Row<'_>) -> String| {
            let row = |row: &Row<'_>| {
                [row.name.clone(), figure(row, 0), figure(row, side), speed(row), verdict(row)]
            };
            let rows: Vec<[String; 5]> = self.rows.iter().map(row).collect();
            table(["test", first, other, "speed", "verdict"], &rows)
        };
        let row = |row: &Row<'_>| [row.name.clone(), speed(row), word(row)];
        Some(with_intervals())
            .filter(fits)
            .or_else(|| Some(with_figures(&finding)).filter(fits))
            .or_else(|| Some(with_figures(&word)).filter(fits))
            .unwrap_or_else(|| {
                table(["test", other, "verdict"], &self.rows.iter().map(row).collect::<Vec<_>>())
            })
    }
}

fn find(run: &Run, test: Test) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == test)
}

fn row<'a>(test: Test, sides: &[Vec<&'a Run>], judgements: &[Judgement]) -> Row<'a> {
    let cells = |side: &[&'a Run]| -> Vec<(&'a Run, &'a Cell)> {
        let cells = side.iter().filter_map(|run| Some((*run, find(run, test)?)));
        cells.filter(|(_, cell)| cell.failure().is_none()).collect()
    };
    let pool: Vec<&Cell> = sides.iter().flat_map(|side| cells(side)).map(|(_, cell)| cell).collect();
    let figure = |side: &Vec<&'a Run>| match RunEstimate::beside(&cells(side), &pool) {
        Some(estimate) => Figure::Measured(estimate, test.kind.n_tokens()),
        None => match side.iter().find_map(|run| find(run, test)?.failure()) {
            Some(failure) => Figure::Failed(&failure.kind),
            None => Figure::Missing,
        },
    };
    let change = |i: usize| {
        let judged = judgements.get(i)?.tests.iter().find(|judged| judged.test == test)?;
        Some(Change { speedup: judged.speedup, bounds: judged.bounds, finding: judged.finding })
    };
    Row {
        test: Some(test),
        name: test.to_string(),
        figures: sides.iter().map(figure).collect(),
        changes: (0..sides.len() - 1).map(change).collect(),
    }
}

fn shifts<'a>(n_others: usize, judgements: &[Judgement]) -> Vec<Row<'a>> {
    let mut kinds: Vec<&'static str> = Vec::new();
    for shift in judgements.iter().flat_map(|judgement| &judgement.shifts) {
        if !kinds.contains(&shift.kind.family()) {
            kinds.push(shift.kind.family());
        }
    }
    let row = |kind: &'static str| {
        let change = |i: usize| {
            let shift = judgements.get(i)?.shifts.iter().find(|shift| shift.kind.family() == kind)?;
            Some(Change { speedup: shift.speedup, bounds: shift.bounds, finding: shift.finding })
        };
        Row {
            test: None,
            name: shift_name(kind),
            figures: Vec::new(),
            changes: (0..n_others).map(change).collect(),
        }
    };
    kinds.into_iter().map(row).collect()
}

/// What the row of a shift is called: `all pp`.
pub(super) fn shift_name(family: &str) -> String {
    format!("all {family}")
}

impl Figure<'_> {
    /// Tokens per second; `None` if nothing was measured.
    pub(super) fn rate(&self) -> Option<TokensPerSecond> {
        match self {
            Figure::Measured(estimate, n_tokens) => estimate.rate(*n_tokens),
            Figure::Failed(_) | Figure::Missing => None,
        }
    }

    /// The bounds of its interval; `None` if nothing was measured.
    pub(super) fn bounds(&self) -> Option<[TokensPerSecond; 2]> {
        let Figure::Measured(estimate, n_tokens) = self else { return None };
        let bound = |time| TokensPerSecond::from_elapsed(u64::from(*n_tokens), time);
        Some([bound(estimate.longest)?, bound(estimate.shortest)?])
    }

    /// Tokens per second, why there are none, or a dash.
    pub(super) fn text(&self) -> String {
        match self {
            Figure::Failed(kind) => (*kind).to_owned(),
            Figure::Measured(..) | Figure::Missing => {
                self.rate().map_or_else(|| "–".into(), |rate| format!("{:.2}", rate.get()))
            }
        }
    }

    /// The bounds of its interval in tokens per second.
    pub(super) fn interval(&self) -> String {
        let text = |[lower, upper]: [TokensPerSecond; 2]| format!("{:.2} to {:.2}", lower.get(), upper.get());
        self.bounds().map(text).unwrap_or_default()
    }
}

impl Change {
    /// The interval: `-7.1 % to -3.2 %`; empty if nothing is known of it.
    pub(super) fn interval(&self) -> String {
        self.bounds.map_or_else(String::new, |bounds| format!("{} to {}", bounds.lower, bounds.upper))
    }
}

/// The configurations of a report held against the first of them, as tables of plain text; `None` for a run on its own.
pub fn comparison_text(report: &Report) -> Option<String> {
    let all = SideBySide::of(report)?;
    Some(format!("{}\n{}", all.caption(), all.tables(usize::MAX)))
}
