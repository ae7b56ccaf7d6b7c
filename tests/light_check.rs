//! The arithmetic of `scripts/light-check`, from a sweep that only prints.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

/// A row of tg4 with this range of its share, on a device that copies 100 GB/s and reaches 2 TFLOP/s in bf16.
fn row(share: Option<(f64, f64)>) -> String {
    let rate = |kind: &str, data_type: &str, per_second: f64| {
        format!(
            r#"{{"kind": "{kind}", "data_type": "{data_type}", "n_columns": null, "matrix_bytes": null,
            "per_second": {per_second}, "lower": {per_second}, "upper": {per_second}, "n": 9}}"#
        )
    };
    let rates = [rate("copy", "f32", 100e9), rate("product", "bf16", 2e12)].join(", ");
    let light = match share {
        Some((lower, upper)) => format!(
            r#""light_share": {}, "light_share_lower": {lower}, "light_share_upper": {upper},
            "light_floor_ns": 1000000, "light_binds": "memory""#,
            f64::midpoint(lower, upper)
        ),
        None => r#""light_share": null, "light_unknown": "the ceilings of CPU were not measured""#.to_owned(),
    };
    format!(
        r#"[{{"outcome": "measured", "n_gen": 4, "n_prompt": 0, "n_depth": 64, "avg_ns": 8000000, {light},
        "ceilings": [{{"device": "CUDA0", "rates": [{rates}]}}]}}]"#
    )
}

/// Runs the script with a sweep that prints this; `None` without python3.
fn check(row: &str, variables: &[(&str, &str)]) -> Option<Output> {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("sweep");
    let program = format!(
        "#!/bin/sh\ncase \"$*\" in *--renew-ceilings*) ;; *) exit 9 ;; esac\ncat <<'END'\n{row}\nEND\n"
    );
    fs::write(&sweep, program).unwrap();
    fs::set_permissions(&sweep, fs::Permissions::from_mode(0o755)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/light-check");
    let mut command = Command::new(script);
    command.arg(&sweep).args(["-m", "model.gguf"]).env_remove("COPY_GBS").env_remove("PRODUCT_TFLOPS");
    Some(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn a_share_that_is_surely_above_one_fails() {
    for (share, status, said) in [
        (Some((0.2, 0.3)), 0, ""),
        (Some((0.98, 1.2)), 0, ""),
        (Some((1.02, 1.2)), 1, "tg4 @ d64: at least 102.0% of the speed of light"),
        (None, 1, "no cell has a share"),
    ] {
        let Some(output) = check(&row(share), &[]) else { return };
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{out}{err}");
        assert!(err.contains(said), "{err}");
        assert!(out.contains("100 GB/s") && out.contains("tg4 @ d64") && out.contains("2.000"), "{out}");
    }
}

#[test]
fn a_ceiling_that_disagrees_with_an_independent_figure_fails() {
    for (variables, status) in [
        ([("COPY_GBS", "103"), ("PRODUCT_TFLOPS", "1.95")], 0),
        ([("COPY_GBS", "110"), ("PRODUCT_TFLOPS", "1.95")], 1),
        ([("COPY_GBS", "103"), ("PRODUCT_TFLOPS", "2.5")], 1),
    ] {
        let Some(output) = check(&row(Some((0.2, 0.3))), &variables) else { return };
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
