//! One model, two handles. The only `unsafe` of this crate.

use std::{
    ffi::c_void,
    ops::Deref,
    path::Path,
    ptr::{self, NonNull},
    sync::Arc,
};

use llama_bench_rs::llama::{Backend, LlamaError, LoadMode, Model, ModelParams};
use llama_cpp_2::{
    LlamaModelLoadError,
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
};

use crate::model_params;

/// Loads a model once, to infer with `llama-cpp-2` and to measure. Takes what `LlamaModel::load_from_file` takes.
///
/// The weights are freed with the last of both handles. While the measured one lives, `Arc::get_mut` gives no
/// `&mut LlamaModel`: to load a LoRA adapter, which takes one, load the model with `llama-cpp-2` and [`adopt`] it. If the
/// process ends meanwhile, it waits for the load.
///
/// ```no_run
/// use llama_bench_llama_cpp_2::{llama_bench_rs::testing::{guard, quick_sweep}, load};
/// use llama_cpp_2::{llama_backend::LlamaBackend, model::params::LlamaModelParams};
///
/// // In a test of the application.
/// let llama = LlamaBackend::init()?;
/// let (_, measured) = load(&llama, "model.gguf", &LlamaModelParams::default().with_n_gpu_layers(99))?;
/// guard("main", quick_sweep(&measured));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The file is missing, malformed or incomplete; memory ran out; the progress callback stopped the load; or a parameter
/// cannot be used, or cannot be recorded (see [`model_params`]).
#[doc(alias = "load_from_file")]
pub fn load(
    llama: &LlamaBackend,
    path: impl AsRef<Path>,
    params: &LlamaModelParams,
) -> Result<(Arc<LlamaModel>, Model), LlamaError> {
    let backend = Backend::init()?;
    let path = path.as_ref();
    let recorded = model_params(params)?;
    check(&backend, path, &recorded)?;
    backend.hold_during(|| {
        let model = LlamaModel::load_from_file(llama, path, params);
        let model = Arc::new(model.map_err(|error| explained(error, path, &recorded))?);
        // SAFETY: loaded above from that path with those parameters, of which `model_params` refuses those that leave out
        // the weights. The model does not change: that takes `&mut LlamaModel`, which a shared Arc gives nobody.
        let measured = unsafe { taken_over(Arc::clone(&model), path, recorded) }?;
        Ok((model, measured))
    })
}

/// Measures a model that `llama-cpp-2` has loaded: nothing is loaded again.
///
/// The owner may be an `Arc<LlamaModel>`, a `&'static LlamaModel`, a `Box<LlamaModel>`, or a type of the application that
/// dereferences to its model. It is kept until the last handle made from the result is dropped.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use llama_bench_llama_cpp_2::{adopt, llama_bench_rs::Sweep};
/// use llama_cpp_2::{llama_backend::LlamaBackend, model::{LlamaModel, params::LlamaModelParams}};
///
/// let (llama, params) = (LlamaBackend::init()?, LlamaModelParams::default());
/// let model = Arc::new(LlamaModel::load_from_file(&llama, "model.gguf", &params)?);
/// // SAFETY: loaded above from that path with those parameters, and shared: nothing changes it.
/// let measured = unsafe { adopt(Arc::clone(&model), "model.gguf", &params) }?;
/// let report = Sweep::new(&measured).prompt(512).generate(32).run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The file is missing or belongs to another model, the parameters are not those of this model or cannot be recorded (see
/// [`model_params`]), or the model has no weights. The owner is dropped then.
///
/// # Safety
/// Until the owner is dropped, it leads to the same model, and nothing changes that: no LoRA adapter is loaded or freed, and
/// no context is made with a YaRN scale other than the file's.
pub unsafe fn adopt<O>(
    owner: O,
    path: impl AsRef<Path>,
    params: &LlamaModelParams,
) -> Result<Model, LlamaError>
where
    O: Deref<Target = LlamaModel> + Send + Sync + 'static,
{
    let recorded = model_params(params)?;
    // SAFETY: as the caller promises.
    Backend::init()?.hold_during(|| unsafe { taken_over(owner, path.as_ref(), recorded) })
}

