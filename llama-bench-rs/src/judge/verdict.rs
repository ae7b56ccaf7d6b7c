use std::fmt;

use super::{Rule, lines::Line};
use crate::units::{Share, Speedup};

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The second side is faster, by more than the noise.
    Improved,
    /// The second side is slower, by more than the noise.
    Regressed,
    /// The difference, if there is one, is within the noise.
    NoChange,
    /// The samples allow both a change and none: take more.
    CannotTell,
    /// What was measured contradicts itself, because other work ran beside it: measure again.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Improved => "improved",
            Verdict::Regressed => "REGRESSED",
            Verdict::NoChange => "no change",
            Verdict::CannotTell => "cannot tell",
            Verdict::Inconclusive => "inconclusive",
        })
    }
}

/// A verdict and what it rests on. Its `Display` says both.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub because: Because,
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Because {
    /// The test's own difference: beyond what all tests of its kind share, if there are several.
    Own,
    /// The shift that the tests of its kind share.
    Shared,
    /// The interval lies within the tolerance.
    WithinTolerance,
    /// The interval is too wide.
    TooNoisy,
    /// One run on each side does not show how far runs lie apart.
    OneRunEach,
    /// One repetition of a served load on each side does not show how far repetitions lie apart.
    OneRepetitionEach,
    /// The figures as measured and those relative to the calibration loop disagree.
    Disagreement {
        /// The change as measured.
        as_measured: Speedup,
        /// The change relative to the calibration loop.
        adjusted: Speedup,
    },
    /// Other work disturbed most repetitions of a side.
    Disturbed {
        /// The largest share of disturbed repetitions of a run.
        share: Share,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.because {
            Because::Own | Because::WithinTolerance | Because::TooNoisy => write!(f, "{}", self.verdict),
            Because::Shared => write!(f, "{}, as all tests of its kind", self.verdict),
            Because::OneRunEach => write!(f, "one run each: {}", self.verdict),
            Because::OneRepetitionEach => write!(f, "one repetition each: {}", self.verdict),
            Because::Disagreement { as_measured, adjusted } => write!(
                f,
                "neighbours busy: {} ({as_measured} as measured, {adjusted} calibrated)",
                self.verdict
            ),
            Because::Disturbed { share } => write!(
                f,
                "neighbours busy: {} ({share:.0} of the repetitions on one side were disturbed)",
                self.verdict
            ),
        }
    }
}

/// The result of one kind of figures for a test or a shift.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// The whole difference.
    pub(super) whole: Line,
    pub(super) verdict: Verdict,
    pub(super) because: Because,
}

impl Said {
    /// Of a line whose p value was corrected.
    pub(super) fn of_line(line: Line, p_value: f64, rule: Rule) -> Self {
        let changed = changed(&line, p_value, rule);
        let (verdict, because) = changed.map_or_else(|| unchanged(&line, rule), |v| (v, Because::Own));
        Self { whole: line, verdict, because }
    }

    /// Of a test: by what lies beyond the shift of its kind, else by that shift if the test has it too.
    pub(super) fn of_test(whole: Line, beyond: Option<(Line, f64)>, shift: &Said, rule: Rule) -> Self {
        let Some((beyond, p_value)) = beyond else { return *shift };
        let own = changed(&beyond, p_value, rule);
        let (verdict, because) = match (own, shift.verdict) {
            (Some(verdict), _) if is_own(&whole, verdict, shift, rule) => (verdict, Because::Own),
            (_, verdict @ (Verdict::Improved | Verdict::Regressed)) if agrees(&whole, verdict, rule) => {
                (verdict, Because::Shared)
            }
            _ => unchanged(&whole, rule),
        };
        Self { whole, verdict, because }
    }

    /// Together with the calibrated figures: those have to be sure, and the times as measured have to agree.
    pub(super) fn with_adjusted(self, adjusted: &Self, rule: Rule) -> Finding {
        let apart = (self.whole.log - adjusted.whole.log).abs() > rule.log_tolerance();
        let disagreement = || Finding {
            verdict: Verdict::Inconclusive,
            because: Because::Disagreement {
                as_measured: speedup(self.whole.log),
                adjusted: speedup(adjusted.whole.log),
            },
        };
        let finding = |verdict, because| Finding { verdict, because };
        let is_change = |verdict| matches!(verdict, Verdict::Improved | Verdict::Regressed);
        match (self.verdict, adjusted.verdict) {
            (a, b) if a == b && is_change(a) => finding(a, adjusted.because),
            // Calibrated figures vary less from run to run, so they decide, and the times as measured have to agree.
            (a, b) if is_change(b) && !is_change(a) && agrees(&self.whole, b, rule) => {
                finding(b, adjusted.because)
            }
            (a, b) if is_change(a) && !is_change(b) && agrees(&adjusted.whole, a, rule) => {
                finding(Verdict::CannotTell, Because::TooNoisy)
            }
            (a, b) if is_change(a) || is_change(b) => disagreement(),
            _ if apart => disagreement(),
            (Verdict::NoChange, _) | (_, Verdict::NoChange) => {
                finding(Verdict::NoChange, Because::WithinTolerance)
            }
            _ => finding(Verdict::CannotTell, Because::TooNoisy),
        }
    }

    pub(super) fn alone(self) -> Finding {
        Finding { verdict: self.verdict, because: self.because }
    }
}

/// A line that is surely not zero, and by more than noise.
fn changed(line: &Line, p_value: f64, rule: Rule) -> Option<Verdict> {
    let counts = p_value < rule.alpha.get() && line.log.abs() > rule.log_noise();
    counts.then_some(if line.log > 0.0 { Verdict::Improved } else { Verdict::Regressed })
}

fn unchanged(line: &Line, rule: Rule) -> (Verdict, Because) {
    let (lower, upper) = line.bounds();
    let within = rule.log_tolerance();
    if -within < lower && upper < within {
        (Verdict::NoChange, Because::WithinTolerance)
    } else {
        (Verdict::CannotTell, Because::TooNoisy)
    }
}

/// Whether the difference beyond the shift is a change of the test itself. It is not if the others surely changed the other
/// way and the test stayed as it was.
fn is_own(whole: &Line, verdict: Verdict, shift: &Said, rule: Rule) -> bool {
    let has_direction = (whole.log > 0.0) == (verdict == Verdict::Improved);
    has_direction && (agrees(whole, verdict, rule) || shift.whole.p_value() >= rule.alpha.get())
}

/// Whether a difference has the verdict's direction and is more than noise.
fn agrees(line: &Line, verdict: Verdict, rule: Rule) -> bool {
    let size = if verdict == Verdict::Improved { line.log } else { -line.log };
    size > rule.log_noise()
}

pub(super) fn speedup(log: f64) -> Speedup {
    Speedup::new(log.clamp(-700.0, 700.0).exp()).unwrap_or(Speedup::ONE)
}
