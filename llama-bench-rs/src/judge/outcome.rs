use std::fmt;

use super::{Adjustment, Because, Bounds, Calibration, Gap, Shift, TestJudgement, Tolerance, Verdict};
use crate::{
    record::Test,
    units::{Share, Speedup, TokensPerSecond, text_table::table, words::counts},
};

/// A report compared with a baseline, cell by cell. Its `Display` is a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Every cell that both sides have, in the order measured.
    pub cells: Vec<CellOutcome>,
    /// What all cells of a kind share, for kinds of two cells and more.
    pub shifts: Vec<ShiftOutcome>,
    /// What only the report has: new tests, compared with nothing.
    pub uncompared: Vec<Test>,
    /// What was tolerated.
    pub tolerance: Tolerance,
    /// Builds of llama.cpp in the baseline.
    pub builds_before: Vec<String>,
    /// Builds of llama.cpp in the report.
    pub builds_now: Vec<String>,
    /// What the baseline has and the report lacks, or what failed: not judged.
    pub gaps: Vec<Gap>,
    /// How many lines the p values are corrected for.
    pub n_lines: usize,
    /// Whether all runs of the baseline are of one sitting and the report is of another.
    pub baseline_is_of_one_sitting: bool,
}

/// One cell, before and now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CellOutcome {
    /// The test.
    pub test: Test,
    /// How its configuration differs from others of the same report; empty if there is only one.
    pub configuration: String,
    /// What both sides take, and the verdict.
    pub judged: TestJudgement,
}

/// What all cells of a kind share.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShiftOutcome {
    /// How its configuration differs from others of the same report; empty if there is only one.
    pub configuration: String,
    /// The common change.
    pub shift: Shift,
}

impl CellOutcome {
    /// The verdict; see [`judge`](crate::judge#verdicts).
    pub fn verdict(&self) -> Verdict {
        self.judged.verdict()
    }

    /// Tokens per second in the baseline, at the fast end.
    pub fn rate_before(&self) -> Option<TokensPerSecond> {
        self.judged.before.rate(self.test.n_tokens())
    }

    /// Tokens per second now, at the fast end.
    pub fn rate_now(&self) -> Option<TokensPerSecond> {
        self.judged.after.rate(self.test.n_tokens())
    }

    /// As the test is printed, with its configuration.
    fn name(&self) -> String {
        with_configuration(self.test.to_string(), &self.configuration)
    }

    /// Whether it may have become slower by this much.
    fn may_be_slower_by(&self, tolerance: Tolerance) -> bool {
        let slowest = 1.0 / (1.0 + tolerance.slowdown().get());
        let may_be_slower =
            |bounds: Option<Bounds<Speedup>>| bounds.is_none_or(|bounds| bounds.lower().get() <= slowest);
        match (self.verdict(), self.judged.finding.because) {
            (Verdict::CannotTell, _) => may_be_slower(self.judged.bounds),
            // Both kinds of figures say faster and disagree about how much: it did not slow down.
            (Verdict::Inconclusive, Because::Disagreement { .. }) => {
                let adjusted = match self.judged.calibration {
                    Calibration::Adjusted(adjustment) => adjustment.bounds,
                    Calibration::Unknown | Calibration::Mixed => None,
                };
                may_be_slower(self.judged.bounds) || may_be_slower(adjusted)
            }
            (verdict, _) => verdict == Verdict::Inconclusive,
        }
    }
}

fn with_configuration(name: String, configuration: &str) -> String {
    if configuration.is_empty() { name } else { format!("{name} ({configuration})") }
}

impl Outcome {
    pub(super) fn new(tolerance: Tolerance) -> Self {
        Self {
            cells: Vec::new(),
            shifts: Vec::new(),
            uncompared: Vec::new(),
            tolerance,
            builds_before: Vec::new(),
            builds_now: Vec::new(),
            gaps: Vec::new(),
            n_lines: 0,
            baseline_is_of_one_sitting: false,
        }
    }

