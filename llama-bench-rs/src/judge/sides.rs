//! From two sides to verdicts.

use super::{
    Adjustment, Because, Calibration, Finding, Judgement, Rule, RunEstimate, RunFigure, Shift, TestJudgement,
    lines::{self, Block, Line},
    matrix::Matrix,
    verdict::{Said, speedup},
};
use crate::{
    judge::{CompareError, Verdict},
    record::{Run, Test, sittings, tests_of},
    stats::{Bounds, Quantity, weighted_holm},
    units::{Probability, Share},
};

/// A run with a larger share of disturbed repetitions is not judged.
const MOST_DISTURBED: f64 = 0.5;

/// If the shares of disturbed repetitions differ by more than this, the sides were measured under different conditions:
/// neighbours also take caches and the core's other hardware thread, which times on a core include.
const DIFFERENTLY_DISTURBED: f64 = 0.25;

/// The part of the chance of a false alarm that all shifts share.
const SHARE_OF_SHIFTS: f64 = 2.0 / 3.0;

/// Two sides, ready to be judged.
pub(super) struct Sides {
    kinds: Vec<Kind>,
    /// In the order of the tests.
    order: Vec<Test>,
    is_of_one_sitting: Option<bool>,
}

/// The tests of one kind.
struct Kind {
    matrix: Matrix,
    measured: Block,
    adjusted: Option<Block>,
    is_single: bool,
}

impl Sides {
    /// Sides that were measured apart. The pool holds every run of the comparison.
    pub(super) fn independent(before: &[&Run], after: &[&Run], pool: &[&Run]) -> Result<Self, CompareError> {
        Self::new(before, after, pool, false)
    }

    pub(super) fn paired(before: &[&Run], after: &[&Run]) -> Result<Self, CompareError> {
        if before.len() != after.len() {
            return Err(CompareError::UnpairedRuns { before: before.len(), after: after.len() });
        }
        Self::new(before, after, &[before, after].concat(), true)
    }

    fn new(before: &[&Run], after: &[&Run], pool: &[&Run], is_paired: bool) -> Result<Self, CompareError> {
        if before.is_empty() || after.is_empty() {
            return Err(CompareError::NoRuns);
        }
        let lines = if is_paired { lines::paired } else { lines::independent };
        let kind = |matrix: Matrix| {
            let (a, b) = matrix.measured();
            let measured = lines(&a, &b).ok_or(CompareError::NoTime)?;
            let adjusted = matrix.adjusted().and_then(|(a, b)| lines(&a, &b));
            Ok(Kind { is_single: a.len() == 1 && b.len() == 1, matrix, measured, adjusted })
        };
        let kinds: Vec<Kind> =
            Matrix::all(before, after, pool, is_paired)?.into_iter().map(kind).collect::<Result<_, _>>()?;
        Ok(Self {
            kinds,
            order: tests_of(after.iter().copied()),
            is_of_one_sitting: one_sitting(before, after),
        })
    }
}

/// Whether all runs of the first side are of one sitting, and the second side has another.
fn one_sitting(before: &[&Run], after: &[&Run]) -> Option<bool> {
    let all: Vec<usize> = sittings(&[before, after].concat()).into_iter().collect::<Option<_>>()?;
    let (first, others) = all.split_at(before.len());
    Some(first.iter().all(|s| *s == first[0]) && others.iter().any(|s| *s != first[0]))
}

pub(super) fn judge<const N: usize>(sides: [Sides; N], rule: Rule) -> Result<[Judgement; N], CompareError> {
    let judged = judge_all(sides.into(), rule)?;
    judged.try_into().map_err(|_| CompareError::NoRuns)
}

/// Judges several pairs of sides as one comparison.
pub(super) fn judge_all(sides: Vec<Sides>, rule: Rule) -> Result<Vec<Judgement>, CompareError> {
    let kinds = || sides.iter().flat_map(|sides| &sides.kinds).filter(|kind| !kind.is_single);
    let weights = Weights::of(kinds().map(|kind| &kind.measured));
    let measured = weights.correct(kinds().map(|kind| &kind.measured));
    let adjusted = weights.correct(kinds().filter_map(|kind| kind.adjusted.as_ref()));
    let n_lines = measured.len();
    let (mut measured, mut adjusted) = (measured.into_iter(), adjusted.into_iter());
    let mut judgements = Vec::new();
    for side in sides {
        let (mut tests, mut shifts) = (Vec::new(), Vec::new());
        for kind in &side.kinds {
            let says = kind.says(&kind.measured, &mut measured, rule);
            let adjusted = kind.adjusted.as_ref().map(|block| kind.says(block, &mut adjusted, rule));
            kind.conclude(&says, adjusted.as_ref(), weights, rule, &mut tests, &mut shifts)
                .ok_or(CompareError::NoTime)?;
        }
        tests.sort_by_key(|judged: &TestJudgement| side.order.iter().position(|test| *test == judged.test));
        let is_of_one_sitting = side.is_of_one_sitting;
        judgements.push(Judgement { tests, shifts, rule, n_lines, is_of_one_sitting });
    }
    Ok(judgements)
}

