//! What a target can do, and why it refuses other tests.
//!
//! ```no_run
//! use llama_bench_rs::{bench::Sweep, llama::Model};
//!
//! let model = Model::load("bert.gguf")?;
//! for (test, failure) in Sweep::new(&model).prompt(512).generate(32).unsupported()? {
//!     // tg32: this model does not generate: it keeps no memory of past tokens
//!     println!("{test}: {}", failure.message);
//! }
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```

use super::target::Token;
use crate::record::{Failure, FailureKind, Test, TestKind};

/// What a target can do. The default is a language model, which generates and takes prompts in parts of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// What later tokens continue from.
    pub memory: Memory,
    /// Most tokens of a prompt, if it must be computed at once (`n_ubatch`); `None` if it may come in parts.
    pub whole_prompt: Option<u32>,
    /// The same of a text that is embedded.
    pub whole_embedding: Option<u32>,
    /// Learned positions, which are the most that the model has; `None` if it computes positions.
    pub n_positions: Option<u32>,
}

/// What later tokens continue from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// All tokens before them: prompts and generations at any depth.
    #[default]
    Tokens,
    /// A text that an encoder has read whole; a generation's depth is its length. Prompts go to the encoder.
    Encoded {
        /// Token that a generation begins with.
        start: Token,
    },
    /// Nothing: a text is computed in one piece, in an empty context.
    Nothing(Reason),
}

/// Why a model has no memory and does not generate token by token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It has an encoder and no decoder.
    EncoderAlone,
    /// It fills in masked tokens of a whole text.
    Diffusion,
    /// It keeps none, like BERT.
    NoMemory,
    /// Every token sees those after it too, which changes with each new one.
    NotCausal,
}

impl Reason {
    fn no_generation(self) -> &'static str {
        match self {
            Self::EncoderAlone => "this model does not generate: it has an encoder and no decoder",
            Self::Diffusion => {
                "this model does not generate token by token: it fills in the masked tokens of a whole text (diffusion)"
            }
            Self::NoMemory => "this model does not generate: it keeps no memory of past tokens",
            Self::NotCausal => "this model does not generate token by token: its attention is not causal",
        }
    }

    fn no_depth(self) -> &'static str {
        match self {
            Self::NotCausal => {
                "this model keeps no memory of past tokens that others could go on from, since its attention is not \
                 causal"
            }
            _ => "this model keeps no memory of past tokens",
        }
    }
}

impl Abilities {
    /// Most tokens of one repetition that are submitted at once, with batches of `n_batch` tokens.
    pub(super) fn n_at_once(&self, kind: TestKind, n_batch: u32) -> u32 {
        match kind {
            TestKind::Pp(_) => self.whole_prompt.unwrap_or(n_batch),
            TestKind::Embd(_) => self.whole_embedding.unwrap_or(n_batch),
            TestKind::Tg(_) => 1,
        }
    }

    /// Why several sequences cannot be processed together, if they cannot.
    fn no_sequences(&self, kind: TestKind) -> Option<&'static str> {
        match self.memory {
            Memory::Nothing(_) => Some("this model keeps no memory in which it could hold sequences apart"),
            Memory::Encoded { .. } => Some("this model's encoder keeps the text of one sequence"),
            Memory::Tokens if kind.is_embedding() => Some("a text is embedded by itself"),
            Memory::Tokens => None,
        }
    }

    /// Why this test cannot be run, if it cannot.
    pub(super) fn refusal(&self, test: &Test) -> Option<Failure> {
        let Test { kind, n_depth, n_parallel, .. } = *test;
        match self.memory {
            Memory::Nothing(reason) if kind.is_generation() => {
                return Some(unsupported(reason.no_generation()));
            }
            Memory::Nothing(reason) if n_depth > 0 => {
                return Some(unsupported(&format!("{}: measure at depth 0", reason.no_depth())));
            }
            Memory::Encoded { .. } if n_depth > 0 && !kind.is_generation() => {
                return Some(unsupported(
                    "this model's encoder keeps no memory of past tokens: measure prompts at depth 0",
                ));
            }
            _ => {}
        }
        if n_parallel > 1
            && let Some(why) = self.no_sequences(kind)
        {
            return Some(unsupported(&format!("{why}: measure with 1 sequence")));
        }
        // Before the batch size: a larger batch would not help here.
        let n_end = n_depth.saturating_add(kind.n_tokens());
        if let Some(n_positions) = self.n_positions.filter(|&n_positions| n_end > n_positions) {
            return Some(Failure {
                kind: FailureKind::ContextTooSmall,
                message: format!(
                    "the model has learned {n_positions} positions and this test ends at {n_end}: lower the depth or \
                     shorten the test"
                ),
            });
        }
        let (whole, n_tokens) = match (kind, self.memory) {
            (TestKind::Pp(n), _) => (self.whole_prompt, n),
            (TestKind::Embd(n), _) => (self.whole_embedding, n),
            (TestKind::Tg(_), Memory::Encoded { .. }) => (self.whole_prompt, n_depth),
            (TestKind::Tg(_), _) => (None, 0),
        };
        if let Some(n_ubatch) = whole.filter(|&n_ubatch| n_tokens > n_ubatch) {
            return Some(Failure {
                kind: FailureKind::InvalidParameter,
                message: format!(
                    "this model computes a text of {n_tokens} tokens at once and n_ubatch is {n_ubatch}: raise -ub \
                     (n_ubatch) and -b (n_batch) to {n_tokens}"
                ),
            });
        }
        None
    }
}

/// A failure of what a target cannot do.
pub(super) fn unsupported(message: &str) -> Failure {
    Failure { kind: FailureKind::Unsupported, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(abilities: Abilities, kind: TestKind, n_depth: u32) -> Option<(String, String)> {
        let failure = abilities.refusal(&Test::from(kind).at(n_depth))?;
        Some((failure.kind.to_string(), failure.message))
    }

    #[test]
    fn a_language_model_is_refused_nothing() {
        for kind in [TestKind::Pp(1 << 20), TestKind::Tg(9), TestKind::Embd(9)] {
            assert_eq!(refusal(Abilities::default(), kind, 1 << 20), None);
        }
    }

    #[test]
    fn a_text_past_the_learned_positions_is_not_told_to_raise_the_batch() {
        let abilities = Abilities { n_positions: Some(512), whole_prompt: Some(256), ..Abilities::default() };
        let kind = |n| refusal(abilities, TestKind::Pp(n), 0).map(|(kind, _)| kind);
        assert_eq!(kind(1024).as_deref(), Some("context_too_small"));
        assert_eq!(kind(512).as_deref(), Some("invalid_parameter"));
        assert_eq!(kind(256), None);
    }

    #[test]
    fn without_memory_texts_are_computed_whole_and_alone() {
        for reason in [Reason::EncoderAlone, Reason::Diffusion, Reason::NoMemory, Reason::NotCausal] {
            let memory = Memory::Nothing(reason);
            let abilities =
                Abilities { memory, whole_prompt: Some(64), whole_embedding: Some(64), n_positions: None };
            let unsupported = |kind, n_depth, says: &str| {
                let (word, message) = refusal(abilities, kind, n_depth).unwrap();
                assert!(word == "unsupported" && message.contains(says), "{reason:?}: {message}");
            };
            assert_eq!(refusal(abilities, TestKind::Pp(64), 0), None);
            assert_eq!(refusal(abilities, TestKind::Embd(64), 0), None);
            unsupported(TestKind::Pp(64), 1, "this model keeps no memory of past tokens");
            unsupported(TestKind::Embd(64), 1, "measure at depth 0");
            unsupported(TestKind::Tg(1), 0, "does not generate");
            for kind in [TestKind::Pp(65), TestKind::Embd(65)] {
                let (word, message) = refusal(abilities, kind, 0).unwrap();
                assert!(word == "invalid_parameter" && message.contains("-ub (n_ubatch)"), "{message}");
            }
        }
    }

    #[test]
    fn a_decoder_goes_on_from_an_encoded_text_of_any_length_that_can_be_encoded() {
        let memory = Memory::Encoded { start: 0 };
        let abilities = Abilities { memory, whole_prompt: Some(64), ..Abilities::default() };
        assert_eq!(refusal(abilities, TestKind::Tg(500), 64), None);
        assert_eq!(refusal(abilities, TestKind::Tg(1), 65).unwrap().0, "invalid_parameter");
        assert!(refusal(abilities, TestKind::Pp(8), 8).unwrap().1.contains("encoder keeps no memory"));
    }

    #[test]
    fn several_sequences_need_a_memory_of_tokens() {
        let refusal = |memory, kind| {
            let abilities = Abilities { memory, ..Abilities::default() };
            assert_eq!(abilities.refusal(&kind), None, "alone");
            Some(abilities.refusal(&kind.parallel(2))?.message)
        };
        let (prompt, text) = (Test::from(TestKind::Pp(8)), Test::from(TestKind::Embd(8)));
        assert_eq!(refusal(Memory::Tokens, prompt), None);
        assert_eq!(refusal(Memory::Tokens, Test::from(TestKind::Tg(8)).at(64)), None);
        assert!(
            refusal(Memory::Tokens, text).unwrap().contains("embedded by itself: measure with 1 sequence")
        );
        assert!(refusal(Memory::Nothing(Reason::Diffusion), prompt).unwrap().contains("no memory"));
        for test in [prompt, Test::from(TestKind::Tg(8)).at(64)] {
            assert!(refusal(Memory::Encoded { start: 0 }, test).unwrap().contains("encoder"));
        }
    }

    #[test]
    fn learned_positions_end() {
        let abilities = Abilities { n_positions: Some(512), ..Abilities::default() };
        assert_eq!(refusal(abilities, TestKind::Pp(256), 256), None);
        let (word, message) = refusal(abilities, TestKind::Tg(257), 256).unwrap();
        assert!(
            word == "context_too_small" && message.contains("512") && message.contains("513"),
            "{message}"
        );
        assert!(refusal(abilities, TestKind::Tg(u32::MAX), u32::MAX).is_some());
    }
}
