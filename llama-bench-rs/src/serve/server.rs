use crate::{bench::target::Token, record::Failure};

/// One token of a decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The slot, from 0: a sequence of the context.
    pub slot: u32,
    /// Its position in the slot, from 0: always the one after the last.
    pub position: u32,
    /// What is decoded.
    pub token: Token,
    /// Whether a token is chosen after it: generated tokens, and the last one of a prompt.
    pub logits: bool,
}

/// What serves: a context with a sequence per slot, or a fake one in tests.
///
/// No method has a default, because a server that wraps another one could forget to forward it.
pub trait Server {
    /// Makes a slot hold the first `n_tokens` of what it holds, and nothing after them. Returns how many it holds then:
    /// `n_tokens`, or less if its memory cannot return to that place. 0 empties the slot.
    ///
    /// # Errors
    /// The memory is in an unknown state.
    fn keep(&mut self, slot: u32, n_tokens: u32) -> Result<u32, Failure>;

    /// Decodes these rows, at most the policy's `n_batch`, and waits until they are done.
    ///
    /// # Errors
    /// The decode failed.
    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure>;
}
