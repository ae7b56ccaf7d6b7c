//! Where a guard's baselines lie, and how its test is run again.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    thread,
};

use super::mode::{GuardMode, VARIABLE};

/// The folder of a package's guards.
const FOLDER: &str = "tests/baselines";

/// Where the test runs and how it was started.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The package's folder.
    package_folder: PathBuf,
    package: Option<String>,
    test: Option<String>,
    is_nextest: bool,
}

impl Place {
    /// The calling test: cargo sets the package at run time, and the test harness names the thread.
    pub(super) fn here() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            package_folder: variable("CARGO_MANIFEST_DIR").unwrap_or_default().into(),
            package: variable("CARGO_PKG_NAME"),
            test: thread::current().name().filter(|&name| name != "main").map(str::to_owned),
            is_nextest: variable("NEXTEST").is_some(),
        }
    }

    /// `LLAMA_BENCH_BASELINES`, or `tests/baselines` in the package, or in the current folder if cargo did not start it.
    pub(super) fn folder(&self) -> PathBuf {
        let asked = env::var_os("LLAMA_BENCH_BASELINES").filter(|folder| !folder.is_empty());
        asked.map_or_else(|| self.package_folder.join(FOLDER), PathBuf::from)
    }

    /// A path as a person in the package's folder writes it.
    pub(super) fn short<'p>(&self, path: &'p Path) -> impl fmt::Display + 'p {
        path.strip_prefix(&self.package_folder).unwrap_or(path).display()
    }

    /// The command that runs the test in this mode.
    pub(super) fn command(&self, mode: GuardMode) -> String {
        let run = if self.is_nextest { "cargo nextest run" } else { "cargo test" };
        let mut command = format!("{VARIABLE}={} {run}", mode.name());
        if let Some(package) = &self.package {
            command += &format!(" -p {package}");
        }
        if let Some(test) = &self.test {
            command += &format!(" {test}");
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_runs_this_test_alone() {
        let place = Place::here();
        let test = "testing::guard::place::tests::the_command_runs_this_test_alone";
        // Alone in its process, the harness runs a test on the main thread.
        let named = thread::current().name() == Some(test);
        let command = place.command(GuardMode::Renew);
        assert!(command.starts_with("LLAMA_BENCH_GUARD=renew cargo "), "{command}");
        assert_eq!(command.ends_with(test), named, "{command}");
        let place = Place { package: Some("app".into()), is_nextest: true, ..Place::default() };
        assert_eq!(place.command(GuardMode::Save), "LLAMA_BENCH_GUARD=save cargo nextest run -p app");
        assert_eq!(Place::default().command(GuardMode::Add), "LLAMA_BENCH_GUARD=add cargo test");
    }

    #[test]
    fn paths_are_short_within_the_package() {
        let place = Place { package_folder: "/home/app".into(), ..Place::default() };
        assert_eq!(
            place.short(Path::new("/home/app/tests/baselines/main")).to_string(),
            "tests/baselines/main"
        );
        assert_eq!(place.short(Path::new("/elsewhere/main")).to_string(), "/elsewhere/main");
    }
}
