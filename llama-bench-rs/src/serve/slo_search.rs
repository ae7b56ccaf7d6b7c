//! The search for the largest load that keeps a service level: growth by doubling, then bisection. Pure arithmetic.

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

use super::{Arrivals, Slo};
use crate::{stats::Confidence, units::Share};

/// How to search for the largest number of users, or rate of arrivals, that keeps the service level.
///
/// A load is tried with repetition after repetition. It keeps the level if surely at least [`share`](Self::share) of its
/// requests do, and breaks it if surely fewer do (one-sided binomial tests). Requests of one repetition share its luck, so
/// their number counts less if repetitions differ by more than chance (the design effect of cluster samples). The search
/// doubles the load up to the first that does not keep the level, then halves the gap.
///
/// The certainty is that of the whole answer: the i-th test of a search may err in 1/(i(i+1)) of what is allowed, which
/// adds up to less than all of it. At 99 % and 95 % certain, a load needs 368 requests or more, all of them kept, to keep
/// the level; at 90 %, 36.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Search {
    /// The first load tried; the others differ from it in the number of users or in the rate alone.
    pub from: Arrivals,
    /// The largest number of users or rate tried.
    pub most: f64,
    /// The share of requests that has to keep the level.
    pub share: Share,
    /// How sure the answer has to be.
    pub certainty: Confidence,
    /// Most requests to try one load with, of all its repetitions together.
    pub max_requests: u32,
    /// Rates that lie closer together than by this share are not distinguished.
    pub resolution: Share,
}

/// Users that a search tries at most by default: as many sequences as llama.cpp can hold apart.
const MOST_USERS: f64 = 256.0;

/// More requests for one load are a typing error.
const MOST_REQUESTS: u32 = 1_000_000;

/// How often a rate is doubled or halved at most by default.
const MOST_DOUBLINGS: i32 = 10;

/// Repetitions before a load is judged: one alone may have met something else on the machine.
const MIN_REPS: usize = 2;

impl Search {
    /// Begins with this load: 99 % of the requests have to keep the level, 95 % certain.
    pub fn new(from: Arrivals) -> Self {
        let most = match &from {
            Arrivals::Closed { users, .. } => MOST_USERS.max(f64::from(*users)),
            Arrivals::Open { rate } => rate * f64::from(1 << MOST_DOUBLINGS),
        };
        Self {
            from,
            most,
            share: Share::percent(99),
            certainty: Confidence::P95,
            max_requests: 2000,
            resolution: Share::percent(10),
        }
    }

    /// Sets the largest number of users or rate.
    #[must_use]
    pub fn most(self, most: f64) -> Self {
        Self { most, ..self }
    }

    /// Sets the share of requests that has to keep the level.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Sets how sure the answer has to be.
    #[must_use]
    pub fn certainty(self, certainty: Confidence) -> Self {
        Self { certainty, ..self }
    }

    /// Sets the most requests to try one load with.
    #[must_use]
    pub fn max_requests(self, max_requests: u32) -> Self {
        Self { max_requests, ..self }
    }

    /// Why this search cannot be run, if it cannot: the value, and what to do.
    pub(super) fn refusal(&self) -> Option<(&'static str, String, &'static str)> {
        let share = self.share.get();
        if !(share > 0.0 && share < 1.0) {
            let remedy = "a share of all requests is never certain: give one between 0 and 1, such as 0.99";
            return Some(("share", share.to_string(), remedy));
        }
        let first = size(&self.from);
        if !(first > 0.0 && first.is_finite()) {
            return Some(("search", first.to_string(), "begin with 1 user or a rate over 0"));
        }
        if !(self.most >= first && self.most.is_finite()) {
            return Some(("most", self.most.to_string(), "it is below the first load: give a larger one"));
        }
        if self.resolution.get() <= 0.0 {
            return Some((
                "resolution",
                self.resolution.get().to_string(),
                "give a share over 0, such as 0.1 for 10 %",
            ));
        }
        if !(1..=MOST_REQUESTS).contains(&self.max_requests) {
            return Some(("max_requests", self.max_requests.to_string(), "give 1 to 1000000"));
        }
        None
    }
}

/// The answer of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capacity {
    /// The level.
    pub slo: Slo,
    /// How it was searched for.
    pub search: Search,
    /// The largest load that surely keeps the level; `None` if none was found.
    pub keeps: Option<Arrivals>,
    /// The smallest load that surely breaks it; `None` if none was found.
    pub breaks: Option<Arrivals>,
    /// Every load that was tried, in order.
    pub tries: Vec<Try>,
    /// Why the search ended.
    pub ended: Ended,
}

