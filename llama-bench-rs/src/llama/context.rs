use std::{
    collections::{BTreeMap, HashMap},
    ptr::NonNull,
    slice,
};

use llama_sys as sys;

use super::{ContextParams, FlashAttn, LlamaError, Model, device::text, log, threadpool::ThreadPool};
use crate::record::DeviceMemory;

/// A context of a model: its memory, its compute buffers and its thread pool.
///
/// `Send`: llama.cpp ties a context to no thread. Not `Sync`: every call changes it, so one thread at a time.
pub struct Context {
    raw: NonNull<sys::llama_context>,
    params: ContextParams,
    flash_attn: Option<bool>,
    /// Stamp of the latest on-device snapshot, by sequence.
    pub(super) on_device: HashMap<i32, u64>,
    /// Position that the next token of sequence 0 gets, kept so that decoding need not ask.
    n_past: u32,
    n_ctx: u32,
    n_vocab: u32,
    // Dropped after the context above all fields, in this order: the context is freed in `drop`.
    _threads: ThreadPool,
    model: Model,
}

// SAFETY: a llama_context may be used from any one thread at a time; `&mut self` on every mutating call ensures one.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made once, freed once; the model and the thread pool are dropped after it.
        log::capture(|| unsafe { sys::llama_free(self.raw.as_ptr()) });
    }
}

impl Context {
    /// Makes a context with a thread pool of its own, as llama-bench does.
    ///
    /// # Errors
    /// A parameter cannot be used, memory ran out, or llama.cpp refused.
    #[doc(alias = "llama_init_from_model")]
    pub fn new(model: &Model, params: &ContextParams) -> Result<Self, LlamaError> {
        params.check(model)?;
        let threads = ThreadPool::new(params)?;
        let raw_params = raw(params);
        // SAFETY: a live model and parameters without pointers.
        let (raw, log) =
            log::capture(|| unsafe { sys::llama_sys_init_from_model(model.as_raw(), raw_params) });
        let Some(raw) = NonNull::new(raw) else {
            let log = log.complaints();
            return Err(if LlamaError::is_memory(&log) {
                LlamaError::OutOfMemory { what: format!("making a context of {} tokens", params.n_ctx), log }
            } else {
                LlamaError::Context { n_ctx: params.n_ctx, log }
            });
        };
        let n_ctx;
        // SAFETY: a context that was just made, and a pool that outlives it.
        unsafe {
            sys::llama_attach_threadpool(raw.as_ptr(), threads.as_raw(), std::ptr::null_mut());
            n_ctx = sys::llama_n_ctx(raw.as_ptr());
        }
        Ok(Self {
            raw,
            params: params.clone(),
            flash_attn: resolved_flash_attn(params, log.lines()),
            on_device: HashMap::new(),
            n_past: 0,
            n_ctx,
            n_vocab: model.n_vocab(),
            _threads: threads,
            model: model.clone(),
        })
    }

