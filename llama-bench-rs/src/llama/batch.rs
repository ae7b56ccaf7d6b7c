use std::ptr;

use super::{LlamaError, Token, sys};

/// Tokens for one decode, each with its position, the sequences it belongs to and whether its logits are wanted.
///
/// It grows as needed: nothing can be written past its end. Cleared and filled again it allocates nothing.
#[doc(alias = "llama_batch")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    tokens: Vec<Token>,
    positions: Vec<i32>,
    /// How many of `sequences` belong to each token.
    n_sequences: Vec<i32>,
    /// Those of the first token, then those of the second, and so on.
    sequences: Vec<i32>,
    logits: Vec<i8>,
}

/// Room for where the sequences of each token begin, which llama.cpp wants as pointers.
#[derive(Debug, Default)]
pub(super) struct Pointers(Vec<*mut i32>);

impl Batch {
    /// The largest position: llama.cpp counts on from it in 32 bits.
    pub const MAX_POSITION: u32 = i32::MAX as u32 / 2;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for this many tokens of one sequence each.
    pub fn with_capacity(n_tokens: usize) -> Self {
        Self {
            tokens: Vec::with_capacity(n_tokens),
            positions: Vec::with_capacity(n_tokens),
            n_sequences: Vec::with_capacity(n_tokens),
            sequences: Vec::with_capacity(n_tokens),
            logits: Vec::with_capacity(n_tokens),
        }
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
        self.n_sequences.push(sequences.len() as i32);
        self.sequences.extend_from_slice(sequences);
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
        self.n_sequences.clear();
        self.sequences.clear();
        self.logits.clear();
    }

    /// Refuses what llama.cpp would index with; `positions` is the number of those that the model has a table for.
    pub(super) fn check(&self, n_vocab: u32, n_seq_max: u32, positions: u32) -> Result<(), LlamaError> {
        if let Some(&token) = self.tokens.iter().find(|&&token| token < 0 || token as u32 >= n_vocab) {
            return Err(LlamaError::Token { token, n_vocab });
        }
        if let Some(&seq) = self.sequences.iter().find(|&&seq| seq as u32 >= n_seq_max) {
            return Err(LlamaError::Sequence { seq, n_seq_max });
        }
        if let Some(&position) = self.positions.iter().find(|&&position| position as u32 >= positions) {
            return Err(LlamaError::Position { position: position as u32, positions });
        }
        Ok(())
    }

    /// The sequences of the first token that is in more than one.
    pub(super) fn shared_token(&self) -> Option<&[i32]> {
        let mut rest = &self.sequences[..];
        let lists = self.n_sequences.iter().map(|&n| {
            let (list, after) = rest.split_at(n as usize);
            rest = after;
            list
        });
        lists.filter(|list| list.len() > 1).find(|list| list.iter().any(|seq| *seq != list[0]))
    }

    /// The batch as llama.cpp takes it, which only reads through its pointers. They lead into this batch and into
    /// `pointers`: it is valid until either of them changes.
    pub(super) fn raw(&self, pointers: &mut Pointers) -> sys::llama_batch {
        let mut first = 0;
        pointers.0.clear();
        pointers.0.extend(self.n_sequences.iter().map(|&n| {
            let list = self.sequences[first..].as_ptr().cast_mut();
            first += n as usize;
            list
        }));
        sys::llama_batch {
            n_tokens: self.tokens.len() as i32,
            token: self.tokens.as_ptr().cast_mut(),
            embd: ptr::null_mut(),
            pos: self.positions.as_ptr().cast_mut(),
            n_seq_id: self.n_sequences.as_ptr().cast_mut(),
            seq_id: pointers.0.as_mut_ptr(),
            logits: self.logits.as_ptr().cast_mut(),
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

    #[test]
    fn every_token_has_its_own_sequences() {
        let mut batch = Batch::with_capacity(4);
        for (position, sequences) in [&[0][..], &[2, 2], &[1, 3, 0], &[4]].into_iter().enumerate() {
            batch.add(9, position as u32, sequences, false).unwrap();
        }
        assert_eq!(batch.shared_token(), Some(&[1, 3, 0][..]));
        let mut pointers = Pointers::default();
        let raw = batch.raw(&mut pointers);
        let offsets: Vec<usize> = pointers
            .0
            .iter()
            .map(|list| (list.addr() - batch.sequences.as_ptr().addr()) / size_of::<i32>())
            .collect();
        assert_eq!((raw.n_tokens, offsets), (4, vec![0, 1, 3, 6]));
        batch.clear();
        batch.add(9, 0, &[5], false).unwrap();
        assert_eq!((batch.shared_token(), batch.raw(&mut pointers).n_tokens, pointers.0.len()), (None, 1, 1));
    }

    #[test]
    fn a_batch_that_is_filled_again_allocates_nothing() {
        let mut batch = Batch::with_capacity(64);
        let mut pointers = Pointers::default();
        let mut fill = |batch: &mut Batch| {
            batch.clear();
            (0..64).for_each(|i| batch.add(1, i, &[(i % 8) as i32], true).unwrap());
            let raw = batch.raw(&mut pointers);
            [raw.token.addr(), raw.pos.addr(), raw.n_seq_id.addr(), raw.seq_id.addr(), raw.logits.addr()]
        };
        let first = fill(&mut batch);
        assert_eq!(fill(&mut batch), first, "everything stays where it was");
    }
}