/// A load that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Try {
    /// The load.
    pub arrivals: Arrivals,
    /// Requests of all its repetitions.
    pub n_requests: u32,
    /// Of these, those that kept the level.
    pub n_kept: u32,
    /// What they show.
    pub verdict: TryVerdict,
}

/// What the requests of a load show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TryVerdict {
    /// Surely enough of them keep the level.
    Keeps,
    /// Surely too few do.
    Breaks,
    /// Either is possible, with as many requests as were allowed.
    Unsure,
    /// The load could not be served; its [`LoadRecord`](super::LoadRecord) has the reason.
    Failed,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// The next larger load does not keep the level.
    Found,
    /// The largest load allowed keeps it.
    AtMost,
    /// Even the smallest load does not keep it.
    NeverKept,
    /// It was interrupted.
    Interrupted,
}

/// The requests of one repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) n_requests: u32,
    pub(super) n_kept: u32,
}

/// What a search does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    Try(Arrivals),
    End(Ended),
}

/// A search under way.
#[derive(Clone, Debug)]
pub(super) struct Searching {
    slo: Slo,
    search: Search,
    tries: Vec<Try>,
    /// Tests so far, of all loads.
    n_tests: Tests,
    /// Looks at the load being tried that were due.
    n_looks: u32,
    /// Whether it was looked at before that.
    looked_early: bool,
}

/// How often each question was asked. A wrong yes to either has its own budget.
#[derive(Clone, Copy, Debug, Default)]
struct Tests {
    keeps: u32,
    breaks: u32,
}

/// The chance of an error that the next test of a question may have; counts the test.
fn next_alpha(search: &Search, n_tests: &mut u32) -> f64 {
    *n_tests += 1;
    let i = f64::from(*n_tests);
    (1.0 - search.certainty.get()) / (i * (i + 1.0))
}

impl Searching {
    pub(super) fn new(slo: Slo, search: Search) -> Self {
        Self { slo, search, tries: Vec::new(), n_tests: Tests::default(), n_looks: 0, looked_early: false }
    }

    /// The next load.
    pub(super) fn next(&self) -> Next {
        let (low, high) = (self.largest_kept(), self.smallest_not_kept());
        let first = size(&self.search.from);
        let is_open = matches!(self.search.from, Arrivals::Open { .. });
        let next = match (low, high) {
            (None, None) => first,
            (Some(low), None) if low >= self.search.most => return Next::End(Ended::AtMost),
            (Some(low), None) => (2.0 * low).min(self.search.most),
            (None, Some(high)) if is_open && high > first / f64::from(1 << MOST_DOUBLINGS) => high / 2.0,
            (None, Some(high)) if !is_open && high > 1.0 => (high / 2.0).floor(),
            (None, Some(_)) => return Next::End(Ended::NeverKept),
            (Some(low), Some(high)) if is_open => {
                if high <= low * (1.0 + self.search.resolution.get()) {
                    return Next::End(Ended::Found);
                }
                (low * high).sqrt()
            }
            (Some(low), Some(high)) => {
                if high - low <= 1.0 {
                    return Next::End(Ended::Found);
                }
                f64::midpoint(low, high).floor()
            }
        };
        Next::Try(with_size(&self.search.from, next))
    }

    /// What the repetitions of a load show so far; `None` if more are needed. Called after each of them.
    pub(super) fn look(&mut self, repetitions: &[Kept]) -> Option<TryVerdict> {
        if repetitions.len() < MIN_REPS {
            return None;
        }
        let (sample, share) = (Sample::of(repetitions), self.search.share.get());
        let n: u32 = repetitions.iter().map(|repetition| repetition.n_requests).sum();
        let is_last = n >= self.search.max_requests;
        // Looked at once there are the requests that could be enough, and again with twice as many, and so on.
        let due = self.n_needed().saturating_mul(1u32.checked_shl(self.n_looks).unwrap_or(u32::MAX));
        if n < due && !is_last {
            // A load that is far beyond the largest one shows it at once.
            let breaks = !std::mem::replace(&mut self.looked_early, true)
                && sample.chance_of_as_few(share) <= next_alpha(&self.search, &mut self.n_tests.breaks);
            return breaks.then_some(TryVerdict::Breaks);
        }
        self.n_looks += 1;
        if sample.chance_of_as_many(share) <= next_alpha(&self.search, &mut self.n_tests.keeps) {
            Some(TryVerdict::Keeps)
        } else if sample.chance_of_as_few(share) <= next_alpha(&self.search, &mut self.n_tests.breaks) {
            Some(TryVerdict::Breaks)
        } else {
            is_last.then_some(TryVerdict::Unsure)
        }
    }

