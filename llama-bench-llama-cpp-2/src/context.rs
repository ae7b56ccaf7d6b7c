//! Context parameters of `llama-cpp-2` in the words of `llama-bench-rs`.

use llama_bench_rs::llama::{ContextParams, FlashAttn, KvType, LlamaError, Pooling, Rope, RopeScaling};
use llama_cpp_2::context::params::{
    KvCacheType, LlamaAttentionType, LlamaContextParams, LlamaContextType, LlamaPoolingType, RopeScalingType,
};

use crate::refused;

/// The application's own context parameters, to measure with: `Sweep::new(&model).context(context_params(&params)?)`.
///
/// A sweep chooses `n_ctx` by what it measures. It refuses rotary positions and pooling other than the model's, which
/// reports cannot express; a [`Context`](llama_bench_rs::llama::Context) takes them. `no_perf` and `defrag_thold`
/// change nothing.
///
/// ```
/// use llama_bench_llama_cpp_2::{context_params, llama_bench_rs::llama::KvType};
/// use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
///
/// let params = LlamaContextParams::default().with_n_threads(8).with_type_k(KvCacheType::Q8_0);
/// let params = context_params(&params)?;
/// assert_eq!((params.n_threads, params.type_k), (8, KvType::Q8_0));
/// # Ok::<(), llama_bench_llama_cpp_2::llama_bench_rs::llama::LlamaError>(())
/// ```
///
/// # Errors
/// A number of threads below 1, or a value that `llama-bench-rs` does not have: a type of cache that llama.cpp has no
/// attention for, `attention_type`, `context_type`, `n_rs_seq`.
pub fn context_params(params: &LlamaContextParams) -> Result<ContextParams, LlamaError> {
    const LEAVE_OUT: &str = "llama-bench-rs has no such parameter: leave it out";
    if params.attention_type() != LlamaAttentionType::Unspecified {
        return Err(refused("attention_type", format!("{:?}", params.attention_type()), LEAVE_OUT));
    }
    if params.context_type() != LlamaContextType::Default {
        return Err(refused("context_type", format!("{:?}", params.context_type()), LEAVE_OUT));
    }
    if params.n_rs_seq() != 0 {
        return Err(refused("n_rs_seq", params.n_rs_seq(), LEAVE_OUT));
    }
    // The values of llama_flash_attn_type.
    let flash_attn = match params.flash_attention_policy() {
        -1 => FlashAttn::Auto,
        0 => FlashAttn::Off,
        1 => FlashAttn::On,
        other => {
            return Err(refused("flash_attention_policy", other, "use -1 (auto), 0 (off) or 1 (on)"));
        }
    };
    Ok(ContextParams::default()
        .n_ctx(params.n_ctx().map_or(0, |n| n.get()))
        .n_batch(params.n_batch())
        .n_ubatch(params.n_ubatch())
        .n_seq_max(params.n_seq_max())
        .n_threads(threads("n_threads", params.n_threads())?)
        .n_threads_batch(threads("n_threads_batch", params.n_threads_batch())?)
        .flash_attn(flash_attn)
        .type_k(kv_type("type_k", params.type_k())?)
        .type_v(kv_type("type_v", params.type_v())?)
        .offload_kqv(params.offload_kqv())
        .op_offload(params.op_offload())
        .swa_full(params.swa_full())
        .kv_unified(params.kv_unified())
        .embeddings(params.embeddings())
        .pooling(pooling(params.pooling_type()))
        .rope(rope(params)))
}

fn threads(name: &'static str, n: i32) -> Result<u32, LlamaError> {
    u32::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| refused(name, n, "give at least 1"))
}

fn kv_type(name: &'static str, kv_type: KvCacheType) -> Result<KvType, LlamaError> {
    Ok(match kv_type {
        KvCacheType::F32 => KvType::F32,
        KvCacheType::F16 => KvType::F16,
        KvCacheType::BF16 => KvType::Bf16,
        KvCacheType::Q8_0 => KvType::Q8_0,
        KvCacheType::Q5_1 => KvType::Q5_1,
        KvCacheType::Q5_0 => KvType::Q5_0,
        KvCacheType::Q4_1 => KvType::Q4_1,
        KvCacheType::Q4_0 => KvType::Q4_0,
        KvCacheType::IQ4_NL => KvType::Iq4Nl,
        other => {
            let known: Vec<_> = KvType::ALL.iter().map(|known| known.name()).collect();
            return Err(refused(name, format!("{other:?}"), format!("use one of {}", known.join(", "))));
        }
    })
}

fn pooling(pooling: LlamaPoolingType) -> Option<Pooling> {
    match pooling {
        LlamaPoolingType::Unspecified => None,
        LlamaPoolingType::None => Some(Pooling::None),
        LlamaPoolingType::Mean => Some(Pooling::Mean),
        LlamaPoolingType::Cls => Some(Pooling::Cls),
        LlamaPoolingType::Last => Some(Pooling::Last),
        LlamaPoolingType::Rank => Some(Pooling::Rank),
    }
}

