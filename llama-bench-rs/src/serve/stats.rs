//! Figures of a load: throughput, latencies and goodput, computed from its whole repetitions.

use std::time::Duration;

use super::{
    LoadRecord, Repetition, RequestRecord, Slo,
    stats_figure::{Figure, Unit},
};
use crate::{
    stats::{Quantity as _, quantile},
    units::{RequestsPerSecond, Share, TokensPerSecond},
};

/// The figures of one load. Repetitions that were cut short are in none of them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadFigures {
    /// Whole repetitions.
    pub n_reps: usize,
    /// Requests in them.
    pub n_requests: usize,
    /// Of these, those that did not get all of their tokens.
    pub n_failed: usize,
    /// Tokens that all users together received per second, over the wall time of a repetition.
    pub generation: Option<Figure<TokensPerSecond>>,
    /// Prompt tokens decoded per second, over the same time; reused ones do not count.
    pub prompt: Option<Figure<TokensPerSecond>>,
    /// Requests answered completely per second, over the same time.
    pub requests: Option<Figure<RequestsPerSecond>>,
    /// From the arrival of a request to its first prompt tokens being submitted.
    pub queueing: LatencyPercentiles,
    /// From its arrival to its first token, queueing included.
    pub ttft: LatencyPercentiles,
    /// From each token to the next, of all requests of a repetition together.
    pub itl: LatencyPercentiles,
    /// From its arrival to its last token.
    pub total: LatencyPercentiles,
    /// Tokens per decode: the mean over the decodes of a repetition.
    pub rows_per_step: Option<f64>,
    /// The share of the wall time in which a decode ran: the rest is waiting for requests and the scheduler.
    pub busy: Option<Figure<Share>>,
    /// What keeps the service level; `None` without one.
    pub goodput: Option<Goodput>,
}

/// What keeps the service level.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Goodput {
    /// Requests that keep it.
    pub n_kept: usize,
    /// The share of the requests that keep it.
    pub share: Option<Figure<Share>>,
    /// Requests per second that keep it.
    pub requests: Option<Figure<RequestsPerSecond>>,
}

/// Percentiles of a latency. A percentile is known if at least one observation is expected beyond it: the 99th from 100
/// observations on. With fewer it would be little more than the maximum, which grows with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LatencyPercentiles {
    /// Half of them took at most this.
    pub p50: Option<Figure<Duration>>,
    /// 90 % of them took at most this.
    pub p90: Option<Figure<Duration>>,
    /// 95 % of them took at most this.
    pub p95: Option<Figure<Duration>>,
    /// 99 % of them took at most this.
    pub p99: Option<Figure<Duration>>,
}

impl LoadRecord {
    /// The figures of the whole repetitions; with a service level, what keeps it too.
    pub fn figures(&self, slo: Option<&Slo>) -> LoadFigures {
        let served: Vec<&Repetition> = self.whole().map(|repetition| &repetition.served).collect();
        let n_requests = served.iter().map(|served| served.requests.len()).sum();
        let n_complete: usize = served.iter().map(|served| served.complete().count()).sum();
        LoadFigures {
            n_reps: served.len(),
            n_requests,
            n_failed: n_requests - n_complete,
            generation: per_second(&served, n_complete, |served| served.n_generated() as f64),
            prompt: per_second(&served, n_complete, |served| served.n_prompt() as f64),
            requests: per_second(&served, n_complete, |served| served.complete().count() as f64),
            queueing: LatencyPercentiles::of(&served, |request| request.queueing().into_iter().collect()),
            ttft: LatencyPercentiles::of(&served, |request| request.ttft().into_iter().collect()),
            itl: LatencyPercentiles::of(&served, |request| request.gaps.clone()),
            total: LatencyPercentiles::of(&served, |request| request.total().into_iter().collect()),
            rows_per_step: rows_per_step(&served),
            busy: per_second(&served, n_complete, |served| {
                served.steps.iter().map(|step| step.elapsed.as_secs_f64()).sum()
            }),
            goodput: slo.map(|slo| Goodput::of(&served, n_requests, slo)),
        }
    }
}

