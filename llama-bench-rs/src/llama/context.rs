use std::{
    ptr::NonNull,
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Batch, ContextParams, LlamaError, Model, batch::Pointers, compute, decode_rules::DecodeRules,
    device::text, encoder::Outputs, hooks, kind::Kind, log, refusals, rpc_graphs, state::OnDevice, sys,
    threadpool::ThreadPool, trace::Trace,
};

/// A context of a model: its memory, its compute buffers and its thread pool.
///
/// `Send`: llama.cpp ties a context to no thread. Not `Sync`: every call changes it, so one thread at a time.
pub struct Context {
    raw: NonNull<sys::llama_context>,
    params: ContextParams,
    flash_attn: Option<bool>,
    /// What is kept on the device.
    pub(super) on_device: OnDevice,
    /// Position of the next token of sequence 0, kept here to save a call per decode.
    pub(super) n_past: u32,
    pub(super) outputs: Outputs,
    /// For batches, kept from one to the next.
    pub(super) pointers: Pointers,
    n_ctx: u32,
    pub(super) n_ctx_seq: u32,
    pub(super) rules: DecodeRules,
    /// Positions that the model can distinguish.
    pub(super) positions: u32,
    /// C++ threw an exception while it worked on this context, whose state is unknown since.
    broken: bool,
    abort: Option<Arc<AtomicBool>>,
    remote: rpc_graphs::Remote,
    /// Made when it is first needed; freed before the context.
    pub(super) trace: Option<Trace>,
    // The context is freed in `drop`, thus before these. `None` only during it.
    pub(super) threads: Option<ThreadPool>,
    model: Model,
}

