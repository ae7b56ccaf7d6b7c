//! Every combination of the flags' values, in llama-bench's order, so that a model is loaded as seldom as possible.

use llama_bench_rs::{
    Error,
    llama::{Backend, ContextParams, LoadMode, ModelParams},
};

use crate::{args::Args, values::all};

/// The ways to load a model.
pub fn models(args: &Args, backend: &Backend) -> Result<Vec<ModelParams>, Error> {
    let devices = args.device.iter().map(|name| backend.device(name)).collect::<Result<Vec<_>, _>>()?;
    let base = ModelParams::default()
        .devices(devices)
        .tensor_split(args.tensor_split.clone())
        .tensor_buft_overrides(args.override_tensor.clone())
        .main_gpu(args.main_gpu)
        .lazy_mode(args.lazy_mode)
        .no_host(args.no_host)
        .use_extra_bufts(args.repack);
    let load_modes = if args.no_mmap { vec![LoadMode::None] } else { args.load_mode.clone() };
    let params = vary(vec![base], &args.n_gpu_layers, ModelParams::n_gpu_layers);
    let params = vary(params, &all(&args.n_cpu_moe), ModelParams::n_cpu_moe);
    let params = vary(params, &args.split_mode, ModelParams::split_mode);
    Ok(vary(params, &load_modes, ModelParams::load_mode))
}

/// The ways to make a context.
pub fn contexts(args: &Args) -> Vec<ContextParams> {
    let base = ContextParams::default()
        .op_offload(!args.no_op_offload)
        .swa_full(args.swa_full)
        .cpu_mask(args.cpu_mask.0.clone())
        .cpu_strict(args.cpu_strict)
        .prio(args.prio);
    let params = vary(vec![base], &all(&args.n_batch), ContextParams::n_batch);
    // llama.cpp computes at most a batch at once; asking for more is no error in llama-bench.
    let params = vary(params, &all(&args.n_ubatch), |p, n_ubatch: u32| {
        let n_batch = p.n_batch;
        p.n_ubatch(n_ubatch.min(n_batch))
    });
    let params = vary(params, &args.type_k, ContextParams::type_k);
    let params = vary(params, &args.type_v, ContextParams::type_v);
    let params = vary(params, &args.no_kv_offload, |p, no: bool| p.offload_kqv(!no));
    let params = vary(params, &args.flash_attn, ContextParams::flash_attn);
    let params = vary(params, &args.embeddings, ContextParams::embeddings);
    let params = vary(params, &all(&args.n_threads), |p, n: u32| p.n_threads(n).n_threads_batch(n));
    vary(params, &all(&args.poll), ContextParams::poll)
}

/// Each item with each value; the items as they are if no value was given.
fn vary<T: Clone, V: Clone>(items: Vec<T>, values: &[V], set: impl Fn(T, V) -> T) -> Vec<T> {
    if values.is_empty() {
        return items;
    }
    items.iter().flat_map(|item| values.iter().map(|value| set(item.clone(), value.clone()))).collect()
}
