//! Whether two sides know the pace of the machine, and what their cells come to with it taken out.

use std::time::Duration;

use super::groups::Group;
use crate::{
    record::Test,
    stats::{CompareError, Comparison, PacedRun, Threshold},
};

/// What the comparison of a cell made of the machine's pace ([`Sample::pace`](crate::record::Sample::pace)).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// No run knows it: times are compared as measured.
    Unknown,
    /// Some runs know it and others do not, or not by the same control work: times are compared as measured.
    Mixed,
    /// Every run knows it: times over the pace are compared.
    Adjusted(Adjustment),
}

/// A comparison from which the machine's pace was taken out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adjustment {
    /// What the control work took in the baseline, geometric mean of the runs.
    pub before: Duration,
    /// What it took now.
    pub now: Duration,
    /// The change of the times as measured.
    pub as_measured: Comparison,
}

impl Adjustment {
    /// By how much the machine was slower now than in the baseline, as a factor: over 1 is slower. Neither side is zero.
    pub(super) fn slowdown(&self) -> f64 {
        self.now.as_secs_f64() / self.before.as_secs_f64()
    }
}

/// Compares a test by pace if every run of both sides has it.
pub(super) fn compare(
    before: &Group<'_>,
    now: &Group<'_>,
    test: Test,
    as_measured: Comparison,
    threshold: Threshold,
) -> Result<(Comparison, Pace), CompareError> {
    let known: Vec<Option<Known>> = [before, now].into_iter().flat_map(|group| runs(group, test)).collect();
    if known.iter().all(Option::is_none) {
        return Ok((as_measured, Pace::Unknown));
    }
    let versions: Vec<_> = known.iter().map(|known| known.map(|known| known.version)).collect();
    if versions.iter().any(|version| version.is_none() || *version != versions[0]) {
        return Ok((as_measured, Pace::Mixed));
    }
    let side = |group| -> Vec<PacedRun> { runs(group, test).flatten().map(|known| known.run).collect() };
    let (before, now) = (side(before), side(now));
    let comparison = Comparison::of_paced_runs(&before, &now, threshold)?;
    let (before, now) = (mean_pace(&before), mean_pace(&now));
    Ok((comparison, Pace::Adjusted(Adjustment { before, now, as_measured })))
}

/// A run that knows its pace, and by which control work.
#[derive(Clone, Copy)]
struct Known {
    version: u32,
    run: PacedRun,
}

/// Every run of the group that measured the test; `None` for one that does not know its pace.
fn runs<'a>(group: &'a Group<'_>, test: Test) -> impl Iterator<Item = Option<Known>> + 'a {
    group.runs.iter().filter_map(move |run| {
        let cell = run.cells.iter().find(|cell| cell.test == test).filter(|cell| cell.failure().is_none())?;
        Some(run.header.config.pace.zip(cell.paced_run()).map(|(version, run)| Known { version, run }))
    })
}

fn mean_pace(runs: &[PacedRun]) -> Duration {
    let logs = runs.iter().map(|run| run.pace().as_secs_f64().ln()).sum::<f64>();
    Duration::from_secs_f64((logs / runs.len().max(1) as f64).exp())
}
