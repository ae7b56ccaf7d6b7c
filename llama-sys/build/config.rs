//! Features and environment, as one value.

use std::path::PathBuf;

use crate::{cuda, env};

/// What to build.
#[derive(Debug)]
pub struct Config {
    /// Shared libraries with backends loaded at run time, instead of one static library.
    pub dynamic: bool,
    /// Compile for this machine's CPU.
    pub native: bool,
    pub openmp: bool,
    pub cuda: Option<cuda::Toolkit>,
    pub vulkan: bool,
    pub metal: bool,
    pub hip: bool,
    pub rpc: bool,
    /// `ccache` or `sccache`, if the user has one and does not mind.
    pub launcher: Option<PathBuf>,
    /// CMake definitions that the user adds.
    pub extra: Vec<(String, String)>,
    pub target_os: String,
    pub target_arch: String,
}

impl Config {
    pub fn read() -> Result<Self, String> {
        let dynamic = env::feature("dynamic-backends");
        let cross = env::cargo("HOST") != env::cargo("TARGET");
        Ok(Self {
            dynamic,
            // GGML_NATIVE and loadable backends exclude each other: those carry every CPU variant instead.
            native: env::feature("native") && !cross && !dynamic,
            openmp: env::feature("openmp"),
            cuda: env::feature("cuda").then(cuda::Toolkit::find).transpose()?,
            vulkan: env::feature("vulkan"),
            metal: env::feature("metal"),
            hip: env::feature("hip"),
            rpc: env::feature("rpc"),
            launcher: launcher(),
            extra: definitions(&env::var("LLAMA_CMAKE_DEFINES").unwrap_or_default())?,
            target_os: env::cargo("CARGO_CFG_TARGET_OS"),
            target_arch: env::cargo("CARGO_CFG_TARGET_ARCH"),
        })
    }

    /// The CMake definitions, in the order that reports show them.
    pub fn definitions(&self) -> Vec<(String, String)> {
        let on_off = |on: bool| if on { "ON" } else { "OFF" }.to_owned();
        let mut defines = vec![
            ("BUILD_SHARED_LIBS".to_owned(), on_off(self.dynamic)),
            ("GGML_BACKEND_DL".to_owned(), on_off(self.dynamic)),
            ("GGML_NATIVE".to_owned(), on_off(self.native)),
            ("GGML_OPENMP".to_owned(), on_off(self.openmp)),
        ];
        let mut set = |name: &str, value: String| defines.push((name.to_owned(), value));
        if self.dynamic && matches!(self.target_arch.as_str(), "x86_64" | "aarch64") {
            set("GGML_CPU_ALL_VARIANTS", "ON".into());
        }
        if let Some(cuda) = &self.cuda {
            set("GGML_CUDA", "ON".into());
            set("CMAKE_CUDA_ARCHITECTURES", cuda.architectures.join(";"));
            // One process on one machine has no use for it, and a system's NCCL would be linked unasked.
            set("GGML_CUDA_NCCL", "OFF".into());
            if cuda.no_vmm {
                set("GGML_CUDA_NO_VMM", "ON".into());
            }
        }
        for (name, on) in [("GGML_VULKAN", self.vulkan), ("GGML_HIP", self.hip)] {
            if on {
                set(name, "ON".into());
            }
        }
        if self.rpc {
            set("GGML_RPC", "ON".into());
            // A system's libibverbs would be linked unasked.
            set("GGML_RPC_RDMA", "OFF".into());
        }
        if matches!(self.target_os.as_str(), "macos" | "ios") {
            set("GGML_METAL", on_off(self.metal));
            set("GGML_METAL_EMBED_LIBRARY", on_off(self.metal));
        }
        defines.extend(self.extra.iter().cloned());
        defines
    }
}

fn launcher() -> Option<PathBuf> {
    if env::var("LLAMA_CCACHE").is_some_and(|value| matches!(value.as_str(), "off" | "0" | "no")) {
        return None;
    }
    env::program("ccache").or_else(|| env::program("sccache"))
}

/// `A=1;B=x y` as pairs.
pub fn definitions(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(';')
        .filter(|part| !part.trim().is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
            _ => {
                Err(format!("LLAMA_CMAKE_DEFINES: {part:?} is not a definition: write NAME=VALUE;NAME=VALUE"))
            }
        })
        .collect()
}
