use super::{
    LlamaError, Model, Pooling, Rope,
    decode_rules::{has_streams, is_encoder_decoder},
    default_threads::default_threads,
    model_params::{names, setters},
    sequences::max_sequences,
    sys,
    threads::OPENMP,
};

/// When to use flash attention (`llama_flash_attn_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum FlashAttn {
    /// llama.cpp decides; ask [`Context::flash_attn_resolved`](super::Context::flash_attn_resolved) how.
    #[default]
    Auto,
    /// Off.
    Off,
    /// On.
    On,
}

/// Element type of a KV cache (`ggml_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // the names say all there is to say
#[non_exhaustive]
pub enum KvType {
    F32,
    #[default]
    F16,
    Bf16,
    Q8_0,
    Q5_1,
    Q5_0,
    Q4_1,
    Q4_0,
    Iq4Nl,
}

// llama-bench and older scripts write the others as well.
names!(FlashAttn, "flash attention" {
    Auto = "auto" | "-1",
    Off = "off" | "0" | "false" | "disabled",
    On = "on" | "1" | "true" | "enabled",
});
names!(KvType, "type of cache" {
    F32 = "f32",
    F16 = "f16",
    Bf16 = "bf16",
    Q8_0 = "q8_0",
    Q5_1 = "q5_1",
    Q5_0 = "q5_0",
    Q4_1 = "q4_1",
    Q4_0 = "q4_0",
    Iq4Nl = "iq4_nl",
});

impl KvType {
    pub(super) fn as_raw(self) -> sys::ggml_type {
        match self {
            KvType::F32 => sys::GGML_TYPE_F32,
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Bf16 => sys::GGML_TYPE_BF16,
            KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
            KvType::Q5_1 => sys::GGML_TYPE_Q5_1,
            KvType::Q5_0 => sys::GGML_TYPE_Q5_0,
            KvType::Q4_1 => sys::GGML_TYPE_Q4_1,
            KvType::Q4_0 => sys::GGML_TYPE_Q4_0,
            KvType::Iq4Nl => sys::GGML_TYPE_IQ4_NL,
        }
    }

    /// Whether elements are stored in quantised blocks (of 32).
    pub fn is_quantised(self) -> bool {
        !matches!(self, KvType::F32 | KvType::F16 | KvType::Bf16)
    }
}

/// How to make a context and its thread pool; the defaults are llama-bench's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ContextParams {
    /// Tokens that the context can hold; llama.cpp pads it. 0 for what the model was trained for.
    pub n_ctx: u32,
    /// Logical batch: most tokens in one decode.
    pub n_batch: u32,
    /// Physical batch: most tokens computed at once.
    pub n_ubatch: u32,
    /// Sequences that the context can hold apart.
    pub n_seq_max: u32,
    /// Threads for generation; by default the smallest of physical cores, the affinity mask of the calling thread and
    /// the quota of its control groups.
    pub n_threads: u32,
    /// Threads for prompt processing; by default as many.
    pub n_threads_batch: u32,
    /// When to use flash attention.
    pub flash_attn: FlashAttn,
    /// Type of the K cache.
    pub type_k: KvType,
    /// Type of the V cache; a quantised one needs flash attention.
    pub type_v: KvType,
    /// Keep the KV cache on the devices.
    pub offload_kqv: bool,
    /// Offload operations of host tensors to the devices.
    pub op_offload: bool,
    /// Sliding-window layers keep the whole context.
    pub swa_full: bool,
    /// One KV buffer for all sequences.
    pub kv_unified: bool,
    /// Compute embeddings.
    pub embeddings: bool,
    /// How the embeddings of a sequence become one; `None` for the model's own way. A pooled embedding is of one decode or
    /// encode, and, except for [`Pooling::Last`], of one physical batch.
    pub pooling: Option<Pooling>,
    /// Rotary positions, if not the model's own.
    pub rope: Rope,
    /// CPUs that the pool may use, bit 0 the first; empty for no restriction.
    pub cpu_mask: Vec<bool>,
    /// Pin each thread to one CPU of the mask.
    pub cpu_strict: bool,
    /// How hard idle threads of the pool poll for work, 0 (sleep) to 100 (spin).
    pub poll: u32,
    /// Priority of the pool's threads, -1 (low) to 3 (realtime).
    pub prio: i32,
}

impl Default for ContextParams {
    fn default() -> Self {
        let n_threads = default_threads();
        Self {
            n_ctx: 0,
            n_batch: 2048,
            n_ubatch: 512,
            n_seq_max: 1,
            n_threads,
            n_threads_batch: n_threads,
            flash_attn: FlashAttn::default(),
            type_k: KvType::default(),
            type_v: KvType::default(),
            offload_kqv: true,
            op_offload: true,
            swa_full: false,
            kv_unified: false,
            embeddings: false,
            pooling: None,
            rope: Rope::default(),
            cpu_mask: Vec::new(),
            cpu_strict: false,
            poll: 50,
            prio: 0,
        }
    }
}