    /// The cells with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &CellOutcome> {
        self.cells.iter().filter(move |cell| cell.verdict() == verdict)
    }

    /// The cells in which noise could hide twice the tolerance: cannot tell, or inconclusive.
    pub fn unsure(&self) -> impl Iterator<Item = &CellOutcome> {
        self.may_be_slower_by(self.tolerance.doubled())
    }

    /// The cells that may have become slower by the whole tolerance, which further runs could decide.
    pub(crate) fn open(&self) -> impl Iterator<Item = &CellOutcome> {
        self.may_be_slower_by(self.tolerance)
    }

    fn may_be_slower_by(&self, slowdown: Tolerance) -> impl Iterator<Item = &CellOutcome> {
        self.cells.iter().filter(move |cell| cell.may_be_slower_by(slowdown))
    }

    /// The warning of a passing outcome, with the remedy: cells without a verdict, or a baseline of one sitting. `None` if
    /// there is nothing to warn of.
    pub fn warning(&self) -> Option<String> {
        let mut said = Vec::new();
        let names = |pick: fn(&&CellOutcome) -> bool| -> String {
            self.unsure().filter(pick).map(CellOutcome::name).collect::<Vec<_>>().join(", ")
        };
        let hidden = self.tolerance.doubled();
        for (names, why, remedy) in [
            (
                names(|cell| cell.judged.finding.because == Because::OneRunEach),
                "one run each: cannot tell",
                "save more runs of the baseline, at different times",
            ),
            (
                names(|cell| cell.judged.finding.because == Because::TooNoisy),
                "too noisy to tell",
                "save more runs of the baseline, hold several runs against it, or let nothing else run",
            ),
            (
                names(|cell| cell.verdict() == Verdict::Inconclusive),
                "neighbours busy: inconclusive",
                "measure again while nothing else runs",
            ),
        ] {
            if !names.is_empty() {
                said.push(format!(
                    "warning: {why} whether {names} got slower by {hidden}, twice the tolerance: {remedy}"
                ));
            }
        }
        if self.baseline_is_of_one_sitting {
            said.push(
                "warning: the baseline was made in one sitting, and machines change from day to day: save further runs \
                 at other times"
                    .to_owned(),
            );
        }
        (!said.is_empty()).then(|| format!("{}\n{self}", said.join("\n")))
    }

    /// The figures relative to the calibration loop.
    fn tell_calibration(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adjusted = self.cells.iter().filter_map(|cell| match &cell.judged.calibration {
            Calibration::Adjusted(adjustment) => Some((cell, adjustment)),
            Calibration::Unknown | Calibration::Mixed => None,
        });
        let (names, factors): (Vec<String>, Vec<f64>) = adjusted
            .map(|(cell, adjustment)| {
                (format!("{} {}", cell.name(), adjustment.speedup), calibration_factor(adjustment))
            })
            .unzip();
        if !names.is_empty() {
            let factor = (factors.iter().map(|factor| factor.ln()).sum::<f64>() / factors.len() as f64).exp();
            let how = if factor < 1.0 { "faster" } else { "slower" };
            let size = Share::new((factor - 1.0).abs()).unwrap_or_default();
            write!(
                f,
                "\n  relative to the calibration loop, which is {size:.1} {how} now: {}; a verdict needs both to agree",
                names.join(", ")
            )?;
        }
        let is_mixed = |cell: &&CellOutcome| cell.judged.calibration == Calibration::Mixed;
        let mixed: Vec<String> = self.cells.iter().filter(is_mixed).map(CellOutcome::name).collect();
        if !mixed.is_empty() {
            write!(
                f,
                "\n  as measured, since not all runs are calibrated: {}; calibrate both sides",
                mixed.join(", ")
            )?;
        }
        Ok(())
    }
}

/// The time of the calibration loop now over that before: over 1, the machine is slower. No calibration time is zero.
fn calibration_factor(adjustment: &Adjustment) -> f64 {
    adjustment.after.as_secs_f64() / adjustment.before.as_secs_f64()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.cells.iter().map(row).chain(self.shifts.iter().map(shift_row)).collect();
        let names = ["test", "before", "now", "speed", "95 % interval", "p", "detectable", "verdict"];
        f.write_str(&table(names, &rows))?;
        let runs = |pick: fn(&CellOutcome) -> usize| counts(self.cells.iter().map(pick), "run");
        let (before, now) = (runs(|cell| cell.judged.before.n_runs), runs(|cell| cell.judged.after.n_runs));
        let (builds_before, builds_now) = (self.builds_before.join(", "), self.builds_now.join(", "));
        writeln!(f, "  before: {before} of llama.cpp {builds_before}; now: {now} of llama.cpp {builds_now}")?;
        let noise = self.tolerance.halved();
        write!(
            f,
            "  t/s and speed: at the fast end of each run; 95 % interval: between runs\n  tolerance {}: regressed is what \
             surely takes longer, and over {noise} longer as measured; p corrected for {} lines\n  detectable: a \
             slowdown of this test alone that would be called regressed in 95 of 100 such comparisons or more",
            self.tolerance, self.n_lines
        )?;
        self.tell_calibration(f)?;
        if !self.uncompared.is_empty() {
            let tests: Vec<String> = self.uncompared.iter().map(Test::to_string).collect();
            write!(f, "\n  not in the baseline: {}", tests.join(", "))?;
        }
        for gap in &self.gaps {
            write!(f, "\n  not judged: {gap}")?;
        }
        Ok(())
    }
}

fn row(cell: &CellOutcome) -> [String; 8] {
    let show = |rate: Option<TokensPerSecond>| rate.map_or_else(|| "no time".into(), |r| r.to_string());
    let judged = &cell.judged;
    [
        cell.name(),
        show(cell.rate_before()),
        show(cell.rate_now()),
        judged.speedup.to_string(),
        interval(judged.bounds),
        judged.p_value.map_or_else(String::new, |p| p.to_string()),
        judged.detectable.map_or_else(|| "nothing".into(), |least| format!("{least:.1}")),
        judged.finding.to_string(),
    ]
}

fn shift_row(outcome: &ShiftOutcome) -> [String; 8] {
    let shift = &outcome.shift;
    [
        with_configuration(format!("all {}", shift.kind.family()), &outcome.configuration),
        String::new(),
        String::new(),
        shift.speedup.to_string(),
        interval(shift.bounds),
        shift.p_value.map_or_else(String::new, |p| p.to_string()),
        String::new(),
        shift.finding.to_string(),
    ]
}

fn interval(bounds: Option<Bounds<Speedup>>) -> String {
    bounds.map_or_else(|| "unknown".into(), |bounds| format!("{} to {}", bounds.lower(), bounds.upper()))
}
