//! The real server: a context with a sequence for each slot.

use super::{Row, Server, Vocabulary, Workload};
use crate::{
    bench::{LlamaTarget, MemoryEstimate, Sweep, abilities::Memory, target::Target as _, unrecorded},
    llama::{Batch, Context, ContextParams, LlamaError, Model},
    record::{Failure, FailureKind, Resolved},
};

/// Cells of a KV cache are given out in pieces of this many tokens.
pub(super) const N_CTX_PAD: u32 = 256;

/// A llama.cpp context that serves each slot as a sequence of its own. It samples nothing: what is decoded is what it
/// is given, so the work is that of llama.cpp alone.
#[derive(Debug)]
pub struct LlamaServer {
    context: Context,
    batch: Batch,
}

impl LlamaServer {
    /// Serves with this context, whose sequences are the slots; [`Policy::n_batch`](super::Policy::n_batch) must not exceed
    /// its `n_batch`.
    pub fn new(context: Context) -> Self {
        Self { context, batch: Batch::new() }
    }

    /// Opens a context with `n_slots` slots for `n_ctx_slot` tokens each.
    ///
    /// # Errors
    /// There is not enough memory, or llama.cpp refuses the parameters.
    pub fn open(
        model: &Model,
        params: &ContextParams,
        n_slots: u32,
        n_ctx_slot: u32,
    ) -> Result<Self, Failure> {
        Ok(Self::new(Context::new(model, &of_slots(params, n_slots, n_ctx_slot)?)?))
    }

    /// The context.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// How llama.cpp resolved the context.
    pub(super) fn resolved(&self) -> Resolved {
        Resolved {
            flash_attn: self.context.flash_attn_resolved(),
            n_ctx: Some(self.context.n_ctx()),
            n_seq_max: Some(self.context.params().n_seq_max),
            offloaded_layers: self.context.model().offloaded_layers(),
            memory: self.context.memory_breakdown(),
            ..Resolved::default()
        }
    }

