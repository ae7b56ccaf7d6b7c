use std::{
    collections::BTreeMap,
    ffi::{c_char, c_void},
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use super::{
    Backend, Context, ContextParams, DeviceMemory, LlamaError, ModelParams, at_exit, checks,
    context::with_exception, device::text, kind::Kind, kv_overrides, log, lora, model_arguments::Arguments,
    model_metadata::metadata, sys,
};

/// A loaded model; clones share it, and it is freed with the last clone, context or vocabulary that uses it.
///
/// `Send` and `Sync`: llama.cpp never changes a model after loading, and its query functions only read. The two exceptions
/// are kept from happening: adapters are loaded with the model, and YaRN scaling other than the file's, which would change
/// the trained context, is asked for under another name (a file whose own scaling is not a number is refused).
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    raw: NonNull<sys::llama_model>,
    path: PathBuf,
    params: ModelParams,
    load_time: Duration,
    offloaded_layers: Option<(u32, u32)>,
    learned_positions: Option<u32>,
    unmatched_overrides: Vec<String>,
    loras: Vec<lora::Loaded>,
    metadata: BTreeMap<String, String>,
    /// The same without weights, once somebody asked what a context takes.
    weightless: OnceLock<Option<Model>>,
    /// Set by the first context.
    kind: OnceLock<Kind>,
    _backend: Backend,
}

// SAFETY: a llama_model is immutable after loading and tied to no thread (see Model).
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: loaded once, freed once; contexts hold an Arc of this, so none is left.
        log::capture(|| unsafe { sys::llama_model_free(self.raw.as_ptr()) });
    }
}

/// Receives how far loading is, from 0 to 1; returning `false` stops the load.
pub type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

impl Model {
    /// Loads a model from a GGUF file, or from the first part of a split one, with default parameters. The first load of
    /// a process initialises llama.cpp, as [`Backend::init`] does.
    ///
    /// If the weights are memory-mapped ([`LoadMode`](super::LoadMode)), do not truncate or overwrite the file while the
    /// model lives: the operating system ends a process that reads a missing page. Replace the file by a new one of the
    /// same name instead.
    ///
    /// ```
    /// use llama_bench_rs::{gguf::{Shape, Synthetic}, llama::Model};
    ///
    /// let path = Synthetic::new(Shape::preset("tiny-llama")?).cached()?;
    /// let model = Model::load(&path)?;
    /// assert_eq!((model.architecture(), model.n_layer()), ("llama", 4));
    /// # Ok::<(), llama_bench_rs::Error>(())
    /// ```
    ///
    /// # Errors
    /// The file is missing, malformed, of an unknown architecture or incomplete; memory ran out; or llama.cpp has no CPU
    /// backend.
    #[doc(alias = "llama_model_load_from_file")]
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LlamaError> {
        Self::load_with(path, &ModelParams::default())
    }

    /// [`load`](Self::load) with parameters, such as devices and how many layers go on them.
    ///
    /// # Errors
    /// As `load`; a parameter cannot be used.
    pub fn load_with(path: impl AsRef<Path>, params: &ModelParams) -> Result<Self, LlamaError> {
        Self::load_with_progress(path, params, &mut |_| true)
    }

    /// Finds what is wrong with a model file without loading it: whether it can be opened, its header and the place of
    /// every tensor are sound, and all parts of a split model are there. Takes milliseconds.
    ///
    /// # Errors
    /// What [`load`](Self::load) would say of the file.
    pub fn check_file(path: impl AsRef<Path>) -> Result<(), LlamaError> {
        checks::model_file(path.as_ref(), &[]).map(drop)
    }

    /// The files that a model consists of: the one named, and the other parts of a split model.
    ///
    /// # Errors
    /// The file is missing or its header is damaged.
    pub fn files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, LlamaError> {
        checks::model_files(path.as_ref())
    }

    /// [`load_with`](Self::load_with), telling `progress` how far it is. `false` stops the load.
    ///
    /// # Errors
    /// As `load_with`; [`LlamaError::Cancelled`] if `progress` stopped it. A panic of `progress` stops the load and
    /// goes on after it.
    pub fn load_with_progress(
        path: impl AsRef<Path>,
        params: &ModelParams,
        progress: Progress<'_>,
    ) -> Result<Self, LlamaError> {
        let backend = Backend::init()?;
        let path = path.as_ref();
        let learned_positions = checks::model_file(path, &params.kv_overrides)?;
        // A model without memory is what the fit tries, and what tells its needs afterwards.
        let fitted = match params.fit {
            Some(fit) if !params.no_alloc => Some(fit.choose(&backend, path, params)?),
            _ => None,
        };
        let params = fitted.as_ref().unwrap_or(params);
        let arguments = Arguments::new(&backend, path, params)?;
        let c_path = checks::c_path(path)?;
        let mut watch = Watch { progress, panic: None, stopped: false };
        let mut raw = arguments.raw(params);
        raw.progress_callback = Some(on_progress);
        raw.progress_callback_user_data = ptr::from_mut(&mut watch).cast();

        let start = Instant::now();
        // SAFETY: a NUL-terminated path, and parameters whose arrays live in `arguments` and whose callback data
        // lives in `watch`, both past the call.
        let (model, log) =
            log::capture(|| unsafe { sys::llama_sys_model_load_from_file(c_path.as_ptr(), raw) });
        let load_time = start.elapsed();
        if let Some(panic) = watch.panic {
            std::panic::resume_unwind(panic);
        }
        let Some(raw) = NonNull::new(model) else {
            return Err(if watch.stopped {
                LlamaError::Cancelled { what: "loading the model" }
            } else {
                let log = with_exception(log.complaints());
                if LlamaError::is_memory(&log) {
                    LlamaError::OutOfMemory { what: format!("loading {}", path.display()), log }
                } else {
                    LlamaError::Load { path: path.into(), log }
                }
            });
        };
        let mut inner = Inner {
            raw,
            path: path.into(),
            params: params.clone(),
            load_time,
            offloaded_layers: log.lines().find_map(offloaded).map(|layers| params.offloaded(layers)),
            learned_positions,
            unmatched_overrides: arguments.into_unmatched(),
            loras: Vec::new(),
            // SAFETY: a model that was just loaded.
            metadata: unsafe { metadata(raw.as_ptr()) },
            weightless: OnceLock::new(),
            kind: OnceLock::new(),
            _backend: backend,
        };
        let architecture = inner.metadata.get("general.architecture").map_or("", String::as_str);
        inner.unmatched_overrides.extend(kv_overrides::unread(&params.kv_overrides, log.lines())?);
        // SAFETY: the model was just loaded from this path, and this function alone has it.
        inner.loras = unsafe { lora::load_all(raw.as_ptr(), path, architecture, params)? };
        Ok(Self(Arc::new(inner)))
    }

