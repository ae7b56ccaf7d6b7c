//! The command line: the sweep's flags for both sides, and what is special to a side.

use std::path::PathBuf;

use clap::Parser;
use llama_bench_rs::{
    cli::{self, CeilingArgs, ContextArgs, IsolateArgs, ModelArgs, TestArgs, at_least_one},
    units::Share,
};

use crate::form::Form;

/// Compares two configurations, or two files of results. By default: prompts of 128 and generations of 16 tokens at depths
/// 0 and 512.
///
/// compare --a "-fa 0" --b "-fa 1" measures two configurations: the flags on the line are those of both sides, --a and
/// --b change them for one. Without a model the synthetic tiny-llama is measured.
///
/// compare before.json after.json compares what was measured earlier, each configuration of the first file with the same
/// one of the second. Files of several runs (sweep --runs 3) have verdicts; one run on each side cannot tell.
///
/// Ctrl-C ends the measuring early: the loads that are complete are compared.
///
/// Exit status: 0 B is not slower, 1 a cell failed or something could not be read or written, 2 bad usage, 3 B is slower
/// in a test, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "compare", disable_version_flag = true)]
pub struct Args {
    /// Two files of results, the earlier one first
    ///
    /// JSON, JSONL or CSV of this project or of llama-bench, or what llama-batched-bench prints; - for standard input.
    #[arg(value_name = "FILE", conflicts_with_all = ["a", "b", "TestArgs", "ModelArgs", "ContextArgs", "IsolateArgs", "CeilingArgs", "loads", "n_reps", "output", "plan"])]
    pub files: Vec<PathBuf>,
    /// Flags of one side, such as "-fa 0"
    ///
    /// Any flag of the groups Model, Devices and Context, in place of the same flag for both sides. Also in the form
    /// ub=128,fa=1. slowed=10 makes the side 10 % slower on purpose, to check the comparison itself.
    #[arg(long, value_name = "FLAGS", default_value = "", hide_default_value = true, help_heading = "Sides")]
    pub a: String,
    /// Flags of the other side
    #[arg(long, value_name = "FLAGS", required_unless_present = "files", help_heading = "Sides")]
    pub b: Option<String>,
    #[command(flatten)]
    pub tests: TestArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub isolate: IsolateArgs,
    /// Loads of each side [default: 4 to 10]
    ///
    /// 10 up to 2 GiB of models, 6 up to 16 GiB, 4 beyond.
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Statistics")]
    pub loads: Option<u32>,
    /// Repetitions per cell, side and load
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "3", value_parser = at_least_one, help_heading = "Statistics")]
    pub n_reps: u32,
    /// What is noise, in percent
    ///
    /// A difference up to this many percent is never called a change.
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = cli::percent, help_heading = "Statistics")]
    pub noise: Share,
    /// Do not read counters of energy
    ///
    /// Looking at them takes 0.1 to 0.6 s in each load, where there are any.
    #[arg(long, help_heading = "Statistics", hide_short_help = true)]
    pub no_energy: bool,
    #[command(flatten)]
    pub ceilings: CeilingArgs,
    /// Exit status 0 although B is slower
    #[arg(long, help_heading = "Statistics")]
    pub allow_slower: bool,
    /// As md, term, json, jsonl, csv or none
    ///
    /// term fits the width of the terminal.
    #[arg(
        short = 'o',
        long = "output-format",
        value_name = "FORMAT",
        default_value = "md",
        help_heading = "Output"
    )]
    pub format: Form,
    /// Write the results of both sides to this file too
    ///
    /// Every repetition, in the format of the file's extension: JSON, JSONL, CSV, SQL or Markdown; each load as it is
    /// measured, A's run first.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Replace the --output file if it holds results
    #[arg(long, requires = "output", help_heading = "Output", hide_short_help = true)]
    pub force: bool,
    /// Say nothing of the progress
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub quiet: bool,
    /// Print what would be loaded and run
    ///
    /// And what one load cannot tell.
    #[arg(long, help_heading = "In place of measuring")]
    pub plan: bool,
}
