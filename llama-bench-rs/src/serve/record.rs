//! What a repetition leaves: raw times of every request and every step. Percentiles and rates are computed from them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::nanoseconds;
use crate::record::Failure;

/// One pass over a workload, from an empty server to the last token.
///
/// All times count from its beginning. In files they are whole nanoseconds, with names that end in `_ns`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repetition {
    /// Requests that the workload holds; more than `requests` if the repetition was cut short.
    pub n_requests: u32,
    /// Every request that arrived, in order of arrival.
    pub requests: Vec<RequestRecord>,
    /// Every decode, in order.
    pub steps: Vec<StepRecord>,
    /// When the last decode was done, or the repetition was cut short.
    #[serde(rename = "wall_ns", with = "nanoseconds::one")]
    pub wall: Duration,
    /// Why it ended before its last request; `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<Failure>,
}

impl Repetition {
    /// The requests that got all of their tokens, in order of arrival.
    pub fn complete(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.iter().filter(|request| request.is_complete())
    }

    /// Tokens that users received, those of unfinished requests included.
    pub fn n_generated(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.n_generated())).sum()
    }

    /// Prompt tokens that were decoded; reused ones are not among them.
    pub fn n_prompt(&self) -> u64 {
        self.steps.iter().map(|step| u64::from(step.n_prompt)).sum()
    }
}

/// One request: what was asked for, and when what happened, counted from the beginning of the repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Its place in the workload, from 0. The request of a number is the same in every configuration and repetition of
    /// one seed.
    pub id: u32,
    /// Who asked, from 0; `None` in an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Tokens of its prompt, those of a shared prefix included.
    pub n_prompt: u32,
    /// Tokens that it asked for.
    pub n_gen: u32,
    /// When it was asked.
    #[serde(rename = "arrival_ns", with = "nanoseconds::one")]
    pub arrival: Duration,
    /// The slot that served it; `None` if none was free before the repetition was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// Prompt tokens that the slot still held of its last request and that were not decoded again.
    #[serde(default)]
    pub n_reused: u32,
    /// When the decode with its first prompt tokens was submitted.
    #[serde(
        default,
        rename = "start_ns",
        with = "nanoseconds::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub start: Option<Duration>,
    /// When its first token was there: the end of the decode with its last prompt tokens.
    #[serde(
        default,
        rename = "first_token_ns",
        with = "nanoseconds::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_token: Option<Duration>,
    /// The time from each token to the next: one less than the tokens that it received.
    #[serde(default, rename = "gaps_ns", with = "nanoseconds::many")]
    pub gaps: Vec<Duration>,
    /// When its last token was there; `None` if it did not get all of them.
    #[serde(
        default,
        rename = "end_ns",
        with = "nanoseconds::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub end: Option<Duration>,
    /// Why it did not get all of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl RequestRecord {
    /// Whether it received every token that it asked for.
    pub fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    /// Tokens that it received.
    pub fn n_generated(&self) -> u32 {
        let first = u32::from(self.first_token.is_some());
        first + u32::try_from(self.gaps.len()).unwrap_or(u32::MAX - 1)
    }

    /// From its arrival to the submission of its first prompt tokens.
    pub fn queueing(&self) -> Option<Duration> {
        Some(self.start?.saturating_sub(self.arrival))
    }

    /// Time to first token: from its arrival, queueing included.
    pub fn ttft(&self) -> Option<Duration> {
        Some(self.first_token?.saturating_sub(self.arrival))
    }

    /// From its arrival to its last token.
    pub fn total(&self) -> Option<Duration> {
        Some(self.end?.saturating_sub(self.arrival))
    }
}

/// One decode: what it held, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// When it was submitted, counted from the beginning of the repetition.
    #[serde(rename = "at_ns", with = "nanoseconds::one")]
    pub at: Duration,
    /// From submission to completion (synchronised).
    #[serde(rename = "elapsed_ns", with = "nanoseconds::one")]
    pub elapsed: Duration,
    /// Prompt tokens in it.
    pub n_prompt: u32,
    /// Generated tokens in it: one for each request that is past its prompt.
    pub n_gen: u32,
    /// Requests in a slot meanwhile.
    pub n_running: u32,
    /// Requests that had arrived and waited for a slot.
    pub n_waiting: u32,
}
