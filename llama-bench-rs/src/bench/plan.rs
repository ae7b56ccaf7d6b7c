//! What will be run, and in which order, as pure data: cost and order are tested without a model.
//!
//! ```
//! use llama_bench_rs::bench::Request;
//!
//! let request =
//!     Request { prompts: vec![512], generations: vec![32], depths: vec![0, 4096], ..Request::default() };
//! let plan = request.plan()?;
//! let names: Vec<String> = plan.cells.iter().map(ToString::to_string).collect();
//! assert_eq!(names, ["pp512", "tg32", "pp512 @ d4096", "tg32 @ d4096"]);
//! assert_eq!(plan.n_timed_tokens(), 2 * 5 * (512 + 32)); // two depths, five repetitions
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

pub use super::request::Request;
use crate::record::{Method, Test, TestKind};

/// llama.cpp pads contexts to this many tokens; asking for the padded size keeps figures comparable.
pub(super) const N_CTX_PAD: u32 = 256;

/// Warm-up runs of a kind after which a machine that has not settled is measured anyway.
pub(super) const MAX_RUNS: u32 = 4;

/// Tokens of the prompts that show whether the machine has settled: they touch nearly everything that longer ones do.
pub(super) const N_PROMPT: u32 = 512;

/// One thing timed in one go: a test, or the two halves of a pg test. Numbers are indices of [`Plan::cells`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A test of its own.
    Single(usize),
    /// A prompt and the generation that directly follows it.
    Pair {
        /// Cell of the prompt half.
        prompt: usize,
        /// Cell of the generation half.
        generation: usize,
    },
}

impl Unit {
    /// The cells that this unit fills.
    pub fn cells(self) -> impl Iterator<Item = usize> {
        match self {
            Unit::Single(cell) => [Some(cell), None],
            Unit::Pair { prompt, generation } => [Some(prompt), Some(generation)],
        }
        .into_iter()
        .flatten()
    }
}

/// All that is run from one depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Tokens in the context before each repetition.
    pub n_depth: u32,
    /// What is timed there.
    pub units: Vec<Unit>,
}

/// A repetition of a prompt that stays in the context as part of the fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReusedPrompt {
    pub(super) unit: Unit,
    pub(super) cell: usize,
    pub(super) n_tokens: u32,
}

/// A checked request with its cells in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every cell: depths ascending, at each depth pp, tg, embd, then the halves of pg, each with every number of sequences.
    pub cells: Vec<Test>,
    /// The same, grouped by depth, ascending.
    pub depths: Vec<Depth>,
    /// What was asked for.
    pub request: Request,
}

impl Plan {
    /// Groups tests by the depth that they are run from, in the order given: depths ascend, and the halves of a pair
    /// follow each other.
    pub(super) fn of(cells: Vec<Test>, request: Request) -> Self {
        let mut depths: Vec<Depth> = Vec::new();
        let mut next = 0;
        while let Some(test) = cells.get(next) {
            let n_depth = start(test);
            let unit = match cells.get(next + 1) {
                Some(other) if is_pair(test, other) => Unit::Pair { prompt: next, generation: next + 1 },
                _ => Unit::Single(next),
            };
            next += unit.cells().count();
            match depths.last_mut() {
                Some(depth) if depth.n_depth == n_depth => depth.units.push(unit),
                _ => depths.push(Depth { n_depth, units: vec![unit] }),
            }
        }
        Self { cells, depths, request }
    }

    /// The plan without some of its tests, and without depths at which nothing is left.
    pub(super) fn without(&self, is_refused: impl Fn(&Test) -> bool) -> Self {
        Self::of(self.cells.iter().filter(|test| !is_refused(test)).copied().collect(), self.request.clone())
    }

    /// Tokens decoded in timed repetitions; with a stopping rule, at most.
    pub fn n_timed_tokens(&self) -> u64 {
        let per_rep: u64 = self.cells.iter().map(|cell| u64::from(cell.n_tokens())).sum();
        per_rep * u64::from(self.request.n_reps_max())
    }

