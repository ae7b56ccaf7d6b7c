//! The state of one sequence, saved and restored.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bitflags::bitflags;

use super::{Context, LlamaError, SplitMode, context::last_exception, log, sys};

bitflags! {
    /// What part of a state to save, and where to keep it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StateFlags: u32 {
        /// Only what removing positions cannot restore: sliding windows and recurrent states.
        const PARTIAL_ONLY = sys::LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
        /// Tensor data stays where the memory is: fast if that is a device, but tied to its context, one per sequence.
        const ON_DEVICE = sys::LLAMA_STATE_SEQ_FLAGS_ON_DEVICE;
    }
}

/// A saved state of one sequence.
///
/// A state on a device belongs to the context that saved it, until that context saves the same sequence on the device
/// again. Restoring it elsewhere is an error (llama.cpp would abort).
#[derive(Clone, Debug)]
pub struct SeqState {
    bytes: Vec<u8>,
    flags: StateFlags,
    /// Whether llama.cpp keeps the tensor data; the memory of a CPU is the host's, and such states are whole in `bytes`.
    by_llama: bool,
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

/// Numbers on-device snapshots over the whole process: no two have the same number.
static STAMPS: AtomicU64 = AtomicU64::new(1);

/// How the rows of a KV cache, one per cell, lie in the buffers of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// They fill the alignment; the smallest has so many bytes.
    Whole { smallest: usize },
    /// They leave a rest, or not all could be seen.
    Ragged,
}

/// Bytes that llama.cpp allocates on the host per piece of data that it saves to a device, and restores from it, rounded
/// up: tensors' headers and entries of lists.
const SAVE_BYTES_PER_PIECE: usize = 1024;
const RESTORE_BYTES_PER_PIECE: usize = 3072;

/// Pieces of recurrent states, a few per layer, and allocations beside those of pieces.
const FEW_PIECES: usize = 4096;

/// Bytes by which a buffer on a device may be larger than the data in it.
const DEVICE_SLACK: usize = 4 << 20;

fn unsafe_on_device(why: &str) -> LlamaError {
    LlamaError::Unsupported {
        what: "a state on the device".into(),
        why: format!("{why}: keep the state on the host"),
    }
}

/// What a context keeps on its device.
#[derive(Debug, Default)]
pub(super) struct OnDevice {
    /// Stamp of the latest snapshot, by sequence.
    stamps: HashMap<i32, u64>,
    /// Flags and size of what llama.cpp's buffer of a sequence holds.
    buffers: HashMap<i32, (StateFlags, usize)>,
    /// How rows lie in their buffers, once somebody asked.
    rows: Option<Rows>,
}

impl Context {
    /// Saves the state of a sequence.
    ///
    /// # Errors
    /// The context does not have this sequence, memory ran out, or llama.cpp could not save it. A state cannot stay on a
    /// device with a quantised KV cache, without flash attention, with rows that do not fill the alignment of the device,
    /// or with split mode tensor: keep it on the host.
    #[doc(alias = "llama_state_seq_get_data_ext")]
    pub fn state_save(&mut self, seq: i32, flags: StateFlags) -> Result<SeqState, LlamaError> {
        self.check_seq(seq)?;
        let on_device = flags.contains(StateFlags::ON_DEVICE);
        let params = self.params();
        if on_device && (params.type_k.is_quantised() || params.type_v.is_quantised()) {
            return Err(unsafe_on_device("llama.cpp copies too little of a quantised KV cache"));
        }
        // SAFETY: a live context.
        let by_llama = on_device && !unsafe { sys::llama_sys_memory_is_host(self.as_raw()) };
        self.save(seq, flags, by_llama)
    }

