//! Random tokens, drawn from the seed before any clock starts.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

use super::target::{Limits, Row, Token};
use crate::record::TestKind;

/// Draws the tokens of fills, prompts and generations: the same ones on every machine with the same seed.
#[derive(Clone, Debug)]
pub(super) struct TokenSource {
    seed: u64,
    n_vocab: u64,
    bos: Option<Token>,
}

/// What tokens are for. Each purpose has its own random stream: no test depends on another's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Fill,
    Warmup,
    Live,
    Repetition { cell: usize, rep: u32 },
}

/// What a run of a test decodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Tokens of sequence 0.
    One(Vec<Token>),
    /// Tokens of several sequences in the order in which they are submitted.
    Several { rows: Vec<Row>, n_seqs: u32 },
}

impl Input {
    /// Tokens of all sequences.
    pub(super) fn n_tokens(&self) -> u32 {
        match self {
            Self::One(tokens) => tokens.len() as u32,
            Self::Several { rows, .. } => rows.len() as u32,
        }
    }

    /// Leaves what one decode takes of a prompt of several sequences.
    pub(super) fn cut_prompt(&mut self, kind: TestKind, n_batch: u32) {
        if let (Self::Several { rows, .. }, TestKind::Pp(_)) = (self, kind) {
            rows.truncate(n_batch as usize);
        }
    }
}

impl TokenSource {
    pub(super) fn new(seed: u64, limits: Limits) -> Self {
        Self { seed, n_vocab: u64::from(limits.n_vocab.max(1)), bos: limits.bos }
    }

