use std::fmt;

use super::{Level, Say};
use crate::record::{Build, Run};

/// Instruction sets that the CPU has and that llama.cpp, which computed on it, was built without.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnusedCpuFeatures {
    /// Their names in llama.cpp, such as `AVX512`.
    pub names: Vec<&'static str>,
    /// How to have them used.
    pub remedy: CpuRemedy,
}

/// How llama.cpp comes to use all that the CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuRemedy {
    /// This crate built it without its feature `native`.
    Native,
    /// `llama-cpp-sys-2` built it, which asks for the CPU that rustc compiles for.
    TargetCpu,
    /// It was built for a CPU: another one, or by a compiler that does not know them.
    BuildHere,
    /// It has chosen among the CPU backends that were built.
    Variants,
}

/// The sets that llama.cpp's code makes use of, and the one that takes the place of each. Those that it only names, such
/// as `AVX512_VBMI` and `SME`, would change nothing.
const USED: [(&str, Option<&str>); 16] = [
    ("SSE3", None),
    ("SSSE3", None),
    ("AVX", None),
    ("AVX2", None),
    ("F16C", None),
    ("FMA", None),
    ("BMI2", None),
    ("AVX512", None),
    ("AVX512_VNNI", None),
    ("AVX512_BF16", None),
    ("AVX_VNNI", Some("AVX512_VNNI")),
    ("AMX_INT8", None),
    ("DOTPROD", None),
    ("FP16_VA", None),
    ("MATMUL_INT8", None),
    ("SVE", None),
];

/// `None` if all are used, if the CPU computed nothing that takes long, or if what either has is not known.
pub(super) fn unused_features(run: &Run) -> Option<UnusedCpuFeatures> {
    let host = &run.header.host;
    let compiled = host.backend_features.get("CPU").filter(|compiled| !compiled.is_empty())?;
    let has = |name: &str| host.cpu_features.iter().any(|it| it == name);
    let is_unused = |(name, better): &(&'static str, Option<&'static str>)| {
        has(name) && !compiled.contains_key(*name) && !better.is_some_and(has)
    };
    let names: Vec<_> = USED.into_iter().filter(is_unused).map(|(name, _)| name).collect();
    let is_told = !names.is_empty() && computes_on_cpu(run);
    is_told.then(|| UnusedCpuFeatures { names, remedy: remedy(&run.header.build) })
}

/// Whether products of matrices were computed on the CPU.
fn computes_on_cpu(run: &Run) -> bool {
    let header = &run.header;
    if header.work.is_empty() {
        return header.resolved.offloaded_layers.is_none_or(|(n_offloaded, n_layers)| n_offloaded < n_layers);
    }
    let mut nodes = header.work.iter().flat_map(|work| &work.nodes);
    nodes.any(|nodes| nodes.device == "CPU" && nodes.op.starts_with("MUL_MAT"))
}

fn remedy(build: &Build) -> CpuRemedy {
    // The last definition of an option counts.
    let is_on = |name: &str| {
        let mut values = build.cmake_options.split_whitespace().filter_map(|option| option.split_once('='));
        values.rfind(|(option, _)| *option == name).is_some_and(|(_, value)| value == "ON")
    };
    if is_on("GGML_CPU_ALL_VARIANTS") || is_on("GGML_BACKEND_DL") {
        CpuRemedy::Variants
    } else if is_on("GGML_NATIVE") {
        CpuRemedy::BuildHere
    } else if build.source == "llama-cpp-2" {
        CpuRemedy::TargetCpu
    } else {
        CpuRemedy::Native
    }
}

impl Say for UnusedCpuFeatures {
    fn level(&self) -> Level {
        match self.remedy {
            CpuRemedy::Native | CpuRemedy::TargetCpu | CpuRemedy::BuildHere => Level::Warning,
            CpuRemedy::Variants => Level::Note,
        }
    }
}

impl fmt::Display for UnusedCpuFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "llama.cpp was built without ")?;
        let last = self.names.len().saturating_sub(1);
        for (i, name) in self.names.iter().enumerate() {
            let separator = match i {
                0 => "",
                _ if i == last => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{name}")?;
        }
        write!(f, ", which this CPU has: a build for this CPU may be faster, above all in prompts. ")?;
        f.write_str(match self.remedy {
            CpuRemedy::Native => "Build on this machine with the feature native, a default of llama-bench-rs.",
            CpuRemedy::TargetCpu => {
                "Build on this machine with RUSTFLAGS=\"-C target-cpu=native\", which llama-cpp-sys-2 passes on."
            }
            CpuRemedy::BuildHere => {
                "GGML_NATIVE is on, so it was built on another machine or by a compiler too old to know this CPU: build \
                 on this machine, with a newer compiler."
            }
            CpuRemedy::Variants => "Of the CPU backends that were built, llama.cpp loaded the best.",
        })
    }
}
