//! Two configurations under the same loads.

use std::fmt;

use super::{
    Arrivals, LoadRecord, Repetition, RequestRecord, ServeError, ServeReport, ServeRun, stats::percentile,
};
use crate::{
    judge::{Pairs, Rule, ServedJudgement, Verdict, judge_served},
    stats::Quantity as _,
};

/// What is compared of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Tokens per second that all users together received.
    Throughput,
    /// Median time to first token.
    TtftP50,
    /// Time to first token that 99 % of the requests keep.
    TtftP99,
    /// Median inter-token time.
    ItlP50,
    /// Inter-token time that 99 % of the tokens keep.
    ItlP99,
}

/// Two runs compared, load by load.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServeComparison {
    /// Name of the first run.
    pub before: String,
    /// Name of the second run.
    pub after: String,
    /// Every load that both sides served, in the order of the first.
    pub loads: Vec<LoadComparison>,
    /// Loads without a pair of whole repetitions: one side lacks them or could not serve them.
    pub uncompared: Vec<Arrivals>,
    /// The rule that was applied.
    pub rule: Rule,
}

/// One load on both sides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadComparison {
    /// The load.
    pub arrivals: Arrivals,
    /// Repetitions with the same requests that both sides served whole.
    pub n_pairs: usize,
    /// Every metric.
    pub metrics: Vec<MetricComparison>,
}

/// One metric of one load.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricComparison {
    /// The metric.
    pub metric: Metric,
    /// What the difference is and whether it counts; `None` if it is not known because a repetition has too few requests
    /// for the percentile.
    pub judged: Option<ServedJudgement>,
}

impl Metric {
    /// Every metric, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Throughput, Self::TtftP50, Self::TtftP99, Self::ItlP50, Self::ItlP99];

    /// What one repetition took by this metric: a latency, or the time per token; `None` if it is not known.
    fn time_of(self, served: &Repetition) -> Option<f64> {
        let ttft = |request: &RequestRecord| request.ttft().into_iter().collect::<Vec<_>>();
        let itl = |request: &RequestRecord| request.gaps.clone();
        let at = |percent, times: &dyn Fn(&RequestRecord) -> Vec<std::time::Duration>| {
            let mut sorted: Vec<f64> =
                served.requests.iter().flat_map(times).map(|time| time.to_f64()).collect();
            sorted.sort_by(f64::total_cmp);
            percentile(&sorted, percent)
        };
        match self {
            Self::Throughput => Some(served.wall.to_f64() / served.n_generated() as f64),
            Self::TtftP50 => at(50, &ttft),
            Self::TtftP99 => at(99, &ttft),
            Self::ItlP50 => at(50, &itl),
            Self::ItlP99 => at(99, &itl),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Throughput => "throughput",
            Self::TtftP50 => "TTFT p50",
            Self::TtftP99 => "TTFT p99",
            Self::ItlP50 => "ITL p50",
            Self::ItlP99 => "ITL p99",
        })
    }
}

impl LoadComparison {
    /// The verdict on a metric; `None` if the metric is not known.
    pub fn verdict(&self, metric: Metric) -> Option<Verdict> {
        let found = self.metrics.iter().find(|of| of.metric == metric)?;
        Some(found.judged?.finding.verdict)
    }
}

impl ServeComparison {
    /// Whether any metric surely became slower, or faster.
    pub fn has(&self, verdict: Verdict) -> bool {
        let metrics = self.loads.iter().flat_map(|load| &load.metrics);
        metrics.filter_map(|metric| metric.judged).any(|judged| judged.finding.verdict == verdict)
    }
}

