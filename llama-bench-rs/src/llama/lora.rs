//! LoRA adapters: small matrices that modify those of a model.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    ptr::NonNull,
};

use super::{
    Context, LlamaError, Model, ModelParams, SplitMode, checks, context::last_exception, header_checks, log,
    origin::Origin, sys,
};
use crate::{
    gguf::{GgufFile, TensorInfo, TensorType, Value},
    units::text::{cited, excerpt},
};

/// A LoRA adapter of a model, loaded with it ([`ModelParams::lora`]). It keeps the model alive.
///
/// `Send` and `Sync`, as its model is.
#[doc(alias = "llama_adapter_lora")]
#[derive(Clone)]
pub struct Lora {
    model: Model,
    index: usize,
}

/// What a model holds of an adapter. llama.cpp frees it with the model.
pub(super) struct Loaded {
    raw: NonNull<sys::llama_adapter_lora>,
    path: PathBuf,
}

/// Loads the adapters of a model that nobody else has yet: llama.cpp notes them in the model, which every context looks at
/// while it makes its graphs.
///
/// # Safety
/// `model` was just loaded from `origin` with these parameters, and no other thread knows it.
pub(super) unsafe fn load_all(
    model: *mut sys::llama_model,
    origin: &Origin,
    architecture: &str,
    params: &ModelParams,
) -> Result<Vec<Loaded>, LlamaError> {
    // A model without memory is loaded again and again to learn what it takes; adapters are not part of that.
    if params.lora.is_empty() || params.no_alloc {
        return Ok(Vec::new());
    }
    if params.vocab_only {
        let remedy = "a vocabulary alone has no matrices to adapt: load the model whole".into();
        return Err(LlamaError::Parameter {
            name: "lora",
            value: params.lora[0].display().to_string(),
            remedy,
        });
    }
    if matches!(params.split_mode, SplitMode::Row | SplitMode::Tensor) {
        let why = "rows of its matrices lie on several devices: take split mode layer or none";
        return Err(LlamaError::Unsupported { what: "adapting this model".into(), why: why.into() });
    }
    let tensors = checks::tensors(origin)?;
    params
        .lora
        .iter()
        .map(|path| {
            check(path, architecture, &tensors)?;
            let c_path = checks::c_path(path)?;
            // SAFETY: a live model that this thread alone has, and a NUL-terminated path; the file was checked.
            let (raw, log) =
                log::capture(|| unsafe { sys::llama_sys_adapter_lora_init(model, c_path.as_ptr()) });
            match NonNull::new(raw) {
                Some(raw) => Ok(Loaded { raw, path: path.clone() }),
                None => Err(refused(path, last_exception().unwrap_or_else(|| log.complaints()))),
            }
        })
        .collect()
}

fn refused(path: &Path, problem: String) -> LlamaError {
    LlamaError::Adapter { path: path.into(), problem }
}

/// Refuses what llama.cpp would assert, while it loads the file or while it builds a graph.
fn check(path: &Path, architecture: &str, model: &HashMap<String, TensorInfo>) -> Result<(), LlamaError> {
    let file = checks::header(path)?;
    let refused = |problem: String| Err(refused(path, problem));
    let text = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or("nothing");
    if (text("general.type"), text("adapter.type")) != ("adapter", "lora") {
        return refused(format!(
            "it says general.type = {} and adapter.type = {}: name a file with adapter and lora",
            excerpt(text("general.type")),
            excerpt(text("adapter.type"))
        ));
    }
    if text("general.architecture") != architecture {
        let (theirs, architecture) = (excerpt(text("general.architecture")), excerpt(architecture));
        return refused(format!("it is for models of architecture {theirs}, and this one is {architecture}"));
    }
    match file.get("adapter.lora.alpha") {
        Some(Value::F32(alpha)) if alpha.is_finite() => {}
        None => {}
        Some(other) => {
            return refused(format!("adapter.lora.alpha = {} is not a finite 32-bit number", other.shown()));
        }
    }
    if file.get("adapter.alora.invocation_tokens").is_some() {
        return refused(
            "it is to be active after certain tokens alone (aLoRA), which is not supported".into(),
        );
    }
    if file.get("split.count").is_some() {
        return refused("it is split into parts: join them".into());
    }
    pairs(&file, model).map_err(|problem| LlamaError::Adapter { path: path.into(), problem })
}

/// Each matrix of the file has its partner, and both fit the model's.
fn pairs(file: &GgufFile, model: &HashMap<String, TensorInfo>) -> Result<(), String> {
    let by_name: HashMap<_, _> = file.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut n_pairs = 0;
    for tensor in &file.tensors {
        let name = &tensor.name;
        if name.ends_with("_norm.weight") {
            continue; // llama.cpp ignores them
        }
        let Some((base, half)) = name.rsplit_once(".lora_").filter(|(_, half)| ["a", "b"].contains(half))
        else {
            return Err(format!("tensor {} ends neither in .lora_a nor in .lora_b", cited(name)));
        };
        let other = if half == "a" { "b" } else { "a" };
        let Some(partner) = by_name.get(format!("{base}.lora_{other}").as_str()) else {
            return Err(format!("{name} has no partner {base}.lora_{other}"));
        };
        let Some(adapted) = model.get(base).filter(|_| !base.contains(".lora_")) else {
            return Err(format!("{name} adapts {base}, which this model does not have"));
        };
        if half == "a" {
            check_pair(base, tensor, partner, adapted, model)?;
            n_pairs += 1;
        }
    }
    if n_pairs == 0 { Err("it adapts nothing".into()) } else { Ok(()) }
}

