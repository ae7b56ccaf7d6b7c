//! The command line: llama-bench's flags where the meaning is the same.

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use clap::Parser;
use llama_bench_rs::{
    llama::{FlashAttn, KvType, LazyMode, LoadMode, SplitMode},
    stats::StoppingRule,
    units::Ratio,
};

use crate::values::{
    CpuMask, MethodArg, Numbers, OrderArg, OutputFormat, cpu_mask, flash_attn, override_tensor, pair, switch,
};

/// llama-bench writes long names behind one dash; clap knows them behind two.
const LONG_NAMES: &[(&str, &str)] = &[
    ("-pg", "--pg"),
    ("-ub", "--ubatch-size"),
    ("-ctk", "--cache-type-k"),
    ("-ctv", "--cache-type-v"),
    ("-ngl", "--n-gpu-layers"),
    ("-ncmoe", "--n-cpu-moe"),
    ("-sm", "--split-mode"),
    ("-mg", "--main-gpu"),
    ("-nkvo", "--no-kv-offload"),
    ("-fa", "--flash-attn"),
    ("-dev", "--device"),
    ("-lm", "--load-mode"),
    ("-lzm", "--lazy-mode"),
    ("-ts", "--tensor-split"),
    ("-ot", "--override-tensor"),
    ("-nopo", "--no-op-offload"),
    ("-embd", "--embeddings"),
];

