//! The command line: the sweep's flags for model and context, and what is special to serving.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use clap::{ArgGroup, Parser, ValueEnum};

use crate::form::Form;
use llama_bench_rs::{
    cli::{self, ContextArgs, IsolateArgs, ModelArgs, Numbers, at_least_one, switch, whole},
    serve::{Lengths, Prompts, Slo, Times},
    stats::Confidence,
    units::Share,
};

/// Serves requests of many users at once, and says what they would feel. By default 1, 2, 4 and 8 users with prompts
/// around 512 and answers around 128 tokens; without a model less of a synthetic tiny gpt-oss.
///
/// The requests are decoded in this process with continuous batching, in the order in which llama-server does it. What a
/// server adds to that (HTTP, templates, tokenizing, sampling) is not measured. Lengths and times are a number, a
/// distribution such as uniform:64:2048 or lognormal:512:0.6 (median and spread of the logarithm), or @FILE with a number on
/// each line. Every combination of the values of -b, -ub, -fa and the other parameters is a configuration of its own; all
/// see the same requests, in turn.
///
/// Exit status: 0 all loads served, 1 some failed, 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "serve_bench", disable_version_flag = true)]
#[command(group(ArgGroup::new("written").multiple(true).args(["output", "html", "svg"])))]
pub struct Args {
    /// Numbers of users: each asks, reads, asks again
    #[arg(long, value_name = "N", value_parser = Numbers::from_str, help_heading = "Requests")]
    pub users: Vec<Numbers>,
    /// Requests per second, whoever is waiting
    ///
    /// An open loop with Poisson arrivals: requests do not wait for the answers to others.
    #[arg(long, value_name = "R", value_delimiter = ',', value_parser = rate, help_heading = "Requests")]
    pub rate: Vec<f64>,
    /// Tokens of a prompt [default: lognormal:512:0.6]
    #[arg(long, value_name = "DIST", value_parser = Lengths::from_str, help_heading = "Requests")]
    pub prompt: Option<Lengths>,
    /// Tokens of an answer [default: lognormal:128:0.6]
    #[arg(long, value_name = "DIST", value_parser = Lengths::from_str, help_heading = "Requests")]
    pub generate: Option<Lengths>,
    /// Time before a user asks again [default: 0s]
    ///
    /// Of each user: 2s, uniform:1s:5s.
    #[arg(long, value_name = "DIST", default_value = "0s", hide_default_value = true, value_parser = Times::from_str, help_heading = "Requests")]
    pub think: Times,
    /// Tokens that all prompts begin with
    ///
    /// A shared system prompt, on top of the tokens of --prompt.
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole::<u32>, help_heading = "Requests")]
    pub prefix: u32,
    /// Requests of each repetition [default: 64]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Requests")]
    pub requests: Option<u32>,
    /// Seed of lengths, arrivals and tokens
    ///
    /// Every configuration and every load sees the same requests.
    #[arg(long, value_name = "N", default_value = "42", value_parser = whole::<u64>, hide_short_help = true, help_heading = "Requests")]
    pub seed: u64,
    /// Requests served at once [default: the most users]
    ///
    /// With rates alone, and in a search, 4.
    #[arg(long, visible_alias = "np", value_name = "N", value_parser = at_least_one, help_heading = "Server")]
    pub slots: Option<u32>,
    /// Most prompt tokens of a step [default: -b]
    ///
    /// A smaller chunk makes running answers wait less for a new prompt, and the prompt wait longer.
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Server")]
    pub chunk: Option<u32>,
    /// How prompts share a step
    ///
    /// together: in the order of their slots, as llama-server does it; by-arrival: the oldest first; one-at-a-time.
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "together",
        hide_short_help = true,
        help_heading = "Server"
    )]
    pub prompts: PromptsArg,
    /// Whether prompts reuse what slots hold [default: 1]
    ///
    /// Tokens that a prompt and the slot's last one have in common at their beginning are not decoded again, as with
    /// llama-server's cache_prompt.
    #[arg(long, value_name = "0|1", value_parser = switch, help_heading = "Server")]
    pub reuse_prefix: Option<bool>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub isolate: IsolateArgs,
    /// Repetitions of each load
    #[arg(short = 'r', long = "repetitions", value_name = "N", default_value = "3", value_parser = at_least_one, help_heading = "Statistics")]
    pub n_reps: u32,
    /// A service level, such as ttft=2s,itl=100ms
    ///
    /// A request keeps it if its first token comes in time (ttft), its tokens follow each other in time (itl, 99 % of
    /// them) and its last token comes in time (total).
    #[arg(long, value_name = "LEVEL", value_parser = Slo::from_str, help_heading = "Statistics")]
    pub slo: Option<Slo>,
    /// Find the largest load that keeps --slo
    ///
    /// users: the largest number of users; rate: the largest rate. Begins with the first of --users or --rate.
    #[arg(long, value_enum, value_name = "WHAT", requires = "slo", help_heading = "Statistics")]
    pub search: Option<SearchFor>,
    /// With --search: percent of the requests that must keep the level
    #[arg(long, value_name = "PERCENT", default_value = "99", requires = "search", value_parser = cli::percent, hide_short_help = true, help_heading = "Statistics")]
    pub share: Share,
    /// With --search: how sure the answer is, in percent
    #[arg(long, value_name = "PERCENT", default_value = "95", requires = "search", value_parser = certainty, hide_short_help = true, help_heading = "Statistics")]
    pub certainty: Confidence,
    /// With --search: the largest number of users or rate to try
    #[arg(long, value_name = "N", requires = "search", value_parser = rate, hide_short_help = true, help_heading = "Statistics")]
    pub most: Option<f64>,
    /// Do not warm up
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub no_warmup: bool,
    /// Do not wait for other sweeps on this machine to end
    #[arg(long, hide_short_help = true, help_heading = "Statistics")]
    pub share_machine: bool,
    /// As md, term, json, jsonl, csv or none
    ///
    /// term adds what the figures mean; json and jsonl hold every request; csv has a line for each load.
    #[arg(
        short = 'o',
        long = "output-format",
        value_name = "FORMAT",
        default_value = "md",
        help_heading = "Output"
    )]
    pub format: Form,
    /// Write the results to this file too
    ///
    /// In the format of the file's extension: jsonl, json, csv or md. It can be read at any time.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Resume from the --output file (JSONL)
    ///
    /// Finished repetitions are not served again.
    #[arg(long, requires = "output", conflicts_with = "force", help_heading = "Output")]
    pub resume: bool,
    /// Replace the files that hold something
    ///
    /// Those of --output, --html and --svg.
    #[arg(long, requires = "written", help_heading = "Output", hide_short_help = true)]
    pub force: bool,
    /// Write a page there; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Write a picture there; - is standard output
    ///
    /// Latency by throughput, and throughput by load.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub svg: Option<PathBuf>,
    /// Show no progress
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub quiet: bool,
    /// Pass llama.cpp's log on to standard error
    #[arg(short, long, hide_short_help = true, help_heading = "Output")]
    pub verbose: bool,
    /// Print what would be served, and its memory
    #[arg(long, help_heading = "In place of measuring")]
    pub plan: bool,
    /// List the devices
    #[arg(long, help_heading = "In place of measuring", hide_short_help = true)]
    pub list_devices: bool,
}

