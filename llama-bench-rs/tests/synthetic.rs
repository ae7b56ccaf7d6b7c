//! Synthetic models, given to llama.cpp.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use llama_bench_rs::{
    gguf::{FileType, GgufFile, Shape, Synthetic, TensorType},
    llama::{Context, ContextParams, Model, ModelParams},
};
use llama_sys as sys;

fn write(dir: &Path, synthetic: &Synthetic) -> PathBuf {
    let path = dir.join(format!("{}.gguf", synthetic.shape().name()));
    synthetic.write_to(&path).unwrap();
    path
}

/// On the CPU alone, which computes the same to the last bit each time.
fn load(path: &Path) -> Model {
    Model::load_with(path, &ModelParams::default().no_devices(true)).unwrap()
}

/// Logits after these tokens.
fn logits(model: &Model, tokens: &[i32]) -> Vec<f32> {
    let params = ContextParams::default().n_ctx(512).n_batch(64).n_ubatch(64).n_threads(2);
    let mut context = Context::new(model, &params).unwrap();
    for chunk in tokens.chunks(64) {
        context.decode_tokens(chunk).unwrap();
    }
    context.logits(-1).unwrap().to_vec()
}

/// The model's output for these tokens: logits, or embeddings if it computes only those.
fn outputs(model: &Model, tokens: &[i32]) -> Vec<f32> {
    if model.keeps_memory() && !model.has_encoder() {
        return logits(model, tokens);
    }
    let params = ContextParams::default().n_ctx(512).n_batch(256).n_ubatch(256).n_threads(2).embeddings(true);
    let mut context = Context::new(model, &params).unwrap();
    context.encode_tokens(tokens).unwrap();
    if let Some(start) = model.decoder_start() {
        context.decode_tokens(&[start]).unwrap();
    }
    if let Some(logits) = context.logits(-1) {
        return logits.to_vec();
    }
    match context.embeddings_seq(0) {
        Some(embedding) => embedding.to_vec(),
        None => context.embeddings(0).unwrap().to_vec(),
    }
}

fn tokens(n: i32, step: i32) -> Vec<i32> {
    (0..n).map(|i| (i * step + 1) % 1000).collect()
}

#[test]
fn every_tiny_model_computes_finite_outputs_that_depend_on_the_prompt() {
    let dir = tempfile::tempdir().unwrap();
    for name in Shape::preset_names().iter().filter(|name| name.starts_with("tiny-")) {
        let model = load(&write(dir.path(), &Synthetic::new(Shape::preset(name).unwrap())));
        // Beyond the sliding window of those that have one.
        let (one, other) = (outputs(&model, &tokens(200, 7)), outputs(&model, &tokens(200, 11)));
        assert!([model.n_vocab(), model.n_embd_out()].contains(&(one.len() as u32)), "{name}");
        for x in [&one, &other] {
            assert!(x.iter().all(|output| output.is_finite()), "{name}");
            let (low, high) = x.iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
            assert!(
                // A reranker gives one score.
                (high - low > 0.1 || x.len() == 1) && high.abs().max(low.abs()) < 1e4,
                "{name}: outputs from {low} to {high}"
            );
        }
        assert_ne!(one, other, "{name}");
        assert_eq!(one, outputs(&model, &tokens(200, 7)), "{name} is not deterministic");
    }
}

#[test]
fn every_file_type_loads_and_computes() {
    let dir = tempfile::tempdir().unwrap();
    for shape in ["tiny-llama", "tiny-gpt-oss"] {
        for &file_type in FileType::ALL {
            let synthetic = Synthetic::new(Shape::preset(shape).unwrap()).file_type(file_type);
            let logits = logits(&load(&write(dir.path(), &synthetic)), &tokens(40, 3));
            assert!(logits.iter().all(|logit| logit.is_finite()), "{shape} {file_type}");
        }
    }
}

