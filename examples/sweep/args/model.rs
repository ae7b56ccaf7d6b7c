//! Flags that choose models and how they are loaded: each combination is loaded once.

use std::{path::PathBuf, str::FromStr};

use llama_bench_rs::llama::{Fit, LazyMode, LoadMode, SplitMode};

use crate::{
    placement::{Devices, OverrideList, TensorSplit},
    values::{Integers, Numbers, mmap, switch},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Models (each takes a list and may be repeated)")]
pub struct ModelArgs {
    /// Model files (GGUF; of a split model the first part)
    #[arg(short = 'm', long = "model", value_name = "FILE", value_delimiter = ',')]
    pub models: Vec<PathBuf>,
    /// Synthetic models by shape, made on first use and kept in the cache folder
    #[arg(long = "shape", value_name = "NAME", value_delimiter = ',')]
    pub shapes: Vec<String>,
    /// File type of synthetic models, such as q4_k_m [default: the shape's own]
    #[arg(long, value_name = "TYPE")]
    pub file_type: Option<String>,
    /// Leave this many MiB free on each device: of the layers that -ngl asks for, those that fit are placed there; 0 for
    /// no fit [default: 0]
    #[arg(long, value_name = "MIB", value_delimiter = ',')]
    pub fit_target: Vec<u64>,
    /// With -fitt: tokens of the context that must fit beside the weights, if the tests need no more [default: 4096]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub fit_ctx: Vec<u32>,
    /// Layers on the devices; -1 for all
    #[arg(long, value_name = "N", default_value = "-1", value_parser = Integers::from_str)]
    pub n_gpu_layers: Vec<Integers>,
    /// Layers whose experts stay on the CPU
    #[arg(long, value_name = "N", default_value = "0", value_parser = Numbers::from_str)]
    pub n_cpu_moe: Vec<Numbers>,
    /// How to spread the model over devices: none, layer, row, tensor
    #[arg(long, value_name = "MODE", default_value = "layer", value_delimiter = ',', value_parser = SplitMode::from_str)]
    pub split_mode: Vec<SplitMode>,
    /// How weights are loaded: auto, none, mmap, mlock, mmap+mlock, dio [default: auto]
    #[arg(long, value_name = "MODE", value_delimiter = ',', value_parser = LoadMode::from_str)]
    pub load_mode: Vec<LoadMode>,
    /// Older form of -lm: 1 for mmap, 0 for none
    #[arg(long, value_name = "0|1", value_delimiter = ',', value_parser = mmap)]
    pub mmap: Vec<LoadMode>,
    /// Older form of -lm dio: 1 for dio, 0 to leave the choice to -mmp
    #[arg(long, value_name = "0|1", value_delimiter = ',', value_parser = switch)]
    pub direct_io: Vec<bool>,
    /// The same as -lm none
    #[arg(long, conflicts_with_all = ["load_mode", "mmap", "direct_io"])]
    pub no_mmap: bool,
    /// Whether marked tensors are read on demand: off, auto, on
    #[arg(long, value_name = "MODE", default_value = "auto", value_delimiter = ',', value_parser = LazyMode::from_str)]
    pub lazy_mode: Vec<LazyMode>,
    /// The device for everything with split mode none
    #[arg(long, value_name = "I", default_value = "0", value_parser = Integers::from_str)]
    pub main_gpu: Vec<Integers>,
    /// Devices to use, joined by `/`; auto for all, none for the CPU alone
    #[arg(long, value_name = "DEV/DEV", default_value = "auto", value_delimiter = ',', value_parser = Devices::from_str)]
    pub device: Vec<Devices>,
    /// Share of each device, joined by `/`: 3/1 is one value; 0 for shares by free memory
    #[arg(long, value_name = "SHARE/SHARE", default_value = "0", value_delimiter = ',', value_parser = TensorSplit::from_str)]
    pub tensor_split: Vec<TensorSplit>,
    /// Tensor name patterns and the buffer types that keep the matches, joined by `;`; an empty value for none
    #[arg(long, value_name = "PATTERN=BUFFER;...", value_parser = OverrideList::from_str)]
    pub override_tensor: Vec<OverrideList>,
    /// Bypass the host buffer
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub no_host: Vec<bool>,
    /// Allow repacking weights for the CPU
    #[arg(long, value_name = "0|1", default_value = "1", value_delimiter = ',', value_parser = switch)]
    pub repack: Vec<bool>,
}

/// llama-bench's context beside a model that is fitted.
const FIT_CTX: u32 = 4096;

impl ModelArgs {
    /// The ways to fit the model to free memory; the tests need a context of `n_needed` tokens.
    pub fn fits(&self, n_needed: u32) -> Vec<Option<Fit>> {
        let targets = if self.fit_target.is_empty() { &[0] } else { self.fit_target.as_slice() };
        let contexts = if self.fit_ctx.is_empty() { &[FIT_CTX] } else { self.fit_ctx.as_slice() };
        let fit = |margin_mib, n_ctx: u32| {
            let is_wanted = margin_mib > 0 || !self.fit_ctx.is_empty();
            is_wanted.then(|| Fit { margin_mib, n_ctx: n_ctx.max(n_needed) })
        };
        targets.iter().flat_map(|&target| contexts.iter().map(move |&n_ctx| fit(target, n_ctx))).collect()
    }

    /// The ways to load weights, whichever flags name them.
    pub fn load_modes(&self) -> Vec<LoadMode> {
        if self.no_mmap {
            return vec![LoadMode::None];
        }
        let mut modes = self.load_mode.clone();
        match (self.mmap.as_slice(), self.direct_io.as_slice()) {
            (mmap, []) => modes.extend(mmap),
            // Two flags in llama-bench's older versions, of which mmap was on by default.
            (mmap, direct_io) => {
                let mmap = if mmap.is_empty() { &[LoadMode::Mmap] } else { mmap };
                for &mode in mmap {
                    modes.extend(
                        direct_io.iter().map(|&direct| if direct { LoadMode::DirectIo } else { mode }),
                    );
                }
            }
        }
        if modes.is_empty() { vec![LoadMode::default()] } else { modes }
    }
}
