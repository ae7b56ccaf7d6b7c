//! The sides of a report: each is one line of a picture and one row of a table of several configurations.

use super::{ConfigurationRuns, configurations, run_labels};
use crate::record::{Report, Run};

/// The runs of one configuration and build, of one file if the report was read from several.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Side<'a> {
    /// How it differs from the others; empty for a side on its own.
    pub(super) name: String,
    /// At least one, in the order measured.
    pub(super) runs: Vec<&'a Run>,
}

/// All sides, in the order measured. Two runs of one configuration are a side each; more of them are one side for each file.
pub(super) fn sides(report: &Report) -> Vec<Side<'_>> {
    let files = Files::of(report);
    match (configurations(report), &report.runs[..]) {
        (all, [a, b]) if all.len() == 1 => {
            let sides = run_labels(report).into_iter().zip([a, b]);
            sides.map(|(name, run)| Side { name, runs: vec![run] }).collect()
        }
        (all, _) => all.into_iter().flat_map(|one| by_file(one, &files)).collect(),
    }
}

/// The runs of a configuration, those of each file apart.
fn by_file<'a>(one: ConfigurationRuns<'a>, files: &Files<'_>) -> Vec<Side<'a>> {
    let mut sides: Vec<Side<'_>> = Vec::new();
    for run in one.runs {
        let is_of_file = |side: &&mut Side<'_>| side.runs[0].header.read_from == run.header.read_from;
        match sides.iter_mut().find(is_of_file) {
            Some(side) => side.runs.push(run),
            None => sides.push(Side { name: files.named(&one.name, run), runs: vec![run] }),
        }
    }
    if let [side] = &mut sides[..] {
        side.name = one.name;
    }
    sides
}

/// The files that the runs of a report were read from, if there are several.
pub(super) struct Files<'a> {
    /// Each file as the runs have it, and its name: the last part of its path if that is unique.
    names: Vec<(&'a str, String)>,
}

impl<'a> Files<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut all: Vec<&str> = Vec::new();
        for run in &report.runs {
            if !all.contains(&run.header.read_from.as_str()) {
                all.push(&run.header.read_from);
            }
        }
        if all.len() < 2 {
            return Self { names: Vec::new() };
        }
        let is_known = |path: &str| all.iter().filter(|other| last(other) == last(path)).count() == 1;
        let name = |path: &'a str| match path {
            "" => "not from a file".to_owned(),
            path if is_known(path) => last(path).to_owned(),
            path => path.to_owned(),
        };
        Self { names: all.iter().map(|path| (*path, name(path))).collect() }
    }

    pub(super) fn are_several(&self) -> bool {
        !self.names.is_empty()
    }

    /// What the file of a run is called; empty if there is one file.
    pub(super) fn name(&self, run: &Run) -> &str {
        self.names.iter().find(|(path, _)| *path == run.header.read_from).map_or("", |(_, name)| name)
    }

    /// The name of a configuration with that of the run's file: `ub 512, a.json`.
    pub(super) fn named(&self, configuration: &str, run: &Run) -> String {
        let parts = [configuration, self.name(run)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// The last part of a path of any system.
fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Config, Header};

    fn run(n_ubatch: u32, file: &str) -> Run {
        let config = Config { n_ubatch: Some(n_ubatch), ..Config::default() };
        let header = Header { config, read_from: file.into(), ..Header::default() };
        Run { header, cells: Vec::new(), curve: Vec::new() }
    }

    fn report(ubatch: &[u32]) -> Report {
        Report { runs: ubatch.iter().map(|&n_ubatch| run(n_ubatch, "")).collect() }
    }

    /// How many runs each side has, by its name.
    fn named(report: &Report) -> Vec<(String, usize)> {
        sides(report).into_iter().map(|side| (side.name, side.runs.len())).collect()
    }

    fn found(ubatch: &[u32]) -> Vec<(String, usize)> {
        named(&report(ubatch))
    }

    #[test]
    fn runs_of_one_configuration_are_one_side() {
        let sides = found(&[128, 512, 128, 128]);
        assert_eq!(sides.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, 1]);
        assert!(sides[0].0.contains("128") && sides[1].0.contains("512"), "{sides:?}");
        assert_eq!(found(&[128, 128, 128]), [(String::new(), 3)]);
    }

    #[test]
    fn two_runs_of_one_configuration_are_held_against_each_other() {
        let sides = found(&[128, 128]);
        assert_eq!(sides.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(sides[0].0, sides[1].0);
    }

    #[test]
    fn files_of_one_configuration_are_sides_under_their_names() {
        let of = |runs: &[(u32, &str)]| {
            named(&Report { runs: runs.iter().map(|&(n_ubatch, file)| run(n_ubatch, file)).collect() })
        };
        let expected =
            |all: &[(&str, usize)]| all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(of(&[(8, "x/a.json"), (8, "x/b.json")]), expected(&[("a.json", 1), ("b.json", 1)]));
        assert_eq!(
            of(&[(8, "x/a.json"), (8, "y/a.json"), (8, "b.json")]),
            expected(&[("x/a.json", 1), ("y/a.json", 1), ("b.json", 1)])
        );
        assert_eq!(
            of(&[(8, "a.json"), (8, "a.json"), (8, "b.json"), (8, "b.json")]),
            expected(&[("a.json", 2), ("b.json", 2)])
        );
        assert_eq!(
            of(&[(8, "a.json"), (16, "a.json"), (8, "b.json"), (32, "b.json")]),
            expected(&[("ub 8, a.json", 1), ("ub 8, b.json", 1), ("ub 16", 1), ("ub 32", 1)])
        );
        assert_eq!(of(&[(8, ""), (8, "b.json")]), expected(&[("not from a file", 1), ("b.json", 1)]));
        assert_eq!(of(&[(8, "a.json"); 3]), expected(&[("", 3)]), "one file needs no name");
    }

    #[test]
    fn runs_of_one_file_are_numbered_within_it() {
        let runs = [(8, "a.json"), (8, "b.json"), (8, "b.json")].map(|(n, file)| run(n, file)).to_vec();
        assert_eq!(run_labels(&Report { runs }), ["a.json", "b.json, run 1 of 2", "b.json, run 2 of 2"]);
    }

    #[test]
    fn a_report_of_nothing_has_no_sides() {
        assert_eq!(sides(&Report::default()), []);
    }
}
