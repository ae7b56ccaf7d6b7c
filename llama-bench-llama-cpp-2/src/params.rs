//! Model parameters of `llama-cpp-2` in the words of `llama-bench-rs`.

use std::ffi::{CStr, CString, c_char};

use llama_bench_rs::llama::{Backend, Device, KvOverride, LlamaError, LoadMode, ModelParams, SplitMode};
use llama_cpp_2::model::params::{
    LLAMA_CPP_MAX_DEVICES, LlamaModelParams, LlamaSplitMode, kv_overrides::ParamOverrideValue,
};

use crate::refused;

/// How `llama-cpp-2` loads a model, as reports record it.
///
/// `llama-cpp-2` hides three things: whether memory-mapping is the default or was asked for, whether a list of devices
/// is empty or was never given, and the tensor split that `fit_params` chose. They count as their defaults here. Of a
/// loaded model, [`load`](crate::load) and [`adopt`](crate::adopt) know the first two, and refuse such a tensor split.
///
/// ```
/// use llama_bench_llama_cpp_2::{llama_bench_rs::llama::LoadMode, model_params};
/// use llama_cpp_2::model::params::LlamaModelParams;
///
/// let params = model_params(&LlamaModelParams::default().with_n_gpu_layers(20).with_use_mmap(false))?;
/// assert_eq!((params.n_gpu_layers, params.load_mode), (20, LoadMode::None));
/// # Ok::<(), llama_bench_llama_cpp_2::llama_bench_rs::llama::LlamaError>(())
/// ```
///
/// # Errors
/// Weights are left out (`vocab_only`, `no_alloc`), or a value cannot be recorded: `load_mtp`, more than 15 devices, text
/// that is not UTF-8 or has no end.
pub fn model_params(params: &LlamaModelParams) -> Result<ModelParams, LlamaError> {
    let flags = [
        ("vocab_only", params.vocab_only(), "load the model with its weights to measure it"),
        ("no_alloc", params.no_alloc(), "load the model with its weights to measure it"),
        ("load_mtp", params.load_mtp(), "a report cannot tell that more tensors were loaded: leave it out"),
    ];
    if let Some((name, _, remedy)) = flags.into_iter().find(|&(_, is_on, _)| is_on) {
        return Err(refused(name, true, remedy));
    }
    let split_mode = match params.split_mode() {
        Ok(LlamaSplitMode::None) => SplitMode::None,
        Ok(LlamaSplitMode::Layer) => SplitMode::Layer,
        Ok(LlamaSplitMode::Row) => SplitMode::Row,
        Ok(LlamaSplitMode::Tensor) => SplitMode::Tensor,
        Err(unknown) => return Err(refused("split_mode", unknown.0, "use a value of LlamaSplitMode")),
    };
    let load_mode = match (params.use_mmap(), params.use_mlock()) {
        (true, true) => LoadMode::MmapMlock,
        (true, false) => LoadMode::Auto,
        (false, true) => LoadMode::Mlock,
        (false, false) => LoadMode::None,
    };
    // llama-cpp-2 overrides places of tensors with this one alone.
    let overrides = params.tensor_buft_override_patterns().into_iter().map(|pattern| (pattern, "CPU".into()));
    Ok(ModelParams::default()
        .n_gpu_layers(params.n_gpu_layers())
        .main_gpu(params.main_gpu())
        .split_mode(split_mode)
        .load_mode(load_mode)
        .devices(devices(params)?)
        .tensor_buft_overrides(overrides.collect())
        .kv_overrides(kv_overrides(params)?))
}

/// The devices asked for; none for all.
fn devices(params: &LlamaModelParams) -> Result<Vec<Device>, LlamaError> {
    const NAME: &str = "devices";
    let indices = params.devices();
    if indices.len() >= LLAMA_CPP_MAX_DEVICES {
        // The list has room for as many, and none for its end: llama.cpp would read on.
        let remedy = format!("name at most {}", LLAMA_CPP_MAX_DEVICES - 1);
        return Err(refused(NAME, indices.len(), remedy));
    }
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    // Both count ggml's registry.
    let known = Backend::init()?.devices();
    let unknown = |index: usize| refused(NAME, index, format!("there are {} devices", known.len()));
    indices.into_iter().map(|index| known.get(index).copied().ok_or_else(|| unknown(index))).collect()
}

fn kv_overrides(params: &LlamaModelParams) -> Result<Vec<(String, KvOverride)>, LlamaError> {
    params.kv_overrides().into_iter().map(|(key, value)| kv_override(key, value)).collect()
}

