use serde::{Deserialize, Serialize};

use super::{Lengths, SettingError};
use crate::{bench::target::Token, stats::Rng};

/// The requests of a repetition.
///
/// A request follows from its number and the seed alone: its lengths and its tokens are the same in every configuration,
/// at every load and in every order of arrival.
///
/// ```
/// use llama_bench_rs::serve::Workload;
///
/// let workload = Workload::default().prompts("lognormal:512:0.6".parse()?).n_prefix(1000).n_requests(100);
/// assert_eq!(workload.request(7), workload.request(7));
/// assert!(workload.requests().all(|request| request.n_prompt > 1000));
/// # Ok::<(), llama_bench_rs::serve::DistributionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Workload {
    /// Tokens of each prompt, in addition to the prefix.
    pub prompts: Lengths,
    /// Tokens that each request generates.
    pub generations: Lengths,
    /// Tokens at the beginning of every prompt that are the same in all of them, as a system prompt is.
    pub n_prefix: u32,
    /// Requests of a repetition.
    pub n_requests: u32,
    /// Seed of lengths, tokens and times.
    pub seed: u64,
}

impl Default for Workload {
    /// 64 requests with prompts of 512 tokens and generations of 128, no prefix, seed 42.
    fn default() -> Self {
        Self {
            prompts: Lengths::Fixed(512),
            generations: Lengths::Fixed(128),
            n_prefix: 0,
            n_requests: 64,
            seed: 42,
        }
    }
}

/// More requests are a typing error: their records would fill the memory.
const MOST_REQUESTS: u32 = 1_000_000;

/// What one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its place in the workload, from 0.
    pub id: u32,
    /// Tokens of its prompt, those of the prefix included.
    pub n_prompt: u32,
    /// Tokens that it generates.
    pub n_gen: u32,
}

/// The tokens that requests are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Its size, in tokens.
    pub n_vocab: u32,
    /// The token that begins every prompt; `None` if the vocabulary wants none.
    pub bos: Option<Token>,
}

impl Workload {
    /// With these lengths of prompts, in tokens.
    #[must_use]
    pub fn prompts(self, prompts: Lengths) -> Self {
        Self { prompts, ..self }
    }

    /// With these lengths of generations, in tokens.
    #[must_use]
    pub fn generations(self, generations: Lengths) -> Self {
        Self { generations, ..self }
    }

    /// With a prefix of this many tokens that all prompts share.
    #[must_use]
    pub fn n_prefix(self, n_prefix: u32) -> Self {
        Self { n_prefix, ..self }
    }

    /// With this many requests in a repetition.
    #[must_use]
    pub fn n_requests(self, n_requests: u32) -> Self {
        Self { n_requests, ..self }
    }

    /// With this seed of lengths, tokens and times.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The request of this number.
    pub fn request(&self, id: u32) -> Request {
        let n_own = self.prompts.draw(id, &mut self.rng(Stream::Prompt, id));
        let n_gen = self.generations.draw(id, &mut self.rng(Stream::Generation, id));
        Request { id, n_prompt: self.n_prefix.saturating_add(n_own), n_gen }
    }

    /// All requests, in the order of their numbers.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        (0..self.n_requests).map(|id| self.request(id))
    }

    /// Positions that the longest request takes: what a slot must have room for, in tokens. `None` without requests.
    pub fn n_longest(&self) -> Option<u32> {
        self.requests().map(|request| request.n_prompt.saturating_add(request.n_gen)).max()
    }

    /// The token at a position of a request: of its prompt, or after it a generated one.
    pub fn token(&self, vocabulary: Vocabulary, id: u32, position: u32) -> Token {
        let tokens = Tokens::new(self, vocabulary);
        tokens.at(tokens.key(id), position)
    }

    /// Whether every request can be served.
    ///
    /// # Errors
    /// There are no requests, a length is not valid, or a request goes past the last position of a context.
    pub fn check(&self) -> Result<(), SettingError> {
        const MAX: u32 = i32::MAX as u32;
        self.prompts.check()?;
        self.generations.check()?;
        match self.n_requests {
            0 => return Err(SettingError::NoRequests),
            n_requests if n_requests > MOST_REQUESTS => {
                return Err(SettingError::TooManyRequests { n_requests, most: MOST_REQUESTS });
            }
            _ => {}
        }
        let room = u64::from(MAX);
        let too_long =
            self.requests().find(|request| u64::from(request.n_prompt) + u64::from(request.n_gen) > room);
        match too_long {
            None => Ok(()),
            Some(Request { id, n_prompt, n_gen }) => {
                Err(SettingError::TooLong { id, n_prompt: n_prompt.into(), n_gen, max: MAX })
            }
        }
    }

    /// Random numbers of one purpose and one request.
    pub(super) fn rng(&self, stream: Stream, id: u32) -> Rng {
        Rng::new(mixed(self.seed.wrapping_add(GOLDEN.wrapping_mul(((stream as u64) << 32) + u64::from(id)))))
    }
}

/// What random numbers are for. Each purpose has its own: a longer prompt does not change when requests arrive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Prompt = 1,
    Generation,
    Think,
    Arrival,
    Begin,
    Tokens,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: neighbouring words become unrelated ones.
fn mixed(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The tokens of all requests, computed where they are needed: nothing is stored, whatever the lengths are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    seed: u64,
    prefix: Key,
    n_prefix: u32,
    vocabulary: Vocabulary,
}

/// What distinguishes the tokens of one request from those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Tokens {
    pub(super) fn new(workload: &Workload, vocabulary: Vocabulary) -> Self {
        let seed = mixed(workload.seed.wrapping_add(GOLDEN.wrapping_mul((Stream::Tokens as u64) << 32)));
        Self { seed, prefix: Key(mixed(seed)), n_prefix: workload.n_prefix, vocabulary }
    }

    pub(super) fn key(&self, id: u32) -> Key {
        Key(mixed(self.seed.wrapping_add(GOLDEN.wrapping_mul(u64::from(id) + 1))))
    }

    pub(super) fn at(&self, Key(own): Key, position: u32) -> Token {
        if let (0, Some(bos)) = (position, self.vocabulary.bos) {
            return bos;
        }
        let Key(key) = if position < self.n_prefix { self.prefix } else { Key(own) };
        let bits = mixed(key.wrapping_add(GOLDEN.wrapping_mul(u64::from(position) + 1)));
        // The high half of the product maps 64 random bits evenly onto the vocabulary.
        ((u128::from(bits) * u128::from(self.vocabulary.n_vocab)) >> 64) as Token
    }

    /// How many tokens two requests have in common at their beginning, `most` at most.
    pub(super) fn n_common(&self, a: Key, b: Key, most: u32) -> u32 {
        let n_prefix = self.n_prefix.min(most);
        (n_prefix..most).find(|&position| self.at(a, position) != self.at(b, position)).unwrap_or(most)
    }
}
