//! The header of a run: build, machine, model and configuration.

use std::{path::Path, sync::OnceLock};

use super::{calibration::CALIBRATION_VERSION, cpu_features::cpu_features, plan::Request};
use crate::{
    llama::{
        Backend, ContextParams, Device, DeviceKind, FlashAttn, LlamaError, Model, ModelParams, Rope,
        build_info,
    },
    record::{
        Config, DeviceInfo, FlashAttnSetting, Header, Host, Load, ModelInfo, Resolved, Timing, WeightSource,
        parameters::parameters,
    },
};

/// The header of a run before anything was measured.
pub(super) fn header(backend: &Backend, model: &Model, context: &ContextParams, request: &Request) -> Header {
    Header {
        model: ModelInfo {
            filename: model.path().display().to_string(),
            like: like(of_shape(model)),
            description: model.description(),
            architecture: model.architecture().into(),
            size_bytes: Some(model.size_bytes()),
            n_params: Some(model.n_params()),
            n_layer: Some(model.n_layer()),
            n_ctx_train: Some(model.n_ctx_train()),
            n_vocab: Some(model.n_vocab()),
        },
        load: Load {
            elapsed: model.load_time(),
            size_bytes: Some(model.size_bytes()),
            source: Some(if model.is_streamed() { WeightSource::Stream } else { WeightSource::File }),
        },
        links: super::links::of_model(backend, model.params()),
        ..without_model(backend, (model.path(), of_shape(model)), model.params(), context, request)
    }
}

/// The file whose shape a synthetic model has.
fn of_shape(model: &Model) -> Option<&Path> {
    model.made()?.like.as_deref()
}

