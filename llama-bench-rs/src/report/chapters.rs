//! A report run by run, each with what is said of it: what every text for people is made of.

use super::{
    insights::{Expectation, Insight, insights_with},
    run_labels,
};
use crate::record::{Report, Run};

/// One run.
pub(super) struct Chapter<'a> {
    /// What sets the run apart; `None` if it is alone.
    pub(super) heading: Option<String>,
    pub(super) run: &'a Run,
    pub(super) insights: Vec<Insight>,
}

/// All runs, in order.
pub(super) fn chapters<'a>(
    report: &'a Report,
    expectations: &[Expectation],
) -> impl Iterator<Item = Chapter<'a>> {
    let labels = run_labels(report);
    let mut insights = insights_with(report, expectations);
    report.runs.iter().enumerate().map(move |(i, run)| {
        let (own, others) = std::mem::take(&mut insights).into_iter().partition(|insight| insight.run == i);
        insights = others;
        let heading = labels.get(i).filter(|label| !label.is_empty()).cloned();
        Chapter { heading, run, insights: own }
    })
}
