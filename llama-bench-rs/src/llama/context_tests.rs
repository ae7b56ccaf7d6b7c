//! An assertion that really fails inside llama.cpp: a model with a table of positions is asked for one beyond it, with
//! the check that keeps safe code from that taken away.

use std::process::Command;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
use super::log_support::on_line;
use super::{Batch, Context, ContextParams, LlamaError, Model, ModelParams, StateFlags};
use crate::gguf::{Shape, Synthetic, TensorType, Value};

const N_POSITIONS: u32 = 32;

/// A GPT-2 of one layer, on the CPU: other devices assert nothing.
fn gpt2(folder: &std::path::Path) -> Model {
    let (width, hidden, n_vocab) = (64, 256, 256);
    let number = |key: &str, value: u32| (format!("gpt2.{key}"), Value::U32(value));
    let metadata = vec![
        number("context_length", N_POSITIONS),
        number("embedding_length", width as u32),
        number("block_count", 1),
        number("feed_forward_length", hidden as u32),
        number("attention.head_count", 2),
        number("vocab_size", n_vocab as u32),
        ("gpt2.attention.layer_norm_epsilon".into(), Value::F32(1e-5)),
        ("tokenizer.ggml.model".into(), Value::from("none")),
    ];
    let mut tensors = vec![
        ("token_embd.weight".into(), vec![width, n_vocab], TensorType::F16),
        ("position_embd.weight".into(), vec![width, u64::from(N_POSITIONS)], TensorType::F16),
    ];
    for (name, n_in, n_out) in [
        ("blk.0.attn_qkv", width, 3 * width),
        ("blk.0.attn_output", width, width),
        ("blk.0.ffn_up", width, hidden),
        ("blk.0.ffn_down", hidden, width),
    ] {
        tensors.push((format!("{name}.weight"), vec![n_in, n_out], TensorType::F16));
        tensors.push((format!("{name}.bias"), vec![n_out], TensorType::F32));
    }
    for norm in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        for part in ["weight", "bias"] {
            tensors.push((format!("{norm}.{part}"), vec![width], TensorType::F32));
        }
    }
    let path = folder.join("gpt2.gguf");
    Synthetic::new(Shape::from_parts("gpt2", "gpt2", metadata, tensors)).write_to(&path).unwrap();
    Model::load_with(&path, &ModelParams::default().no_devices(true)).unwrap()
}

fn context(model: &Model, n_threads: u32) -> Context {
    let params = ContextParams::default().n_ctx(256).n_batch(64).n_ubatch(64);
    Context::new(model, &params.n_threads(n_threads).n_threads_batch(n_threads)).unwrap()
}

#[test]
fn positions_that_were_not_learned_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut context = context(&gpt2(folder.path()), 2);
    context.decode_tokens(&[1; N_POSITIONS as usize]).unwrap();
    let beyond = context.decode_tokens(&[1]).unwrap_err();
    assert!(matches!(beyond, LlamaError::Position { position: 32, positions: 32 }), "{beyond}");
    let mut batch = Batch::new();
    batch.add(1, N_POSITIONS, &[0], true).unwrap();
    assert!(matches!(context.decode(&batch), Err(LlamaError::Position { .. })));
    context.memory_clear(false);
    context.decode_tokens(&[1]).unwrap();
}

#[test]
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
fn a_failed_assertion_costs_the_context_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = gpt2(folder.path());
    let mut broken = context(&model, 1);
    broken.decode_tokens(&[1; N_POSITIONS as usize]).unwrap();
    let _flag = broken.abort_flag();
    broken.positions = u32::MAX;
    match broken.decode_tokens(&[1]) {
        Err(LlamaError::Exception { what: "llama_decode", exception }) => {
            assert!(exception.contains("GGML_ASSERT"), "{exception}");
        }
        other => panic!("{other:?}"),
    }
    let refused = |result: Result<(), LlamaError>| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("make another"), "{error}");
    };
    refused(broken.decode_tokens(&[1]));
    refused(broken.synchronize());
    refused(broken.state_save(0, StateFlags::empty()).map(drop));
    refused(broken.memory_seq_rm(0, 0, None).map(drop));
    refused(broken.pos_max(0).map(drop));
    assert!(broken.logits(-1).is_none());
    assert!(broken.memory_breakdown().is_empty());
    broken.memory_clear(true);
    refused(broken.decode_tokens(&[1]));
    drop(broken);
    context(&model, 2).decode_tokens(&[1, 2, 3]).unwrap();
}

/// Other threads of a computation would be left waiting for this one, on a stack that is gone: as llama.cpp has it,
/// the process ends and says why.
#[test]
#[cfg(unix)]
fn a_failed_assertion_among_threads_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "LLAMA_BENCH_RS_TEST_FAILED_ASSERTION";
    if std::env::var_os(CHILD).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let mut broken = context(&gpt2(folder.path()), 2);
        broken.decode_tokens(&[1; N_POSITIONS as usize]).unwrap();
        broken.positions = u32::MAX;
        let _ = broken.decode_tokens(&[1]);
        println!("went on");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--nocapture",
            "--exact",
            "llama::context_tests::a_failed_assertion_among_threads_ends_the_process",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{said}");
    assert!(said.contains("GGML_ASSERT"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("went on"));
}

#[test]
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
fn a_call_within_a_call_takes_nothing_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = gpt2(folder.path());
    // llama.cpp warns of tokens whose embeddings nobody asked for, before it computes.
    let params = ContextParams::default().n_ctx(256).n_batch(64).n_ubatch(64).embeddings(true);
    let mut broken = Context::new(&model, &params.n_threads(1).n_threads_batch(1)).unwrap();
    broken.decode_tokens(&[1; N_POSITIONS as usize]).unwrap();
    broken.positions = u32::MAX;
    for n_threads in [1, 2] {
        // Decodes in another context at the first line.
        let other = Arc::new(Mutex::new(Some(context(&model, n_threads))));
        let taken = other.clone();
        let subscriber = on_line(move |_| {
            let other = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut other) = other {
                other.decode_tokens(&[1, 2]).unwrap();
            }
        });
        // Tokens whose embeddings nobody asked for.
        let mut batch = Batch::new();
        (0..2).for_each(|i| batch.add(1, N_POSITIONS + i, &[0], false).unwrap());
        let refused = tracing::subscriber::with_default(subscriber, || broken.decode(&batch)).unwrap_err();
        assert!(other.lock().unwrap().is_none(), "the subscriber was called");
        let LlamaError::Exception { exception, .. } = &refused else { panic!("{refused}") };
        assert!(exception.contains("GGML_ASSERT"), "{refused}");
        broken = context(&model, 1);
        broken = Context::new(&model, &broken.params().clone().embeddings(true)).unwrap();
        broken.decode_tokens(&[1; N_POSITIONS as usize]).unwrap();
        broken.positions = u32::MAX;
    }
}
