//! Tests that run once more, in a process of their own.
#![allow(dead_code)]

use std::process::{Command, Output, Stdio};

const ROLE: &str = "LLAMA_BENCH_RS_TEST_ROLE";

/// What this process is to do, if it is such a child.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// The command that runs a test again in a role, under limits that `sh` sets (`ulimit -v 1000000`).
pub fn command(test: &str, role: &str, limits: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limits}\nexec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact", test, "--test-threads", "1"])
        .env(ROLE, role)
        .stdin(Stdio::null());
    command
}

/// Runs a test again and waits for it.
pub fn again(test: &str, role: &str, limits: &str) -> Output {
    command(test, role, limits).output().unwrap()
}

/// What a process wrote, and how it ended.
pub fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Whether `ulimit -v` can be used: a sanitizer takes terabytes of addresses. Says which test is skipped if not.
pub fn can_limit_addresses(test: &str) -> bool {
    let is_checked = llama_bench_rs::llama::build_info().cmake_options.contains("-fsanitize");
    if is_checked {
        eprintln!("SKIPPED {test}: a sanitizer needs more addresses than it leaves");
    }
    !is_checked
}
