//! A report of several sequences at once.

use std::time::Duration;

use llama_bench_rs::{record::*, with};

/// Sequences, and tokens per second of all of them together: of prompts of 512, and of 32 generated tokens.
type Totals = [(u32, f64, f64); 5];

/// gpt-oss-20b on an H100, in an empty context and at 4096 tokens. The prompts are made up.
const AT_0: Totals = [
    (1, 10_150.0, 256.0),
    (2, 13_200.0, 399.0),
    (4, 15_600.0, 565.0),
    (8, 17_100.0, 831.0),
    (16, 17_550.0, 907.0),
];
const AT_4096: Totals = [
    (1, 9_800.0, 242.0),
    (2, 12_700.0, 401.0),
    (4, 15_100.0, 589.0),
    (8, 16_400.0, 732.0),
    (16, 16_900.0, 839.0),
];

/// Two depths with 1 to 16 sequences each.
pub fn levels() -> Report {
    let cells = [(0, AT_0), (4096, AT_4096)].into_iter().flat_map(|(n_depth, totals)| {
        totals.into_iter().flat_map(move |(n, prompts, tokens)| {
            [cell(pp(512).parallel(n).at(n_depth), prompts), cell(tg(32).parallel(n).at(n_depth), tokens)]
        })
    });
    let mut header = super::reference_header();
    header.config.n_ubatch = Some(512);
    Report { runs: vec![Run { header, cells: cells.collect(), curve: Vec::new() }] }
}

/// Five repetitions around this total speed; one step of eight takes a quarter longer than the others.
pub fn cell(test: Test, total: f64) -> Cell {
    let sample = |off: f64| {
        let elapsed = Duration::from_secs_f64(f64::from(test.n_tokens()) / total * (1.0 + off));
        if !test.kind.is_generation() {
            return with!(Sample { elapsed, ..Sample::default() });
        }
        let n_steps = test.kind.n_tokens();
        let weight = |i: u32| if i % 8 == 7 { 1.25 } else { 1.0 };
        let whole: f64 = (0..n_steps).map(weight).sum();
        let steps: Vec<Duration> = (0..n_steps).map(|i| elapsed.mul_f64(weight(i) / whole)).collect();
        with!(Sample { elapsed: steps.iter().sum(), steps, ..Sample::default() })
    };
    let samples = [-0.002, 0.001, 0.0, 0.002, -0.001].map(sample).to_vec();
    Cell {
        test,
        started_at: "2025-11-03T10:00:05Z".into(),
        outcome: Outcome::Measured(with!(Measured { samples, ..Measured::default() })),
    }
}

/// A cell that did not fit.
pub fn too_large(test: Test) -> Cell {
    Cell { test, ..super::failed(test.kind, test.n_depth) }
}
