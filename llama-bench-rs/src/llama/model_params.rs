use std::path::PathBuf;

use super::{Device, Fit, KvOverride};

/// How a model is spread over several devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SplitMode {
    /// One device.
    None,
    /// Whole layers per device.
    #[default]
    Layer,
    /// Rows of each matrix.
    Row,
    /// Tensor parallelism.
    Tensor,
}

/// How the weights get into memory (`llama_load_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum LoadMode {
    /// llama.cpp decides by the devices' abilities.
    #[default]
    Auto,
    /// Plain reads: llama-bench's `--no-mmap`, the mode of choice on machines whose GPU shares the memory.
    None,
    /// Memory-mapped.
    Mmap,
    /// Kept from being swapped.
    Mlock,
    /// Memory-mapped and kept from being swapped.
    MmapMlock,
    /// Reads that bypass the page cache, where available.
    DirectIo,
}

/// Whether tensors that the architecture marks are read on demand (`llama_lazy_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum LazyMode {
    /// Never.
    Off,
    /// For very large ones.
    #[default]
    Auto,
    /// Always.
    On,
}

macro_rules! names {
    ($type:ident, $what:literal { $($variant:ident = $name:literal $(| $alias:literal)*),+ $(,)? }) => {
        impl $type {
            /// Every value, in llama.cpp's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that llama-bench uses.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::llama::LlamaError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(if [$name $(, $alias)*].contains(&text) {
                    return Ok(Self::$variant);
                })+
                let known: Vec<_> = Self::ALL.iter().map(|value| value.name()).collect();
                let mut remedy = format!("use one of {}", known.join(", "));
                // What scripts write in place of the name; others are read too and need not be learned.
                let aliases: &[&[&str]] = &[$(&[$($alias),*]),+];
                let others: Vec<_> = aliases.iter().filter_map(|all| all.first().copied()).collect();
                if !others.is_empty() {
                    remedy += &format!(" (or {})", others.join(", "));
                }
                Err($crate::llama::LlamaError::Parameter { name: $what, value: text.into(), remedy })
            }
        }
    };
}
pub(super) use names;

names!(SplitMode, "split mode" { None = "none", Layer = "layer", Row = "row", Tensor = "tensor" });
names!(LoadMode, "load mode" {
    Auto = "auto",
    None = "none",
    Mmap = "mmap",
    Mlock = "mlock",
    MmapMlock = "mmap+mlock",
    DirectIo = "dio",
});
names!(LazyMode, "lazy mode" { Off = "off", Auto = "auto", On = "on" });

/// How to load a model; the defaults are llama-bench's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ModelParams {
    /// Layers to place on devices; negative for all.
    pub n_gpu_layers: i32,
    /// Place no more layers on the devices than fit into their free memory.
    pub fit: Option<Fit>,
    /// Devices to use; empty for all.
    pub devices: Vec<Device>,
    /// Use no device, the CPU alone: llama-bench's `-dev none`. [`devices`](Self::devices) must be empty.
    pub no_devices: bool,
    /// How to spread the model over several devices.
    pub split_mode: SplitMode,
    /// Share of each device; empty for shares by free memory.
    pub tensor_split: Vec<f32>,
    /// The device for everything when [`SplitMode::None`].
    pub main_gpu: i32,
    /// How weights get into memory.
    pub load_mode: LoadMode,
    /// Whether marked tensors are read on demand.
    pub lazy_mode: LazyMode,
    /// Regular expressions over tensor names, each with the buffer type (such as `CPU`) to keep the matches in; the first
    /// that matches counts. The syntax is that of the crate `regex`, over ASCII, without set arithmetic.
    /// [`Model::unmatched_overrides`](super::Model::unmatched_overrides) names those without effect.
    pub tensor_buft_overrides: Vec<(String, String)>,
    /// Layers whose experts stay on the CPU.
    pub n_cpu_moe: u32,
    /// Weights may be repacked for the CPU.
    pub use_extra_bufts: bool,
    /// Bypass the host buffer.
    pub no_host: bool,
    /// Load the vocabulary alone.
    pub vocab_only: bool,
    /// Read the metadata and pretend to allocate: for memory estimates.
    pub no_alloc: bool,
    /// Check every tensor's data while loading.
    pub check_tensors: bool,
    /// Metadata in place of that in the file, by key such as `llama.rope.freq_base`. A value of another kind than the
    /// file's is an error; [`Model::unmatched_overrides`](super::Model::unmatched_overrides) names keys that the
    /// architecture does not read.
    pub kv_overrides: Vec<(String, KvOverride)>,
    /// LoRA adapters (GGUF) to load with the model, for [`Context::set_loras`](super::Context::set_loras). They come with
    /// the model because llama.cpp notes them in it, where other threads would read. A [`fit`](Self::fit) does not count
    /// their memory.
    pub lora: Vec<PathBuf>,
}

