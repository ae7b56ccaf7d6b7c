//! The parameters that this crate adds to llama-bench's.

/// Adds this crate's parameters to the table, and hands all of it to the macro that asked for it.
macro_rules! own_parameters {
    ($consumer:ident $({ $($extra:tt)* })* llama_bench { $($llama_bench:tt)* }) => { $consumer! { $({ $($extra)* })*
llama_bench { $($llama_bench)* }
own {
    /// How depths are reached.
    method: Option<Method>
        [Text method: Option<Method>]
        [name: "method", flag: Value("--method"), default: Some("rewind"), column: Some(("method", -13)),
         shown: InCode]
        [Some(Method::FreshContext)]
        [request(method): Some(*method);]
        [];
    /// Seed of the random tokens.
    seed: Option<u64>
        [Wide seed: Option<u64>]
        [name: "seed", flag: Value("--seed"), key: No, default: Some("42"), shown: Always("Method", "seed {}")]
        [Some(7)]
        [request(seed): Some(*seed);]
        [];
    /// Repetitions asked for; with a stopping rule, the most.
    n_reps: Option<u32>
        [Int n_reps: Option<u32>]
        [name: "r", flag: Repetitions("-r"), key: No, default: Some("5"), shown: InCode]
        [Some(9)]
        [request(n_reps): Some(stopping.map_or(*n_reps, |rule| u32::try_from(rule.max).unwrap_or(u32::MAX)));]
        [];
    /// The rule that ends a cell's repetitions; `None` for a fixed number.
    stopping: Option<StoppingRule>
        [Nested stopping: Option<StoppingRule>]
        [name: "until", flag: Until, key: No, absent: Some("none"), default: Some("none"), shown: InCode]
        [Some(StoppingRule::new())]
        [request(stopping): *stopping;]
        [];
    /// Whether a warm-up was asked for.
    warmup: Option<bool>
        [Bool warmup: Option<bool>]
        [name: "warmup", flag: Without("--no-warmup"), default: Some("1"), shown: InCode]
        [Some(false)]
        [request(warmup): Some(*warmup);]
        [];
    /// Version of the calibration loop that was timed before each repetition; `None` if that was not asked for.
    calibration: Option<u32>
        [Int pace_version: Option<u32>]
        [name: "calibrate", flag: Switch("--calibrate"), key: No, absent: Some("0"), default: Some("0"),
         shown: Changed("Method", "calibrated before each repetition")]
        [Some(1)]
        [request(calibrated): calibrated.then_some(CALIBRATION_VERSION);]
        [];
    /// Threads for prompt processing; equal to `n_threads` in llama-bench.
    n_threads_batch: Option<u32>
        [Int n_threads_batch: Option<u32>, "threads"]
        [name: "tb", column: Some(("threads_b", 9)), shown: InCode]
        [Some(78)]
        [context(n_threads_batch): Some(*n_threads_batch);]
        [];
    /// Sliding-window layers keep the whole context.
    swa_full: Option<bool>
        [Bool swa_full: Option<bool>]
        [name: "swa-full", flag: Switch("--swa-full"), default: Some("0"), column: Some(("swa_full", 10)),
         shown: Changed("KV cache", "sliding windows kept whole")]
        [Some(true)]
        [context(swa_full): Some(*swa_full);]
        [context {
            /// Sliding-window layers keep the whole context
            #[arg(long, hide_short_help = true, help_heading = "Context")]
            swa_full: bool => ContextParams::swa_full
        }];
    /// Priority of the pool's threads, -1 (low) to 3 (realtime).
    prio: Option<i32>
        [Int prio: Option<i32>]
        [name: "prio", flag: Value("--prio"), default: Some("0"), shown: Changed("Threads", "priority {}")]
        [Some(2)]
        [context(prio): Some(*prio);]
        [context {
            /// Priority of the threads, -1 (low) to 3 (realtime)
            ///
            /// Of several --prio the last one counts.
            #[arg(long, value_name = "N", default_value = "0", value_parser = priorities, hide_short_help = true, help_heading = "Context")]
            prio: Integers => ContextParams::prio
        }];
    /// Sequences that the context can hold apart.
    n_seq_max: Option<u32>
        [Int n_seq_max: Option<u32>]
        [name: "np", default: Some("1"), shown: Changed("KV cache", "{} sequences")]
        [Some(2)]
        [context(n_seq_max): Some(*n_seq_max);]
        [];
    /// One KV buffer for all sequences.
    kv_unified: Option<bool>
        [Bool kv_unified: Option<bool>]
        [name: "kvu", flag: Switch("-pps"), default: Some("0"), shown: Changed("KV cache", "one buffer for all sequences")]
        [Some(true)]
        [context(kv_unified): Some(*kv_unified);]
        [];
    /// Every tensor's data was checked while loading, which takes time.
    check_tensors: Option<bool>
        [Bool check_tensors: Option<bool>]
        [name: "check-tensors", default: Some("0"), shown: Changed("Loading", "tensors checked")]
        [Some(true)]
        [model(check_tensors): Some(*check_tensors);]
        [];
    /// Order of repetitions asked for; the one that was taken is recorded beside it.
    order: Option<Order>
        [Text rep_order_asked: Option<Order>]
        [name: "order", flag: Value("--order"), key: As("rep_order"), default: Some("auto"), shown: Changed("Method", "order {} asked for")]
        [Some(Order::Blocks)]
        [request(order): Some(*order);]
        [];
    /// How threads are placed on NUMA nodes: `disabled`, `distribute`, `isolate` or `numactl`.
    numa: Option<String>
        [Text numa: Option<String>]
        [name: "numa", flag: Unless("--numa", "disabled"), default: Some("disabled"),
         shown: Changed("Threads", "NUMA {}")]
        [Some("distribute".into())]
        []
        [];
    /// Pause before each test.
    delay: Option<Duration>
        [Int delay_ns: Option<u64>, "ns"]
        [name: "delay", flag: Value("--delay"), default: Some("0"),
         shown: Changed("Method", "{} s of pause before each test")]
        [Some(Duration::from_millis(500))]
        [request(delay): Some(*delay);]
        [];
}
    } };
}
pub(crate) use own_parameters;
