use std::{
    any::Any,
    collections::BTreeMap,
    ffi::c_char,
    path::{Path, PathBuf},
    ptr::NonNull,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    Backend, Context, ContextParams, Device, DeviceMemory, ModelParams, at_exit, device::text, kind::Kind,
    log, lora, model_facts, origin::Origin, rpc_graphs, sys,
};

/// A loaded model; clones share it, and it is freed with the last clone, context or vocabulary that uses it. One that
/// other code loaded is taken over by [`from_raw`](Self::from_raw).
///
/// `Send` and `Sync`: llama.cpp never changes a model after loading, and its query functions only read. The two exceptions
/// are kept from happening: adapters are loaded with the model, and YaRN scaling other than the file's, which would change
/// the trained context, is asked for under another name (a file whose own scaling is not a number is refused).
#[derive(Clone)]
pub struct Model(Arc<Inner>);

/// How a synthetic model came to be.
#[cfg_attr(not(feature = "measure"), allow(dead_code))] // for records
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// The file whose shape it has.
    pub(crate) like: Option<PathBuf>,
    /// Why it is in a file, if nobody asked for one.
    pub(crate) in_file: Option<&'static str>,
}

/// What a model holds, however it came to be.
pub(super) struct Inner {
    // Freed first; contexts hold an Arc of this, so none is left then.
    pub(super) raw: RawModel,
    pub(super) origin: Origin,
    /// `None` if it is not synthetic, as far as is known.
    pub(super) made: Option<Made>,
    pub(super) params: ModelParams,
    pub(super) load_time: Option<Duration>,
    pub(super) offloaded_layers: Option<(u32, u32)>,
    pub(super) learned_positions: Option<u32>,
    pub(super) unmatched_overrides: Vec<String>,
    pub(super) loras: Vec<lora::Loaded>,
    pub(super) metadata: BTreeMap<String, String>,
    /// The same without weights, once somebody asked what a context takes.
    pub(super) weightless: OnceLock<Option<Model>>,
    /// Set by the first context.
    pub(super) kind: OnceLock<Kind>,
    pub(super) _backend: Backend,
}

// SAFETY: a llama_model is immutable after loading and tied to no thread (see Model), and so are its adapters.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// A model of llama.cpp, and who frees it.
pub(super) struct RawModel {
    pointer: NonNull<sys::llama_model>,
    owner: Option<Box<dyn Any + Send + Sync>>,
}

impl RawModel {
    /// # Safety
    /// `pointer` is a live model that nobody else frees.
    pub(super) unsafe fn owned(pointer: NonNull<sys::llama_model>) -> Self {
        Self { pointer, owner: None }
    }

    /// # Safety
    /// `pointer` is a model that lives until `owner` is dropped.
    pub(super) unsafe fn of(pointer: NonNull<sys::llama_model>, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { pointer, owner: Some(owner) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_model {
        self.pointer.as_ptr()
    }
}

impl Drop for RawModel {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            // It calls llama.cpp, which must not be at its end.
            let _inside = at_exit::enter();
            drop(owner);
        } else {
            // SAFETY: made from a live model that nobody else frees, and dropped once.
            log::capture(|| unsafe { sys::llama_model_free(self.as_ptr()) });
            rpc_graphs::after_free();
        }
    }
}

impl Model {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The adapters that it was loaded with.
    pub(super) fn loaded_loras(&self) -> &[lora::Loaded] {
        &self.0.loras
    }

    /// Positions that its table has rows for; `None` if it has no such table.
    pub(crate) fn learned_positions(&self) -> Option<u32> {
        self.0.learned_positions
    }

    /// What a context said of it.
    pub(super) fn known_kind(&self) -> &OnceLock<Kind> {
        &self.0.kind
    }

    pub(super) fn as_raw(&self) -> *mut sys::llama_model {
        self.0.raw.as_ptr()
    }

    /// The memory that a context of it would take, by device, without making one: weights are left out. `None` if
    /// llama.cpp does not say.
    ///
    /// The first call reads the header again; the others are cheap.
    #[doc(alias = "llama_get_memory_breakdown")]
    pub fn memory_of_context(&self, params: &ContextParams) -> Option<BTreeMap<String, DeviceMemory>> {
        let context = self.context_without_memory(params)?;
        let mut memory = context.memory_breakdown();
        memory.values_mut().for_each(|device| device.model_bytes = 0);
        memory.retain(|_, device| device.context_bytes + device.compute_bytes > 0);
        Some(memory)
    }

    /// A context of the model without its weights, which takes no memory for its tokens either and cannot compute; `None` if
    /// llama.cpp cannot make it.
    pub(crate) fn context_without_memory(&self, params: &ContextParams) -> Option<Context> {
        let weightless = match self.0.weightless.get() {
            Some(weightless) => weightless,
            None => {
                // Loading reaches subscribers of the log, who may ask the same: no lock is held meanwhile, and the first
                // one that is done counts.
                let params = self.params().clone().no_alloc(true);
                let loaded = Self::load_from(self.0.origin.clone(), &params, &mut |_| true).ok();
                self.0.weightless.get_or_init(|| loaded)
            }
        };
        Context::new(weightless.as_ref()?, params).ok()
    }

    /// The path it was loaded from; of a model that was [streamed](Self::is_streamed), where its file would be.
    pub fn path(&self) -> &Path {
        self.0.origin.path()
    }

