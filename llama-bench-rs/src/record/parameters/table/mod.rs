//! The one table of a configuration's parameters, from which everything else that knows of them is made:
//! [`Config`](crate::record::Config), the rows and the schema of files, a baseline's key, names of configurations,
//! differences, columns of Markdown, header lines, and the flags of a command line in both directions.
//!
//! A new parameter gets an entry here, a field of [`ContextParams`](crate::llama::ContextParams) or
//! [`ModelParams`](crate::llama::ModelParams), and the line that hands it to llama.cpp (`raw` in `llama/context_params.rs` or
//! `llama/model_arguments.rs`): no test notices if that line is missing. An entry has:
//!
//! ```text
//! /// What it is, with its unit: for rustdoc and the schema.
//! field of Config: type
//!     [type of column, name in files: type in files, "unit" if it has one]
//!     [what else there is to say: see `Parameter`]
//!     [another value than the default, for tests]
//!     [where it comes from: `context`, `model` or `request` with the fields that are read, and the value;]
//!     [`context` or `model` with its flag, and what the flag sets; nothing if no group of flags takes its flags from here]
//! ```
//!
//! Here are the parameters that llama-bench's files have, in its order; one that llama-bench gains comes here, in its place.
//! Those that this crate adds are in `own.rs`: a new one comes there, at the end.

pub(crate) mod own;

