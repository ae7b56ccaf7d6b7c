//! Flags for the results: format and file.

use std::{path::PathBuf, str::FromStr};

use crate::report::{Format, UnknownFormat};

/// Formats of standard output and standard error, and a file.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputArgs {
    /// Format on standard output
    ///
    /// json, jsonl, csv, sql, md, batched-bench (llama-batched-bench's lines), none, or term: the answer, a table with intervals and bars, and what the figures mean.
    /// Also as --output, if that names a format.
    #[arg(short = 'o', long = "output-format", value_name = "FORMAT", default_value = "md", value_parser = OutputFormat::from_str, help_heading = "Output")]
    pub format: OutputFormat,
    /// A second format, on standard error
    #[arg(long = "output-err", visible_alias = "oe", value_name = "FORMAT", default_value = "none", value_parser = OutputFormat::from_str, hide_short_help = true, help_heading = "Output")]
    pub format_err: OutputFormat,
    /// Write the results to this file too
    ///
    /// Each as it comes, in the format of the file's extension.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Pass llama.cpp's log on to standard error
    #[arg(short, long, hide_short_help = true, help_heading = "Output")]
    pub verbose: bool,
}

/// What a stream gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputFormat {
    /// Rows, each as it comes.
    Rows(Format),
    /// A table for a terminal, when all is measured.
    Terminal,
    /// No results.
    Nothing,
}

impl FromStr for OutputFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "term" => Ok(Self::Terminal),
            "none" => Ok(Self::Nothing),
            name => name.parse().map(Self::Rows).map_err(|_: UnknownFormat| {
                format!(
                    "{name:?} is not a format: write json, jsonl, csv, sql, md, batched-bench, term or none"
                )
            }),
        }
    }
}