impl Default for ModelParams {
    fn default() -> Self {
        Self {
            n_gpu_layers: -1,
            fit: None,
            devices: Vec::new(),
            no_devices: false,
            split_mode: SplitMode::default(),
            tensor_split: Vec::new(),
            main_gpu: 0,
            load_mode: LoadMode::default(),
            lazy_mode: LazyMode::default(),
            tensor_buft_overrides: Vec::new(),
            n_cpu_moe: 0,
            use_extra_bufts: true,
            no_host: false,
            vocab_only: false,
            no_alloc: false,
            check_tensors: false,
            kv_overrides: Vec::new(),
            lora: Vec::new(),
        }
    }
}

macro_rules! setters {
    ($params:ident { $($(#[$meta:meta])* $name:ident: $type:ty),+ $(,)? }) => {
        impl $params {
            $($(#[$meta])*
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })+
        }
    };
}
pub(super) use setters;

setters!(ModelParams {
    /// Layers to place on devices; negative for all.
    n_gpu_layers: i32,
    /// Place no more layers on the devices than fit into their free memory.
    fit: Option<Fit>,
    /// Devices to use; empty for all.
    devices: Vec<Device>,
    /// Use no device, the CPU alone.
    no_devices: bool,
    /// How to spread the model over several devices.
    split_mode: SplitMode,
    /// Share of each device.
    tensor_split: Vec<f32>,
    /// The device for everything when [`SplitMode::None`].
    main_gpu: i32,
    /// How weights get into memory.
    load_mode: LoadMode,
    /// Whether marked tensors are read on demand.
    lazy_mode: LazyMode,
    /// Tensor name patterns and the buffer types to keep the matches in.
    tensor_buft_overrides: Vec<(String, String)>,
    /// Layers whose experts stay on the CPU.
    n_cpu_moe: u32,
    /// Weights may be repacked for the CPU.
    use_extra_bufts: bool,
    /// Bypass the host buffer.
    no_host: bool,
    /// Load the vocabulary alone.
    vocab_only: bool,
    /// Read the metadata and pretend to allocate.
    no_alloc: bool,
    /// Check every tensor's data while loading.
    check_tensors: bool,
    /// Metadata in place of that in the file.
    kv_overrides: Vec<(String, KvOverride)>,
    /// LoRA adapters to load with the model.
    lora: Vec<PathBuf>,
});

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, str::FromStr};

    use super::*;
    use crate::llama::{FlashAttn, KvType, LlamaError, Numa};

    fn reads_its_names<T: Copy + PartialEq + Debug + FromStr<Err = LlamaError>>(
        all: &[T],
        name: fn(T) -> &'static str,
    ) {
        for &value in all {
            assert_eq!(name(value).parse::<T>().unwrap(), value);
            let refused = "no such".parse::<T>().unwrap_err().to_string();
            assert!(refused.contains("no such") && refused.contains(name(value)), "{refused}");
            let of_rust = std::any::type_name::<T>().rsplit("::").next().unwrap();
            assert!(!refused.contains(of_rust), "{of_rust} is a name of Rust alone: {refused}");
        }
    }

    #[test]
    fn every_name_is_read_back_and_what_is_none_lists_them() {
        reads_its_names(SplitMode::ALL, SplitMode::name);
        reads_its_names(LoadMode::ALL, LoadMode::name);
        reads_its_names(LazyMode::ALL, LazyMode::name);
        reads_its_names(FlashAttn::ALL, FlashAttn::name);
        reads_its_names(KvType::ALL, KvType::name);
        reads_its_names(Numa::ALL, Numa::name);
    }

    #[test]
    fn flash_attention_is_read_as_llama_bench_reads_it() {
        for (text, value) in [
            ("1", FlashAttn::On),
            ("true", FlashAttn::On),
            ("enabled", FlashAttn::On),
            ("0", FlashAttn::Off),
            ("false", FlashAttn::Off),
            ("disabled", FlashAttn::Off),
            ("-1", FlashAttn::Auto),
        ] {
            assert_eq!(text.parse::<FlashAttn>().unwrap(), value, "{text}");
        }
    }
}
