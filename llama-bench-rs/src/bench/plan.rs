//! What will be run, in which order: pure data, so that cost and order are tested without a model.

use std::time::Duration;

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

use super::{
    error::BenchError,
    warmup::{MAX_RUNS, N_PROMPT},
};
use crate::{
    record::{Group, Method, Order, Test, TestKind},
    stats::StoppingRule,
};

/// llama.cpp pads contexts to this many tokens; asking for the padded size keeps figures comparable.
const N_CTX_PAD: u32 = 256;

/// Positions are 32-bit signed in llama.cpp; the padding must fit too.
const N_CTX_MAX: u32 = i32::MAX as u32 - N_CTX_PAD;

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

/// A repetition of a prompt that the fill goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) unit: Unit,
    pub(super) cell: usize,
    pub(super) n_tokens: u32,
}

/// What a sweep asks for, before it is checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Prompt lengths, in tokens.
    pub prompts: Vec<u32>,
    /// Generation lengths, in tokens.
    pub generations: Vec<u32>,
    /// Lengths of texts to embed, in tokens.
    pub embeddings: Vec<u32>,
    /// Prompt and generation in one go.
    pub pairs: Vec<Group>,
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
    /// Whether the pace of the machine is taken before each repetition.
    pub paced: bool,
    /// Whether the graphs that are computed are recorded.
    pub work: bool,
    /// Pause before each test.
    pub delay: Duration,
    /// How many of a cell's repetitions may be run once more because other programs disturbed them, in per cent.
    pub repeat_percent: u32,
    /// Whether to wait until no other sweep measures on this machine.
    pub exclusive: bool,
}

/// A checked request with its cells in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every cell: depths ascending, at each depth pp, tg, embd, then the halves of pg.
    pub cells: Vec<Test>,
    /// The same, grouped by depth, ascending.
    pub depths: Vec<Depth>,
    /// What was asked for.
    pub request: Request,
}

impl Request {
    /// Checks the request and lays out its cells.
    ///
    /// # Errors
    /// Nothing to measure, a length or count of zero, or positions that llama.cpp cannot count.
    pub fn plan(mut self) -> Result<Plan, BenchError> {
        self.check()?;
        self.depths.sort_unstable();
        self.depths.dedup();
        // A test that is asked for twice is measured once.
        self.prompts = once(&self.prompts);
        self.generations = once(&self.generations);
        self.pairs = once(&self.pairs);
        let mut cells = Vec::new();
        let mut add = |kind, n_depth, group| {
            cells.push(Test { kind, n_depth, group });
            cells.len() - 1
        };
        let depths = self
            .depths
            .iter()
            .map(|&n_depth| {
                let mut units = Vec::new();
                units.extend(self.prompts.iter().map(|&n| Unit::Single(add(TestKind::Pp(n), n_depth, None))));
                units.extend(
                    self.generations.iter().map(|&n| Unit::Single(add(TestKind::Tg(n), n_depth, None))),
                );
                units.extend(
                    self.embeddings.iter().map(|&n| Unit::Single(add(TestKind::Embd(n), n_depth, None))),
                );
                units.extend(self.pairs.iter().map(|&group| Unit::Pair {
                    prompt: add(TestKind::Pp(group.n_prompt), n_depth, Some(group)),
                    generation: add(TestKind::Tg(group.n_gen), n_depth + group.n_prompt, Some(group)),
                }));
                Depth { n_depth, units }
            })
            .collect();
        Ok(Plan { cells, depths, request: self })
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
        let Some(&n_depth) = self.depths.iter().max() else { return Err(BenchError::NoDepths) };
        let longest = singles.into_iter().flatten().map(|&n| u64::from(n));
        let pairs = self.pairs.iter().map(|g| u64::from(g.n_prompt) + u64::from(g.n_gen));
        let n_tokens = longest.chain(pairs).max().unwrap_or(0);
        if u64::from(n_depth) + n_tokens > u64::from(N_CTX_MAX) {
            let n_tokens = n_tokens.min(u64::from(u32::MAX)) as u32;
            return Err(BenchError::TooDeep { n_depth, n_tokens, max: N_CTX_MAX });
        }
        Ok(())
    }
}

/// Each item once, in order.
fn once<T: Clone + PartialEq>(items: &[T]) -> Vec<T> {
    let is_first = |(i, item): &(usize, &T)| !items[..*i].contains(*item);
    items.iter().enumerate().filter(is_first).map(|(_, item)| item.clone()).collect()
}

impl Request {
    /// Most repetitions of a cell.
    pub fn n_reps_max(&self) -> u32 {
        self.stopping.map_or(self.n_reps, |rule| u32::try_from(rule.max).unwrap_or(u32::MAX))
    }
}

impl Plan {
    /// Tokens that the context must hold for this unit, before padding.
    pub fn n_needed(&self, unit: Unit) -> u32 {
        unit.cells()
            .map(|cell| self.cells[cell].n_depth + self.cells[cell].kind.n_tokens())
            .max()
            .unwrap_or(0)
    }

    /// Tokens that one repetition of this unit decodes.
    pub(super) fn n_test(&self, unit: Unit) -> u32 {
        unit.cells().map(|cell| self.cells[cell].kind.n_tokens()).sum()
    }

    /// Tokens that the context must hold for everything up to and including this depth, padded.
    pub fn n_ctx(&self, depths: &[Depth]) -> u32 {
        let needed = depths.iter().flat_map(|d| &d.units).map(|&unit| self.n_needed(unit)).max().unwrap_or(0);
        needed.next_multiple_of(N_CTX_PAD)
    }

