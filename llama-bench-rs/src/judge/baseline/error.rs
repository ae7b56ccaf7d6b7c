use std::{io, path::PathBuf};

use super::Difference;
use crate::record::Test;

/// What can go wrong with a baseline.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The name cannot be the name of a folder.
    #[error(
        "{name:?} cannot be a baseline's name: {reason}; use ASCII letters and digits, with `-`, `_` and `.` in between"
    )]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no baseline of this name.
    #[error("there is no baseline {name:?} in {}{known}: save one first", folder.display())]
    NotFound {
        /// The name.
        name: String,
        /// The folder looked into.
        folder: PathBuf,
        /// The names there are, as a clause; empty if there are none.
        known: String,
    },
    /// The baseline is of another machine, model or configuration.
    #[error("{}", not_of_now(&format!("the baseline {name:?}"), differences))]
    Differs {
        /// The name.
        name: String,
        /// The file that comes closest.
        path: PathBuf,
        /// Where it differs.
        differences: Vec<Difference>,
    },
    /// The baseline has tests that would not be measured, so it could not pass.
    #[error(
        "the baseline {name:?} has tests that are not asked for: {}; ask for the same tests, or save a baseline of \
         these under another name",
        list(missing)
    )]
    OtherTests {
        /// The name.
        name: String,
        /// The tests that the baseline has and the request lacks.
        missing: Vec<Test>,
    },
    /// The report is slower than the baseline that it should be added to.
    #[error(
        "not saved as {name}: a baseline of slower runs would hide the regression; save them under another name, or \
         renew the baseline if the slowdown is intended"
    )]
    Slower {
        /// The name.
        name: String,
    },
    /// The report has nothing to compare with.
    #[error("the report has no cell with samples: {hint}")]
    NothingMeasured {
        /// What to do about it.
        hint: &'static str,
    },
    /// The file is not a baseline, or part of it is missing.
    #[error("{} is damaged: {reason}; delete it and save the baseline again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of this crate wrote the file.
    #[error(
        "{} has version {found}, but this version of llama-bench-rs reads up to {newest}: update llama-bench-rs, or \
         delete the file and save the baseline again",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The newest version that can be read.
        newest: u64,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, such as "write".
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

crate::error::debug_like_display!(BaselineError);

/// The message that a baseline is of something else, with the differences and what to do.
pub(in crate::judge) fn not_of_now(baseline: &str, differences: &[Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(|difference| format!("  {difference}")).collect();
    format!(
        "{baseline} is not of what was measured now:\n{}\nmeasure that again, or save a baseline of this",
        lines.join("\n")
    )
}

fn list(tests: &[Test]) -> String {
    tests.iter().map(Test::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_names_every_reason() {
        let (_, body) = include_str!("error.rs").split_once("pub enum BaselineError {").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let variant = |line: &str| Some(line.strip_prefix("    ")?.strip_suffix(" {")?.to_owned());
        let variants: Vec<String> = body.lines().filter_map(variant).collect();
        assert!(variants.contains(&"Io".to_owned()) && variants.len() > 8, "{variants:?}");
        let page = include_str!("mod.rs");
        for variant in variants {
            assert!(page.contains(&format!("(BaselineError::{variant})")), "{variant} is not on the page");
        }
    }
}