fn like(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

/// The header of a run whose model was not loaded: its path, and the file whose shape it has.
pub(super) fn without_model(
    backend: &Backend,
    (path, shape): (&Path, Option<&Path>),
    params: &ModelParams,
    context: &ContextParams,
    request: &Request,
) -> Header {
    with_host(backend, host(backend), (path, shape), params, context, request)
}

/// The same with what the devices said when they were first asked like this: one that is lost ends the process that asks.
pub(super) fn asking_no_device(
    backend: &Backend,
    name: (&Path, Option<&Path>),
    params: &ModelParams,
    context: &ContextParams,
    request: &Request,
) -> Header {
    static HOST: OnceLock<Host> = OnceLock::new();
    with_host(backend, HOST.get_or_init(|| host(backend)).clone(), name, params, context, request)
}

fn host(backend: &Backend) -> Host {
    Host {
        cpu_info: backend.cpu_info(),
        gpu_info: backend.gpu_info(),
        backends: backend.names(),
        driver: super::monitor::driver(),
        devices: backend.devices().iter().map(device).collect(),
        backend_features: backend.features(),
        cpu_features: cpu_features().to_vec(),
    }
}

fn with_host(
    backend: &Backend,
    host: Host,
    (path, shape): (&Path, Option<&Path>),
    params: &ModelParams,
    context: &ContextParams,
    request: &Request,
) -> Header {
    Header {
        build: build_info(),
        host,
        model: ModelInfo { filename: path.display().to_string(), like: like(shape), ..ModelInfo::default() },
        config: Config {
            numa: backend.numa().map(|numa| numa.name().into()),
            ..config(params, context, request)
        },
        resolved: Resolved::default(),
        work: Vec::new(),
        links: Vec::new(),
        load: Load::default(),
        placement: None,
        numa: Vec::new(),
        timing: Timing::default(),
        metering: None,
        ceilings: Vec::new(),
        read_from: String::new(),
    }
}

fn device(device: &Device) -> DeviceInfo {
    let (free, total) = device.memory_before_use();
    // ggml calls every Vulkan device that is not integrated a GPU.
    let kind = if device.is_software() { DeviceKind::Cpu } else { device.kind() };
    let server = device.server();
    let mut info = DeviceInfo {
        name: device.name(),
        description: device.description(),
        kind: kind.name().into(),
        backend: device.backend_name(),
        memory_free_bytes: Some(free),
        memory_total_bytes: Some(total),
        // ggml's RPC backend says "GPU" of whatever its server has.
        integrated: match kind {
            _ if server.is_some() => None,
            DeviceKind::Gpu => Some(false),
            DeviceKind::Igpu => Some(true),
            _ => None,
        },
        pci_bus_id: device.pci_bus_id(),
        server,
        ..DeviceInfo::default()
    };
    super::monitor::describe(&mut info);
    info
}

/// Refuses parameters that a record cannot hold: the figures would look like those of the unchanged model.
pub(crate) fn unrecorded(model: &ModelParams, context: &ContextParams) -> Result<(), LlamaError> {
    let what = if !model.kv_overrides.is_empty() {
        "metadata in place of the file's (kv_overrides)"
    } else if context.rope != Rope::default() {
        "rotary positions other than the model's (rope)"
    } else if context.pooling.is_some() {
        "pooling other than the model's"
    } else {
        return Ok(());
    };
    let why = "a record does not tell them: convert the model, or leave them out".into();
    Err(LlamaError::Unsupported { what: format!("measuring with {what}"), why })
}

macro_rules! asked {
    (llama_bench { $($llama_bench:tt)* } own { $($own:tt)* }) => { asked! { $($llama_bench)* $($own)* } };
    ($(
        $(#[$($doc:tt)*])*
        $field:ident: $type:ty
            [$($row:tt)*] $known:tt $other:tt
            [$(context($($c:ident),*): $of_context:expr;)?
             $(model($($m:ident),*): $of_model:expr;)?
             $(request($($r:ident),*): $of_request:expr;)?]
            $arg:tt;
    )*) => {
        /// What is recorded of how a model is loaded and a context made. Both are destructured without `..`: a new
        /// field does not compile until the table of parameters has it, or the list of those that no record needs.
        pub(crate) fn of_params(model: &ModelParams, context: &ContextParams) -> Config {
            let ModelParams {
                $($($($m,)*)?)*
                // A model without weights cannot be measured.
                vocab_only: _,
                no_alloc: _,
                // Refused: see `unrecorded`.
                kv_overrides: _,
                // Loaded, and applied to no context.
                lora: _,
            } = model;
            let ContextParams {
                $($($($c,)*)?)*
                // The plan decides it; what came of it is in `Resolved`.
                n_ctx: _,
                // Refused: see `unrecorded`.
                pooling: _,
                rope: _,
            } = context;
            Config {
                $( $($field: $of_context,)? $($field: $of_model,)? )*
                ..Config::default()
            }
        }

        /// What is recorded of what was asked for: everything that can change a figure. How threads are placed on NUMA
        /// nodes is of the whole process: the backend knows it.
        fn config(model: &ModelParams, context: &ContextParams, request: &Request) -> Config {
            let Request {
                $($($($r,)*)?)*
                // Whether the graphs are in the header shows there.
                work: _,
                // The cells say what was measured, and at which depths.
                prompts: _,
                embeddings: _,
                generations: _,
                pairs: _,
                parallel: _,
                depths: _,
                // `kv_unified` of the context says it.
                shared_prefix: _,
                // Whether the energy is in the header shows there.
                energy: _,
                // Whether they are in the header shows there.
                ceilings: _,
                // The cells say where their time goes.
                profile: _,
                // The cells say what was repeated, and what was disturbed.
                repeat_percent: _,
                exclusive: _,
            } = request;
            Config {
                $( $($field: $of_request,)? )*
                ..of_params(model, context)
            }
        }
    };
}
parameters!(asked);

fn asked_flash_attn(asked: FlashAttn) -> FlashAttnSetting {
    match asked {
        FlashAttn::Auto => FlashAttnSetting::Auto,
        FlashAttn::Off => FlashAttnSetting::Off,
        FlashAttn::On => FlashAttnSetting::On,
    }
}

/// With two decimals, as llama-bench has it, or as many as it takes to be exact.
fn share(share: &f32) -> String {
    let short = format!("{share:.2}");
    if short.parse() == Ok(*share) { short } else { share.to_string() }
}

/// The items joined, or `empty` without any.
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
#[path = "describe_tests.rs"]
mod tests;
