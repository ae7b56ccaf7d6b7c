use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Ceilings, Config, Link, Metering, NumaNode, OrderChoice, Placement, Work};
use crate::llama::{Build, DeviceMemory};

/// What was measured, on what, and how. What a file does not say is `None`, empty text or an empty list.
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
    /// How llama.cpp resolved it.
    pub resolved: Resolved,
    /// The graphs that were computed, one per kind of test, each of all sequences of the context
    /// ([`n_seq_max`](Resolved::n_seq_max)); empty if unknown.
    pub work: Vec<Work>,
    /// The ways to the servers whose devices the model is placed on; empty if all are on this machine, or unknown.
    pub links: Vec<Link>,
    /// How loading went.
    pub load: Load,
    /// Memory of the process; `None` if a file or the system does not say.
    pub placement: Option<Placement>,
    /// Memory nodes of the machine; empty if unknown.
    pub numa: Vec<NumaNode>,
    /// Wall-clock facts of the whole run.
    pub timing: Timing,
    /// The counters of energy, and the idle draw; `None` if energy was not looked at.
    pub metering: Option<Metering>,
    /// The ceilings of the devices that take part; empty if they were not measured.
    pub ceilings: Vec<Ceilings>,
    /// The file that the run was read from, as an application that shows several files calls it: reports then
    /// distinguish runs of different files by it. Empty for a run that was measured now. Of all formats a page alone
    /// keeps it.
    #[serde(skip)]
    pub read_from: String,
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
    /// Registered backends, comma-separated; `CPU` without others.
    pub backends: String,
    /// Driver and library versions of the GPUs; empty if unknown.
    pub driver: String,
    /// Every device that llama.cpp sees.
    pub devices: Vec<DeviceInfo>,
    /// What each backend was compiled with, by its name, as llama.cpp says it: for `CPU` its instruction sets, such as
    /// `AVX2` = `1`. Empty if unknown.
    pub backend_features: BTreeMap<String, BTreeMap<String, String>>,
    /// Instruction sets that the CPU has, under llama.cpp's names. Those that this crate cannot ask for are missing; empty
    /// if unknown.
    pub cpu_features: Vec<String>,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its name in llama.cpp, such as `CUDA0`.
    pub name: String,
    /// Human description, such as `NVIDIA GB10`.
    pub description: String,
    /// `cpu`, `gpu`, `igpu`, `accel` or `meta`; `cpu` too for a GPU backend that computes on the processor (llvmpipe).
    pub kind: String,
    /// The backend it belongs to.
    pub backend: String,
    /// Bytes free before the model was loaded.
    pub memory_free_bytes: Option<u64>,
    /// Bytes in all.
    pub memory_total_bytes: Option<u64>,
    /// Whether it shares the system's memory; `None` if a file does not say, and for a device of another machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated: Option<bool>,
    /// Its place on the PCI bus, such as `0000:65:00.0`; `None` if the backend does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci_bus_id: Option<String>,
    /// CUDA's compute capability, such as `12.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Width of the memory bus, in bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bus_bits: Option<u32>,
    /// Highest clock of the memory, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_clock_max_mhz: Option<u32>,
    /// Highest power that the driver allows, in milliwatts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_limit_mw: Option<u32>,
    /// The server that it is on, `HOST:PORT`; `None` for a device of the measuring machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl DeviceInfo {
    /// Whether it is the processor itself, as llama.cpp's CPU backend has it.
    pub(crate) fn is_processor(&self) -> bool {
        self.kind == "cpu" && matches!(self.backend.as_str(), "" | "CPU")
    }

    /// Whether a GPU backend computes on the processor there, as Mesa's llvmpipe does for Vulkan.
    pub(crate) fn is_software(&self) -> bool {
        self.kind == "cpu" && !self.is_processor()
    }

    /// Forgets all but which device it is: what is free, and what older files do not have.
    pub(super) fn keep_identity(&mut self) {
        let Self { name, description, kind, backend, memory_total_bytes, .. } = std::mem::take(self);
        *self = Self { name, description, kind, backend, memory_total_bytes, ..Self::default() };
    }

    /// Bytes per second that the memory moves at its highest clock: two transfers a clock over the whole bus. `None` if the
    /// driver does not report both.
    pub fn memory_bandwidth(&self) -> Option<u64> {
        let per_clock = u64::from(self.memory_bus_bits?) / 8 * 2;
        per_clock.checked_mul(u64::from(self.memory_clock_max_mhz?))?.checked_mul(1_000_000)
    }
}

/// The model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Path as given; of a synthetic model, where its file is or would be.
    pub filename: String,
    /// The file whose shape a synthetic model has, as given (`--like`); empty for others.
    pub like: String,
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
    /// [`Order::Rounds`] if coming back to depths takes at most a tenth of the time of the repetitions, which is measured
    /// during the run; otherwise [`Order::Blocks`].
    #[default]
    Auto,
    /// Interleaved: one repetition of every cell, then the next of every cell, which spreads drift of clocks or temperature
    /// over all cells. Each pass goes through the depths from deep to shallow, starting at one that the seed chooses
    /// each time. Part of the first pass is run while the context is filled.
    Rounds,
    /// Per depth: all repetitions of a depth, then the next depth. Needs no snapshot of the whole context.
    Blocks,
    /// Per depth, with repetitions of other configurations in between, each in its own context:
    /// [`interleave`](crate::bench::interleave) and a [`Campaign`](crate::bench::Campaign) run several sweeps like this. A
    /// sweep that runs alone takes [`Order::Blocks`] instead.
    Interleaved,
}

impl Order {
    /// The order to check: the one asked for; if left open, interleaved if that is possible.
    pub(crate) fn resolve(self, can_be_rounds: impl FnOnce() -> bool) -> Self {
        match self {
            Order::Auto if can_be_rounds() => Order::Rounds,
            Order::Auto | Order::Interleaved => Order::Blocks,
            asked => asked,
        }
    }
}

/// How llama.cpp resolved the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Resolved {
    /// Whether flash attention was used; `None` if unknown.
    pub flash_attn: Option<bool>,
    /// Cells of the context, in tokens, after padding; of all its sequences together.
    pub n_ctx: Option<u32>,
    /// Sequences that the context could hold apart: at least as many as were asked for, and as the tests process together.
    pub n_seq_max: Option<u32>,
    /// Layers (the output layer counted, as llama.cpp does) placed on devices, and how many there are.
    pub offloaded_layers: Option<(u32, u32)>,
    /// Memory used, by device or buffer type.
    pub memory: BTreeMap<String, DeviceMemory>,
    /// The order in which repetitions were run; `None` if unknown.
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
    /// Where the weights came from; `None` if unknown. It is the same model either way.
    pub source: Option<WeightSource>,
}

/// Where a model's weights came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightSource {
    /// The file that [`ModelInfo::filename`] names.
    File,
    /// A synthetic model was generated while it was loaded. There is no file of this name, or it was not read; nothing was
    /// mapped, so load mode `auto` was `none`.
    Stream,
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
    /// Why repetitions were run in the order that [`Resolved::order`] names; `None` if unknown.
    pub order_choice: Option<OrderChoice>,
    /// Smallest step seen between two readings of the clock.
    pub clock_resolution: Option<Duration>,
    /// Median of an empty measurement.
    pub clock_overhead: Option<Duration>,
    /// Tokens decoded in all: fill, warm-up and repetitions.
    pub n_decoded_tokens: Option<u64>,
}
