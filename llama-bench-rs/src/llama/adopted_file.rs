//! Whether a file is the one that a model was loaded from.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{LlamaError, checks, model_facts::Tensor, sys};
use crate::{
    gguf::{GgufFile, TensorInfo, Value},
    units::text::{cited, excerpt},
};

/// Tensors whose data is compared: a few distinguish a model from one that was trained further, and reading all takes
/// long.
const SAMPLES: usize = 16;

/// Bytes compared of each.
const SAMPLE_BYTES: usize = 256;

/// Refuses a file of another model: other metadata, other tensors, or other weights in them.
pub(super) fn check(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    tensors: Vec<Tensor<'_>>,
) -> Result<(), LlamaError> {
    let other = |problem: String| LlamaError::OtherModel { path: path.into(), problem };
    let files = checks::model_files(path)?;
    let mut parts = Vec::new();
    for file in files {
        let header = checks::header(&file)?;
        parts.push((file, header));
    }
    if let Some((_, header)) = parts.first() {
        check_metadata(header, metadata).map_err(other)?;
    }
    let in_file: HashMap<&str, Place<'_>> = parts
        .iter()
        .flat_map(|(path, file)| {
            file.tensors.iter().map(move |info| (info.name.as_str(), Place { path, file, info }))
        })
        .collect();
    let mut places = Vec::new();
    for tensor in &tensors {
        let place = in_file.get(tensor.name.as_str());
        let place = place.ok_or_else(|| other(format!("it has no tensor {}", tensor.name)))?;
        let (elements, kind) = (place.info.n_elements(), place.info.tensor_type as sys::ggml_type);
        if (elements, kind) != (tensor.n_elements, tensor.tensor_type) {
            return Err(other(format!(
                "its {} has {elements} elements of type {}, the model's has {} of ggml's type {}",
                tensor.name, place.info.tensor_type, tensor.n_elements, tensor.tensor_type
            )));
        }
        if let Some(data) = tensor.data {
            places.push((place, data));
        }
    }
    let step = places.len().div_ceil(SAMPLES).max(1);
    for (place, data) in places.into_iter().step_by(step) {
        let data = &data[..data.len().min(SAMPLE_BYTES)];
        if !place.begins_with(data)? {
            return Err(other(format!("its {} has other weights", place.info.name)));
        }
    }
    Ok(())
}

/// A tensor in a file.
struct Place<'a> {
    path: &'a PathBuf,
    file: &'a GgufFile,
    info: &'a TensorInfo,
}

impl Place<'_> {
    fn begins_with(&self, data: &[u8]) -> Result<bool, LlamaError> {
        let mut in_file = vec![0; data.len()];
        let read = File::open(self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.file.data_offset + self.info.offset))?;
            file.read_exact(&mut in_file)
        });
        read.map_err(|source| LlamaError::Open { path: self.path.clone(), source })?;
        Ok(in_file == data)
    }
}

/// Values that llama.cpp keeps as text and prints in one way only.
fn check_metadata(file: &GgufFile, metadata: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in &file.metadata {
        let Some(text) = plain(value) else { continue };
        match metadata.get(key) {
            Some(loaded) if *loaded == text => {}
            Some(loaded) => {
                let (key, text, loaded) = (excerpt(key), cited(&text), cited(loaded));
                return Err(format!("it says {key} = {text}, the model says {loaded}"));
            }
            None => return Err(format!("it has a key {}, the model does not", excerpt(key))),
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            // What C ends early, and what was not UTF-8 in the file.
            (!text.contains('\0') && !text.contains(char::REPLACEMENT_CHARACTER)).then(|| text.clone())
        }
        Value::Bool(is) => Some(is.to_string()),
        Value::U8(n) => Some(n.to_string()),
        Value::I8(n) => Some(n.to_string()),
        Value::U16(n) => Some(n.to_string()),
        Value::I16(n) => Some(n.to_string()),
        Value::U32(n) => Some(n.to_string()),
        Value::I32(n) => Some(n.to_string()),
        Value::U64(n) => Some(n.to_string()),
        Value::I64(n) => Some(n.to_string()),
        // Fractions are rounded, and lists are not kept.
        _ => None,
    }
}