/// A sum over the wall time of each repetition.
fn per_second<T: Unit>(
    served: &[&Repetition],
    n: usize,
    sum: impl Fn(&Repetition) -> f64,
) -> Option<Figure<T>> {
    let rate = |served: &&Repetition| {
        let wall = served.wall.as_secs_f64();
        (wall > 0.0).then(|| sum(served) / wall)
    };
    Figure::mean_of(&served.iter().map(rate).collect::<Option<Vec<f64>>>()?, n)
}

fn rows_per_step(served: &[&Repetition]) -> Option<f64> {
    let steps = || served.iter().flat_map(|served| &served.steps);
    let n_rows: f64 = steps().map(|step| f64::from(step.n_prompt) + f64::from(step.n_gen)).sum();
    Some(n_rows / steps().count() as f64).filter(|mean| mean.is_finite())
}

impl Goodput {
    fn of(served: &[&Repetition], n_requests: usize, slo: &Slo) -> Self {
        let n_kept = |served: &Repetition| kept(served, slo).n_kept;
        let share = |served: &&Repetition| {
            let kept = kept(served, slo);
            (kept.n_requests > 0).then(|| f64::from(kept.n_kept) / f64::from(kept.n_requests))
        };
        let shares: Option<Vec<f64>> = served.iter().map(share).collect();
        let share = shares.and_then(|shares| Figure::<Share>::mean_of(&shares, n_requests));
        Self {
            n_kept: served.iter().map(|served| n_kept(served) as usize).sum(),
            // No more than all requests can keep it.
            share: share.map(|share| Figure { upper: share.upper.map(at_most_whole), ..share }),
            requests: per_second(served, n_requests, |served| f64::from(n_kept(served))),
        }
    }
}

fn at_most_whole(share: Share) -> Share {
    const WHOLE: Share = Share::percent(100);
    if share > WHOLE { WHOLE } else { share }
}

/// How many requests of a repetition keep the level.
pub(super) fn kept(served: &Repetition, slo: &Slo) -> super::slo_search::Kept {
    let n_kept = served.requests.iter().filter(|request| slo.is_kept_by(request)).count();
    super::slo_search::Kept { n_requests: served.requests.len() as u32, n_kept: n_kept as u32 }
}

impl LatencyPercentiles {
    /// Of what `times` takes from each request.
    pub(super) fn of(served: &[&Repetition], times: impl Fn(&RequestRecord) -> Vec<Duration>) -> Self {
        let sorted = |served: &&Repetition| {
            let mut times: Vec<f64> =
                served.requests.iter().flat_map(&times).map(|time| time.to_f64()).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let each: Vec<Vec<f64>> = served.iter().map(sorted).collect();
        let mut all = each.concat();
        all.sort_by(f64::total_cmp);
        let at = |percent: u32| {
            let per_repetition: Option<Vec<f64>> =
                each.iter().map(|times| percentile(times, percent)).collect();
            match per_repetition {
                Some(per_repetition) => Figure::mean_of(&per_repetition, all.len()),
                None => Figure::of_all(percentile(&all, percent)?, each.len(), all.len()),
            }
        };
        Self { p50: at(50), p90: at(90), p95: at(95), p99: at(99) }
    }

    /// With its percents, in ascending order.
    pub fn each(&self) -> [(u32, Option<Figure<Duration>>); 4] {
        [(50, self.p50), (90, self.p90), (95, self.p95), (99, self.p99)]
    }
}

/// A percentile of ascending values; `None` if less than one of them is expected beyond it.
pub(super) fn percentile(sorted: &[f64], percent: u32) -> Option<f64> {
    let n_beyond = sorted.len() * (100 - percent as usize);
    if n_beyond < 100 { None } else { quantile(sorted, f64::from(percent) / 100.0) }
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