    /// Padded context for one unit alone, as llama-bench sizes the context of a test.
    pub fn n_ctx_of(&self, unit: Unit) -> u32 {
        self.n_needed(unit).next_multiple_of(N_CTX_PAD)
    }

    /// Tokens decoded in timed repetitions; with a stopping rule, at most.
    pub fn n_timed_tokens(&self) -> u64 {
        let per_rep: u64 = self.cells.iter().map(|cell| u64::from(cell.kind.n_tokens())).sum();
        per_rep * u64::from(self.request.n_reps_max())
    }

    /// Tokens decoded to reach the depths: the deepest once when rewinding, llama-bench's sum of fills otherwise. At
    /// most: a repetition of a prompt that the fill goes on from is not decoded again.
    pub fn n_fill_tokens(&self) -> u64 {
        match self.request.method {
            Method::Rewind => self.depths.last().map_or(0, |d| u64::from(d.n_depth)),
            Method::FreshContext => self.depths.iter().map(|d| u64::from(d.n_depth)).sum(),
        }
    }

    /// The prompt whose last repetition at a depth can stay in the context as the beginning of the fill to the next:
    /// the longest that does not reach past it.
    pub(super) fn carried(&self, depth: &Depth, next: &Depth) -> Option<Carried> {
        let gap = next.n_depth - depth.n_depth;
        let prompt = |&unit: &Unit| match unit {
            Unit::Single(cell) => match self.cells[cell].kind {
                TestKind::Pp(n_tokens) => Some(Carried { unit, cell, n_tokens }),
                TestKind::Tg(_) | TestKind::Embd(_) => None,
            },
            Unit::Pair { .. } => None,
        };
        let fitting = depth.units.iter().filter_map(prompt).filter(|carried| carried.n_tokens <= gap);
        fitting.max_by_key(|carried| carried.n_tokens)
    }

    /// Tokens of the next chunk of the fill when `n_done` are in the context: as many as one decode takes, but few at
    /// first, so that the fill warms prompts up.
    pub(super) fn n_chunk(&self, n_done: u32, n_batch: u32) -> u32 {
        let warms_up = self.request.warmup && self.request.method == Method::Rewind;
        if warms_up && n_done < MAX_RUNS * N_PROMPT { n_batch.min(N_PROMPT) } else { n_batch }
    }

    /// The depths in the order of one round, deepest first, beginning at one that the seed chooses. Going up writes over
    /// nothing that a shallower depth needs, so that the whole state is brought back twice a round at most.
    pub(super) fn descending(&self, n_depths: usize, round: u32) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..n_depths).rev().collect();
        slots.rotate_left(self.rng(round, 0).next_u64() as usize % n_depths.max(1));
        slots
    }

    fn rng(&self, round: u32, salt: u64) -> Xoshiro256PlusPlus {
        let stream = (u64::from(round) << 32) ^ salt ^ 0x0BDE_25ED;
        Xoshiro256PlusPlus::seed_from_u64(self.request.seed.rotate_left(17) ^ stream)
    }

    /// The units of a depth in the order of one round, shuffled by the seed.
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn request() -> Request {
        Request {
            prompts: vec![8],
            generations: vec![4],
            embeddings: vec![],
            pairs: vec![],
            depths: vec![64, 0, 32, 64],
            n_reps: 3,
            stopping: None,
            warmup: true,
            seed: 1,
            method: Method::Rewind,
            order: Order::Blocks,
            paced: false,
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
    fn a_test_that_is_asked_for_twice_is_planned_once() {
        let pair = Group { n_prompt: 4, n_gen: 2 };
        let twice =
            Request { prompts: vec![8, 16, 8], generations: vec![4, 4], pairs: vec![pair; 3], ..request() };
        let plan = Request { depths: vec![0], ..twice }.plan().unwrap();
        let names: Vec<_> = plan.cells.iter().map(Test::to_string).collect();
        assert_eq!(names, ["pp8", "pp16", "tg4", "pp4 (pg4+2)", "tg2 @ d4 (pg4+2)"]);
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
    fn a_round_goes_through_the_depths_upwards_from_one_of_them() {
        let plan = request().plan().unwrap();
        let mut firsts = Vec::new();
        for round in 0..20 {
            let slots = plan.descending(3, round);
            let twice: Vec<usize> = [2, 1, 0, 2, 1, 0].to_vec();
            assert!(twice.windows(3).any(|part| part == slots), "{slots:?}");
            firsts.push(slots[0]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts, [0, 1, 2], "each depth has its turn at every place of a round");
        assert!(plan.descending(0, 1).is_empty());
    }

    #[test]
    fn the_longest_prompt_that_fits_between_two_depths_is_carried() {
        let prompts = vec![8, 32, 33, 64];
        let plan = Request { prompts, ..request() }.plan().unwrap();
        let [at_0, at_32, at_64] = &plan.depths[..] else { panic!("three depths") };
        assert_eq!(plan.carried(at_0, at_32).map(|carried| carried.n_tokens), Some(32));
        assert_eq!(plan.carried(at_0, at_64).map(|carried| carried.n_tokens), Some(64));
        let plan = Request { prompts: vec![33], ..request() }.plan().unwrap();
        assert_eq!(plan.carried(&plan.depths[0], &plan.depths[1]), None);
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
