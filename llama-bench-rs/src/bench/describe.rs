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
        read_from: String::new(),
    }
}

fn device(device: &Device) -> DeviceInfo {
    let (free, total) = device.memory_before_use();
    let kind = device.kind();
    let mut info = DeviceInfo {
        name: device.name(),
        description: device.description(),
        kind: kind.name().into(),
        backend: device.backend_name(),
        memory_free_bytes: Some(free),
        memory_total_bytes: Some(total),
        integrated: match kind {
            DeviceKind::Gpu => Some(false),
            DeviceKind::Igpu => Some(true),
            _ => None,
        },
        pci_bus_id: device.pci_bus_id(),
        server: device.server(),
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
        /// What is recorded of how a model is loaded and a context made. Both are taken apart without a rest: a new field
        /// does not compile until the table of parameters has it, or the list of those that no record needs.
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        baseline::Key,
        llama::{Fit, KvOverride, KvType, LazyMode, LoadMode, Pooling, SplitMode},
        record::{Group, Method, Order},
        stats::StoppingRule,
    };

    /// What a change of a parameter must do.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Effect {
        /// Recorded, and part of a baseline's key.
        Keyed,
        /// Recorded only: it changes no figure, or only its certainty.
        Recorded,
        /// Neither: the cells or the resolved configuration show it.
        Elsewhere,
    }
    use Effect::{Elsewhere, Keyed, Recorded};

    #[derive(Clone)]
    struct Parameters {
        model: ModelParams,
        context: ContextParams,
        request: Request,
    }

    impl Parameters {
        fn config(&self) -> Config {
            config(&self.model, &self.context, &self.request)
        }
    }

    /// One changed value for each field of a struct. The table of parameters has a test of its own for those that a flag
    /// asks for; here are all that were there when this was written.
    macro_rules! changes {
        ($type:ident $part:ident { $($field:ident: $value:expr => $effect:expr),+ $(,)? }) => {
            vec![$((
                stringify!($field),
                Box::new(|parameters: &mut Parameters| parameters.$part.$field = $value)
                    as Box<dyn Fn(&mut Parameters)>,
                $effect,
            )),+]
        };
    }

    #[test]
    fn every_parameter_that_can_change_a_figure_is_recorded_and_keyed() {
        let base = Parameters {
            model: ModelParams::default(),
            context: ContextParams::default().n_threads(3).n_threads_batch(3),
            request: crate::bench::plan::tests::request(),
        };
        let model = changes!(ModelParams model {
            n_gpu_layers: 7 => Keyed,
            // Devices need a backend: the next test.
            devices: Vec::new() => Elsewhere,
            no_devices: true => Keyed,
            split_mode: SplitMode::Row => Keyed,
            tensor_split: vec![1.0, 3.0] => Keyed,
            main_gpu: 1 => Keyed,
            load_mode: LoadMode::None => Keyed,
            lazy_mode: LazyMode::On => Keyed,
            tensor_buft_overrides: vec![("a".into(), "CPU".into())] => Keyed,
            n_cpu_moe: 2 => Keyed,
            use_extra_bufts: false => Keyed,
            no_host: true => Keyed,
            // Without weights nothing is measured.
            vocab_only: true => Elsewhere,
            no_alloc: true => Elsewhere,
            check_tensors: true => Keyed,
            fit: Some(Fit { margin_mib: 64, n_ctx: 128 }) => Keyed,
            // Nothing is measured with these (`unrecorded`), and adapters are loaded and not applied.
            kv_overrides: vec![("a".into(), KvOverride::Int(1))] => Elsewhere,
            lora: vec!["a.gguf".into()] => Elsewhere,
        });
        let context = changes!(ContextParams context {
            n_ctx: 4096 => Elsewhere,
            n_batch: 64 => Keyed,
            n_ubatch: 64 => Keyed,
            n_seq_max: 2 => Keyed,
            n_threads: 1 => Keyed,
            n_threads_batch: 1 => Keyed,
            flash_attn: FlashAttn::On => Keyed,
            type_k: KvType::Q8_0 => Keyed,
            type_v: KvType::Q8_0 => Keyed,
            offload_kqv: false => Keyed,
            op_offload: false => Keyed,
            swa_full: true => Keyed,
            kv_unified: true => Keyed,
            embeddings: true => Keyed,
            cpu_mask: vec![true] => Keyed,
            cpu_strict: true => Keyed,
            poll: 0 => Keyed,
            prio: 2 => Keyed,
            pooling: Some(Pooling::Mean) => Elsewhere,
            rope: Rope { freq_base: Some(2.0), ..Rope::default() } => Elsewhere,
        });
        let request = changes!(Request request {
            prompts: vec![1] => Elsewhere,
            embeddings: vec![1] => Elsewhere,
            generations: vec![1] => Elsewhere,
            pairs: vec![Group { n_prompt: 1, n_gen: 1 }] => Elsewhere,
            depths: vec![1] => Elsewhere,
            parallel: vec![2] => Elsewhere,
            shared_prefix: true => Elsewhere,
            n_reps: 99 => Recorded,
            stopping: Some(StoppingRule::new()) => Recorded,
            warmup: false => Keyed,
            delay: Duration::from_secs(1) => Keyed,
            seed: 99 => Recorded,
            method: Method::FreshContext => Keyed,
            order: Order::Auto => Keyed,
            calibrated: true => Recorded,
            work: false => Elsewhere,
            energy: false => Elsewhere,
            repeat_percent: 7 => Elsewhere,
            exclusive: true => Elsewhere,
        });
        let key = |config: Config| Key::of(&Header { config, ..Header::default() });
        for (name, change, effect) in model.into_iter().chain(context).chain(request) {
            let mut changed = base.clone();
            change(&mut changed);
            let (before, now) = (base.config(), changed.config());
            assert_eq!(before != now, effect != Elsewhere, "{name}: recorded");
            let (before_key, now_key) = (key(before.clone()), key(now.clone()));
            assert_eq!(before_key.fingerprint() != now_key.fingerprint(), effect == Keyed, "{name}: keyed");
            assert_eq!(before_key.differences(&now_key).is_empty(), effect != Keyed, "{name}: named");
            // What is recorded tells two runs apart and comes back from a file.
            let header = |config: Config| Header { config, ..Header::default() };
            let differences = header(before).differences(&header(now.clone()));
            assert_eq!(differences.is_empty(), effect == Elsewhere, "{name}: {differences:?}");
            let mut row = crate::report::Flat::from(&header(now.clone()));
            row.schema_version = Some(crate::record::SCHEMA_VERSION);
            let back = row.header().map_err(|_| ()).expect("our own row").config;
            assert_eq!(back, now, "{name}: in a row");
        }
    }

    #[test]
    fn devices_are_recorded() {
        let backend = Backend::init().unwrap();
        let devices = backend.devices();
        let of = |devices: Vec<Device>| {
            let model = ModelParams::default().devices(devices);
            config(&model, &ContextParams::default(), &crate::bench::plan::tests::request()).devices
        };
        assert_eq!(of(Vec::new()), "auto");
        assert_eq!(of(devices[..1].to_vec()), devices[0].name());
    }

    #[test]
    fn masks_are_hexadecimal_with_the_first_cpu_lowest() {
        assert_eq!(mask(&[]), "0x0");
        assert_eq!(mask(&[true, true]), "0x3");
        assert_eq!(mask(&[false, false, false, false, true, false, true]), "0x50");
    }
}
