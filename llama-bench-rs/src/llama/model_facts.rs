//! What llama.cpp keeps of a loaded model and shows through the shim alone.

use std::{ptr, slice};

use super::{Device, device::text, sys};

/// What became of a model's parameters.
pub(super) struct Facts(sys::llama_sys_model_facts);

impl Facts {
    /// # Safety
    /// `model` is a live model.
    pub(super) unsafe fn of(model: *const sys::llama_model) -> Self {
        let mut facts = sys::llama_sys_model_facts::default();
        // SAFETY: a live model, and a place to write to.
        unsafe { sys::llama_sys_model_facts_of(model, &mut facts) };
        Self(facts)
    }

    /// Layers on devices and layers in all, if there is a device to offload to.
    pub(super) fn offloaded_layers(&self) -> Option<(u32, u32)> {
        self.0.can_offload.then_some((self.0.n_offloaded, self.0.n_layers))
    }

    /// Whether every tensor has memory.
    pub(super) fn has_weights(&self) -> bool {
        self.0.has_weights
    }

    pub(super) fn n_tensors(&self) -> u32 {
        self.0.n_tensors
    }
}

/// The parameters that a model was loaded with. Pointers show whether there was something, and may not be followed
/// except for `tensor_split`.
///
/// # Safety
/// `model` is a live model.
pub(super) unsafe fn params(model: *const sys::llama_model) -> sys::llama_model_params {
    let mut params = sys::llama_model_params::default();
    // SAFETY: a live model, and a place to write to.
    unsafe { sys::llama_sys_model_params(model, &mut params) };
    params
}

/// The shares of the devices; empty if none were given.
///
/// # Safety
/// `params` are those of a live model, as [`params`] returned them.
pub(super) unsafe fn tensor_split(params: &sys::llama_model_params) -> Vec<f32> {
    if params.tensor_split.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, then as many numbers as llama.cpp takes devices, which the model keeps.
    unsafe { slice::from_raw_parts(params.tensor_split, sys::llama_max_devices()) }.to_vec()
}

/// The devices that a model is spread over.
///
/// # Safety
/// `model` is a live model.
pub(super) unsafe fn devices(model: *const sys::llama_model) -> Vec<Device> {
    // SAFETY: no preconditions.
    let mut raw = vec![ptr::null_mut(); unsafe { sys::llama_max_devices() }];
    // SAFETY: a live model, and room for as many devices as it says.
    let n = unsafe { sys::llama_sys_model_devices(model, raw.as_mut_ptr(), raw.len() as u32) };
    raw.into_iter().take(n as usize).filter_map(Device::new).collect()
}

/// A tensor of a loaded model.
pub(super) struct Tensor<'a> {
    pub(super) name: String,
    /// ggml's number of the type.
    pub(super) tensor_type: sys::ggml_type,
    pub(super) n_elements: u64,
    /// The data as the file has it, if the host can read it so.
    pub(super) data: Option<&'a [u8]>,
}

/// The tensor of this index; `None` if there are fewer.
///
/// # Safety
/// `model` is a live model that stays unchanged for `'a`.
pub(super) unsafe fn tensor<'a>(model: *const sys::llama_model, i: u32) -> Option<Tensor<'a>> {
    let mut raw = sys::llama_sys_model_tensor::default();
    // SAFETY: a live model, and a place to write to; the index is checked there.
    if !unsafe { sys::llama_sys_model_tensor_at(model, i, &mut raw) } {
        return None;
    }
    // SAFETY: a NUL-terminated name of the model.
    let name = unsafe { text(raw.name) };
    let data = (!raw.data.is_null()).then(|| {
        // SAFETY: not null, then as many bytes in the host's memory, which nothing writes to after loading.
        unsafe { slice::from_raw_parts(raw.data.cast::<u8>(), raw.n_bytes) }
    });
    Some(Tensor { name, tensor_type: raw.type_, n_elements: raw.n_elements, data })
}
