//! The state of one sequence, saved and restored.

use std::sync::atomic::{AtomicU64, Ordering};

use bitflags::bitflags;

use super::{Context, LlamaError, context::last_exception, log, sys};

bitflags! {
    /// What part of a state to save, and where to keep it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StateFlags: u32 {
        /// Only what cannot be got back by removing positions: sliding windows and recurrent states.
        const PARTIAL_ONLY = sys::LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
        /// Tensor data stays on the device: fast, but tied to its context, one per sequence.
        const ON_DEVICE = sys::LLAMA_STATE_SEQ_FLAGS_ON_DEVICE;
    }
}

/// A saved state of one sequence.
///
/// One kept on the device belongs to the context that saved it, and only until that context saves the same sequence
/// on the device again; restoring it elsewhere is an error here (llama.cpp would abort).
#[derive(Clone, Debug)]
pub struct SeqState {
    bytes: Vec<u8>,
    flags: StateFlags,
    seq: i32,
    stamp: u64,
}

impl SeqState {
    /// Bytes in host memory; what lies on a device is not counted.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How it was saved.
    pub fn flags(&self) -> StateFlags {
        self.flags
    }

    /// The bytes themselves; of a state on a device, what little lies on the host.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The raw bytes of a state kept on the host, `None` for one on a device.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        (!self.flags.contains(StateFlags::ON_DEVICE)).then_some(&self.bytes)
    }
}

/// Numbers on-device snapshots over the whole process, so that one can never be taken for another's.
static STAMPS: AtomicU64 = AtomicU64::new(1);

impl Context {
    /// Saves the state of a sequence.
    ///
    /// # Errors
    /// The sequence is not there, llama.cpp could not save it, or it is to stay on the device with a quantised KV
    /// cache (llama.cpp then copies too little).
    #[doc(alias = "llama_state_seq_get_data_ext")]
    pub fn state_save(&mut self, seq: i32, flags: StateFlags) -> Result<SeqState, LlamaError> {
        self.check_seq(seq)?;
        let params = self.params();
        let quantised = params.type_k.is_quantised() || params.type_v.is_quantised();
        if flags.contains(StateFlags::ON_DEVICE) && quantised {
            return Err(LlamaError::Unsupported {
                what: "a state on the device with a quantised KV cache".into(),
                why: "llama.cpp copies too little of it: keep the state on the host".into(),
            });
        }
        let ctx = self.as_raw();
        // SAFETY: a live context and a sequence below n_seq_max.
        let (size, log) =
            log::capture(|| unsafe { sys::llama_sys_state_seq_get_size_ext(ctx, seq, flags.bits()) });
        if size == 0 {
            return Err(self.state_error(seq, "saved", &log));
        }
        let mut bytes = vec![0u8; size];
        if flags.contains(StateFlags::ON_DEVICE) {
            // From here on the device no longer holds the snapshot before, even if this one fails.
            self.on_device.remove(&seq);
        }
        // SAFETY: as above, and a buffer of the size that llama.cpp just named.
        let (written, log) = log::capture(|| unsafe {
            sys::llama_sys_state_seq_get_data_ext(ctx, bytes.as_mut_ptr(), bytes.len(), seq, flags.bits())
        });
        if written == 0 || written > size {
            return Err(self.state_error(seq, "saved", &log));
        }
        bytes.truncate(written);
        let stamp = STAMPS.fetch_add(1, Ordering::Relaxed);
        if flags.contains(StateFlags::ON_DEVICE) {
            self.on_device.insert(seq, stamp);
        }
        Ok(SeqState { bytes, flags, seq, stamp })
    }

    /// Restores a state into the sequence that it was saved from.
    ///
    /// # Errors
    /// The state belongs to another context, was replaced by a later one on the device, or llama.cpp refused it; the
    /// sequence should then be cleared.
    #[doc(alias = "llama_state_seq_set_data_ext")]
    pub fn state_restore(&mut self, state: &SeqState) -> Result<(), LlamaError> {
        let seq = state.seq;
        self.check_seq(seq)?;
        let refused = |why: String| Err(LlamaError::State { seq, what: "restored", why });
        if state.flags.contains(StateFlags::ON_DEVICE) && self.on_device.get(&seq) != Some(&state.stamp) {
            return refused(
                "it lies on the device of another context, or a later snapshot replaced it".into(),
            );
        }
        self.restore_bytes(&state.bytes, seq, state.flags)
    }

    /// Restores bytes from [`SeqState::as_bytes`], perhaps of another context of the same model.
    ///
    /// # Errors
    /// llama.cpp refused them; the sequence should then be cleared.
    pub fn state_restore_bytes(
        &mut self,
        bytes: &[u8],
        seq: i32,
        flags: StateFlags,
    ) -> Result<(), LlamaError> {
        self.check_seq(seq)?;
        if flags.contains(StateFlags::ON_DEVICE) {
            let why = "bytes alone do not hold a state that lies on a device".into();
            return Err(LlamaError::State { seq, what: "restored", why });
        }
        self.restore_bytes(bytes, seq, flags)
    }

    fn restore_bytes(&mut self, bytes: &[u8], seq: i32, flags: StateFlags) -> Result<(), LlamaError> {
        let ctx = self.as_raw();
        // SAFETY: a live context, a sequence below n_seq_max, and a readable buffer; llama.cpp checks its content
        // and a state on the device was checked to be this context's latest.
        let (read, log) = log::capture(|| unsafe {
            sys::llama_sys_state_seq_set_data_ext(ctx, bytes.as_ptr(), bytes.len(), seq, flags.bits())
        });
        if read == 0 {
            let error = self.state_error(seq, "restored", &log);
            self.recount();
            return Err(error);
        }
        self.recount();
        Ok(())
    }

    fn state_error(&mut self, seq: i32, what: &'static str, log: &log::Log) -> LlamaError {
        match last_exception() {
            Some(_) => self.broken_by("llama_state_seq"),
            None => LlamaError::State { seq, what, why: log.complaints() },
        }
    }
}
