//! Sentences of a report, and the cell that they are about.

use llama_bench_rs::{
    record::*,
    report::insights::{Insight, insights},
};

pub fn sentences(report: &Report) -> Vec<String> {
    insights(report).iter().map(Insight::to_string).collect()
}

pub fn all(report: &Report) -> String {
    let line = |insight: &Insight| format!("{:?}: {insight}\n", insight.level());
    insights(report).iter().map(line).collect()
}

/// The one sentence that says this.
pub fn saying(report: &Report, what: &str) -> String {
    let found: Vec<String> = sentences(report).into_iter().filter(|s| s.contains(what)).collect();
    assert_eq!(found.len(), 1, "{what}: {found:#?} in\n{}", all(report));
    found[0].clone()
}

pub fn cell(report: &mut Report, kind: TestKind, n_depth: u32) -> &mut Measured {
    let found = report.runs[0].cells.iter_mut().find(|c| (c.test.kind, c.test.n_depth) == (kind, n_depth));
    let Outcome::Measured(measured) = &mut found.unwrap().outcome else { panic!("no samples") };
    measured
}