/// How the chance of a false alarm is divided: shifts are few and get more each than single tests.
#[derive(Clone, Copy)]
struct Weights {
    shift: f64,
    beyond: f64,
}

impl Weights {
    fn of<'a>(blocks: impl Iterator<Item = &'a Block>) -> Self {
        let (n_shifts, n_beyond) =
            blocks.fold((0, 0), |(shifts, beyond), block| (shifts + 1, beyond + block.tested().count() - 1));
        let share = if n_beyond == 0 { 1.0 } else { SHARE_OF_SHIFTS };
        Self { shift: share / f64::from(n_shifts.max(1)), beyond: (1.0 - share) / n_beyond.max(1) as f64 }
    }

    /// The weight of the line that decides a test's own verdict.
    fn of_test(self, is_beyond: bool) -> f64 {
        if is_beyond { self.beyond } else { self.shift }
    }

    /// The p values of every line, corrected for their number (Holm, weighted).
    fn correct<'a>(self, blocks: impl Iterator<Item = &'a Block>) -> Vec<f64> {
        let (mut p_values, mut weights) = (Vec::new(), Vec::new());
        for block in blocks {
            for (i, line) in block.tested().enumerate() {
                let p = Probability::new(line.p_value().clamp(0.0, 1.0));
                p_values.push(p.unwrap_or(Probability::percent(100)));
                weights.push(self.of_test(i > 0));
            }
        }
        weighted_holm(&p_values, &weights).into_iter().map(Probability::get).collect()
    }
}

/// The result of one kind of figures for the tests of a kind, with p values.
struct Says {
    shift: (Said, f64),
    tests: Vec<(Said, f64)>,
}

impl Kind {
    /// Takes the corrected p values of its lines from the list of all.
    fn says(&self, block: &Block, p_values: &mut impl Iterator<Item = f64>, rule: Rule) -> Says {
        let mut next = || if self.is_single { 1.0 } else { p_values.next().unwrap_or(1.0) };
        let p = next();
        let shift = Said::of_line(block.common, p, rule);
        let tests = block.tests.iter().map(|&(whole, beyond)| {
            let beyond = beyond.map(|line| (line, next()));
            let said = Said::of_test(whole, beyond, &shift, rule);
            let deciding = match (said.because, beyond) {
                (Because::Shared, _) | (_, None) => p,
                (_, Some((_, own))) => own,
            };
            (said, deciding)
        });
        let tests = tests.collect();
        Says { shift: (shift, p), tests }
    }

    fn conclude(
        &self,
        says: &Says,
        adjusted: Option<&Says>,
        weights: Weights,
        rule: Rule,
        tests: &mut Vec<TestJudgement>,
        shifts: &mut Vec<Shift>,
    ) -> Option<()> {
        let known = |p: f64| if self.is_single { None } else { Probability::new(p) };
        let bounds = |line: &Line| (!self.is_single).then(|| bounds(line));
        for (i, &test) in self.matrix.tests.iter().enumerate() {
            let (said, p) = &says.tests[i];
            let estimate = |side: &[Vec<RunFigure>]| {
                RunEstimate::of_figures(&side.iter().map(|run| run[i]).collect::<Vec<_>>())
            };
            let calibration = match (&self.adjusted, adjusted) {
                (Some(block), Some(_)) => {
                    let line = &block.tests[i].0;
                    let mean = |side: &[Vec<RunFigure>]| mean_calibration(side, i);
                    Calibration::Adjusted(Adjustment {
                        before: mean(&self.matrix.before),
                        after: mean(&self.matrix.after),
                        speedup: speedup(line.log),
                        bounds: bounds(line),
                    })
                }
                _ if self.matrix.is_calibrated() => Calibration::Mixed,
                _ => Calibration::Unknown,
            };
            let (whole, beyond) = self.measured.tests[i];
            let deciding = beyond.unwrap_or(whole);
            tests.push(TestJudgement {
                test,
                before: estimate(&self.matrix.before)?,
                after: estimate(&self.matrix.after)?,
                speedup: speedup(said.whole.log),
                bounds: bounds(&said.whole),
                p_value: known(*p),
                detectable: (!self.is_single)
                    .then(|| detectable(&deciding, weights.of_test(beyond.is_some()), rule))
                    .flatten(),
                finding: self.finding(said, adjusted.map(|says| &says.tests[i].0), Some(i), rule),
                calibration,
            });
        }
        if self.matrix.tests.len() > 1 {
            let (said, p) = &says.shift;
            shifts.push(Shift {
                kind: self.matrix.tests[0].kind,
                n_tests: self.matrix.tests.len(),
                speedup: speedup(said.whole.log),
                bounds: bounds(&said.whole),
                p_value: known(*p),
                finding: self.finding(said, adjusted.map(|says| &says.shift.0), None, rule),
            });
        }
        Some(())
    }

