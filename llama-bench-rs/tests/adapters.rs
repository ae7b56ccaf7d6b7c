//! LoRA adapters: applied, weighed, removed, and refused if they do not fit.
#![allow(missing_docs)]

mod llama_support;

use std::{fs, path::PathBuf};

use llama_bench_rs::{
    gguf::{GgufFile, Shape, Synthetic, TensorType, Value},
    llama::{Context, LlamaError, Lora, Model, SplitMode},
};
use llama_support::{file, folder, on_cpu, params, tiny};

type Tensor = (String, Vec<u64>, TensorType);

/// A pair of matrices beside one of the model.
fn pair(base: &str, a: &[u64], b: &[u64]) -> Vec<Tensor> {
    [("a", a), ("b", b)]
        .map(|(half, dims)| (format!("{base}.lora_{half}"), dims.to_vec(), TensorType::F32))
        .into()
}

fn said() -> Vec<(String, Value)> {
    let text = |key: &str, value: &str| (key.to_owned(), Value::from(value));
    vec![
        text("general.type", "adapter"),
        text("adapter.type", "lora"),
        ("adapter.lora.alpha".into(), Value::F32(8.0)),
    ]
}

fn write(name: &str, architecture: &str, metadata: Vec<(String, Value)>, tensors: Vec<Tensor>) -> PathBuf {
    let path = folder().join(format!("{name}.gguf"));
    Synthetic::new(Shape::from_parts(name, architecture, metadata, tensors)).write_to(&path).unwrap();
    path
}

fn dims_of(shape: &str, tensor: &str) -> Vec<u64> {
    let file = GgufFile::open(file(shape, false)).unwrap();
    file.tensors.iter().find(|it| it.name == tensor).unwrap().dims.clone()
}

/// A sound adapter of one matrix.
fn good(name: &str, shape: &str, architecture: &str, tensor: &str) -> PathBuf {
    let dims = dims_of(shape, tensor);
    let (mut a, mut b) = (vec![dims[0], 4], vec![4, dims[1]]);
    a.extend(&dims[2..]);
    b.extend(&dims[2..]);
    write(name, architecture, said(), pair(tensor, &a, &b))
}

fn load(shape: &str, lora: Vec<PathBuf>) -> Result<Model, LlamaError> {
    Model::load_with(file(shape, false), &on_cpu().lora(lora))
}