    /// Takes note of the outcome of a load.
    pub(super) fn tried(&mut self, arrivals: Arrivals, repetitions: &[Kept], verdict: TryVerdict) -> &Try {
        let n_requests = repetitions.iter().map(|repetition| repetition.n_requests).sum();
        let n_kept = repetitions.iter().map(|repetition| repetition.n_kept).sum();
        (self.n_looks, self.looked_early) = (0, false);
        let place = self.tries.len();
        self.tries.push(Try { arrivals, n_requests, n_kept, verdict });
        &self.tries[place]
    }

    /// The answer so far.
    pub(super) fn capacity(&self, ended: Ended) -> Capacity {
        let of = |size: f64| with_size(&self.search.from, size);
        let broken = self.with(|verdict| verdict == TryVerdict::Breaks).fold(None, smaller);
        Capacity {
            slo: self.slo,
            search: self.search.clone(),
            keeps: self.largest_kept().map(of),
            breaks: broken.map(of),
            tries: self.tries.clone(),
            ended,
        }
    }

    /// The requests with which the next test can find that a load keeps the level: all of them do.
    fn n_needed(&self) -> u32 {
        let alpha = next_alpha(&self.search, &mut { self.n_tests.keeps });
        (alpha.ln() / self.search.share.get().ln()).ceil().min(f64::from(u32::MAX)) as u32
    }

    fn with(&self, is: impl Fn(TryVerdict) -> bool) -> impl Iterator<Item = f64> {
        self.tries.iter().filter(move |of| is(of.verdict)).map(|of| size(&of.arrivals))
    }

    fn largest_kept(&self) -> Option<f64> {
        self.with(|verdict| verdict == TryVerdict::Keeps).fold(None, |a, b| Some(a.map_or(b, |a| b.max(a))))
    }

    fn smallest_not_kept(&self) -> Option<f64> {
        self.with(|verdict| verdict != TryVerdict::Keeps).fold(None, smaller)
    }
}

fn smaller(a: Option<f64>, b: f64) -> Option<f64> {
    Some(a.map_or(b, |a| b.min(a)))
}

/// The number of users or the rate.
fn size(arrivals: &Arrivals) -> f64 {
    match arrivals {
        Arrivals::Closed { users, .. } => f64::from(*users),
        Arrivals::Open { rate } => *rate,
    }
}

/// The same arrivals with another number of users or rate.
fn with_size(arrivals: &Arrivals, size: f64) -> Arrivals {
    match arrivals {
        Arrivals::Closed { think, .. } => Arrivals::Closed { users: size as u32, think: think.clone() },
        Arrivals::Open { .. } => Arrivals::Open { rate: size },
    }
}

/// Requests and those that keep the level, as independent ones would count.
#[derive(Clone, Copy, Debug)]
struct Sample {
    n: f64,
    n_kept: f64,
}

impl Sample {
    fn of(repetitions: &[Kept]) -> Self {
        let sum = |pick: fn(&Kept) -> u32| repetitions.iter().map(|r| f64::from(pick(r))).sum::<f64>();
        let (n, n_kept) = (sum(|r| r.n_requests), sum(|r| r.n_kept));
        let (share, n_reps) = (n_kept / n, repetitions.len() as f64);
        let apart = |r: &Kept| (f64::from(r.n_kept) - share * f64::from(r.n_requests)).powi(2);
        let between = n_reps / (n_reps - 1.0) * repetitions.iter().map(apart).sum::<f64>() / n.powi(2);
        // How many times as far the share may be off as one of independent requests; undefined if all or none keep it.
        let effect = between / (share * (1.0 - share) / n);
        let effect = if effect.is_finite() { effect.max(1.0) } else { 1.0 };
        Self { n: n / effect, n_kept: n_kept / effect }
    }

    /// The chance that at least as many keep the level if only this share of all requests does.
    fn chance_of_as_many(self, share: f64) -> f64 {
        if self.n_kept <= 0.0 { 1.0 } else { beta_reg(self.n_kept, self.n - self.n_kept + 1.0, share) }
    }

    /// The chance that at most as many keep the level if this share of all requests does.
    fn chance_of_as_few(self, share: f64) -> f64 {
        let n_broken = self.n - self.n_kept;
        if n_broken <= 0.0 { 1.0 } else { beta_reg(n_broken, self.n_kept + 1.0, 1.0 - share) }
    }
}

#[cfg(test)]
#[path = "slo_search_tests.rs"]
mod tests;