#[test]
fn a_vocabulary_is_one_that_llama_cpp_reads() {
    let dir = tempfile::tempdir().unwrap();
    let model =
        load(&write(dir.path(), &Synthetic::new(Shape::preset("tiny-llama").unwrap()).vocabulary(true)));
    assert_eq!(model.n_vocab(), 1024);
}

/// The random blocks of every type that can be made, read by ggml, have the standard deviation that was wanted.
#[test]
fn blocks_of_every_type_have_the_size_that_keeps_activations_finite() {
    const ROW: u64 = 1024;
    let expected = 1.0 / (ROW as f64).sqrt();
    let dir = tempfile::tempdir().unwrap();
    let mut n_types = 0;
    for &tensor_type in TensorType::ALL {
        let tensor = ("blk.0.attn_q.weight".to_owned(), vec![ROW, 256], tensor_type);
        let shape = Shape::from_parts(tensor_type.name(), "llama", Vec::new(), vec![tensor]);
        let Ok(_) = Synthetic::new(shape.clone()).size_bytes() else { continue };
        let path = write(dir.path(), &Synthetic::new(shape));
        let file = GgufFile::open(&path).unwrap();
        let data = &std::fs::read(&path).unwrap()[file.data_offset as usize..];
        let numbers = dequantise(tensor_type, data, (ROW * 256) as usize);
        assert!(numbers.iter().all(|x| x.is_finite()), "{tensor_type}");
        let n = numbers.len() as f64;
        let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let deviation = (numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt();
        // A power of two is as near as MXFP4 gets.
        let tolerance = match tensor_type {
            TensorType::MXFP4 => 0.42,
            TensorType::NVFP4 => 0.2,
            _ => 0.1,
        };
        assert!((deviation / expected - 1.0).abs() < tolerance, "{tensor_type}: {deviation} for {expected}");
        assert!(mean.abs() < expected * 0.2, "{tensor_type}: mean {mean}");
        n_types += 1;
    }
    assert!(n_types >= 28, "{n_types} types");
}

fn dequantise(tensor_type: TensorType, data: &[u8], n: usize) -> Vec<f32> {
    if tensor_type == TensorType::F32 {
        return data.chunks_exact(4).take(n).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    }
    let needed = tensor_type.size_bytes(n as u64, n as u64).unwrap() as usize;
    assert!(data.len() >= needed);
    let mut out = vec![0f32; n];
    // SAFETY: a known type; `data` holds n elements of it and `out` has room for as many.
    unsafe {
        let traits = &*sys::ggml_get_type_traits(tensor_type.id() as sys::ggml_type);
        traits.to_float.unwrap()(data.as_ptr().cast(), out.as_mut_ptr(), n as i64);
    }
    out
}

/// Reads where every layer's choice of experts went, from the model's own arithmetic: with random weights every
/// expert must get its share, or the memory traffic would be that of a smaller model.
#[test]
fn the_choice_of_experts_spreads() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), &Synthetic::new(Shape::preset("tiny-gpt-oss").unwrap()));
    let file = GgufFile::open(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let tensor = |name: &str| {
        let info = file.tensors.iter().find(|t| t.name == name).unwrap();
        let at = (file.data_offset + info.offset) as usize;
        dequantise(info.tensor_type, &bytes[at..], info.n_elements() as usize)
    };
    let (embedding, gate) = (tensor("token_embd.weight"), tensor("blk.0.ffn_gate_inp.weight"));
    let (n_embd, n_expert) = (256, 16);
    let mut chosen = vec![0; n_expert];
    // The first layer's router on each token's embedding, normalised as the model does.
    for token in embedding.chunks_exact(n_embd) {
        let norm = (token.iter().map(|x| x * x).sum::<f32>() / n_embd as f32).sqrt();
        let score = |e: usize| token.iter().zip(&gate[e * n_embd..]).map(|(x, w)| x / norm * w).sum::<f32>();
        let best = (0..n_expert).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
        chosen[best] += 1;
    }
    let (least, most) = (*chosen.iter().min().unwrap(), *chosen.iter().max().unwrap());
    assert!(least > 10 && most < 250, "of 1024 tokens the experts got {chosen:?}");
}
