//! Loading a model from its file.

use std::{
    ffi::c_void,
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    sync::OnceLock,
    time::Instant,
};

use super::{
    Backend, LlamaError, Model, ModelParams, at_exit, checks,
    context::with_exception,
    hooks, kv_overrides, log, lora,
    model::{Inner, Made, RawModel},
    model_arguments::Arguments,
    model_facts::Facts,
    model_metadata::metadata,
    origin::Origin,
    refusals, stream, sys,
};

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
        checks::model_file(&path.as_ref().into(), &[]).map(drop)
    }

    /// The files that a model consists of: the one named, and the other parts of a split model.
    ///
    /// # Errors
    /// The file is missing or its header is damaged.
    pub fn files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, LlamaError> {
        checks::model_files(path.as_ref())
    }

    /// [`load_with`](Self::load_with), reporting to `progress` how far it is. `false` stops the load.
    ///
    /// # Errors
    /// As `load_with`; [`LlamaError::Cancelled`] if `progress` stopped it. A panic of `progress` stops the load and
    /// goes on after it.
    pub fn load_with_progress(
        path: impl AsRef<Path>,
        params: &ModelParams,
        progress: Progress<'_>,
    ) -> Result<Self, LlamaError> {
        Self::load_from(Origin::from(path.as_ref()), params, progress)
    }

    pub(super) fn load_from(
        origin: Origin,
        params: &ModelParams,
        progress: Progress<'_>,
    ) -> Result<Self, LlamaError> {
        Self::load_made(origin, None, params, progress)
    }

    /// A model, and how it came to be if it is synthetic.
    pub(super) fn load_made(
        origin: Origin,
        made: Option<Made>,
        params: &ModelParams,
        progress: Progress<'_>,
    ) -> Result<Self, LlamaError> {
        let backend = Backend::init()?;
        let learned_positions = checks::model_file(&origin, &params.kv_overrides)?;
        // A model without memory is what the fit tries, and what shows its needs afterwards.
        let fitted = match params.fit {
            Some(fit) if !params.no_alloc => Some(fit.choose(&backend, &origin, params)?),
            _ => None,
        };
        let params = fitted.as_ref().unwrap_or(params);
        let arguments = Arguments::new(&backend, &origin, params)?;
        let mut watch = Watch { progress, panic: None, stopped: false };
        let mut raw = arguments.raw(params);
        raw.progress_callback = Some(on_progress);
        raw.progress_callback_user_data = ptr::from_mut(&mut watch).cast();

        hooks::install();
        let start = Instant::now();
        // SAFETY: parameters whose arrays live in `arguments` and whose callback data lives in `watch`, both past the call.
        let (outcome, log) = unsafe { read(&origin, raw)? };
        let load_time = start.elapsed();
        let loaded = NonNull::new(outcome.model);
        // SAFETY: a model that was just loaded and that nobody else has.
        let loaded = loaded.map(|raw| unsafe { RawModel::owned(raw) });
        if let Some(panic) = watch.panic.or(outcome.panic) {
            drop(loaded);
            std::panic::resume_unwind(panic);
        }
        let Some(raw) = loaded else {
            if watch.stopped {
                return Err(LlamaError::Cancelled { what: "loading the model" });
            }
            let mut log = with_exception(log.complaints());
            if let Some(error) = outcome.error {
                log = format!("it could not be generated ({error}) {log}");
            }
            if let Some(refused) = refusals::of_load(params, &log) {
                return Err(refused);
            }
            let path = origin.named();
            return Err(if LlamaError::is_memory(&log) {
                LlamaError::OutOfMemory { what: format!("loading {}", path.display()), log }
            } else {
                LlamaError::Load { path: path.into(), log }
            });
        };
        // SAFETY: a live model.
        let (facts, metadata) = unsafe { (Facts::of(raw.as_ptr()), metadata(raw.as_ptr())) };
        let mut unmatched_overrides = arguments.into_unmatched();
        // What others got instead is not known.
        if hooks::has_log() {
            unmatched_overrides.extend(kv_overrides::unread(&params.kv_overrides, log.lines())?);
        }
        let architecture = metadata.get("general.architecture").map_or("", String::as_str);
        // SAFETY: the model was just loaded from this origin, and this function alone has it.
        let loras = unsafe { lora::load_all(raw.as_ptr(), &origin, architecture, params)? };
        Ok(Self::new(Inner {
            raw,
            origin,
            made,
            params: params.clone(),
            load_time: Some(load_time),
            offloaded_layers: facts.offloaded_layers().map(|layers| params.offloaded(layers)),
            learned_positions,
            unmatched_overrides,
            loras,
            metadata,
            weightless: OnceLock::new(),
            kind: OnceLock::new(),
            _backend: backend,
        }))
    }
}

/// What llama.cpp makes of a file or of a stream, and what it logs meanwhile.
///
/// # Safety
/// What `raw` points to lives past the call.
unsafe fn read(
    origin: &Origin,
    raw: sys::llama_model_params,
) -> Result<(stream::Outcome, log::Log), LlamaError> {
    Ok(match origin {
        Origin::File(path) => {
            let path = checks::c_path(path)?;
            // SAFETY: a NUL-terminated path; the caller vouches for the parameters.
            let (model, log) =
                log::capture(|| unsafe { sys::llama_sys_model_load_from_file(path.as_ptr(), raw) });
            (stream::Outcome { model, error: None, panic: None }, log)
        }
        Origin::Stream(stream) => {
            let mut reader = stream.reader();
            // SAFETY: the caller vouches for the parameters.
            log::capture(|| unsafe { stream::load(&mut reader, raw) })
        }
    })
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
