//! A context in which every sequence is filled by itself: what copies of a fill are compared with. It asks nothing of the
//! target that is verified.

use std::ops::Range;

use super::{Logits, levels::N_STEPS, no_logits};
use crate::{
    bench::{memory_estimate::MemoryEstimate, target::Token},
    llama::{Batch, Context, ContextParams, Model, SeqState, StateFlags, max_sequences},
    record::Failure,
};

pub(super) struct Reference {
    context: Context,
    batch: Batch,
    /// One sequence more, if all lie in one memory.
    spare: Option<u32>,
}

impl Reference {
    /// With room for `n_ctx` tokens in each of `n_seqs` sequences, whether they share one memory or not.
    pub(super) fn open(
        model: &Model,
        params: &ContextParams,
        n_ctx: u32,
        n_seqs: u32,
    ) -> Result<Self, Failure> {
        let n_seqs = n_seqs.max(params.n_seq_max);
        let spare = Some(n_seqs).filter(|&n_seqs| params.kv_unified && n_seqs < max_sequences());
        let n_ctx = n_ctx.saturating_mul(n_seqs);
        let (n_seqs, n_ctx) = match spare {
            Some(_) => (n_seqs + 1, n_ctx.saturating_add(N_STEPS * n_seqs)),
            None => (n_seqs, n_ctx),
        };
        let params = params.clone().n_seq_max(n_seqs);
        if let Some(estimate) = MemoryEstimate::of_context(model, &params, n_ctx) {
            estimate.check()?;
        }
        let context = Context::new(model, &params.n_ctx(n_ctx))?;
        Ok(Self { context, batch: Batch::new(), spare })
    }

    pub(super) fn clear(&mut self) {
        self.context.memory_clear(false);
    }

    /// Fills one sequence with the tokens of these parts, each in one decode.
    pub(super) fn fill(&mut self, seq: u32, tokens: &[Token], parts: &[Range<usize>]) -> Result<(), Failure> {
        for part in parts {
            self.batch.clear();
            for at in part.clone() {
                self.batch.add(tokens[at], at as u32, &[seq as i32], at + 1 == part.end)?;
            }
            self.context.decode(&self.batch)?;
        }
        Ok(())
    }

    /// Takes the first cells of a memory that all sequences lie in, as many as a probe of `n_seqs` sequences needs.
    pub(super) fn occupy(&mut self, token: Token, n_seqs: u32) -> Result<(), Failure> {
        let Some(spare) = self.spare else { return Ok(()) };
        for first in (0..N_STEPS).map(|step| step * n_seqs) {
            self.batch.clear();
            for position in first..first + n_seqs {
                self.batch.add(token, position, &[spare as i32], false)?;
            }
            self.context.decode(&self.batch)?;
        }
        Ok(())
    }

    /// Saves and restores the whole of each sequence, each to where another one was if they share a memory, and frees what
    /// was [occupied](Self::occupy): what is decoded next comes first in it. Cells are then in another order, which changes
    /// rounding and nothing else.
    pub(super) fn reorder(&mut self, n_seqs: u32, n_depth: u32) -> Result<(), Failure> {
        // An empty sequence has no state.
        if n_depth > 0 {
            let first = self.take(0)?;
            for seq in 1..n_seqs {
                let state = self.take(seq)?;
                self.context.state_restore(&state)?;
            }
            self.context.state_restore(&first)?;
        }
        if let Some(spare) = self.spare {
            self.context.memory_seq_rm(spare as i32, 0, None)?;
        }
        Ok(())
    }

    fn take(&mut self, seq: u32) -> Result<SeqState, Failure> {
        let state = self.context.state_save(seq as i32, StateFlags::empty())?;
        self.context.memory_seq_rm(seq as i32, 0, None)?;
        Ok(state)
    }

    /// The logits of each sequence after each step of the probe.
    pub(super) fn logits(&mut self, n_depth: u32, probe: &[Vec<Token>]) -> Result<Logits, Failure> {
        let mut all = Vec::new();
        for (position, step) in (n_depth..).zip(probe) {
            self.batch.clear();
            for (seq, &token) in (0..).zip(step) {
                self.batch.add(token, position, &[seq], true)?;
            }
            self.context.decode(&self.batch)?;
            for output in 0..step.len() as i32 {
                all.push(self.context.logits(output).ok_or_else(no_logits)?.to_vec());
            }
        }
        Ok(all)
    }
}
