//! Measuring again in a process of its own: the test program, asked for this one test.
//!
//! Memory placement decides several per cent of the speed on a CPU, and is alike for the contexts of one process. Runs
//! of one process would agree with each other on a slowdown that the next process does not have.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    record::Report,
    report::{self, Format},
};

/// The file that a process made for one measurement writes, and which guard it measures, as `number:name`.
const FILE: &str = "LLAMA_BENCH_GUARD_RUN_FILE";
const GUARD: &str = "LLAMA_BENCH_GUARD_RUN_OF";

/// How often each test has asked each guard: a test may ask the same one several times.
static ASKED: Mutex<BTreeMap<(String, String), u32>> = Mutex::new(BTreeMap::new());

/// One call of a guard in a test, which another process can find again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The test program; `None` if this is not one, or not on the thread of a test.
    program: Option<PathBuf>,
    test: String,
    /// `number:name`.
    guard: String,
}

impl Call {
    /// The call that is being made.
    pub(super) fn of(guard: &str) -> Self {
        let test = thread::current().name().unwrap_or_default().to_owned();
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        let number = asked.entry((test.clone(), guard.to_owned())).or_default();
        *number += 1;
        let program = env::current_exe().ok().filter(|program| is_harness(program, &test));
        Self { program, guard: format!("{number}:{guard}"), test }
    }

    /// What this process is for, if it was made for one measurement.
    pub(super) fn errand(&self) -> Option<Errand> {
        let (file, asked) = (env::var_os(FILE)?, env::var_os(GUARD)?);
        Some(if asked == OsString::from(&self.guard) {
            Errand::Measure(file.into())
        } else {
            Errand::Another
        })
    }

    /// What a process of its own measures; `None` if there cannot be one, or it measured nothing.
    pub(super) fn measure(&self) -> Option<Report> {
        let program = self.program.as_ref()?;
        let folder = tempfile::tempdir().ok()?;
        let file = folder.path().join("run.jsonl");
        // It is silent: the test here prints the same.
        Command::new(program)
            .args([&self.test, "--exact", "--include-ignored"])
            .env(FILE, &file)
            .env(GUARD, &self.guard)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        let report = report::read_file(&file).ok()?.report;
        (!report.runs.is_empty()).then_some(report)
    }
}

/// What a process was made for.
pub(super) enum Errand {
    /// To measure for this guard, and leave it in this file.
    Measure(PathBuf),
    /// To measure for another guard of the test.
    Another,
}

/// Leaves a report for the process that waits for it, and ends this one: the rest of the test is not asked for.
pub(super) fn deliver(report: &Report, file: &Path) -> ! {
    let left = report::to_string(report, Format::Jsonl).is_ok_and(|text| fs::write(file, text).is_ok());
    process::exit(i32::from(!left));
}

/// Whether a program is one of cargo's test programs, on a thread that the harness named after a test: any other would
/// do its whole work again.
fn is_harness(program: &Path, test: &str) -> bool {
    let is_built_for_tests =
        program.parent().and_then(Path::file_name).is_some_and(|folder| folder == "deps");
    is_built_for_tests && env::var_os("CARGO_MANIFEST_DIR").is_some() && !matches!(test, "" | "main")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_of_a_test_program_is_run_again() {
        let of_cargo = env::var_os("CARGO_MANIFEST_DIR").is_some();
        assert_eq!(is_harness(Path::new("/target/debug/deps/speed-1f2e"), "is_fast"), of_cargo);
        for (program, test) in [
            ("/target/debug/app", "worker"),
            ("/target/debug/deps/speed-1f2e", "main"),
            ("/target/debug/deps/speed-1f2e", ""),
            ("speed", "is_fast"),
        ] {
            assert!(!is_harness(Path::new(program), test), "{program} {test}");
        }
    }

    #[test]
    fn each_call_of_a_test_has_a_number_of_its_own() {
        let numbers = ["here", "here", "there"].map(|guard| Call::of(guard).guard);
        assert_eq!(numbers, ["1:here", "2:here", "1:there"]);
    }
}
