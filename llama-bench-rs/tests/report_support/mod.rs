//! Reports to write and read in tests.
#![allow(dead_code)]

pub mod levels;
pub mod said;
pub mod sqlite;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use llama_bench_rs::{record::*, with};

const REFERENCE: [(u32, f64, f64); 5] = [
    (0, 3713.75, 90.06),
    (4096, 3441.61, 81.15),
    (8192, 3178.63, 76.21),
    (16384, 2672.47, 69.39),
    (32768, 2028.92, 60.30),
];
const REFERENCE_PREFILL: [f64; 5] = [3710.15, 3730.4, 3708.61, 3707.6, 3712.01];

/// A run of gpt-oss-20b on a GB10. Its rates are the published ones; if only a mean is known, the samples are
/// spread evenly around it (0.2 %), and what is not known at all is made up.
pub fn reference() -> Report {
    let header = reference_header();
    let mut at = Duration::ZERO;
    let mut cells = Vec::new();
    for (n_depth, pp, tg) in REFERENCE {
        let spread = |mean: f64| [-0.002, 0.001, 0.0, 0.002, -0.001].map(|off| mean * (1.0 + off));
        let rates = if n_depth == 0 { REFERENCE_PREFILL } else { spread(pp) };
        cells.push(cell(TestKind::Pp(2048), n_depth, &rates, &mut at));
        cells.push(cell(TestKind::Tg(32), n_depth, &spread(tg), &mut at));
    }
    let chunk = |n_depth, ms| CurvePoint {
        n_depth,
        n_tokens: 2048,
        elapsed: Duration::from_millis(ms),
        warmup: false,
    };
    Report { runs: vec![Run { header, cells, curve: vec![chunk(0, 551), chunk(2048, 573)] }] }
}

/// What the reference run does not have: two configurations, a failed cell, a single repetition, the two halves of a
/// pg test, a summary without samples.
pub fn assorted() -> Report {
    let mut report = reference();
    let run = &mut report.runs[0];
    run.cells.truncate(2);
    run.curve.clear();
    if let Outcome::Measured(measured) = &mut run.cells[1].outcome {
        measured.samples.truncate(1);
        measured.live = Some(measured.samples[0].clone());
        measured.samples[0].calibration = Some(Duration::from_nanos(51_234));
    }
    run.header.config.calibration = Some(1);
    run.cells.push(failed(TestKind::Pp(2048), 131_072));
    let mut at = Duration::from_secs(9);
    let group = Some(Group { n_prompt: 512, n_gen: 16 });
    for (kind, n_depth) in [(TestKind::Pp(512), 4096), (TestKind::Tg(16), 4608)] {
        let mut half = cell(kind, n_depth, &[80.0, 81.0], &mut at);
        half.test.group = group;
        run.cells.push(half);
    }
    let mut second = run.clone();
    second.header.config.n_ubatch = Some(512);
    second.header.config.flash_attn = Some(FlashAttnSetting::Auto);
    second.cells.truncate(1);
    second.cells[0].outcome = Outcome::Summarised(Summarised {
        mean: Duration::from_nanos(551_466_000),
        stddev: None,
        rate: llama_bench_rs::units::TokensPerSecond::new(3713.75),
        rate_stddev: llama_bench_rs::units::RateSpread::new(9.45),
    });
    report.runs.push(second);
    report
}

pub fn failed(kind: TestKind, n_depth: u32) -> Cell {
    Cell {
        test: Test::from(kind).at(n_depth),
        started_at: "2025-11-03T10:03:05Z".into(),
        outcome: Outcome::Failed(Failure {
            kind: "out_of_memory".into(),
            message:
                "CUDA0 has 1.2 GiB free | the KV cache of 133120 tokens needs 3.3 GiB:\nlower the depth, \
                      or use `-ctk q8_0`"
                    .into(),
        }),
    }
}

fn cell(kind: TestKind, n_depth: u32, rates: &[f64], at: &mut Duration) -> Cell {
    let n = kind.n_tokens();
    let samples = rates.iter().map(|rate| {
        let elapsed = Duration::from_nanos((f64::from(n) / rate * 1e9).round() as u64);
        let steps = match kind {
            TestKind::Pp(_) | TestKind::Embd(_) => Vec::new(),
            TestKind::Tg(_) => (0..n).map(|i| elapsed / n + Duration::from_nanos(u64::from(i))).collect(),
        };
        *at += elapsed;
        with!(Sample { elapsed, steps, at: Some(*at - elapsed), ..Sample::default() })
    });
    Cell {
        test: Test::from(kind).at(n_depth),
        started_at: "2025-11-03T10:00:05Z".into(),
        outcome: Outcome::Measured(with!(Measured {
            samples: samples.collect(),
            set_aside: Vec::new(),
            live: None,
            rewind: Some(if n_depth == 0 { Rewind::Clear } else { Rewind::Remove }),
            warmup: Some(with!(Warmup { n_runs: 2, settled: Some(true) })),
            stop: None,
            conditions: vec![with!(GpuConditions {
                name: "NVIDIA GB10".into(),
                sm_clock_min_mhz: Some(2405),
                sm_clock_max_mhz: Some(2418),
                sm_clock_limit_mhz: Some(3003),
                temperature_max_c: Some(63),
                power_max_mw: Some(58_200),
                throttled: BTreeSet::new(),
            })],
        })),
    }
}