/// Hands the table to another macro, behind what that macro gets from its caller in braces.
macro_rules! parameters {
    ($consumer:ident $({ $($own:tt)* })*) => { $crate::record::parameters::own_parameters! { $consumer $({ $($own)* })*
llama_bench {
    /// Logical batch size, in tokens.
    n_batch: Option<u32>
        [Int n_batch: Option<u32>, "tokens"]
        [name: "b", flag: Value("-b"), default: Some("2048"), column: Some(("n_batch", 7)),
         shown: Always("Batch", "{} tokens")]
        [Some(1024)]
        [context(n_batch): Some(*n_batch);]
        [context {
            /// Logical batch sizes in tokens
            #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "2048", value_parser = batch_sizes, help_heading = "Context")]
            n_batch: Vec<Numbers> => ContextParams::n_batch
        }];
    /// Physical batch size, in tokens.
    n_ubatch: Option<u32>
        [Int n_ubatch: Option<u32>, "tokens"]
        [name: "ub", flag: Value("-ub"), default: Some("512"), column: Some(("n_ubatch", 8)),
         shown: Always("Batch", "{} at a time (ubatch)")]
        [Some(64)]
        [context(n_ubatch): Some(*n_ubatch);]
        [context {
            /// Physical batch sizes in tokens
            #[arg(long = "ubatch-size", visible_alias = "ub", alias = "ubatch", value_name = "N", default_value = "512", value_parser = batch_sizes, help_heading = "Context")]
            n_ubatch: Vec<Numbers> => at_most_a_batch
        }];
    /// Threads for generation.
    n_threads: Option<u32>
        [Int n_threads: Option<u32>, "threads"]
        [name: "t", flag: Value("-t"), column: Some(("threads", 7)), shown: InCode]
        [Some(77)]
        [context(n_threads): Some(*n_threads);]
        [context {
            /// Threads [default: physical cores]
            ///
            /// As many as the process has physical cores within its affinity mask and cgroup quota.
            #[arg(short = 't', long = "threads", value_name = "N", value_parser = threads, help_heading = "Context")]
            n_threads: Vec<Numbers> => |p, n| p.n_threads(n).n_threads_batch(n)
        }];
    /// CPU affinity mask in hexadecimal; `0x0` for none.
    cpu_mask: String
        [Text cpu_mask: String]
        [name: "C", flag: Value("-C"), default: Some("0x0"), column: Some(("cpu_mask", -10)),
         shown: Changed("Threads", "on CPUs {}")]
        ["0x5".into()]
        [context(cpu_mask): mask(cpu_mask);]
        [context {
            /// CPUs that threads may use, in hexadecimal; 0x0 for all
            #[arg(short = 'C', long, value_name = "HEX", default_value = "0x0", value_delimiter = ',', value_parser = CpuMask::from_str, hide_short_help = true, help_heading = "Context")]
            cpu_mask: Vec<CpuMask> => ContextParams::cpu_mask
        }];
    /// Strict CPU placement.
    cpu_strict: Option<bool>
        [Bool cpu_strict: Option<bool>]
        [name: "cpu-strict", flag: Value("--cpu-strict"), default: Some("0"),
         column: Some(("cpu_strict", 10)), shown: Changed("Threads", "each pinned to one CPU")]
        [Some(true)]
        [context(cpu_strict): Some(*cpu_strict);]
        [context {
            /// Pin each thread to one CPU of the mask
            #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
            cpu_strict: Vec<bool> => ContextParams::cpu_strict
        }];
    /// Polling level of the thread pool, 0 to 100.
    poll: Option<u32>
        [Int poll: Option<u32>]
        [name: "poll", flag: Value("--poll"), default: Some("50"), column: Some(("poll", 10)),
         shown: Changed("Threads", "polling level {}")]
        [Some(7)]
        [context(poll): Some(*poll);]
        [context {
            /// How hard idle threads poll for work, 0 (sleep) to 100 (spin)
            #[arg(long, value_name = "0..100", default_value = "50", value_parser = polls, hide_short_help = true, help_heading = "Context")]
            poll: Vec<Numbers> => ContextParams::poll
        }];
    /// ggml type of the K cache, such as `f16`.
    type_k: String
        [Text type_k: String]
        [name: "ctk", flag: Value("-ctk"), default: Some("f16"), column: Some(("type_k", 6)), shown: InCode]
        ["q8_0".into()]
        [context(type_k): type_k.name().into();]
        [context {
            /// Types of the K cache
            #[arg(long = "cache-type-k", visible_alias = "ctk", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str, help_heading = "Context")]
            type_k: Vec<KvType> => ContextParams::type_k
        }];
    /// ggml type of the V cache.
    type_v: String
        [Text type_v: String]
        [name: "ctv", flag: Value("-ctv"), default: Some("f16"), column: Some(("type_v", 6)), shown: InCode]
        ["bf16".into()]
        [context(type_v): type_v.name().into();]
        [context {
            /// Types of the V cache
            ///
            /// A quantised one needs flash attention.
            #[arg(long = "cache-type-v", visible_alias = "ctv", value_name = "TYPE", default_value = "f16", value_delimiter = ',', value_parser = KvType::from_str, help_heading = "Context")]
            type_v: Vec<KvType> => ContextParams::type_v
        }];
    /// GPU layers asked for; -1 for all.
    n_gpu_layers: Option<i32>
        [Int n_gpu_layers: Option<i32>, "layers"]
        [name: "ngl", flag: Value("-ngl"), default: Some("-1"), column: Some(("ngl", 3)), shown: InCode]
        [Some(99)]
        [model(n_gpu_layers): Some(*n_gpu_layers);]
        [model {
            /// Layers on the devices; -1 for all
            #[arg(long, visible_alias = "ngl", alias = "gpu-layers", value_name = "N", default_value = "-1", value_parser = gpu_layers, help_heading = "Devices")]
            n_gpu_layers: Vec<Integers> => ModelParams::n_gpu_layers
        }];
    /// Layers whose experts stay on the CPU.
    n_cpu_moe: Option<u32>
        [Int n_cpu_moe: Option<u32>, "layers"]
        [name: "ncmoe", flag: Value("-ncmoe"), default: Some("0"), column: Some(("n_cpu_moe", 10)),
         shown: InCode]
        [Some(2)]
        [model(n_cpu_moe): Some(*n_cpu_moe);]
        [model {
            /// Layers whose experts stay on the CPU
            #[arg(long, visible_alias = "ncmoe", value_name = "N", default_value = "0", value_parser = Numbers::from_str, help_heading = "Devices")]
            n_cpu_moe: Vec<Numbers> => ModelParams::n_cpu_moe
        }];
    /// How the model is split over devices: `none`, `layer`, `row` or `tensor`.
    split_mode: String
        [Text split_mode: String]
        [name: "sm", flag: Value("-sm"), default: Some("layer"), column: Some(("sm", 6)),
         shown: Changed("Placement", "split mode {}")]
        ["row".into()]
        [model(split_mode): split_mode.name().into();]
        [model {
            /// Split: none, layer, row, tensor
            ///
            /// How to spread the model over several devices.
            #[arg(long, visible_alias = "sm", value_name = "MODE", default_value = "layer", value_delimiter = ',', value_parser = SplitMode::from_str, help_heading = "Devices")]
            split_mode: Vec<SplitMode> => ModelParams::split_mode
        }];
    /// Index of the main GPU.
    main_gpu: Option<i32>
        [Int main_gpu: Option<i32>]
        [name: "mg", flag: Value("-mg"), default: Some("0"), column: Some(("main_gpu", 10)),
         shown: Changed("Placement", "main GPU {}")]
        [Some(1)]
        [model(main_gpu): Some(*main_gpu);]
        [model {
            /// The device for everything with split mode none, by number
            #[arg(long, visible_alias = "mg", value_name = "I", default_value = "0", value_parser = Integers::from_str, help_heading = "Devices", hide_short_help = true)]
            main_gpu: Vec<Integers> => ModelParams::main_gpu
        }];
    /// The KV cache stays in host memory.
    no_kv_offload: Option<bool>
        [Bool no_kv_offload: Option<bool>]
        [name: "nkvo", flag: Value("-nkvo"), default: Some("0"), column: Some(("nkvo", 13)),
         shown: Changed("KV cache", "in host memory")]
        [Some(true)]
        [context(offload_kqv): Some(!offload_kqv);]
        [context {
            /// Keep the KV cache in host memory
            #[arg(long, visible_alias = "nkvo", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
            no_kv_offload: Vec<bool> => |p, no: bool| p.offload_kqv(!no)
        }];
    /// Flash attention as asked for; in files -1 for auto, 0 for off and 1 for on.
    flash_attn: Option<FlashAttnSetting>
        [Int flash_attn: Option<i32>]
        [name: "fa", flag: Value("-fa"), default: Some("auto"), column: Some(("fa", 3)), shown: InCode]
        [Some(FlashAttnSetting::On)]
        [context(flash_attn): Some(asked_flash_attn(*flash_attn));]
        [context {
            /// Flash attention: on, off, auto
            ///
            /// Also 1, 0, -1.
            #[arg(long, visible_alias = "fa", value_name = "WHEN", default_value = "auto", value_delimiter = ',', value_parser = FlashAttn::from_str, help_heading = "Context")]
            flash_attn: Vec<FlashAttn> => ContextParams::flash_attn
        }];
    /// Devices asked for, `/`-separated; `auto` if left to llama.cpp, `none` for the CPU alone.
    devices: String
        [Text devices: String]
        [name: "dev", flag: Value("-dev"), default: Some("auto"), column: Some(("dev", -12)),
         shown: Changed("Placement", "devices {}")]
        ["none".into()]
        [model(devices, no_devices): list(devices, "/", if *no_devices { "none" } else { "auto" }, Device::name);]
        [];
    /// Share of each device, `/`-separated with two decimals, or more where two are not exact.
    tensor_split: String
        [Text tensor_split: String]
        [name: "ts", flag: Value("-ts"), default: Some("0.00"), column: Some(("ts", -12)),
         shown: Changed("Placement", "shares {}")]
        ["1.00/3.00".into()]
        [model(tensor_split): list(tensor_split, "/", "0.00", share);]
        [model {
            /// Share of each device, joined by /
            ///
            /// 3/1 is one value; 0 for shares by free memory.
            #[arg(long, visible_alias = "ts", value_name = "SHARE/SHARE", default_value = "0", value_delimiter = ',', value_parser = TensorSplit::from_str, help_heading = "Devices", hide_short_help = true)]
            tensor_split: Vec<TensorSplit> => ModelParams::tensor_split
        }];
    /// Tensor buffer overrides: `pattern=buffer;…`, `none` without any.
    tensor_buft_overrides: String
        [Text tensor_buft_overrides: String]
        [name: "ot", flag: Unless("-ot", "none"), default: Some("none"),
         column: Some(("ot", -21)), shown: Changed("Placement", "overrides {}")]
        ["exps=CPU".into()]
        [model(tensor_buft_overrides): list(tensor_buft_overrides, ";", "none", |(pattern, buffer_type)| {
            format!("{pattern}={buffer_type}")
        });]
        [model {
            /// Tensors to keep in another buffer type
            ///
            /// Patterns of tensor names and the buffer types that keep the matches, joined by `;`, such as exps=CPU. An empty
            /// value for none.
            #[arg(long, visible_alias = "ot", value_name = "PATTERN=BUFFER", value_parser = OverrideList::from_str, help_heading = "Devices", hide_short_help = true)]
            override_tensor: Vec<OverrideList> => ModelParams::tensor_buft_overrides
        }];
    /// How the model file is loaded: `auto`, `none`, `mmap`, `mlock`, `mmap+mlock` or `dio`, as `llama_load_mode_name` has it.
    load_mode: String
        [Text load_mode: String]
        [name: "lm", flag: Value("-lm"), default: Some("auto"), column: Some(("lm", 10)), shown: InCode]
        ["mmap".into()]
        [model(load_mode): load_mode.name().into();]
        [];
    /// Lazy loading: `off`, `auto` or `on`.
    lazy_mode: String
        [Text lazy_mode: String]
        [name: "lzm", flag: Value("-lzm"), default: Some("auto"), column: Some(("lazy_mode", -10)),
         shown: Changed("Loading", "lazy mode {}")]
        ["on".into()]
        [model(lazy_mode): lazy_mode.name().into();]
        [model {
            /// Whether marked tensors are read on demand: off, auto, on
            #[arg(long, visible_alias = "lzm", value_name = "MODE", default_value = "auto", value_delimiter = ',', value_parser = LazyMode::from_str, hide_short_help = true, help_heading = "Model")]
            lazy_mode: Vec<LazyMode> => ModelParams::lazy_mode
        }];
    /// Embeddings are computed in every test; always true in the row of a test of embeddings (embd).
    embeddings: Option<bool>
        [Bool embeddings: Option<bool>]
        [name: "embd", flag: Value("-embd"), default: Some("0"), column: Some(("embd", 10)),
         shown: Changed("Method", "embeddings computed in every test")]
        [Some(true)]
        [context(embeddings): Some(*embeddings);]
        [context {
            /// Compute embeddings
            #[arg(long, visible_alias = "embd", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
            embeddings: Vec<bool> => ContextParams::embeddings
        }];
    /// Host operations are not offloaded; an integer in files, as in llama-bench's.
    no_op_offload: Option<bool>
        [Int no_op_offload: Option<i32>]
        [name: "nopo", flag: Value("-nopo"), default: Some("0"), column: Some(("nopo", 4)),
         shown: Changed("Placement", "operations of host tensors not offloaded")]
        [Some(true)]
        [context(op_offload): Some(!op_offload);]
        [context {
            /// Do not offload operations of host tensors
            #[arg(long, visible_alias = "nopo", value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Context")]
            no_op_offload: Vec<bool> => |p, no: bool| p.op_offload(!no)
        }];
    /// The host buffer is bypassed.
    no_host: Option<bool>
        [Bool no_host: Option<bool>]
        [name: "no-host", flag: Value("--no-host"), default: Some("0"), column: Some(("noh", 4)),
         shown: Changed("Placement", "host buffer bypassed")]
        [Some(true)]
        [model(no_host): Some(*no_host);]
        [model {
            /// Bypass the host buffer
            #[arg(long, value_name = "0|1", default_value = "0", value_delimiter = ',', value_parser = switch, help_heading = "Devices", hide_short_help = true)]
            no_host: Vec<bool> => ModelParams::no_host
        }];
    /// Weights may be repacked for the CPU (extra buffer types).
    repack: Option<bool>
        [Bool repack: Option<bool>]
        [name: "repack", flag: Value("--repack"), default: Some("1"), column: Some(("rpk", 3)),
         shown: Changed("Placement", "weights not repacked")]
        [Some(false)]
        [model(use_extra_bufts): Some(*use_extra_bufts);]
        [model {
            /// Allow repacking weights for the CPU
            #[arg(long, value_name = "0|1", default_value = "1", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Model")]
            repack: Vec<bool> => ModelParams::use_extra_bufts
        }];
    /// MiB that layers on devices were chosen to leave free; 0 without a fit. `None` in the row of a failed cell or of
    /// several sequences: see [the module](crate::report#failed-cells).
    fit_target: Option<u64>
        [Int fit_target: Option<u64>, "MiB"]
        [name: "fitt", flag: Unless("-fitt", "0"), default: Some("0"),
         shown: Changed("Placement", "fitted, MiB left free: {}")]
        [Some(64)]
        [model(fit): Some(fit.map_or(0, |fit| fit.margin_mib));]
        [];
    /// The context that had to fit beside the layers, in tokens; 0 without a fit.
    fit_min_ctx: Option<u32>
        [Int fit_min_ctx: Option<u32>, "tokens"]
        [name: "fitc", flag: Unless("-fitc", "0"), default: Some("0"),
         shown: Changed("Placement", "fitted beside a context of {} tokens")]
        [Some(8192)]
        [model(): Some(fit.map_or(0, |fit| fit.n_ctx));]
        [];
}
    } };
}
pub(crate) use parameters;
