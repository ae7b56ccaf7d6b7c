//! What a report says of the build, the machine, the model and the configuration.

use super::{pace::PACE_VERSION, plan::Request};
use crate::{
    llama::{Backend, ContextParams, Device, FlashAttn, Model, build_info},
    record::{Config, DeviceInfo, FlashAttnSetting, Header, Host, Load, ModelInfo, Resolved, Timing},
};

/// The header of a run before anything was measured.
pub(super) fn header(backend: &Backend, model: &Model, context: &ContextParams, request: &Request) -> Header {
    Header {
        build: build_info(),
        host: Host {
            cpu_info: backend.cpu_info(),
            gpu_info: backend.gpu_info(),
            backends: backend.names(),
            driver: super::monitor::driver(),
            devices: backend.devices().iter().map(device).collect(),
        },
        model: ModelInfo {
            filename: model.path().display().to_string(),
            description: model.description(),
            architecture: model.architecture().into(),
            size_bytes: model.size_bytes(),
            n_params: model.n_params(),
            n_layer: model.n_layer(),
            n_ctx_train: model.n_ctx_train(),
            n_vocab: model.n_vocab(),
        },
        config: config(model, context, request),
        resolved: Resolved::default(),
        load: Load { elapsed: model.load_time(), size_bytes: model.size_bytes() },
        timing: Timing::default(),
    }
}

fn device(device: &Device) -> DeviceInfo {
    let (memory_free_bytes, memory_total_bytes) = device.memory_bytes();
    DeviceInfo {
        name: device.name(),
        description: device.description(),
        kind: device.kind().name().into(),
        backend: device.backend_name(),
        memory_free_bytes,
        memory_total_bytes,
    }
}

fn config(model: &Model, context: &ContextParams, request: &Request) -> Config {
    let params = model.params();
    Config {
        n_batch: context.n_batch,
        n_ubatch: context.n_ubatch,
        n_threads: context.n_threads,
        n_threads_batch: context.n_threads_batch,
        cpu_mask: mask(&context.cpu_mask),
        cpu_strict: context.cpu_strict,
        poll: context.poll,
        type_k: context.type_k.name().into(),
        type_v: context.type_v.name().into(),
        n_gpu_layers: params.n_gpu_layers,
        n_cpu_moe: params.n_cpu_moe,
        split_mode: params.split_mode.name().into(),
        main_gpu: params.main_gpu,
        no_kv_offload: !context.offload_kqv,
        flash_attn: match context.flash_attn {
            FlashAttn::Auto => FlashAttnSetting::Auto,
            FlashAttn::Off => FlashAttnSetting::Off,
            FlashAttn::On => FlashAttnSetting::On,
        },
        devices: list(&params.devices, "/", "auto", Device::name),
        tensor_split: list(&params.tensor_split, "/", "0.00", |share| format!("{share:.2}")),
        tensor_buft_overrides: list(&params.tensor_buft_overrides, ";", "none", |(pattern, buffer_type)| {
            format!("{pattern}={buffer_type}")
        }),
        load_mode: params.load_mode.name().into(),
        lazy_mode: params.lazy_mode.name().into(),
        embeddings: context.embeddings,
        no_op_offload: !context.op_offload,
        no_host: params.no_host,
        repack: params.use_extra_bufts,
        swa_full: context.swa_full,
        seed: request.seed,
        n_reps: request.n_reps_max(),
        stopping: request.stopping,
        warmup: request.warmup,
        method: request.method,
        pace: request.paced.then_some(PACE_VERSION),
    }
}

/// Joins the items, or says `empty` where there are none.
fn list<T>(items: &[T], separator: &str, empty: &str, show: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return empty.into();
    }
    items.iter().map(show).collect::<Vec<_>>().join(separator)
}

/// `0x3` for the first two CPUs, `0x0` for no restriction.
fn mask(cpus: &[bool]) -> String {
    let digits: String = cpus
        .chunks(4)
        .rev()
        .map(|nibble| nibble.iter().enumerate().map(|(bit, &set)| u32::from(set) << bit).sum())
        .map(|nibble: u32| char::from_digit(nibble, 16).unwrap_or('0'))
        .collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_hexadecimal_with_the_first_cpu_lowest() {
        assert_eq!(mask(&[]), "0x0");
        assert_eq!(mask(&[true, true]), "0x3");
        assert_eq!(mask(&[false, false, false, false, true, false, true]), "0x50");
    }
}
