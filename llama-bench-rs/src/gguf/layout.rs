//! Where everything lies in a synthetic model, and the bytes before its weights.

use std::path::Path;

use super::{
    GgufError, GgufFile, Synthetic, TensorInfo, TensorType, Value,
    file_type::{self, Facts},
    header, read,
    routing::Router,
    shape::ShapeTensor,
    vocabulary, weights,
};
use crate::units::text::{cited, excerpt};

/// The bytes before the data, and the tensors in it.
pub(super) struct Layout {
    pub(super) header: Vec<u8>,
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) size_bytes: u64,
    pub(super) router: Option<Router>,
    pub(super) seed: u64,
}

impl Layout {
    /// Refuses every shape that would not be a valid file.
    pub(super) fn new(synthetic: &Synthetic<'_>) -> Result<Self, GgufError> {
        let shape = &synthetic.shape;
        if let Some(problem) = &shape.unreadable {
            return Err(GgufError::NoShape { problem: problem.clone() });
        }
        let alignment = u64::from(read::DEFAULT_ALIGNMENT);
        let (tensors, data_bytes) = place(synthetic, alignment)?;
        let pairs = metadata(synthetic)?;
        let mut encoded = Vec::new();
        pairs.iter().for_each(|(key, value)| header::pair(&mut encoded, key, value));
        let header = header::header(pairs.len(), &encoded, &tensors, alignment);
        let router = Router::new(synthetic.routing, &tensors, shape.n_expert_used());
        let size_bytes = header.len() as u64 + data_bytes;
        // Names, keys, numbers of dimensions and the like are refused as they would be when the file is read.
        let checked = GgufFile::check_header(&header, size_bytes, Path::new(&shape.name));
        checked.map_err(|error| match error {
            GgufError::Malformed { problem, .. } => synthetic.impossible(problem.to_string()),
            error => error,
        })?;
        Ok(Self { header, tensors, size_bytes, router, seed: synthetic.seed })
    }
}

/// The tensors with their types and offsets, and the size of the data section in bytes.
fn place(synthetic: &Synthetic<'_>, alignment: u64) -> Result<(Vec<TensorInfo>, u64), GgufError> {
    let shape = &synthetic.shape;
    let facts = Facts { architecture: &shape.architecture, n_layer: shape.n_layer, n_expert: shape.n_expert };
    let types = file_type::tensor_types(synthetic.file_type, &facts, &shape.tensors);
    let mut tensors = Vec::with_capacity(types.len());
    let mut offset: u64 = 0;
    for (tensor, tensor_type) in shape.tensors.iter().zip(types) {
        let row = tensor.dims.first().copied().unwrap_or(1);
        let n = tensor.dims.iter().try_fold(1, |n: u64, &dim| n.checked_mul(dim));
        let n =
            n.ok_or_else(|| synthetic.impossible(format!("{} has too many elements", with_dims(tensor))))?;
        let size_bytes = tensor_type.size_bytes(row, n).filter(|&size| size > 0).ok_or_else(|| {
            synthetic.impossible(format!("{} does not fit {tensor_type} blocks", with_dims(tensor)))
        })?;
        if !weights::can_make(tensor_type) {
            return Err(synthetic.impossible(no_weights(&tensor.name, tensor_type)));
        }
        let (name, dims) = (tensor.name.clone(), tensor.dims.clone());
        tensors.push(TensorInfo { name, dims, tensor_type, offset, size_bytes });
        // No file system has files of 2^63 bytes.
        let end = offset.checked_add(size_bytes).and_then(|end| end.checked_next_multiple_of(alignment));
        offset = end.filter(|&end| end < 1 << 62).ok_or_else(|| {
            synthetic.impossible(format!("a file that holds {} would be too large", cited(&tensor.name)))
        })?;
    }
    Ok((tensors, offset))
}

fn metadata(synthetic: &Synthetic<'_>) -> Result<Vec<(String, Value)>, GgufError> {
    let shape = &synthetic.shape;
    let mut pairs = vec![
        ("general.architecture".to_owned(), Value::from(shape.architecture.as_str())),
        ("general.name".to_owned(), Value::from(format!("{} (synthetic)", shape.name))),
        ("general.file_type".to_owned(), Value::U32(synthetic.file_type.id())),
        ("general.quantization_version".to_owned(), Value::U32(2)),
    ];
    pairs.extend(shape.metadata.iter().filter(|(key, _)| key != "general.quantization_version").cloned());
    let tokenizer =
        pairs.iter().find(|(key, _)| key == "tokenizer.ggml.model").map(|(_, value)| value.as_str());
    let has_none = matches!(tokenizer, Some(Some("none" | "no_vocab")));
    if tokenizer.is_some() && !(has_none && synthetic.vocabulary) {
        return Ok(pairs);
    }
    // A shape may say how many tokens there are without saying which.
    let size = format!("{}.vocab_size", shape.architecture);
    pairs.retain(|(key, _)| key != "tokenizer.ggml.model" && *key != size);
    let n = shape.n_vocab;
    if !synthetic.vocabulary {
        pairs.extend(vocabulary::none(&shape.architecture, n));
    } else if n > vocabulary::MAX_TOKENS {
        let most = vocabulary::MAX_TOKENS;
        let reason = format!("a vocabulary has at most {most} tokens here and the model has {n}");
        return Err(synthetic.impossible(reason));
    } else if n >= vocabulary::MIN_TOKENS {
        pairs.extend(vocabulary::pieces(n));
    } else {
        let least = vocabulary::MIN_TOKENS;
        let reason = format!("a vocabulary needs at least {least} tokens and the model has {n}");
        return Err(synthetic.impossible(reason));
    }
    Ok(pairs)
}

/// A tensor for a message. A shape from parts has as many dimensions as its maker gave it.
fn with_dims(tensor: &ShapeTensor) -> String {
    format!("tensor {} of {}", cited(&tensor.name), excerpt(&format!("{:?}", tensor.dims)))
}

fn no_weights(name: &str, tensor_type: TensorType) -> String {
    format!(
        "tensor {} is of type {tensor_type}, of which no random weights can be made: name a file in another type",
        cited(name)
    )
}