/// Measures a model at several context depths, in one process.
///
/// With no arguments: a weightless tiny gpt-oss, depths from 0 up, within a minute on two cores. Lists are separated
/// by commas; numbers may be ranges: 0-32768+4096, 1-64*2. Every combination of the values of -b, -ub, -fa and the
/// other parameters is a configuration of its own. Exit status: 0 all cells measured, 1 some failed, 2 bad usage,
/// 3 slower than the baseline or than expected.
#[derive(Debug, Parser)]
#[command(name = "sweep", disable_version_flag = true)]
pub struct Args {
    /// Model files (GGUF; of a split model the first part)
    #[arg(short = 'm', long = "model", value_name = "FILE", value_delimiter = ',')]
    pub models: Vec<PathBuf>,
    /// Weightless models by shape, made on first use and kept in the cache folder
    #[arg(long = "shape", value_name = "NAME", value_delimiter = ',')]
    pub shapes: Vec<String>,
    /// File type of weightless models, such as q4_k_m [default: the shape's own]
    #[arg(long, value_name = "TYPE")]
    pub file_type: Option<String>,
    /// Prompt lengths in tokens [default: 512, or 256 without a model]
    #[arg(short = 'p', long = "n-prompt", value_name = "N", value_parser = Numbers::from_str)]
    pub n_prompt: Vec<Numbers>,
    /// Generation lengths in tokens [default: 128, or 16 without a model]
    #[arg(short = 'n', long = "n-gen", value_name = "N", value_parser = Numbers::from_str)]
    pub n_gen: Vec<Numbers>,
    /// Whether the prompt lengths are of texts to embed (embd512) rather than of prompts (pp512)
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub embeddings: Vec<bool>,
    /// A prompt directly followed by a generation, reported as two figures
    #[arg(long = "pg", value_name = "PP,TG", value_parser = pair)]
    pub pg: Vec<(u32, u32)>,
    /// Depths: tokens in the context before each repetition [default: 0, or 0-2048+512 without a model]
    #[arg(short = 'd', long = "n-depth", value_name = "N", value_parser = Numbers::from_str)]
    pub n_depth: Vec<Numbers>,
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
    /// Threads [default: physical cores]
    #[arg(short = 't', long = "threads", value_name = "N", value_parser = Numbers::from_str)]
    pub n_threads: Vec<Numbers>,
    /// CPUs that threads may use, in hexadecimal
    #[arg(short = 'C', long, value_name = "HEX", default_value = "0x0", value_parser = cpu_mask)]
    pub cpu_mask: CpuMask,
    /// Pin each thread to one CPU of the mask
    #[arg(long, value_name = "0|1", default_value = "0", value_parser = switch)]
    pub cpu_strict: bool,
    /// How hard idle threads poll for work, 0 (sleep) to 100 (spin)
    #[arg(long, value_name = "0..100", default_value = "50", value_parser = Numbers::from_str)]
    pub poll: Vec<Numbers>,
    /// Priority of the threads, -1 (low) to 3 (realtime)
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true)]
    pub prio: i32,
    /// Layers on the devices; -1 for all
    #[arg(
        long,
        value_name = "N",
        default_value = "-1",
        allow_negative_numbers = true,
        value_delimiter = ','
    )]
    pub n_gpu_layers: Vec<i32>,
    /// Layers whose experts stay on the CPU
    #[arg(long, value_name = "N", default_value = "0", value_parser = Numbers::from_str)]
    pub n_cpu_moe: Vec<Numbers>,
    /// How to spread the model over devices: none, layer, row, tensor
    #[arg(long, value_name = "MODE", default_value = "layer", value_delimiter = ',', value_parser = SplitMode::from_str)]
    pub split_mode: Vec<SplitMode>,
    /// The device for everything with split mode none
    #[arg(long, value_name = "I", default_value = "0")]
    pub main_gpu: i32,
    /// Keep the KV cache in host memory
    #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch)]
    pub no_kv_offload: Vec<bool>,
    /// Flash attention: on, off, auto (or 1, 0, -1)
    #[arg(long, value_name = "WHEN", default_value = "auto", value_delimiter = ',', allow_hyphen_values = true, value_parser = flash_attn)]
    pub flash_attn: Vec<FlashAttn>,
    /// Devices to use, separated by `/` [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = '/')]
    pub device: Vec<String>,
    /// How weights are loaded: auto, none, mmap, mlock, mmap+mlock, dio
    #[arg(long, value_name = "MODE", default_value = "auto", value_delimiter = ',', value_parser = LoadMode::from_str)]
    pub load_mode: Vec<LoadMode>,
    /// The same as -lm none
    #[arg(long, conflicts_with = "load_mode")]
    pub no_mmap: bool,
    /// Whether marked tensors are read on demand: off, auto, on
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = LazyMode::from_str)]
    pub lazy_mode: LazyMode,
    /// Share of each device, separated by `/`
    #[arg(long, value_name = "SHARES", value_delimiter = '/')]
    pub tensor_split: Vec<f32>,
    /// Tensor name patterns and the buffer types that keep the matches: `PATTERN=BUFFER;…`
    #[arg(long, value_name = "PATTERN=BUFFER", value_delimiter = ';', value_parser = override_tensor)]
    pub override_tensor: Vec<(String, String)>,
    /// Do not offload operations of host tensors
    #[arg(long, value_name = "0|1", default_value = "0", value_parser = switch)]
    pub no_op_offload: bool,
    /// Bypass the host buffer
    #[arg(long, value_name = "0|1", default_value = "0", value_parser = switch)]
    pub no_host: bool,
    /// Allow repacking weights for the CPU
    #[arg(long, value_name = "0|1", default_value = "1", value_parser = switch)]
    pub repack: bool,
    /// Sliding-window layers keep the whole context
    #[arg(long)]
    pub swa_full: bool,
    /// Repetitions per cell
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "5")]
    pub n_reps: u32,
    /// Repeat each cell until the 95 % interval of its mean is within this many percent, in place of -r
    #[arg(long, value_name = "PERCENT", conflicts_with = "n_reps")]
    pub until: Option<f64>,
    /// With --until: fewest repetitions, half of it where nine tenths of the percentage are reached
    #[arg(long, value_name = "N", default_value = "12", requires = "until")]
    pub min_reps: usize,
    /// With --until: most repetitions
    #[arg(long, value_name = "N", default_value = "100", requires = "until")]
    pub max_reps: usize,
    /// With --until: most seconds to spend on a cell
    #[arg(long, value_name = "SECONDS", requires = "until")]
    pub cell_time: Option<f64>,
    /// How depths are reached: rewind one context, or llama-bench's fresh context per test
    #[arg(long, value_enum, default_value = "rewind")]
    pub method: MethodArg,
    /// Order of the repetitions: rounds over all cells, blocks per depth, or whichever is cheap
    #[arg(long, value_enum, default_value = "auto")]
    pub order: OrderArg,
    /// Seed of the random tokens and of the order
    #[arg(long, value_name = "N", default_value = "42")]
    pub seed: u64,
    /// Do not warm up
    #[arg(long)]
    pub no_warmup: bool,
    /// Take the pace of the machine before each repetition, so that runs can be compared although others use it too; of
    /// a model on the CPU alone
    #[arg(long)]
    pub pace: bool,
    /// Format on standard output: json, jsonl, csv, sql, md, or term: a table with intervals, bars and what it all means
    #[arg(short = 'o', long = "output-format", value_name = "FORMAT", default_value = "md", value_parser = OutputFormat::from_str)]
    pub format: OutputFormat,
    /// After the Markdown table: what was measured on, and what the figures mean
    #[arg(long)]
    pub explain: bool,
    /// Write the results to this file too, each as it comes, in the format of its extension
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Go on with the file of --output (JSONL) where an earlier sweep ended: what is in it is not measured again
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// Tell what would be run, how many tokens and how much memory it takes, and stop
    #[arg(long)]
    pub plan: bool,
    /// Measure nothing: prove that coming back to each depth leaves the context as a fresh fill does
    #[arg(long, conflicts_with_all = ["plan", "resume"])]
    pub verify: bool,
    #[command(flatten)]
    pub expect: crate::expect::ExpectArgs,
    #[command(flatten)]
    pub baseline: crate::baseline::BaselineArgs,
    /// List the devices and stop
    #[arg(long)]
    pub list_devices: bool,
    /// List the shapes of weightless models and stop
    #[arg(long)]
    pub list_shapes: bool,
    /// Tell which llama.cpp was built in and stop
    #[arg(long)]
    pub version: bool,
    /// Pass llama.cpp's log on to standard error
    #[arg(short, long)]
    pub verbose: bool,
}

