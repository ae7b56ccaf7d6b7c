//! The arithmetic of `scripts/energy-check`: a power that is known, from programs that only print.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use llama_bench_rs::{
    record::{
        Cell, Counted, DeviceInfo, Header, Host, Measured, Meter, Metering, Outcome, Report, Run, Sample, tg,
    },
    report::{self, Format},
    with,
};

/// 100 W and 10 W more each second on the first GPU, 50 W on the second, for 20 s of a day long gone; then it waits to be
/// ended, as nvidia-smi does.
const NVIDIA_SMI: &str = r#"#!/bin/sh
case "$*" in *-lms*) ;; *) echo 300; exit 0 ;; esac
awk 'BEGIN {
    for (i = 0; i < 400; i++) {
        s = i * 0.05
        printf "2026/03/01 00:00:%06.3f, 00000000:65:00.0, %.2f\n", s, 100 + 10 * s
        printf "2026/03/01 00:00:%06.3f, 00000000:66:00.0, 50.00\n", s
    }
}'
touch "$MARK"
exec sleep 600
"#;

/// 2026-03-01 00:00 in UTC, in seconds since 1970.
const MIDNIGHT: f64 = 1_772_323_200.0;

/// A sweep that prints this row once the power is known.
fn sweep(row: &str) -> String {
    format!("#!/bin/sh\nwhile [ ! -e \"$MARK\" ]; do sleep 0.01; done\ncat <<'END'\n{row}\nEND\n")
}

/// A row of two repetitions of tg10 at depth 4096, as a sweep writes it: when they began, what they took, and the joules of each
/// that the counters of these GPUs showed.
fn row(meters: &[&str], seconds: [(f64, f64); 2], joules: [f64; 2]) -> String {
    let meter = |name: &&str| {
        with!(Meter {
            name: (*name).into(),
            is_counted: true,
            update_ns: Some(1_000_000),
            limit_uw: Some(700_000_000)
        })
    };
    let gpu = |(name, pci): (&str, &str)| {
        with!(DeviceInfo { name: name.into(), kind: "gpu".into(), pci_bus_id: Some(pci.into()) })
    };
    let header = with!(Header {
        host: with!(Host {
            devices: [("CUDA0", "0000:65:00.0"), ("CUDA1", "0000:66:00.0")].map(gpu).to_vec()
        }),
        metering: Some(with!(Metering { meters: meters.iter().map(meter).collect() })),
    });
    let sample = |((begin, elapsed), joules): ((f64, f64), f64)| {
        let elapsed = Duration::from_secs_f64(elapsed);
        let energy = meters.iter().map(|name| {
            let uj = (joules * 1e6 / meters.len() as f64) as u64;
            with!(Counted { meter: (*name).into(), uj, ns: elapsed.as_nanos() as u64 })
        });
        with!(Sample {
            elapsed,
            at: Some(Duration::from_secs_f64(begin)),
            utc: Some(Duration::from_secs_f64(MIDNIGHT + begin)),
            energy: energy.collect(),
        })
    };
    let samples = seconds.into_iter().zip(joules).map(sample).collect();
    let outcome = Outcome::Measured(with!(Measured { samples }));
    let cell = Cell { test: tg(10).at(4096), started_at: String::new(), outcome };
    let report = Report { runs: vec![Run { header, cells: vec![cell], curve: Vec::new() }] };
    report::to_string(&report, Format::Jsonl).unwrap().trim_end().to_owned()
}

fn check(row: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    program("nvidia-smi", NVIDIA_SMI);
    let sweep = program("sweep", &sweep(row));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/energy-check");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    Command::new("bash")
        .arg(script)
        .arg(sweep)
        .env("PATH", path)
        .env("MARK", folder.path().join("mark"))
        .env("ROUNDS", "2")
        .env_remove("KEEP")
        .output()
        .expect("bash runs")
}

/// Its lines, and its exit status.
fn told(row: &str) -> (String, Option<i32>) {
    let output = check(row);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// Between samples too: 1 s around 5.525 s and 2 s around 11.01 s.
const SECONDS: [(f64, f64); 2] = [(5.025, 1.0), (10.01, 2.0)];

/// What the first GPU drew in them: of 20 tokens, 28.7725 J each.
const JOULES: [f64; 2] = [155.25, 420.2];

#[test]
fn power_is_integrated_over_the_repetitions_alone() {
    let (text, status) = told(&row(&["CUDA0"], SECONDS, JOULES));
    let line = text.lines().find(|line| line.contains("tg10") && line.contains("4096")).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words.get(5), words.last()), (Some(&"28.7725"), Some(&"1.000")), "{text}");
    assert!(text.contains("all within 10 %") && status == Some(0), "{text}");
    // Both GPUs of a configuration: 150 J more, which these counters do not show.
    let (text, status) = told(&row(&["CUDA0", "CUDA1"], SECONDS, JOULES));
    assert!(text.contains("36.2725") && text.contains("NOT within 10 %") && status == Some(1), "{text}");
}

#[test]
fn a_missing_figure_is_not_agreement() {
    // Counters that did not move.
    let (text, status) = told(&row(&["CUDA0"], SECONDS, [0.0; 2]));
    assert!(text.contains("no figure: the counters did not advance") && status == Some(1), "{text}");
    // nvidia-smi was not sampled then.
    let (text, status) = told(&row(&["CUDA0"], [(5.0, 1.0), (19.5, 5.0)], JOULES));
    assert!(text.contains("no samples of CUDA0") && status == Some(1), "{text}");
}
