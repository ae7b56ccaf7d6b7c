//! An answer, with its times and token counts.

use std::time::Duration;

use crate::units::TokensPerSecond;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerEnd {
    /// The model ended it.
    Finished,
    /// It reached the limit of tokens.
    Limit,
    /// The application stopped it.
    Stopped,
    /// The context is full.
    ContextFull,
}

/// An answer, or the part of it that one call generated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Its text. Control tokens have none; between two texts they become a line break.
    pub text: String,
    /// Why it ended.
    pub end: AnswerEnd,
    /// Tokens of the conversation before the answer that the context held already.
    pub n_kept: u32,
    /// Tokens before the answer that were processed.
    pub n_processed: u32,
    /// Tokens generated; the one that ends an answer is not counted.
    pub n_generated: u32,
    /// Time from the call until the first token was chosen; `None` if there was none.
    pub first_token: Option<Duration>,
    /// Time from the call until the tokens before the answer were processed.
    pub processing: Duration,
    /// Time from the first token to the last one.
    pub generating: Duration,
    /// Tokens in the context now.
    pub n_used: u32,
    /// Size of the context, in tokens.
    pub capacity: u32,
}

impl Answer {
    pub(super) fn new(n_kept: usize, n_processed: usize, processing: Duration, capacity: u32) -> Self {
        Self {
            text: String::new(),
            end: AnswerEnd::Limit,
            n_kept: n_kept as u32,
            n_processed: n_processed as u32,
            n_generated: 0,
            first_token: None,
            processing,
            generating: Duration::ZERO,
            n_used: 0,
            capacity,
        }
    }

    /// Speed of the tokens that were processed before the answer.
    pub fn processing_rate(&self) -> Option<TokensPerSecond> {
        TokensPerSecond::from_elapsed(self.n_processed.into(), self.processing)
    }

    /// Speed of generation from the first token on; `None` for fewer than two tokens.
    pub fn generation_rate(&self) -> Option<TokensPerSecond> {
        TokensPerSecond::from_elapsed(u64::from(self.n_generated).saturating_sub(1), self.generating)
    }
}
