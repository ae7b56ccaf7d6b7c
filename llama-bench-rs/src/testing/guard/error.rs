use std::{error::Error, path::PathBuf};

use super::mode::VARIABLE;
use crate::{
    judge::baseline::BaselineError,
    testing::{LostWork, RegressionError},
};

/// Why a [`Guard`](super::Guard) does not pass.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The environment asks for something that guards do not do.
    #[error("{VARIABLE}={value}: not a mode; write save, check, renew, add or off")]
    InvalidMode {
        /// What it asks for.
        value: String,
    },
    /// Nothing could be measured.
    #[error("cannot measure: {0}")]
    Measure(#[source] Box<dyn Error + Send + Sync>),
    /// There is no baseline of this machine, and none may be saved.
    #[error(
        "no baseline in {}{}, and none is saved here ({because}): on this machine run\n  {command}\nand check the folder in",
        folder.display(), others(*has_others)
    )]
    NoBaseline {
        /// The folder that it should be in.
        folder: PathBuf,
        /// Whether there are baselines of other machines.
        has_others: bool,
        /// Why none is saved.
        because: &'static str,
        /// What saves one.
        command: String,
    },
    /// The baseline is of another configuration, damaged, or cannot be written.
    #[error("{source}{remedy}")]
    Baseline {
        /// What is wrong with it.
        source: BaselineError,
        /// The command that fixes it, as a sentence of its own; empty if none does.
        remedy: String,
    },
    /// An operation left a device for the CPU, or flash attention or repacked weights are gone; no time is involved.
    #[error("{source}{remedy}")]
    Work {
        /// What was lost.
        source: LostWork,
        /// The command that makes it the baseline.
        remedy: String,
    },
    /// A cell got slower, is missing or failed.
    #[error("{source}\n  measured {}{note}", times(*n_measured))]
    Regression {
        /// What was found.
        source: RegressionError,
        /// How often was measured.
        n_measured: u32,
        /// What to do, and what else is to be known.
        note: String,
    },
}

crate::error::debug_like_display!(GuardError);

fn others(has_others: bool) -> &'static str {
    if has_others { " of this machine (those there are of others)" } else { "" }
}

fn times(n: u32) -> String {
    if n == 1 { "once".into() } else { format!("{n} times, judged together") }
}