setters!(ContextParams {
    /// Tokens that the context can hold.
    n_ctx: u32,
    /// Most tokens in one decode.
    n_batch: u32,
    /// Most tokens computed at once.
    n_ubatch: u32,
    /// Sequences that the context can hold apart.
    n_seq_max: u32,
    /// Threads for generation.
    n_threads: u32,
    /// Threads for prompt processing.
    n_threads_batch: u32,
    /// When to use flash attention.
    flash_attn: FlashAttn,
    /// Type of the K cache.
    type_k: KvType,
    /// Type of the V cache.
    type_v: KvType,
    /// Keep the KV cache on the devices.
    offload_kqv: bool,
    /// Offload operations of host tensors.
    op_offload: bool,
    /// Sliding-window layers keep the whole context.
    swa_full: bool,
    /// One KV buffer for all sequences.
    kv_unified: bool,
    /// Compute embeddings.
    embeddings: bool,
    /// How the embeddings of a sequence become one.
    pooling: Option<Pooling>,
    /// Rotary positions.
    rope: Rope,
    /// CPUs that the pool may use.
    cpu_mask: Vec<bool>,
    /// Pin each thread to one CPU.
    cpu_strict: bool,
    /// How hard idle threads poll.
    poll: u32,
    /// Priority of the pool's threads.
    prio: i32,
});

/// Largest number of threads that ggml has room for.
const MAX_THREADS: u32 = sys::GGML_MAX_N_THREADS;

/// Bytes of account that llama.cpp keeps in host memory per token of a context, beside its keys and values.
const CELL_BYTES: u64 = 64;

/// Contexts up to this size fit any machine.
const MANY_TOKENS: u32 = 1 << 24;

/// Bytes of the machine's own memory.
fn host_memory() -> u64 {
    // SAFETY: the registry is initialised, since there is a model; null is asked for nothing.
    unsafe {
        let cpu = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        let (mut free, mut total) = (0, 0);
        if !cpu.is_null() {
            sys::ggml_backend_dev_memory(cpu, &mut free, &mut total);
        }
        total as u64
    }
}

impl ContextParams {
    pub(super) fn raw(&self, model: &Model) -> sys::llama_context_params {
        // SAFETY: no preconditions.
        let mut raw = unsafe { sys::llama_context_default_params() };
        raw.n_ctx = self.n_ctx;
        raw.n_batch = self.n_batch;
        raw.n_ubatch = self.n_ubatch;
        raw.n_seq_max = self.n_seq_max;
        raw.n_threads = self.n_threads as i32;
        raw.n_threads_batch = self.n_threads_batch as i32;
        raw.flash_attn_type = match self.flash_attn {
            FlashAttn::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            FlashAttn::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
            FlashAttn::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
        };
        raw.type_k = self.type_k.as_raw();
        raw.type_v = self.type_v.as_raw();
        raw.offload_kqv = self.offload_kqv;
        raw.op_offload = self.op_offload;
        raw.swa_full = self.swa_full;
        raw.kv_unified = self.kv_unified;
        raw.embeddings = self.embeddings;
        raw.pooling_type = self.pooling.map_or(sys::LLAMA_POOLING_TYPE_UNSPECIFIED, Pooling::as_raw);
        self.rope.apply(&mut raw, model);
        raw
    }

    /// CPUs that the pool's threads may use.
    fn n_cpus(&self) -> u32 {
        let named = self.cpu_mask.iter().filter(|&&allowed| allowed).count();
        let all = std::thread::available_parallelism().map_or(usize::MAX, std::num::NonZero::get);
        u32::try_from(if named == 0 { all } else { named.min(all) }).unwrap_or(u32::MAX)
    }

