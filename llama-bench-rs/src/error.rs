//! The crate's error type, which holds the error of each part.

use std::fmt;

/// Gives an error a `Debug` that reads like its `Display`: `unwrap`, and `?` in tests and `main`, print `Debug`.
macro_rules! debug_like_display {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::error::write_chain(self, f)
            }
        }
    };
}

pub(crate) use debug_like_display;

/// The message of an error, then each cause that the message does not repeat.
pub(crate) fn write_chain(error: &dyn std::error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut said = error.to_string();
    f.write_str(&said)?;
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            write!(f, "\ncaused by: {text}")?;
            said.push_str(&text);
        }
        cause = error.source();
    }
    Ok(())
}

/// An error of any part of this crate. Messages name the value and the remedy; `Debug` prints the same.
///
/// ```
/// use llama_bench_rs::{Error, Model};
///
/// let missing = Model::load("no/such/model.gguf").map_err(Error::from);
/// assert!(missing.is_err_and(|error| error.to_string().starts_with("cannot open the model no/such/model.gguf")));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// llama.cpp failed, or an argument was rejected that would have made it abort.
    #[error(transparent)]
    Llama(#[from] crate::llama::LlamaError),
    /// A GGUF file could not be read or written, or a shape is impossible.
    #[error(transparent)]
    Gguf(#[from] crate::gguf::GgufError),
    /// A sweep cannot be run as asked.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    /// Nothing can be measured in processes of their own.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Isolate(#[from] crate::isolate::IsolateError),
    /// A report could not be written or read.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// A baseline could not be saved or loaded.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Baseline(#[from] crate::judge::baseline::BaselineError),
    /// A report does not pass an assertion.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Regression(#[from] crate::judge::RegressionError),
    /// Requests cannot be served as asked.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// A guard does not pass.
    #[cfg(feature = "measure")]
    #[error(transparent)]
    Guard(#[from] crate::testing::GuardError),
}

debug_like_display!(Error);

#[cfg(test)]
mod tests {
    use std::{fs, io, path::Path};

    use super::*;
    use crate::judge::baseline::BaselineError;

    #[derive(thiserror::Error)]
    #[error("{said}")]
    struct Outer {
        said: &'static str,
        source: io::Error,
    }

    debug_like_display!(Outer);

    #[test]
    fn what_unwrap_prints_can_be_read() {
        let missing =
            BaselineError::NotFound { name: "main".into(), folder: "f".into(), known: String::new() };
        assert_eq!(format!("{missing:?}"), "there is no baseline \"main\" in f: save one first");
        let wrapped = Error::from(missing);
        assert_eq!(format!("{wrapped:?} {wrapped:#?}"), format!("{wrapped} {wrapped}"));
    }

    #[test]
    fn causes_are_said_once() {
        let debug = |said| format!("{:?}", Outer { said, source: io::Error::other("the disk is full") });
        assert_eq!(debug("cannot write"), "cannot write\ncaused by: the disk is full");
        assert_eq!(debug("cannot write: the disk is full"), "cannot write: the disk is full");
    }

    /// `thiserror::Error` needs a `Debug`, and the derived one cannot be read: one that derives both forgot.
    #[test]
    fn no_error_of_this_workspace_derives_debug() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut n_errors = 0;
        for folder in [root.join("src"), root.join("../llama-sys/src"), root.join("../llama-sys/build")] {
            for_each_source(&folder, &mut |path, text| {
                for (place, _) in text.match_indices("#[derive(") {
                    let derived = text[place..].split(')').next().unwrap_or_default();
                    if derived.contains("Error") {
                        n_errors += 1;
                        assert!(
                            !derived.contains("Debug"),
                            "{}: {derived}): see debug_like_display",
                            path.display()
                        );
                    }
                }
                let by_hand =
                    text.lines().find(|line| line.starts_with("impl") && line.contains("Error for "));
                let is_readable = by_hand.is_none() || text.contains("debug_like_display!(");
                assert!(is_readable, "{}: {by_hand:?}: see debug_like_display", path.display());
            });
        }
        assert!(n_errors >= 15, "{n_errors}");
    }

    fn for_each_source(folder: &Path, check: &mut impl FnMut(&Path, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                for_each_source(&path, check);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                check(&path, &fs::read_to_string(&path).unwrap());
            }
        }
    }
}
