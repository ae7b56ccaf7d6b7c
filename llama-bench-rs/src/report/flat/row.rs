//! The row itself: its own fields, and between them the columns of the table of parameters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Field, FlatCurvePoint, FlatDisturbance, FlatKind, FlatSample, InRow, Kind, Origin, OutcomeKind};
use crate::{
    record::{
        Ceilings, CellWork, Config, Counted, DeviceInfo, DeviceMemory, GpuConditions, Link, Metering, Method,
        NumaNode, Order, OrderReason, Placement, Profile, Rewind, WeightSource, Work, parameters::parameters,
    },
    report::error::Problem,
    stats::{Stop, StoppingRule},
};

/// Declares the row, its list of fields, and the conversion of a configuration in both directions from one list.
macro_rules! row {
    (
        { $( $(#[doc = $doc1:literal])* $origin1:ident $kind1:ident $name1:ident: $type1:ty $(, $unit1:literal)?; )* }
        { $( $(#[doc = $doc2:literal])* $origin2:ident $kind2:ident $name2:ident: $type2:ty $(, $unit2:literal)?; )* }
        { $( $(#[doc = $doc3:literal])* $origin3:ident $kind3:ident $name3:ident: $type3:ty $(, $unit3:literal)?; )* }
        llama_bench { $(
            $(#[doc = $doc4:literal])* $field4:ident: $asked4:ty
                [$kind4:ident $name4:ident: $type4:ty $(, $unit4:literal)?]
                $known4:tt $other4:tt $from4:tt $arg4:tt;
        )* }
        own { $(
            $(#[doc = $doc5:literal])* $field5:ident: $asked5:ty
                [$kind5:ident $name5:ident: $type5:ty $(, $unit5:literal)?]
                $known5:tt $other5:tt $from5:tt $arg5:tt;
        )* }
    ) => {
        /// A cell with everything that is known about its run, as one flat row. All file formats hold these rows.
        ///
        /// Times are in nanoseconds, sizes in bytes, counts in tokens or layers. Fields that llama-bench also
        /// writes come first, under its names, in its order and of its types. Unknown values are `None`, empty text or
        /// an empty list.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Flat {
            $( $(#[doc = $doc1])* pub $name1: $type1, )*
            $( $(#[doc = $doc4])* pub $name4: $type4, )*
            $( $(#[doc = $doc2])* pub $name2: $type2, )*
            $( $(#[doc = $doc5])* pub $name5: $type5, )*
            $( $(#[doc = $doc3])* pub $name3: $type3, )*
        }

        /// Every field of a row in the order of the files: llama-bench's, then this crate's.
        pub const FIELDS: &[Field] = &[
            $( field(stringify!($name1), Kind::$kind1, Origin::$origin1, &[$($unit1)?], concat!($($doc1),*)), )*
            $( field(stringify!($name4), Kind::$kind4, Origin::LlamaBench, &[$($unit4)?], concat!($($doc4),*)), )*
            $( field(stringify!($name2), Kind::$kind2, Origin::$origin2, &[$($unit2)?], concat!($($doc2),*)), )*
            $( field(stringify!($name5), Kind::$kind5, Origin::Own, &[$($unit5)?], concat!($($doc5),*)), )*
            $( field(stringify!($name3), Kind::$kind3, Origin::$origin3, &[$($unit3)?], concat!($($doc3),*)), )*
        ];

        impl Flat {
            /// Sets the parameters from a configuration.
            pub(super) fn set_parameters(&mut self, config: &Config) {
                $( self.$name4 = config.$field4.to_row(); )*
                $( self.$name5 = config.$field5.to_row(); )*
            }

            /// The parameters in the row.
            pub(super) fn parameters(&self) -> Result<Config, Problem> {
                Ok(Config {
                    $( $field4: InRow::from_row(stringify!($name4), &self.$name4)?, )*
                    $( $field5: InRow::from_row(stringify!($name5), &self.$name5)?, )*
                })
            }
        }
    };
}

const fn field(
    name: &'static str,
    kind: Kind,
    origin: Origin,
    unit: &[&'static str],
    doc: &'static str,
) -> Field {
    let unit = if unit.is_empty() { None } else { Some(unit[0]) };
    Field { name, kind, origin, unit, doc }
}

parameters! { row {
    /// Commit of llama.cpp, seven hexadecimal digits in this crate's files; of a checksum if the commit is unknown.
    LlamaBench Text build_commit: String;
    /// Running build number of llama.cpp.
    LlamaBench Int build_number: Option<u32>;
    /// CPU model names, comma-separated.
    LlamaBench Text cpu_info: String;
    /// GPU descriptions, comma-separated.
    LlamaBench Text gpu_info: String;
    /// Registered backends, comma-separated.
    LlamaBench Text backends: String;
    /// Path of the model as given.
    LlamaBench Text model_filename: String;
    /// llama.cpp's description of the model.
    LlamaBench Text model_type: String;
    /// Bytes of all tensors.
    LlamaBench Int model_size: Option<u64>, "bytes";
    /// Number of parameters.
    LlamaBench Int model_n_params: Option<u64>;
} {
    /// Prompt tokens of a repetition, for embd those of the text; 0 for tg.
    LlamaBench Int n_prompt: u32, "tokens";
    /// Generated tokens of a repetition; 0 for pp and embd.
    LlamaBench Int n_gen: u32, "tokens";
    /// Tokens in the context when the clock starts.
    LlamaBench Int n_depth: u32, "tokens";
    /// When the cell began, in UTC (RFC 3339).
    LlamaBench Text test_time: String;
    /// Mean time of a repetition; `None` in a failed row.
    LlamaBench Int avg_ns: Option<u64>, "ns";
    /// Standard deviation of the times (n - 1); `None` for one sample (llama-bench writes 0).
    LlamaBench Int stddev_ns: Option<u64>, "ns";
    /// Mean of the repetitions' rates, in tokens per second; `None` in a failed row.
    LlamaBench Float avg_ts: Option<f64>, "tokens per second";
    /// Standard deviation of the rates (n - 1); `None` for one sample (llama-bench writes 0).
    LlamaBench Float stddev_ts: Option<f64>, "tokens per second";
    /// Time of each repetition.
    LlamaBenchJson Nested samples_ns: Vec<u64>, "ns";
    /// Rate of each repetition, in tokens per second; `None` if no time passed.
    LlamaBenchJson Nested samples_ts: Vec<Option<f64>>, "tokens per second";
    /// Version of these fields; `None` in llama-bench's own files.
    Own Int schema_version: Option<u32>;
    /// Counts the runs of a file from 0; rows of one run follow each other.
    Own Int run: Option<u32>;
    /// What was timed.
    Own Text test_kind: Option<FlatKind>;
    /// Sequences that were processed together, at least 1; the tokens above are those of each, the rates those of all.
    Own Int n_parallel: Option<u32>, "sequences";
    /// Mean rate of each sequence: `avg_ts` over `n_parallel`; `None` in a failed row. Derived from `samples_ns`.
    Own Float avg_ts_per_sequence: Option<f64>, "tokens per second";
    /// Embeddings are computed in every test of the run, not in those of embeddings alone.
    Own Bool always_embeddings: Option<bool>;
    /// The result of the cell.
    Own Text outcome: Option<OutcomeKind>;
    /// A stable word for the reason of a failure, or why a measured row has fewer repetitions than asked: `cancelled` if
    /// somebody stopped the sweep.
    Own Text error_kind: Option<String>;
    /// The whole message of a failure, or of what ended a measured cell after some of its repetitions.
    Own Text error_message: Option<String>;
    /// Time of each token of each repetition; empty for pp and embd.
    Own Nested steps_ns: Vec<Vec<u64>>, "ns";
    /// The first step of a repetition, median over the repetitions; `None` for pp and embd. Derived from `steps_ns`.
    Own Int first_step_ns: Option<u64>, "ns";
    /// How many steps at the beginning of a repetition are slow; `None` if none were found. Derived from `steps_ns`.
    Own Int transient_steps: Option<u32>;
    /// How much longer the slow steps take together than as many steady ones; `None` if none were found. Derived from
    /// `steps_ns`.
    Own Int transient_excess_ns: Option<u64>, "ns";
    /// The steady step, median of all steps but the slow and the first ones; `None` for pp and embd. Derived from
    /// `steps_ns`.
    Own Int steady_step_ns: Option<u64>, "ns";
    /// Half of the steps of all repetitions take at most this long; `None` for pp and embd. Derived from `steps_ns`.
    Own Int step_p50_ns: Option<u64>, "ns";
    /// 90 % of the steps take at most this long; `None` for pp and embd. Derived from `steps_ns`.
    Own Int step_p90_ns: Option<u64>, "ns";
    /// 99 % of the steps take at most this long; `None` for pp and embd. Derived from `steps_ns`.
    Own Int step_p99_ns: Option<u64>, "ns";
    /// When each repetition began, counted from the start of the run; empty if unknown.
    Own Nested samples_at_ns: Vec<u64>, "ns";
    /// Time of the calibration loop just before each repetition, null if it was not run; empty if it never was.
    Own Nested samples_pace_ns: Vec<Option<u64>>, "ns";
    /// What other programs took from each repetition, null if unknown; empty if never known.
    Own Nested samples_disturbance: Vec<Option<FlatDisturbance>>;
    /// When each repetition began, since 1970 in UTC; empty if unknown.
    Own Nested samples_utc_ns: Vec<u64>, "ns";
    /// What the counters of energy showed around each repetition; empty if there were none.
    Own Nested samples_energy: Vec<Vec<Counted>>;
    /// Energy of all repetitions, of the devices that hold the layers; `None` if the counters do not resolve it. Derived
    /// from `samples_energy` and `metering`, as the fields down to `energy_unknown`.
    Own Float energy_j: Option<f64>, "J";
    /// Lower end of its 95 % interval, as far as the counters resolve it.
    Own Float energy_lower_j: Option<f64>, "J";
    /// Upper end of that interval.
    Own Float energy_upper_j: Option<f64>, "J";
    /// Energy per token.
    Own Float j_per_token: Option<f64>, "J per token";
    /// Lower end of its 95 % interval, as far as the counters resolve it.
    Own Float j_per_token_lower: Option<f64>, "J per token";
    /// Upper end of that interval.
    Own Float j_per_token_upper: Option<f64>, "J per token";
    /// The share of the energy that the devices draw with the model loaded and nothing computed.
    Own Float energy_idle_share: Option<f64>;
    /// The counters that the energy is the sum of, comma-separated.
    Own Text energy_meters: String;
    /// Why the energy is unknown; `None` if it is known, or was not metered.
    Own Text energy_unknown: Option<String>;
    /// The shortest time that the bytes and the arithmetic of a repetition could take at the ceilings of the devices; of
    /// generation, those of one token. Derived from `cell_work` and `ceilings`, as the fields down to `light_unknown`.
    Own Int light_floor_ns: Option<u64>, "ns";
    /// The share of that time in the measured mean: 1 if the machine can do no better.
    Own Float light_share: Option<f64>;
    /// Lower end of its range: of the 95 % interval of the mean, and of what repeated measurements of the ceilings show.
    Own Float light_share_lower: Option<f64>;
    /// Upper end of that range.
    Own Float light_share_upper: Option<f64>;
    /// What bounds the speed at most: `memory` or `arithmetic`; `None` if the share is not known.
    Own Text light_binds: Option<String>;
    /// Why the share is unknown; `None` if it is known, or no ceilings were measured.
    Own Text light_unknown: Option<String>;
    /// Repetitions that were disturbed and therefore repeated; they are not among the samples.
    Own Nested set_aside: Vec<FlatSample>;
    /// The repetition straight after the live fill; it is not among the samples.
    Own Nested live: Option<FlatSample>;
    /// How the context returned to the depth before each repetition.
    Own Text rewind: Option<Rewind>;
    /// Untimed repetitions before the first timed one.
    Own Int warmup_runs: Option<u32>;
    /// Whether the warm-up settled; `None` if that was not checked.
    Own Bool warmup_settled: Option<bool>;
    /// What ended the repetitions; `None` if their number was fixed.
    Own Text stop: Option<Stop>;
    /// What each GPU did meanwhile.
    Own Nested conditions: Vec<GpuConditions>;
    /// What a repetition computes and moves, by device: bytes of weights, keys and values, states, and arithmetic by
    /// operation and type; null if it was not counted.
    Own Nested cell_work: Option<CellWork>;
    /// Why it could not be counted; `None` if it was, or nobody asked.
    Own Text cell_work_unknown: Option<String>;
    /// Where the time of a repetition goes, measured apart from the samples: by block, device, and operation, with the cost of
    /// the stops that this takes; null if it was not profiled.
    Own Nested profile: Option<Profile>;
    /// Prompt tokens of the pg test that this cell is one half of.
    Own Int pg_prompt: Option<u32>, "tokens";
    /// Generated tokens of that pg test.
    Own Int pg_gen: Option<u32>, "tokens";
    /// Prompt speed while the context was filled, since the row before.
    Own Nested curve: Vec<FlatCurvePoint>;
    /// In which order repetitions were run.
    Own Text rep_order: Option<Order>;
    /// What decided that order: `asked`, `one_depth`, `no_snapshot`, `cheap` or `costly`.
    Own Text rep_order_reason: Option<OrderReason>;
    /// Expected time of coming back to depths by whole snapshots, from which the order was decided.
    Own Int rep_order_returns_ns: Option<u64>, "ns";
    /// Expected time of the repetitions beside it.
    Own Int rep_order_timed_ns: Option<u64>, "ns";
} {
    /// The same as `fit_target`, in failed rows too; `None` without a fit.
    Own Int fit_target_mib: Option<u64>, "MiB";
    /// Whether flash attention was used; `None` if unknown.
    Own Bool flash_attn_resolved: Option<bool>;
    /// Cells of the context, in tokens.
    Own Int n_ctx: Option<u32>, "tokens";
    /// Sequences that the context could hold apart; `n_seq_max` is what was asked for.
    Own Int n_seq_max_resolved: Option<u32>, "sequences";
    /// Layers placed on devices, the output layer counted.
    Own Int offloaded_layers: Option<u32>, "layers";
    /// Layers that could have been placed there.
    Own Int offloadable_layers: Option<u32>, "layers";
    /// Bytes used, by device or buffer type.
    Own Nested memory: BTreeMap<String, DeviceMemory>;
    /// The graph that was computed: nodes by operation, type, device and buffer of the weights, splits, and copies between
    /// devices; null if unknown. In a context of several sequences it is the graph of all of them (`n_seq_max_resolved`), in
    /// rows of fewer sequences too.
    Own Nested work: Option<Work>;
    /// Driver and library versions of the GPUs.
    Own Text driver: String;
    /// Every device that llama.cpp sees.
    Own Nested device_list: Vec<DeviceInfo>;
    /// The way to each server of devices on another machine: median round trip with its spread, and the time of a block there
    /// and back; empty without one.
    Own Nested links: Vec<Link>;
    /// What each backend was compiled with, by its name, as llama.cpp tells it; empty if unknown.
    Own Nested backend_features: BTreeMap<String, BTreeMap<String, String>>;
    /// Instruction sets that the CPU has, under llama.cpp's names, as far as they can be asked for; empty if unknown.
    Own Nested cpu_features: Vec<String>;
    /// The file whose shape a synthetic model has, as given; empty for others.
    Own Text model_like: String;
    /// Architecture of the model.
    Own Text model_architecture: String;
    /// Layers of the model.
    Own Int model_n_layer: Option<u32>, "layers";
    /// Context length it was trained for, in tokens.
    Own Int model_n_ctx_train: Option<u32>, "tokens";
    /// Vocabulary size, in tokens.
    Own Int model_n_vocab: Option<u32>, "tokens";
    /// Where the source of llama.cpp came from.
    Own Text build_source: String;
    /// Version of llama.cpp and of the package that carried it.
    Own Text build_version: String;
    /// C++ compiler.
    Own Text build_compiler: String;
    /// CMake options.
    Own Text build_cmake_options: String;
    /// Wall time of loading the model.
    Own Int load_ns: Option<u64>, "ns";
    /// Bytes of tensors loaded.
    Own Int load_bytes: Option<u64>, "bytes";
    /// Where the weights came from: `file`, or `stream` of a synthetic model that was generated while it was loaded.
    Own Text load_source: Option<WeightSource>;
    /// Memory of the process after the context was made, in bytes; `None` if the system does not say.
    Own Nested placement: Option<Placement>;
    /// Memory nodes (NUMA) of the machine: their CPUs and memory, the threads that computed there and the bytes of the process
    /// on them, null if unknown; empty if none are known.
    Own Nested numa_nodes: Vec<NumaNode>;
    /// When the run began, in UTC (RFC 3339).
    Own Text run_started_at: String;
    /// The run up to this row, without loading the model.
    Own Int run_wall_ns: Option<u64>, "ns";
    /// Of it, making contexts.
    Own Int run_open_ns: Option<u64>, "ns";
    /// Of it, filling contexts.
    Own Int run_fill_ns: Option<u64>, "ns";
    /// Of it, returning to depths.
    Own Int run_rewind_ns: Option<u64>, "ns";
    /// Of it, timed repetitions.
    Own Int run_timed_ns: Option<u64>, "ns";
    /// Of it, warming up.
    Own Int run_warmup_ns: Option<u64>, "ns";
    /// Smallest step seen between two readings of the clock.
    Own Int clock_resolution_ns: Option<u64>, "ns";
    /// Median of an empty measurement.
    Own Int clock_overhead_ns: Option<u64>, "ns";
    /// Tokens decoded in all.
    Own Int n_decoded_tokens: Option<u64>, "tokens";
    /// The counters of energy with their periods, and the idle draw; null if energy was not looked at.
    Own Nested metering: Option<Metering>;
    /// The most that each device does, measured with ggml's kernels: bandwidths of its memory in bytes per second, matrix
    /// products by type in floating-point operations per second; empty if not measured.
    Own Nested ceilings: Vec<Ceilings>;
} }
