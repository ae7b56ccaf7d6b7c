//! What a sweep asks for, and the check of it. [`Sweep`](super::Sweep) builds a request; [`plan`](super::plan) has an
//! example of one by itself.

use std::time::Duration;

use super::{
    ceilings::CeilingPolicy,
    error::BenchError,
    plan::{N_CTX_PAD, Plan},
    profiling::Profiling,
};
use crate::{
    llama::max_sequences,
    record::{Group, Method, Order, Test, embd, pp, tg},
    stats::StoppingRule,
};

/// Positions are 32-bit signed in llama.cpp; the padding must fit too.
const N_CTX_MAX: u32 = i32::MAX as u32 - N_CTX_PAD;

/// What a sweep asks for, before it is checked.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// Prompt lengths, in tokens.
    pub prompts: Vec<u32>,
    /// Generation lengths, in tokens.
    pub generations: Vec<u32>,
    /// Lengths of texts to embed, in tokens.
    pub embeddings: Vec<u32>,
    /// Prompt and generation in one go.
    pub pairs: Vec<Group>,
    /// Numbers of sequences that tests process together; order and repeats do not matter.
    pub parallel: Vec<u32>,
    /// Whether the sequences share the tokens of the depth, in one KV buffer.
    pub shared_prefix: bool,
    /// Depths, in tokens; order and repeats do not matter.
    pub depths: Vec<u32>,
    /// Repetitions per cell, if no rule stops them.
    pub n_reps: u32,
    /// Ends the repetitions of a cell in place of `n_reps`.
    pub stopping: Option<StoppingRule>,
    /// Whether to warm up.
    pub warmup: bool,
    /// Seed of tokens and order.
    pub seed: u64,
    /// How depths are reached.
    pub method: Method,
    /// Order of repetitions.
    pub order: Order,
    /// Whether the calibration loop is timed before each repetition.
    pub calibrated: bool,
    /// Whether the graphs that are computed are recorded.
    pub work: bool,
    /// Whether counters of energy are read.
    pub energy: bool,
    /// Whether the ceilings of the devices are measured before.
    #[serde(default)]
    pub ceilings: CeilingPolicy,
    /// What profiles show; `None` if none are made.
    #[serde(default)]
    pub profile: Option<Profiling>,
    /// Pause before each test.
    pub delay: Duration,
    /// How many of a cell's repetitions may be run once more because other programs disturbed them, in per cent.
    pub repeat_percent: u32,
    /// Whether to wait until no other sweep measures on this machine.
    pub exclusive: bool,
}

impl Default for Request {
    /// No test, at depth 0: 5 repetitions and a warm-up, rewinding, with seed 42, alone on the machine.
    fn default() -> Self {
        Self {
            prompts: Vec::new(),
            generations: Vec::new(),
            embeddings: Vec::new(),
            pairs: Vec::new(),
            parallel: vec![1],
            shared_prefix: false,
            depths: vec![0],
            n_reps: 5,
            stopping: None,
            warmup: true,
            seed: 42,
            method: Method::default(),
            order: Order::default(),
            calibrated: false,
            work: true,
            energy: true,
            ceilings: CeilingPolicy::Off,
            profile: None,
            delay: Duration::ZERO,
            repeat_percent: 50,
            exclusive: true,
        }
    }
}

impl Request {
    /// Checks the request and lays out its cells.
    ///
    /// # Errors
    /// Nothing to measure, a length or count of zero, more sequences than a context can hold, or positions that llama.cpp
    /// cannot count.
    pub fn plan(mut self) -> Result<Plan, BenchError> {
        self.check()?;
        self.depths.sort_unstable();
        self.depths.dedup();
        // A test that is asked for twice is measured once.
        self.prompts = once(&self.prompts);
        self.generations = once(&self.generations);
        self.embeddings = once(&self.embeddings);
        self.pairs = once(&self.pairs);
        self.parallel.sort_unstable();
        self.parallel.dedup();
        let at = |&n_depth: &u32| {
            let levels = &self.parallel;
            let at_levels = move |test: Test| levels.iter().map(move |&n| test.parallel(n).at(n_depth));
            let prompts = self.prompts.iter().flat_map(move |&n| at_levels(pp(n)));
            let generations = self.generations.iter().flat_map(move |&n| at_levels(tg(n)));
            let embeddings = self.embeddings.iter().flat_map(move |&n| at_levels(embd(n)));
            let pairs = self.pairs.iter().flat_map(move |&group| {
                let halves = move |&n: &u32| {
                    [group.prompt(), group.generation()].map(|test| test.parallel(n).at(n_depth))
                };
                levels.iter().flat_map(halves)
            });
            prompts.chain(generations).chain(embeddings).chain(pairs)
        };
        let cells = self.depths.iter().flat_map(at).collect();
        Ok(Plan::of(cells, self))
    }