    pub(super) fn save(
        &mut self,
        seq: i32,
        flags: StateFlags,
        by_llama: bool,
    ) -> Result<SeqState, LlamaError> {
        let buffer = if by_llama { Some(self.check_device(seq, flags)?) } else { None };
        if flags.contains(StateFlags::ON_DEVICE) {
            // From here on the snapshot before is no longer there, even if this one fails.
            self.on_device.stamps.remove(&seq);
            self.on_device.buffers.remove(&seq);
        }
        let flags_for_llama = if by_llama { flags } else { flags.difference(StateFlags::ON_DEVICE) };
        let size = self.size_of_state(seq, flags_for_llama)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            let log = format!("{size} bytes in host memory");
            return Err(LlamaError::OutOfMemory { what: format!("saving the state of sequence {seq}"), log });
        }
        bytes.resize(size, 0);
        let ctx = self.as_raw();
        // SAFETY: a live context, a sequence below n_seq_max, and a buffer of the size that llama.cpp just named; what
        // would end the process in llama.cpp's destructor was checked if the data stays with it.
        let (written, log) = log::capture(|| unsafe {
            let bits = flags_for_llama.bits();
            sys::llama_sys_state_seq_get_data_ext(ctx, bytes.as_mut_ptr(), bytes.len(), seq, bits)
        });
        if by_llama && flags.contains(StateFlags::ON_DEVICE) {
            // A snapshot of another size takes the place of the one before.
            self.after_free();
        }
        if written == 0 || written > size {
            return Err(self.state_error(seq, "saved", &log));
        }
        bytes.truncate(written);
        let stamp = STAMPS.fetch_add(1, Ordering::Relaxed);
        if flags.contains(StateFlags::ON_DEVICE) {
            self.on_device.stamps.insert(seq, stamp);
        }
        if let Some(buffer) = buffer {
            self.on_device.buffers.insert(seq, buffer);
        }
        Ok(SeqState { bytes, flags, by_llama, seq, stamp })
    }

    fn size_of_state(&mut self, seq: i32, flags: StateFlags) -> Result<usize, LlamaError> {
        let ctx = self.as_raw();
        // SAFETY: a live context and a sequence below n_seq_max.
        let (size, log) =
            log::capture(|| unsafe { sys::llama_sys_state_seq_get_size_ext(ctx, seq, flags.bits()) });
        if size == 0 { Err(self.state_error(seq, "saved", &log)) } else { Ok(size) }
    }

    /// llama.cpp copies to a device in a destructor, where a failure ends the process. It takes a buffer for as many bytes
    /// as the data has, and keeps it for the next snapshot of that size, however that one is cut into pieces: each piece
    /// begins at a multiple of the buffer's alignment. So pieces must be rows that fill it, and there must be room.
    /// Returns what the buffer will hold.
    fn check_device(&mut self, seq: i32, flags: StateFlags) -> Result<(StateFlags, usize), LlamaError> {
        if self.model().params().split_mode == SplitMode::Tensor {
            return Err(unsafe_on_device("split mode tensor spreads each row over devices"));
        }
        let is_partial = flags.contains(StateFlags::PARTIAL_ONLY);
        let has_window = self.model().n_swa() > 0;
        let is_recurrent_alone =
            self.model().is_recurrent() || (is_partial && self.model().is_hybrid() && !has_window);
        let smallest = if is_recurrent_alone {
            usize::MAX
        } else if self.flash_attn_resolved() != Some(true) {
            return Err(unsafe_on_device("without flash attention llama.cpp cuts V into single values"));
        } else {
            match self.rows() {
                Rows::Whole { smallest } => smallest,
                Rows::Ragged => {
                    return Err(unsafe_on_device("rows of the memory do not fill the device's alignment"));
                }
            }
        };
        let whole = self.size_of_state(seq, flags.difference(StateFlags::ON_DEVICE))?;
        let buffer = (flags, whole.saturating_sub(self.size_of_state(seq, flags)?));
        // Sizes of two caches may add up to the same sum in another way.
        let is_one_cache = is_partial || !has_window;
        let is_there = is_one_cache && self.on_device.buffers.get(&seq) == Some(&buffer);
        let on_device = if is_there { 0 } else { buffer.1 + DEVICE_SLACK };
        let on_host = (buffer.1 / smallest + FEW_PIECES) * SAVE_BYTES_PER_PIECE;
        self.check_room(seq, "saved", on_device, on_host)?;
        Ok(buffer)
    }

    /// Whether llama.cpp will find the memory that it allocates in a destructor.
    pub(super) fn check_room(
        &self,
        seq: i32,
        what: &'static str,
        on_device: usize,
        on_host: usize,
    ) -> Result<(), LlamaError> {
        // SAFETY: a live context.
        let has_room = unsafe { sys::llama_sys_memory_has_room(self.as_raw(), on_device, on_host) };
        // It was taken and given back.
        self.after_free();
        if has_room {
            return Ok(());
        }
        let log = format!("{on_device} bytes on the device and up to {on_host} on the host are not there");
        Err(LlamaError::OutOfMemory { what: format!("having the state of sequence {seq} {what}"), log })
    }

    /// Looks at the rows of a memory on a device while the context is made: the graph that is built for it would slow
    /// down the decode after a snapshot.
    pub(super) fn look_at_rows(&mut self) {
        // SAFETY: a live context.
        if !self.model().params().no_alloc && !unsafe { sys::llama_sys_memory_is_host(self.as_raw()) } {
            self.rows();
        }
    }

    /// Asks once: memory lies where it lay when the context was made.
    pub(super) fn rows(&mut self) -> Rows {
        if let Some(rows) = self.on_device.rows {
            return rows;
        }
        let (ctx, n_seq_max) = (self.as_raw(), self.params().n_seq_max);
        let mut smallest = 0;
        // SAFETY: a live context with that many sequences, and a place for the result.
        let (rows, _) =
            log::capture(|| unsafe { sys::llama_sys_memory_rows_of(ctx, n_seq_max, &mut smallest) });
        if last_exception().is_some() {
            let _ = self.broken_by("llama_graph_reserve");
        }
        let rows = if rows == sys::LLAMA_SYS_ROWS_WHOLE && smallest > 0 {
            Rows::Whole { smallest }
        } else {
            Rows::Ragged
        };
        *self.on_device.rows.insert(rows)
    }

    /// Restores a state into the sequence that it was saved from.
    ///
    /// # Errors
    /// The state belongs to another context, was replaced by a later one on the device, or was refused by llama.cpp. Clear
    /// the sequence then.
    #[doc(alias = "llama_state_seq_set_data_ext")]
    pub fn state_restore(&mut self, state: &SeqState) -> Result<(), LlamaError> {
        let seq = state.seq;
        self.check_seq(seq)?;
        let refused = |why: String| Err(LlamaError::State { seq, what: "restored", why });
        if state.flags.contains(StateFlags::ON_DEVICE)
            && self.on_device.stamps.get(&seq) != Some(&state.stamp)
        {
            return refused(
                "it lies on the device of another context, or a later snapshot replaced it".into(),
            );
        }
        if state.by_llama {
            let size = self.on_device.buffers.get(&seq).map_or(0, |(_, size)| *size);
            let smallest = match self.on_device.rows {
                Some(Rows::Whole { smallest }) => smallest,
                _ => usize::MAX,
            };
            self.check_room(seq, "restored", 0, (size / smallest + FEW_PIECES) * RESTORE_BYTES_PER_PIECE)?;
        }
        let flags = if state.by_llama { state.flags } else { state.flags.difference(StateFlags::ON_DEVICE) };
        self.restore_bytes(&state.bytes, seq, flags)
    }

    /// Restores bytes from [`SeqState::as_bytes`], also of another context of the same model.
    ///
    /// # Errors
    /// llama.cpp refused them: clear the sequence.
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
        let before = self.pos_max(seq)?;
        self.restore_raw(bytes, seq, flags)?;
        // llama.cpp leaves what is there when the state is one of no tokens, or a half of it in a hybrid.
        let after = self.pos_max(seq)?;
        if before.is_some()
            && (after.is_none() || after == before)
            && !flags.contains(StateFlags::PARTIAL_ONLY)
        {
            self.memory_seq_rm(seq, 0, None)?;
            if after.is_some() {
                self.restore_raw(bytes, seq, flags)?;
            }
        }
        Ok(())
    }

    fn restore_raw(&mut self, bytes: &[u8], seq: i32, flags: StateFlags) -> Result<(), LlamaError> {
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
            None if LlamaError::is_memory(&log.complaints()) => LlamaError::OutOfMemory {
                what: format!("having sequence {seq} {what}"),
                log: log.complaints(),
            },
            None => LlamaError::State { seq, what, why: log.complaints() },
        }
    }
}
