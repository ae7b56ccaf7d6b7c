//! Flags that choose how contexts are made and computed: each combination is a configuration of its own.

use std::str::FromStr;

use llama_bench_rs::llama::{FlashAttn, KvType};

use crate::values::{CpuMask, Integers, Numbers, cpu_mask, switch};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Contexts (each takes a list and may be repeated)")]
pub struct ContextArgs {
    /// Compute embeddings
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub embeddings: Vec<bool>,
    /// Do not offload operations of host tensors
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub no_op_offload: Vec<bool>,
    /// Logical batch sizes in tokens
    #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "2048", value_parser = Numbers::from_str)]
    pub n_batch: Vec<Numbers>,
    /// Physical batch sizes in tokens
    #[arg(long = "ubatch-size", value_name = "N", default_value = "512", value_parser = Numbers::from_str)]
    pub n_ubatch: Vec<Numbers>,
    /// Types of the K cache
    #[arg(long = "cache-type-k", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str)]
    pub type_k: Vec<KvType>,
    /// Types of the V cache; a quantised one needs flash attention
    #[arg(long = "cache-type-v", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str)]
    pub type_v: Vec<KvType>,
    /// Keep the KV cache in host memory
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub no_kv_offload: Vec<bool>,
    /// Flash attention: on, off, auto (or 1, 0, -1)
    #[arg(long, value_name = "WHEN", default_value = "auto", value_delimiter = ',', value_parser = FlashAttn::from_str)]
    pub flash_attn: Vec<FlashAttn>,
    /// Threads [default: physical cores within the affinity mask and cgroup quota]
    #[arg(short = 't', long = "threads", value_name = "N", value_parser = Numbers::from_str)]
    pub n_threads: Vec<Numbers>,
    /// CPUs that threads may use, in hexadecimal; 0x0 for all
    #[arg(short = 'C', long, value_name = "HEX", default_value = "0x0", value_delimiter = ',', value_parser = cpu_mask)]
    pub cpu_mask: Vec<CpuMask>,
    /// Pin each thread to one CPU of the mask
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub cpu_strict: Vec<bool>,
    /// How hard idle threads poll for work, 0 (sleep) to 100 (spin)
    #[arg(long, value_name = "0..100", default_value = "50", value_parser = Numbers::from_str)]
    pub poll: Vec<Numbers>,
    /// Priority of the threads, -1 (low) to 3 (realtime); of several --prio the last one counts
    #[arg(long, value_name = "N", default_value = "0", value_parser = Integers::from_str)]
    pub prio: Integers,
    /// Sliding-window layers keep the whole context
    #[arg(long)]
    pub swa_full: bool,
}