/// Whether several prompts share a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PromptsArg {
    /// In the order of their slots.
    Together,
    /// The oldest first.
    ByArrival,
    /// The one that came first, alone.
    OneAtATime,
}

impl From<PromptsArg> for Prompts {
    fn from(prompts: PromptsArg) -> Self {
        match prompts {
            PromptsArg::Together => Prompts::Together,
            PromptsArg::ByArrival => Prompts::ByArrival,
            PromptsArg::OneAtATime => Prompts::OneAtATime,
        }
    }
}

/// What a search varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchFor {
    /// The number of users.
    Users,
    /// The rate of arrivals.
    Rate,
}

/// Requests or users per second.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text:?} is not a number over 0: write one, such as 0.5 or 4"))
}

/// A certainty in percent.
fn certainty(text: &str) -> Result<Confidence, String> {
    let share = cli::percent(text).ok().and_then(|share| Confidence::new(share.get()));
    share.ok_or_else(|| {
        format!("{text:?} is not a certainty: write a percentage between 50 and 100, such as 95")
    })
}

impl Args {
    /// Reads a command line, the program's name first.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        cli::try_parse_from(words)
    }

    /// Whether no model is named: a synthetic one is served, with a default that two cores manage.
    pub fn is_own_model(&self) -> bool {
        self.model.n_models() == 0
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn args(line: &str) -> Result<Args, clap::Error> {
        Args::from_words(["serve_bench"].into_iter().chain(line.split_whitespace()).map(Into::into))
    }

    #[test]
    fn flags_are_llama_benchs_where_the_meaning_is_the_same() {
        let args = args("-np 4 --users 1,2-8*2 -ub 256 -fa 1 --slo ttft=2s,itl=100ms -o csv").unwrap();
        assert_eq!((args.slots, cli::all(&args.users)), (Some(4), vec![1, 2, 4, 8]));
        assert_eq!((args.context.one().unwrap().n_ubatch, args.format), (256, Form::Csv));
        assert_eq!(args.slo.unwrap().to_string(), "ttft=2s,itl=100ms");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_write() {
        for (line, says) in [
            ("--rate 0", "\"0\" is not a number over 0"),
            ("--rate 1,nan", "\"nan\" is not a number over 0"),
            ("--users x", "is not a number or range"),
            ("--slots 0", "give 1 or more"),
            ("--slo 2s", "is not a limit"),
            ("--search users", "--slo"),
            ("--slo ttft=2s --search users --certainty 100", "is not a certainty"),
            ("--resume", "--output"),
            ("-o sql", "\"sql\" is not a format of these results"),
            ("--prompt 0-5", "0-5"),
        ] {
            let error = args(line).unwrap_err().to_string();
            assert!(error.contains(says), "{line}: no {says:?} in {error}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
