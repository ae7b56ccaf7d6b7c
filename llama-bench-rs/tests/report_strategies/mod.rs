//! Any value that a report may have.

mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use llama_bench_rs::{
    record::{
        work::{Copies, Nodes, WorkKind},
        *,
    },
    stats::{Stop, StoppingRule},
    units::{RateSpread, TokensPerSecond},
    with,
};
use proptest::{collection::vec, option, prelude::*};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("a\"b'c,d;e|f\\g\r\nh\ti\0j \u{feff}\u{202e}\u{1F980}".to_owned()),
        Just("null".to_owned()),
        Just("failed@5f4a7ef3".to_owned()),
        Just("[1, 2]".to_owned()),
        Just(" 007 ".to_owned()),
    ]
}

/// Up to 292 years in nanoseconds, the limit of the files.
fn duration() -> impl Strategy<Value = Duration> {
    (0..=i64::MAX as u64).prop_map(Duration::from_nanos)
}

fn device() -> impl Strategy<Value = DeviceInfo> {
    (text(), text(), text(), text(), option::of(any::<u64>()), option::of(any::<u64>())).prop_map(
        |(name, description, kind, backend, memory_free_bytes, memory_total_bytes)| {
            with!(DeviceInfo { name, description, kind, backend, memory_free_bytes, memory_total_bytes })
        },
    )
}

fn memory() -> impl Strategy<Value = BTreeMap<String, DeviceMemory>> {
    let one =
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(model_bytes, context_bytes, compute_bytes)| {
            with!(DeviceMemory { model_bytes, context_bytes, compute_bytes })
        });
    prop::collection::btree_map(text(), one, 0..3)
}

fn features() -> impl Strategy<Value = BTreeMap<String, BTreeMap<String, String>>> {
    prop::collection::btree_map(text(), prop::collection::btree_map(text(), text(), 0..3), 0..3)
}

fn flash_attn() -> impl Strategy<Value = FlashAttnSetting> {
    prop::sample::select(vec![FlashAttnSetting::Auto, FlashAttnSetting::Off, FlashAttnSetting::On])
}

/// Takes the next value of a pool: one strategy can fill any number of fields.
fn next<T>(pool: &mut Vec<T>) -> T {
    pool.pop().expect("the pool holds enough values")
}

