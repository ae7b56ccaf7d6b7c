//! A cell while it is being measured.

use std::time::Duration;

use crate::{
    record::{Cell, Failure, FailureKind, GpuConditions, Measured, Outcome, Rewind, Sample, Test, Warmup},
    stats::{Stop, StoppingRule},
};

/// What is known of a cell so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) started_at: Option<String>,
    pub(super) samples: Vec<Sample>,
    /// Disturbed repetitions that are repeated.
    pub(super) set_aside: Vec<Sample>,
    pub(super) live: Option<Sample>,
    pub(super) rewind: Option<Rewind>,
    pub(super) failure: Option<Failure>,
    pub(super) conditions: Vec<GpuConditions>,
    /// Spent on its repetitions, the way back to the depth included.
    pub(super) spent: Duration,
    /// Why it needs no more repetitions than it has, if a rule decided that.
    pub(super) stop: Option<Stop>,
    /// The observer knows its outcome.
    pub(super) reported: bool,
}

impl Progress {
    /// Takes over what an earlier run measured; its failure is tried again.
    pub(super) fn taken_up(cell: &Cell) -> Self {
        let Some(Measured { samples, set_aside, live, rewind, conditions, .. }) = cell.measured() else {
            return Self::default();
        };
        Self {
            started_at: Some(cell.started_at.clone()),
            samples: samples.clone(),
            set_aside: set_aside.clone(),
            live: live.clone(),
            rewind: *rewind,
            conditions: conditions.clone(),
            spent: samples.iter().chain(set_aside).map(|sample| sample.elapsed).sum(),
            ..Self::default()
        }
    }

    /// What the rule says of the repetitions so far.
    pub(super) fn decide(&self, rule: &StoppingRule) -> Option<Stop> {
        let times: Vec<Duration> = self.samples.iter().map(|sample| sample.elapsed).collect();
        rule.decide(&times, self.spent)
    }

    /// Whether it has all the repetitions that it needs.
    pub(super) fn is_done(&self, n_reps_max: u32) -> bool {
        self.stop.is_some() || self.samples.len() >= n_reps_max as usize
    }

    /// The cell as it stands.
    pub(super) fn cell(&self, test: Test, warmup: Warmup, run_started_at: &str) -> Cell {
        // A sweep that was stopped keeps what it measured; a cell that failed is not to be trusted in part.
        let stopped = self.failure.as_ref().is_some_and(|f| f.kind == FailureKind::Cancelled);
        let outcome = match &self.failure {
            Some(failure) if !stopped => Outcome::Failed(failure.clone()),
            Some(failure) if self.samples.is_empty() => Outcome::Failed(Failure {
                message: "interrupted before its first repetition".into(),
                ..failure.clone()
            }),
            _ => Outcome::Measured(Measured {
                samples: self.samples.clone(),
                set_aside: self.set_aside.clone(),
                live: self.live.clone(),
                rewind: Some(self.rewind.unwrap_or(Rewind::Clear)),
                warmup: Some(warmup),
                stop: self.stop,
                conditions: self.conditions.clone(),
            }),
        };
        let started_at = self.started_at.clone().unwrap_or_else(|| run_started_at.to_owned());
        Cell { test, started_at, outcome }
    }
}
