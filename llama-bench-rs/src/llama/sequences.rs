//! Keeping, copying and moving parts of sequences.

use super::{Batch, Context, LlamaError, context::last_exception, decode_rules::has_streams, log, sys};

/// Most sequences that a context can hold apart.
#[doc(alias = "llama_max_parallel_sequences")]
pub fn max_sequences() -> u32 {
    // SAFETY: no preconditions.
    u32::try_from(unsafe { sys::llama_max_parallel_sequences() }).unwrap_or(u32::MAX)
}

impl Context {
    /// Tokens that one sequence can hold: all of the context's if they share one memory, else an equal part.
    #[doc(alias = "llama_n_ctx_seq")]
    pub fn n_ctx_seq(&self) -> u32 {
        self.n_ctx_seq
    }

    /// Whether [`memory_seq_add`](Self::memory_seq_add) can move tokens to other positions. It cannot if the model keeps
    /// no memory, has learned its positions one by one or counts them in several dimensions, if a sliding window keeps
    /// less than the whole context (see [`swa_full`](super::ContextParams::swa_full)), or if the K cache has a type whose
    /// rotation llama.cpp does not know (bf16; a quantised one for some sizes of heads).
    #[doc(alias = "llama_memory_can_shift")]
    pub fn can_shift(&self) -> bool {
        if self.check_intact("llama_memory_can_shift").is_err() || self.model().learned_positions().is_some()
        {
            return false;
        }
        // SAFETY: a live context.
        unsafe { sys::llama_sys_memory_can_shift(self.as_raw()) }
    }

    /// Moves the tokens at positions from `from` up to, not including, `to` (`None`: to the end) of a sequence by
    /// `delta` positions, and rotates their keys accordingly. Waits for the work.
    ///
    /// To drop the oldest part of a text that fills the context, remove it with [`memory_seq_rm`](Self::memory_seq_rm),
    /// then move what follows back over the gap. Remove the tokens at the new positions first, or positions occur twice.
    /// A token of several sequences moves in all of them.
    ///
    /// ```
    /// # use llama_bench_rs::{llama::{Context, ContextParams}, testing};
    /// # let mut context = Context::new(&testing::tiny_model()?, &ContextParams::default().n_ctx(64))?;
    /// context.decode_tokens(&[1, 2, 3, 4, 5, 6])?;
    /// assert!(context.can_shift() && context.memory_seq_rm(0, 1, Some(4))?);
    /// context.memory_seq_add(0, 4, None, -3)?;
    /// assert_eq!(context.n_past(), 3);
    /// context.decode_tokens(&[7])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The context does not have this sequence, its tokens cannot be moved ([`can_shift`](Self::can_shift)), a position would be negative
    /// or beyond [`Batch::MAX_POSITION`], the flag to stop is set, or llama.cpp failed.
    #[doc(alias = "llama_memory_seq_add")]
    pub fn memory_seq_add(
        &mut self,
        seq: i32,
        from: u32,
        to: Option<u32>,
        delta: i32,
    ) -> Result<(), LlamaError> {
        self.check_seq(seq)?;
        if !self.can_shift() {
            return Err(LlamaError::Unsupported {
                what: "moving tokens to other positions".into(),
                why: "this context's memory cannot: clear it and process what is kept again".into(),
            });
        }
        let (Some(min), Some(max)) = (self.pos_min(seq)?, self.pos_max(seq)?) else { return Ok(()) };
        // The recurrent half of a hybrid has its last position alone, and attention all of them.
        let first = if self.model().is_hybrid() { from } else { from.max(min) };
        let last = to.map_or(max, |to| to.saturating_sub(1).min(max));
        if delta == 0 || first > last || to == Some(0) {
            return Ok(());
        }
        let refuse =
            |remedy: String| Err(LlamaError::Parameter { name: "delta", value: delta.to_string(), remedy });
        if i64::from(first) + i64::from(delta) < 0 {
            return refuse(format!("position {first} would become negative: give -{first} or more"));
        }
        if i64::from(last) + i64::from(delta) > i64::from(Batch::MAX_POSITION) {
            let most = Batch::MAX_POSITION - last;
            return refuse(format!("position {last} would be too large: give {most} or less"));
        }
        if self.is_to_stop() {
            return Err(LlamaError::Cancelled { what: "llama_memory_seq_add" });
        }
        self.synchronize()?;
        let _caller = self.lend_caller()?;
        let (ctx, memory) = (self.as_raw(), self.memory());
        // SAFETY: the memory of a live context with no work under way and a sequence below n_seq_max; its positions can
        // be moved, and all stay in their range. Keys are rotated at once: a state saved before the next decode would
        // have the old ones.
        let (done, _) = log::capture(|| unsafe {
            sys::llama_sys_memory_seq_add(memory, seq, first as i32, last as i32 + 1, delta)
                && (sys::llama_sys_memory_shift(ctx) || last_exception().is_none())
        });
        if !done {
            return Err(self.broken_by("llama_memory_seq_add"));
        }
        self.recount();
        Ok(())
    }