/// In llama.cpp, 0 or a negative number means the model's own value.
fn rope(params: &LlamaContextParams) -> Rope {
    let scaling = match params.rope_scaling_type() {
        RopeScalingType::Unspecified => None,
        RopeScalingType::None => Some(RopeScaling::None),
        RopeScalingType::Linear => Some(RopeScaling::Linear),
        RopeScalingType::Yarn => Some(RopeScaling::Yarn),
    };
    let not_zero = |value: f32| (value != 0.0).then_some(value);
    let not_negative = |value: f32| (value >= 0.0).then_some(value);
    Rope::default()
        .scaling(scaling)
        .freq_base(not_zero(params.rope_freq_base()))
        .freq_scale(not_zero(params.rope_freq_scale()))
        .yarn_ext_factor(not_negative(params.yarn_ext_factor()))
        .yarn_attn_factor(not_negative(params.yarn_attn_factor()))
        .yarn_beta_fast(not_negative(params.yarn_beta_fast()))
        .yarn_beta_slow(not_negative(params.yarn_beta_slow()))
        .yarn_orig_ctx(Some(params.yarn_orig_ctx()).filter(|&n| n > 0))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn told(params: LlamaContextParams) -> ContextParams {
        context_params(&params).unwrap()
    }

    /// `llama-cpp-2` has llama.cpp's defaults, which differ from llama-bench's.
    fn default() -> ContextParams {
        ContextParams::default().n_ctx(512).n_threads(4).n_threads_batch(4).swa_full(true)
    }

    #[test]
    fn defaults_are_those_of_llama_cpp_2() {
        assert_eq!(told(LlamaContextParams::default()), default());
    }

    #[test]
    fn every_setter_is_translated() {
        let params = LlamaContextParams::default;
        for (theirs, ours) in [
            (params().with_n_ctx(None), default().n_ctx(0)),
            (params().with_n_ctx(NonZeroU32::new(4096)), default().n_ctx(4096)),
            (params().with_n_batch(64), default().n_batch(64)),
            (params().with_n_ubatch(32), default().n_ubatch(32)),
            (params().with_n_seq_max(3), default().n_seq_max(3)),
            (params().with_n_threads(2), default().n_threads(2)),
            (params().with_n_threads_batch(3), default().n_threads_batch(3)),
            (params().with_flash_attention_policy(0), default().flash_attn(FlashAttn::Off)),
            (params().with_flash_attention_policy(1), default().flash_attn(FlashAttn::On)),
            (params().with_type_k(KvCacheType::IQ4_NL), default().type_k(KvType::Iq4Nl)),
            (params().with_type_v(KvCacheType::BF16), default().type_v(KvType::Bf16)),
            (params().with_offload_kqv(false), default().offload_kqv(false)),
            (params().with_op_offload(false), default().op_offload(false)),
            (params().with_swa_full(false), default().swa_full(false)),
            (params().with_kv_unified(true), default().kv_unified(true)),
            (params().with_embeddings(true), default().embeddings(true)),
            (params().with_pooling_type(LlamaPoolingType::Last), default().pooling(Some(Pooling::Last))),
            (params().with_no_perf(false).with_defrag_thold(0.5), default()),
        ] {
            assert_eq!(told(theirs), ours);
        }
    }

    #[test]
    fn rotary_positions_are_translated() {
        let params = LlamaContextParams::default()
            .with_rope_scaling_type(RopeScalingType::Yarn)
            .with_rope_freq_base(1e6)
            .with_rope_freq_scale(0.25)
            .with_yarn_ext_factor(0.0)
            .with_yarn_attn_factor(1.5)
            .with_yarn_beta_fast(32.0)
            .with_yarn_beta_slow(1.0)
            .with_yarn_orig_ctx(4096);
        let rope = Rope::default()
            .scaling(Some(RopeScaling::Yarn))
            .freq_base(Some(1e6))
            .freq_scale(Some(0.25))
            .yarn_ext_factor(Some(0.0))
            .yarn_attn_factor(Some(1.5))
            .yarn_beta_fast(Some(32.0))
            .yarn_beta_slow(Some(1.0))
            .yarn_orig_ctx(Some(4096));
        assert_eq!(told(params), default().rope(rope));
    }

    #[test]
    fn what_llama_bench_rs_does_not_have_is_refused_by_name() {
        let params = LlamaContextParams::default;
        for (params, said) in [
            (params().with_n_threads(0), "n_threads = 0"),
            (params().with_n_threads_batch(-1), "n_threads_batch = -1"),
            (params().with_n_rs_seq(1), "n_rs_seq = 1"),
            (params().with_attention_type(LlamaAttentionType::NonCausal), "attention_type = NonCausal"),
            (params().with_context_type(LlamaContextType::Mtp), "context_type = Mtp"),
            (params().with_flash_attention_policy(7), "flash_attention_policy = 7"),
            (params().with_type_v(KvCacheType::Q2_K), "type_v = Q2_K cannot be used: use one of f32, f16"),
        ] {
            let refused = context_params(&params).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
