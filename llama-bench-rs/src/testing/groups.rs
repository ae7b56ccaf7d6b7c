//! A report by configuration.

use std::time::Duration;

use crate::{
    baseline::Key,
    record::{Build, Cell, Outcome, Report, Run, Test},
    stats::Samples,
};

/// The runs of one machine, model and configuration.
pub(super) struct Group<'a> {
    pub(super) key: Key,
    pub(super) runs: Vec<&'a Run>,
}

impl<'a> Group<'a> {
    /// The runs of a report by what they are of, in the order measured.
    pub(super) fn all(report: &'a Report) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for run in &report.runs {
            let key = Key::of(&run.header);
            match groups.iter_mut().find(|group| group.key == key) {
                Some(group) => group.runs.push(run),
                None => groups.push(Self { key, runs: vec![run] }),
            }
        }
        groups
    }

    /// Whether these are failed runs of models that were not loaded.
    pub(super) fn is_of_unknown_model(&self) -> bool {
        self.key.model.is_empty() && self.runs.iter().all(|run| !run.has_figures())
    }

    /// Every test of the runs once, in the order planned.
    pub(super) fn tests(&self) -> Vec<Test> {
        let mut tests = Vec::new();
        for cell in self.runs.iter().flat_map(|run| &run.cells) {
            if !tests.contains(&cell.test) {
                tests.push(cell.test);
            }
        }
        tests
    }

    /// The cells of a test, at most one a run.
    pub(super) fn cells(&self, test: Test) -> impl Iterator<Item = &'a Cell> {
        self.runs.iter().filter_map(move |run| run.cells.iter().find(|cell| cell.test == test))
    }

    /// The repetitions of a test, a set a run; nothing of runs in which it failed.
    pub(super) fn times(&self, test: Test) -> Vec<Samples<Duration>> {
        self.cells(test).filter_map(times).collect()
    }

    /// The builds of llama.cpp that were measured: version, where it is known, and commit.
    pub(super) fn builds(&self) -> Vec<String> {
        let mut builds: Vec<String> = Vec::new();
        for run in &self.runs {
            let Build { commit, version, .. } = &run.header.build;
            let build = if version.is_empty() { commit.clone() } else { format!("{version} {commit}") };
            if !builds.contains(&build) {
                builds.push(build);
            }
        }
        builds
    }

    /// In what its configuration or model differs from those beside it; empty if it is alone.
    pub(super) fn label(&self, groups: &[Self]) -> String {
        let fields = |key: &Key| -> Vec<(String, String)> {
            key.model.iter().chain(&key.config).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let varies = |field: &(String, String)| {
            groups
                .iter()
                .any(|group| fields(&group.key).iter().any(|other| other.0 == field.0 && other.1 != field.1))
        };
        let own = fields(&self.key).into_iter().filter(varies);
        own.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// The repetitions of a cell; of another tool's summary its mean alone.
fn times(cell: &Cell) -> Option<Samples<Duration>> {
    match &cell.outcome {
        Outcome::Summarised(summary) => Samples::new([summary.mean]),
        Outcome::Measured(_) | Outcome::Failed(_) => cell.times(),
    }
}
