//! One row per cell: the fields of every file format, their order and their types.

mod disturbance;
mod from_record;
mod parameter;
mod row;
mod to_record;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::Counted;

pub use disturbance::FlatDisturbance;
pub(super) use from_record::keeps_out_of_joins;
use parameter::InRow;
pub use row::{FIELDS, Flat};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    Text,
    /// An integer that fits into 64 bits with sign.
    Int,
    /// An integer that may need all 64 bits: text in SQL, whose integers are signed.
    Wide,
    /// True or false in JSON, 1 or 0 in CSV and SQL, as llama-bench has it.
    Bool,
    /// A floating-point number.
    Float,
    /// An array or an object in JSON, the same as JSON text in CSV and SQL.
    Nested,
}

/// Whose field it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// llama-bench writes it in every format.
    LlamaBench,
    /// llama-bench writes it in JSON and JSONL only.
    LlamaBenchJson,
    /// This crate added it.
    Own,
}

/// A field of [`Flat`], a column of CSV and SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name in every format.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whose it is.
    pub origin: Origin,
    /// Its unit; `None` for text, and for what has none.
    pub unit: Option<&'static str>,
    /// What it holds, as the documentation of [`Flat`] has it.
    pub doc: &'static str,
}

/// What a cell times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlatKind {
    /// Prompt processing.
    Pp,
    /// Generation.
    Tg,
    /// Embedding.
    Embd,
}

/// The result of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// There are samples.
    Measured,
    /// Only a mean and a spread are known.
    Summarised,
    /// There is a reason instead of figures.
    Failed,
}

/// A repetition on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FlatSample {
    /// Its time.
    pub ns: u64,
    /// The time of each token; empty for pp and embd.
    pub steps_ns: Vec<u64>,
    /// When it began, counted from the start of the run.
    pub at_ns: Option<u64>,
    /// Time of the calibration loop just before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_ns: Option<u64>,
    /// What other programs took from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<FlatDisturbance>,
    /// When it began, since 1970 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_ns: Option<u64>,
    /// What the counters of energy showed around it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub energy: Vec<Counted>,
}

/// One chunk of the fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FlatCurvePoint {
    /// Tokens in the context before the chunk.
    pub n_depth: u32,
    /// Tokens in the chunk.
    pub n_tokens: u32,
    /// Its time.
    pub ns: u64,
    /// Whether it belongs to the warm-up.
    #[serde(default)]
    pub warmup: bool,
}

impl Flat {
    /// The values by name.
    pub(super) fn to_map(&self) -> serde_json::Result<Map<String, Value>> {
        match serde_json::to_value(self)? {
            Value::Object(map) => Ok(map),
            _ => Ok(Map::new()),
        }
    }

    /// The values with their fields, in the order of the files.
    pub(super) fn values(&self) -> serde_json::Result<Vec<(&'static Field, Value)>> {
        let mut map = self.to_map()?;
        Ok(FIELDS.iter().map(|f| (f, map.remove(f.name).unwrap_or(Value::Null))).collect())
    }
}

/// The value as CSV and SQL have it: numbers plain, booleans 1 or 0, nested ones as JSON text; `None` for null.
pub(super) fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_field_of_the_row_once() {
        let map = Flat::default().to_map().unwrap();
        let mut names: Vec<_> = FIELDS.iter().map(|f| f.name).collect();
        names.sort_unstable();
        let mut keys: Vec<_> = map.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(names, keys);
    }

    /// llama-bench's list of fields: a reordering of ours is noticed.
    #[test]
    fn llama_benchs_fields_come_first_and_in_its_order() {
        let theirs = "build_commit build_number cpu_info gpu_info backends model_filename model_type model_size \
            model_n_params n_batch n_ubatch n_threads cpu_mask cpu_strict poll type_k type_v n_gpu_layers n_cpu_moe \
            split_mode main_gpu no_kv_offload flash_attn devices tensor_split tensor_buft_overrides load_mode \
            lazy_mode embeddings no_op_offload no_host repack fit_target fit_min_ctx n_prompt n_gen n_depth \
            test_time avg_ns stddev_ns avg_ts stddev_ts samples_ns samples_ts";
        let ours: Vec<_> = FIELDS.iter().take_while(|f| f.origin != Origin::Own).map(|f| f.name).collect();
        assert_eq!(ours, theirs.split_whitespace().collect::<Vec<_>>());
        assert!(FIELDS[ours.len()..].iter().all(|f| f.origin == Origin::Own));
    }
}
