//! Numbers and tensors that llama.cpp takes from a file without a look, and then divides by, dereferences, loops over
//! or aborts on while it computes, in threads where no assertion can be caught.

use std::path::Path;

use super::LlamaError;
use crate::gguf::{Array, GgufFile, TensorInfo, TensorType, Value};

/// Refuses what llama.cpp could not compute with.
pub(super) fn check(path: &Path, file: &GgufFile) -> Result<(), LlamaError> {
    check_tensors(path, file)?;
    let Some(architecture) = file.architecture() else { return Ok(()) };
    check_needed(path, file, architecture)?;
    match key_problem(file, architecture) {
        Some(Problem { key, value, remedy }) => {
            Err(LlamaError::Hyperparameter { path: path.into(), key, value, remedy })
        }
        None => Ok(()),
    }
}

/// The part of [`check`] that looks at each tensor alone, of any part of a split model.
pub(super) fn check_tensors(path: &Path, file: &GgufFile) -> Result<(), LlamaError> {
    let refused = |tensor: &TensorInfo, why: &str| {
        let problem = format!("is of type {}, {why}", tensor.tensor_type);
        Err(LlamaError::Tensor { path: path.into(), name: tensor.name.clone(), problem })
    };
    for tensor in &file.tensors {
        if has_no_product(tensor.tensor_type) && !tensor.name.ends_with("tid2eid.weight") {
            return refused(tensor, "which ggml cannot multiply by");
        }
        if tensor.tensor_type != TensorType::F32 && is_added_or_scaled_by(tensor) {
            return refused(tensor, "and ggml adds and scales by f32 alone");
        }
    }
    Ok(())
}

/// ggml has no dot product of these types with anything.
pub(super) fn has_no_product(kind: TensorType) -> bool {
    use TensorType as T;
    matches!(kind, T::Q8_1 | T::Q8_K | T::I8 | T::I16 | T::I32 | T::I64 | T::F64)
}

fn is_added_or_scaled_by(tensor: &TensorInfo) -> bool {
    const ENDS: &[&str] = &[
        ".bias",
        "norm.weight",
        "token_types.weight",
        "ssm_conv1d.weight",
        "ssm_a",
        "ssm_d",
        "shortconv.conv.weight",
    ];
    tensor.dims.len() == 1 || ENDS.iter().any(|end| tensor.name.ends_with(end))
}

/// Architectures whose state-space layers llama.cpp builds in one way.
const MAMBA: &[&str] =
    &["mamba", "mamba2", "jamba", "granitehybrid", "nemotron_h", "nemotron_h_moe", "falcon-h1"];

/// Tensors that llama.cpp calls optional and uses nevertheless, each beside the tensor that shows the kind of its
/// block.
fn needed(file: &GgufFile, architecture: &str) -> Vec<String> {
    match architecture {
        "t5" | "t5encoder" => ["enc", "dec"]
            .into_iter()
            .filter(|half| {
                file.tensors.iter().any(|tensor| tensor.name == format!("{half}.blk.0.attn_q.weight"))
            })
            .map(|half| format!("{half}.blk.0.attn_rel_b.weight"))
            .collect(),
        _ if MAMBA.contains(&architecture) => file
            .tensors
            .iter()
            .filter_map(|tensor| tensor.name.strip_suffix(".ssm_a"))
            .flat_map(|block| ["ssm_dt.bias", "ssm_conv1d.bias"].map(|bias| format!("{block}.{bias}")))
            .collect(),
        _ => Vec::new(),
    }
}

fn check_needed(path: &Path, file: &GgufFile, architecture: &str) -> Result<(), LlamaError> {
    // Those of a split model may lie in another part.
    if file.get("split.count").and_then(Value::as_u64).is_some_and(|n_parts| n_parts > 1) {
        return Ok(());
    }
    let has = |name: &String| file.tensors.iter().any(|tensor| tensor.name == *name);
    match needed(file, architecture).into_iter().find(|name| !has(name)) {
        Some(name) => {
            Err(LlamaError::Tensor { path: path.into(), name, problem: "is missing in its layer".into() })
        }
        None => Ok(()),
    }
}

/// A metadata key whose value cannot be used.
struct Problem {
    key: String,
    value: String,
    remedy: &'static str,
}

/// Architectures with layers that have no attention heads: a head count of 0 is one of theirs.
const HEADLESS: &[&str] =
    &["clip", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "wavtokenizer-dec"];

/// Keys whose value llama.cpp divides by, if the file has them.
const DIVISORS: &[&str] = &[
    "ssm.group_count",
    "ssm.time_step_rank",
    "wkv.head_size",
    "experts_per_group",
    "attention.indexer.kpool",
];

fn key_problem(file: &GgufFile, architecture: &str) -> Option<Problem> {
    let value = |key: &str| file.get(&format!("{architecture}.{key}"));
    let refused = |key: &str, value: String, remedy| {
        Some(Problem { key: format!("{architecture}.{key}"), value, remedy })
    };
    let told = |value: Option<&Value>| value.map_or("nothing", |_| "0").to_owned();
    let heads = value("attention.head_count");
    if !HEADLESS.contains(&architecture) && !heads.is_some_and(has_one_above_zero) {
        return refused("attention.head_count", told(heads), "attention needs at least one head");
    }
    let n_experts = value("expert_count").and_then(Value::as_u64).unwrap_or(0);
    let n_used = value("expert_used_count");
    if n_experts > 0 && !n_used.is_some_and(has_one_above_zero) {
        return refused("expert_used_count", told(n_used), "a token needs at least one of the experts");
    }
    if let Some(key) = DIVISORS.iter().find(|key| value(key).and_then(Value::as_u64) == Some(0)) {
        return refused(key, "0".into(), "it must be at least 1");
    }
    for (key, head) in [
        ("rope.dimension_count", "attention.key_length"),
        ("rope.dimension_count_swa", "attention.key_length_swa"),
    ] {
        let Some(n) = value(key).and_then(Value::as_u64) else { continue };
        if n == 0 || n % 2 == 1 {
            return refused(key, n.to_string(), "pairs of dimensions are rotated, and at least one pair");
        }
        let length = value(head).and_then(Value::as_u64).or_else(|| head_length(file, architecture));
        if length.is_some_and(|length| n > length) {
            return refused(key, n.to_string(), "no more dimensions are rotated than a head has");
        }
    }
    let prefix = format!("{architecture}.rope.");
    file.metadata.iter().find_map(|(key, value)| {
        let number = value.as_f64().filter(|_| key.starts_with(&prefix))?;
        // llama.cpp compares the factors with themselves while it makes a context, and takes one that is not a number
        // for a change: it then writes into the model that other contexts share. It computes with 32 bits.
        let remedy = "factors of rotary positions are finite numbers";
        (!(number as f32).is_finite()).then(|| Problem {
            key: key.clone(),
            value: number.to_string(),
            remedy,
        })
    })
}

/// Dimensions of a head, as stated or the width of the model over its heads; `None` if their number varies.
fn head_length(file: &GgufFile, architecture: &str) -> Option<u64> {
    let number = |key: &str| file.get(&format!("{architecture}.{key}")).and_then(Value::as_u64);
    number("attention.key_length")
        .or_else(|| number("embedding_length")?.checked_div(number("attention.head_count")?))
}

fn has_one_above_zero(value: &Value) -> bool {
    match value {
        Value::Array(Array::U32(numbers)) => numbers.iter().any(|&n| n > 0),
        Value::Array(Array::I32(numbers)) => numbers.iter().any(|&n| n > 0),
        Value::Array(_) => false,
        number => number.as_u64().is_some_and(|n| n > 0),
    }
}
