//! What serving leaves: every repetition of every load, with all requests. Figures are computed from them on each call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Arrivals, Capacity, Policy, Repetition, Search, Slo, Workload, nanoseconds};
use crate::record::{Difference, Disturbance, Failure, GpuConditions, Header, Resolved};

/// Everything served in one call: one [`ServeRun`] per configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServeReport {
    /// One entry per configuration, in the order given.
    pub runs: Vec<ServeRun>,
}

/// One configuration under its loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServeRun {
    /// How its maker calls it, to distinguish it in a report; may be empty.
    #[serde(default)]
    pub name: String,
    /// Build, machine, model and how contexts are made. [`Header::resolved`] is that of the latest context; each load has
    /// its own.
    pub header: Header,
    /// What was asked for.
    pub settings: ServeSettings,
    /// One entry per load: those asked for in their order, then those that a search tried.
    pub loads: Vec<LoadRecord>,
    /// The largest load that keeps the service level; `None` if it was not searched for, or not yet found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
}

/// What was asked for beyond model and context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServeSettings {
    /// How requests share the steps.
    pub policy: Policy,
    /// The requests. The n-th repetition of every load and configuration has those of
    /// [`workload_of`](Self::workload_of) n.
    pub workload: Workload,
    /// Repetitions of each load.
    pub n_reps: u32,
    /// Whether each context is warmed up before its repetition.
    pub warmup: bool,
    /// The service level that requests should keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// The search for the largest load that keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
}

/// One load and its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadRecord {
    /// How requests arrive.
    pub arrivals: Arrivals,
    /// Slots of its contexts: those of the policy, or one for each user if there are fewer.
    pub n_slots: u32,
    /// Tokens that each slot can hold.
    pub n_ctx_slot: u32,
    /// How llama.cpp resolved its contexts; `None` if none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// In the order served.
    #[serde(default)]
    pub repetitions: Vec<ServedRepetition>,
    /// Why it has no repetitions, or no more of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// One repetition in a context of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServedRepetition {
    /// Its number, from 0: repetitions of one number have the same requests in all configurations.
    pub rep: u32,
    /// When it began, in UTC (RFC 3339, whole seconds).
    #[serde(default)]
    pub started_at: String,
    /// Time that making its context took.
    #[serde(default, rename = "open_ns", with = "nanoseconds::maybe")]
    pub open: Option<Duration>,
    /// What other programs took from the computing threads; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<Disturbance>,
    /// The GPUs at its end; empty if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<GpuConditions>,
    /// The times of its requests and steps.
    pub served: Repetition,
}

impl ServeSettings {
    /// The requests of a repetition: its number is added to the seed. So an interval over repetitions includes that other
    /// users send other requests.
    pub fn workload_of(&self, rep: u32) -> Workload {
        let seed = self.workload.seed.wrapping_add(u64::from(rep));
        Workload { seed, ..self.workload.clone() }
    }

    /// Repetitions that a load has at most: a search may need more than were asked for.
    pub(super) fn n_reps_most(&self) -> u32 {
        let n_requests = self.workload.n_requests.max(1);
        let of_search = self.search.as_ref().map_or(0, |search| search.max_requests.div_ceil(n_requests));
        self.n_reps.max(of_search)
    }

    /// Whether repetitions of the same number and load have the same requests, served in the same way.
    pub fn same_work(&self, other: &Self) -> bool {
        self.workload == other.workload && self.policy == other.policy && self.warmup == other.warmup
    }
}

impl ServeRun {
    /// The load with these arrivals.
    pub fn load(&self, arrivals: &Arrivals) -> Option<&LoadRecord> {
        self.loads.iter().find(|load| load.arrivals == *arrivals)
    }

    /// What differs between two runs in build, machine, model or configuration: nothing if one can resume the other.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        self.header.differences(&other.header)
    }
}

impl LoadRecord {
    pub(super) fn new(arrivals: Arrivals, n_slots: u32, n_ctx_slot: u32) -> Self {
        Self { arrivals, n_slots, n_ctx_slot, resolved: None, repetitions: Vec::new(), failure: None }
    }

    /// The repetitions that served all of their requests: figures are of these.
    pub fn whole(&self) -> impl Iterator<Item = &ServedRepetition> {
        self.repetitions.iter().filter(|repetition| repetition.is_whole())
    }

    /// The whole repetition of this number.
    pub fn whole_rep(&self, rep: u32) -> Option<&ServedRepetition> {
        self.whole().find(|repetition| repetition.rep == rep)
    }
}

impl ServedRepetition {
    /// Whether it continued to its last request.
    pub fn is_whole(&self) -> bool {
        self.served.cut_short.is_none()
    }
}

impl ServeReport {
    /// Every load with the run that it belongs to.
    pub fn loads(&self) -> impl Iterator<Item = (&ServeRun, &LoadRecord)> {
        self.runs.iter().flat_map(|run| run.loads.iter().map(move |load| (run, load)))
    }

    /// Whether no load failed.
    pub fn is_complete(&self) -> bool {
        self.loads().all(|(_, load)| load.failure.is_none())
    }
}