    fn finding(&self, said: &Said, adjusted: Option<&Said>, test: Option<usize>, rule: Rule) -> Finding {
        if self.is_single {
            return Finding { verdict: Verdict::CannotTell, because: Because::OneRunEach };
        }
        let [before, after] =
            [&self.matrix.before, &self.matrix.after].map(|side| figures(side, test).collect::<Vec<_>>());
        let finding = adjusted.map_or(said.alone(), |adjusted| said.with_adjusted(adjusted, rule));
        mind_disturbance(finding, &before, &after, self.matrix.is_on_core)
    }
}

/// The finding, or that it is inconclusive because other programs disturbed its figures.
pub(super) fn mind_disturbance(
    finding: Finding,
    before: &[&RunFigure],
    after: &[&RunFigure],
    is_on_core: bool,
) -> Finding {
    let disturbed = |share| Finding { verdict: Verdict::Inconclusive, because: Because::Disturbed { share } };
    // Waiting for a core hardly changes the time on it.
    let figures = before.iter().chain(after).filter(|_| !is_on_core);
    let shares = figures.filter_map(|figure| figure.disturbed_share);
    let most = shares.fold(Share::ZERO, |most, share| if share > most { share } else { most });
    if most.get() > MOST_DISTURBED {
        return disturbed(most);
    }
    let (before, after) = (busy_share(before), busy_share(after));
    let (less, more) = if before < after { (before, after) } else { (after, before) };
    match less.zip(more) {
        // No verdict: the cost of neighbours can hide a change as easily as imitate one.
        Some((less, more)) if more.get() - less.get() > DIFFERENTLY_DISTURBED => disturbed(more),
        _ => finding,
    }
}

/// The figures of a side in a test, or in all of a kind.
fn figures(side: &[Vec<RunFigure>], test: Option<usize>) -> impl Iterator<Item = &RunFigure> {
    side.iter().flat_map(move |run| match test {
        Some(i) => &run[i..=i],
        None => &run[..],
    })
}

/// The share of a side's repetitions that were disturbed; `None` if it is not known for every run.
fn busy_share(side: &[&RunFigure]) -> Option<Share> {
    let shares: Vec<f64> =
        side.iter().map(|figure| figure.busy_share.map(Share::get)).collect::<Option<_>>()?;
    Share::new(shares.iter().sum::<f64>() / shares.len().max(1) as f64)
}

fn bounds(line: &Line) -> Bounds<crate::units::Speedup> {
    let (lower, upper) = line.bounds();
    Bounds::between(speedup(lower), speedup(upper))
}

/// The smallest slowdown that this line detects in at least 95 of 100 cases.
fn detectable(line: &Line, weight: f64, rule: Rule) -> Option<Share> {
    let significant = line.quantile(rule.alpha.get() * weight) * line.error;
    // Beyond this quantile lies one case in forty. As many again are left for the error, which is an estimate too.
    let log = significant.max(rule.log_noise()) + line.quantile(0.05) * line.error;
    Share::new(log.exp_m1())
}

fn mean_calibration(side: &[Vec<RunFigure>], test: usize) -> std::time::Duration {
    let calibrations: Vec<f64> =
        side.iter().filter_map(|run| Some(run[test].adjusted?.log_calibration)).collect();
    let mean = calibrations.iter().sum::<f64>() / calibrations.len().max(1) as f64;
    <std::time::Duration as Quantity>::from_f64(mean.exp()).unwrap_or_default()
}
