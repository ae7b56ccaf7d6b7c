//! One row per cell: the only place that knows which fields a file has, in which order and of which type.

mod disturbance;
mod from_record;
mod to_record;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use disturbance::FlatDisturbance;

use crate::{
    record::{DeviceInfo, DeviceMemory, GpuConditions, Method, Order, Placement, Rewind, Work},
    stats::{Stop, StoppingRule},
};

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
    /// What it holds, as the documentation of [`Flat`] has it.
    pub doc: &'static str,
}

/// Declares the row and its table of fields in one go, so that they cannot disagree.
macro_rules! row {
    ($( $(#[doc = $doc:literal])* $origin:ident $kind:ident $name:ident: $type:ty, )*) => {
        /// A cell with everything that is known about its run, as one flat row: what every file format holds.
        ///
        /// Times are in nanoseconds, sizes in bytes, counts in tokens or layers. Fields that llama-bench also
        /// writes come first, under its names, in its order and of its types. What is not known is `None`, or text or
        /// a list that is empty.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Flat { $( $(#[doc = $doc])* pub $name: $type, )* }

        /// Every field of a row in the order of the files: llama-bench's, then this crate's.
        pub const FIELDS: &[Field] = &[
            $( Field {
                name: stringify!($name),
                kind: Kind::$kind,
                origin: Origin::$origin,
                doc: concat!($($doc),*),
            }, )*
        ];
    };
}

row! {
    /// Commit of llama.cpp, seven hexadecimal digits in this crate's files; those of a checksum if it is not known.
    LlamaBench Text build_commit: String,
    /// Running build number of llama.cpp.
    LlamaBench Int build_number: Option<u32>,
    /// CPU model names, comma-separated.
    LlamaBench Text cpu_info: String,
    /// GPU descriptions, comma-separated.
    LlamaBench Text gpu_info: String,
    /// Registered backends, comma-separated.
    LlamaBench Text backends: String,
    /// Path of the model as given.
    LlamaBench Text model_filename: String,
    /// llama.cpp's description of the model.
    LlamaBench Text model_type: String,
    /// Bytes of all tensors.
    LlamaBench Int model_size: Option<u64>,
    /// Number of parameters.
    LlamaBench Int model_n_params: Option<u64>,
    /// Logical batch size, in tokens.
    LlamaBench Int n_batch: Option<u32>,
    /// Physical batch size, in tokens.
    LlamaBench Int n_ubatch: Option<u32>,
    /// Threads for generation.
    LlamaBench Int n_threads: Option<u32>,
    /// CPU affinity mask in hexadecimal.
    LlamaBench Text cpu_mask: String,
    /// Strict CPU placement.
    LlamaBench Bool cpu_strict: Option<bool>,
    /// Polling level of the thread pool, 0 to 100.
    LlamaBench Int poll: Option<u32>,
    /// ggml type of the K cache.
    LlamaBench Text type_k: String,
    /// ggml type of the V cache.
    LlamaBench Text type_v: String,
    /// GPU layers asked for; -1 for all.
    LlamaBench Int n_gpu_layers: Option<i32>,
    /// Layers whose experts stay on the CPU.
    LlamaBench Int n_cpu_moe: Option<u32>,
    /// How the model is split over devices.
    LlamaBench Text split_mode: String,
    /// Index of the main GPU.
    LlamaBench Int main_gpu: Option<i32>,
    /// The KV cache stays in host memory.
    LlamaBench Bool no_kv_offload: Option<bool>,
    /// Flash attention as asked for: -1 auto, 0 off, 1 on.
    LlamaBench Int flash_attn: Option<i32>,
    /// Devices asked for.
    LlamaBench Text devices: String,
    /// Share of each device.
    LlamaBench Text tensor_split: String,
    /// Tensor buffer overrides.
    LlamaBench Text tensor_buft_overrides: String,
    /// How the model file is loaded.
    LlamaBench Text load_mode: String,
    /// Lazy loading.
    LlamaBench Text lazy_mode: String,
    /// Embeddings are computed: always so in a test of embeddings (embd).
    LlamaBench Bool embeddings: Option<bool>,
    /// Host operations are not offloaded; an integer in llama-bench's files.
    LlamaBench Int no_op_offload: Option<i32>,
    /// The host buffer is bypassed.
    LlamaBench Bool no_host: Option<bool>,
    /// Weights may be repacked for the CPU.
    LlamaBench Bool repack: Option<bool>,
    /// MiB that layers on devices were chosen to leave free; 0 without a fit. `None` in a failed row: see
    /// [the module](crate::report#failed-cells).
    LlamaBench Int fit_target: Option<u64>,
    /// The context that had to fit beside the layers, in tokens; 0 without a fit.
    LlamaBench Int fit_min_ctx: Option<u32>,
    /// Prompt tokens of a repetition, for embd those of the text; 0 for tg.
    LlamaBench Int n_prompt: u32,
    /// Generated tokens of a repetition; 0 for pp and embd.
    LlamaBench Int n_gen: u32,
    /// Tokens in the context when the clock starts.
    LlamaBench Int n_depth: u32,
    /// When the cell began, in UTC (RFC 3339).
    LlamaBench Text test_time: String,
    /// Mean time of a repetition; `None` in a failed row.
    LlamaBench Int avg_ns: Option<u64>,
    /// Standard deviation of the times (n - 1); `None` for one sample, where llama-bench writes 0.
    LlamaBench Int stddev_ns: Option<u64>,
    /// Mean of the repetitions' rates, in tokens per second; `None` in a failed row.
    LlamaBench Float avg_ts: Option<f64>,
    /// Standard deviation of the rates (n - 1); `None` for one sample, where llama-bench writes 0.
    LlamaBench Float stddev_ts: Option<f64>,
    /// Time of each repetition.
    LlamaBenchJson Nested samples_ns: Vec<u64>,
    /// Rate of each repetition, in tokens per second; `None` where no time passed.
    LlamaBenchJson Nested samples_ts: Vec<Option<f64>>,

    /// Version of these fields; `None` in llama-bench's own files.
    Own Int schema_version: Option<u32>,
    /// Counts the runs of a file from 0; rows of one run follow each other.
    Own Int run: Option<u32>,
    /// What was timed.
    Own Text test_kind: Option<FlatKind>,
    /// Embeddings are computed in every test of the run, not in those of embeddings alone.
    Own Bool always_embeddings: Option<bool>,
    /// What came of the cell.
    Own Text outcome: Option<OutcomeKind>,
    /// A stable word for the reason of a failure; `cancelled` in a measured row that has fewer repetitions than asked.
    Own Text error_kind: Option<String>,
    /// The whole message of a failure, or after how many repetitions a measured cell was interrupted.
    Own Text error_message: Option<String>,
    /// Time of each token of each repetition; empty for pp and embd.
    Own Nested steps_ns: Vec<Vec<u64>>,
    /// The first step of a repetition, median over the repetitions; `None` for pp and embd. Derived from `steps_ns`.
    Own Int first_step_ns: Option<u64>,
    /// How many steps at the beginning of a repetition are slow; `None` if none were found. Derived from `steps_ns`.
    Own Int transient_steps: Option<u32>,
    /// How much longer the slow steps take together than as many steady ones; `None` if none were found. Derived from
    /// `steps_ns`.
    Own Int transient_excess_ns: Option<u64>,
    /// The steady step, median of all steps but the slow and the first ones; `None` for pp and embd. Derived from
    /// `steps_ns`.
    Own Int steady_step_ns: Option<u64>,
    /// When each repetition began, counted from the start of the run; empty if that is not known.
    Own Nested samples_at_ns: Vec<u64>,
    /// What the control work took just before each repetition, null where it was not run; empty if it never was.
    Own Nested samples_pace_ns: Vec<Option<u64>>,
    /// What other programs took from each repetition, null where nothing is known; empty if it never is.
    Own Nested samples_disturbance: Vec<Option<FlatDisturbance>>,
    /// Repetitions that were disturbed and repeated, kept apart from the samples.
    Own Nested set_aside: Vec<FlatSample>,
    /// The repetition straight after the live fill, kept apart from the samples.
    Own Nested live: Option<FlatSample>,
    /// How the context got back to the depth before each repetition.
    Own Text rewind: Option<Rewind>,
    /// Untimed repetitions before the first timed one.
    Own Int warmup_runs: Option<u32>,
    /// Whether the warm-up settled; `None` if that was not looked for.
    Own Bool warmup_settled: Option<bool>,
    /// What ended the repetitions; `None` if their number was fixed.
    Own Text stop: Option<Stop>,
    /// What each GPU did meanwhile.
    Own Nested conditions: Vec<GpuConditions>,
    /// Prompt tokens of the pg test that this cell is one half of.
    Own Int pg_prompt: Option<u32>,
    /// Generated tokens of that pg test.
    Own Int pg_gen: Option<u32>,
    /// Prompt speed while the context was filled, since the row before.
    Own Nested curve: Vec<FlatCurvePoint>,
    /// How depths are reached.
    Own Text method: Option<Method>,
    /// Seed of the random tokens.
    Own Wide seed: Option<u64>,
    /// Repetitions asked for; with a stopping rule, the most.
    Own Int n_reps: Option<u32>,
    /// The rule that ended the repetitions; `None` for a fixed number.
    Own Nested stopping: Option<StoppingRule>,
    /// In which order repetitions were run.
    Own Text rep_order: Option<Order>,
    /// Whether a warm-up was asked for.
    Own Bool warmup: Option<bool>,
    /// Which control work told the pace of the machine; `None` if that was not asked for.
    Own Int pace_version: Option<u32>,
    /// Threads for prompt processing.
    Own Int n_threads_batch: Option<u32>,
    /// Sliding-window layers keep the whole context.
    Own Bool swa_full: Option<bool>,
    /// Priority of the pool's threads, -1 (low) to 3 (realtime).
    Own Int prio: Option<i32>,
    /// Sequences that the context can hold apart.
    Own Int n_seq_max: Option<u32>,
    /// One KV buffer for all sequences.
    Own Bool kv_unified: Option<bool>,
    /// Every tensor's data was checked while loading.
    Own Bool check_tensors: Option<bool>,
    /// Order of repetitions asked for.
    Own Text rep_order_asked: Option<Order>,
    /// The same as `fit_target`, in failed rows too; `None` without a fit.
    Own Int fit_target_mib: Option<u64>,
    /// How threads are placed on NUMA nodes.
    Own Text numa: Option<String>,
    /// Pause before each test.
    Own Int delay_ns: Option<u64>,
    /// Whether flash attention was really used; `None` if it could not be told.
    Own Bool flash_attn_resolved: Option<bool>,
    /// Cells of the context, in tokens.
    Own Int n_ctx: Option<u32>,
    /// Layers placed on devices, the output layer counted.
    Own Int offloaded_layers: Option<u32>,
    /// Layers that could have been placed there.
    Own Int offloadable_layers: Option<u32>,
    /// Bytes used, by device or buffer type.
    Own Nested memory: BTreeMap<String, DeviceMemory>,
    /// The graph that was computed: nodes by operation, type, device and buffer of the weights, splits, and copies between
    /// devices; null if it is not known.
    Own Nested work: Option<Work>,
    /// Driver and library versions of the GPUs.
    Own Text driver: String,
    /// Every device that llama.cpp sees.
    Own Nested device_list: Vec<DeviceInfo>,
    /// Architecture of the model.
    Own Text model_architecture: String,
    /// Layers of the model.
    Own Int model_n_layer: Option<u32>,
    /// Context length it was trained for, in tokens.
    Own Int model_n_ctx_train: Option<u32>,
    /// Vocabulary size, in tokens.
    Own Int model_n_vocab: Option<u32>,
    /// Where the source of llama.cpp came from.
    Own Text build_source: String,
    /// Version of llama.cpp and of the package that carried it.
    Own Text build_version: String,
    /// C++ compiler.
    Own Text build_compiler: String,
    /// CMake options.
    Own Text build_cmake_options: String,
    /// Wall time of loading the model.
    Own Int load_ns: Option<u64>,
    /// Bytes of tensors loaded.
    Own Int load_bytes: Option<u64>,
    /// Where memory lay once the context was made, in bytes; `None` if the system does not tell.
    Own Nested placement: Option<Placement>,
    /// When the run began, in UTC (RFC 3339).
    Own Text run_started_at: String,
    /// The run up to this row, without loading the model.
    Own Int run_wall_ns: Option<u64>,
    /// Of it, making contexts.
    Own Int run_open_ns: Option<u64>,
    /// Of it, filling contexts.
    Own Int run_fill_ns: Option<u64>,
    /// Of it, coming back to depths.
    Own Int run_rewind_ns: Option<u64>,
    /// Of it, timed repetitions.
    Own Int run_timed_ns: Option<u64>,
    /// Of it, warming up.
    Own Int run_warmup_ns: Option<u64>,
    /// Smallest step seen between two readings of the clock.
    Own Int clock_resolution_ns: Option<u64>,
    /// Median of an empty measurement.
    Own Int clock_overhead_ns: Option<u64>,
    /// Tokens decoded in all.
    Own Int n_decoded_tokens: Option<u64>,
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

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// There are samples.
    Measured,
    /// Only a mean and a spread are known.
    Summarised,
    /// There is a reason instead.
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
    /// What the control work took just before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_ns: Option<u64>,
    /// What other programs took from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<FlatDisturbance>,
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

    /// llama-bench's field list, so that a reordering of ours is noticed.
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