/// Compares two runs that served the same requests: the n-th repetition of one and the n-th of the other are a pair. Each
/// metric of each load has a verdict, corrected for the number of all. Serve both with [`interleave`](super::interleave),
/// or the machine's drift between them looks like a difference.
///
/// ```
/// use llama_bench_rs::{judge::Rule, serve::{self, Metric, ServeRun}};
///
/// fn print(before: &ServeRun, after: &ServeRun) -> Result<(), serve::ServeError> {
///     for load in serve::compare(before, after, Rule::default())?.loads {
///         println!("{}: {:?}", load.arrivals, load.verdict(Metric::TtftP99));
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// The runs did not serve the same requests, or have no load in common.
pub fn compare(before: &ServeRun, after: &ServeRun, rule: Rule) -> Result<ServeComparison, ServeError> {
    // Policies may differ: that is a comparison worth making.
    if before.settings.workload != after.settings.workload {
        return Err(ServeError::OtherWork { what: "the workload or its seed" });
    }
    let common: Vec<(&LoadRecord, &LoadRecord)> =
        before.loads.iter().filter_map(|load| Some((load, after.load(&load.arrivals)?))).collect();
    let pairs: Vec<(Arrivals, Vec<(&Repetition, &Repetition)>)> =
        common.iter().map(|(a, b)| (a.arrivals.clone(), repetitions(a, b))).collect();
    let served = |arrivals: &Arrivals| pairs.iter().any(|(of, pairs)| of == arrivals && !pairs.is_empty());
    let mut uncompared = Vec::new();
    for load in before.loads.iter().chain(&after.loads) {
        if !served(&load.arrivals) && !uncompared.contains(&load.arrivals) {
            uncompared.push(load.arrivals.clone());
        }
    }
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, pairs)| !pairs.is_empty()).collect();
    if pairs.is_empty() {
        return Err(ServeError::NothingInCommon);
    }
    let metrics: Vec<Pairs> =
        pairs.iter().flat_map(|(_, pairs)| Metric::ALL.map(|metric| times(metric, pairs))).collect();
    let mut judged = judge_served(&metrics, rule).into_iter();
    let loads = pairs
        .into_iter()
        .map(|(arrivals, pairs)| LoadComparison {
            arrivals,
            n_pairs: pairs.len(),
            metrics: Metric::ALL
                .into_iter()
                .map(|metric| MetricComparison { metric, judged: judged.next().flatten() })
                .collect(),
        })
        .collect();
    Ok(ServeComparison { before: before.name.clone(), after: after.name.clone(), loads, uncompared, rule })
}

/// Compares the runs of two reports: those of one name each, or the only ones.
///
/// # Errors
/// As [`compare`], or no run of one report has a run of the same name in the other.
pub fn compare_reports(
    before: &ServeReport,
    after: &ServeReport,
    rule: Rule,
) -> Result<Vec<ServeComparison>, ServeError> {
    if let ([before], [after]) = (&before.runs[..], &after.runs[..]) {
        return Ok(vec![compare(before, after, rule)?]);
    }
    let same = |run: &ServeRun| after.runs.iter().find(|other| other.name == run.name);
    let pairs: Vec<_> = before.runs.iter().filter_map(|run| Some((run, same(run)?))).collect();
    if pairs.is_empty() {
        return Err(ServeError::NothingInCommon);
    }
    pairs.into_iter().map(|(before, after)| compare(before, after, rule)).collect()
}

/// The whole repetitions of the same number.
fn repetitions<'a>(before: &'a LoadRecord, after: &'a LoadRecord) -> Vec<(&'a Repetition, &'a Repetition)> {
    before.whole().filter_map(|a| Some((&a.served, &after.whole_rep(a.rep)?.served))).collect()
}

/// The metric in each pair; none if it is not known in one of them.
fn times(metric: Metric, pairs: &[(&Repetition, &Repetition)]) -> Pairs {
    let each: Option<Vec<(f64, f64)>> =
        pairs.iter().map(|(a, b)| Some((metric.time_of(a)?, metric.time_of(b)?))).collect();
    let (before, after) = each.unwrap_or_default().into_iter().unzip();
    Pairs { before, after }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
