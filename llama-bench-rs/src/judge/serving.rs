//! Verdicts on served loads: one line for each metric of each load, from repetitions in contexts of their own.

use super::{
    Because, Bounds, Finding, Rule, Verdict, assumed,
    lines::Line,
    verdict::{Said, speedup},
};
use crate::{
    stats::holm,
    units::{Probability, Speedup},
};

/// A metric of one load on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServedJudgement {
    /// The speed of the second side over that of the first, that of a latency too: over 1 is faster.
    pub speedup: Speedup,
    /// Its 95 % interval over the repetitions; `None` with one on each side.
    pub bounds: Option<Bounds<Speedup>>,
    /// How often equal sides differ at least as much, corrected for the number of lines; `None` with one repetition on
    /// each side.
    pub p_value: Option<Probability>,
    /// The verdict and what it rests on.
    pub finding: Finding,
}

/// The times of a metric in repetitions with the same requests: the n-th of one side and the n-th of the other are a pair.
pub(crate) struct Pairs {
    pub(crate) before: Vec<f64>,
    pub(crate) after: Vec<f64>,
}

/// One judgement for each metric, `None` if it has no pair or a time is not over zero. P values are corrected for the lines
/// of all.
///
/// Each repetition has a context of its own, so their spread includes where memory happened to lie. A percentile varies
/// more than a mean and by an amount that no assumption covers: the interval is Student's t of the differences alone. Only
/// repetitions that lie closer together than contexts are known to do are treated as lucky ([`assumed::OWN`]).
pub(crate) fn judge_served(metrics: &[Pairs], rule: Rule) -> Vec<Option<ServedJudgement>> {
    let lines: Vec<Option<(f64, Option<Line>)>> = metrics.iter().map(line).collect();
    let tested: Vec<Line> = lines.iter().flatten().filter_map(|(_, line)| *line).collect();
    let p_values: Vec<Probability> = tested
        .iter()
        .map(|line| Probability::new(line.p_value()).unwrap_or(Probability::percent(100)))
        .collect();
    let mut corrected = holm(&p_values).into_iter();
    let mut judge = |(log, line): (f64, Option<Line>)| {
        let Some((line, p_value)) = line.and_then(|line| Some((line, corrected.next()?))) else {
            let finding = Finding { verdict: Verdict::CannotTell, because: Because::OneRepetitionEach };
            return ServedJudgement { speedup: speedup(log), bounds: None, p_value: None, finding };
        };
        let (lower, upper) = line.bounds();
        ServedJudgement {
            speedup: speedup(log),
            bounds: Some(Bounds::between(speedup(lower), speedup(upper))),
            p_value: Some(p_value),
            finding: Said::of_line(line, p_value.get(), rule).alone(),
        }
    };
    lines.into_iter().map(|line| line.map(&mut judge)).collect()
}

/// The mean difference of the logarithms, and its line with two pairs or more.
fn line(Pairs { before, after }: &Pairs) -> Option<(f64, Option<Line>)> {
    let differences: Vec<f64> = before.iter().zip(after).map(|(a, b)| a.ln() - b.ln()).collect();
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let n = differences.len() as f64;
    let log = differences.iter().sum::<f64>() / n;
    if differences.len() < 2 {
        return Some((log, None));
    }
    let squares: f64 = differences.iter().map(|difference| (difference - log).powi(2)).sum();
    let variance = (squares / (n - 1.0)).max(2.0 * assumed::OWN.powi(2));
    Some((log, Some(Line { log, error: (variance / n).sqrt(), degrees_of_freedom: n - 1.0 })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Rng;

    fn judged(pairs: &[(&[f64], &[f64])]) -> Vec<Option<ServedJudgement>> {
        let metrics: Vec<Pairs> = pairs
            .iter()
            .map(|(before, after)| Pairs { before: before.to_vec(), after: after.to_vec() })
            .collect();
        judge_served(&metrics, Rule::default())
    }

    #[test]
    fn pairs_show_a_change_that_their_common_swings_would_hide() {
        // Requests differ from repetition to repetition by half, the sides by a tenth.
        let before = [1.0, 1.5, 0.8, 1.2, 1.4];
        let after = before.map(|time| time * 1.1);
        let slower = judged(&[(&before, &after)])[0].unwrap();
        assert_eq!(slower.finding, Finding { verdict: Verdict::Regressed, because: Because::Own });
        assert!((slower.speedup.get() - 1.0 / 1.1).abs() < 1e-12);
        let bounds = slower.bounds.unwrap();
        assert!(bounds.contains(slower.speedup) && bounds.upper().get() < 0.92, "{bounds:?}");
        let faster = judged(&[(&after, &before)])[0].unwrap();
        assert_eq!(faster.finding.verdict, Verdict::Improved);
        let same = judged(&[(&before, &before)])[0].unwrap();
        assert_eq!(same.finding.verdict, Verdict::NoChange);
        assert_eq!(same.speedup, Speedup::ONE);
    }

    #[test]
    fn what_cannot_be_told_is_not_called_equal() {
        let noisy = judged(&[(&[1.0, 1.0, 1.0], &[1.5, 0.7, 1.1])])[0].unwrap();
        assert_eq!(noisy.finding.verdict, Verdict::CannotTell);
        let one = judged(&[(&[1.0], &[2.0])])[0].unwrap();
        assert_eq!((one.bounds, one.p_value), (None, None));
        assert_eq!(one.finding.to_string(), "one repetition each: cannot tell");
        assert_eq!(judged(&[(&[], &[]), (&[0.0, 1.0], &[1.0, 1.0])]), [None, None]);
    }

    #[test]
    fn repetitions_that_agree_by_luck_are_not_sure() {
        // Both pairs differ by 1.2 %, to the last digit: contexts lie further apart than that shows.
        let lucky = judged(&[(&[1.0, 1.0], &[1.012, 1.012])])[0].unwrap();
        assert_eq!(lucky.finding.verdict, Verdict::CannotTell);
    }

    #[test]
    fn many_equal_metrics_seldom_raise_an_alarm() {
        let mut rng = Rng::new(7);
        let n_alarms = (0..400)
            .filter(|_| {
                let mut noisy = |n: usize| (0..n).map(|_| (0.1 * rng.normal()).exp()).collect::<Vec<f64>>();
                let metrics: Vec<Pairs> =
                    (0..10).map(|_| Pairs { before: noisy(4), after: noisy(4) }).collect();
                let is_change = |judged: &ServedJudgement| {
                    matches!(judged.finding.verdict, Verdict::Improved | Verdict::Regressed)
                };
                judge_served(&metrics, Rule::default()).iter().flatten().any(is_change)
            })
            .count();
        // 5 % of 400 are 20; five standard deviations more are 42.
        assert!(n_alarms <= 42, "{n_alarms}");
    }
}
