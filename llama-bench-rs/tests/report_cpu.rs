//! What is said of instruction sets that the CPU has and llama.cpp was built without.
#![allow(missing_docs)]

mod report_support;

use llama_bench_rs::{
    record::{
        Report,
        work::{Nodes, Work, WorkKind},
    },
    report::{
        Format,
        insights::{Level, Statement, insights},
        read_str, to_string,
    },
};
use report_support::reference;

/// What llama-cpp-sys-2 compiles for by default, and what a Zen 4 has.
const AVX2: &str = "AVX AVX2 BMI2 F16C FMA LLAMAFILE OPENMP SSE3 SSSE3";
const ZEN4: &str = "SSE3 SSSE3 AVX AVX2 F16C FMA BMI2 AVX512 AVX512_VBMI AVX512_VNNI AVX512_BF16";

/// A run on the CPU, of a llama.cpp that was compiled for one list and measured on a CPU that has the other.
fn run(compiled: &str, cpu: &str) -> Report {
    let mut report = reference();
    let header = &mut report.runs[0].header;
    header.resolved.offloaded_layers = None;
    header.build.cmake_options = "BUILD_SHARED_LIBS=OFF GGML_NATIVE=OFF".into();
    let words = |list: &str| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let compiled = words(compiled).into_iter().map(|name| (name, "1".to_owned())).collect();
    header.host.backend_features.insert("CPU".into(), compiled);
    header.host.cpu_features = words(cpu);
    report
}

fn said(report: &Report) -> Option<(Level, String)> {
    let mut said = insights(report).into_iter();
    let found = said.find(|insight| matches!(insight.statement, Statement::UnusedCpuFeatures(_)))?;
    Some((found.level(), found.to_string()))
}

#[test]
fn what_the_cpu_has_and_the_build_lacks_is_a_warning_with_the_remedy() {
    let (level, text) = said(&run(AVX2, ZEN4)).unwrap();
    assert_eq!(level, Level::Warning);
    assert_eq!(
        text,
        "llama.cpp was built without AVX512, AVX512_VNNI and AVX512_BF16, which this CPU has: a build for this CPU may \
         be faster, above all in prompts. Build on this machine with the feature native, a default of llama-bench-rs."
    );
    let with = |source: &str, options: &str| {
        let mut report = run(AVX2, ZEN4);
        report.runs[0].header.build.source = source.into();
        report.runs[0].header.build.cmake_options = options.into();
        said(&report).unwrap()
    };
    for (source, options, level, remedy) in [
        ("package", "", Level::Warning, "the feature native"),
        ("llama-cpp-2", "GGML_NATIVE=OFF", Level::Warning, "RUSTFLAGS=\"-C target-cpu=native\""),
        ("package", "GGML_NATIVE=ON", Level::Warning, "a newer compiler"),
        ("llama-cpp-2", "GGML_NATIVE=ON GGML_CUDA=ON", Level::Warning, "a newer compiler"),
        ("package", "GGML_NATIVE=ON X=1 GGML_NATIVE=OFF", Level::Warning, "the feature native"),
        ("package", "GGML_BACKEND_DL=ON GGML_CPU_ALL_VARIANTS=ON", Level::Note, "loaded the best"),
        ("llama-cpp-2", "GGML_NATIVE=OFF GGML_BACKEND_DL=ON", Level::Note, "loaded the best"),
    ] {
        let (found, text) = with(source, options);
        assert_eq!(found, level, "{source} {options}");
        assert!(text.contains(remedy), "{source} {options}: {text}");
    }
    let one = said(&run("SSE3 AVX2", "SSE3 AVX AVX2")).unwrap().1;
    assert!(one.starts_with("llama.cpp was built without AVX, which this CPU has: "), "{one}");
    let arm = said(&run("NEON DOTPROD", "NEON DOTPROD FP16_VA MATMUL_INT8 SVE")).unwrap().1;
    assert!(arm.contains("without FP16_VA, MATMUL_INT8 and SVE, which"), "{arm}");
}

#[test]
fn what_would_change_nothing_is_not_said() {
    for (compiled, cpu) in [
        (AVX2, AVX2),
        (ZEN4, AVX2),
        (ZEN4, ZEN4),
        // llama.cpp names it and has no code for it.
        ("AVX AVX512", "AVX AVX512 AVX512_VBMI"),
        // The same instructions, wider.
        ("AVX512_VNNI", "AVX512_VNNI AVX_VNNI"),
        // Not a set of instructions that is known here.
        ("AVX", "AVX AVX1024"),
    ] {
        assert_eq!(said(&run(compiled, cpu)), None, "{compiled} on {cpu}");
    }
    let (_, text) = said(&run("AVX2", "AVX2 AVX_VNNI")).unwrap();
    assert!(text.contains("without AVX_VNNI,"), "{text}");
}

#[test]
fn what_is_not_known_is_not_said() {
    assert_eq!(said(&reference()), None);
    assert_eq!(said(&run("", ZEN4)), None, "what it was compiled for");
    assert_eq!(said(&run(AVX2, "")), None, "what the CPU has");
    let mut other = run(AVX2, ZEN4);
    let features = other.runs[0].header.host.backend_features.remove("CPU").unwrap();
    other.runs[0].header.host.backend_features.insert("CUDA".into(), features);
    assert_eq!(said(&other), None, "what another backend was compiled for");
}

/// What computed is known by the graph, else by the layers.
#[test]
fn a_cpu_that_computes_nothing_is_not_spoken_of() {
    let mut report = run(AVX2, ZEN4);
    for (layers, is_said) in [(Some((25, 25)), false), (Some((24, 25)), true), (Some((0, 25)), true)] {
        report.runs[0].header.resolved.offloaded_layers = layers;
        assert_eq!(said(&report).is_some(), is_said, "{layers:?}");
    }
    let work = |op: &str, device: &str| {
        let nodes =
            Nodes { op: op.into(), data_type: "f16".into(), device: device.into(), weights: None, n: 3 };
        Work {
            kind: WorkKind::Generation,
            n_tokens: 1,
            n_splits: 1,
            nodes: vec![nodes],
            copies: Vec::new(),
            results: Vec::new(),
            strays: Vec::new(),
        }
    };
    for (op, device, is_said) in
        [("MUL_MAT", "CUDA0", false), ("GET_ROWS", "CPU", false), ("MUL_MAT_ID", "CPU", true)]
    {
        report.runs[0].header.work = vec![work(op, device)];
        // Experts may be computed on the CPU although every layer is on a device.
        report.runs[0].header.resolved.offloaded_layers = Some((25, 25));
        assert_eq!(said(&report).is_some(), is_said, "{op} on {device}");
    }
}

#[test]
fn files_keep_both_lists() {
    let report = run(AVX2, ZEN4);
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let read = read_str(&to_string(&report, format).unwrap()).unwrap().report;
        assert_eq!(read.runs[0].header.host, report.runs[0].header.host, "{format}");
        assert_eq!(said(&read), said(&report), "{format}");
    }
    let mut older = report.clone();
    let host = &mut older.runs[0].header.host;
    (host.backend_features, host.cpu_features) = Default::default();
    assert_eq!(report.runs[0].header.differences(&older.runs[0].header), [], "an older file tells neither");
}
