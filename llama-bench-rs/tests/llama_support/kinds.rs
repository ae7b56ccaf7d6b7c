//! Tiny models of kinds that no preset has: an encoder alone, and an encoder with a decoder.

use llama_bench_rs::{
    gguf::{Shape, Synthetic, TensorType, Value},
    llama::Model,
};

use super::{folder, load};

type Tensors = Vec<(String, Vec<u64>, TensorType)>;

const WIDTH: u64 = 64;
const HIDDEN: u64 = 128;
const N_VOCAB: u64 = 256;
const N_LAYERS: u64 = 2;
const N_POSITIONS: u64 = 512;

struct Parts {
    architecture: &'static str,
    metadata: Vec<(String, Value)>,
    tensors: Tensors,
}

impl Parts {
    fn new(architecture: &'static str) -> Self {
        let mut parts = Self { architecture, metadata: Vec::new(), tensors: Vec::new() };
        for (key, value) in [
            ("context_length", N_POSITIONS),
            ("embedding_length", WIDTH),
            ("block_count", N_LAYERS),
            ("feed_forward_length", HIDDEN),
            ("attention.head_count", 4),
            ("vocab_size", N_VOCAB),
        ] {
            parts.set(key, Value::U32(value as u32));
        }
        parts.metadata.push(("tokenizer.ggml.model".into(), "none".into()));
        parts.weight("token_embd.weight", &[WIDTH, N_VOCAB]);
        parts
    }

    fn set(&mut self, key: &str, value: Value) {
        self.metadata.push((format!("{}.{key}", self.architecture), value));
    }

    fn weight(&mut self, name: &str, dims: &[u64]) {
        self.tensors.push((name.into(), dims.to_vec(), TensorType::F32));
    }

    fn biased(&mut self, name: &str, dims: &[u64]) {
        self.weight(&format!("{name}.weight"), dims);
        self.weight(&format!("{name}.bias"), &dims[dims.len() - 1..]);
    }

    fn model(self) -> Model {
        let path = folder().join(format!("{}-kind.gguf", self.architecture));
        if !path.exists() {
            let shape = Shape::from_parts(self.architecture, self.architecture, self.metadata, self.tensors);
            Synthetic::new(shape).write_to(&path).unwrap();
        }
        load(&path).unwrap()
    }
}

/// Keeps no memory, and its attention is not causal.
pub fn bert() -> Model {
    let mut parts = Parts::new("bert");
    parts.set("attention.layer_norm_epsilon", Value::F32(1e-12));
    parts.set("attention.causal", Value::Bool(false));
    parts.metadata.push(("tokenizer.ggml.token_type_count".into(), Value::U32(2)));
    parts.weight("position_embd.weight", &[WIDTH, N_POSITIONS]);
    parts.weight("token_types.weight", &[WIDTH, 2]);
    parts.biased("token_embd_norm", &[WIDTH]);
    for layer in 0..N_LAYERS {
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            parts.biased(&format!("blk.{layer}.{name}"), &[WIDTH, WIDTH]);
        }
        parts.biased(&format!("blk.{layer}.attn_output_norm"), &[WIDTH]);
        parts.biased(&format!("blk.{layer}.layer_output_norm"), &[WIDTH]);
        parts.biased(&format!("blk.{layer}.ffn_up"), &[WIDTH, HIDDEN]);
        parts.biased(&format!("blk.{layer}.ffn_down"), &[HIDDEN, WIDTH]);
    }
    parts.model()
}

/// A decoder that reads what its encoder left.
pub fn t5() -> Model {
    let mut parts = Parts::new("t5");
    parts.set("attention.key_length", Value::U32(16));
    parts.set("attention.value_length", Value::U32(16));
    parts.set("attention.layer_norm_epsilon", Value::F32(1e-6));
    parts.set("attention.layer_norm_rms_epsilon", Value::F32(1e-6));
    parts.set("attention.relative_buckets_count", Value::U32(32));
    parts.set("decoder_start_token_id", Value::U32(0));
    parts.weight("enc.output_norm.weight", &[WIDTH]);
    parts.weight("dec.output_norm.weight", &[WIDTH]);
    parts.weight("output.weight", &[WIDTH, N_VOCAB]);
    for layer in 0..N_LAYERS {
        for side in ["enc", "dec"] {
            let name = |rest: &str| format!("{side}.blk.{layer}.{rest}.weight");
            parts.weight(&name("attn_norm"), &[WIDTH]);
            parts.weight(&name("attn_rel_b"), &[4, 32]);
            for matrix in ["attn_q", "attn_k", "attn_v", "attn_o"] {
                parts.weight(&name(matrix), &[WIDTH, WIDTH]);
                if side == "dec" {
                    parts.weight(&name(&format!("cross_{matrix}")), &[WIDTH, WIDTH]);
                }
            }
            if side == "dec" {
                parts.weight(&name("cross_attn_norm"), &[WIDTH]);
            }
            parts.weight(&name("ffn_norm"), &[WIDTH]);
            parts.weight(&name("ffn_gate"), &[WIDTH, HIDDEN]);
            parts.weight(&name("ffn_up"), &[WIDTH, HIDDEN]);
            parts.weight(&name("ffn_down"), &[HIDDEN, WIDTH]);
        }
    }
    parts.model()
}