/// # Safety
/// As [`adopt`]'s.
unsafe fn taken_over<O>(owner: O, path: &Path, mut recorded: ModelParams) -> Result<Model, LlamaError>
where
    O: Deref<Target = LlamaModel> + Send + Sync + 'static,
{
    let raw = raw(&owner)?;
    let owner = Arc::new(owner);
    loop {
        // SAFETY: a model of the llama.cpp that llama-bench-rs calls, since cargo lets one package link `llama`. How it was
        // loaded, and that the owner keeps it unchanged, is what the caller promises.
        let measured = unsafe { Model::from_raw(raw, Box::new(Arc::clone(&owner)), path, &recorded) };
        // What llama-cpp-2 does not reveal of its parameters, the model does.
        match measured {
            Err(LlamaError::Parameter { name: "load_mode", .. }) if recorded.load_mode == LoadMode::Auto => {
                recorded.load_mode = LoadMode::Mmap;
            }
            Err(LlamaError::Parameter { name: "devices", .. })
                if recorded.devices.is_empty() && !recorded.no_devices =>
            {
                recorded.no_devices = true;
            }
            measured => return measured,
        }
    }
}

/// What can be checked of parameters and file before llama.cpp sees them.
fn check(backend: &Backend, path: &Path, params: &ModelParams) -> Result<(), LlamaError> {
    params.check(backend)?;
    if params.kv_overrides.is_empty() {
        return Model::check_file(path);
    }
    // llama.cpp computes with what stands in place of the file's values, and may divide by it.
    without_weights(path, params).map(drop)
}

/// Loads all but the weights, by llama-bench-rs: it checks more than `llama-cpp-2`, and keeps what llama.cpp logs.
fn without_weights(path: &Path, params: &ModelParams) -> Result<Model, LlamaError> {
    Model::load_with(path, &params.clone().no_alloc(true))
}

/// `llama-cpp-2` says that there is no model, but not why.
fn explained(error: LlamaModelLoadError, path: &Path, params: &ModelParams) -> LlamaError {
    let log = match error {
        LlamaModelLoadError::NullResult => match without_weights(path, params) {
            Err(error) => return error,
            Ok(_) => "memory ran out, or the progress callback stopped it".into(),
        },
        error => error.to_string(),
    };
    LlamaError::Load { path: path.into(), log }
}

/// The `llama_model` of a `LlamaModel`.
///
/// `LlamaModel` is `repr(transparent)` over `Ptr`, and that over `NonNull` (model.rs and ptr.rs of llama-cpp-2 0.1.160).
/// Both fields are private, hence the exact version in the manifest. The compiler compares size, alignment and niche, and
/// the pointer is compared with the one that `Debug` prints.
fn raw(model: &LlamaModel) -> Result<NonNull<c_void>, LlamaError> {
    const {
        assert!(size_of::<LlamaModel>() == size_of::<NonNull<c_void>>());
        assert!(align_of::<LlamaModel>() == align_of::<NonNull<c_void>>());
        assert!(size_of::<Option<LlamaModel>>() == size_of::<NonNull<c_void>>());
    }
    // SAFETY: readable for the size of a pointer, which was asserted, and never null, which the niche says.
    let raw = unsafe { ptr::from_ref(model).cast::<NonNull<c_void>>().read() };
    if format!("{model:?}") == format!("LlamaModel {{ model: {raw:?} }}") {
        Ok(raw)
    } else {
        Err(LlamaError::Unsupported {
            what: format!("measuring {model:?}"),
            why: "LlamaModel has another layout than in llama-cpp-2 0.1.160: use that version".into(),
        })
    }
}