    /// Removes every sequence but this one.
    ///
    /// # Errors
    /// The context does not have this sequence.
    #[doc(alias = "llama_memory_seq_keep")]
    pub fn memory_seq_keep(&mut self, seq: i32) -> Result<(), LlamaError> {
        self.check_seq(seq)?;
        // One by one: llama.cpp's own looks at the memory of this sequence alone where each has its own.
        for other in (0..self.params().n_seq_max as i32).filter(|&other| other != seq) {
            self.memory_seq_rm(other, 0, None)?;
        }
        Ok(())
    }

    /// Replaces a sequence by a copy of the positions from `first` up to, not including, `end` (`None`: to the end) of
    /// another. The copy shares the memory of the original, so both must lie in one memory:
    /// [`kv_unified`](super::ContextParams::kv_unified).
    ///
    /// # Errors
    /// The context does not have one of the sequences, the memory cannot copy a part, or llama.cpp failed.
    #[doc(alias = "llama_memory_seq_cp")]
    pub fn memory_seq_copy_part(
        &mut self,
        from: i32,
        to: i32,
        first: u32,
        end: Option<u32>,
    ) -> Result<(), LlamaError> {
        self.check_seq(from)?;
        self.check_seq(to)?;
        let model = self.model();
        let why = if has_streams(model, self.params()) {
            Some("sequences of this context have memories of their own: make it with kv_unified")
        } else if model.is_recurrent() || model.is_hybrid() || model.architecture() == "deepseek4" {
            Some("a recurrent state has no parts: copy the whole sequence")
        } else {
            None
        };
        if let Some(why) = why {
            let what = "copying a part of a sequence".into();
            return Err(LlamaError::Unsupported { what, why: why.into() });
        }
        let position = |at: u32| at.min(Batch::MAX_POSITION) as i32;
        let (first, end) = (position(first), end.map_or(-1, position));
        if from == to {
            let what = "copying a part of a sequence".into();
            let why = "both are the same: remove the rest with memory_seq_rm".into();
            return Err(LlamaError::Unsupported { what, why });
        }
        // SAFETY: the memory of a live context, which is one for all its sequences, and two of them.
        let done = unsafe {
            (sys::llama_sys_memory_seq_rm(self.memory(), to, -1, -1) || last_exception().is_none())
                && sys::llama_sys_memory_seq_cp(self.memory(), from, to, first, end)
        };
        if !done {
            return Err(self.broken_by("llama_memory_seq_cp"));
        }
        self.recount();
        Ok(())
    }

    /// Whether a part of a sequence would be left behind in a recurrent state, which has no positions to remove.
    pub(super) fn leaves_state(&self, seq: i32, from: u32, to: Option<u32>) -> Result<bool, LlamaError> {
        if !(self.model().is_recurrent() || self.model().is_hybrid()) {
            return Ok(false);
        }
        let last = self.pos_max(seq)?;
        Ok(last.zip(to).is_some_and(|(last, to)| from < to && to <= last))
    }
}
