//! Room in a full context: its oldest turns are dropped.

use super::{Conversation, held::common_prefix};
use crate::llama::{LlamaError, Token};

/// What was dropped from a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Prompts dropped, with their answers.
    pub n_turns: usize,
    /// Tokens that the conversation has fewer now.
    pub n_tokens: u32,
    /// Tokens of what is left that the next turn has to process again: 0 if the memory could shift them. They were
    /// computed with the dropped turns before them, and still depend on those.
    pub n_to_process: u32,
}

impl Conversation {
    /// How many of the oldest turns must go before `n_tokens` more tokens fit into the context; `None` if they do not fit
    /// even into an empty one.
    ///
    /// # Errors
    /// The template cannot write the remaining turns.
    pub fn turns_to_free(&self, n_tokens: u32) -> Result<Option<usize>, LlamaError> {
        for n_turns in 0..=self.turns.len() {
            let n_left = self.script.n_tokens_from(&self.turns, n_turns)?;
            if n_left + n_tokens as usize <= self.held.capacity() {
                return Ok(Some(n_turns));
            }
        }
        Ok(None)
    }

    /// Drops the oldest turns. The remaining ones move to the front of the memory if it can shift, which takes no time;
    /// otherwise the next turn processes them again.
    ///
    /// # Errors
    /// The conversation has fewer turns, the template cannot write the remaining ones, or llama.cpp failed.
    pub fn drop_oldest(&mut self, n_turns: usize) -> Result<Dropped, LlamaError> {
        if n_turns > self.turns.len() {
            return Err(LlamaError::Parameter {
                name: "n_turns",
                value: n_turns.to_string(),
                remedy: format!("the conversation has {} turns", self.turns.len()),
            });
        }
        let before = self.script.tokens(&mut self.turns)?;
        let dropped: Vec<_> = self.turns.drain(..n_turns).collect();
        let wanted = match self.script.tokens(&mut self.turns) {
            Ok(wanted) => wanted,
            Err(error) => {
                self.turns.splice(..0, dropped);
                return Err(error);
            }
        };
        let missing = |held: &[Token], wanted: &[Token]| wanted.len() - common_prefix(held, wanted);
        let n_missing_before = missing(self.held.tokens(), &before);
        let n_tokens = before.len().saturating_sub(wanted.len());
        self.held.shift(&wanted, n_tokens)?;
        let n_missing = missing(self.held.tokens(), &wanted);
        Ok(Dropped {
            n_turns,
            n_tokens: n_tokens as u32,
            n_to_process: n_missing.saturating_sub(n_missing_before) as u32,
        })
    }
}
