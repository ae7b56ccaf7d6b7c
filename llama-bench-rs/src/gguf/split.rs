//! Models that are split into several files.

use std::path::{Path, PathBuf};

use super::{GgufError, GgufFile, Value};

/// No model is published in more parts; a count beyond is damage.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// The path of another part, counted from 0: llama.cpp finds the parts by `NAME-00001-of-00004.gguf`.
pub(crate) fn part_path(path: &Path, i: u64, n_parts: u64) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(&format!("-of-{n_parts:05}.gguf"))?;
    let (prefix, _) = stem.rsplit_once('-')?;
    Some(path.with_file_name(format!("{prefix}-{:05}-of-{n_parts:05}.gguf", i + 1)))
}

/// The name of a model's file without its ending and, of a split model, without the number of the part.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = stem.rsplit_once("-of-").and_then(|(before, n_parts)| {
        let (name, part) = before.rsplit_once('-')?;
        (is_number(part) && is_number(n_parts)).then_some(name)
    });
    whole.map_or(stem.clone(), str::to_owned)
}

/// The header of a model: the metadata of its first part, and the tensors of all. Weights need not be there.
pub(super) fn whole_header(path: &Path) -> Result<GgufFile, GgufError> {
    let file = GgufFile::open_header(path)?;
    let number = |key: &str| file.get(key).and_then(Value::as_u64);
    let n_parts = number("split.count").unwrap_or(1).min(MAX_PARTS);
    if n_parts < 2 {
        return Ok(file);
    }
    let this = number("split.no").unwrap_or(0);
    let paths: Vec<PathBuf> = (0..n_parts)
        .map(|i| match part_path(path, i, n_parts) {
            _ if i == this => path.to_owned(),
            Some(other) => other,
            None => format!("part {} of {n_parts}", i + 1).into(),
        })
        .collect();
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for (i, other) in (0..n_parts).zip(&paths) {
        if i == this {
            parts.push(file.clone());
        } else if other.is_file() {
            parts.push(GgufFile::open_header(other)?);
        } else {
            missing.push(other.clone());
        }
    }
    if !missing.is_empty() {
        let holds = holds(&parts);
        return Err(GgufError::PartsMissing {
            path: path.to_owned(),
            part: this + 1,
            n_parts,
            missing,
            holds,
        });
    }
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or(file);
    whole.tensors.extend(parts.flat_map(|part| part.tensors));
    Ok(whole)
}

/// What these parts hold of the whole, and what the others would.
fn holds(parts: &[GgufFile]) -> String {
    let number = |key: &str| parts.iter().find_map(|part| part.get(key)?.as_u64());
    let n_found: usize = parts.iter().map(|part| part.tensors.len()).sum();
    let Some(n_all) = number("split.tensors.count") else {
        return format!("has {n_found} tensors, the others the rest");
    };
    let architecture = parts.iter().find_map(GgufFile::architecture).unwrap_or_default();
    let n_layers = number(&format!("{architecture}.block_count")).unwrap_or(0);
    let layer = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<u64>().ok();
    let found: Vec<u64> =
        parts.iter().flat_map(|part| &part.tensors).filter_map(|tensor| layer(&tensor.name)).collect();
    // Which layers begin elsewhere; one that is cut in two counts as here.
    let elsewhere: Vec<u64> = (0..n_layers).filter(|layer| !found.contains(layer)).collect();
    let layers = match &elsewhere[..] {
        [] => String::new(),
        [one] => format!(", among them layer {one}"),
        [first, .., last] => format!(", among them layers {first} to {last}"),
    };
    let n_others = n_all.saturating_sub(n_found as u64);
    let (has, others) = match parts.len() {
        1 => (format!("has {n_found} of {n_all} tensors"), "the others hold"),
        n => (format!("{n} parts that are there have {n_found} of {n_all} tensors"), "the missing ones hold"),
    };
    format!("{has}; {others} {n_others}{layers}")
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