impl Args {
    /// The rule that ends a cell's repetitions, if there is to be one.
    pub fn stopping(&self) -> Result<Option<StoppingRule>, String> {
        let Some(percent) = self.until else { return Ok(None) };
        let target = Ratio::new(percent / 100.0).filter(|target| target.get() > 0.0);
        let target =
            target.ok_or_else(|| format!("--until {percent}: give a percentage over 0, such as 1"))?;
        let (min, max) = (self.min_reps, self.max_reps);
        if min < 2 || max < min {
            return Err(format!(
                "--min-reps {min} --max-reps {max}: an interval needs at least 2 repetitions, and no more than the most"
            ));
        }
        let budget = self.cell_time.map(Duration::try_from_secs_f64).transpose();
        let budget = budget.map_err(|e| format!("--cell-time: {e}"))?;
        Ok(Some(StoppingRule { min, max, target, budget, ..StoppingRule::new() }))
    }

    /// Reads the process's arguments; bad usage ends the process with status 2, `--help` with 0.
    pub fn read() -> Self {
        Self::parse_from(std::env::args_os().map(long_name))
    }
}

fn long_name(argument: OsString) -> OsString {
    LONG_NAMES.iter().find(|(short, _)| argument == *short).map_or(argument, |(_, long)| long.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::values::all;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' ').map(|word| long_name(word.into())))
    }

    #[test]
    fn clap_agrees_with_the_definition() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_reference_command_line_reads_as_llama_bench_reads_it() {
        let line = "sweep -m a.gguf -p 2048 -n 32 -d 0,4096,8192 -d 16384-32768+16384 -b 2048 -ub 2048 -fa 1 -lm none -ngl 99 -r 3 -pg 512,128";
        let args = parse(line).unwrap();
        assert_eq!(all(&args.n_depth), [0, 4096, 8192, 16384, 32768]);
        assert_eq!((all(&args.n_ubatch), args.n_gpu_layers, args.n_reps), (vec![2048], vec![99], 3));
        assert_eq!((args.flash_attn, args.load_mode), (vec![FlashAttn::On], vec![LoadMode::None]));
        assert_eq!(args.pg, [(512, 128)]);
        assert_eq!(parse("sweep -fa -1,on -ngl -1").unwrap().flash_attn, [FlashAttn::Auto, FlashAttn::On]);
    }

    #[test]
    fn bad_usage_says_what_to_write() {
        for (line, remedy) in [
            ("sweep -d 9-1", "end lies before"),
            ("sweep -pg 512", "512,128"),
            ("sweep -fa maybe", "auto, off, on"),
            ("sweep -ctk q9", "q8_0"),
            ("sweep -o xml", "jsonl"),
            ("sweep --frob", "--frob"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
}