    pub(super) fn as_raw(&self) -> *mut sys::llama_context {
        self.raw.as_ptr()
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: a live context.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The parameters asked for.
    pub fn params(&self) -> &ContextParams {
        &self.params
    }

    /// Tokens that it holds, after padding.
    #[doc(alias = "llama_n_ctx")]
    pub fn n_ctx(&self) -> u32 {
        self.n_ctx
    }

    /// Most tokens in one decode.
    #[doc(alias = "llama_n_batch")]
    pub fn n_batch(&self) -> u32 {
        // SAFETY: a live context.
        unsafe { sys::llama_n_batch(self.raw.as_ptr()) }
    }

    /// Most tokens computed at once.
    #[doc(alias = "llama_n_ubatch")]
    pub fn n_ubatch(&self) -> u32 {
        // SAFETY: a live context.
        unsafe { sys::llama_n_ubatch(self.raw.as_ptr()) }
    }

    /// Whether flash attention is used; `None` if llama.cpp did not say.
    pub fn flash_attn_resolved(&self) -> Option<bool> {
        self.flash_attn
    }

    /// Tokens in sequence 0.
    pub fn n_past(&self) -> u32 {
        self.n_past
    }

    /// Submits tokens to sequence 0, going on from its last position; the last one's logits can be asked for.
    /// May return before the work is done. Allocates nothing on success.
    ///
    /// # Errors
    /// None or more than `n_batch` tokens, one that is not in the vocabulary, no room in the context, or a failure
    /// in llama.cpp.
    #[doc(alias = "llama_decode")]
    #[doc(alias = "llama_batch_get_one")]
    pub fn decode_tokens(&mut self, tokens: &[i32]) -> Result<(), LlamaError> {
        let n_batch = self.params.n_batch;
        if tokens.is_empty() || tokens.len() > n_batch as usize {
            return Err(LlamaError::BatchSize { n_batch, n_tokens: tokens.len() });
        }
        let n_vocab = self.n_vocab;
        if let Some(&token) = tokens.iter().find(|&&token| token < 0 || token as u32 >= n_vocab) {
            return Err(LlamaError::Token { token, n_vocab });
        }
        let n_tokens = tokens.len() as u32;
        if self.n_past + n_tokens > self.n_ctx {
            return Err(LlamaError::ContextFull { n_ctx: self.n_ctx, n_past: self.n_past, n_tokens });
        }
        // SAFETY: the batch borrows `tokens` for the call only and llama_decode does not write through it; a live
        // context; count, ids and room were checked.
        let code = unsafe {
            let batch = sys::llama_batch_get_one(tokens.as_ptr().cast_mut(), n_tokens as i32);
            sys::llama_sys_decode(self.raw.as_ptr(), batch)
        };
        if code != 0 {
            self.recount();
            return Err(decode_error(code));
        }
        self.n_past += n_tokens;
        Ok(())
    }

    /// Waits until all submitted work is done.
    #[doc(alias = "llama_synchronize")]
    #[inline]
    pub fn synchronize(&mut self) {
        // SAFETY: a live context.
        unsafe { sys::llama_sys_synchronize(self.raw.as_ptr()) };
    }

    /// Logits of an output of the last decode, one per token of the vocabulary: 0 for the first output, -1 for the
    /// last. Waits for the work. `None` if there is no such output.
    #[doc(alias = "llama_get_logits_ith")]
    pub fn logits(&mut self, output: i32) -> Option<&[f32]> {
        // SAFETY: a live context; llama.cpp checks the index.
        let (logits, _) =
            log::capture(|| unsafe { sys::llama_sys_get_logits_ith(self.raw.as_ptr(), output) });
        // SAFETY: not null, then n_vocab floats that live until the next call that changes the context, which the
        // borrow of self rules out.
        (!logits.is_null()).then(|| unsafe { slice::from_raw_parts(logits, self.n_vocab as usize) })
    }

    /// Forgets everything; with `data`, the buffers are cleared too.
    #[doc(alias = "llama_memory_clear")]
    pub fn memory_clear(&mut self, data: bool) {
        // SAFETY: the memory of a live context.
        unsafe { sys::llama_memory_clear(self.memory(), data) };
        self.n_past = 0;
    }

    /// Removes the positions from `from` up to, not including, `to` (`None`: to the end) of a sequence; `false` if
    /// this kind of memory cannot remove a part.
    ///
    /// # Errors
    /// The sequence is not there.
    #[doc(alias = "llama_memory_seq_rm")]
    pub fn memory_seq_rm(&mut self, seq: i32, from: u32, to: Option<u32>) -> Result<bool, LlamaError> {
        self.check_seq(seq)?;
        let to = to.map_or(-1, |to| to.min(i32::MAX as u32) as i32);
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        let removed =
            unsafe { sys::llama_sys_memory_seq_rm(self.memory(), seq, from.min(i32::MAX as u32) as i32, to) };
        self.recount();
        Ok(removed)
    }

    /// Smallest position that is present in a sequence, `None` if it is empty. Above 0 where a sliding window or a
    /// recurrent state has forgotten.
    ///
    /// # Errors
    /// The sequence is not there.
    #[doc(alias = "llama_memory_seq_pos_min")]
    pub fn pos_min(&self, seq: i32) -> Result<Option<u32>, LlamaError> {
        self.check_seq(seq)?;
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        Ok(u32::try_from(unsafe { sys::llama_memory_seq_pos_min(self.memory(), seq) }).ok())
    }

    /// Largest position that is present in a sequence, `None` if it is empty.
    ///
    /// # Errors
    /// The sequence is not there.
    #[doc(alias = "llama_memory_seq_pos_max")]
    pub fn pos_max(&self, seq: i32) -> Result<Option<u32>, LlamaError> {
        self.check_seq(seq)?;
        // SAFETY: the memory of a live context and a sequence below n_seq_max.
        Ok(u32::try_from(unsafe { sys::llama_memory_seq_pos_max(self.memory(), seq) }).ok())
    }

    /// Changes the threads for generation and for prompt processing; the pool has as many as it was made with.
    ///
    /// # Errors
    /// More threads than the pool has, or none.
    #[doc(alias = "llama_set_n_threads")]
    pub fn set_n_threads(&mut self, n_threads: u32, n_threads_batch: u32) -> Result<(), LlamaError> {
        let most = self.params.n_threads.max(self.params.n_threads_batch);
        for (name, value) in [("n_threads", n_threads), ("n_threads_batch", n_threads_batch)] {
            if value == 0 || value > most {
                let remedy = format!("the pool of this context has {most} threads: give 1 to {most}");
                return Err(LlamaError::Parameter { name, value: value.to_string(), remedy });
            }
        }
        // SAFETY: a live context.
        unsafe { sys::llama_set_n_threads(self.raw.as_ptr(), n_threads as i32, n_threads_batch as i32) };
        Ok(())
    }

    /// Memory in use by device, weights included; buffers that belong to no device stand under their own name.
    #[doc(alias = "llama_get_memory_breakdown")]
    pub fn memory_breakdown(&self) -> BTreeMap<String, DeviceMemory> {
        const MAX: usize = 64;
        // SAFETY: plain old data, for which zeros are valid.
        let mut entries: [sys::llama_sys_memory; MAX] = unsafe { std::mem::zeroed() };
        // SAFETY: a live context, and room for MAX entries.
        let n =
            unsafe { sys::llama_sys_memory_breakdown(self.raw.as_ptr(), entries.as_mut_ptr(), MAX as i32) };
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

    pub(super) fn check_seq(&self, seq: i32) -> Result<(), LlamaError> {
        let n_seq_max = self.params.n_seq_max;
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
        self.n_past = u32::try_from(last + 1).unwrap_or(0);
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("model", &self.model)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

fn raw(params: &ContextParams) -> sys::llama_context_params {
    // SAFETY: no preconditions.
    let mut raw = unsafe { sys::llama_context_default_params() };
    raw.n_ctx = params.n_ctx;
    raw.n_batch = params.n_batch;
    raw.n_ubatch = params.n_ubatch;
    raw.n_seq_max = params.n_seq_max;
    raw.n_threads = params.n_threads as i32;
    raw.n_threads_batch = params.n_threads_batch as i32;
    raw.flash_attn_type = match params.flash_attn {
        FlashAttn::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        FlashAttn::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        FlashAttn::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
    };
    raw.type_k = params.type_k.as_raw();
    raw.type_v = params.type_v.as_raw();
    raw.offload_kqv = params.offload_kqv;
    raw.op_offload = params.op_offload;
    raw.swa_full = params.swa_full;
    raw.kv_unified = params.kv_unified;
    raw.embeddings = params.embeddings;
    raw
}

/// llama.cpp tells only its log how `auto` turned out; it is off for models that cannot, whatever was asked.
fn resolved_flash_attn<'a>(params: &ContextParams, log: impl Iterator<Item = &'a str>) -> Option<bool> {
    let mut resolved = match params.flash_attn {
        FlashAttn::On => Some(true),
        FlashAttn::Off => Some(false),
        FlashAttn::Auto => None,
    };
    for line in log {
        if line.contains("Flash Attention not supported, set to disabled")
            || line.contains("flash_attn is not compatible")
        {
            resolved = Some(false);
        } else if line.contains("Flash Attention enabled") || line.contains("enabling flash_attn") {
            resolved = Some(true);
        }
    }
    resolved
}

fn decode_error(code: i32) -> LlamaError {
    let meaning = match code {
        1 => "no room in the memory for the batch: raise n_ctx or lower n_batch",
        2 => "aborted",
        -1 => "the batch is invalid",
        _ => "the computation failed",
    };
    LlamaError::Decode { code, meaning, log: String::new() }
}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Context>();