fn kv_override(key: CString, value: ParamOverrideValue) -> Result<(String, KvOverride), LlamaError> {
    const NAME: &str = "kv_overrides";
    let key = key
        .into_string()
        .map_err(|error| refused(NAME, format!("{:?}", error.into_cstring()), "write keys in UTF-8"))?;
    let value = match value {
        ParamOverrideValue::Bool(is) => KvOverride::Bool(is),
        ParamOverrideValue::Float(x) => KvOverride::Float(x),
        ParamOverrideValue::Int(n) => KvOverride::Int(n),
        ParamOverrideValue::Str(chars) => {
            // llama.cpp would read past the end of a text without one.
            let remedy = "write texts in UTF-8, at most 127 bytes and a NUL";
            KvOverride::Str(text(&chars).ok_or_else(|| refused(NAME, &key, remedy))?)
        }
    };
    Ok((key, value))
}

/// A text in UTF-8 that ends within its room.
fn text(chars: &[c_char; 128]) -> Option<String> {
    let bytes = chars.map(|c| c.to_ne_bytes()[0]);
    CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn told(params: &LlamaModelParams) -> ModelParams {
        model_params(params).unwrap()
    }

    fn chars(text: &[u8]) -> [c_char; 128] {
        let mut chars = [0; 128];
        chars.iter_mut().zip(text).for_each(|(to, from)| *to = c_char::from_ne_bytes([*from]));
        chars
    }

    #[test]
    fn the_defaults_of_both_are_equal() {
        assert_eq!(told(&LlamaModelParams::default()), ModelParams::default());
    }

    #[test]
    fn every_setter_is_translated() {
        let params = LlamaModelParams::default;
        assert_eq!(told(&params().with_n_gpu_layers(7)), ModelParams::default().n_gpu_layers(7));
        assert_eq!(told(&params().with_main_gpu(1)), ModelParams::default().main_gpu(1));
        for (theirs, ours) in [
            (LlamaSplitMode::None, SplitMode::None),
            (LlamaSplitMode::Layer, SplitMode::Layer),
            (LlamaSplitMode::Row, SplitMode::Row),
            (LlamaSplitMode::Tensor, SplitMode::Tensor),
        ] {
            assert_eq!(told(&params().with_split_mode(theirs)), ModelParams::default().split_mode(ours));
        }
        for (mmap, mlock, ours) in [
            (true, true, LoadMode::MmapMlock),
            (true, false, LoadMode::Auto),
            (false, true, LoadMode::Mlock),
            (false, false, LoadMode::None),
        ] {
            let theirs = params().with_use_mmap(mmap).with_use_mlock(mlock);
            assert_eq!(told(&theirs), ModelParams::default().load_mode(ours), "{mmap} {mlock}");
        }
        let first = Backend::init().unwrap().devices()[0];
        let theirs = params().with_devices(&[0]).unwrap();
        assert_eq!(told(&theirs), ModelParams::default().devices(vec![first]));
    }

    #[test]
    fn tensors_kept_on_the_cpu_are_named() {
        let mut params = pin!(LlamaModelParams::default());
        params.as_mut().add_cpu_buft_override(c"blk\\.0\\.");
        params.as_mut().add_cpu_moe_override();
        let expected = [r"blk\.0\.", r"\.ffn_(up|down|gate)_(ch|)exps"].map(|it| (it.into(), "CPU".into()));
        assert_eq!(told(&params).tensor_buft_overrides, expected);
    }

    #[test]
    fn metadata_in_place_of_the_files_keeps_its_kind() {
        let mut params = pin!(LlamaModelParams::default());
        for (key, value) in [
            (c"a", ParamOverrideValue::Int(-5)),
            (c"b", ParamOverrideValue::Float(0.5)),
            (c"c", ParamOverrideValue::Bool(true)),
            (c"d", ParamOverrideValue::Str(chars(b"text"))),
        ] {
            params.as_mut().append_kv_override(key, value);
        }
        let expected = [
            ("a", KvOverride::Int(-5)),
            ("b", KvOverride::Float(0.5)),
            ("c", KvOverride::Bool(true)),
            ("d", KvOverride::Str("text".into())),
        ];
        assert_eq!(told(&params).kv_overrides, expected.map(|(key, value)| (key.into(), value)));
    }

    #[test]
    fn what_a_report_cannot_tell_is_refused_by_name() {
        let params = LlamaModelParams::default;
        let too_many = params().with_devices(&[0; LLAMA_CPP_MAX_DEVICES]).unwrap();
        for (params, said) in [
            (params().with_vocab_only(true), "vocab_only = true"),
            (params().with_no_alloc(true), "no_alloc = true"),
            (params().with_load_mtp(true), "load_mtp = true"),
            (too_many, "devices = 16 cannot be used: name at most 15"),
        ] {
            let refused = model_params(&params).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_text_without_an_end_is_refused() {
        for endless in [chars(&[b'x'; 128]), chars(b"\xff")] {
            let mut params = pin!(LlamaModelParams::default());
            params.as_mut().append_kv_override(c"general.name", ParamOverrideValue::Str(endless));
            let refused = model_params(&params).unwrap_err().to_string();
            assert!(refused.contains("kv_overrides = general.name"), "{refused}");
        }
        assert_eq!(text(&chars(&[b'x'; 127])), Some("x".repeat(127)));
    }
}
