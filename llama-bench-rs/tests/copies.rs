//! One fill for several sequences, on real models of every kind of memory: each copy is as if its sequence had been filled
//! by itself.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{Order, Sweep, Verification},
    gguf::{FileType, Shape, Synthetic},
    llama::{ContextParams, FlashAttn, KvType, Model},
    units::Share,
};
use llama_support::{folder, has_gpu, load, tiny, tiny_on_devices};

/// Every kind of memory: attention, a sliding window, a recurrent state, and both.
const SHAPES: [&str; 6] =
    ["tiny-llama", "tiny-qwen3moe", "tiny-gpt-oss", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"];

/// Past the windows of 128 tokens, and not at the ends of batches.
const DEPTHS: [u32; 3] = [0, 40, 333];

/// One thread computes in one order: equal states give equal logits.
fn params(kv: KvType) -> ContextParams {
    let params = ContextParams::default().n_batch(64).n_ubatch(32).n_threads(1).n_threads_batch(1);
    let params = params.type_k(kv).type_v(kv);
    if kv.is_quantised() { params.flash_attn(FlashAttn::On) } else { params }
}

fn verified(model: &Model, params: ContextParams, shared: bool, order: Order) -> Verification {
    let sweep = Sweep::new(model).context(params).shared_prefix(shared).depths(DEPTHS).order(order);
    let sweep = sweep.prompt(24).generate(3).parallel([1, 3]).repetitions(2).warmup(false);
    sweep.verify().unwrap()
}

fn is_windowed(shape: &str) -> bool {
    ["tiny-gpt-oss", "tiny-gemma3"].contains(&shape)
}

#[test]
fn every_copy_has_the_logits_of_a_sequence_that_was_filled_by_itself() {
    for shape in SHAPES {
        let model = tiny(shape);
        for (kv, order) in
            [(KvType::F16, Order::Blocks), (KvType::F16, Order::Rounds), (KvType::Q8_0, Order::Blocks)]
        {
            let found = verified(&model, params(kv), false, order);
            let case = format!("{shape} {} {order:?}: {found:?}", kv.name());
            // The cells of a window lie elsewhere after a rewind, which changes the order of sums.
            let is_right = if is_windowed(shape) { found.is_within_noise() } else { found.is_exact() };
            assert!(is_right && !found.shared_prefix, "{case}");
            for depth in &found.depths {
                let [level] = &depth.levels[..] else { panic!("{case}") };
                assert_eq!((level.n_parallel, level.n_copies), (3, 2), "{case}");
                assert_eq!(level.repetition_difference, Share::default(), "{case}");
            }
        }
    }
}

/// The copies lie in the cells of one sequence, and what they are compared with lies side by side: sums go in another
/// order.
#[test]
fn a_shared_prefix_has_them_within_rounding() {
    for shape in SHAPES {
        let model = tiny(shape);
        for kv in [KvType::F16, KvType::Q8_0] {
            let found = verified(&model, params(kv), true, Order::Blocks);
            assert!(found.is_within_noise() && found.shared_prefix, "{shape} {}: {found:?}", kv.name());
        }
    }
}

/// With weights, keys and values of 32 bits, rounding is all but gone, and so is the difference.
#[test]
fn what_differs_in_a_shared_prefix_is_rounding() {
    let path = folder().join("copies-f32.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).file_type(FileType::F32).write_to(&path).unwrap();
    let model = load(&path).unwrap();
    let params = params(KvType::F32).flash_attn(FlashAttn::Off);
    let found = verified(&model, params, true, Order::Blocks);
    assert!(found.is_within(Share::new(1e-6).unwrap()), "{found:?}");
}

#[test]
fn on_a_gpu_every_copy_is_right_within_rounding() {
    if !has_gpu("on_a_gpu_every_copy_is_right_within_rounding") {
        return;
    }
    for shape in SHAPES {
        let model = tiny_on_devices(shape);
        for (shared, order) in [(false, Order::Blocks), (false, Order::Rounds), (true, Order::Blocks)] {
            for kv in [KvType::F16, KvType::Q8_0] {
                let found = verified(&model, params(kv), shared, order);
                assert!(found.is_exact() || found.is_within_noise(), "{shape} {shared} {order:?}: {found:?}");
            }
        }
    }
}