    /// Tokens decoded to reach the depths if one context has room for all of them: the deepest once when rewinding,
    /// llama-bench's sum of fills otherwise, in which each of several sequences is filled before each repetition. At most: a
    /// reused prompt is not decoded again.
    pub fn n_fill_tokens(&self) -> u64 {
        match self.request.method {
            Method::Rewind => self.depths.last().map_or(0, |d| u64::from(d.n_depth)),
            Method::FreshContext => {
                self.depths.iter().map(|d| u64::from(d.n_depth) * self.n_fresh_fills(d)).sum()
            }
        }
    }

    /// How often a sequence is filled to this depth in fresh contexts. The state of one sequence is saved and restored.
    fn n_fresh_fills(&self, depth: &Depth) -> u64 {
        let n_reps = u64::from(self.request.n_reps_max());
        let levels = || depth.units.iter().map(|&unit| u64::from(self.n_seqs_of(unit)));
        let is_saved = |n_seqs: &u64| *n_seqs == 1 || self.request.shared_prefix;
        let n_each: u64 = levels().filter(|n_seqs| !is_saved(n_seqs)).map(|n_seqs| n_seqs * n_reps).sum();
        n_each + u64::from(levels().any(|n_seqs| is_saved(&n_seqs)))
    }

    /// The prompt whose last repetition at a depth can stay in the context as the beginning of the fill to the next:
    /// the longest of one sequence that does not reach past it.
    pub(super) fn reused_prompt(&self, depth: &Depth, next: &Depth) -> Option<ReusedPrompt> {
        let gap = next.n_depth - depth.n_depth;
        let prompt = |&unit: &Unit| match unit {
            Unit::Single(cell) => match (self.cells[cell].kind, self.cells[cell].n_parallel) {
                (TestKind::Pp(n_tokens), 1) => Some(ReusedPrompt { unit, cell, n_tokens }),
                _ => None,
            },
            Unit::Pair { .. } => None,
        };
        let fitting = depth.units.iter().filter_map(prompt).filter(|reused| reused.n_tokens <= gap);
        fitting.max_by_key(|reused| reused.n_tokens)
    }

    /// Tokens of the next chunk of the fill when `n_done` are in the context: as many as one decode takes, but few at
    /// first, to warm prompts up.
    pub(super) fn n_chunk(&self, n_done: u32, n_batch: u32) -> u32 {
        let warms_up = self.request.warmup && self.request.method == Method::Rewind;
        if warms_up && n_done < MAX_RUNS * N_PROMPT { n_batch.min(N_PROMPT) } else { n_batch }
    }

    /// The depths in the order of one pass: from deep to shallow, beginning at one that the seed chooses. A test
    /// overwrites what deeper depths hold and nothing that a shallower one needs: the whole state is brought back twice a
    /// pass at most.
    pub(super) fn round(&self, n_depths: usize, round: u32) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..n_depths).rev().collect();
        slots.rotate_left(self.rng(round, 0).next_u64() as usize % n_depths.max(1));
        slots
    }

    fn rng(&self, round: u32, salt: u64) -> Xoshiro256PlusPlus {
        let stream = (u64::from(round) << 32) ^ salt ^ 0x0BDE_25ED;
        Xoshiro256PlusPlus::seed_from_u64(self.request.seed.rotate_left(17) ^ stream)
    }

    /// The units of a depth in the order of one pass, shuffled by the seed.
    pub(super) fn shuffled<T: Clone>(&self, items: &[T], round: u32, salt: u64) -> Vec<T> {
        let mut rng = self.rng(round, salt);
        let mut items = items.to_vec();
        // Fisher-Yates; the bias of the remainder is far below one in a billion for lists this short.
        for i in (1..items.len()).rev() {
            items.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
        }
        items
    }
}