    fn check(&self) -> Result<(), BenchError> {
        let singles = [&self.prompts, &self.generations, &self.embeddings];
        if singles.iter().all(|lengths| lengths.is_empty()) && self.pairs.is_empty() {
            return Err(BenchError::NoTests);
        }
        if self.n_reps == 0 || self.stopping.is_some_and(|rule| rule.max == 0) {
            return Err(BenchError::NoRepetitions);
        }
        let halves =
            self.pairs.iter().flat_map(|g| [("a pg prompt", g.n_prompt), ("a pg generation", g.n_gen)]);
        let prompts = self.prompts.iter().map(|&n| ("a prompt", n));
        let generations = self.generations.iter().map(|&n| ("a generation", n));
        let embeddings = self.embeddings.iter().map(|&n| ("a text to embed", n));
        if let Some((what, _)) =
            prompts.chain(generations).chain(embeddings).chain(halves).find(|&(_, n)| n == 0)
        {
            return Err(BenchError::ZeroLength { what });
        }
        let Some(&n_most) = self.parallel.iter().max() else { return Err(BenchError::NoSequences) };
        let max = max_sequences();
        if let Some(&n) = self.parallel.iter().find(|&n| !(1..=max).contains(n)) {
            return Err(BenchError::Sequences { n, max });
        }
        let Some(&n_depth) = self.depths.iter().max() else { return Err(BenchError::NoDepths) };
        let longest = singles.into_iter().flatten().map(|&n| u64::from(n));
        let pairs = self.pairs.iter().map(|g| u64::from(g.n_prompt) + u64::from(g.n_gen));
        let n_of_each = longest.chain(pairs).max().unwrap_or(0);
        let n_tokens = if self.shared_prefix { n_of_each * u64::from(n_most) } else { n_of_each };
        if u64::from(n_depth) + n_tokens > u64::from(N_CTX_MAX) {
            let n_tokens = n_tokens.min(u64::from(u32::MAX)) as u32;
            return Err(BenchError::TooDeep { n_depth, n_tokens, max: N_CTX_MAX });
        }
        Ok(())
    }

    /// Most repetitions of a cell.
    pub fn n_reps_max(&self) -> u32 {
        self.stopping.map_or(self.n_reps, |rule| u32::try_from(rule.max).unwrap_or(u32::MAX))
    }
}

/// Each item once, in order.
fn once<T: Clone + PartialEq>(items: &[T]) -> Vec<T> {
    let is_first = |(i, item): &(usize, &T)| !items[..*i].contains(*item);
    items.iter().enumerate().filter(is_first).map(|(_, item)| item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::tests::request;

    #[test]
    fn a_test_that_is_asked_for_twice_is_planned_once() {
        let pair = Group { n_prompt: 4, n_gen: 2 };
        let twice =
            Request { prompts: vec![8, 16, 8], generations: vec![4, 4], pairs: vec![pair; 3], ..request() };
        let plan = Request { depths: vec![0, 0], embeddings: vec![6, 6], ..twice }.plan().unwrap();
        let names: Vec<_> = plan.cells.iter().map(Test::to_string).collect();
        assert_eq!(names, ["pp8", "pp16", "tg4", "embd6", "pp4 (pg4+2)", "tg2 @ d4 (pg4+2)"]);
    }

    #[test]
    fn impossible_requests_are_refused_by_name() {
        let refused = |r: Request| r.plan().unwrap_err().to_string();
        assert!(refused(Request { n_reps: 0, ..request() }).contains("0 repetitions"));
        assert!(refused(Request { depths: vec![], ..request() }).contains("no depth"));
        assert!(refused(Request { prompts: vec![0], ..request() }).contains("a prompt of 0 tokens"));
        let none = Request { prompts: vec![], generations: vec![], ..request() };
        assert!(refused(none).contains("nothing to measure"));
        assert!(refused(Request { depths: vec![u32::MAX], ..request() }).contains("4294967295"));
        let pairs = vec![Group { n_prompt: u32::MAX, n_gen: u32::MAX }];
        assert!(refused(Request { pairs, ..request() }).contains("past the last position"));
    }

    #[test]
    fn impossible_numbers_of_sequences_are_refused_by_name() {
        let refused = |r: Request| r.plan().unwrap_err().to_string();
        assert!(refused(Request { parallel: vec![], ..request() }).contains("no number of sequences"));
        let max = max_sequences();
        for n in [0, max + 1, u32::MAX] {
            let said = refused(Request { parallel: vec![1, n], ..request() });
            assert_eq!(said, format!("{n} is not a valid number of sequences: give 1 to {max}"));
        }
        assert!(Request { parallel: vec![max], ..request() }.plan().is_ok());
        // Sequences that share one buffer have to fit into it together.
        let long = Request { prompts: vec![1 << 25], parallel: vec![64], ..request() };
        assert!(long.clone().plan().is_ok());
        assert!(refused(Request { shared_prefix: true, ..long }).contains("past the last position"));
    }

    #[test]
    fn every_test_is_planned_with_every_number_of_sequences() {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
        let asked =
            Request { embeddings: vec![6], pairs, parallel: vec![2, 1, 2], depths: vec![0], ..request() };
        let names: Vec<_> = asked.plan().unwrap().cells.iter().map(Test::to_string).collect();
        let expected = [
            "pp8",
            "pp8 x2",
            "tg4",
            "tg4 x2",
            "embd6",
            "embd6 x2",
            "pp4 (pg4+2)",
            "tg2 @ d4 (pg4+2)",
            "pp4 x2 (pg4+2)",
            "tg2 x2 @ d4 (pg4+2)",
        ];
        assert_eq!(names, expected);
    }
}
