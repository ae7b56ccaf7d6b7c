use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Placement, Work};
use crate::{
    llama::{Build, DeviceMemory},
    stats::StoppingRule,
};

/// What was measured, on what, and how. What a file does not tell is `None`, or text or a list that is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Header {
    /// The llama.cpp that was measured.
    pub build: Build,
    /// The machine.
    pub host: Host,
    /// The model.
    pub model: ModelInfo,
    /// What was asked for.
    pub config: Config,
    /// What llama.cpp made of it.
    pub resolved: Resolved,
    /// The graphs that were computed, one per kind of test; empty if they are not known.
    pub work: Vec<Work>,
    /// How loading went.
    pub load: Load,
    /// Where memory lay; `None` if a file or the system does not tell.
    pub placement: Option<Placement>,
    /// Wall-clock facts of the whole run.
    pub timing: Timing,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Host {
    /// CPU model names, comma-separated, as llama-bench has it.
    pub cpu_info: String,
    /// GPU descriptions, comma-separated, as llama-bench has it; empty without one.
    pub gpu_info: String,
    /// Registered backends, comma-separated, `CPU` if there is no other.
    pub backends: String,
    /// Driver and library versions of the GPUs; empty if they are not known.
    pub driver: String,
    /// Every device that llama.cpp sees.
    pub devices: Vec<DeviceInfo>,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Name to ask for it by, such as `CUDA0`.
    pub name: String,
    /// Human description, such as `NVIDIA GB10`.
    pub description: String,
    /// `cpu`, `gpu`, `igpu`, `accel` or `meta`.
    pub kind: String,
    /// The backend it belongs to.
    pub backend: String,
    /// Bytes free before the model was loaded.
    pub memory_free_bytes: Option<u64>,
    /// Bytes in all.
    pub memory_total_bytes: Option<u64>,
}

/// The model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Path as given.
    pub filename: String,
    /// llama.cpp's description, such as `gpt-oss 20B MXFP4 MoE`.
    pub description: String,
    /// Architecture, such as `gpt-oss`.
    pub architecture: String,
    /// Bytes of all tensors.
    pub size_bytes: Option<u64>,
    /// Number of parameters.
    pub n_params: Option<u64>,
    /// Number of layers.
    pub n_layer: Option<u32>,
    /// Context length it was trained for, in tokens.
    pub n_ctx_train: Option<u32>,
    /// Vocabulary size, in tokens.
    pub n_vocab: Option<u32>,
}

/// Flash attention as asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttnSetting {
    /// llama.cpp decides (-1 in llama-bench's files).
    #[default]
    Auto,
    /// Off (0).
    Off,
    /// On (1).
    On,
}

/// How a sweep reaches its depths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// llama-bench's procedure: a context, a warm-up and a fill of its own for every test.
    FreshContext,
    /// One context for the whole sweep, filled once, rewound between repetitions.
    #[default]
    Rewind,
}

/// In which order the repetitions of different depths are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// [`Order::Rounds`] where the context can cheaply return to any depth, else [`Order::Blocks`].
    #[default]
    Auto,
    /// One repetition of every cell per round, so that drift of clocks or temperature spreads over all cells. A round
    /// goes through the depths from deep to shallow, beginning at one that the seed chooses anew each time; the first
    /// is run in part while the context is filled.
    Rounds,
    /// All repetitions of a depth, then the next depth: needs no whole snapshot.
    Blocks,
    /// [`Order::Blocks`] with repetitions of other configurations in between, each in a context of its own: what
    /// [`interleave`](crate::bench::interleave) and a [`Campaign`](crate::bench::Campaign) make of several sweeps. Asked
    /// of a sweep that runs alone, it is [`Order::Blocks`].
    Interleaved,
}

impl Order {
    /// The order that is taken: what was asked for, and where that was left open, rounds if they are cheap.
    pub(crate) fn resolve(self, rounds_are_cheap: impl FnOnce() -> bool) -> Self {
        match self {
            Order::Auto if rounds_are_cheap() => Order::Rounds,
            Order::Auto | Order::Interleaved => Order::Blocks,
            asked => asked,
        }
    }
}