    /// The adapters that it was loaded with.
    pub(super) fn loaded_loras(&self) -> &[lora::Loaded] {
        &self.0.loras
    }

    /// Positions that its table has rows for; `None` if it has no such table.
    pub(crate) fn learned_positions(&self) -> Option<u32> {
        self.0.learned_positions
    }

    /// What a context told of it.
    pub(super) fn known_kind(&self) -> &OnceLock<Kind> {
        &self.0.kind
    }

    pub(super) fn as_raw(&self) -> *mut sys::llama_model {
        self.0.raw.as_ptr()
    }

    /// The memory that a context of it would take, by device, without making one: weights are left out. `None` where
    /// llama.cpp does not tell.
    ///
    /// The first call reads the file's header again; the others are cheap.
    #[doc(alias = "llama_get_memory_breakdown")]
    pub fn memory_of_context(&self, params: &ContextParams) -> Option<BTreeMap<String, DeviceMemory>> {
        let weightless = match self.0.weightless.get() {
            Some(weightless) => weightless,
            None => {
                // Loading reaches subscribers of the log, who may ask the same: no lock is held meanwhile, and the first
                // one that is done counts.
                let params = self.params().clone().no_alloc(true);
                let loaded = Self::load_with(self.path(), &params).ok();
                self.0.weightless.get_or_init(|| loaded)
            }
        };
        let context = Context::new(weightless.as_ref()?, params).ok()?;
        let mut memory = context.memory_breakdown();
        memory.values_mut().for_each(|device| device.model_bytes = 0);
        memory.retain(|_, device| device.context_bytes + device.compute_bytes > 0);
        Some(memory)
    }

    /// The path it was loaded from.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The parameters it was loaded with.
    pub fn params(&self) -> &ModelParams {
        &self.0.params
    }

    /// Wall time of the load.
    pub fn load_time(&self) -> Duration {
        self.0.load_time
    }

    /// What was asked for and had no effect: patterns of [`tensor_buft_overrides`](ModelParams::tensor_buft_overrides)
    /// that name no tensor of this model, `n_cpu_moe = 4` for a model without experts, and keys of
    /// [`kv_overrides`](ModelParams::kv_overrides) that its architecture does not read.
    pub fn unmatched_overrides(&self) -> &[String] {
        &self.0.unmatched_overrides
    }

    /// Layers on devices and layers in all, the output layer counted, as llama.cpp logs them; `None` if the machine has
    /// no device to offload to.
    pub fn offloaded_layers(&self) -> Option<(u32, u32)> {
        self.0.offloaded_layers
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
        f.debug_struct("Model").field("path", &self.0.path).finish_non_exhaustive()
    }
}

struct Watch<'a> {
    progress: Progress<'a>,
    panic: Option<Box<dyn std::any::Any + Send>>,
    stopped: bool,
}

unsafe extern "C" fn on_progress(progress: f32, user_data: *mut c_void) -> bool {
    // SAFETY: points to the Watch of the load that is running on this thread, which nothing else uses meanwhile.
    let watch = unsafe { &mut *user_data.cast::<Watch<'_>>() };
    let call = std::panic::AssertUnwindSafe(|| (watch.progress)(progress));
    // If the process ends meanwhile, this never returns and no weights are loaded any more.
    match at_exit::outside(|| std::panic::catch_unwind(call)) {
        Ok(go_on) => {
            watch.stopped |= !go_on;
            go_on
        }
        Err(panic) => {
            watch.panic = Some(panic);
            false
        }
    }
}

/// Reads `offloaded 25/25 layers to GPU`.
fn offloaded(line: &str) -> Option<(u32, u32)> {
    let (done, all) = line.split_once("offloaded ")?.1.split_once(" layers")?.0.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_offloaded_layers_is_read_from_the_log() {
        assert_eq!(offloaded("load_tensors: offloaded 25/25 layers to GPU"), Some((25, 25)));
        assert_eq!(offloaded("load_tensors: offloading 24 repeating layers to GPU"), None);
    }
}
