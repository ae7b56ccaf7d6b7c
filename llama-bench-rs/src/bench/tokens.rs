//! Random tokens, drawn from the seed before any clock starts.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

use super::target::{Limits, Token};

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
