//! The sequences beside sequence 0: copies of it.

use super::{LlamaTarget, SEQ, no_context, state_failure};
use crate::{
    bench::{memory_estimate::has_partial_state, target::Row, target::Target},
    llama::{Batch, ContextParams, LlamaError},
    record::Failure,
};

/// What is known of each sequence of a context.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    /// By sequence, how many of its first tokens are those of the fill; for sequence 0 without a meaning.
    n_copied: Vec<u32>,
    /// By sequence, the position of its next token.
    ends: Vec<u32>,
    /// What is submitted, kept from one decode to the next.
    batch: Batch,
}

impl Sequences {
    /// Those of a context that was just made.
    pub(super) fn of(params: &ContextParams) -> Self {
        let n_seqs = params.n_seq_max as usize;
        // With one sequence nothing goes through a batch.
        let n_batch = if n_seqs > 1 { params.n_batch as usize } else { 0 };
        Self { n_copied: vec![0; n_seqs], ends: vec![0; n_seqs], batch: Batch::with_capacity(n_batch) }
    }

    /// All of them are empty.
    pub(super) fn clear(&mut self) {
        self.n_copied.fill(0);
        self.ends.fill(0);
    }

    /// Sequence 0 holds something else than they were copied from.
    pub(super) fn forget_copies(&mut self) {
        self.n_copied.fill(0);
    }

    /// What a sequence needs to become the first `n_depth` tokens of the fill. If copies can be kept, what was copied once
    /// is still there when what follows is removed.
    fn step(&self, seq: usize, n_depth: u32, keeps_copies: bool) -> Step {
        if n_depth == 0 {
            Step::Empty
        } else if keeps_copies && self.n_copied[seq] >= n_depth {
            Step::Remove
        } else {
            Step::Copy
        }
    }
}

/// How a sequence becomes equal to sequence 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Empty,
    Remove,
    Copy,
}

/// Parameters of a context for `n_seqs` sequences, each with room for `n_ctx` tokens; for `n_ctx` tokens together if they
/// share one KV buffer.
pub(in crate::bench) fn sized(params: &ContextParams, n_ctx: u32, n_seqs: u32) -> ContextParams {
    let n_seq_max = match params.n_seq_max {
        // llama.cpp's wrapper says what is wrong with it.
        0 => 0,
        asked => asked.max(n_seqs),
    };
    let n_ctx = if params.kv_unified { n_ctx } else { n_ctx.saturating_mul(n_seq_max.max(1)) };
    params.clone().n_seq_max(n_seq_max).n_ctx(n_ctx)
}

impl LlamaTarget {
    /// Empties the other sequences if they would slow sequence 0 down or stand in the way of its state: they lie in its
    /// memory, or must be copied again anyway.
    pub(super) fn empty_others(&mut self) -> Result<(), Failure> {
        if self.params.kv_unified || self.has_partial_state() {
            (1..self.n_seqs()).try_for_each(|seq| self.empty(seq))?;
        }
        Ok(())
    }

    pub(super) fn spread_to(&mut self, n_seqs: u32) -> Result<(), Failure> {
        let (n_all, n_seqs) = (self.n_seqs(), n_seqs as usize);
        if n_seqs > n_all {
            return Err(state_failure(format!("the context has {n_all} sequences, not {n_seqs}")));
        }
        if n_all == 1 {
            return Ok(());
        }
        let n_depth = self.context()?.n_past();
        let keeps_copies = !self.has_partial_state();
        for seq in 1..n_all {
            if seq < n_seqs {
                let step = self.sequences.step(seq, n_depth, keeps_copies);
                self.take(step, seq, n_depth)?;
            } else if self.params.kv_unified {
                // Their tokens lie among those of the others, and each step would go over them.
                self.empty(seq)?;
            }
        }
        self.synchronize()
    }

    fn take(&mut self, step: Step, seq: usize, n_depth: u32) -> Result<(), Failure> {
        let context = self.context.as_mut().ok_or_else(no_context)?;
        match step {
            Step::Empty => return self.empty(seq),
            Step::Remove => {
                if !context.memory_seq_rm(seq as i32, n_depth, None)? {
                    return Err(state_failure(format!("sequence {seq} did not go back to {n_depth} tokens")));
                }
            }
            Step::Copy => context.memory_seq_copy(SEQ, seq as i32)?,
        }
        self.sequences.n_copied[seq] = n_depth;
        self.sequences.ends[seq] = n_depth;
        Ok(())
    }

    fn empty(&mut self, seq: usize) -> Result<(), Failure> {
        let is_empty = self.sequences.ends[seq] == 0;
        self.sequences.n_copied[seq] = 0;
        self.sequences.ends[seq] = 0;
        if !is_empty {
            self.context()?.memory_seq_rm(seq as i32, 0, None)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn submit(&mut self, rows: &[Row]) -> Result<(), Failure> {
        let Self { context, sequences, n_intact, .. } = self;
        let context = context.as_mut().ok_or_else(no_context)?;
        let Sequences { ends, batch, .. } = sequences;
        let n_past = context.n_past();
        *n_intact = (*n_intact).min(n_past);
        ends[0] = n_past;
        batch.clear();
        for row in rows {
            let n_seq_max = ends.len() as u32;
            let unknown = LlamaError::Sequence { seq: row.seq as i32, n_seq_max };
            let end = ends.get_mut(row.seq as usize).ok_or(unknown)?;
            batch.add(row.token, *end, &[row.seq as i32], row.logits)?;
            *end += 1;
        }
        Ok(context.decode(batch)?)
    }

    fn n_seqs(&self) -> usize {
        self.sequences.ends.len()
    }

    /// Whether removing positions does not bring a sequence back.
    fn has_partial_state(&self) -> bool {
        has_partial_state(&self.model, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(n_seq_max: u32, kv_unified: bool) -> ContextParams {
        ContextParams::default().n_seq_max(n_seq_max).kv_unified(kv_unified)
    }

    #[test]
    fn own_memories_multiply_and_a_shared_one_does_not() {
        let size = |params: &ContextParams, n_seqs| {
            let sized = sized(params, 512, n_seqs);
            (sized.n_seq_max, sized.n_ctx)
        };
        assert_eq!(size(&params(1, false), 1), (1, 512));
        assert_eq!(size(&params(1, false), 8), (8, 4096));
        assert_eq!(size(&params(1, true), 8), (8, 512));
        // What is asked for is the least.
        assert_eq!(size(&params(4, false), 2), (4, 2048));
        assert_eq!(size(&params(0, false), 2), (0, 512));
        assert_eq!(sized(&params(1, false), u32::MAX / 2, 8).n_ctx, u32::MAX);
    }

    #[test]
    fn what_was_copied_once_is_kept_where_that_can_be() {
        let mut sequences = Sequences::of(&params(3, false));
        sequences.n_copied = vec![0, 64, 0];
        let step = |seq, n_depth, keeps| sequences.step(seq, n_depth, keeps);
        assert_eq!(
            [step(1, 32, true), step(1, 64, true), step(1, 65, true)],
            [Step::Remove, Step::Remove, Step::Copy]
        );
        assert_eq!([step(2, 32, true), step(1, 32, false)], [Step::Copy; 2]);
        assert_eq!([step(1, 0, true), step(1, 0, false)], [Step::Empty; 2]);
        sequences.forget_copies();
        assert_eq!(sequences.step(1, 32, true), Step::Copy);
    }
}