fn logits(context: &mut Context, loras: &[(&Lora, f32)]) -> Vec<f32> {
    context.set_loras(loras).unwrap();
    context.memory_clear(true);
    context.decode_tokens(&[1, 2, 3, 4]).unwrap();
    context.logits(-1).unwrap().to_vec()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn an_adapter_is_applied_weighed_and_removed() {
    for (shape, architecture, tensors) in [
        ("tiny-llama", "llama", ["blk.0.attn_v.weight", "blk.3.ffn_up.weight"]),
        ("tiny-qwen3moe", "qwen3moe", ["blk.0.attn_v.weight", "blk.1.ffn_down_exps.weight"]),
        ("tiny-bert", "bert", ["blk.0.attn_v.weight", "blk.3.ffn_up.weight"]),
    ] {
        let paths = tensors.map(|tensor| good(&format!("{shape}-{tensor}"), shape, architecture, tensor));
        let model = load(shape, paths.to_vec()).unwrap();
        let [one, two] = model.loras().try_into().unwrap();
        assert_eq!((one.path(), two.path()), (paths[0].as_path(), paths[1].as_path()));
        let mut context = Context::new(&model, &params(64)).unwrap();
        if shape == "tiny-bert" {
            // It has no logits, and another test checks what it computes.
            context.set_loras(&[(&one, 1.0), (&two, -1.0)]).unwrap();
            context.encode_tokens(&[1, 2, 3]).unwrap();
            context.synchronize().unwrap();
            continue;
        }
        let base = logits(&mut context, &[]);
        let mut without = Context::new(&tiny(shape), &params(64)).unwrap();
        assert!(apart(&base, &logits(&mut without, &[])) < 1e-3, "{shape}: loaded is not applied");
        let scaled = [0.0, 0.5, 1.0].map(|scale| apart(&base, &logits(&mut context, &[(&one, scale)])));
        assert!(scaled[0] < 1e-3 && scaled[1] > 0.01 && scaled[2] > scaled[1], "{shape}: {scaled:?}");
        let both = logits(&mut context, &[(&two, 1.0), (&one, 1.0)]);
        assert!(apart(&both, &logits(&mut context, &[(&one, 1.0)])) > 1e-3, "{shape}");
        assert!(apart(&base, &logits(&mut context, &[])) < 1e-3, "{shape}: removed");
    }
}

#[test]
fn an_adapter_of_a_model_without_a_file_does_the_same() {
    let path = good("of-a-stream", "tiny-llama", "llama", "blk.0.attn_v.weight");
    let synthetic = Synthetic::new(Shape::preset("tiny-llama").unwrap());
    let stream = Model::load_synthetic(&synthetic, &on_cpu().lora(vec![path.clone()])).unwrap();
    let of = |model: Model| {
        let lora = model.loras().remove(0);
        logits(&mut Context::new(&model, &params(64)).unwrap(), &[(&lora, 1.0)])
    };
    assert!(apart(&of(stream), &of(load("tiny-llama", vec![path]).unwrap())) < 1e-3);
    let other = good("of-another", "tiny-qwen3moe", "qwen3moe", "blk.0.attn_v.weight");
    assert!(Model::load_synthetic(&synthetic, &on_cpu().lora(vec![other])).is_err());
}

#[test]
fn an_adapter_keeps_its_model_and_no_other() {
    let path = good("keeps", "tiny-llama", "llama", "blk.1.attn_q.weight");
    let model = load("tiny-llama", vec![path.clone()]).unwrap();
    let lora = model.loras().remove(0);
    let mut context = Context::new(&model, &params(64)).unwrap();
    drop(model);
    assert!(
        context.set_loras(&[(&lora, f32::NAN)]).is_err()
            && context.set_loras(&[(&lora, f32::INFINITY)]).is_err()
    );
    assert!(context.set_loras(&[(&lora, 1.0), (&lora, 2.0)]).is_err());
    let other = load("tiny-llama", vec![path]).unwrap();
    let refused = context.set_loras(&[(&other.loras()[0], 1.0)]).unwrap_err();
    assert!(refused.to_string().contains("another model"), "{refused}");
    context.set_loras(&[(&lora, 1e30)]).unwrap();
    drop(lora);
    context.decode_tokens(&[1, 2, 3]).unwrap();
    drop(context);
    // Of memory only, and without a context.
    assert!(other.memory_of_context(&params(64)).is_some());
}

#[test]
fn what_does_not_fit_is_refused() {
    let base = "blk.0.attn_q.weight";
    let [n_in, n_out] = dims_of("tiny-llama", base).try_into().unwrap();
    let (a, b) = ([n_in, 4], [4, n_out]);
    let whole = || pair(base, &a, &b);
    let with = |key: &str, value: Value| {
        let mut metadata: Vec<_> = said().into_iter().filter(|(known, _)| known != key).collect();
        metadata.push((key.into(), value));
        metadata
    };
    let [n_embd, n_vocab] = dims_of("tiny-llama", "token_embd.weight").try_into().unwrap();
    for (what, architecture, metadata, tensors, told) in [
        ("model", "llama", with("general.type", "model".into()), whole(), "general.type = model"),
        ("vector", "llama", with("adapter.type", "control_vector".into()), whole(), "control_vector"),
        ("number", "llama", with("general.type", Value::U32(3)), whole(), "general.type = nothing"),
        ("architecture", "qwen3", said(), whole(), "architecture qwen3, and this one is llama"),
        ("alpha", "llama", with("adapter.lora.alpha", Value::F32(f32::NAN)), whole(), "not a finite"),
        ("alpha-text", "llama", with("adapter.lora.alpha", "8".into()), whole(), "not a finite"),
        ("alora", "llama", with("adapter.alora.invocation_tokens", vec![1_u32].into()), whole(), "aLoRA"),
        ("partner", "llama", said(), whole()[..1].to_vec(), "has no partner"),
        ("suffix", "llama", said(), vec![("odd".into(), vec![4], TensorType::F32)], "ends neither"),
        (
            "nothing",
            "llama",
            said(),
            vec![("x_norm.weight".into(), vec![4], TensorType::F32)],
            "adapts nothing",
        ),
        ("unknown", "llama", said(), pair("blk.99.attn_q.weight", &a, &b), "does not have"),
        ("width", "llama", said(), pair(base, &[n_in * 2, 4], &b), "for another model"),
        ("rank", "llama", said(), pair(base, &a, &[8, n_out]), "for another model"),
        ("layers", "llama", said(), pair(base, &[n_in, 4, 3], &[4, n_out, 3]), "for another model"),
        (
            "table",
            "llama",
            said(),
            pair("token_embd.weight", &[8, n_vocab], &[4, n_embd]),
            "for another model",
        ),
    ] {
        let path = write(what, architecture, metadata, tensors);
        let refused = load("tiny-llama", vec![path]).unwrap_err();
        assert!(matches!(refused, LlamaError::Adapter { .. }), "{what}: {refused}");
        assert!(refused.to_string().contains(told), "{what}: {refused}");
    }
    // Random integers cannot be made: the type follows the name, the number of dimensions and two of them.
    let path = write("type", "llama", said(), whole());
    let mut bytes = fs::read(&path).unwrap();
    let name = format!("{base}.lora_a");
    let at = bytes.windows(name.len()).position(|it| it == name.as_bytes()).unwrap() + name.len() + 4 + 16;
    bytes[at..at + 4].copy_from_slice(&TensorType::I32.id().to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let refused = load("tiny-llama", vec![path]).unwrap_err();
    assert!(refused.to_string().contains("type i32, which ggml cannot multiply"), "{refused}");

    let experts = dims_of("tiny-qwen3moe", "blk.0.ffn_up_exps.weight");
    let flat = pair("blk.0.ffn_up_exps.weight", &[experts[0], 4], &[4, experts[1]]);
    assert!(load("tiny-qwen3moe", vec![write("flat", "qwen3moe", said(), flat)]).is_err());
    assert!(matches!(load("tiny-llama", vec![folder().join("none.gguf")]), Err(LlamaError::Open { .. })));
    assert!(load("tiny-llama", vec![file("tiny-llama", false)]).is_err());

    let path = good("of-vocabulary", "tiny-llama", "llama", base);
    let params = on_cpu().lora(vec![path]);
    for params in [params.clone().vocab_only(true), params.split_mode(SplitMode::Row)] {
        assert!(Model::load_with(file("tiny-llama", true), &params).is_err());
    }
}

#[test]
fn the_table_of_tokens_can_be_adapted() {
    let [n_embd, n_vocab] = dims_of("tiny-llama", "token_embd.weight").try_into().unwrap();
    let path = write("tokens", "llama", said(), pair("token_embd.weight", &[4, n_vocab], &[4, n_embd]));
    let model = load("tiny-llama", vec![path]).unwrap();
    let mut context = Context::new(&model, &params(64)).unwrap();
    let base = logits(&mut context, &[]);
    assert!(apart(&base, &logits(&mut context, &[(&model.loras()[0], 1.0)])) > 0.01);
}
