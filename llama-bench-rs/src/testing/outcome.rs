use std::fmt;

use super::{
    Gap, Pace,
    table::table,
    tolerance::{Tolerance, trimmed},
};
use crate::{
    record::Test,
    stats::{Comparison, RunEstimate, Verdict},
    units::{Probability, Share, Speedup, TokensPerSecond},
};

/// A report held against a baseline, cell by cell. Its `Display` is a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Every cell that both sides have, in the order measured.
    pub cells: Vec<CellOutcome>,
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
}

/// One cell, before and now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CellOutcome {
    /// The test.
    pub test: Test,
    /// In what its configuration differs from others of the same report; empty if there is one only.
    pub configuration: String,
    /// What a repetition took in the baseline, at the fast end.
    pub before: RunEstimate,
    /// What it takes now, at the fast end.
    pub now: RunEstimate,
    /// The change, with p value and verdict corrected for the number of cells; where `pace` says so, of the times over
    /// the machine's pace.
    pub comparison: Comparison,
    /// What was made of the machine's pace.
    pub pace: Pace,
}

impl CellOutcome {
    /// The verdict; see [the module](crate::testing#what-an-assertion-says).
    pub fn verdict(&self) -> Verdict {
        self.comparison.verdict
    }

    /// Tokens per second in the baseline.
    pub fn rate_before(&self) -> Option<TokensPerSecond> {
        rate(self.test, &self.before)
    }

    /// Tokens per second now.
    pub fn rate_now(&self) -> Option<TokensPerSecond> {
        rate(self.test, &self.now)
    }

    /// As the test is printed, with its configuration.
    fn name(&self) -> String {
        match self.configuration.is_empty() {
            true => self.test.to_string(),
            false => format!("{} ({})", self.test, self.configuration),
        }
    }
}

pub(super) fn rate(test: Test, estimate: &RunEstimate) -> Option<TokensPerSecond> {
    TokensPerSecond::from_elapsed(u64::from(test.kind.n_tokens()), estimate.time)
}

impl Outcome {
    /// The cells with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &CellOutcome> {
        self.cells.iter().filter(move |cell| cell.verdict() == verdict)
    }

    /// What a person should hear although nothing regressed: cells that were too noisy to tell, with the remedy.
    pub fn warning(&self) -> Option<String> {
        let unsure: Vec<String> = self.with(Verdict::CannotTell).map(CellOutcome::name).collect();
        (!unsure.is_empty()).then(|| {
            format!(
                "warning: too noisy to tell whether {} got slower by {}: save more runs of the baseline, take more \
                 repetitions, or let nothing else run\n{self}",
                unsure.join(", "),
                self.tolerance
            )
        })
    }

    /// Whether speeds are adjusted, and by how much.
    fn tell_pace(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adjusted = self.cells.iter().filter_map(|cell| match &cell.pace {
            Pace::Adjusted(adjustment) => Some((cell, adjustment)),
            Pace::Unknown | Pace::Mixed => None,
        });
        let (names, factors): (Vec<String>, Vec<f64>) = adjusted
            .map(|(cell, adjustment)| {
                let as_measured = change(adjustment.as_measured.speedup);
                (format!("{} {as_measured}", cell.name()), adjustment.slowdown())
            })
            .unzip();
        if !names.is_empty() {
            let factor = (factors.iter().map(|factor| factor.ln()).sum::<f64>() / factors.len() as f64).exp();
            let percent = (factor - 1.0) * 100.0;
            let how = if percent < 0.0 { "faster" } else { "slower" };
            write!(
                f,
                "\n  speed, interval and p are adjusted for the pace of the machine, {:.1} % {how} now; as measured: {}",
                percent.abs(),
                names.join(", ")
            )?;
        }
        let mixed: Vec<String> =
            self.cells.iter().filter(|cell| cell.pace == Pace::Mixed).map(CellOutcome::name).collect();
        if !mixed.is_empty() {
            write!(
                f,
                "\n  as measured, since not all runs know the pace of the machine: {}; measure both sides with it",
                mixed.join(", ")
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.cells.iter().map(row).collect();
        let names = ["test", "before", "now", "speed", "95 % interval", "p", "detectable", "verdict"];
        f.write_str(&table(names, &rows))?;
        let runs = |pick: fn(&CellOutcome) -> usize| {
            let counts = self.cells.iter().map(pick);
            let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
            let unit = if most == 1 { "run" } else { "runs" };
            if least == most { format!("{most} {unit}") } else { format!("{least} to {most} {unit}") }
        };
        let (before, now) = (runs(|cell| cell.before.n_runs), runs(|cell| cell.now.n_runs));
        let (builds_before, builds_now) = (self.builds_before.join(", "), self.builds_now.join(", "));
        writeln!(f, "  before: {before} of llama.cpp {builds_before}; now: {now} of llama.cpp {builds_now}")?;
        let noise = trimmed(self.tolerance.noise().get() * 100.0);
        write!(
            f,
            "  tolerance {}: regressed is what surely takes over {noise} % longer; p corrected for {} cells\n  detectable: \
             a slowdown that would be called regressed in 95 of 100 such comparisons or more",
            self.tolerance,
            self.cells.len()
        )?;
        self.tell_pace(f)?;
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
    let c = &cell.comparison;
    [
        cell.name(),
        show(cell.rate_before()),
        show(cell.rate_now()),
        change(c.speedup),
        format!("{} to {}", change(c.lower), change(c.upper)),
        p_value(c.p_value),
        c.detectable_slowdown().map_or_else(|| "nothing".into(), slowdown),
        verdict(c.verdict).into(),
    ]
}

/// A ratio of speeds as a change: `-4.8 %`.
fn change(ratio: Speedup) -> String {
    let percent = (ratio.get() - 1.0) * 100.0;
    if percent >= 1000.0 {
        return "over +999 %".into();
    }
    // Adding zero turns a negative zero into a positive one.
    format!("{:+.1} %", (percent * 10.0).round() / 10.0 + 0.0)
}

/// A share of the time: `4.8 %`.
fn slowdown(share: Share) -> String {
    if share.get() >= 10.0 { "over 999 %".into() } else { format!("{share:.1}") }
}

fn p_value(p: Probability) -> String {
    match p.get() {
        p if p < 0.0001 => "<0.0001".into(),
        p if p < 0.01 => format!("{p:.4}"),
        p => format!("{p:.2}"),
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Improved => "improved",
        Verdict::Regressed => "REGRESSED",
        Verdict::NoChange => "no change",
        Verdict::CannotTell => "cannot tell",
    }
}
