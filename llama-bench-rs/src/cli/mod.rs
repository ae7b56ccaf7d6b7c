//! llama-bench's flags as groups that a program flattens into its own command line (feature `cli`).
//!
//! | group | flags |
//! |---|---|
//! | [`ModelArgs`] | which models, on which devices: `-m`, `--shape`, `-ngl`, `-ot` |
//! | [`ContextArgs`] | how contexts are made: `-b`, `-ub`, `-fa`, `-ctk`, `-t` |
//! | [`TestArgs`] | what is measured: `-p`, `-n`, `-pg`, `-d`, `-npl` |
//! | [`RunArgs`] | repetitions, stopping rule, order, several runs: `-r`, `--until`, `--runs` |
//! | [`IsolateArgs`] | processes of their own: `--isolate` |
//! | [`OutputArgs`] | formats and the file: `-o`, `-oe`, `--output` |
//!
//! ```
//! use clap::Parser;
//! use llama_bench_rs::cli::{self, ContextArgs, ModelArgs};
//!
//! /// Answers questions.
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     model: ModelArgs,
//!     #[command(flatten)]
//!     context: ContextArgs,
//!     /// Most tokens of an answer
//!     #[arg(long, visible_alias = "np", default_value_t = 256)]
//!     n_predict: u32,
//! }
//!
//! // A program calls `cli::parse()`, which reads its own arguments.
//! let args: Args = cli::try_parse_from(["ask", "-ngl", "0", "-ub", "256", "-fa=1", "-np", "99"])?;
//! assert_eq!(args.n_predict, 99);
//! assert_eq!(args.context.one()?.n_ubatch, 256);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`parse`] reads a line as llama-bench does: names of several letters after one dash (`-ngl`, clap's
//! `visible_alias`), both signs in long names (`--n_gen`), and what follows a flag is its value even if it begins with a
//! dash (`-ngl -1`). Numbers may be lists and ranges, and every value is checked before anything is loaded. `-h` prints
//! the flags that most people need on one screen, without those that say `hide_short_help`; `--help` prints all.

mod ceilings;
mod combinations;
mod context;
mod flags_of;
mod given;
mod help;
mod isolate;
mod model;
mod names;
mod output;
mod placement;
mod run;
mod similar;
mod test;
mod values;

#[cfg(test)]
mod tests;

use std::{ffi::OsString, io::IsTerminal};

use clap::{Parser, error::ErrorKind, parser::ValueSource};

use crate::report::terminal::Style;

#[doc(hidden)]
pub use ceilings::CeilingArgs;
pub use context::ContextArgs;
#[doc(hidden)]
pub use flags_of::flags_of;
pub use isolate::IsolateArgs;
pub use model::ModelArgs;
#[doc(hidden)]
pub use names::{find, translate};
pub use output::OutputArgs;
#[doc(hidden)]
pub use output::OutputFormat;
#[doc(hidden)]
pub use placement::{Devices, OverrideList, Overrides, TensorSplit};
pub use run::RunArgs;
#[doc(hidden)]
pub use run::{MethodArg, OrderArg, ProfileArg, RunsIn};
#[doc(hidden)]
pub use test::DefaultTests;
pub use test::TestArgs;
#[doc(hidden)]
pub use values::{
    CpuMask, Integers, Numbers, all, all_integers, at_least_one, percent, seconds, switch, thread_count,
    whole,
};

/// Reads the arguments of this process; bad usage ends it with status 2, `-h` and `--help` with 0.
pub fn parse<P: Parser>() -> P {
    try_parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Reads a command line, the program's name first. Of a repeated flag that takes no list the last one counts.
///
/// # Errors
/// Bad usage, with the value and what to write instead; `-h` and `--help`, whose text is the error's.
#[doc(hidden)]
pub fn try_parse_from<P: Parser>(
    words: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<P, clap::Error> {
    try_parse_given(words).map(|(parsed, _)| parsed)
}

/// The same, with the flags that the line gives, by the names that clap knows them by: those of the fields.
///
/// # Errors
/// As [`try_parse_from`].
#[doc(hidden)]
pub fn try_parse_given<P: Parser>(
    words: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<(P, Vec<String>), clap::Error> {
    let mut command = P::command();
    let words = names::translate(&command, words.into_iter().map(Into::into))
        .map_err(|message| command.error(ErrorKind::UnknownArgument, message))?;
    let stdout = std::io::stdout();
    let width = if stdout.is_terminal() { Style::of(&stdout).width } else { help::WIDTH };
    let help = help::render(&command, help::Detail::asked_for(&words), width);
    let mut command = command.args_override_self(true).override_help(help);
    let mut matches = command.try_get_matches_from_mut(words)?;
    let is_given = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    let given = matches.ids().filter(is_given).map(ToString::to_string).collect();
    let parsed = P::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    Ok((parsed, given))
}
