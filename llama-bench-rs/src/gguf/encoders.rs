//! Tiny models that do not generate token by token, or not with one stack of layers: BERT, a reranker, T5, its encoder
//! alone and a diffusion model.

use super::{FileType, Shape, Value, shape::ShapeTensor};

const N_LAYER: u64 = 4;
const N_EMBD: u64 = 256;
const N_FF: u64 = 512;
const N_HEAD: u64 = 4;
const N_VOCAB: u64 = 1024;
const N_CTX: u64 = 512;
/// Distances between tokens that T5 distinguishes.
const N_BUCKETS: u64 = 32;

pub(super) fn find(name: &str) -> Option<Shape> {
    let builder = match name {
        "tiny-bert" => bert(Pooling::Mean),
        "tiny-rerank" => bert(Pooling::Rank),
        "tiny-t5" => t5("t5"),
        "tiny-t5-encoder" => t5("t5encoder"),
        "tiny-llada" => llada(),
        _ => return None,
    };
    Some(Shape {
        name: name.into(),
        architecture: builder.architecture.into(),
        metadata: builder.metadata,
        tensors: builder.tensors,
        file_type: FileType::F16,
        n_layer: N_LAYER,
        n_expert: 0,
        n_vocab: N_VOCAB,
        like: None,
        unreadable: None,
    })
}

/// As llama.cpp numbers them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean = 1,
    Rank = 4,
}

/// Collects a model's metadata and tensors.
struct Builder {
    architecture: &'static str,
    metadata: Vec<(String, Value)>,
    tensors: Vec<ShapeTensor>,
}

impl Builder {
    /// With what every architecture has.
    fn new(architecture: &'static str, n_ctx: u64) -> Self {
        let mut builder = Self { architecture, metadata: Vec::new(), tensors: Vec::new() };
        for (key, n) in [
            ("block_count", N_LAYER),
            ("context_length", n_ctx),
            ("embedding_length", N_EMBD),
            ("feed_forward_length", N_FF),
            ("attention.head_count", N_HEAD),
        ] {
            builder.set(key, Value::U32(n as u32));
        }
        builder.add("token_embd.weight", &[N_EMBD, N_VOCAB]);
        builder
    }

    fn set(&mut self, key: &str, value: Value) {
        self.metadata.push((format!("{}.{key}", self.architecture), value));
    }

    fn add(&mut self, name: impl Into<String>, dims: &[u64]) {
        self.tensors.push(ShapeTensor { name: name.into(), dims: dims.to_vec(), tensor_type: None });
    }

    fn matrix(&mut self, name: &str, n_in: u64, n_out: u64) {
        self.add(format!("{name}.weight"), &[n_in, n_out]);
    }

    fn vector(&mut self, name: &str) {
        self.add(format!("{name}.weight"), &[N_EMBD]);
    }

    fn biased_matrix(&mut self, name: &str, n_in: u64, n_out: u64) {
        self.matrix(name, n_in, n_out);
        self.add(format!("{name}.bias"), &[n_out]);
    }

    fn biased_norm(&mut self, name: &str) {
        self.vector(name);
        self.add(format!("{name}.bias"), &[N_EMBD]);
    }

    /// Four square matrices.
    fn attention(&mut self, prefix: &str, output: &str) {
        for part in ["q", "k", "v", output] {
            self.matrix(&format!("{prefix}_{part}"), N_EMBD, N_EMBD);
        }
    }

    fn gated(&mut self, prefix: &str) {
        self.vector(&format!("{prefix}ffn_norm"));
        self.matrix(&format!("{prefix}ffn_gate"), N_EMBD, N_FF);
        self.matrix(&format!("{prefix}ffn_up"), N_EMBD, N_FF);
        self.matrix(&format!("{prefix}ffn_down"), N_FF, N_EMBD);
    }
}

/// BERT, which keeps no memory; as a reranker with a head that gives one score.
fn bert(pooling: Pooling) -> Builder {
    let mut b = Builder::new("bert", N_CTX);
    b.set("attention.layer_norm_epsilon", Value::F32(1e-12));
    b.set("attention.causal", Value::Bool(false));
    b.set("pooling_type", Value::U32(pooling as u32));
    // BERT distinguishes the two texts of a pair; their number is in the metadata of the vocabulary.
    b.metadata.push(("tokenizer.ggml.token_type_count".into(), Value::U32(2)));
    b.matrix("position_embd", N_EMBD, N_CTX);
    b.matrix("token_types", N_EMBD, 2);
    b.biased_norm("token_embd_norm");
    for i in 0..N_LAYER {
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            b.biased_matrix(&format!("blk.{i}.{part}"), N_EMBD, N_EMBD);
        }
        b.biased_norm(&format!("blk.{i}.attn_output_norm"));
        b.biased_matrix(&format!("blk.{i}.ffn_up"), N_EMBD, N_FF);
        b.biased_matrix(&format!("blk.{i}.ffn_down"), N_FF, N_EMBD);
        b.biased_norm(&format!("blk.{i}.layer_output_norm"));
    }
    if pooling == Pooling::Rank {
        b.biased_matrix("cls", N_EMBD, N_EMBD);
        b.biased_matrix("cls.output", N_EMBD, 1);
    }
    b
}

/// T5: an encoder, and for `t5` a decoder that looks at what the encoder found.
fn t5(architecture: &'static str) -> Builder {
    let mut b = Builder::new(architecture, N_CTX);
    let head = Value::U32((N_EMBD / N_HEAD) as u32);
    b.set("attention.key_length", head.clone());
    b.set("attention.value_length", head);
    b.set("attention.layer_norm_epsilon", Value::F32(1e-6));
    b.set("attention.layer_norm_rms_epsilon", Value::F32(1e-6));
    b.set("attention.relative_buckets_count", Value::U32(N_BUCKETS as u32));
    let stacks: &[&str] = if architecture == "t5" { &["enc", "dec"] } else { &["enc"] };
    if architecture == "t5" {
        b.set("decoder_start_token_id", Value::U32(0));
        b.matrix("output", N_EMBD, N_VOCAB);
    }
    for stack in stacks {
        b.vector(&format!("{stack}.output_norm"));
        for i in 0..N_LAYER {
            let layer = format!("{stack}.blk.{i}.");
            b.vector(&format!("{layer}attn_norm"));
            b.matrix(&format!("{layer}attn_rel_b"), N_HEAD, N_BUCKETS);
            b.attention(&format!("{layer}attn"), "o");
            if *stack == "dec" {
                b.vector(&format!("{layer}cross_attn_norm"));
                b.attention(&format!("{layer}cross_attn"), "o");
            }
            b.gated(&layer);
        }
    }
    b
}

/// LLaDA, which fills in the masked tokens of a whole text and keeps no memory.
fn llada() -> Builder {
    let mut b = Builder::new("llada", 8 * N_CTX);
    b.set("attention.head_count_kv", Value::U32(N_HEAD as u32));
    b.set("attention.layer_norm_rms_epsilon", Value::F32(1e-6));
    b.set("attention.causal", Value::Bool(false));
    b.set("rope.dimension_count", Value::U32((N_EMBD / N_HEAD) as u32));
    b.set("rope.freq_base", Value::F32(10_000.0));
    b.vector("output_norm");
    b.matrix("output", N_EMBD, N_VOCAB);
    for i in 0..N_LAYER {
        let layer = format!("blk.{i}.");
        b.vector(&format!("{layer}attn_norm"));
        b.attention(&format!("{layer}attn"), "output");
        b.gated(&layer);
    }
    b
}
