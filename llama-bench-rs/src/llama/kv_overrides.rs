//! Metadata of a model's file, replaced while it is loaded.

use std::ffi::c_char;

use super::{LlamaError, sys};
use crate::{
    gguf::{GgufFile, Value},
    units::text::{cited, excerpt},
};

/// A value that replaces one in a model's file (`llama_model_kv_override`); it must be of the same kind.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum KvOverride {
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text of at most 127 bytes.
    Str(String),
}

/// Bytes that llama.cpp has room for, without the end.
const MAX_BYTES: usize = 127;

impl KvOverride {
    fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::Str(_) => "a text",
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Int(n) => n.to_string(),
            Self::Float(x) => x.to_string(),
            Self::Bool(is) => is.to_string(),
            Self::Str(text) => cited(text),
        }
    }

    /// The value as the file would have it in the place of its own; `None` if it does not fit there.
    fn in_place_of(&self, value: Option<&Value>) -> Option<Value> {
        macro_rules! fits {
            ($kind:ident, $n:expr) => {
                (*$n).try_into().ok().map(Value::$kind)
            };
        }
        match (self, value) {
            // llama.cpp computes with 32 bits.
            (Self::Float(x), _) if !(*x as f32).is_finite() => None,
            (Self::Str(text), _) if text.len() > MAX_BYTES || text.contains('\0') => None,
            (Self::Int(n), Some(Value::U8(_))) => fits!(U8, n),
            (Self::Int(n), Some(Value::I8(_))) => fits!(I8, n),
            (Self::Int(n), Some(Value::U16(_))) => fits!(U16, n),
            (Self::Int(n), Some(Value::I16(_))) => fits!(I16, n),
            (Self::Int(n), Some(Value::I32(_))) => fits!(I32, n),
            (Self::Int(n), Some(Value::U64(_))) => fits!(U64, n),
            (Self::Int(n), Some(Value::I64(_))) => Some(Value::I64(*n)),
            (Self::Int(n), Some(Value::U32(_)) | None) => fits!(U32, n),
            (Self::Float(x), Some(Value::F64(_))) => Some(Value::F64(*x)),
            (Self::Float(x), Some(Value::F32(_)) | None) => Some(Value::F32(*x as f32)),
            (Self::Bool(is), Some(Value::Bool(_)) | None) => Some(Value::Bool(*is)),
            (Self::Str(text), Some(Value::String(_)) | None) => Some(Value::String(text.clone())),
            _ => None,
        }
    }
}

/// The header as it will be read, to be looked at as any other.
///
/// # Errors
/// A key or a value cannot take the place of what is in the file.
pub(super) fn apply(file: &mut GgufFile, overrides: &[(String, KvOverride)]) -> Result<(), LlamaError> {
    let mut seen = Vec::new();
    for (key, value) in overrides {
        let refuse = |remedy: String| {
            let value = format!("{} = {}", excerpt(key), value.told());
            Err(LlamaError::Parameter { name: "kv_overrides", value, remedy })
        };
        if key.is_empty() || key.len() > MAX_BYTES || key.contains('\0') {
            return refuse(format!("a key has 1 to {MAX_BYTES} bytes, none of them NUL"));
        }
        if key.starts_with("split.") {
            return refuse("the parts of a model are what they are: leave it out".into());
        }
        if seen.contains(&key) {
            return refuse("name each key once".into());
        }
        seen.push(key);
        let known = file.metadata.iter_mut().find(|(known, _)| known == key);
        let Some(replaced) = value.in_place_of(known.as_ref().map(|(_, value)| value)) else {
            let place = known
                .map_or("a finite 32-bit value, or a text of up to 127 bytes", |(_, value)| expected(value));
            return refuse(format!("the file has {place} there, and this is {}", value.kind()));
        };
        match known {
            Some((_, value)) => *value = replaced,
            None => file.metadata.push((key.clone(), replaced)),
        }
    }
    Ok(())
}

fn expected(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::String(_) => "a text (up to 127 bytes)",
        Value::F32(_) | Value::F64(_) => "a number with a fraction (finite in 32 bits)",
        Value::Array(_) => "a list, which cannot be replaced,",
        _ => "a whole number of few bits",
    }
}

/// The list as llama.cpp takes it, ended by an empty key; empty if there is nothing to override. Its strings were checked.
pub(super) fn raw(overrides: &[(String, KvOverride)]) -> Vec<sys::llama_model_kv_override> {
    let mut list: Vec<_> = overrides.iter().map(|(key, value)| entry(key, value)).collect();
    if !list.is_empty() {
        list.push(sys::llama_model_kv_override::default());
    }
    list
}

fn entry(key: &str, value: &KvOverride) -> sys::llama_model_kv_override {
    let mut entry = sys::llama_model_kv_override { key: chars(key), ..Default::default() };
    match value {
        KvOverride::Int(n) => {
            entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_INT;
            entry.__bindgen_anon_1.val_i64 = *n;
        }
        KvOverride::Float(x) => {
            entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_FLOAT;
            entry.__bindgen_anon_1.val_f64 = *x;
        }
        KvOverride::Bool(is) => {
            entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_BOOL;
            entry.__bindgen_anon_1.val_bool = *is;
        }
        KvOverride::Str(text) => {
            entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_STR;
            entry.__bindgen_anon_1.val_str = chars(text);
        }
    }
    entry
}

/// NUL-terminated: the text is shorter than the room.
fn chars(text: &str) -> [c_char; MAX_BYTES + 1] {
    let mut chars = [0; MAX_BYTES + 1];
    chars.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from as c_char);
    chars[MAX_BYTES] = 0;
    chars
}

/// The keys that the architecture did not read, by what was logged while a model was loaded.
///
/// # Errors
/// A value was of another kind than the architecture reads, and so had no effect.
pub(super) fn unread<'a>(
    overrides: &[(String, KvOverride)],
    log: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, LlamaError> {
    let (mut bad, mut used) = (None, Vec::new());
    for line in log {
        let Some((before, after)) = line.split_once("metadata override ") else { continue };
        match after.split('\'').nth(1) {
            Some(key) if before.contains("Bad") => bad = Some(key),
            Some(key) => used.push(key),
            None => {}
        }
    }
    if let Some((key, value)) = overrides.iter().find(|(key, _)| Some(key.as_str()) == bad) {
        let remedy =
            format!("the architecture reads a value of another kind there, and this is {}", value.kind());
        let value = format!("{} = {}", excerpt(key), value.told());
        return Err(LlamaError::Parameter { name: "kv_overrides", value, remedy });
    }
    let is_unread = |key: &&String| !used.contains(&key.as_str());
    Ok(overrides.iter().map(|(key, _)| key).filter(is_unread).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_became_of_an_override() {
        let used = "validate_override: Using metadata override (  int) 'llama.context_length' = 77";
        let bad = "validate_override: Warning: Bad metadata override type for key 'llama.x', expected float but got int";
        let overrides = ["llama.context_length", "llama.x"].map(|key| (key.to_owned(), KvOverride::Int(77)));
        let told = |lines: &[&'static str]| unread(&overrides, lines.iter().copied());
        assert_eq!(told(&[used]).unwrap(), ["llama.x"]);
        assert!(told(&[used, bad]).unwrap_err().to_string().contains("llama.x = 77"));
    }
}