/// Tokens in the context before the unit that this test belongs to.
pub(super) fn start(test: &Test) -> u32 {
    match (test.kind, test.group) {
        (TestKind::Tg(_), Some(group)) => test.n_depth.saturating_sub(group.n_prompt),
        _ => test.n_depth,
    }
}

/// Whether these are the halves of a pg test.
fn is_pair(prompt: &Test, generation: &Test) -> bool {
    prompt.group.is_some()
        && prompt.group == generation.group
        && prompt.n_parallel == generation.n_parallel
        && !prompt.kind.is_generation()
        && generation.kind.is_generation()
        && start(prompt) == start(generation)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        bench::Event,
        record::{Group, Order},
        stats::StoppingRule,
    };

    pub(in crate::bench) fn request() -> Request {
        Request {
            prompts: vec![8],
            generations: vec![4],
            embeddings: vec![],
            pairs: vec![],
            parallel: vec![1],
            shared_prefix: false,
            depths: vec![64, 0, 32, 64],
            n_reps: 3,
            stopping: None,
            warmup: true,
            seed: 1,
            method: Method::Rewind,
            order: Order::Blocks,
            calibrated: false,
            energy: true,
            ceilings: crate::bench::CeilingPolicy::Off,
            profile: None,
            work: true,
            delay: Duration::ZERO,
            repeat_percent: 50,
            exclusive: false,
        }
    }

    #[test]
    fn depths_ascend_once_each_and_every_test_is_there() {
        let plan = request().plan().unwrap();
        let names: Vec<_> = plan.cells.iter().map(Test::to_string).collect();
        assert_eq!(names, ["pp8", "tg4", "pp8 @ d32", "tg4 @ d32", "pp8 @ d64", "tg4 @ d64"]);
        assert_eq!(plan.n_ctx(&plan.depths), 256);
        assert_eq!(plan.n_timed_tokens(), 3 * 3 * 12);
        assert_eq!(plan.n_fill_tokens(), 64);
    }

    #[test]
    fn a_pg_pair_is_two_cells_the_second_at_the_depth_where_it_starts() {
        let pairs = vec![Group { n_prompt: 300, n_gen: 5 }];
        let plan = Request { prompts: vec![], generations: vec![], pairs, depths: vec![100], ..request() }
            .plan()
            .unwrap();
        let names: Vec<_> = plan.cells.iter().map(Test::to_string).collect();
        assert_eq!(names, ["pp300 @ d100 (pg300+5)", "tg5 @ d400 (pg300+5)"]);
        assert_eq!(plan.n_ctx(&plan.depths), 512);
    }

    #[test]
    fn fresh_contexts_fill_each_sequence_before_each_repetition() {
        let asked = Request { method: Method::FreshContext, depths: vec![0, 100], ..request() };
        let fills = |parallel: &[u32], shared_prefix| {
            let request = Request { parallel: parallel.to_vec(), shared_prefix, ..asked.clone() };
            request.plan().unwrap().n_fill_tokens()
        };
        assert_eq!(fills(&[1], false), 100);
        // Two tests, three repetitions, four sequences.
        assert_eq!((fills(&[4], false), fills(&[1, 4], false)), (2400, 2500));
        assert_eq!((fills(&[4], true), fills(&[1, 4], true)), (100, 100));
    }

    #[test]
    fn tests_are_grouped_by_the_depth_that_they_are_run_from() {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }, Group { n_prompt: 32, n_gen: 2 }];
        let plan = Request { pairs, embeddings: vec![7], depths: vec![0, 32], ..request() }.plan().unwrap();
        let (pair, single) = (|prompt| Unit::Pair { prompt, generation: prompt + 1 }, Unit::Single);
        // The pair of 32 generates at depth 32 and is run from depth 0.
        let expected = [
            Depth { n_depth: 0, units: vec![single(0), single(1), single(2), pair(3), pair(5)] },
            Depth { n_depth: 32, units: vec![single(7), single(8), single(9), pair(10), pair(12)] },
        ];
        assert_eq!(plan.depths, expected);
        let halves = plan.without(|test| test.group.is_some() && !test.kind.is_generation());
        assert_eq!(halves.depths[0].units, (0..5).map(single).collect::<Vec<_>>());
        assert_eq!(halves.depths[1].n_depth, 32, "a half that is left stays at the depth of the pair");
    }

    #[test]
    fn a_plan_follows_from_what_an_observer_hears_of_it() {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
        let rule = StoppingRule { max: 40, ..StoppingRule::new() };
        for stopping in [None, Some(rule)] {
            let asked = Request { pairs: pairs.clone(), stopping, method: Method::FreshContext, ..request() };
            let plan = asked.plan().unwrap();
            let Event::Planned { cells, n_reps, stopping, method } = Event::planned(&plan) else { panic!() };
            let heard = Request { n_reps, stopping, method, ..Request::default() };
            let heard = Plan::of(cells.to_vec(), heard);
            assert_eq!(heard.depths, plan.depths);
            assert_eq!(heard.n_fill_tokens(), plan.n_fill_tokens());
            assert_eq!(heard.n_timed_tokens(), plan.n_timed_tokens());
        }
    }

    #[test]
    fn a_round_goes_from_deep_to_shallow_beginning_at_one_of_the_depths() {
        let plan = request().plan().unwrap();
        let mut firsts = Vec::new();
        for round in 0..20 {
            let slots = plan.round(3, round);
            let twice: Vec<usize> = [2, 1, 0, 2, 1, 0].to_vec();
            assert!(twice.windows(3).any(|part| part == slots), "{slots:?}");
            firsts.push(slots[0]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts, [0, 1, 2], "each depth has its turn at every place of a round");
        assert!(plan.round(0, 1).is_empty());
    }

    #[test]
    fn the_longest_prompt_that_fits_between_two_depths_is_reused() {
        let prompts = vec![8, 32, 33, 64];
        let plan = Request { prompts, ..request() }.plan().unwrap();
        let [at_0, at_32, at_64] = &plan.depths[..] else { panic!("three depths") };
        assert_eq!(plan.reused_prompt(at_0, at_32).map(|reused| reused.n_tokens), Some(32));
        assert_eq!(plan.reused_prompt(at_0, at_64).map(|reused| reused.n_tokens), Some(64));
        for (prompts, parallel) in [(vec![33], vec![1]), (vec![8], vec![4])] {
            let plan = Request { prompts, parallel, ..request() }.plan().unwrap();
            assert_eq!(plan.reused_prompt(&plan.depths[0], &plan.depths[1]), None);
        }
    }

    #[test]
    fn the_fill_begins_in_short_chunks() {
        let plan = request().plan().unwrap();
        let chunks = |n_batch| [0, 1536, 2048].map(|n_done| plan.n_chunk(n_done, n_batch));
        assert_eq!(chunks(2048), [512, 512, 2048]);
        assert_eq!(chunks(128), [128; 3]);
        let cold = Request { warmup: false, ..request() }.plan().unwrap();
        assert_eq!(cold.n_chunk(0, 2048), 2048);
        let fresh = Request { method: Method::FreshContext, ..request() }.plan().unwrap();
        assert_eq!(fresh.n_chunk(0, 2048), 2048);
    }

    #[test]
    fn the_order_of_a_round_follows_from_the_seed() {
        let plan = request().plan().unwrap();
        let items: Vec<u32> = (0..20).collect();
        assert_eq!(plan.shuffled(&items, 1, 0), plan.shuffled(&items, 1, 0));
        assert_ne!(plan.shuffled(&items, 1, 0), plan.shuffled(&items, 2, 0));
        let mut sorted = plan.shuffled(&items, 3, 9);
        sorted.sort_unstable();
        assert_eq!(sorted, items);
    }
}
