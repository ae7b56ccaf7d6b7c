//! The shapes known by name.

use super::{
    FileType, Shape,
    arch::{self, Attention, Experts, Hyper, Rope, StateSpace},
    encoders,
};

/// The names, true shapes first.
pub(super) const NAMES: &[&str] = &[
    "gpt-oss-20b",
    "gpt-oss-120b",
    "llama-3.1-8b",
    "qwen3-30b-a3b",
    "gemma-3-1b",
    "mamba2-2.7b",
    "granite-4.0-h-tiny",
    "tiny-llama",
    "tiny-gpt-oss",
    "tiny-qwen3moe",
    "tiny-gemma3",
    "tiny-mamba2",
    "tiny-granite-hybrid",
    "tiny-bert",
    "tiny-rerank",
    "tiny-t5",
    "tiny-t5-encoder",
    "tiny-llada",
];

pub(super) fn find(name: &str) -> Option<Shape> {
    if let Some(shape) = encoders::find(name) {
        return Some(shape);
    }
    let hyper = match name {
        "gpt-oss-20b" => gpt_oss(24, 32),
        "gpt-oss-120b" => gpt_oss(36, 128),
        "llama-3.1-8b" => Hyper {
            n_layer: 32,
            n_embd: 4096,
            n_ff: 14336,
            n_vocab: 128256,
            n_ctx: 131072,
            rope: Rope { base: 500_000.0, factors: true, ..Rope::default() },
            ..dense("llama", Attention { heads: 32, heads_kv: 8, head_dim: 128, window: 0 })
        },
        "qwen3-30b-a3b" => Hyper {
            n_layer: 48,
            n_embd: 2048,
            n_ff: 6144,
            n_vocab: 151936,
            n_ctx: 40960,
            rope: Rope { base: 1e6, ..Rope::default() },
            rms_epsilon: 1e-6,
            experts: Some(Experts { n: 128, used: 8, ff: 768, shared_ff: 0 }),
            ..dense("qwen3moe", Attention { heads: 32, heads_kv: 4, head_dim: 128, window: 0 })
        },
        "gemma-3-1b" => Hyper {
            n_layer: 26,
            n_embd: 1152,
            n_ff: 6912,
            n_vocab: 262144,
            n_ctx: 32768,
            rope: Rope { base: 1e6, ..Rope::default() },
            rms_epsilon: 1e-6,
            ..dense("gemma3", Attention { heads: 4, heads_kv: 1, head_dim: 256, window: 512 })
        },
        "mamba2-2.7b" => Hyper {
            n_layer: 64,
            n_embd: 2560,
            n_vocab: 50288,
            n_ctx: 1048576,
            state_space: Some(StateSpace { inner: 5120, state: 128, heads: 80, groups: 1 }),
            ..dense("mamba2", Attention::default())
        },
        "granite-4.0-h-tiny" => Hyper {
            n_layer: 40,
            n_embd: 1536,
            n_ff: 512,
            n_vocab: 100352,
            n_ctx: 131072,
            experts: Some(Experts { n: 64, used: 6, ff: 512, shared_ff: 1024 }),
            state_space: Some(StateSpace { inner: 3072, state: 128, heads: 48, groups: 1 }),
            attention_layers: &[5, 15, 25, 35],
            ..dense("granitehybrid", Attention { heads: 12, heads_kv: 4, head_dim: 128, window: 0 })
        },
        "tiny-llama" => dense("llama", TINY),
        "tiny-gpt-oss" => Hyper {
            n_ff: 128,
            experts: Some(Experts { n: 16, used: 4, ff: 128, shared_ff: 0 }),
            ..dense("gpt-oss", Attention { window: 128, ..TINY })
        },
        "tiny-qwen3moe" => Hyper {
            experts: Some(Experts { n: 16, used: 4, ff: 128, shared_ff: 0 }),
            ..dense("qwen3moe", TINY)
        },
        "tiny-gemma3" => Hyper { n_layer: 6, ..dense("gemma3", Attention { window: 128, ..TINY }) },
        "tiny-mamba2" => Hyper { state_space: Some(TINY_STATE), ..dense("mamba2", Attention::default()) },
        "tiny-granite-hybrid" => {
            Hyper { state_space: Some(TINY_STATE), attention_layers: &[1, 3], ..dense("granitehybrid", TINY) }
        }
        _ => return None,
    };
    let file_type = match name {
        _ if hyper.architecture == "gpt-oss" => FileType::Mxfp4Moe,
        _ if name.starts_with("tiny-") => FileType::F16,
        _ => FileType::Q4KM,
    };
    Some(arch::shape(name, file_type, &hyper))
}

const TINY: Attention = Attention { heads: 4, heads_kv: 2, head_dim: 64, window: 0 };
const TINY_STATE: StateSpace = StateSpace { inner: 512, state: 64, heads: 8, groups: 1 };

/// A tiny model, for others to change.
fn dense(architecture: &'static str, attention: Attention) -> Hyper {
    Hyper {
        architecture,
        n_layer: 4,
        n_embd: 256,
        n_ff: 512,
        n_vocab: 1024,
        n_ctx: 131072,
        rms_epsilon: 1e-5,
        attention,
        rope: Rope::default(),
        experts: None,
        state_space: None,
        attention_layers: &[],
    }
}

fn gpt_oss(n_layer: u64, n_expert: u64) -> Hyper {
    Hyper {
        n_layer,
        n_embd: 2880,
        n_ff: 2880,
        n_vocab: 201088,
        n_ctx: 131072,
        rope: Rope { base: 150_000.0, yarn: Some((32.0, 4096)), ..Rope::default() },
        experts: Some(Experts { n: n_expert, used: 4, ff: 2880, shared_ff: 0 }),
        ..dense("gpt-oss", Attention { heads: 64, heads_kv: 8, head_dim: 64, window: 128 })
    }
}