    /// Refuses what llama.cpp would abort on, or take and then fail in a decode.
    pub(super) fn check(&self, model: &Model) -> Result<(), LlamaError> {
        let refuse = |name, value: &dyn ToString, remedy: String| {
            Err(LlamaError::Parameter { name, value: value.to_string(), remedy })
        };
        let positive =
            [("n_batch", self.n_batch), ("n_ubatch", self.n_ubatch), ("n_seq_max", self.n_seq_max)];
        if let Some((name, _)) = positive.into_iter().find(|&(_, value)| value == 0) {
            return refuse(name, &0, "give at least 1".into());
        }
        if self.n_ubatch > self.n_batch {
            let remedy =
                format!("it must not exceed n_batch ({}): raise n_batch or lower n_ubatch", self.n_batch);
            return refuse("n_ubatch", &self.n_ubatch, remedy);
        }
        let limits = [("n_ctx", self.n_ctx), ("n_batch", self.n_batch)];
        if let Some((name, value)) = limits.into_iter().find(|&(_, value)| value > i32::MAX as u32 / 2) {
            return refuse(name, &value, format!("the largest value is {}", i32::MAX / 2));
        }
        let bookkeeping = u64::from(self.n_ctx) * CELL_BYTES;
        if self.n_ctx > MANY_TOKENS && bookkeeping > host_memory() {
            return Err(LlamaError::OutOfMemory {
                what: format!("making a context of {} tokens", self.n_ctx),
                log: format!(
                    "{bookkeeping} bytes to keep account of them, and {} in this machine",
                    host_memory()
                ),
            });
        }
        let n_ctx = if self.n_ctx == 0 { model.n_ctx_train() } else { self.n_ctx };
        let n_batch = self.n_batch.min(n_ctx);
        if self.n_seq_max > n_batch {
            let remedy =
                format!("one decode must have room for a token of each: raise n_batch or n_ctx ({n_batch})");
            return refuse("n_seq_max", &self.n_seq_max, remedy);
        }
        if has_streams(model, self) && is_encoder_decoder(model) {
            let remedy = "the decoder of this model takes sequences from one memory: turn kv_unified on";
            return refuse("n_seq_max", &self.n_seq_max, remedy.into());
        }
        let max = max_sequences();
        if self.n_seq_max > max {
            return refuse("n_seq_max", &self.n_seq_max, format!("the largest value is {max}"));
        }
        for (name, value) in [("n_threads", self.n_threads), ("n_threads_batch", self.n_threads_batch)] {
            if value == 0 || value > MAX_THREADS {
                return refuse(name, &value, format!("give 1 to {MAX_THREADS}"));
            }
        }
        if self.poll > 100 {
            return refuse("poll", &self.poll, "give 0 (sleep) to 100 (spin)".into());
        }
        if !(-1..=3).contains(&self.prio) {
            return refuse("prio", &self.prio, "give -1 (low) to 3 (realtime)".into());
        }
        let (n_threads, n_cpus) = (self.n_threads.max(self.n_threads_batch), self.n_cpus());
        if !OPENMP && waits_for_ever(self.prio, n_threads, n_cpus) {
            let remedy = format!(
                "threads of this priority are not interrupted, and {n_threads} would wait for each other on {n_cpus} CPUs: \
                 give 0, fewer threads or more CPUs"
            );
            return refuse("prio", &self.prio, remedy);
        }
        if self.cpu_mask.len() > MAX_THREADS as usize {
            return refuse(
                "cpu_mask",
                &self.cpu_mask.len(),
                format!("it may name at most {MAX_THREADS} CPUs"),
            );
        }
        self.rope.check()?;
        if self.pooling == Some(Pooling::Rank) && model.pooling() != Pooling::Rank {
            let remedy = "scores need a reranker's classification head, which this model does not have: take mean, cls or \
                          last";
            return refuse("pooling", &Pooling::Rank.name(), remedy.into());
        }
        if self.type_v.is_quantised() && self.flash_attn == FlashAttn::Off {
            return refuse(
                "type_v",
                &self.type_v.name(),
                "a quantised V cache needs flash attention: turn it on".into(),
            );
        }
        // Relative positions are added to the scores, which flash attention cannot do: llama.cpp computes without it
        // whatever was asked, and writes past the end of what it turns V into.
        if self.type_v.is_quantised() && is_encoder_decoder(model) {
            let remedy = "this model's attention is computed without flash attention: take f16, bf16 or f32";
            return refuse("type_v", &self.type_v.name(), remedy.into());
        }
        if model.params().vocab_only {
            return refuse(
                "vocab_only",
                &true,
                "a model without weights has no context: load it whole".into(),
            );
        }
        Ok(())
    }
}

/// ggml's own threads spin at barriers. The system lets one of realtime priority run until it gives way, which it does for
/// none that waits for the same CPU.
fn waits_for_ever(prio: i32, n_threads: u32, n_cpus: u32) -> bool {
    prio > 0 && n_threads > n_cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realtime_threads_need_a_cpu_each() {
        assert!(waits_for_ever(1, 2, 1) && waits_for_ever(3, 4, 3));
        assert!(!waits_for_ever(0, 2, 1) && !waits_for_ever(-1, 8, 1) && !waits_for_ever(2, 2, 2));
        let n_all = ContextParams::default().n_cpus();
        assert_eq!(ContextParams::default().cpu_mask(vec![true]).n_cpus(), 1);
        assert_eq!(ContextParams::default().cpu_mask(vec![false; 4]).n_cpus(), n_all);
    }
}
