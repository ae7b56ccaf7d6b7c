//! Flags that choose how contexts are made and computed: each combination is a configuration of its own.

use std::str::FromStr;

use super::{
    CpuMask, Integers, Numbers, all, all_integers,
    values::{batch_sizes, polls, priorities, switch, threads},
};
use crate::llama::{ContextParams, FlashAttn, KvType, LlamaError};

/// How contexts are made. Each flag takes a list and may be repeated.
#[derive(Clone, Debug, clap::Args)]
pub struct ContextArgs {
    /// Logical batch sizes in tokens
    #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "2048", value_parser = batch_sizes, help_heading = "Context")]
    pub n_batch: Vec<Numbers>,
    /// Physical batch sizes in tokens
    #[arg(long = "ubatch-size", visible_alias = "ub", alias = "ubatch", value_name = "N", default_value = "512", value_parser = batch_sizes, help_heading = "Context")]
    pub n_ubatch: Vec<Numbers>,
    /// Flash attention: on, off, auto
    ///
    /// Also 1, 0, -1.
    #[arg(long, visible_alias = "fa", value_name = "WHEN", default_value = "auto", value_delimiter = ',', value_parser = FlashAttn::from_str, help_heading = "Context")]
    pub flash_attn: Vec<FlashAttn>,
    /// Types of the K cache
    #[arg(long = "cache-type-k", visible_alias = "ctk", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str, help_heading = "Context")]
    pub type_k: Vec<KvType>,
    /// Types of the V cache
    ///
    /// A quantised one needs flash attention.
    #[arg(long = "cache-type-v", visible_alias = "ctv", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str, help_heading = "Context")]
    pub type_v: Vec<KvType>,
    /// Threads [default: physical cores]
    ///
    /// As many as the process has physical cores within its affinity mask and cgroup quota.
    #[arg(short = 't', long = "threads", value_name = "N", value_parser = threads, help_heading = "Context")]
    pub n_threads: Vec<Numbers>,
    /// CPUs that threads may use, in hexadecimal; 0x0 for all
    #[arg(short = 'C', long, value_name = "HEX", default_value = "0x0", value_delimiter = ',', value_parser = CpuMask::from_str, hide_short_help = true, help_heading = "Context")]
    pub cpu_mask: Vec<CpuMask>,
    /// Pin each thread to one CPU of the mask
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
    pub cpu_strict: Vec<bool>,
    /// How hard idle threads poll for work, 0 (sleep) to 100 (spin)
    #[arg(long, value_name = "0..100", default_value = "50", value_parser = polls, hide_short_help = true, help_heading = "Context")]
    pub poll: Vec<Numbers>,
    /// Priority of the threads, -1 (low) to 3 (realtime)
    ///
    /// Of several --prio the last one counts.
    #[arg(long, value_name = "N", default_value = "0", value_parser = priorities, hide_short_help = true, help_heading = "Context")]
    pub prio: Integers,
    /// Keep the KV cache in host memory
    #[arg(long, visible_alias = "nkvo", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
    pub no_kv_offload: Vec<bool>,
    /// Do not offload operations of host tensors
    #[arg(long, visible_alias = "nopo", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
    pub no_op_offload: Vec<bool>,
    /// Sliding-window layers keep the whole context
    #[arg(long, hide_short_help = true, help_heading = "Context")]
    pub swa_full: bool,
    /// Compute embeddings
    #[arg(long, visible_alias = "embd", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
    pub embeddings: Vec<bool>,
}

impl ContextArgs {
    /// Every combination of the values, in llama-bench's order.
    pub fn params(&self) -> Vec<ContextParams> {
        let params = vec![ContextParams::default().swa_full(self.swa_full)];
        let params = vary(params, &self.embeddings, ContextParams::embeddings);
        let params = vary(params, &self.no_op_offload, |p, no: bool| p.op_offload(!no));
        let params = vary(params, &all(&self.n_batch), ContextParams::n_batch);
        // llama.cpp computes at most a batch at once; asking for more is no error in llama-bench.
        let params = vary(params, &all(&self.n_ubatch), |p, n_ubatch: u32| {
            let n_batch = p.n_batch;
            p.n_ubatch(n_ubatch.min(n_batch))
        });
        let params = vary(params, &self.type_k, ContextParams::type_k);
        let params = vary(params, &self.type_v, ContextParams::type_v);
        let params = vary(params, &self.no_kv_offload, |p, no: bool| p.offload_kqv(!no));
        let params = vary(params, &self.flash_attn, ContextParams::flash_attn);
        let params = vary(params, &all(&self.n_threads), |p, n: u32| p.n_threads(n).n_threads_batch(n));
        let params = vary(params, &self.cpu_mask, |p, CpuMask(cpus)| p.cpu_mask(cpus));
        let params = vary(params, &self.cpu_strict, ContextParams::cpu_strict);
        let params = vary(params, &all(&self.poll), ContextParams::poll);
        vary(params, &all_integers(std::slice::from_ref(&self.prio)), ContextParams::prio)
    }

    /// The one way to make the context, for a program that takes no lists.
    ///
    /// # Errors
    /// A flag that has several values.
    pub fn one(&self) -> Result<ContextParams, LlamaError> {
        let mut all = self.params();
        match (all.pop(), all.len()) {
            (Some(params), 0) => Ok(params),
            (_, n) => Err(LlamaError::Parameter {
                name: "the context's flags",
                value: format!("{} combinations", n + 1),
                remedy: "give each flag one value".into(),
            }),
        }
    }
}

/// Each item with each value; the items as they are if no value was given.
pub(super) fn vary<T: Clone, V: Clone>(items: Vec<T>, values: &[V], set: impl Fn(T, V) -> T) -> Vec<T> {
    if values.is_empty() {
        return items;
    }
    items.iter().flat_map(|item| values.iter().map(|value| set(item.clone(), value.clone()))).collect()
}