    /// `n` tokens; the first is the begin-of-sequence token if they start a sequence and the vocabulary has one.
    pub(super) fn draw(&self, purpose: Purpose, n: u32, starts_sequence: bool) -> Vec<Token> {
        let stream = match purpose {
            Purpose::Fill => 1,
            Purpose::Warmup => 2,
            Purpose::Live => 3,
            Purpose::Repetition { cell, rep } => 4 + ((cell as u64) << 32) + u64::from(rep),
        };
        // seed_from_u64 runs the words through SplitMix64, so neighbouring streams are unrelated.
        let mut rng =
            Xoshiro256PlusPlus::seed_from_u64(self.seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut tokens: Vec<Token> =
            // The high half of the product maps 64 random bits evenly onto the vocabulary.
            (0..n).map(|_| ((u128::from(rng.next_u64()) * u128::from(self.n_vocab)) >> 64) as Token).collect();
        if let (true, Some(bos), Some(first)) = (starts_sequence, self.bos, tokens.first_mut()) {
            *first = bos;
        }
        tokens
    }

    /// The same for a run of a test with several sequences, each with tokens of its own. Prompts come one sequence after
    /// the other, with logits after the last token of each; of generations one token of each sequence at a time, all with
    /// logits. This is what llama-batched-bench submits.
    pub(super) fn draw_for(
        &self,
        purpose: Purpose,
        kind: TestKind,
        n_seqs: u32,
        starts_sequence: bool,
    ) -> Input {
        let n = kind.n_tokens();
        if n_seqs == 1 {
            return Input::One(self.draw(purpose, n, starts_sequence));
        }
        let mut tokens = self.draw(purpose, n.saturating_mul(n_seqs), starts_sequence);
        if let (true, Some(bos)) = (starts_sequence, self.bos) {
            tokens.chunks_mut(n.max(1) as usize).for_each(|of_one| of_one[0] = bos);
        }
        let row = |seq: u32, at: u32, logits| {
            let token = tokens[seq as usize * n as usize + at as usize];
            Row { seq, token, logits }
        };
        let rows = if kind.is_generation() {
            (0..n)
                .flat_map(|at| (0..n_seqs).map(move |seq| (seq, at)))
                .map(|(seq, at)| row(seq, at, true))
                .collect()
        } else {
            let places = (0..n_seqs).flat_map(|seq| (0..n).map(move |at| (seq, at)));
            places.map(|(seq, at)| row(seq, at, at + 1 == n)).collect()
        };
        Input::Several { rows, n_seqs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(seed: u64) -> TokenSource {
        TokenSource::new(seed, Limits { n_vocab: 100, bos: Some(7), n_batch: 8, n_ctx_train: 64 })
    }

    #[test]
    fn tokens_follow_from_seed_and_purpose_alone() {
        let rep = Purpose::Repetition { cell: 1, rep: 2 };
        assert_eq!(source(1).draw(rep, 50, false), source(1).draw(rep, 50, false));
        assert_ne!(source(1).draw(rep, 50, false), source(2).draw(rep, 50, false));
        assert_ne!(source(1).draw(rep, 50, false), source(1).draw(Purpose::Fill, 50, false));
        // A longer fill begins with the shorter one: a deeper context holds the shallower.
        assert_eq!(
            source(1).draw(Purpose::Fill, 90, true)[..50],
            source(1).draw(Purpose::Fill, 50, true)[..]
        );
    }

    fn rows(kind: TestKind, n_seqs: u32, starts: bool) -> Vec<Row> {
        match source(1).draw_for(Purpose::Warmup, kind, n_seqs, starts) {
            Input::Several { rows, .. } => rows,
            Input::One(tokens) => panic!("{tokens:?}"),
        }
    }

    #[test]
    fn every_sequence_has_tokens_of_its_own_in_the_order_of_llama_batched_bench() {
        let of = |rows: &[Row], seq| -> Vec<Token> {
            rows.iter().filter(|row| row.seq == seq).map(|row| row.token).collect()
        };
        let prompt = rows(TestKind::Pp(20), 3, true);
        let order: Vec<u32> = prompt.iter().map(|row| row.seq).collect();
        assert_eq!(order, [[0; 20], [1; 20], [2; 20]].concat());
        let with_logits: Vec<usize> = (0..60).filter(|&i| prompt[i].logits).collect();
        assert_eq!(with_logits, [19, 39, 59]);
        assert!((0..3).all(|seq| of(&prompt, seq)[0] == 7), "each begins with its own first token");
        let generation = rows(TestKind::Tg(20), 3, false);
        let order: Vec<u32> = generation.iter().map(|row| row.seq).collect();
        assert_eq!(order, [0, 1, 2].repeat(20));
        assert!(generation.iter().all(|row| row.logits));
        for rows in [prompt, generation] {
            let (zero, one, two) = (of(&rows, 0), of(&rows, 1), of(&rows, 2));
            assert!(zero != one && one != two && two != zero, "{rows:?}");
        }
    }

    #[test]
    fn one_sequence_has_the_tokens_that_it_always_had() {
        let one = source(1).draw_for(Purpose::Warmup, TestKind::Tg(9), 1, true);
        assert_eq!(one, Input::One(source(1).draw(Purpose::Warmup, 9, true)));
        let mut several = source(1).draw_for(Purpose::Warmup, TestKind::Pp(9), 4, true);
        assert_eq!(several.n_tokens(), 36);
        several.cut_prompt(TestKind::Tg(9), 16);
        assert_eq!(several.n_tokens(), 36);
        several.cut_prompt(TestKind::Pp(9), 16);
        assert_eq!(several.n_tokens(), 16);
    }

    #[test]
    fn tokens_spread_over_the_vocabulary_and_start_with_bos() {
        let tokens = source(3).draw(Purpose::Fill, 10_000, true);
        assert_eq!(tokens[0], 7);
        assert!(tokens.iter().all(|&t| (0..100).contains(&t)));
        let mut counts = [0u32; 100];
        tokens.iter().for_each(|&t| counts[t as usize] += 1);
        assert!(counts.iter().all(|&c| (50..200).contains(&c)), "{counts:?}");
    }
}