    /// Whether it is synthetic and was generated while it was loaded ([`load_synthetic`](Self::load_synthetic)): no file was
    /// read.
    pub fn is_streamed(&self) -> bool {
        matches!(self.0.origin, Origin::Stream(_))
    }

    /// How a synthetic model came to be, if it was loaded as one.
    #[cfg_attr(not(feature = "measure"), allow(dead_code))] // for records
    pub(crate) fn made(&self) -> Option<&Made> {
        self.0.made.as_ref()
    }

    /// The parameters it was loaded with.
    pub fn params(&self) -> &ModelParams {
        &self.0.params
    }

    /// Wall time of the load; `None` for a model that other code loaded ([`from_raw`](Self::from_raw)).
    pub fn load_time(&self) -> Option<Duration> {
        self.0.load_time
    }

    /// What was asked for and had no effect: patterns of [`tensor_buft_overrides`](ModelParams::tensor_buft_overrides)
    /// that name no tensor of this model, `n_cpu_moe = 4` for a model without experts, and keys of
    /// [`kv_overrides`](ModelParams::kv_overrides) that its architecture does not read.
    pub fn unmatched_overrides(&self) -> &[String] {
        &self.0.unmatched_overrides
    }

    /// Layers on devices and layers in all, the output layer counted; `None` if the machine has no device to
    /// offload to.
    pub fn offloaded_layers(&self) -> Option<(u32, u32)> {
        self.0.offloaded_layers
    }

    /// The devices that it is spread over, also those that hold none of its layers; without the CPU.
    pub(crate) fn devices(&self) -> Vec<Device> {
        // SAFETY: a live model.
        unsafe { model_facts::devices(self.as_raw()) }
    }

    /// llama.cpp's description, such as `gpt-oss 20B MXFP4 MoE`.
    #[doc(alias = "llama_model_desc")]
    pub fn description(&self) -> String {
        let mut buffer = [0 as c_char; 256];
        // SAFETY: a live model, and a buffer with its size; the result is NUL-terminated.
        unsafe {
            sys::llama_model_desc(self.as_raw(), buffer.as_mut_ptr(), buffer.len());
            text(buffer.as_ptr())
        }
    }

    /// The architecture, such as `gpt-oss`.
    pub fn architecture(&self) -> &str {
        self.metadata("general.architecture").unwrap_or_default()
    }

    /// A metadata value as text; arrays are not among them.
    #[doc(alias = "llama_model_meta_val_str")]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    /// All metadata but arrays, by key.
    pub fn metadata_iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Bytes of all tensors.
    #[doc(alias = "llama_model_size")]
    pub fn size_bytes(&self) -> u64 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_size(self.as_raw()) }
    }

    /// Number of parameters.
    #[doc(alias = "llama_model_n_params")]
    pub fn n_params(&self) -> u64 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_params(self.as_raw()) }
    }

    /// Number of layers, the output layer not counted.
    #[doc(alias = "llama_model_n_layer")]
    pub fn n_layer(&self) -> u32 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_layer(self.as_raw()) }.max(0) as u32
    }

    /// Width of the embeddings.
    #[doc(alias = "llama_model_n_embd")]
    pub fn n_embd(&self) -> u32 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_embd(self.as_raw()) }.max(0) as u32
    }

    /// Context that it was trained for, in tokens.
    #[doc(alias = "llama_model_n_ctx_train")]
    pub fn n_ctx_train(&self) -> u32 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_ctx_train(self.as_raw()) }.max(0) as u32
    }

    /// Width of the sliding window in tokens, 0 without one.
    #[doc(alias = "llama_model_n_swa")]
    pub fn n_swa(&self) -> u32 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_swa(self.as_raw()) }.max(0) as u32
    }

    /// Vocabulary size, in tokens.
    #[doc(alias = "llama_vocab_n_tokens")]
    pub fn n_vocab(&self) -> u32 {
        // SAFETY: a live model and its vocabulary.
        unsafe { sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(self.as_raw())) }.max(0) as u32
    }

    /// The token that begins a sequence, if the vocabulary adds one.
    #[doc(alias = "llama_vocab_bos")]
    pub fn bos(&self) -> Option<i32> {
        // SAFETY: a live model and its vocabulary.
        let (adds, token) = unsafe {
            let vocab = sys::llama_model_get_vocab(self.as_raw());
            (sys::llama_vocab_get_add_bos(vocab), sys::llama_vocab_bos(vocab))
        };
        (adds && (0..self.n_vocab() as i32).contains(&token)).then_some(token)
    }

    /// Whether it keeps a recurrent state alone, like Mamba.
    #[doc(alias = "llama_model_is_recurrent")]
    pub fn is_recurrent(&self) -> bool {
        // SAFETY: a live model.
        unsafe { sys::llama_model_is_recurrent(self.as_raw()) }
    }

    /// Whether it mixes attention with recurrent layers, like Jamba.
    #[doc(alias = "llama_model_is_hybrid")]
    pub fn is_hybrid(&self) -> bool {
        // SAFETY: a live model.
        unsafe { sys::llama_model_is_hybrid(self.as_raw()) }
    }

    /// The file type, such as `Q4_K - Medium`.
    #[doc(alias = "llama_ftype_name")]
    pub fn ftype_name(&self) -> String {
        // SAFETY: a live model; the name is a static string.
        unsafe { text(sys::llama_ftype_name(sys::llama_model_ftype(self.as_raw()))) }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("path", &self.path()).finish_non_exhaustive()
    }
}
