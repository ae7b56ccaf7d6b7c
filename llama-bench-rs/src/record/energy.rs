use serde::{Deserialize, Serialize};

/// The counters of energy of a run, and what they read while nothing was computed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Metering {
    /// The counters that are read around each repetition.
    pub meters: Vec<Meter>,
    /// Devices that compute, and have no counter: the energy of the configuration is then not known.
    pub unmetered: Vec<String>,
    /// Counters that are there and cannot be read, each with the reason.
    pub unreadable: Vec<String>,
    /// What measuring the periods and the idle draw took, in nanoseconds.
    pub took_ns: Option<u64>,
    /// What reading the counters of throttling and transfers takes, in nanoseconds; `None` if they are not read: there
    /// are none, or it takes too long.
    pub counters_read_ns: Option<u64>,
}

/// A counter of energy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Meter {
    /// Its name: llama.cpp's of the device, such as `CUDA0`, or the kernel's, such as `package-0`.
    pub name: String,
    /// What it is the energy of.
    pub domain: MeterDomain,
    /// Who counts: `nvml`, `powercap` or `hwmon`.
    pub source: String,
    /// Whether it belongs to the energy of the configuration: the devices that hold its layers.
    pub is_counted: bool,
    /// Longest time between two updates, in nanoseconds; `None` if too few were seen.
    pub update_ns: Option<u64>,
    /// What a reading takes, in nanoseconds.
    pub read_ns: Option<u64>,
    /// Power with the model loaded and nothing computed, in microwatts; `None` if too few updates were seen.
    pub idle_uw: Option<u64>,
    /// How long that was measured, in nanoseconds.
    pub idle_ns: Option<u64>,
    /// Most power that the device may draw, in microwatts.
    pub limit_uw: Option<u64>,
}

/// What a counter is the energy of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MeterDomain {
    /// A GPU, with its board and memory.
    #[default]
    Gpu,
    /// A processor: cores, caches, an integrated GPU.
    Package,
    /// The memory of a processor.
    Dram,
}

/// What a counter of energy showed around one repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counted {
    /// The counter, by its name in [`Metering::meters`].
    pub meter: String,
    /// By how much it advanced, in microjoules.
    pub uj: u64,
    /// Time between the two readings, in nanoseconds.
    pub ns: u64,
    /// Time since the reading before, in nanoseconds; `None` if there was none.
    pub gap_ns: Option<u64>,
    /// By how much the counter advanced in the repetition that ended with that reading, in microjoules.
    pub prior_uj: Option<u64>,
    /// What that repetition took, in nanoseconds.
    pub prior_ns: Option<u64>,
}