// SAFETY: a llama_context may be used from any one thread at a time; `&mut self` on every mutating call ensures one. The
// pointers for batches are followed within one call only.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        self.trace = None;
        if self.broken {
            // Freeing what an exception left half done might end the process, and work on a device may still read the
            // weights and the flag: all of it is lost instead.
            std::mem::forget(self.threads.take());
            std::mem::forget(self.abort.take());
            std::mem::forget(self.model.clone());
            return;
        }
        // SAFETY: made once, freed once; the model and the thread pool are dropped after it.
        log::capture(|| unsafe { sys::llama_free(self.raw.as_ptr()) });
        if std::mem::take(&mut self.remote).is_any() {
            rpc_graphs::after_free();
        }
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
        hooks::install();
        let threads = ThreadPool::new(params)?;
        let aborts = compute::takes_abort_flag(model);
        let raw_params = params.raw(model);
        // SAFETY: a live model and parameters without pointers.
        let (raw, log) =
            log::capture(|| unsafe { sys::llama_sys_init_from_model(model.as_raw(), raw_params) });
        let Some(raw) = NonNull::new(raw) else {
            let log = with_exception(log.complaints());
            if let Some(refused) = refusals::of_context(model.params(), params, &log) {
                return Err(refused);
            }
            return Err(if LlamaError::is_memory(&log) {
                LlamaError::OutOfMemory { what: format!("making a context of {} tokens", params.n_ctx), log }
            } else {
                LlamaError::Context { n_ctx: params.n_ctx, log }
            });
        };
        // SAFETY: a context of this model that was just made, and a pool that outlives it.
        let (n_ctx, n_ctx_seq, rules) = unsafe {
            sys::llama_attach_threadpool(raw.as_ptr(), threads.as_raw(), std::ptr::null_mut());
            if aborts {
                sys::llama_set_abort_callback(raw.as_ptr(), Some(compute::is_to_stop), std::ptr::null_mut());
            }
            let (raw, rules) = (raw.as_ptr(), DecodeRules::new(raw.as_ptr(), model, params));
            (sys::llama_n_ctx(raw), sys::llama_n_ctx_seq(raw), rules)
        };
        // SAFETY: a context that was just made.
        let (kind, flash_attn) = unsafe { (Kind::of(raw.as_ptr()), sys::llama_sys_flash_attn(raw.as_ptr())) };
        if params.pooling.is_none() {
            model.known_kind().get_or_init(|| kind);
        }
        let mut context = Self {
            raw,
            outputs: Outputs::new(params.embeddings, kind.pooling),
            params: params.clone(),
            flash_attn: (flash_attn >= 0).then_some(flash_attn > 0),
            on_device: OnDevice::default(),
            n_past: 0,
            pointers: Pointers::default(),
            n_ctx,
            n_ctx_seq,
            rules,
            positions: model.learned_positions().unwrap_or(u32::MAX),
            broken: false,
            abort: None,
            threads: Some(threads),
            remote: rpc_graphs::Remote::of(model),
            trace: None,
            model: model.clone(),
        };
        context.look_at_rows();
        Ok(context)
    }

    /// To be called after memory of its devices was given back: see [`rpc_graphs`].
    pub(super) fn after_free(&self) {
        if self.remote.is_any() {
            rpc_graphs::after_free();
        }
    }

    pub(super) fn as_raw(&self) -> *mut sys::llama_context {
        self.raw.as_ptr()
    }

    pub(super) fn memory(&self) -> sys::llama_memory_t {
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

    /// Most tokens in one decode: what was asked for, or `n_ctx` if that is less.
    #[doc(alias = "llama_n_batch")]
    pub fn n_batch(&self) -> u32 {
        self.rules.n_batch()
    }

    /// Most tokens computed at once.
    #[doc(alias = "llama_n_ubatch")]
    pub fn n_ubatch(&self) -> u32 {
        self.rules.n_ubatch()
    }

    /// Whether flash attention is used; `None` if llama.cpp did not say.
    pub fn flash_attn_resolved(&self) -> Option<bool> {
        self.flash_attn
    }

    /// Tokens in sequence 0; 0 for a model that keeps no memory.
    pub fn n_past(&self) -> u32 {
        self.n_past
    }

    /// Submits tokens to sequence 0, after its last position. Only the last token has logits.
    /// May return before the work is done. Allocates nothing on success.
    ///
    /// # Errors
    /// No token, or more than `n_batch` (`n_ubatch` if attention is not causal); a token outside the vocabulary; a full
    /// context; a position that the model has not learned; a decoder before its encoder ran; a failure in llama.cpp.
    #[doc(alias = "llama_decode")]
    #[doc(alias = "llama_batch_get_one")]
    pub fn decode_tokens(&mut self, tokens: &[i32]) -> Result<(), LlamaError> {
        self.outputs.forget();
        self.rules.check_tokens(tokens)?;
        self.outputs.check_pooled(tokens.len(), self.n_ubatch())?;
        self.check_intact("llama_decode")?;
        let n_tokens = tokens.len() as u32;
        // Without a memory nothing is kept, and there are no parts to keep it in.
        let n_ctx = if self.rules.has_memory() { self.n_ctx_seq } else { self.n_ctx };
        if self.n_past + n_tokens > n_ctx {
            return Err(LlamaError::ContextFull { n_ctx, n_past: self.n_past, n_tokens });
        }
        if self.n_past + n_tokens > self.positions {
            return Err(LlamaError::Position {
                position: self.n_past + n_tokens - 1,
                positions: self.positions,
            });
        }
        self.check_decoder()?;
        let batch = self.batch_of(tokens, self.outputs.embeddings);
        let _caller = self.lend_caller()?;
        // SAFETY: the batch borrows `tokens` for the call only and llama_decode does not write through it; a live
        // context; count, ids and room were checked.
        let (code, log) = log::capture(|| unsafe { sys::llama_sys_decode(self.raw.as_ptr(), batch) });
        if code != 0 {
            return Err(self.decode_error(code, &log));
        }
        if self.rules.has_memory() {
            self.n_past += n_tokens;
        }
        self.end_decode(tokens.len());
        Ok(())
    }

    /// Submits a batch: tokens with positions and sequences of their own. May return before the work is done. Allocates
    /// nothing on success, except for the first batch of a length.
    ///
    /// # Errors
    /// The batch is empty or larger than `n_batch` (`n_ubatch` if attention is not causal); it names an unknown token or
    /// sequence; it gives one token to several sequences that do not share memory; its positions do not follow those of
    /// its sequences; the context is full; the decoder's encoder has not run; llama.cpp failed.
    #[doc(alias = "llama_decode")]
    pub fn decode(&mut self, batch: &Batch) -> Result<(), LlamaError> {
        self.outputs.forget();
        self.rules.check_batch(batch, self.positions)?;
        self.outputs.check_pooled(batch.len(), self.n_ubatch())?;
        self.check_intact("llama_decode")?;
        self.check_decoder()?;
        let _caller = self.lend_caller()?;
        let raw = batch.raw(&mut self.pointers);
        // SAFETY: a live context; the arrays in `raw` are as long as it says and outlive the call; tokens and
        // sequences were checked, and llama.cpp checks positions and room.
        let (code, log) = log::capture(|| unsafe { sys::llama_sys_decode(self.raw.as_ptr(), raw) });
        if code != 0 {
            return Err(self.decode_error(code, &log));
        }
        self.recount();
        self.end_decode(batch.len());
        Ok(())
    }

    /// Waits until all submitted work is done.
    ///
    /// # Errors
    /// The work failed, and the context can no longer be used.
    #[doc(alias = "llama_synchronize")]
    #[inline]
    pub fn synchronize(&mut self) -> Result<(), LlamaError> {
        self.check_intact("llama_synchronize")?;
        // SAFETY: a live context.
        if unsafe { sys::llama_sys_synchronize(self.raw.as_ptr()) } {
            return Ok(());
        }
        Err(self.broken_by("llama_synchronize"))
    }

    /// A flag that stops decodes from another thread once it is set: they return [`LlamaError::Cancelled`]. Backends
    /// that compute on a device may finish first.
    #[doc(alias = "llama_set_abort_callback")]
    pub fn abort_flag(&mut self) -> Arc<AtomicBool> {
        let flag = self.abort.get_or_insert_with(Default::default).clone();
        // SAFETY: a live context; the flag is kept alive by the context and only read by the callback.
        unsafe {
            let data = Arc::as_ptr(&flag).cast_mut().cast();
            sys::llama_set_abort_callback(self.raw.as_ptr(), Some(compute::is_to_stop), data);
        }
        flag
    }

    /// Whether that flag is set.
    pub(super) fn is_to_stop(&self) -> bool {
        self.abort.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Logits of the last decode, one per token of the vocabulary. `output` is the place in the batch of a token whose
    /// logits were asked for, or counts from the end of all outputs (-1 for the last). Waits for the work. `None` after
    /// an encode or a failed decode, and for a model that computes embeddings only.
    #[doc(alias = "llama_get_logits_ith")]
    pub fn logits(&mut self, output: i32) -> Option<&[f32]> {
        if !self.outputs.logits || self.check_intact("llama_get_logits_ith").is_err() {
            return None;
        }
        // SAFETY: a live context; llama.cpp checks the index.
        let (logits, _) =
            log::capture(|| unsafe { sys::llama_sys_get_logits_ith(self.raw.as_ptr(), output) });
        if logits.is_null() {
            self.broken |= last_exception().is_some();
        }
        // SAFETY: not null, then n_vocab floats that live until the next call that changes the context, which the
        // borrow of self rules out.
        (!logits.is_null()).then(|| unsafe { slice::from_raw_parts(logits, self.rules.n_vocab() as usize) })
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

    /// Refuses a context that an exception broke, or whose model has no weights to compute with.
    pub(super) fn check_intact(&self, what: &'static str) -> Result<(), LlamaError> {
        if self.model.params().no_alloc {
            let why = "the model was loaded with no_alloc, to learn how much memory it takes: load it whole";
            return Err(LlamaError::Unsupported { what: what.into(), why: why.into() });
        }
        if self.broken {
            let exception = "an earlier one left this context unusable: make another".into();
            return Err(LlamaError::Exception { what, exception });
        }
        Ok(())
    }

    /// Whether an exception left its state unknown.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Takes note of the exception that a call threw.
    pub(super) fn broken_by(&mut self, what: &'static str) -> LlamaError {
        self.broken = true;
        let exception = last_exception().unwrap_or_default();
        if LlamaError::is_memory(&exception) {
            let log = format!("{exception}; this context cannot be used any more");
            return LlamaError::OutOfMemory { what: format!("calling {what}"), log };
        }
        LlamaError::Exception { what, exception }
    }

    fn decode_error(&mut self, code: i32, log: &log::Log) -> LlamaError {
        if code == THREW {
            return self.broken_by("llama_decode");
        }
        self.recount();
        let log = log.complaints();
        let meaning = match code {
            1 => "no room in the memory for the batch: raise n_ctx or lower n_batch",
            2 => return LlamaError::Cancelled { what: "llama_decode" },
            -1 => "the batch is invalid",
            -2 if LlamaError::is_memory(&log) => {
                return LlamaError::OutOfMemory { what: "decoding".into(), log };
            }
            _ => "the computation failed",
        };
        LlamaError::Decode { code, meaning, log }
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

/// What the shim returns instead of a code after an exception.
const THREW: i32 = -1000;

/// Text of the exception that the last call through the shim stopped on this thread.
pub(super) fn last_exception() -> Option<String> {
    // SAFETY: a NUL-terminated string of this thread, which lives until its next call through the shim.
    let exception = unsafe { text(sys::llama_sys_last_exception()) };
    // It may repeat a key or a name of the file, however long.
    (!exception.is_empty()).then(|| log::readable(&exception))
}

/// What was logged, and the exception if there was one.
pub(super) fn with_exception(log: String) -> String {
    match last_exception() {
        Some(exception) if log.is_empty() => exception,
        Some(exception) if log.contains(&exception) => log,
        Some(exception) => format!("{log}; {exception}"),
        None => log,
    }
}