fn header() -> impl Strategy<Value = Header> {
    let pools = (
        vec(text(), 26),
        vec(option::of(any::<u32>()), 22),
        vec(option::of(0..=i64::MAX as u64), 11),
        vec(option::of(any::<bool>()), 15),
    );
    let rest = (
        vec(option::of(duration()), 10),
        vec(device(), 0..3),
        memory(),
        option::of(any::<bool>()),
        option::of(any::<(u32, u32)>()),
        any::<(Option<i32>, Option<i32>, Option<i32>, Option<u64>)>(),
        option::of(flash_attn()),
        option::of(prop::sample::select(vec![Method::Rewind, Method::FreshContext])),
        (features(), vec(text(), 0..3)),
    );
    (pools, rest).prop_map(|(pools, rest)| {
        let (mut t, mut n, mut wide, mut flags) = pools;
        let (mut times, devices, memory, resolved_fa, layers, numbers, flash_attn, method, features) = rest;
        let (backend_features, cpu_features) = features;
        let (n_gpu_layers, main_gpu, prio, seed) = numbers;
        let (t, n, wide, flags, times) = (&mut t, &mut n, &mut wide, &mut flags, &mut times);
        with!(Header {
            build: with!(Build {
                commit: next(t),
                number: next(n),
                source: next(t),
                version: next(t),
                compiler: next(t),
                cmake_options: next(t),
            }),
            host: with!(Host {
                cpu_info: next(t),
                gpu_info: next(t),
                backends: next(t),
                driver: next(t),
                devices,
                backend_features,
                cpu_features,
            }),
            model: with!(ModelInfo {
                filename: next(t),
                description: next(t),
                architecture: next(t),
                size_bytes: next(wide),
                n_params: next(wide),
                n_layer: next(n),
                n_ctx_train: next(n),
                n_vocab: next(n),
            }),
            config: with!(Config {
                n_batch: next(n),
                n_ubatch: next(n),
                n_threads: next(n),
                n_threads_batch: next(n),
                cpu_mask: next(t),
                cpu_strict: next(flags),
                poll: next(n),
                type_k: next(t),
                type_v: next(t),
                n_gpu_layers,
                prio,
                n_cpu_moe: next(n),
                split_mode: next(t),
                main_gpu,
                no_kv_offload: next(flags),
                flash_attn,
                devices: next(t),
                tensor_split: next(t),
                tensor_buft_overrides: next(t),
                load_mode: next(t),
                lazy_mode: next(t),
                embeddings: next(flags),
                no_op_offload: next(flags),
                no_host: next(flags),
                repack: next(flags),
                swa_full: next(flags),
                n_seq_max: next(n),
                kv_unified: next(flags),
                fit_target: resolved_fa.map(|_| 0),
                fit_min_ctx: resolved_fa.map(|_| 0),
                // An empty text and none are the same in a file.
                numa: next(flags).map(|_| format!("numa {}", next(t))),
                delay: next(times),
                seed,
                n_reps: next(n),
                stopping: next(n).map(|max| with!(StoppingRule { max: max as usize, ..StoppingRule::new() })),
                warmup: next(flags),
                method,
                order: next(flags).map(|rounds| if rounds { Order::Rounds } else { Order::Auto }),
                calibration: next(n),
                // The table of parameters has a test for each.
                ..Config::default()
            }),
            resolved: with!(Resolved {
                flash_attn: resolved_fa,
                n_ctx: next(n),
                n_seq_max: next(n),
                offloaded_layers: layers,
                memory,
                order: resolved_fa.map(|rounds| if rounds { Order::Rounds } else { Order::Blocks }),
            }),
            work: Vec::new(),
            load: with!(Load { elapsed: next(times), size_bytes: next(wide) }),
            placement: next(flags).map(|_| with!(Placement {
                anonymous: next(wide),
                anon_huge_pages: next(wide),
                file_mapped: next(wide),
                file_pmd_mapped: next(wide),
                locked: next(wide),
            })),
            timing: with!(Timing {
                started_at: next(t),
                wall: next(times),
                open: next(times),
                fill: next(times),
                rewind: next(times),
                timed: next(times),
                warmup: next(times),
                clock_resolution: next(times),
                clock_overhead: next(times),
                n_decoded_tokens: next(wide),
            }),
            // No file holds its own name.
            read_from: String::new(),
        })
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let times = (duration(), vec(duration(), 0..4), duration(), option::of(duration()));
    (times, option::of(disturbance())).prop_map(|((elapsed, steps, at, calibration), disturbance)| {
        with!(Sample { elapsed, steps, at: Some(at), calibration, disturbance })
    })
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    let counts = vec(option::of(any::<u64>()), 2);
    (option::of(any::<u32>()), vec(option::of(duration()), 5), counts).prop_map(
        |(n_threads, times, counts)| {
            with!(Disturbance {
                n_threads,
                on_core: times[0],
                waited: times[1],
                n_preempted: counts[0],
                stolen: times[2],
                pressure: times[3],
                n_instructions: counts[1],
                calibration_on_core: times[4],
            })
        },
    )
}

fn measured() -> impl Strategy<Value = Measured> {
    let rewind = prop::sample::select(vec![
        Rewind::Clear,
        Rewind::Remove,
        Rewind::PartialOnDevice,
        Rewind::PartialOnHost,
        Rewind::FullOnHost,
        Rewind::Refill,
    ]);
    let warmup = (any::<u32>(), option::of(any::<bool>()));
    let stop =
        option::of(prop::sample::select(vec![Stop::Precise, Stop::SteadyNoise, Stop::Maximum, Stop::Budget]));
    let rest = (
        option::of(rewind),
        option::of(warmup),
        stop,
        vec(conditions(), 0..3),
        option::of(work::cell_work()),
        option::of(work::profile()),
    );
    // What has no repetition that counts is not measured.
    (vec(sample(), 1..4), vec(sample(), 0..3), option::of(sample()), rest).prop_map(
        |(samples, set_aside, live, (rewind, warmup, stop, conditions, work, profile))| {
            with!(Measured {
                // A file has the beginnings of all repetitions or of none.
                samples: match warmup {
                    Some(_) => samples,
                    None => samples.into_iter().map(|sample| with!(Sample { at: None, ..sample })).collect(),
                },
                set_aside,
                live,
                rewind,
                warmup: warmup.map(|(n_runs, settled)| with!(Warmup { n_runs, settled })),
                stop,
                conditions,
                work,
                profile,
            })
        },
    )
}

fn conditions() -> impl Strategy<Value = GpuConditions> {
    (text(), vec(option::of(any::<u32>()), 5), prop::collection::btree_set(text(), 0..3)).prop_map(
        |(name, n, throttled)| {
            with!(GpuConditions {
                name,
                sm_clock_min_mhz: n[0],
                sm_clock_max_mhz: n[1],
                sm_clock_limit_mhz: n[2],
                temperature_max_c: n[3],
                power_max_mw: n[4],
                throttled,
            })
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    // Few digits: SQLite's own reading of a number is not the subject.
    let rate = || (1..1_000_000u32).prop_map(|n| f64::from(n) / 8.0);
    let summarised = (duration(), option::of(duration()), option::of(rate()), option::of(rate())).prop_map(
        |(mean, stddev, rate, spread)| Summarised {
            mean,
            stddev,
            rate: rate.and_then(TokensPerSecond::new),
            rate_stddev: spread.and_then(RateSpread::new),
        },
    );
    prop_oneof![
        4 => measured().prop_map(Outcome::Measured),
        1 => summarised.prop_map(Outcome::Summarised),
        1 => (text(), text()).prop_map(|(kind, message)| Outcome::Failed(Failure::new(kind, message))),
    ]
}

fn cell() -> impl Strategy<Value = Cell> {
    let kind =
        (0..3usize, 1..=u32::MAX).prop_map(|(i, n)| [TestKind::Pp, TestKind::Tg, TestKind::Embd][i](n));
    let group = any::<(u32, u32)>().prop_map(|(n_prompt, n_gen)| Group { n_prompt, n_gen });
    (kind, any::<u32>(), option::of(group), 1..64u32, text(), outcome()).prop_map(
        |(kind, n_depth, group, n_parallel, started_at, outcome)| Cell {
            test: Test { kind, n_depth, group, n_parallel },
            started_at,
            outcome,
        },
    )
}

fn run() -> impl Strategy<Value = Run> {
    let point = (any::<u32>(), any::<u32>(), duration(), any::<bool>())
        .prop_map(|(n_depth, n_tokens, elapsed, warmup)| CurvePoint { n_depth, n_tokens, elapsed, warmup });
    let ceilings = vec(work::ceilings(), 0..3);
    (header(), vec(cell(), 1..4), vec(point, 0..3), vec(graphs(), 3), ceilings).prop_map(
        |(header, cells, curve, work, ceilings)| {
            // A file has the work of the kinds of test that it has cells of.
            let kinds: BTreeSet<WorkKind> = cells.iter().map(|cell| cell.test.kind.into()).collect();
            let work = kinds.into_iter().zip(work).filter_map(|(kind, work)| Some(Work { kind, ..work? }));
            Run { header: with!(Header { work: work.collect(), ceilings, ..header }), cells, curve }
        },
    )
}

fn graphs() -> impl Strategy<Value = Option<Work>> {
    let nodes = (text(), text(), text(), option::of(text()), any::<u32>())
        .prop_map(|(op, data_type, device, weights, n)| Nodes { op, data_type, device, weights, n });
    let copies = || {
        let parts = (text(), text(), any::<u32>(), option::of(any::<u64>()));
        parts.prop_map(|(from, to, n, bytes)| Copies { from, to, n, bytes })
    };
    let parts = (any::<u32>(), any::<u32>(), vec(nodes, 0..4), vec(copies(), 0..3), vec(copies(), 0..2));
    option::of(parts.prop_map(|(n_tokens, n_splits, nodes, copies, results)| Work {
        kind: WorkKind::Prompt,
        n_tokens,
        n_splits,
        nodes,
        copies,
        results,
        strays: Vec::new(),
    }))
}

/// Any report, also with equal runs.
pub fn any_report() -> impl Strategy<Value = Report> {
    let repeated = run().prop_map(|run| vec![run.clone(), run]);
    prop_oneof![4 => vec(run(), 1..3), 1 => repeated].prop_map(|runs| Report { runs })
}
