use crate::{
    record::Report,
    report::{Fact, header_facts, run_labels},
};

/// What was measured on, and how: what all runs share once, then what is a run's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFacts {
    /// Facts of every run.
    pub shared: Vec<Fact>,
    /// The name of each run that has facts of its own, and those facts.
    pub own: Vec<(String, Vec<Fact>)>,
}

impl SharedFacts {
    /// Of all runs of a report.
    pub fn of(report: &Report) -> Self {
        let all: Vec<Vec<Fact>> = report.runs.iter().map(header_facts).collect();
        let is_shared = |fact: &Fact| all.iter().all(|facts| facts.contains(fact));
        let shared = all
            .first()
            .map_or_else(Vec::new, |facts| facts.iter().filter(|fact| is_shared(fact)).cloned().collect());
        let own = all.iter().zip(run_labels(report)).map(|(facts, name)| {
            (name, facts.iter().filter(|fact| !is_shared(fact)).cloned().collect::<Vec<_>>())
        });
        Self { shared, own: own.filter(|(_, facts)| !facts.is_empty()).collect() }
    }
}
