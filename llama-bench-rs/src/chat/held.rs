//! The context, and the tokens that it holds.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::llama::{Context, LlamaError, Sampler, Token};

/// A context whose sequence 0 holds `tokens`.
#[derive(Debug)]
pub(super) struct Held {
    context: Context,
    tokens: Vec<Token>,
}

impl Held {
    pub(super) fn new(mut context: Context) -> Self {
        context.memory_clear(false);
        Self { context, tokens: Vec::new() }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The size of the context, in tokens.
    pub(super) fn capacity(&self) -> usize {
        let positions = self.context.model().learned_positions().unwrap_or(u32::MAX);
        self.context.n_ctx_seq().min(positions) as usize
    }

    pub(super) fn sample(&mut self, sampler: &mut Sampler) -> Result<Token, LlamaError> {
        sampler.sample(&mut self.context, -1)
    }

    pub(super) fn clear(&mut self) {
        self.context.memory_clear(false);
        self.tokens.clear();
    }

    /// Keeps the tokens that the context and `wanted` begin with, and forgets the rest. At least one token of `wanted`
    /// remains to be decoded, for its logits. Returns how many tokens are kept.
    pub(super) fn keep(&mut self, wanted: &[Token]) -> Result<usize, LlamaError> {
        let n_kept = common_prefix(&self.tokens, wanted).min(wanted.len().saturating_sub(1));
        let capacity = self.capacity();
        if wanted.len() > capacity {
            return Err(LlamaError::ContextFull {
                n_ctx: capacity as u32,
                n_past: n_kept as u32,
                n_tokens: (wanted.len() - n_kept) as u32,
            });
        }
        if n_kept < self.tokens.len() && !self.cut(n_kept)? {
            self.clear();
        }
        Ok(self.tokens.len())
    }

    /// Forgets the tokens from `n` on; `false` if this kind of memory cannot, or has lost tokens before them.
    fn cut(&mut self, n: usize) -> Result<bool, LlamaError> {
        // A sliding window must reach back whole from the token at `n`.
        let window = self.context.model().n_swa();
        let first_needed = (n as u32).saturating_sub(window);
        if n == 0 || (window > 0 && self.context.pos_min(0)?.is_none_or(|first| first > first_needed)) {
            return Ok(false);
        }
        if !self.context.memory_seq_rm(0, n as u32, None)? || self.context.n_past() as usize != n {
            return Ok(false);
        }
        self.tokens.truncate(n);
        Ok(true)
    }

    /// Removes `n_removed` tokens from the middle and moves the others up, if the memory can and the rest is then the
    /// beginning of `wanted`.
    pub(super) fn shift(&mut self, wanted: &[Token], n_removed: usize) -> Result<(), LlamaError> {
        let Some(at) = shift_point(&self.tokens, wanted, n_removed).filter(|_| self.can_shift()) else {
            return Ok(());
        };
        let (from, to) = (at as u32, (at + n_removed) as u32);
        self.tokens.drain(at..at + n_removed);
        let is_removed = self.context.memory_seq_rm(0, from, Some(to))?;
        if is_removed {
            self.context.memory_seq_add(0, to, None, -(n_removed as i32))?;
        }
        if !is_removed || self.context.n_past() as usize != self.tokens.len() {
            self.clear();
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn logits(&mut self) -> Vec<f32> {
        self.context.logits(-1).unwrap().to_vec()
    }

    /// A recurrent state cannot forget what it has seen.
    fn can_shift(&self) -> bool {
        let model = self.context.model();
        self.context.can_shift() && !model.is_recurrent() && !model.is_hybrid()
    }

    /// Decodes tokens after those in the context; `false` if it was stopped, maybe after some of them.
    pub(super) fn decode(&mut self, tokens: &[Token], stop: &AtomicBool) -> Result<bool, LlamaError> {
        for chunk in tokens.chunks(self.context.n_batch().max(1) as usize) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            match self.context.decode_tokens(chunk) {
                Ok(()) => self.tokens.extend_from_slice(chunk),
                Err(error) => {
                    self.recount(chunk);
                    return match error {
                        LlamaError::Cancelled { .. } => Ok(false),
                        error => Err(error),
                    };
                }
            }
        }
        self.context.synchronize()?;
        Ok(true)
    }

    /// Records which tokens a failed decode left in the context.
    fn recount(&mut self, chunk: &[Token]) {
        let model = self.context.model();
        let n_past = self.context.n_past() as usize;
        // A recurrent state may have advanced without its position.
        let is_certain = !model.is_recurrent() && !model.is_hybrid();
        match n_past.checked_sub(self.tokens.len()) {
            Some(n) if is_certain && n <= chunk.len() => self.tokens.extend_from_slice(&chunk[..n]),
            _ => self.clear(),
        }
    }
}

/// Tokens that both begin with.
pub(super) fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The place from which to remove this many tokens, if the rest of `held` is then the beginning of `wanted`.
fn shift_point(held: &[Token], wanted: &[Token], n_removed: usize) -> Option<usize> {
    let at = common_prefix(held, wanted);
    let moved = held.get(at + n_removed..)?;
    (n_removed > 0 && !moved.is_empty() && wanted[at..].starts_with(moved)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_move_up_only_if_what_is_left_reads_as_wanted() {
        let held = [1, 2, 3, 4, 5, 6, 7];
        assert_eq!(shift_point(&held, &[1, 2, 5, 6, 7, 8], 2), Some(2));
        assert_eq!(shift_point(&held, &[1, 2, 5, 6, 7], 2), Some(2));
        assert_eq!(shift_point(&held, &[1, 2, 5, 6], 2), None, "the rest is longer than what is wanted");
        assert_eq!(shift_point(&held, &[1, 9, 5, 6, 7], 2), None, "another token comes before it");
        assert_eq!(shift_point(&held, &[1, 2, 5, 9, 7], 2), None, "another token is in it");
        assert_eq!(shift_point(&held, &[1, 2, 5, 6, 7], 3), None, "another number");
        assert_eq!(shift_point(&held, &held, 0), None);
        assert_eq!(shift_point(&held, &[], 7), None);
        // Equal tokens on both sides: any of them may be removed.
        assert_eq!(shift_point(&[1, 2, 3, 2, 4], &[1, 2, 4], 2), Some(2));
    }
}
