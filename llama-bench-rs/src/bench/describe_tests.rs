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
        // What is recorded distinguishes two runs and is read back from a file.
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
