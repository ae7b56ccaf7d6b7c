//! The memory of a context: what it holds of its sequences, and how many bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Context, LlamaError, context::last_exception, decode_rules::has_streams, device::text, log, sys,
};

/// Bytes used on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceMemory {
    /// Weights.
    pub model_bytes: u64,
    /// KV cache and recurrent state.
    pub context_bytes: u64,
    /// Compute buffers.
    pub compute_bytes: u64,
}

impl Context {
    /// Forgets everything; with `data`, clears the buffers too, after all submitted work. A context that can no longer be
    /// used is left alone: the next decode says so.
    #[doc(alias = "llama_memory_clear")]
    pub fn memory_clear(&mut self, data: bool) {
        if self.check_intact("llama_memory_clear").is_err() {
            return;
        }
        // A device may still be reading or writing what is to be cleared.
        if data && self.synchronize().is_err() {
            return;
        }
        // SAFETY: the memory of a live context.
        unsafe { sys::llama_memory_clear(self.memory(), data) };
        self.n_past = 0;
    }

    /// Removes the positions from `from` up to, not including, `to` (`None`: to the end) of a sequence. Returns `false`
    /// and removes nothing if this kind of memory, such as a recurrent state, cannot remove that part.
    ///
    /// # Errors
    /// The context does not have this sequence.
    #[doc(alias = "llama_memory_seq_rm")]
    pub fn memory_seq_rm(&mut self, seq: i32, from: u32, to: Option<u32>) -> Result<bool, LlamaError> {
        self.check_seq(seq)?;
        // llama.cpp says yes and leaves the state as it is.
        if self.leaves_state(seq, from, to)? {
            return Ok(false);
        }
        let to = to.map_or(-1, |to| to.min(i32::MAX as u32) as i32);
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        let removed =
            unsafe { sys::llama_sys_memory_seq_rm(self.memory(), seq, from.min(i32::MAX as u32) as i32, to) };
        if !removed && last_exception().is_some() {
            return Err(self.broken_by("llama_memory_seq_rm"));
        }
        self.recount();
        Ok(removed)
    }

    /// Replaces the sequence `to` by a copy of `from`. Waits for the work and copies at once, even if sequences have
    /// separate memories and llama.cpp alone would copy at the next decode.
    ///
    /// # Errors
    /// The context does not have one of the sequences, or llama.cpp failed.
    #[doc(alias = "llama_memory_seq_cp")]
    pub fn memory_seq_copy(&mut self, from: i32, to: i32) -> Result<(), LlamaError> {
        self.check_seq(from)?;
        self.check_seq(to)?;
        if from == to {
            return Ok(());
        }
        let streams = has_streams(self.model(), self.params());
        // Its memory takes a token of two streams, with which copies are made at once (see the shim), and computes.
        if streams && self.model().architecture() == "deepseek4" {
            return Err(LlamaError::Unsupported {
                what: "copying a sequence".into(),
                why: "sequences of this model have memories of their own: make the context with kv_unified"
                    .into(),
            });
        }
        // SAFETY: the memory of a live context and sequences below n_seq_max.
        let done = unsafe {
            (sys::llama_sys_memory_seq_rm(self.memory(), to, -1, -1) || last_exception().is_none())
                && sys::llama_sys_memory_seq_cp(self.memory(), from, to, -1, -1)
        };
        if !done && last_exception().is_some() {
            return Err(self.broken_by("llama_memory_seq_cp"));
        }
        if streams {
            self.apply_copies(from, to)?;
        }
        self.recount();
        Ok(())
    }

    /// Else states saved before the next decode would lack the copy, and ones restored or cleared would be overwritten by
    /// it.
    fn apply_copies(&mut self, from: i32, to: i32) -> Result<(), LlamaError> {
        let (ctx, embeddings) = (self.as_raw(), self.params().embeddings);
        // SAFETY: a live context, and sequences below n_seq_max that hold the same positions.
        let (applied, log) =
            log::capture_quietly(|| unsafe { sys::llama_sys_memory_apply(ctx, from, to, embeddings) });
        if applied {
            return Ok(());
        }
        let error = self.broken_by("llama_memory_seq_cp");
        Err(match error {
            LlamaError::Exception { what, exception } if exception.is_empty() => {
                LlamaError::Exception { what, exception: log.complaints() }
            }
            error => error,
        })
    }

    /// Smallest position in a sequence, `None` if it is empty. Above 0 if a sliding window or a recurrent state has
    /// forgotten earlier ones.
    ///
    /// # Errors
    /// The context does not have this sequence.
    #[doc(alias = "llama_memory_seq_pos_min")]
    pub fn pos_min(&self, seq: i32) -> Result<Option<u32>, LlamaError> {
        self.check_seq(seq)?;
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        Ok(u32::try_from(unsafe { sys::llama_memory_seq_pos_min(self.memory(), seq) }).ok())
    }

    /// Largest position in a sequence, `None` if it is empty.
    ///
    /// # Errors
    /// The context does not have this sequence.
    #[doc(alias = "llama_memory_seq_pos_max")]
    pub fn pos_max(&self, seq: i32) -> Result<Option<u32>, LlamaError> {
        self.check_seq(seq)?;
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        Ok(u32::try_from(unsafe { sys::llama_memory_seq_pos_max(self.memory(), seq) }).ok())
    }

    /// Memory in use by device, weights included. A buffer outside all devices has its own name as key. Empty if the
    /// context can no longer be used.
    #[doc(alias = "llama_get_memory_breakdown")]
    pub fn memory_breakdown(&self) -> BTreeMap<String, DeviceMemory> {
        if self.is_broken() {
            return BTreeMap::new();
        }
        const MAX: usize = 64;
        // SAFETY: plain old data, for which zeros are valid.
        let mut entries: [sys::llama_sys_memory; MAX] = unsafe { std::mem::zeroed() };
        // SAFETY: a live context, and room for MAX entries.
        let n = unsafe { sys::llama_sys_memory_breakdown(self.as_raw(), entries.as_mut_ptr(), MAX as i32) };
        let mut memory = BTreeMap::<String, DeviceMemory>::new();
        for entry in entries.iter().take(n.max(0) as usize) {
            // SAFETY: the shim NUL-terminates both names.
            let (device, buffer_type) =
                unsafe { (text(entry.device.as_ptr()), text(entry.buffer_type.as_ptr())) };
            let used = memory.entry(if device.is_empty() { buffer_type } else { device }).or_default();
            used.model_bytes += entry.model as u64;
            used.context_bytes += entry.context as u64;
            used.compute_bytes += entry.compute as u64;
        }
        memory
    }

    /// Refuses an unknown sequence, and any sequence of a context without memory or that can no longer be used.
    pub(super) fn check_seq(&self, seq: i32) -> Result<(), LlamaError> {
        self.check_intact("a memory operation")?;
        let n_seq_max = self.params().n_seq_max;
        if seq < 0 || seq as u32 >= n_seq_max {
            return Err(LlamaError::Sequence { seq, n_seq_max });
        }
        if self.memory().is_null() {
            return Err(LlamaError::Unsupported {
                what: "a memory operation".into(),
                why: "this model keeps no memory of past tokens".into(),
            });
        }
        Ok(())
    }

    /// Asks llama.cpp where sequence 0 ends, after anything that may have moved it.
    pub(super) fn recount(&mut self) {
        // SAFETY: the memory of a live context; sequence 0 always exists.
        let last = unsafe { sys::llama_memory_seq_pos_max(self.memory(), 0) };
        self.n_past = u32::try_from(i64::from(last) + 1).unwrap_or(0);
    }
}
