//! Machines whose memory belongs to several nodes.

use super::{model_params::names, sys};

/// How llama.cpp places its threads on a machine with several NUMA nodes (`ggml_numa_strategy`). It applies to the whole
/// process, and has no effect on a machine with one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[doc(alias = "ggml_numa_strategy")]
#[non_exhaustive]
pub enum Numa {
    /// The operating system places them.
    #[default]
    Disabled,
    /// Spread evenly over all nodes.
    Distribute,
    /// On the node that the process started on.
    Isolate,
    /// On the CPUs that `numactl` gave the process.
    Numactl,
}

names!(Numa, "NUMA placement" { Disabled = "disabled", Distribute = "distribute", Isolate = "isolate", Numactl = "numactl" });

impl Numa {
    pub(super) fn as_raw(self) -> sys::ggml_numa_strategy {
        match self {
            Numa::Disabled => sys::GGML_NUMA_STRATEGY_DISABLED,
            Numa::Distribute => sys::GGML_NUMA_STRATEGY_DISTRIBUTE,
            Numa::Isolate => sys::GGML_NUMA_STRATEGY_ISOLATE,
            Numa::Numactl => sys::GGML_NUMA_STRATEGY_NUMACTL,
        }
    }
}
