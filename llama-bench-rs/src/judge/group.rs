//! A report by configuration: the one rule for which runs belong together.

use crate::{
    judge::baseline::Key,
    record::{Build, Cell, Header, Outcome, Report, Run, Test, configuration_names, tests_of},
};

/// The runs of one machine, model and set of parameters.
pub(crate) struct Group<'a> {
    pub(crate) key: Key,
    pub(crate) runs: Vec<&'a Run>,
}

impl<'a> Group<'a> {
    /// The runs of a report by their [`Key`], which is what a baseline has in common with later runs. Builds of llama.cpp
    /// and copies of a model are not distinguished. In the order in which each first occurs.
    pub(crate) fn all(report: &'a Report) -> Vec<Self> {
        Self::grouped(report, |_, _| true)
    }

    /// The configurations of a report: the same, with builds of llama.cpp and model files apart. Copies of a model are
    /// equal in all but their file, and of a model that was not loaded nothing else is known.
    pub(crate) fn configurations(report: &'a Report) -> Vec<Self> {
        Self::grouped(report, |a, b| {
            (&a.header.build, &a.header.model.filename) == (&b.header.build, &b.header.model.filename)
        })
    }

    fn grouped(report: &'a Report, is_same: fn(&Run, &Run) -> bool) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for run in &report.runs {
            let key = Key::of(&run.header);
            match groups.iter_mut().find(|group| group.key == key && is_same(group.runs[0], run)) {
                Some(group) => group.runs.push(run),
                None => groups.push(Self { key, runs: vec![run] }),
            }
        }
        groups
    }

    /// Whether these are failed runs of models that were not loaded.
    pub(crate) fn is_of_unknown_model(&self) -> bool {
        self.key.model.is_empty() && self.runs.iter().all(|run| !run.has_figures())
    }

    /// Every test of the runs once, in the order planned.
    pub(crate) fn tests(&self) -> Vec<Test> {
        tests_of(self.runs.iter().copied())
    }

    /// The cells of a test, at most one a run.
    pub(crate) fn cells(&self, test: Test) -> impl Iterator<Item = &'a Cell> {
        self.runs.iter().filter_map(move |run| run.cells.iter().find(|cell| cell.test == test))
    }

    /// Whether a run has a figure for the test.
    pub(crate) fn has(&self, test: Test) -> bool {
        self.cells(test).any(|cell| !matches!(cell.outcome, Outcome::Failed(_)))
    }

    /// The builds of llama.cpp that were measured: version, where it is known, and commit.
    pub(crate) fn builds(&self) -> Vec<String> {
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

    /// How its configuration or model differs from those beside it; empty if it is alone.
    pub(crate) fn label(&self, groups: &[Self]) -> String {
        let headers: Vec<&Header> = groups.iter().map(|group| &group.runs[0].header).collect();
        let own = groups.iter().position(|group| group.key == self.key);
        own.map(|own| configuration_names(&headers).swap_remove(own)).unwrap_or_default()
    }
}
