//! Models that other code has loaded.

use std::{any::Any, ffi::c_void, path::Path, ptr::NonNull, sync::OnceLock};

use super::{
    Backend, LlamaError, Model, ModelParams, adopted_file, adopted_params, checks, hooks,
    model::{Inner, RawModel},
    model_arguments::Arguments,
    model_facts::{self, Facts},
    model_metadata::metadata,
    origin::Origin,
};

impl Model {
    /// Takes over a model that other code of this program has loaded with the same llama.cpp; nothing is loaded again.
    /// `raw` is its `llama_model`, and `owner` keeps it loaded until dropped: the model drops it last, in whichever thread
    /// that happens, and here if this fails.
    ///
    /// `path` and `params` say what it was loaded from and how. They are compared with what llama.cpp and the file say,
    /// since records are made of them.
    ///
    /// # Errors
    /// The model has no weights ([`vocab_only`](ModelParams::vocab_only), [`no_alloc`](ModelParams::no_alloc)); `params`
    /// are not those it was loaded with, or are of no use without loading ([`fit`](ModelParams::fit),
    /// [`lora`](ModelParams::lora)); the file is missing, malformed, or not that of this model.
    ///
    /// # Safety
    /// `raw` points to a whole `llama_model` of the llama.cpp that this crate is linked to. Until `owner` is dropped it stays
    /// loaded, and nobody changes it: no LoRA adapter is loaded for it or freed, no training or context of a YaRN scale
    /// other than its own writes to it.
    #[doc(alias = "llama_model")]
    pub unsafe fn from_raw(
        raw: NonNull<c_void>,
        owner: Box<dyn Any + Send + Sync>,
        path: impl AsRef<Path>,
        params: &ModelParams,
    ) -> Result<Self, LlamaError> {
        // SAFETY: the caller says that it lives as long as the owner.
        let raw = unsafe { RawModel::of(raw.cast(), owner) };
        let path = path.as_ref();
        let backend = Backend::init()?;
        hooks::install();
        // SAFETY: a live model.
        let facts = unsafe { Facts::of(raw.as_ptr()) };
        adopted_params::check_weights(params, &facts)?;
        let origin = Origin::from(path);
        let learned_positions = checks::model_file(&origin, &params.kv_overrides)?;
        let arguments = Arguments::new(&backend, &origin, params)?;
        // SAFETY: a live model and its own parameters.
        let (loaded, split, devices, metadata) = unsafe {
            let loaded = model_facts::params(raw.as_ptr());
            let split = model_facts::tensor_split(&loaded);
            (loaded, split, model_facts::devices(raw.as_ptr()), metadata(raw.as_ptr()))
        };
        adopted_params::check(params, &loaded, &split, &devices)?;
        // SAFETY: a live model that nobody changes.
        let tensors = (0..facts.n_tensors()).filter_map(|i| unsafe { model_facts::tensor(raw.as_ptr(), i) });
        adopted_file::check(path, &metadata, tensors.collect())?;
        Ok(Self::new(Inner {
            raw,
            origin,
            made: None,
            params: params.clone(),
            load_time: None,
            offloaded_layers: facts.offloaded_layers().map(|layers| params.offloaded(layers)),
            learned_positions,
            unmatched_overrides: arguments.into_unmatched(),
            loras: Vec::new(),
            metadata,
            weightless: OnceLock::new(),
            kind: OnceLock::new(),
            _backend: backend,
        }))
    }
}

#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
