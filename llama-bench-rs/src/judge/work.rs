use std::fmt;

use super::baseline::Key;
use crate::record::{
    Report,
    work::{WorkChange, changes},
};

/// What llama.cpp computes costs more than in the baseline, whatever the clock says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostWork {
    /// Every change, those that cost speed first: [`WorkChange::is_loss`].
    pub changes: Vec<WorkChange>,
}

impl std::error::Error for LostWork {}

crate::error::debug_like_display!(LostWork);

impl fmt::Display for LostWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "llama.cpp computes what was measured in another way, which costs speed:")?;
        for change in &self.changes {
            let mark = if change.is_loss() { "lost" } else { "also" };
            write!(f, "\n  {mark}: {change}")?;
        }
        write!(f, "\nfind out what turned it off, or renew the baseline if that is wanted")
    }
}

/// Compares what llama.cpp computes for a report with a baseline: a [`Baseline`](super::baseline::Baseline) or another
/// report. No time is involved. Each run is compared with the latest one of the baseline that has the same machine, model
/// and configuration; runs whose work is not known have no changes. Returns the changes that cost nothing by themselves.
///
/// # Errors
/// An operation left a device for the CPU, or flash attention or repacked weights are gone.
pub fn check_work(baseline: &impl AsRef<Report>, report: &Report) -> Result<Vec<WorkChange>, LostWork> {
    let before: Vec<_> =
        baseline.as_ref().runs.iter().map(|run| (Key::of(&run.header), &run.header)).collect();
    let mut found: Vec<WorkChange> = Vec::new();
    for run in &report.runs {
        let key = Key::of(&run.header);
        let is_same = |other: &Key| other.differences(&key).is_empty();
        let known = before.iter().rfind(|(other, header)| is_same(other) && !header.work.is_empty());
        let Some((_, latest)) = known else { continue };
        for change in changes(latest, &run.header) {
            if !found.contains(&change) {
                found.push(change);
            }
        }
    }
    found.sort_by_key(|change| !change.is_loss());
    if found.iter().any(WorkChange::is_loss) { Err(LostWork { changes: found }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        Config, Header, Run, Work,
        work::{Nodes, WorkKind},
    };

    fn run(device: &str, n_splits: u32) -> Run {
        let nodes = Nodes {
            op: "MUL_MAT".into(),
            data_type: "q4_K".into(),
            device: device.into(),
            weights: Some(device.into()),
            n: 24,
        };
        let work = Work {
            kind: WorkKind::Prompt,
            n_tokens: 64,
            n_splits,
            nodes: vec![nodes],
            copies: Vec::new(),
            results: Vec::new(),
            strays: Vec::new(),
        };
        let config = Config { n_ubatch: Some(64), ..Config::default() };
        let header = Header { work: vec![work], config, ..Header::default() };
        Run { header, cells: Vec::new(), curve: Vec::new() }
    }

    fn report(runs: &[Run]) -> Report {
        Report { runs: runs.to_vec() }
    }

    #[test]
    fn losses_fail_and_other_changes_are_returned() {
        let on_gpu = report(&[run("CUDA0", 1)]);
        assert_eq!(check_work(&on_gpu, &on_gpu), Ok(Vec::new()));
        let error = check_work(&on_gpu, &report(&[run("CPU", 3)])).unwrap_err().to_string();
        assert!(error.contains("lost: 24 MUL_MAT moved from CUDA0 to the CPU"), "{error}");
        assert!(error.contains("also: the graph is split into 3 parts and was into 1"), "{error}");
        let others = check_work(&report(&[run("CPU", 1)]), &on_gpu).unwrap();
        assert_eq!(others[0].to_string(), "24 MUL_MAT moved from the CPU to CUDA0");
    }

    #[test]
    fn the_latest_run_of_the_same_configuration_counts() {
        let mut other = run("CUDA0", 1);
        other.header.config.n_ubatch = Some(7);
        let mut unknown = run("CPU", 1);
        unknown.header.work.clear();
        let baseline = report(&[run("CUDA0", 1), run("CPU", 1), other, unknown]);
        assert_eq!(check_work(&baseline, &report(&[run("CPU", 1)])), Ok(Vec::new()));
        assert_eq!(check_work(&report(&[]), &report(&[run("CPU", 1)])), Ok(Vec::new()));
    }
}