    /// Decodes what a repetition will, untimed, and empties all slots: a chunk of a prompt, then a few steps of one slot and
    /// of all of them, twice. The first decodes of a shape allocate, capture graphs and touch memory.
    ///
    /// # Errors
    /// A decode failed.
    pub(super) fn warm_up(&mut self, workload: &Workload, vocabulary: Vocabulary) -> Result<(), Failure> {
        let n_slots = self.context.params().n_seq_max;
        let longest = workload.requests().map(|request| request.n_prompt).max().unwrap_or(1);
        let room = (self.context.n_ctx() / n_slots).saturating_sub(2 * N_WARMUP_STEPS).max(1);
        let n_prompt = longest.min(self.context.n_batch()).min(room);
        let row = |slot: u32, position: u32, logits| Row {
            slot,
            position,
            token: workload.token(vocabulary, slot, position),
            logits,
        };
        for _ in 0..2 {
            let chunk: Vec<Row> =
                (0..n_prompt).map(|position| row(0, position, position + 1 == n_prompt)).collect();
            self.decode(&chunk)?;
            for step in 0..N_WARMUP_STEPS {
                self.decode(&[row(0, n_prompt + step, true)])?;
            }
            for step in 0..N_WARMUP_STEPS {
                let first = row(0, n_prompt + N_WARMUP_STEPS + step, true);
                let rows: Vec<Row> =
                    std::iter::once(first).chain((1..n_slots).map(|slot| row(slot, step, true))).collect();
                self.decode(&rows)?;
            }
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.context.memory_clear(false);
    }

    /// Removes what a slot holds after its first `n_tokens`; `false` if its memory cannot, or has lost tokens that the next
    /// ones need.
    fn cut(&mut self, seq: i32, n_tokens: u32) -> Result<bool, LlamaError> {
        let n_held = self.context.pos_max(seq)?.map_or(0, |last| last + 1);
        if n_tokens == 0 || n_held < n_tokens {
            return Ok(false);
        }
        // A sliding window must reach back whole from the token that comes next.
        let window = self.context.model().n_swa();
        let first_needed = n_tokens.saturating_sub(window);
        let is_recurrent = self.context.model().is_recurrent() || self.context.model().is_hybrid();
        let first = self.context.pos_min(seq)?;
        if window > 0 && !is_recurrent && first.is_none_or(|first| first > first_needed) {
            return Ok(false);
        }
        if n_held == n_tokens {
            return Ok(true);
        }
        let is_removed = self.context.memory_seq_rm(seq, n_tokens, None)?;
        Ok(is_removed && self.context.pos_max(seq)? == Some(n_tokens - 1))
    }
}

/// Steps of one slot, and of all slots, in each pass of a warm-up: enough for a backend to capture its graph and replay it.
const N_WARMUP_STEPS: u32 = 4;

impl Server for LlamaServer {
    fn keep(&mut self, slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        let seq = sequence(slot);
        if self.cut(seq, n_tokens)? {
            return Ok(n_tokens);
        }
        if !self.context.memory_seq_rm(seq, 0, None)? {
            return Err(Failure::new(FailureKind::State, format!("slot {slot} could not be emptied")));
        }
        Ok(0)
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.batch.clear();
        for row in rows {
            self.batch.add(row.token, row.position, &[sequence(row.slot)], row.logits)?;
        }
        self.context.decode(&self.batch)?;
        Ok(self.context.synchronize()?)
    }
}

/// A slot that no context has is refused by the context.
fn sequence(slot: u32) -> i32 {
    i32::try_from(slot).unwrap_or(i32::MAX)
}

/// The parameters of a context with these slots.
fn of_slots(params: &ContextParams, n_slots: u32, n_ctx_slot: u32) -> Result<ContextParams, Failure> {
    let n_ctx = n_ctx_slot.checked_mul(n_slots).filter(|&n_ctx| n_ctx <= Batch::MAX_POSITION);
    let n_ctx = n_ctx.ok_or_else(|| {
        let message = format!(
            "{n_slots} slots of {n_ctx_slot} tokens are more than llama.cpp can count ({}): serve fewer users at once, \
             or shorter requests",
            Batch::MAX_POSITION
        );
        Failure::new(FailureKind::ContextTooLong, message)
    })?;
    Ok(params.clone().n_seq_max(n_slots).n_ctx(n_ctx))
}

/// Estimates the memory of a context with these slots; `None` if llama.cpp has no estimate.
pub(super) fn memory_estimate(
    model: &Model,
    params: &ContextParams,
    n_slots: u32,
    n_ctx_slot: u32,
) -> Option<MemoryEstimate> {
    let params = of_slots(params, n_slots, n_ctx_slot).ok()?;
    MemoryEstimate::of_context(model, &params, params.n_ctx)
}

/// Refuses a context that does not fit into the memory that is free.
///
/// # Errors
/// The message has the figures.
pub(super) fn check_memory(estimate: &MemoryEstimate, n_slots: u32, n_ctx_slot: u32) -> Result<(), Failure> {
    estimate.check().map_err(|failure| {
        let message = format!(
            "{n_slots} slots of {n_ctx_slot} tokens do not fit (have fewer slots or users): {}",
            failure.message
        );
        Failure { message, ..failure }
    })
}

/// Why this model cannot serve requests, if it cannot.
pub(super) fn refusal(model: &Model, params: &ContextParams, workload: &Workload) -> Option<Failure> {
    if let Err(error) = unrecorded(model.params(), params) {
        return Some(error.into());
    }
    let abilities = LlamaTarget::new(model, params).abilities();
    if let Memory::Encoded { .. } = abilities.memory {
        let message = "this model reads a prompt with its encoder, one at a time: several requests cannot share a context";
        return Some(Failure::new(FailureKind::Unsupported, message));
    }
    let longest = workload.requests().map(|request| request.n_prompt).max().unwrap_or(0);
    let n_end = workload.n_longest().unwrap_or(0);
    // A model without a memory has a better reason, which comes below.
    let n_positions = abilities.n_positions.filter(|_| abilities.memory == Memory::Tokens);
    if let Some(n_positions) = n_positions.filter(|&n_positions| n_end > n_positions) {
        let message = format!(
            "the model has learned {n_positions} positions and the longest request ends at {n_end}: send shorter ones"
        );
        return Some(Failure::new(FailureKind::ContextTooSmall, message));
    }
    // The reasons of a sweep: what cannot generate after a prompt of this length cannot serve it.
    let sweep = Sweep::new(model).context(params.clone()).depths([longest]).generate(1);
    sweep.unsupported().ok()?.into_iter().next().map(|(_, failure)| failure)
}

/// What requests are made of for this model.
pub(super) fn vocabulary(model: &Model) -> Vocabulary {
    Vocabulary { n_vocab: model.n_vocab(), bos: model.bos() }
}

#[cfg(test)]
#[path = "llama_server_tests.rs"]
mod tests;
