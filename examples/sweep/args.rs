//! The command line: llama-bench's flags if the meaning is the same.

use std::ffi::OsString;

use clap::{ArgGroup, Parser};

use llama_bench_rs::{
    cli::{self, ContextArgs, IsolateArgs, ModelArgs, OutputArgs, RunArgs, TestArgs},
    isolate::Isolation,
    report::{Shown, Stat},
};

/// Measures models at several context depths, in one process or in one for each configuration (--isolate). By default: prompts of 512 and generations of 128 tokens at
/// depth 0; without a model 256 and 16 tokens of a synthetic tiny gpt-oss at depths 0-2048+512.
///
/// Lists are separated by commas, flags that take lists may be repeated, and numbers may be ranges: 0-32768+4096,
/// 1-64*2. Every combination of the values of -b, -ub, -fa and the other parameters is a configuration of its own. With
/// one of -p, -n and -pg given, the others have no default. Of a flag that takes one value the last counts.
///
/// Exit status: 0 all cells measured, 1 some failed, 2 bad usage or a baseline of something else, 3 slower than the
/// baseline, or slower or faster than expected.
#[derive(Debug, Parser)]
#[command(name = "sweep", disable_version_flag = true)]
#[command(group(ArgGroup::new("written").multiple(true).args(["output", "html", "svg", "trace"])))]
pub struct Args {
    #[command(flatten)]
    pub tests: TestArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub isolate: IsolateArgs,
    #[command(flatten)]
    pub out: OutputArgs,
    /// What Markdown shows as the speed of a test
    ///
    /// mean (llama-bench's), median, or what this share of the repetitions reach, such as p90.
    #[arg(
        long,
        value_name = "STAT",
        default_value = "mean",
        help_heading = "Output",
        hide_short_help = true
    )]
    pub stat: Stat,
    /// Show joules per token in the Markdown table
    ///
    /// Of the devices that hold the layers, with half of the interval that their counters resolve. The other formats have
    /// them always.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub joules: bool,
    /// Show the share of the speed of light in the Markdown table
    ///
    /// It is known with --ceilings. The other formats have it always.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub light: bool,
    /// Resume from the --output file (JSONL)
    ///
    /// Finished cells are not measured again.
    #[arg(long, requires = "output", conflicts_with = "force", help_heading = "Output")]
    pub resume: bool,
    /// Replace the files that hold something
    ///
    /// Those of --output, --html, --svg and --trace.
    #[arg(long, requires = "written", help_heading = "Output", hide_short_help = true)]
    pub force: bool,
    /// Explain the figures after the Markdown table
    ///
    /// What was measured on, and what the figures mean.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub explain: bool,
    #[command(flatten)]
    pub pages: crate::pages::PageArgs,
    /// Print on standard error what is being run, one line per step
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub progress: bool,
    /// Show no progress
    ///
    /// Without it, standard error shows what is being run and how long everything still takes: a line that changes on a
    /// terminal, a line every 10 s and at each configuration elsewhere. Beside rows for scripts there is no ranking either.
    #[arg(long, conflicts_with = "progress", help_heading = "Output", hide_short_help = true)]
    pub quiet: bool,
    #[command(flatten, next_help_heading = "Judging")]
    pub expect: crate::expect::ExpectArgs,
    #[command(flatten, next_help_heading = "Judging")]
    pub baseline: crate::baseline::BaselineArgs,
    /// Print what would be run, its memory and its time
    ///
    /// Token counts, memory and an estimated time of every configuration, from a short trial of each.
    #[arg(long, help_heading = "In place of measuring")]
    pub plan: bool,
    /// Check that rewound contexts match fresh ones
    ///
    /// Compares the logits of a rewound context with those of a freshly filled one at each depth, and with several sequences
    /// those of each copy.
    #[arg(long, conflicts_with_all = ["plan", "resume"], help_heading = "In place of measuring")]
    pub verify: bool,
    /// List the devices
    #[arg(long, help_heading = "In place of measuring")]
    pub list_devices: bool,
    /// List the shapes of synthetic models
    #[arg(long, help_heading = "In place of measuring", hide_short_help = true)]
    pub list_shapes: bool,
    /// Print which llama.cpp is built in
    #[arg(long, help_heading = "In place of measuring", hide_short_help = true)]
    pub version: bool,
    /// The flags that the line gives, by the names of their fields
    #[arg(skip)]
    pub given: Vec<String>,
}

impl Args {
    /// What Markdown shows of a test.
    pub fn shown(&self) -> Shown {
        Shown::from(self.stat).joules(self.joules).light(self.light)
    }

    /// Reads the process's arguments; bad usage ends the process with status 2, `--help` with 0.
    pub fn read() -> Self {
        Self::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// The processes that measure in place of this one.
    pub fn isolation(&self) -> Option<Isolation> {
        self.isolate.isolation(&self.model.rpc)
    }

    /// Reads a command line, the program's name first.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let (args, given) = cli::try_parse_given::<Self>(words)?;
        Ok(Self { given, ..args })
    }
}

#[cfg(test)]
#[path = "args/flag_tests.rs"]
mod flag_tests;
#[cfg(test)]
#[path = "args/value_tests.rs"]
mod value_tests;
