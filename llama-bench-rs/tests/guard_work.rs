//! Guards look at what llama.cpp computes before they look at any time.
#![allow(missing_docs)]

mod report_support;

use llama_bench_rs::{
    baseline::Baselines,
    record::{
        Report, Work,
        work::{Nodes, WorkKind},
    },
    testing::{Guard, GuardError, GuardMode},
};
use report_support::reference;

fn computing(ops: &[(&str, &str, u32)]) -> Report {
    let node = |&(op, device, n): &(&str, &str, u32)| Nodes {
        op: op.into(),
        data_type: "f16".into(),
        device: device.into(),
        weights: None,
        n,
    };
    let mut report = reference();
    report.runs[0].cells.truncate(4);
    report.runs[0].header.work = vec![Work {
        kind: WorkKind::Generation,
        n_tokens: 1,
        n_splits: 1,
        nodes: ops.iter().map(node).collect(),
        copies: Vec::new(),
        results: Vec::new(),
        strays: Vec::new(),
    }];
    report
}

#[test]
fn lost_work_fails_and_other_changes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let usual = computing(&[("FLASH_ATTN_EXT", "CUDA0", 4), ("MUL_MAT", "CUDA0", 24)]);
    for _ in 0..3 {
        Baselines::new(folder.path()).save("main", &usual).unwrap();
    }
    let check =
        |report: &Report| Guard::new("main").folder(folder.path()).mode(GuardMode::Check).check(report);
    assert!(check(&usual).unwrap().notes.iter().all(|note| !note.contains("computes")));

    let moved = computing(&[("FLASH_ATTN_EXT", "CUDA0", 4), ("MUL_MAT", "CPU", 24)]);
    let error = check(&moved).unwrap_err();
    assert!(matches!(error, GuardError::Work { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("24 MUL_MAT") && said.contains("moved from CUDA0 to the CPU"), "{said}");
    assert!(said.contains("LLAMA_BENCH_GUARD=renew"), "{said}");

    let without = computing(&[("MUL_MAT", "CUDA0", 32), ("SOFT_MAX", "CUDA0", 4)]);
    let said = check(&without).unwrap_err().to_string();
    assert!(said.contains("flash attention is off"), "{said}");

    let more = computing(&[("FLASH_ATTN_EXT", "CUDA0", 4), ("MUL_MAT", "CUDA0", 24), ("ADD", "CUDA0", 7)]);
    let guarded = check(&more).unwrap();
    assert!(guarded.notes.iter().any(|note| note.contains("ADD of f16 on CUDA0: 7 new")), "{guarded}");
}
