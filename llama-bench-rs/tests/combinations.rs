//! Parameters in every combination: each works or is a typed error, and the process continues.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{
    Context, ContextParams, Device, FlashAttn, KvType, LazyMode, LlamaError, LoadMode, Model, ModelParams,
    SplitMode, StateFlags,
};
use llama_support::{backend, file, on_cpu, params, tiny, tiny_on_devices};

/// Loads, and if that works computes a little.
fn try_model(params_of_model: &ModelParams) -> Result<(), LlamaError> {
    let model = Model::load_with(file("tiny-gpt-oss", false), params_of_model)?;
    let mut context = Context::new(&model, &params(64))?;
    context.decode_tokens(&[1, 2, 3])?;
    context.synchronize()
}

/// An error must have a message.
fn told(result: Result<(), LlamaError>, request: &dyn std::fmt::Debug) -> bool {
    if let Err(error) = &result {
        assert!(error.to_string().len() > 20, "{request:?}: {error}");
    }
    result.is_ok()
}

#[test]
fn ways_to_load() {
    let mut n_loaded = 0;
    for &load_mode in LoadMode::ALL {
        for &lazy_mode in LazyMode::ALL {
            for bits in 0..32u32 {
                let on = |bit: u32| bits >> bit & 1 == 1;
                let params = on_cpu()
                    .load_mode(load_mode)
                    .lazy_mode(lazy_mode)
                    .no_host(on(0))
                    .use_extra_bufts(on(1))
                    .vocab_only(on(2))
                    .no_alloc(on(3))
                    .check_tensors(on(4));
                n_loaded += usize::from(told(try_model(&params), &params));
            }
        }
    }
    // All but those without weights or memory for them: a quarter of each.
    assert_eq!(n_loaded, LoadMode::ALL.len() * LazyMode::ALL.len() * 8);
}

#[test]
fn ways_to_place() {
    let devices = backend().devices();
    let cpu = backend().device("CPU").unwrap();
    let lists: [Vec<Device>; 4] = [vec![], vec![cpu], vec![cpu, cpu], devices];
    let mut n_loaded = 0;
    for list in &lists {
        for &split_mode in SplitMode::ALL {
            for main_gpu in [0, 1, i32::MAX] {
                for n_gpu_layers in [i32::MIN, -1, 0, 1, i32::MAX] {
                    for split in [vec![], vec![0.0], vec![1.0, 0.0], vec![f32::MAX, f32::MAX]] {
                        let params = ModelParams::default()
                            .devices(list.clone())
                            .split_mode(split_mode)
                            .main_gpu(main_gpu)
                            .n_gpu_layers(n_gpu_layers)
                            .tensor_split(split);
                        n_loaded += usize::from(told(try_model(&params), &params));
                    }
                }
            }
        }
    }
    assert!(n_loaded > 0);
    let name = |params: ModelParams| match try_model(&params) {
        Err(LlamaError::Parameter { name, .. }) => name,
        other => panic!("{params:?}: {other:?}"),
    };
    assert_eq!(name(ModelParams::default().devices(vec![cpu, cpu])), "devices");
    assert_eq!(name(ModelParams::default().devices(vec![cpu]).split_mode(SplitMode::Tensor)), "devices");
}

#[test]
fn tensors_kept_elsewhere() {
    let with = |pattern: &str| {
        let overrides = vec![(pattern.to_owned(), "CPU".to_owned())];
        let params = ModelParams::default().tensor_buft_overrides(overrides);
        told(try_model(&params), &pattern)
    };
    assert!(with("exps") && with(".*") && with("") && with("^$") && with("no such tensor"));
    for broken in ["(", "[", "*", "a{2", "\\", "(?<=a)b"] {
        assert!(!with(broken), "{broken}");
    }
    with("a{99999999}");
    for n_cpu_moe in [0, 1, 4, 5, 200] {
        assert!(told(try_model(&ModelParams::default().n_cpu_moe(n_cpu_moe)), &n_cpu_moe));
    }
    assert!(try_model(&ModelParams::default().n_cpu_moe(4097)).is_err());
    let many = vec![("exps".to_owned(), "CPU".to_owned()); 200];
    told(try_model(&ModelParams::default().tensor_buft_overrides(many)), &"200 overrides");
}

#[test]
fn ways_to_make_a_context() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"] {
        let model = tiny_on_devices(shape);
        let mut n_worked = 0;
        for bits in 0..64u32 {
            let on = |bit: u32| bits >> bit & 1 == 1;
            for flash_attn in [FlashAttn::Auto, FlashAttn::Off, FlashAttn::On] {
                let params = params(128)
                    .flash_attn(flash_attn)
                    .offload_kqv(on(0))
                    .op_offload(on(1))
                    .swa_full(on(2))
                    .kv_unified(on(3))
                    .embeddings(on(4))
                    .type_k(if on(5) { KvType::Q8_0 } else { KvType::F16 })
                    .n_seq_max(2);
                n_worked += usize::from(told(use_context(&model, &params), &params));
            }
        }
        assert!(n_worked >= 64, "{shape}: {n_worked} of 192 worked");
    }
}

/// What a sweep does with a context.
fn use_context(model: &Model, params: &ContextParams) -> Result<(), LlamaError> {
    let mut context = Context::new(model, params)?;
    context.decode_tokens(&[1, 2, 3, 4, 5])?;
    let _ = context.logits(-1);
    let state = context.state_save(0, StateFlags::empty())?;
    let partial = context.state_save(0, StateFlags::PARTIAL_ONLY)?;
    context.decode_tokens(&[6])?;
    context.state_restore(&partial)?;
    context.memory_seq_rm(0, 5, None)?;
    context.memory_clear(false);
    context.state_restore(&state)?;
    context.decode_tokens(&[6])?;
    context.synchronize()
}

#[test]
fn masks_and_priorities_of_threads() {
    let model = tiny("tiny-llama");
    for cpu_mask in [vec![], vec![true], vec![false; 512], vec![true; 512]] {
        for (cpu_strict, poll, n_threads) in [(false, 0, 2), (true, 0, 2), (true, 100, 1)] {
            let params = params(64)
                .n_threads(n_threads)
                .cpu_mask(cpu_mask.clone())
                .cpu_strict(cpu_strict)
                .poll(poll)
                .prio(-1);
            match use_context(&model, &params) {
                // Not every machine has those CPUs.
                Err(LlamaError::Parameter { name: "cpu_mask", .. }) if cpu_mask.contains(&true) => {}
                result => assert!(told(result, &params)),
            }
        }
    }
}
