//! The command line: llama-bench's flags where the meaning is the same.

mod context;
mod model;
mod run;
mod tests;

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};

use llama_bench_rs::report::Format;

use crate::{
    help, names,
    values::{OutputFormat, RunsIn},
};

use context::ContextArgs;
use model::ModelArgs;
use run::RunArgs;
use tests::TestArgs;

/// Measures a model at several context depths, in one process.
///
/// With no arguments: a synthetic tiny gpt-oss, depths from 0 up, within a minute on two cores. Lists are separated by
/// commas; numbers may be ranges: 0-32768+4096, 1-64*2. Every combination of the values of -b, -ub, -fa and the other
/// parameters is a configuration of its own. Exit status: 0 all cells measured, 1 some failed, 2 bad usage or a
/// baseline of something else, 3 slower than the baseline or than expected.
#[derive(Debug, Parser)]
#[command(name = "sweep", disable_version_flag = true)]
pub struct Args {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub tests: TestArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// Format on standard output: json, jsonl, csv, sql, md, none, or term: a table with intervals and bars, and what
    /// the figures mean. Also as --output, if that names a format
    #[arg(short = 'o', long = "output-format", value_name = "FORMAT", default_value = "md", value_parser = OutputFormat::from_str, help_heading = "Output")]
    pub format: OutputFormat,
    /// A second format, on standard error
    #[arg(long = "output-err", value_name = "FORMAT", default_value = "none", value_parser = OutputFormat::from_str, help_heading = "Output")]
    pub format_err: OutputFormat,
    /// After the Markdown table: what was measured on, and what the figures mean
    #[arg(long, help_heading = "Output")]
    pub explain: bool,
    /// Write the results to this file too, each as it comes, in the format of its extension
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Resume from the --output file (JSONL); finished cells are not measured again
    #[arg(long, requires = "output", help_heading = "Output")]
    pub resume: bool,
    /// Replace the --output file if it holds results
    #[arg(long, requires = "output", conflicts_with = "resume", help_heading = "Output")]
    pub force: bool,
    /// Print on standard error what is being run, one line per step
    #[arg(long, help_heading = "Output")]
    pub progress: bool,
    /// Pass llama.cpp's log on to standard error
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
    /// Print token counts and memory of every configuration, and stop
    #[arg(long, help_heading = "In place of measuring")]
    pub plan: bool,
    /// Check that a rewound context matches a freshly filled one, and stop
    #[arg(long, conflicts_with_all = ["plan", "resume"], help_heading = "In place of measuring")]
    pub verify: bool,
    /// List the devices and stop
    #[arg(long, help_heading = "In place of measuring")]
    pub list_devices: bool,
    /// List the shapes of synthetic models and stop
    #[arg(long, help_heading = "In place of measuring")]
    pub list_shapes: bool,
    /// Print which llama.cpp is built in, and stop
    #[arg(long, help_heading = "In place of measuring")]
    pub version: bool,
    /// One of several processes of a sweep: rows on standard output, and nothing else but the measuring
    #[arg(long, hide = true)]
    pub one_of_several: bool,
    #[command(flatten, next_help_heading = "Judging")]
    pub expect: crate::expect::ExpectArgs,
    #[command(flatten, next_help_heading = "Judging")]
    pub baseline: crate::baseline::BaselineArgs,
}

impl Args {
    /// Reads the process's arguments; bad usage ends the process with status 2, `--help` with 0.
    pub fn read() -> Self {
        Self::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// A process of several leaves output, judging and repetition of runs to the one that started it.
    fn for_one_of_several(mut self) -> Self {
        if self.one_of_several {
            self.format = OutputFormat::Rows(Format::Jsonl);
            self.format_err = OutputFormat::Nothing;
            (self.explain, self.output, self.force) = (false, None, false);
            (self.run.runs, self.run.runs_in) = (1, RunsIn::Context);
            self.expect.expect.clear();
            self.baseline.forget();
        }
        self
    }

    /// Reads a command line, the program's name first, as llama-bench reads it: what follows a flag that takes a value is
    /// that value, whatever it looks like, and of a repeated flag that takes no list the last one counts.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let words = names::translate(&command, words)
            .map_err(|message| command.error(ErrorKind::UnknownArgument, message))?;
        let help = help::render(&command);
        let matches = command.args_override_self(true).override_help(help).try_get_matches_from(words)?;
        Ok(Self::from_arg_matches(&matches)?.for_one_of_several())
    }
}

#[cfg(test)]
#[path = "args/flag_tests.rs"]
mod flag_tests;
