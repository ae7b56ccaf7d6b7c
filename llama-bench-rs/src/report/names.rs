//! What configurations and runs are called, everywhere: by what sets them apart.

use super::sides::Files;
use crate::{
    gguf::{PresetFile, preset_file},
    judge::Group,
    record::{Header, ModelInfo, Report, Run, WeightSource, configuration_names, numbered, settings},
};

/// The runs of one configuration, under its name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigurationRuns<'a> {
    /// How it differs from the others of the report, such as `ub 1024 fa 1`; empty if it is the only one.
    pub name: String,
    /// The flags of `sweep` for it, such as `-ub`, `1024`, `-fa` and `1`: for what differs only.
    pub flags: Vec<String>,
    /// Its runs, in the order measured, at least one.
    pub runs: Vec<&'a Run>,
    /// Whether it is what llama-bench measures if nothing is asked for, in all that differs.
    pub is_default: bool,
}

impl<'a> ConfigurationRuns<'a> {
    /// Runs under a name of the caller's own; no flags ask for it.
    pub fn new(name: impl Into<String>, runs: Vec<&'a Run>) -> Self {
        Self { name: name.into(), flags: Vec::new(), runs, is_default: false }
    }
}

/// The words that ask for the model of a run: `-m FILE`; of a synthetic model of this crate `--shape NAME`, which works on
/// other machines too, or `--like FILE`; with `--keep` if it was loaded from a file.
pub(super) fn model_words(header: &Header) -> Vec<String> {
    let ModelInfo { filename, like, .. } = &header.model;
    let mut words = match preset_file(filename) {
        _ if !like.is_empty() => vec!["--like".to_owned(), like.clone()],
        Some(PresetFile { shape, file_type }) => {
            let file_type = file_type.map(|file_type| ["--file-type".to_owned(), file_type]);
            ["--shape".to_owned(), shape.to_owned()]
                .into_iter()
                .chain(file_type.into_iter().flatten())
                .collect()
        }
        None => return vec!["-m".to_owned(), filename.clone()],
    };
    if header.load.source == Some(WeightSource::File) {
        words.push("--keep".to_owned());
    }
    words
}

/// The runs of a report by configuration: machine, build, model file and everything asked for that changes speed. In the
/// order in which each first occurs, every name once.
///
/// ```
/// # fn demo(report: &llama_bench_rs::record::Report) {
/// for configuration in llama_bench_rs::report::configurations(report) {
///     println!("{}: {} runs", configuration.name, configuration.runs.len());
/// }
/// # }
/// ```
pub fn configurations(report: &Report) -> Vec<ConfigurationRuns<'_>> {
    let groups: Vec<Vec<&Run>> = Group::configurations(report).into_iter().map(|group| group.runs).collect();
    let headers: Vec<&Header> = groups.iter().map(|runs| &runs[0].header).collect();
    let asked = settings(&headers).into_iter().zip(&headers).map(|(of, header)| {
        let is_default = !of.is_empty() && of.iter().all(|one| one.is_default);
        let flags = of.into_iter().flat_map(|one| match &one.flags[..] {
            [flag, _] if ["-m", "--like"].contains(&flag.as_str()) => model_words(header),
            _ => one.flags,
        });
        (flags.collect(), is_default)
    });
    let names = numbered(configuration_names(&headers), |n, _| format!("configuration {n}"));
    let all = names.into_iter().zip(asked).zip(groups);
    all.map(|((name, (flags, is_default)), runs)| ConfigurationRuns { name, flags, runs, is_default })
        .collect()
}

/// For each run of a report, what sets it apart from the others: model, device, build or settings as a command line has
/// them, such as `ub 1024 fa 1`; of runs of the same, the [file](Header::read_from) and which one it is. Empty for a run on
/// its own.
pub fn run_labels(report: &Report) -> Vec<String> {
    let headers: Vec<&Header> = report.runs.iter().map(|run| &run.header).collect();
    let (names, files) = (configuration_names(&headers), Files::of(report));
    let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let named = names
        .iter()
        .zip(&report.runs)
        .map(|(name, run)| if is_shared(name) { files.named(name, run) } else { name.clone() });
    numbered(named.collect(), |n, n_all| format!("run {n} of {n_all}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Config;

    fn run(n_ubatch: u32, filename: &str) -> Run {
        let config = Config { n_ubatch: Some(n_ubatch), ..Config::default() };
        let mut header = Header { config, ..Header::default() };
        header.model.filename = filename.into();
        Run { header, cells: vec![], curve: vec![] }
    }

    fn named(report: &Report) -> Vec<(String, usize)> {
        configurations(report).into_iter().map(|one| (one.name, one.runs.len())).collect()
    }

    #[test]
    fn runs_of_a_configuration_are_together_under_its_name() {
        let runs = [512, 64, 512, 64].map(|n_ubatch| run(n_ubatch, "a.gguf")).to_vec();
        let report = Report { runs };
        assert_eq!(named(&report), [("ub 512".into(), 2), ("ub 64".into(), 2)]);
        assert_eq!(configurations(&report)[1].flags, ["-ub", "64"]);
        assert_eq!([0, 1].map(|i| configurations(&report)[i].is_default), [true, false]);
        let labels = ["ub 512, run 1 of 2", "ub 64, run 1 of 2", "ub 512, run 2 of 2", "ub 64, run 2 of 2"];
        assert_eq!(run_labels(&report), labels);
    }

    #[test]
    fn copies_of_a_model_are_configurations_of_their_own() {
        let report =
            Report { runs: ["a", "b", "a"].map(|name| run(512, &format!("/m/{name}.gguf"))).to_vec() };
        assert_eq!(named(&report), [("a.gguf".into(), 2), ("b.gguf".into(), 1)]);
    }

    #[test]
    fn what_is_alone_needs_no_name() {
        let report = Report { runs: vec![run(512, "a"); 3] };
        assert_eq!(named(&report), [(String::new(), 3)]);
        assert_eq!(run_labels(&report), ["run 1 of 3", "run 2 of 3", "run 3 of 3"]);
        assert_eq!(run_labels(&Report { runs: vec![run(512, "a")] }), [""]);
        assert!(run_labels(&Report::default()).is_empty());
    }

    #[test]
    fn no_two_configurations_have_one_name() {
        let mut other = run(512, "a");
        other.header.model.n_vocab = Some(7);
        let report = Report { runs: vec![run(512, "a"), other] };
        assert_eq!(named(&report), [("configuration 1".into(), 1), ("configuration 2".into(), 1)]);
    }
}
