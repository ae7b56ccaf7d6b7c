//! Model parameters as llama.cpp takes them.

use std::{ffi::CString, ptr};

use super::{
    Backend, Device, LazyMode, LlamaError, LoadMode, ModelParams, SplitMode, checks, kv_overrides,
    origin::Origin,
    overrides::{self, Overrides},
    sys,
};

impl ModelParams {
    /// Whether these values can be used on this machine, as far as that is known before a model is loaded: the others
    /// depend on the model.
    ///
    /// # Errors
    /// A value that llama.cpp has no use for, a pattern that is not a valid regular expression, a device or a buffer type
    /// that is not there.
    pub fn check(&self, backend: &Backend) -> Result<(), LlamaError> {
        checks::model_params(self)?;
        self.check_main_gpu(backend)?;
        overrides::asked(backend, self).map(drop)
    }
}

/// The arrays that raw parameters point into.
pub(super) struct Arguments {
    devices: Vec<sys::ggml_backend_dev_t>,
    tensor_split: Vec<f32>,
    overrides: Vec<sys::llama_model_tensor_buft_override>,
    kv_overrides: Vec<sys::llama_model_kv_override>,
    _patterns: Vec<(CString, sys::ggml_backend_buffer_type_t)>,
    unmatched: Vec<String>,
}

impl Arguments {
    pub(super) fn new(backend: &Backend, origin: &Origin, params: &ModelParams) -> Result<Self, LlamaError> {
        checks::model_params(params)?;
        params.check_main_gpu(backend)?;
        // SAFETY: no preconditions.
        let max_devices = unsafe { sys::llama_max_devices() };
        let mut tensor_split = params.tensor_split.clone();
        tensor_split.resize(max_devices, 0.0);

        let Overrides { patterns, unmatched } = Overrides::new(backend, origin, params)?;
        let mut overrides: Vec<_> = patterns
            .iter()
            .map(|(pattern, buft)| sys::llama_model_tensor_buft_override {
                pattern: pattern.as_ptr(),
                buft: *buft,
            })
            .collect();
        if !overrides.is_empty() {
            overrides
                .push(sys::llama_model_tensor_buft_override { pattern: ptr::null(), buft: ptr::null_mut() });
        }
        let mut devices: Vec<_> = params.devices.iter().map(Device::as_raw).collect();
        // In llama.cpp, a null pointer means all devices, and an empty list none.
        if !devices.is_empty() || params.no_devices {
            devices.push(ptr::null_mut());
        }
        let kv_overrides = kv_overrides::raw(&params.kv_overrides);
        Ok(Self { devices, tensor_split, overrides, kv_overrides, _patterns: patterns, unmatched })
    }

    /// Overrides that name no tensor of the model.
    pub(super) fn into_unmatched(self) -> Vec<String> {
        self.unmatched
    }

    pub(super) fn raw(&self, params: &ModelParams) -> sys::llama_model_params {
        // SAFETY: no preconditions.
        let mut raw = unsafe { sys::llama_model_default_params() };
        raw.n_gpu_layers = params.n_gpu_layers;
        if !self.devices.is_empty() {
            raw.devices = self.devices.as_ptr().cast_mut();
        }
        if !self.overrides.is_empty() {
            raw.tensor_buft_overrides = self.overrides.as_ptr();
        }
        if !self.kv_overrides.is_empty() {
            raw.kv_overrides = self.kv_overrides.as_ptr();
        }
        raw.tensor_split = self.tensor_split.as_ptr();
        raw.main_gpu = params.main_gpu;
        raw.split_mode = params.split_mode.as_raw();
        // There is nothing to map or to read lazily without memory for it; llama.cpp asserts as much.
        let load_mode = if params.no_alloc { LoadMode::None } else { params.load_mode };
        let lazy_mode = if params.no_alloc { LazyMode::Off } else { params.lazy_mode };
        raw.load_mode = load_mode.as_raw();
        raw.lazy_mode = lazy_mode.as_raw();
        raw.use_extra_bufts = params.use_extra_bufts;
        raw.no_host = params.no_host;
        raw.vocab_only = params.vocab_only;
        raw.no_alloc = params.no_alloc;
        raw.check_tensors = params.check_tensors;
        raw
    }
}

impl SplitMode {
    pub(super) fn as_raw(self) -> sys::llama_split_mode {
        match self {
            Self::None => sys::LLAMA_SPLIT_MODE_NONE,
            Self::Layer => sys::LLAMA_SPLIT_MODE_LAYER,
            Self::Row => sys::LLAMA_SPLIT_MODE_ROW,
            Self::Tensor => sys::LLAMA_SPLIT_MODE_TENSOR,
        }
    }
}

impl LoadMode {
    pub(super) fn as_raw(self) -> sys::llama_load_mode {
        match self {
            Self::Auto => sys::LLAMA_LOAD_MODE_AUTO,
            Self::None => sys::LLAMA_LOAD_MODE_NONE,
            Self::Mmap => sys::LLAMA_LOAD_MODE_MMAP,
            Self::Mlock => sys::LLAMA_LOAD_MODE_MLOCK,
            Self::MmapMlock => sys::LLAMA_LOAD_MODE_MMAP_MLOCK,
            Self::DirectIo => sys::LLAMA_LOAD_MODE_DIRECT_IO,
        }
    }
}

impl LazyMode {
    pub(super) fn as_raw(self) -> sys::llama_lazy_mode {
        match self {
            Self::Off => sys::LLAMA_LAZY_MODE_OFF,
            Self::Auto => sys::LLAMA_LAZY_MODE_AUTO,
            Self::On => sys::LLAMA_LAZY_MODE_ON,
        }
    }
}
