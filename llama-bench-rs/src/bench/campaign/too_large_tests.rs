//! Planning a model whose weights no machine has room for.

use super::{Campaign, Look};
use crate::{
    Error,
    gguf::{Shape, Synthetic, TensorType, Value},
    llama::{ContextParams, ModelParams},
};

/// A mixture of experts of three terabytes. A token takes little of it.
fn vast() -> Shape {
    let (n_embd, head, n_ff, n_expert) = (256, 64, 1 << 20, 512);
    let number = |key: &str, n: u32| (format!("qwen3moe.{key}"), Value::U32(n));
    let metadata = vec![
        number("block_count", 4),
        number("context_length", 4096),
        number("embedding_length", n_embd),
        number("feed_forward_length", n_ff),
        number("expert_feed_forward_length", n_ff),
        number("expert_count", n_expert),
        number("expert_used_count", 4),
        number("attention.head_count", 4),
        number("attention.head_count_kv", 2),
        number("attention.key_length", head),
        number("attention.value_length", head),
        number("rope.dimension_count", head),
        ("qwen3moe.attention.layer_norm_rms_epsilon".into(), Value::F32(1e-5)),
    ];
    let [n_embd, head, n_ff, n_expert] = [n_embd, head, n_ff, n_expert].map(u64::from);
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), vec![n_embd, 1024], TensorType::F16),
        ("output_norm.weight".to_owned(), vec![n_embd], TensorType::F32),
        ("output.weight".to_owned(), vec![n_embd, 1024], TensorType::F16),
    ];
    for layer in 0..4 {
        let of_layer = |(name, dims, kind): (&str, Vec<u64>, TensorType)| {
            (format!("blk.{layer}.{name}.weight"), dims, kind)
        };
        tensors.extend(
            [
                ("attn_norm", vec![n_embd], TensorType::F32),
                ("attn_q", vec![n_embd, 4 * head], TensorType::F16),
                ("attn_k", vec![n_embd, 2 * head], TensorType::F16),
                ("attn_v", vec![n_embd, 2 * head], TensorType::F16),
                ("attn_output", vec![4 * head, n_embd], TensorType::F16),
                ("attn_q_norm", vec![head], TensorType::F32),
                ("attn_k_norm", vec![head], TensorType::F32),
                ("ffn_norm", vec![n_embd], TensorType::F32),
                ("ffn_gate_inp", vec![n_embd, n_expert], TensorType::F32),
                ("ffn_gate_exps", vec![n_embd, n_ff, n_expert], TensorType::F16),
                ("ffn_up_exps", vec![n_embd, n_ff, n_expert], TensorType::F16),
                ("ffn_down_exps", vec![n_ff, n_embd, n_expert], TensorType::F16),
            ]
            .map(of_layer),
        );
    }
    Shape::from_parts("vast", "qwen3moe", metadata, tensors)
}

#[test]
fn a_model_that_fits_nowhere_is_planned_without_its_weights() {
    if let Some(why) = ModelParams::default().needs_file() {
        println!("SKIPPED: {why}");
        return;
    }
    let shape = vast();
    let size = Synthetic::new(shape.clone()).size_bytes().unwrap();
    assert!(size > 3 << 40, "{size}");
    let context = ContextParams::default().n_threads(1).n_threads_batch(1).n_batch(1).n_ubatch(1);
    let campaign = Campaign::new()
        .models([shape])
        .model_params([ModelParams::default().n_gpu_layers(0)])
        .contexts([context])
        .tests(|sweep| sweep.prompt(1).generate(4).repetitions(2));
    let mut all = Vec::new();
    let looked = campaign.inspect(Look::Plan, |_, found| {
        all.push(found);
        Ok::<(), Error>(())
    });
    looked.unwrap();
    let [found] = &all[..] else { panic!("{all:?}") };
    assert_eq!(found.failure, None);
    assert!(
        found.time.is_none() && found.weights_too_large.is_some_and(|bytes| bytes > 3 << 40),
        "{found:?}"
    );
    let preview = found.preview.as_ref().unwrap();
    assert_eq!(preview.counts.n_cells, 2);
    assert!(preview.memory_estimate.is_some(), "{preview}");
}
