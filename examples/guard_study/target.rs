//! The crate whose guard is studied.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::load::Load;

/// The guard among the tests.
const TEST: &str = "the_model_is_as_fast_as_it_was";

/// What became of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Failed,
    Inconclusive,
    Passed,
}

/// A folder of a baseline.
pub struct Baseline(TempDir);

impl Baseline {
    pub fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }
}

/// The crate in `tests/downstream`, with its tests built.
pub struct Downstream {
    folder: PathBuf,
    target_dir: PathBuf,
    executable: PathBuf,
}

impl Downstream {
    /// Builds its tests, which builds llama.cpp the first time.
    pub fn build() -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (folder, target_dir) = (root.join("tests/downstream"), root.join("target/downstream"));
        let mut cargo = cargo(&["test"], &folder, &target_dir);
        let output =
            cargo.args(["--no-run", "--message-format", "json"]).stderr(Stdio::inherit()).output()?;
        let messages = String::from_utf8(output.stdout)?;
        let mut messages =
            messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let executable = messages.find_map(|message| message["executable"].as_str().map(PathBuf::from));
        let executable = executable.ok_or("tests/downstream cannot be built: see above")?;
        Ok(Self { folder, target_dir, executable })
    }

    /// Adds a run to a baseline.
    pub fn save(&self, load: Load, baseline: &Baseline) -> Result<(), Box<dyn Error>> {
        let output = self.command(load, baseline).env("LLAMA_BENCH_GUARD", "add").output()?;
        let text = shown(&output);
        match has_passed(&text) {
            Some(true) => Ok(()),
            _ => Err(format!("the guard cannot save:\n{text}").into()),
        }
    }

    /// Holds work that is slowed by so many percent against a baseline.
    pub fn check(&self, load: Load, baseline: &Baseline, slowdown: u32) -> Result<Verdict, Box<dyn Error>> {
        let mut command = self.command(load, baseline);
        command.env("LLAMA_BENCH_GUARD", "check");
        if slowdown > 0 {
            command.env("DOWNSTREAM_SLOWED_BY_PERCENT", slowdown.to_string());
        }
        let text = shown(&command.output()?);
        verdict(&text).ok_or_else(|| format!("the guard gives no verdict:\n{text}").into())
    }

    fn command(&self, load: Load, baseline: &Baseline) -> Command {
        let mut command = match load {
            Load::Nextest => {
                let mut nextest = cargo(&["nextest", "run"], &self.folder, &self.target_dir);
                nextest.args([
                    "--no-fail-fast",
                    "--success-output",
                    "immediate",
                    "--failure-output",
                    "immediate",
                ]);
                nextest
            }
            Load::OtherTests => Command::new(&self.executable),
            Load::Quiet | Load::BusyLoops => {
                let mut alone = Command::new(&self.executable);
                alone.args(["--exact", TEST]);
                alone
            }
        };
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("LLAMA_BENCH_BASELINES", baseline.0.path()).stdin(Stdio::null());
        command
    }
}

/// Cargo on the tests of speed of a crate elsewhere.
fn cargo(subcommand: &[&str], folder: &Path, target_dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(subcommand).args(["--test", "speed", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    command.arg("--target-dir").arg(target_dir).env("CARGO_TERM_COLOR", "never");
    command
}

/// Whether `cargo nextest` can be started.
pub fn has_nextest() -> bool {
    let output = Command::new("cargo").args(["nextest", "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// What became of the guard, from what its process printed; `None` if it could not judge.
fn verdict(text: &str) -> Option<Verdict> {
    let says = |what: &str| text.lines().any(|line| line.contains("guard \"main\": ") && line.contains(what));
    match has_passed(text)? {
        true if says("inconclusive") => Some(Verdict::Inconclusive),
        true => Some(Verdict::Passed),
        false => says("got slower").then_some(Verdict::Failed),
    }
}

/// Whether the guard passed, whatever the other tests did; `None` if it did not run.
fn has_passed(text: &str) -> Option<bool> {
    // `test NAME ... ok` of the harness, `PASS [ 0.1s] downstream::speed NAME` of nextest.
    let mut lines = text.lines().map(str::trim).filter(|line| line.contains(TEST));
    lines.find_map(|line| match line {
        line if line.ends_with("... ok") || line.starts_with("PASS ") => Some(true),
        line if line.ends_with("... FAILED") || line.starts_with("FAIL ") => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_from_what_harnesses_print() {
        let harness = |end: &str, said: &str| format!("running 1 test\ntest {TEST} ... {end}\n\n{said}\n");
        let nextest = |word: &str, said: &str| {
            format!("        {word} [   1.2s] (1/5) downstream::speed {TEST}\n    guard \"main\": {said}\n")
        };
        let inconclusive = "guard \"main\": inconclusive; too noisy to tell whether tg16 got slower by 5 %";
        let slower = "guard \"main\": 4 of 4 cells got slower (tolerance 5 %):";
        assert_eq!(verdict(&harness("ok", "")), Some(Verdict::Passed));
        assert_eq!(verdict(&harness("ok", inconclusive)), Some(Verdict::Inconclusive));
        assert_eq!(verdict(&harness("FAILED", slower)), Some(Verdict::Failed));
        assert_eq!(verdict(&nextest("PASS", "inconclusive; too noisy")), Some(Verdict::Inconclusive));
        assert_eq!(verdict(&nextest("FAIL", "4 of 4 cells got slower")), Some(Verdict::Failed));
        // Another test's failure, and a guard that could not judge.
        assert_eq!(
            verdict(&format!("test another ... FAILED\n{}", harness("ok", ""))),
            Some(Verdict::Passed)
        );
        assert_eq!(verdict(&harness("FAILED", "guard \"main\": no baseline in x")), None);
        assert_eq!(verdict("running 0 tests"), None);
    }
}
