//! Every combination of the flags' values, in llama-bench's order, so that a model is loaded as seldom as possible.

use llama_bench_rs::{
    Error,
    llama::{Backend, ContextParams, ModelParams},
};

use crate::{
    args::Args,
    placement::{Devices, OverrideList, TensorSplit},
    values::{CpuMask, all, all_integers},
};

/// The ways to load a model.
pub fn models(args: &Args, backend: &Backend) -> Result<Vec<ModelParams>, Error> {
    let n_needed = args.tests.n_ctx();
    let args = &args.model;
    let places = args.device.iter().map(|devices| place(devices, backend)).collect::<Result<Vec<_>, _>>()?;
    let overrides: Vec<_> =
        args.override_tensor.iter().flat_map(|OverrideList(lists)| lists.iter().cloned()).collect();
    let params = vary(vec![ModelParams::default()], &args.fits(n_needed), ModelParams::fit);
    let params = vary(params, &all_integers(&args.n_gpu_layers), ModelParams::n_gpu_layers);
    let params = vary(params, &all(&args.n_cpu_moe), ModelParams::n_cpu_moe);
    let params = vary(params, &args.split_mode, ModelParams::split_mode);
    let params = vary(params, &args.load_modes(), ModelParams::load_mode);
    let params = vary(params, &args.lazy_mode, ModelParams::lazy_mode);
    let params = vary(params, &all_integers(&args.main_gpu), ModelParams::main_gpu);
    let params =
        vary(params, &places, |p, place: ModelParams| p.devices(place.devices).no_devices(place.no_devices));
    let params = vary(params, &args.tensor_split, |p, TensorSplit(shares)| p.tensor_split(shares));
    let params = vary(params, &overrides, ModelParams::tensor_buft_overrides);
    let params = vary(params, &args.no_host, ModelParams::no_host);
    Ok(vary(params, &args.repack, ModelParams::use_extra_bufts))
}

/// The devices of a configuration, looked up.
fn place(devices: &Devices, backend: &Backend) -> Result<ModelParams, Error> {
    let params = ModelParams::default();
    Ok(match devices {
        Devices::Auto => params,
        Devices::None => params.no_devices(true),
        Devices::Named(names) => {
            params.devices(names.iter().map(|name| backend.device(name)).collect::<Result<_, _>>()?)
        }
    })
}

/// The ways to make a context.
pub fn contexts(args: &Args) -> Vec<ContextParams> {
    let args = &args.context;
    let params = vec![ContextParams::default().swa_full(args.swa_full)];
    let params = vary(params, &args.embeddings, ContextParams::embeddings);
    let params = vary(params, &args.no_op_offload, |p, no: bool| p.op_offload(!no));
    let params = vary(params, &all(&args.n_batch), ContextParams::n_batch);
    // llama.cpp computes at most a batch at once; asking for more is no error in llama-bench.
    let params = vary(params, &all(&args.n_ubatch), |p, n_ubatch: u32| {
        let n_batch = p.n_batch;
        p.n_ubatch(n_ubatch.min(n_batch))
    });
    let params = vary(params, &args.type_k, ContextParams::type_k);
    let params = vary(params, &args.type_v, ContextParams::type_v);
    let params = vary(params, &args.no_kv_offload, |p, no: bool| p.offload_kqv(!no));
    let params = vary(params, &args.flash_attn, ContextParams::flash_attn);
    let params = vary(params, &all(&args.n_threads), |p, n: u32| p.n_threads(n).n_threads_batch(n));
    let params = vary(params, &args.cpu_mask, |p, CpuMask(cpus)| p.cpu_mask(cpus));
    let params = vary(params, &args.cpu_strict, ContextParams::cpu_strict);
    let params = vary(params, &all(&args.poll), ContextParams::poll);
    vary(params, &args.prio.0, ContextParams::prio)
}

/// Each item with each value; the items as they are if no value was given.
fn vary<T: Clone, V: Clone>(items: Vec<T>, values: &[V], set: impl Fn(T, V) -> T) -> Vec<T> {
    if values.is_empty() {
        return items;
    }
    items.iter().flat_map(|item| values.iter().map(|value| set(item.clone(), value.clone()))).collect()
}
