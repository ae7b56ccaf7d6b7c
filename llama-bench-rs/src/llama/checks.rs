//! What is checked before llama.cpp sees it, because llama.cpp would abort the process or throw.

use std::{
    collections::HashMap,
    ffi::CString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Backend, DeviceKind, KvOverride, LlamaError, ModelParams, SplitMode, at_exit, device::text,
    header_checks, kv_overrides, origin::Origin, sys,
};
use crate::{
    gguf::{GgufError, GgufFile, MAX_PARTS, TensorInfo, Value, part_path},
    units::text::cited,
};

pub(super) fn c_string(name: &'static str, value: impl Into<Vec<u8>>) -> Result<CString, LlamaError> {
    CString::new(value).map_err(|error| LlamaError::Parameter {
        name,
        value: cited(&String::from_utf8_lossy(&error.into_vec())),
        remedy: "it must not contain a NUL character".into(),
    })
}

/// Where paths are bytes, they go to C as they are.
pub(super) fn c_path(path: &Path) -> Result<CString, LlamaError> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    let bytes = path.to_string_lossy().into_owned().into_bytes();
    c_string("path", bytes)
}

/// The file is there, is a file, its header (with what is overridden in it) is sound, and so are the other parts of a split model. Returns the number
/// of positions that the model has learned one by one, `None` if it computes them: llama.cpp asserts that they are
/// enough while it computes.
pub(super) fn model_file(
    origin: &Origin,
    overrides: &[(String, KvOverride)],
) -> Result<Option<u32>, LlamaError> {
    let path = origin.named();
    if let Origin::File(path) = origin {
        let open = |source| LlamaError::Open { path: path.into(), source };
        if fs::metadata(path).map_err(open)?.is_dir() {
            let why = std::io::Error::new(
                std::io::ErrorKind::IsADirectory,
                "it is a folder: name the .gguf file in it",
            );
            return Err(open(why));
        }
    }
    let mut file = origin.header()?;
    if let Some(what) = other_than_a_model(&file) {
        return Err(LlamaError::NotAModel { path: path.into(), what });
    }
    kv_overrides::apply(&mut file, overrides)?;
    header_checks::check(path, &file)?;
    let number = |key: &str| file.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (n_parts, part) = (number("split.count"), number("split.no"));
    let mut positions = learned_positions(&file);
    for i in (0..n_parts.min(MAX_PARTS)).filter(|&i| i != part) {
        let other = part_path(path, i, n_parts).filter(|other| other.is_file()).ok_or_else(|| {
            let missing = part_path(path, i, n_parts).unwrap_or_else(|| format!("part {}", i + 1).into());
            LlamaError::SplitMissing { path: path.into(), n_parts, missing }
        })?;
        let other_file = header(&other)?;
        header_checks::check_tensors(&other, &other_file)?;
        positions = positions.or(learned_positions(&other_file));
    }
    Ok(positions)
}

/// The file and the other parts of a split model, as far as they are there.
pub(super) fn model_files(path: &Path) -> Result<Vec<PathBuf>, LlamaError> {
    let file = header(path)?;
    let number = |key: &str| file.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (n_parts, part) = (number("split.count"), number("split.no"));
    let others = (0..n_parts.min(MAX_PARTS)).filter(|&i| i != part);
    let others = others.filter_map(|i| part_path(path, i, n_parts)).filter(|other| other.is_file());
    Ok([path.to_owned()].into_iter().chain(others).collect())
}

/// What the file is, if it says that it is not a model. Files of before `general.type` show it by their architecture.
fn other_than_a_model(file: &GgufFile) -> Option<String> {
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    let what = match (text("general.type"), text("general.architecture")) {
        (Some("mmproj"), _) | (None, Some("clip")) => "a projector for images or sound (mmproj)",
        (Some("adapter"), _) => match text("adapter.type") {
            Some("control_vector") => "a control vector",
            _ => "an adapter (LoRA)",
        },
        (None, Some("controlvector")) => "a control vector",
        (Some("imatrix"), _) => "an importance matrix for quantising (imatrix)",
        (Some("model") | None, _) => return None,
        (Some(other), _) => return Some(format!("a file of type {}", cited(other))),
    };
    Some(what.into())
}

/// Rows of the table of positions, as GPT-2 has one.
fn learned_positions(file: &GgufFile) -> Option<u32> {
    let table = file.tensors.iter().find(|tensor| tensor.name == "position_embd.weight")?;
    Some(table.dims.get(1).map_or(1, |&rows| u32::try_from(rows).unwrap_or(u32::MAX)))
}