fn check_pair(
    base: &str,
    a: &TensorInfo,
    b: &TensorInfo,
    adapted: &TensorInfo,
    model: &HashMap<String, TensorInfo>,
) -> Result<(), String> {
    for tensor in [a, b] {
        if header_checks::has_no_product(tensor.tensor_type) {
            return Err(format!(
                "tensor {} is of type {}, which ggml cannot multiply by",
                tensor.name, tensor.tensor_type
            ));
        }
    }
    if adapted.tensor_type == TensorType::NVFP4 {
        return Err(format!("{base} of the model is of type NVFP4, which llama.cpp cannot adapt"));
    }
    let (a_dims, b_dims, dims) = (dims(a), dims(b), dims(adapted));
    // The table of tokens is looked up, not multiplied by: its halves are the other way round.
    let is_table = base == "token_embd.weight";
    if is_table && !model.contains_key("output.weight") {
        return Err(
            "token_embd.weight is the model's output too, and llama.cpp cannot adapt it as both".into()
        );
    }
    let [n_in, n_out] = if is_table { [b_dims[1], a_dims[1]] } else { [a_dims[0], b_dims[1]] };
    let ranks = if is_table { [a_dims[0], b_dims[0]] } else { [a_dims[1], b_dims[0]] };
    let is_right =
        [n_in, n_out] == dims[..2] && ranks[0] == ranks[1] && [&a_dims[2..], &b_dims[2..]] == [&dims[2..]; 2];
    if is_right {
        return Ok(());
    }
    Err(format!(
        "{base} of {:?} cannot be adapted by matrices of {:?} and {:?}: is it for another model?",
        adapted.dims, a.dims, b.dims
    ))
}

/// As ggml has them: four, and those that are not given are 1.
fn dims(tensor: &TensorInfo) -> [u64; 4] {
    std::array::from_fn(|i| tensor.dims.get(i).copied().unwrap_or(1))
}

impl Model {
    /// The LoRA adapters that it was loaded with, in the order of [`ModelParams::lora`]. They take effect only with
    /// [`Context::set_loras`].
    pub fn loras(&self) -> Vec<Lora> {
        (0..self.loaded_loras().len()).map(|index| Lora { model: self.clone(), index }).collect()
    }
}

impl Lora {
    /// The path it was loaded from.
    pub fn path(&self) -> &Path {
        &self.model.loaded_loras()[self.index].path
    }
}

impl fmt::Debug for Lora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lora").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Context {
    /// Applies these LoRA adapters from now on, each with a scale (1 as trained), instead of earlier ones; an empty list
    /// turns all off. Tokens in the memory were computed with the earlier ones: clear it to compute a whole text again.
    ///
    /// ```no_run
    /// use llama_bench_rs::llama::{Context, ContextParams, Model, ModelParams};
    ///
    /// let params = ModelParams::default().lora(vec!["adapter.gguf".into()]);
    /// let model = Model::load_with("model.gguf", &params)?;
    /// let mut context = Context::new(&model, &ContextParams::default())?;
    /// context.set_loras(&[(&model.loras()[0], 0.5)])?;
    /// # Ok::<(), llama_bench_rs::llama::LlamaError>(())
    /// ```
    ///
    /// # Errors
    /// An adapter belongs to another model or is named twice, a scale is not a finite number, or the context cannot be used.
    #[doc(alias = "llama_set_adapters_lora")]
    pub fn set_loras(&mut self, loras: &[(&Lora, f32)]) -> Result<(), LlamaError> {
        self.check_intact("llama_set_adapters_lora")?;
        let mut raw = Vec::new();
        for (lora, scale) in loras {
            let refuse = |name, value: String, remedy: &str| {
                Err(LlamaError::Parameter { name, value, remedy: remedy.into() })
            };
            if lora.model.as_raw() != self.model().as_raw() {
                let path = lora.path().display().to_string();
                return refuse(
                    "lora",
                    path,
                    "it was loaded with another model: take one of this context's model",
                );
            }
            if !scale.is_finite() {
                return refuse("scale", scale.to_string(), "give a finite number; 1 is as it was trained");
            }
            let pointer = lora.model.loaded_loras()[lora.index].raw.as_ptr();
            if raw.contains(&pointer) {
                return refuse("lora", lora.path().display().to_string(), "name each adapter once");
            }
            raw.push(pointer);
        }
        let mut scales: Vec<f32> = loras.iter().map(|(_, scale)| *scale).collect();
        // Its graphs change.
        self.synchronize()?;
        self.outputs.forget();
        // SAFETY: a live context without work under way, and as many adapters of its model as scales; the model, which
        // the context keeps alive, frees them.
        let done = unsafe {
            sys::llama_sys_set_adapters_lora(self.as_raw(), raw.as_mut_ptr(), raw.len(), scales.as_mut_ptr())
        };
        if done { Ok(()) } else { Err(self.broken_by("llama_set_adapters_lora")) }
    }
}
