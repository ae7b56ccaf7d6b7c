//! llama-batched-bench's lines (`--output-format jsonl`): a prompt and the generation after it, by number of sequences.
//!
//! A line is made of two cells, which llama-batched-bench measures together:
//!
//! | sequences have | prompt | generation |
//! |---|---|---|
//! | a pg pair | pp P x B at depth D | tg G x B at depth D + P |
//! | contexts of their own | pp P x B at depth 0 | tg G x B at depth P |
//! | a shared prefix (`kv_unified`) | pp P at depth 0, processed once | tg G x B at depth P |
//!
//! A cell without its other half has a line of its own, in which the other half is null. llama-batched-bench's fields come
//! first; then come this crate's, and what is known of the run, under the names of the other formats.

mod read;
mod table;
mod write;

use serde_json::{Map, Value};

use super::Place;

pub(super) use read::{has_lines, rows, without_nan};
pub(super) use table::{is_table, lines as lines_of_table};
pub(super) use write::Batched;

/// A line, or a row of another format.
type Object = Map<String, Value>;

/// Objects with their places in the file.
pub(super) type Placed = Vec<(Place, Object)>;

/// llama-batched-bench's fields, in its order.
const THEIRS: [&str; 18] = [
    "n_kv_max",
    "n_batch",
    "n_ubatch",
    "flash_attn",
    "is_pp_shared",
    "n_gpu_layers",
    "n_threads",
    "n_threads_batch",
    "pp",
    "tg",
    "pl",
    "n_kv",
    "t_pp",
    "speed_pp",
    "t_tg",
    "speed_tg",
    "t",
    "speed",
];

/// Fields of a line that this crate adds and other formats do not have. `pp` and `tg` are the two halves: their spreads
/// are in seconds and tokens per second, `samples` are the times of the repetitions.
const OURS: [&str; 11] = [
    "is_pg",
    "is_embedding",
    "t_pp_stddev",
    "speed_pp_stddev",
    "t_tg_stddev",
    "speed_tg_stddev",
    "samples_pp_ns",
    "samples_tg_ns",
    "speed_tg_per_sequence",
    "error_pp",
    "error_tg",
];

/// Whether an object is such a line.
fn is_line(object: &Object) -> bool {
    ["n_kv_max", "pp", "tg", "pl", "t_pp", "t_tg"].iter().all(|name| object.contains_key(*name))
}