/// What was asked for; names and meaning as in llama-bench.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Config {
    /// Logical batch size, in tokens.
    pub n_batch: Option<u32>,
    /// Physical batch size, in tokens.
    pub n_ubatch: Option<u32>,
    /// Threads for generation.
    pub n_threads: Option<u32>,
    /// Threads for prompt processing; equal to `n_threads` in llama-bench.
    pub n_threads_batch: Option<u32>,
    /// CPU affinity mask in hexadecimal; `0x0` for none.
    pub cpu_mask: String,
    /// Strict CPU placement.
    pub cpu_strict: Option<bool>,
    /// Polling level of the thread pool, 0 to 100.
    pub poll: Option<u32>,
    /// Priority of the pool's threads, -1 (low) to 3 (realtime).
    pub prio: Option<i32>,
    /// ggml type of the K cache, such as `f16`.
    pub type_k: String,
    /// ggml type of the V cache.
    pub type_v: String,
    /// GPU layers asked for; -1 for all.
    pub n_gpu_layers: Option<i32>,
    /// Layers whose experts stay on the CPU.
    pub n_cpu_moe: Option<u32>,
    /// `none`, `layer`, `row` or `tensor`.
    pub split_mode: String,
    /// Index of the main GPU.
    pub main_gpu: Option<i32>,
    /// The KV cache stays in host memory.
    pub no_kv_offload: Option<bool>,
    /// Flash attention as asked for.
    pub flash_attn: Option<FlashAttnSetting>,
    /// Devices asked for, `auto` if left to llama.cpp.
    pub devices: String,
    /// Share of each device, `/`-separated with two decimals.
    pub tensor_split: String,
    /// `pattern=buffer;…`, `none` without any.
    pub tensor_buft_overrides: String,
    /// `auto`, `none`, `mmap`, `mlock`, `mmap+mlock` or `dio`, as `llama_load_mode_name` has it.
    pub load_mode: String,
    /// `off`, `auto` or `on`.
    pub lazy_mode: String,
    /// Embeddings are computed in every test, not in those of embeddings alone.
    pub embeddings: Option<bool>,
    /// Host operations are not offloaded.
    pub no_op_offload: Option<bool>,
    /// The host buffer is bypassed.
    pub no_host: Option<bool>,
    /// Weights may be repacked for the CPU (extra buffer types).
    pub repack: Option<bool>,
    /// Sliding-window layers keep the whole context.
    pub swa_full: Option<bool>,
    /// Sequences that the context can hold apart.
    pub n_seq_max: Option<u32>,
    /// One KV buffer for all sequences.
    pub kv_unified: Option<bool>,
    /// Every tensor's data was checked while loading, which takes time.
    pub check_tensors: Option<bool>,
    /// MiB that layers on devices were chosen to leave free; 0 if they were not chosen so.
    pub fit_target: Option<u64>,
    /// Tokens of the context that had to fit beside them; 0 if they were not chosen so.
    pub fit_min_ctx: Option<u32>,
    /// How threads are placed on NUMA nodes: `disabled`, `distribute`, `isolate` or `numactl`.
    pub numa: Option<String>,
    /// Pause before each test.
    pub delay: Option<Duration>,
    /// Seed of the random tokens.
    pub seed: Option<u64>,
    /// Repetitions asked for; with a stopping rule, the most.
    pub n_reps: Option<u32>,
    /// The rule that ends a cell's repetitions; `None` for a fixed number.
    pub stopping: Option<StoppingRule>,
    /// Whether a warm-up was asked for.
    pub warmup: Option<bool>,
    /// How depths are reached.
    pub method: Option<Method>,
    /// Order of repetitions asked for; which one was taken is in [`Resolved::order`].
    pub order: Option<Order>,
    /// Which control work told the pace of the machine before each repetition, its version; `None` if that was not
    /// asked for.
    pub pace: Option<u32>,
}

/// What llama.cpp made of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Resolved {
    /// Whether flash attention was really used; `None` if it could not be told.
    pub flash_attn: Option<bool>,
    /// Cells of the context, in tokens, after padding.
    pub n_ctx: Option<u32>,
    /// Layers (the output layer counted, as llama.cpp does) placed on devices, and how many there are.
    pub offloaded_layers: Option<(u32, u32)>,
    /// Memory used, by device or buffer type.
    pub memory: BTreeMap<String, DeviceMemory>,
    /// In which order repetitions were run: rounds or blocks; `None` if it is not known.
    pub order: Option<Order>,
}

/// How loading went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Load {
    /// Wall time of the load.
    pub elapsed: Option<Duration>,
    /// Bytes of tensors loaded.
    pub size_bytes: Option<u64>,
}

/// Wall-clock facts of the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Timing {
    /// When the run began, in UTC (RFC 3339, whole seconds).
    pub started_at: String,
    /// The whole run, without loading the model.
    pub wall: Option<Duration>,
    /// Spent making contexts.
    pub open: Option<Duration>,
    /// Spent filling contexts.
    pub fill: Option<Duration>,
    /// Spent coming back to depths: snapshots, restores, removals; what had to be filled again counts as fill.
    pub rewind: Option<Duration>,
    /// Sum of the timed repetitions.
    pub timed: Option<Duration>,
    /// Spent warming up.
    pub warmup: Option<Duration>,
    /// Smallest step seen between two readings of the clock.
    pub clock_resolution: Option<Duration>,
    /// Median of an empty measurement.
    pub clock_overhead: Option<Duration>,
    /// Tokens decoded in all: fill, warm-up and repetitions.
    pub n_decoded_tokens: Option<u64>,
}
