use super::Measured;
use crate::{
    record::Report,
    report::{Fact, header_facts, run_labels, sides::Files},
};

/// What was measured on, and how: what all runs share once, then what is a configuration's or a run's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFacts {
    /// Facts of every run.
    pub shared: Vec<Fact>,
    /// The name of each configuration, or of a run of it such as `ub 1024, run 2 of 3`, and the facts that are its own.
    pub own: Vec<(String, Vec<Fact>)>,
}

impl SharedFacts {
    pub(super) fn of(report: &Report, all: &[Measured<'_>]) -> Self {
        let of_all: Vec<Vec<Fact>> = report.runs.iter().map(header_facts).collect();
        let shared = in_all(&of_all);
        let mut own = Vec::new();
        let by_file = Files::of(report).are_several().then(|| run_labels(report));
        for Measured { name, runs } in all {
            let of_runs: Vec<Vec<Fact>> = runs.iter().map(|run| header_facts(run)).collect();
            let of_configuration = in_all(&of_runs);
            own.push((name.clone(), without(&of_configuration, &shared)));
            for (i, (run, facts)) in runs.iter().zip(&of_runs).enumerate() {
                let number = format!("run {} of {}", i + 1, runs.len());
                let place = report.runs.iter().position(|other| std::ptr::eq(other, *run));
                let name = match by_file.as_ref().zip(place) {
                    Some((labels, place)) => labels[place].clone(),
                    None if name.is_empty() => number,
                    None => format!("{name}, {number}"),
                };
                own.push((name, without(facts, &of_configuration)));
            }
        }
        own.retain(|(_, facts)| !facts.is_empty());
        Self { shared, own }
    }
}

/// The facts that are in every list, in the order of the first.
fn in_all(all: &[Vec<Fact>]) -> Vec<Fact> {
    let is_shared = |fact: &&Fact| all.iter().all(|facts| facts.contains(fact));
    all.first().map_or_else(Vec::new, |facts| facts.iter().filter(is_shared).cloned().collect())
}

fn without(facts: &[Fact], known: &[Fact]) -> Vec<Fact> {
    facts.iter().filter(|fact| !known.contains(fact)).cloned().collect()
}
