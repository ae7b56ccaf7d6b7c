//! Whether parameters are those that a model was loaded with.

use super::{Device, LazyMode, LlamaError, LoadMode, ModelParams, SplitMode, model_facts::Facts, sys};

fn refuse(name: &'static str, value: impl ToString, remedy: String) -> Result<(), LlamaError> {
    Err(LlamaError::Parameter { name, value: value.to_string(), remedy })
}

/// Refuses a model without weights, and parameters that only loading can follow.
pub(super) fn check_weights(params: &ModelParams, facts: &Facts) -> Result<(), LlamaError> {
    if params.vocab_only || params.no_alloc {
        let name = if params.vocab_only { "vocab_only" } else { "no_alloc" };
        return refuse(name, true, "a model without weights computes nothing: load it whole".into());
    }
    if !facts.has_weights() {
        let why = "it was loaded without weights (vocab_only or no_alloc): load it whole";
        return Err(LlamaError::Unsupported { what: "taking over this model".into(), why: why.into() });
    }
    if params.fit.is_some() {
        let remedy =
            "the model is loaded already: leave it out, and give the n_gpu_layers it was loaded with";
        return refuse("fit", "of a loaded model", remedy.into());
    }
    if let Some(adapter) = params.lora.first() {
        let remedy = "adapters are loaded together with a model: leave it out, or use Model::load_with";
        return refuse("lora", adapter.display(), remedy.into());
    }
    Ok(())
}

/// Refuses parameters that differ from those of the model.
pub(super) fn check(
    params: &ModelParams,
    loaded: &sys::llama_model_params,
    split: &[f32],
    devices: &[Device],
) -> Result<(), LlamaError> {
    // Without `..`: a parameter that is new in llama.cpp does not compile until it is looked at.
    let sys::llama_model_params {
        devices: device_list,
        tensor_buft_overrides,
        n_gpu_layers,
        split_mode,
        load_mode,
        lazy_mode,
        main_gpu,
        tensor_split: _, // in `split`
        progress_callback: _,
        progress_callback_user_data: _,
        kv_overrides,
        vocab_only: _, // a model without weights is refused
        check_tensors,
        use_extra_bufts,
        no_host,
        no_alloc: _, // as vocab_only
        load_mtp,
    } = *loaded;
    if load_mtp {
        let remedy = "layers that predict several tokens are not measured: load the model without them";
        return refuse("load_mtp", true, remedy.into());
    }
    same("n_gpu_layers", params.n_gpu_layers.max(-1), n_gpu_layers.max(-1))?;
    same("main_gpu", params.main_gpu, main_gpu)?;
    let named = |name: Option<&'static str>| name.unwrap_or("a mode that is not known here");
    let found = SplitMode::ALL.iter().find(|mode| mode.as_raw() == split_mode);
    same("split_mode", params.split_mode.name(), named(found.map(|mode| mode.name())))?;
    let found = LoadMode::ALL.iter().find(|mode| mode.as_raw() == load_mode);
    same("load_mode", params.load_mode.name(), named(found.map(|mode| mode.name())))?;
    let found = LazyMode::ALL.iter().find(|mode| mode.as_raw() == lazy_mode);
    same("lazy_mode", params.lazy_mode.name(), named(found.map(|mode| mode.name())))?;
    same("use_extra_bufts", params.use_extra_bufts, use_extra_bufts)?;
    same("no_host", params.no_host, no_host)?;
    same("check_tensors", params.check_tensors, check_tensors)?;
    same("tensor_split", shares(&params.tensor_split), shares(split))?;
    let some_or_none = |is_none: bool| if is_none { "none" } else { "some" };
    let overrides_none = params.tensor_buft_overrides.is_empty() && params.n_cpu_moe == 0;
    let loaded_none = tensor_buft_overrides.is_null();
    same("tensor_buft_overrides and n_cpu_moe", some_or_none(overrides_none), some_or_none(loaded_none))?;
    let loaded_none = kv_overrides.is_null();
    same("kv_overrides", some_or_none(params.kv_overrides.is_empty()), some_or_none(loaded_none))?;
    check_devices(params, device_list.is_null(), devices)
}

fn check_devices(params: &ModelParams, chosen_by_llama: bool, used: &[Device]) -> Result<(), LlamaError> {
    let asks_for_all = params.devices.is_empty() && !params.no_devices;
    if asks_for_all && chosen_by_llama {
        return Ok(());
    }
    // Over all of one device, llama.cpp makes another that stands for several.
    let stands_for_several = params.split_mode == SplitMode::Tensor;
    let asked = match params.split_mode {
        SplitMode::None => {
            params.devices.get(params.main_gpu.max(0) as usize).map_or(&[][..], std::slice::from_ref)
        }
        _ => &params.devices[..],
    };
    if asks_for_all || chosen_by_llama || (!stands_for_several && asked != used) {
        let asked = if asks_for_all { "all".into() } else { names(asked) };
        return same("devices", asked, if chosen_by_llama { "all".into() } else { names(used) });
    }
    Ok(())
}

fn names(devices: &[Device]) -> String {
    if devices.is_empty() {
        return "none".into();
    }
    devices.iter().map(Device::name).collect::<Vec<_>>().join(", ")
}

/// The shares without zeros at the end, which say nothing.
fn shares(split: &[f32]) -> String {
    let n = split.iter().rposition(|&share| share != 0.0).map_or(0, |last| last + 1);
    let shares: Vec<String> = split[..n].iter().map(f32::to_string).collect();
    if shares.is_empty() { "by free memory".into() } else { shares.join("/") }
}

fn same<T: PartialEq + ToString>(name: &'static str, asked: T, loaded: T) -> Result<(), LlamaError> {
    if asked == loaded {
        return Ok(());
    }
    let loaded = loaded.to_string();
    refuse(
        name,
        asked,
        format!("the model was loaded with {loaded}: give the parameters that it was loaded with"),
    )
}
