//! What the figures of a report mean, in sentences whose numbers carry their units.
//!
//! ```
//! use llama_bench_rs::{record::{Report, TestKind}, report::insights::{Expectation, Level, insights_with}};
//!
//! # fn demo(report: &Report) {
//! let expected = [Expectation::new(TestKind::Pp(2048), 2000.0..3000.0)];
//! for insight in insights_with(report, &expected) {
//!     let mark = if insight.level() == Level::Warning { "!" } else { "-" };
//!     println!("{mark} {insight}");
//! }
//! # }
//! # demo(&Report::default());
//! ```
//!
//! What is not known is left out: files of llama-bench have no single tokens and no offloaded layers.

mod chat;
mod conditions;
mod cpu;
mod doubt;
mod energy;
mod expectation;
mod failures;
mod fall;
mod graphs;
mod light;
mod memory_nodes;
mod neighbours;
mod network;
mod next;
mod noise;
mod precision;
mod prediction;
mod profile;
mod setup;
mod small_pages;
mod software;
mod steps;
mod stopped;
mod strays;
mod suspicion;

use std::fmt;

pub use chat::{Answer, ChatTimes, chat_times};
pub use conditions::Conditions;
pub use cpu::{CpuRemedy, UnusedCpuFeatures};
pub use doubt::{Doubt, Unbelievable, unbelievable};
pub use energy::EnergySaid;
pub use failures::FailedCells;
pub use fall::{DepthFall, FasterFall};
pub use graphs::Graphs;
pub use light::LightSaid;
pub use memory_nodes::FarMemory;
pub use neighbours::{Disturbed, Neighbours};
pub use network::Network;
pub use next::NextStep;
pub use noise::Noise;
pub use precision::Precision;
pub use prediction::{Prediction, predict};
pub use profile::Profiled;
pub use setup::Setup;
pub use small_pages::SmallPages;
pub use software::SoftwareRenderer;
pub use steps::Steps;
pub use stopped::Stopped;
pub use strays::Strays;

pub use crate::judge::{Expectation, ExpectationError, ExpectationVerdict as Verdict, Expected};

pub(in crate::report) use chat::chat_times_of;
pub(in crate::report) use fall::falls;
pub(in crate::report) use next::next_steps;
pub(in crate::report) use precision::BAD;
pub(in crate::report) use setup::is_on_cpu;

use super::{
    figures::Series,
    levels::{Levels, levels},
};
use crate::{
    judge::Group,
    record::{Report, Run},
};

/// How to take an insight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A fact, neither good nor bad.
    Note,
    /// A reason to believe the figures.
    Good,
    /// A reason to look again.
    Warning,
}

/// One statement about one run of a report. Its `Display` is one or two plain sentences.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Insight {
    /// Index in [`Report::runs`] of the run that it is about.
    pub run: usize,
    /// What it says.
    pub statement: Statement,
}

/// What an insight says, with its figures.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Statement {
    /// Cells without a figure.
    Failed(FailedCells),
    /// How the speed changes from the shallowest to the deepest context.
    Fall(DepthFall),
    /// Which of two speeds falls more.
    Faster(FasterFall),
    /// What several sequences at once bring.
    Levels(Levels),
    /// What the figures at a depth mean for somebody who waits for an answer.
    Chat(ChatTimes),
    /// How far the means can be trusted.
    Precision(Precision),
    /// What ended the repetitions.
    Stopped(Stopped),
    /// What disturbed the repetitions.
    Noise(Noise),
    /// What other programs took from them.
    Neighbours(Neighbours),
    /// Memory on another node than the threads that compute.
    FarMemory(FarMemory),
    /// A model that is mapped in small pages.
    SmallPages(SmallPages),
    /// What a GPU did meanwhile.
    Conditions(Conditions),
    /// What the work took of energy.
    Energy(EnergySaid),
    /// How near it comes to the most that the devices do.
    Light(LightSaid),
    /// What llama.cpp made of the configuration.
    Setup(Setup),
    /// A GPU backend that computes on the processor.
    Software(SoftwareRenderer),
    /// What the CPU has and llama.cpp was built without.
    UnusedCpuFeatures(UnusedCpuFeatures),
    /// Operations that a CPU computes for layers of another device.
    Strays(Strays),
    /// Where the time goes.
    Profiled(Profiled),
    /// What llama.cpp computed.
    Graphs(Graphs),
    /// What a token waits for other machines.
    Network(Network),
    /// What single tokens show.
    Steps(Steps),
    /// What was expected against what was measured.
    Expected(Expected),
    /// A speed that was not measured.
    Prediction(Prediction),
    /// What to measure next.
    Next(NextStep),
}

/// What every kind of statement can do.
trait Say: fmt::Display {
    fn level(&self) -> Level;
}