pub(super) fn header(path: &Path) -> Result<GgufFile, LlamaError> {
    GgufFile::open(path).map_err(|error| match error {
        GgufError::Io { source, .. } => LlamaError::Open { path: path.into(), source },
        error => LlamaError::File { path: path.into(), source: Box::new(error) },
    })
}

/// Values that llama.cpp would index with.
pub(super) fn model_params(params: &ModelParams) -> Result<(), LlamaError> {
    // SAFETY: no preconditions.
    let max_devices = unsafe { sys::llama_max_devices() };
    let refuse = |name, value: String, remedy: String| Err(LlamaError::Parameter { name, value, remedy });
    if params.tensor_split.len() > max_devices {
        let n = params.tensor_split.len().to_string();
        return refuse("tensor_split", n, format!("it may name at most {max_devices} devices"));
    }
    if let Some(share) = params.tensor_split.iter().find(|share| !share.is_finite() || **share < 0.0) {
        return refuse("tensor_split", share.to_string(), "shares are finite and not negative".into());
    }
    if params.main_gpu < 0 {
        return refuse("main_gpu", params.main_gpu.to_string(), "give the index of a device, from 0".into());
    }
    if params.devices.len() > max_devices {
        let n = params.devices.len().to_string();
        return refuse("devices", n, format!("llama.cpp was built for at most {max_devices}"));
    }
    if params.no_devices && !params.devices.is_empty() {
        return refuse("no_devices", true.to_string(), "it excludes a list of devices: leave one out".into());
    }
    for (i, device) in params.devices.iter().enumerate() {
        if params.devices[..i].contains(device) {
            return refuse("devices", device.name(), "name each device once".into());
        }
        // llama.cpp leaves these out of its own choice, but not out of a list, and then computes with null pointers.
        let on_host = matches!(device.kind(), DeviceKind::Cpu | DeviceKind::Accel);
        if on_host && params.split_mode == SplitMode::Tensor {
            let remedy =
                "split mode tensor spreads a model over GPUs: name those, or take another split mode";
            return refuse("devices", device.name(), remedy.into());
        }
    }
    if params.n_cpu_moe > 4096 {
        return refuse("n_cpu_moe", params.n_cpu_moe.to_string(), "no model has that many layers".into());
    }
    Ok(())
}

/// The names of the tensors in all parts of a model that [`model_file`] has looked at.
pub(super) fn tensor_names(origin: &Origin) -> Result<Vec<String>, LlamaError> {
    Ok(all_tensors(origin)?.into_iter().map(|tensor| tensor.name).collect())
}

/// The tensors in all parts of a model that [`model_file`] has looked at, by name.
pub(super) fn tensors(origin: &Origin) -> Result<HashMap<String, TensorInfo>, LlamaError> {
    Ok(all_tensors(origin)?.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect())
}

fn all_tensors(origin: &Origin) -> Result<Vec<TensorInfo>, LlamaError> {
    let (path, file) = (origin.path(), origin.header()?);
    let number = |key: &str| file.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (n_parts, part) = (number("split.count"), number("split.no"));
    let others = (0..n_parts.min(MAX_PARTS)).filter(|&i| i != part);
    let others: Vec<_> = others.filter_map(|i| part_path(path, i, n_parts)).collect();
    let mut tensors = file.tensors;
    for other in others {
        tensors.extend(header(&other)?.tensors);
    }
    Ok(tensors)
}

/// The buffer type of this name on any device.
pub(super) fn buffer_type(
    backend: &Backend,
    name: &str,
) -> Result<sys::ggml_backend_buffer_type_t, LlamaError> {
    let mut known = Vec::new();
    for device in backend.devices() {
        let _inside = at_exit::enter();
        // SAFETY: a registered device; its buffer type and that's name live as long as it, thus as long as `_inside`.
        let (buffer_type, buffer_name) = unsafe {
            let buffer_type = sys::ggml_backend_dev_buffer_type(device.as_raw());
            (
                buffer_type,
                if buffer_type.is_null() {
                    String::new()
                } else {
                    text(sys::ggml_backend_buft_name(buffer_type))
                },
            )
        };
        if buffer_name == name {
            return Ok(buffer_type);
        }
        known.push(buffer_name);
    }
    Err(LlamaError::UnknownBufferType { name: name.into(), known: known.join(", ") })
}