pub fn reference_header() -> Header {
    let gpu = with!(DeviceInfo {
        name: "CUDA0".into(),
        description: "NVIDIA GB10".into(),
        kind: "gpu".into(),
        backend: "CUDA".into(),
        memory_free_bytes: Some(120_000_000_000),
        memory_total_bytes: Some(128_524_820_480),
    });
    let memory = with!(DeviceMemory {
        model_bytes: 11_607_318_528,
        context_bytes: 890_000_000,
        compute_bytes: 410_000_000
    });
    with!(Header {
        build: with!(Build {
            commit: "5f4a7ef3".into(),
            number: Some(6924),
            source: "package".into(),
            version: "llama-cpp-sys-2 0.1.161".into(),
            compiler: "GNU 13.3.0".into(),
            cmake_options: "GGML_CUDA=ON GGML_NATIVE=ON".into(),
        }),
        host: with!(Host {
            cpu_info: "Cortex-X925, Cortex-A725".into(),
            gpu_info: "NVIDIA GB10".into(),
            backends: "CUDA".into(),
            driver: "NVIDIA 580.95.05, CUDA 13.0".into(),
            devices: vec![gpu],
        }),
        model: with!(ModelInfo {
            filename: "models/gpt-oss-20b-Q4_K_M.gguf".into(),
            description: "gpt-oss 20B Q4_K - Medium".into(),
            architecture: "gpt-oss".into(),
            size_bytes: Some(11_607_318_528),
            n_params: Some(20_914_757_184),
            n_layer: Some(24),
            n_ctx_train: Some(131_072),
            n_vocab: Some(201_088),
        }),
        config: with!(Config {
            n_batch: Some(2048),
            n_ubatch: Some(2048),
            n_threads: Some(20),
            n_threads_batch: Some(20),
            cpu_mask: "0x0".into(),
            poll: Some(50),
            type_k: "f16".into(),
            type_v: "f16".into(),
            n_gpu_layers: Some(99),
            split_mode: "layer".into(),
            flash_attn: Some(FlashAttnSetting::On),
            devices: "auto".into(),
            tensor_split: "0.00".into(),
            tensor_buft_overrides: "none".into(),
            load_mode: "none".into(),
            lazy_mode: "auto".into(),
            repack: Some(true),
            seed: Some(42),
            n_reps: Some(5),
            warmup: Some(true),
            cpu_strict: Some(false),
            n_cpu_moe: Some(0),
            main_gpu: Some(0),
            no_kv_offload: Some(false),
            embeddings: Some(false),
            no_op_offload: Some(false),
            no_host: Some(false),
            swa_full: Some(false),
            prio: Some(0),
            n_seq_max: Some(1),
            kv_unified: Some(false),
            check_tensors: Some(false),
            fit_target: Some(0),
            fit_min_ctx: Some(0),
            method: Some(Method::Rewind),
            order: Some(Order::Auto),
            ..Config::default()
        }),
        resolved: with!(Resolved {
            flash_attn: Some(true),
            n_ctx: Some(34_816),
            offloaded_layers: Some((25, 25)),
            memory: BTreeMap::from([("CUDA0".into(), memory)]),
            order: Some(Order::Rounds),
        }),
        work: Vec::new(),
        load: with!(Load { elapsed: Some(Duration::from_millis(5_120)), size_bytes: Some(11_607_318_528) }),
        placement: None,
        timing: with!(Timing {
            started_at: "2025-11-03T10:00:00Z".into(),
            wall: Some(Duration::from_secs(183)),
            open: Some(Duration::from_millis(310)),
            fill: Some(Duration::from_secs(58)),
            rewind: Some(Duration::from_millis(240)),
            timed: Some(Duration::from_secs(30)),
            warmup: Some(Duration::from_secs(4)),
            clock_resolution: Some(Duration::from_nanos(32)),
            clock_overhead: Some(Duration::from_nanos(41)),
            n_decoded_tokens: Some(212_992),
        }),
        ..Header::default()
    })
}
