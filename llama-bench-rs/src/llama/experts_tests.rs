//! Which experts the tokens of synthetic models go to, read from the graph while llama.cpp evaluates it.

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_void},
    path::Path,
};

use super::{ContextParams, Model, ModelParams, sys};
use crate::gguf::{Routing, Shape, Synthetic};

/// How often each expert was chosen, by the name of the layer's tensor.
type Chosen = BTreeMap<String, Vec<u32>>;

/// Begins the name of the tensors that hold the experts of each token.
const CHOICE: &str = "ffn_moe_topk";

extern "C" fn look(tensor: *mut sys::ggml_tensor, is_asked: bool, chosen: *mut c_void) -> bool {
    // SAFETY: llama.cpp hands over a live tensor of the graph, and `chosen` as it was given to the context, whose
    // owner does nothing with it while a decode runs.
    let (tensor, name, chosen) = unsafe {
        let name = CStr::from_ptr((*tensor).name.as_ptr()).to_string_lossy();
        (&*tensor, name, &mut *chosen.cast::<Chosen>())
    };
    if !name.starts_with(CHOICE) {
        return false;
    }
    if is_asked {
        return true;
    }
    assert_eq!(tensor.type_, sys::GGML_TYPE_I32, "{name}");
    let counts = chosen.entry(name.into_owned()).or_default();
    for row in 0..tensor.ne[1] as usize {
        let mut experts = vec![0i32; tensor.ne[0] as usize];
        // SAFETY: a row of the tensor, which was computed, and room for as many numbers.
        unsafe {
            let (at, size) = (row * tensor.nb[1], size_of_val(&experts[..]));
            sys::ggml_backend_tensor_get(tensor, experts.as_mut_ptr().cast(), at, size);
        }
        for expert in experts {
            let expert = usize::try_from(expert).expect("a number of an expert");
            counts.resize(counts.len().max(expert + 1), 0);
            counts[expert] += 1;
        }
    }
    true
}

/// Decodes random tokens and returns, for each layer, how many times its share the busiest expert gets.
fn busiest(path: &Path, n_expert: usize, n_tokens: usize) -> Vec<f64> {
    const N_BATCH: usize = 256;
    let model = Model::load_with(path, &ModelParams::default().no_devices(true)).unwrap();
    let mut chosen = Chosen::new();
    let params = ContextParams::default().n_ctx(n_tokens as u32).n_batch(N_BATCH as u32).n_threads(2);
    let mut params = params.raw(&model);
    params.cb_eval = Some(look);
    params.cb_eval_user_data = (&raw mut chosen).cast();
    let mut seed = 1u64;
    let tokens: Vec<i32> = (0..n_tokens)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % u64::from(model.n_vocab())) as i32
        })
        .collect();
    let mut are_outputs = [1i8; N_BATCH];
    // SAFETY: a live model; `chosen` outlives the context, which is freed before it is looked at; batches borrow tokens
    // of the vocabulary for the call, and the context has room for all of them.
    unsafe {
        let context = sys::llama_sys_init_from_model(model.as_raw(), params);
        assert!(!context.is_null());
        for chunk in tokens.chunks(N_BATCH) {
            let mut batch = sys::llama_batch_get_one(chunk.as_ptr().cast_mut(), chunk.len() as i32);
            // Else the last layer is computed for the last token alone.
            batch.logits = are_outputs.as_mut_ptr();
            assert_eq!(sys::llama_sys_decode(context, batch), 0);
        }
        sys::llama_free(context);
    }
    let share = |counts: &Vec<u32>| {
        let (most, all) = (*counts.iter().max().unwrap(), counts.iter().sum::<u32>());
        f64::from(most) * n_expert as f64 / f64::from(all)
    };
    chosen.values().map(share).collect()
}

/// The busiest experts of a synthetic model, the layers' mean and the worst.
fn measure(shape: Shape, routing: Routing, n_expert: usize, n_tokens: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let name = shape.name().to_owned();
    Synthetic::new(shape).routing(routing).write_to(&path).unwrap();
    let layers = busiest(&path, n_expert, n_tokens);
    assert!(!layers.is_empty(), "{name}: no layer chose experts");
    let mean = layers.iter().sum::<f64>() / layers.len() as f64;
    let worst = layers.iter().copied().fold(0.0, f64::max);
    println!(
        "{name} {routing:?}: the busiest expert gets {mean:.2} times its share, {worst:.2} in the worst layer"
    );
    (mean, worst)
}

#[test]
fn tokens_spread_evenly_over_the_experts() {
    for name in ["tiny-gpt-oss", "tiny-qwen3moe"] {
        let of = |routing| measure(Shape::preset(name).unwrap(), routing, 16, 512);
        let (_, worst) = of(Routing::Balanced);
        // By chance alone the busiest of sixteen gets 1.15 times its share of 512 tokens.
        assert!(worst < 1.5, "{name}: {worst}");
        let (skewed, _) = of(Routing::Skewed(1.8));
        assert!((1.5..2.1).contains(&skewed), "{name}, skewed: {skewed}");
        // What random rows do, and why they are not the default.
        let (random, _) = of(Routing::Random);
        assert!(random > 2.5, "{name}, random: {random}");
    }
}
