use std::ptr;

use super::{LlamaError, Token, sys};

/// Tokens for one decode, each with its position, the sequences it belongs to and whether its logits are wanted.
///
/// It grows as needed: nothing can be written past its end.
#[doc(alias = "llama_batch")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    tokens: Vec<Token>,
    positions: Vec<i32>,
    /// One list per token.
    sequences: Vec<Vec<i32>>,
    logits: Vec<i8>,
}

/// A batch as llama.cpp takes it. Its pointers lead into itself and the batch it was made from.
pub(super) struct RawBatch<'a> {
    batch: &'a Batch,
    n_seq_id: Vec<i32>,
    seq_id: Vec<*mut i32>,
}

impl Batch {
    /// The largest position: llama.cpp counts on from it in 32 bits.
    pub const MAX_POSITION: u32 = i32::MAX as u32 / 2;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token at a position of one or more sequences.
    ///
    /// # Errors
    /// No sequence, a negative one, or a position beyond [`MAX_POSITION`](Self::MAX_POSITION).
    pub fn add(
        &mut self,
        token: Token,
        position: u32,
        sequences: &[i32],
        logits: bool,
    ) -> Result<(), LlamaError> {
        let refuse = |name, value: String, remedy: &str| {
            Err(LlamaError::Parameter { name, value, remedy: remedy.into() })
        };
        if sequences.is_empty() || sequences.iter().any(|&seq| seq < 0) {
            return refuse("sequences", format!("{sequences:?}"), "name at least one sequence, from 0");
        }
        if position > Self::MAX_POSITION {
            return refuse("position", position.to_string(), "positions end at 1073741823");
        }
        let position = position as i32;
        self.tokens.push(token);
        self.positions.push(position);
        self.sequences.push(sequences.to_vec());
        self.logits.push(logits.into());
        Ok(())
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Forgets all tokens, keeping the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.logits.clear();
    }

    /// Refuses what llama.cpp would index with; `positions` is the number of those that the model has a table for.
    pub(super) fn check(&self, n_vocab: u32, n_seq_max: u32, positions: u32) -> Result<(), LlamaError> {
        if let Some(&token) = self.tokens.iter().find(|&&token| token < 0 || token as u32 >= n_vocab) {
            return Err(LlamaError::Token { token, n_vocab });
        }
        if let Some(&seq) = self.sequences.iter().flatten().find(|&&seq| seq as u32 >= n_seq_max) {
            return Err(LlamaError::Sequence { seq, n_seq_max });
        }
        if let Some(&position) = self.positions.iter().find(|&&position| position as u32 >= positions) {
            return Err(LlamaError::Position { position: position as u32, positions });
        }
        Ok(())
    }

    /// The sequences of the first token that is in more than one.
    pub(super) fn shared_token(&self) -> Option<&[i32]> {
        let is_shared = |list: &&Vec<i32>| list.iter().any(|seq| *seq != list[0]);
        self.sequences.iter().find(is_shared).map(Vec::as_slice)
    }

    pub(super) fn raw(&self) -> RawBatch<'_> {
        RawBatch {
            batch: self,
            n_seq_id: self.sequences.iter().map(|list| list.len() as i32).collect(),
            seq_id: self.sequences.iter().map(|list| list.as_ptr().cast_mut()).collect(),
        }
    }
}

impl RawBatch<'_> {
    /// Valid as long as `self`; llama_decode only reads through the pointers.
    pub(super) fn as_llama_batch(&mut self) -> sys::llama_batch {
        let batch = self.batch;
        sys::llama_batch {
            n_tokens: batch.tokens.len() as i32,
            token: batch.tokens.as_ptr().cast_mut(),
            embd: ptr::null_mut(),
            pos: batch.positions.as_ptr().cast_mut(),
            n_seq_id: self.n_seq_id.as_mut_ptr(),
            seq_id: self.seq_id.as_mut_ptr(),
            logits: batch.logits.as_ptr().cast_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_or_indexed_is_refused() {
        let mut batch = Batch::new();
        assert!(batch.add(1, 0, &[], true).is_err());
        assert!(batch.add(1, 0, &[-1], true).is_err());
        assert!(batch.add(1, u32::MAX, &[0], true).is_err());
        assert!(batch.is_empty());
        batch.add(7, 0, &[0, 3], true).unwrap();
        assert!(batch.check(8, 4, 1).is_ok());
        assert!(matches!(batch.check(7, 4, 1), Err(LlamaError::Token { token: 7, n_vocab: 7 })));
        assert!(matches!(batch.check(8, 3, 1), Err(LlamaError::Sequence { seq: 3, n_seq_max: 3 })));
        assert!(matches!(batch.check(8, 4, 0), Err(LlamaError::Position { position: 0, positions: 0 })));
        batch.clear();
        assert_eq!(batch, Batch::new());
    }
}
