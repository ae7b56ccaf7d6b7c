//! A report run by run, each with what is said of it: what every text for people is made of.

use super::insights::{Expectation, Insight, insights_with};
use crate::record::{Report, Run};

/// One run.
pub(super) struct Chapter<'a> {
    /// Which run it is; `None` if it is alone.
    pub(super) heading: Option<String>,
    pub(super) run: &'a Run,
    pub(super) insights: Vec<Insight>,
}

/// All runs, in order.
pub(super) fn chapters<'a>(
    report: &'a Report,
    expectations: &[Expectation],
) -> impl Iterator<Item = Chapter<'a>> {
    let n_runs = report.runs.len();
    let mut insights = insights_with(report, expectations);
    report.runs.iter().enumerate().map(move |(i, run)| {
        let (own, others) = std::mem::take(&mut insights).into_iter().partition(|insight| insight.run == i);
        insights = others;
        let heading = (n_runs > 1).then(|| format!("Run {} of {n_runs}", i + 1));
        Chapter { heading, run, insights: own }
    })
}
