//! Two reports, configuration by configuration.

use super::{Group, Judgement, Rule, compare_together};
use crate::{
    judge::CompareError,
    judge::baseline::Key,
    record::{Report, Run},
};

/// The comparison of two reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReportJudgement<'a> {
    /// The configurations in both, in the order of the first.
    pub pairs: Vec<ConfigurationJudgement<'a>>,
    /// Names of the configurations in the first report only.
    pub only_before: Vec<String>,
    /// Names of the configurations in the second report only.
    pub only_after: Vec<String>,
}

/// One configuration in two reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigurationJudgement<'a> {
    /// How it differs from the other configurations; empty if it is the only one.
    pub name: String,
    /// The differences of machine, model or configuration between the two, as sentences; empty if there are none.
    pub differences: Vec<String>,
    /// Its runs in the first report.
    pub before: Vec<&'a Run>,
    /// Its runs in the second.
    pub after: Vec<&'a Run>,
    /// The comparison. Its p values are corrected for the lines of all configurations.
    pub judgement: Judgement,
}

/// Compares two reports that were measured apart. Runs of the same model and configuration are compared with each other;
/// if each report then has one configuration left, those two are compared too, and
/// [`differences`](ConfigurationJudgement::differences) lists how they differ.
///
/// # Errors
/// The reports have no configuration in common, or a repetition took no time.
pub fn compare_reports<'a>(
    before: &'a Report,
    after: &'a Report,
    rule: Rule,
) -> Result<ReportJudgement<'a>, CompareError> {
    let (before, after) = (Group::all(before), Group::all(after));
    let name = |groups: &[Group<'_>], i: usize| match groups[i].label(groups) {
        label if label.is_empty() && groups.len() > 1 => format!("configuration {}", i + 1),
        label => label,
    };
    let mut free: Vec<usize> = (0..after.len()).collect();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut left: Vec<usize> = Vec::new();
    for (i, group) in before.iter().enumerate() {
        let is_same = |key: &Key| key.model == group.key.model && key.config == group.key.config;
        // The same machine comes first.
        let found = free
            .iter()
            .position(|&j| after[j].key == group.key)
            .or_else(|| free.iter().position(|&j| is_same(&after[j].key)));
        match found {
            Some(at) => pairs.push((i, free.remove(at))),
            None => left.push(i),
        }
    }
    if let ([i], [j]) = (&left[..], &free[..]) {
        pairs.push((*i, *j));
        (left, free) = (Vec::new(), Vec::new());
    }
    let sides: Vec<(&[&Run], &[&Run])> =
        pairs.iter().map(|&(i, j)| (&before[i].runs[..], &after[j].runs[..])).collect();
    if sides.is_empty() {
        return Err(CompareError::NoRuns);
    }
    let judgements = compare_together(&sides, rule)?;
    let judged = pairs.into_iter().zip(judgements).map(|((i, j), judgement)| ConfigurationJudgement {
        name: name(&before, i),
        differences: differences(&before[i].key, &after[j].key),
        before: before[i].runs.clone(),
        after: after[j].runs.clone(),
        judgement,
    });
    Ok(ReportJudgement {
        pairs: judged.collect(),
        only_before: left.into_iter().map(|i| name(&before, i)).collect(),
        only_after: free.into_iter().map(|j| name(&after, j)).collect(),
    })
}

/// `configuration, n_ubatch: 512 before, 1024 after`.
fn differences(before: &Key, after: &Key) -> Vec<String> {
    let parts = [
        ("machine", &before.machine, &after.machine),
        ("model", &before.model, &after.model),
        ("configuration", &before.config, &after.config),
    ];
    let mut found = Vec::new();
    for (part, before, after) in parts {
        for (field, was) in before {
            // A field that only one file has is not a difference.
            if let Some(is) = after.get(field).filter(|is| *is != was) {
                found.push(format!("{part}, {field}: {was} before, {is} after"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        judge::Verdict,
        record::{Cell, Config, Header, Measured, ModelInfo, Outcome, Sample, Test, TestKind},
    };

    fn run(n_ubatch: u32, micros: u64) -> Run {
        let config = Config { n_ubatch: Some(n_ubatch), ..Config::default() };
        let model = ModelInfo { description: "tiny".into(), ..ModelInfo::default() };
        let sample = |i: u64| Sample { elapsed: Duration::from_micros(micros + i % 3), ..Sample::default() };
        let cell = |kind| Cell {
            test: Test::from(kind),
            started_at: String::new(),
            outcome: Outcome::Measured(Measured {
                samples: (0..5).map(sample).collect(),
                ..Measured::default()
            }),
        };
        let header = Header { config, model, ..Header::default() };
        Run { header, cells: vec![cell(TestKind::Pp(512)), cell(TestKind::Tg(32))], curve: Vec::new() }
    }

    fn report(runs: &[(u32, u64)]) -> Report {
        Report { runs: runs.iter().map(|&(n_ubatch, micros)| run(n_ubatch, micros)).collect() }
    }

    #[test]
    fn configurations_are_compared_with_their_own() {
        let before = report(&[(128, 1000), (128, 1000), (128, 1001), (256, 5000), (256, 5000), (256, 5001)]);
        let after = report(&[(256, 9000), (256, 9000), (128, 1000), (128, 1001), (256, 9001), (512, 1)]);
        let judged = compare_reports(&before, &after, Rule::default()).unwrap();
        let names: Vec<&str> = judged.pairs.iter().map(|pair| &pair.name[..]).collect();
        assert!(names[0].contains("128") && names[1].contains("256"), "{names:?}");
        assert_eq!((judged.pairs[0].before.len(), judged.pairs[0].after.len()), (3, 2));
        assert!(judged.pairs.iter().all(|pair| pair.differences.is_empty()));
        let slower = |pair: &ConfigurationJudgement<'_>| pair.judgement.with(Verdict::Regressed).count();
        assert_eq!(judged.pairs.iter().map(slower).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(judged.only_before.len(), 0);
        assert!(judged.only_after.len() == 1 && judged.only_after[0].contains("512"));
    }

    #[test]
    fn one_configuration_each_is_compared_whatever_differs() {
        let (before, after) = (report(&[(128, 1000)]), report(&[(256, 1000)]));
        let judged = compare_reports(&before, &after, Rule::default()).unwrap();
        assert_eq!(judged.pairs[0].differences, ["configuration, n_ubatch: 128 before, 256 after"]);
        assert!(compare_reports(&before, &Report::default(), Rule::default()).is_err());
    }
}
