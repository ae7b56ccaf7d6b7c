//! The crate whose guard is studied.

use std::{
    env,
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
    executable: PathBuf,
    /// Where cargo keeps it; `None` if it came built, and every test is started in a process of its own by this program, as
    /// nextest would.
    target_dir: Option<PathBuf>,
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
        Ok(Self { folder, executable, target_dir: Some(target_dir) })
    }

    /// The test program that another machine built: only this program is needed.
    pub fn built(executable: PathBuf) -> io::Result<Self> {
        Ok(Self { folder: env::current_dir()?, executable: executable.canonicalize()?, target_dir: None })
    }

    /// Whether its tests can be run in a process each.
    pub fn can_run_apart(&self) -> bool {
        self.target_dir.is_none() || has_nextest()
    }

    /// Adds a run to a baseline.
    pub fn save(&self, load: Load, baseline: &Baseline) -> Result<(), Box<dyn Error>> {
        let text = self.run(load, baseline, self.command(load, baseline).env("LLAMA_BENCH_GUARD", "add"))?;
        match has_passed(&text) {
            Some(true) => Ok(()),
            _ => Err(format!("the guard cannot save:\n{text}").into()),
        }
    }

    /// Compares work that is slowed by this many percent with a baseline.
    pub fn check(&self, load: Load, baseline: &Baseline, slowdown: u32) -> Result<Verdict, Box<dyn Error>> {
        let mut command = self.command(load, baseline);
        command.env("LLAMA_BENCH_GUARD", "check");
        if slowdown > 0 {
            command.env("DOWNSTREAM_SLOWED_BY_PERCENT", slowdown.to_string());
        }
        let text = self.run(load, baseline, &mut command)?;
        verdict(&text).ok_or_else(|| format!("the guard gives no verdict:\n{text}").into())
    }

    /// What the guard's process prints; the crate's other tests run beside it if they are the load.
    fn run(&self, load: Load, baseline: &Baseline, guard: &mut Command) -> Result<String, Box<dyn Error>> {
        let mut others = Vec::new();
        if load == Load::Nextest && self.target_dir.is_none() {
            let list = Command::new(&self.executable).args(["--list", "--format", "terse"]).output()?;
            let list = String::from_utf8(list.stdout)?;
            let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
            for name in names.filter(|name| *name != TEST) {
                let mut test = self.on(Command::new(&self.executable), baseline);
                others
                    .push(test.args(["--exact", name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
            }
        }
        let output = guard.output()?;
        others.iter_mut().try_for_each(|test| test.wait().map(drop))?;
        Ok(shown(&output))
    }

    fn command(&self, load: Load, baseline: &Baseline) -> Command {
        let command = match (load, &self.target_dir) {
            (Load::Nextest, Some(target_dir)) => {
                let mut nextest = cargo(&["nextest", "run"], &self.folder, target_dir);
                nextest.args([
                    "--no-fail-fast",
                    "--success-output",
                    "immediate",
                    "--failure-output",
                    "immediate",
                ]);
                nextest
            }
            (Load::OtherTests, _) => Command::new(&self.executable),
            (Load::Quiet | Load::BusyLoops, _) | (Load::Nextest, None) => {
                let mut alone = Command::new(&self.executable);
                alone.args(["--exact", TEST]);
                alone
            }
        };
        self.on(command, baseline)
    }

    /// A command on the tests with a baseline.
    fn on(&self, mut command: Command, baseline: &Baseline) -> Command {
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
fn has_nextest() -> bool {
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
    if !has_passed(text)? {
        return says("got slower").then_some(Verdict::Failed);
    }
    Some(if says("inconclusive") { Verdict::Inconclusive } else { Verdict::Passed })
}

/// Whether the guard passed, regardless of the other tests; `None` if it did not run.
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
        let inconclusive = "guard \"main\": inconclusive; too noisy to tell whether tg16 got slower by 10 %";
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
