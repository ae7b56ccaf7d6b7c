use std::{any::Any, fmt};

use serde::{Deserialize, Serialize};

/// Why a cell has no figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing went wrong, for programs.
    pub kind: FailureKind,
    /// The whole message, with values and remedy.
    pub message: String,
}

impl Failure {
    /// A failure of a kind, with the message for people.
    pub fn new(kind: impl Into<FailureKind>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into() }
    }

    /// A caught panic of `who`.
    pub(crate) fn of_panic(who: &str, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
        Self::new(FailureKind::Panic, format!("{who} panicked: {text}"))
    }
}

/// Makes the enum with its words in both directions from one list.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal),* $(,)?) => {
        /// The kind of a failure. In files, and in its `Display`, it is a stable word such as `out_of_memory`.
        ///
        /// ```
        /// use llama_bench_rs::record::FailureKind;
        ///
        /// assert_eq!(FailureKind::OutOfMemory.to_string(), "out_of_memory");
        /// assert_eq!(FailureKind::from("cancelled"), FailureKind::Cancelled);
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FailureKind {
            $($(#[doc = $doc])* $name,)*
            /// A word that this version does not know: a newer version or another tool wrote the file.
            Other(Box<str>),
        }

        impl FailureKind {
            /// Every kind that has a word of its own.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word in files.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for FailureKind {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$name,)*
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

kinds! {
    /// A file, a device or a buffer type that was asked for is not there.
    NotFound = "not_found",
    /// A server of devices on another machine cannot be used.
    RpcServer = "rpc_server",
    /// The model's file could not be read or made.
    ModelFile = "model_file",
    /// llama.cpp did not load the model.
    ModelLoad = "model_load",
    /// The disk is full.
    DiskFull = "disk_full",
    /// There is not enough memory.
    OutOfMemory = "out_of_memory",
    /// llama.cpp did not make the context.
    Context = "context",
    /// The context has too few tokens for the test.
    ContextTooSmall = "context_too_small",
    /// The test needs a longer context than llama.cpp can have.
    ContextTooLong = "context_too_long",
    /// A parameter has a value that does not work here.
    InvalidParameter = "invalid_parameter",
    /// The model, or the way of measuring, cannot do this.
    Unsupported = "unsupported",
    /// A decode failed.
    Decode = "decode",
    /// An encode failed.
    Encode = "encode",
    /// The state of the context could not be saved, restored or trusted.
    State = "state",
    /// A text could not be tokenized or written.
    Text = "text",
    /// Threads could not be made.
    Threads = "threads",
    /// llama.cpp threw an exception.
    Exception = "exception",
    /// A signal ended the process that measured: it crashed, or somebody killed it.
    Signal = "signal",
    /// The kernel killed the process that measured, because memory ran out.
    KilledForMemory = "killed_for_memory",
    /// The process that measured ended with an exit status before its work was done.
    ExitStatus = "exit_status",
    /// The process that measured could not be started, or what it sent cannot be understood.
    Isolation = "isolation",
    /// This crate, or a program that observes it, panicked.
    Panic = "panic",
    /// Somebody stopped it.
    Cancelled = "cancelled",
    /// What was asked for cannot be run.
    Bench = "bench",
    /// A report could not be read or written.
    Report = "report",
    /// A baseline could not be read or written.
    Baseline = "baseline",
    /// An assertion of speed failed.
    Regression = "regression",
}

impl From<String> for FailureKind {
    fn from(word: String) -> Self {
        Self::from(&*word)
    }
}

impl PartialEq<&str> for FailureKind {
    /// Compares its word.
    fn eq(&self, word: &&str) -> bool {
        self.as_str() == *word
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FailureKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FailureKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_its_word_in_files() {
        for kind in FailureKind::ALL {
            let failure = Failure::new(kind.clone(), "why");
            let json = serde_json::to_string(&failure).unwrap();
            assert_eq!(json, format!(r#"{{"kind":"{kind}","message":"why"}}"#));
            assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failure);
            assert!(!matches!(FailureKind::from(kind.as_str()), FailureKind::Other(_)), "{kind}");
        }
        let written: Vec<&str> = FailureKind::ALL.iter().map(FailureKind::as_str).collect();
        // What files of earlier versions hold.
        for word in [
            "out_of_memory",
            "context_too_small",
            "context_too_long",
            "decode",
            "cancelled",
            "model_load",
            "panic",
        ] {
            assert!(written.contains(&word), "{word}");
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_kept() {
        let kind = FailureKind::from("melted");
        assert_eq!(kind, FailureKind::Other("melted".into()));
        assert_eq!((kind.as_str(), kind.to_string()), ("melted", "melted".to_owned()));
        assert!(kind == "melted");
        assert_eq!(serde_json::to_string(&kind).unwrap(), r#""melted""#);
    }
}