impl Say for Levels {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl Statement {
    fn said(&self) -> &dyn Say {
        match self {
            Statement::Failed(it) => it,
            Statement::Fall(it) => it,
            Statement::Faster(it) => it,
            Statement::Levels(it) => it,
            Statement::Chat(it) => it,
            Statement::Precision(it) => it,
            Statement::Stopped(it) => it,
            Statement::Noise(it) => it,
            Statement::Neighbours(it) => it,
            Statement::FarMemory(it) => it,
            Statement::SmallPages(it) => it,
            Statement::Conditions(it) => it,
            Statement::Energy(it) => it,
            Statement::Light(it) => it,
            Statement::Setup(it) => it,
            Statement::Software(it) => it,
            Statement::UnusedCpuFeatures(it) => it,
            Statement::Strays(it) => it,
            Statement::Profiled(it) => it,
            Statement::Graphs(it) => it,
            Statement::Network(it) => it,
            Statement::Steps(it) => it,
            Statement::Expected(it) => it,
            Statement::Prediction(it) => it,
            Statement::Next(it) => it,
        }
    }
}

impl Insight {
    /// How to take it.
    pub fn level(&self) -> Level {
        self.statement.said().level()
    }
}

impl fmt::Display for Insight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statement.said().fmt(f)
    }
}

/// What a report says, run by run: failures first, then what the figures mean, how far to trust them, and what to do
/// next.
pub fn insights(report: &Report) -> Vec<Insight> {
    insights_with(report, &[])
}

/// The same, with each run compared with what was expected of it.
pub fn insights_with(report: &Report, expectations: &[Expectation]) -> Vec<Insight> {
    let groups = Group::configurations(report);
    let of = |(run, record): (usize, &Run)| {
        // Runs of one configuration are judged together, and shown with the first of them.
        let group = groups.iter().find(|group| std::ptr::eq(group.runs[0], record));
        let check =
            |expectation: &Expectation| Some(Statement::Expected(expectation.check_runs(&group?.runs)));
        let expected: Vec<Statement> = expectations.iter().filter_map(check).collect();
        let levels = group.map_or_else(Vec::new, |group| levels(&group.runs));
        of_run(record, expected, levels).into_iter().map(move |statement| Insight { run, statement })
    };
    let mut said: Vec<Insight> = report.runs.iter().enumerate().flat_map(of).collect();
    // Once for all of them, at the end: the last that asks for it.
    let runs = report.runs.iter().enumerate().rev();
    let next = runs.filter(|(_, run)| run.has_figures()).find_map(|(i, run)| Some((i, next::several(run)?)));
    if let Some((run, step)) = next {
        let at = said.iter().rposition(|insight| insight.run <= run).map_or(0, |last| last + 1);
        said.insert(at, Insight { run, statement: Statement::Next(step) });
    }
    said
}

fn of_run(run: &Run, expected: Vec<Statement>, levels: Vec<Levels>) -> Vec<Statement> {
    let all = Series::all(run);
    let found = suspicion::found(run);
    let mut said = Vec::new();
    said.extend(failures::failed(run).map(Statement::Failed));
    said.extend(expected);
    let falls = fall::falls(&all);
    said.extend(fall::faster(&all, &falls).into_iter().map(Statement::Faster));
    said.extend(falls.into_iter().map(Statement::Fall));
    said.extend(profile::profiled(run).into_iter().map(Statement::Profiled));
    said.extend(levels.into_iter().filter(|levels| !levels.steps.is_empty()).map(Statement::Levels));
    said.extend(chat::at_the_ends(run).into_iter().map(Statement::Chat));
    said.extend(steps::steps(run).into_iter().map(Statement::Steps));
    said.extend(energy::energy(run, &all).into_iter().map(Statement::Energy));
    said.extend(light::light(run, &all).into_iter().map(Statement::Light));
    said.extend(prediction::predictions(run, &all).into_iter().map(Statement::Prediction));
    said.extend(precision::precision(run, found.is_any()).into_iter().map(Statement::Precision));
    said.extend(stopped::stopped(run, found.is_any()).map(Statement::Stopped));
    said.extend(noise::noise(run, &found).into_iter().map(Statement::Noise));
    said.extend(neighbours::neighbours(run).map(Statement::Neighbours));
    said.extend(conditions::conditions(run).into_iter().map(Statement::Conditions));
    said.extend(setup::setup(run).into_iter().map(Statement::Setup));
    said.extend(software::software(run).map(Statement::Software));
    said.extend(cpu::unused_features(run).map(Statement::UnusedCpuFeatures));
    said.extend(strays::strays(run).into_iter().map(Statement::Strays));
    said.extend(graphs::graphs(run).map(Statement::Graphs));
    said.extend(network::network(run).map(Statement::Network));
    said.extend(memory_nodes::far_memory(run).map(Statement::FarMemory));
    said.extend(small_pages::small_pages(run).map(Statement::SmallPages));
    said.extend(next::next(run, &all, found.is_any()).into_iter().map(Statement::Next));
    said
}

/// What casts doubt on the figures of a run beyond their intervals, the likely cause first.
pub(in crate::report) fn doubts(run: &Run) -> Vec<Statement> {
    let found = suspicion::found(run);
    let mut all: Vec<Statement> =
        neighbours::neighbours(run).map(Statement::Neighbours).into_iter().collect();
    all.extend(conditions::conditions(run).into_iter().map(Statement::Conditions));
    all.extend(noise::noise(run, &found).into_iter().map(Statement::Noise));
    all.retain(|statement| statement.said().level() == Level::Warning);
    all
}
