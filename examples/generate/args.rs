//! The flags.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use llama_bench_rs::cli::{self, ContextArgs, ModelArgs};

/// Chats with a model: answers each line of standard input.
#[derive(Debug, Parser)]
#[command(name = "generate", disable_version_flag = true)]
pub struct Args {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub context: ContextArgs,
    /// Answer this and stop, in place of reading standard input
    #[arg(short, long)]
    pub prompt: Option<String>,
    /// What the model is told before the conversation
    #[arg(long)]
    pub system: Option<String>,
    /// Most tokens of an answer; -1 for no limit
    #[arg(short, long, value_name = "N", default_value = "256", value_parser = limit)]
    #[arg(allow_negative_numbers = true)]
    pub n_gen: u32,
    /// Tokens that the context holds; 0 for as many as the model was trained for
    #[arg(short = 'c', long, value_name = "N", default_value = "4096", value_parser = cli::whole::<u32>)]
    pub n_ctx: u32,
    /// What to do when the context is full: drop the oldest turns, stop the answer, or ask; without a terminal, ask
    /// means drop
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub when_full: WhenFull,
    /// Chat template, by its text or by a name that llama.cpp knows (chatml, llama3), in place of the model's own
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["chat_template_file", "raw"])]
    pub chat_template: Option<String>,
    /// Chat template from a file
    #[arg(long, value_name = "FILE", conflicts_with = "raw", hide_short_help = true)]
    pub chat_template_file: Option<PathBuf>,
    /// Take prompts as they are, without a chat template
    #[arg(long)]
    pub raw: bool,
    /// Temperature; 0 always takes the most likely token
    #[arg(long, value_name = "X", default_value = "0.8", value_parser = number)]
    pub temp: f32,
    /// Only the K most likely tokens; 0 for all
    #[arg(long, value_name = "K", default_value = "40", value_parser = cli::whole::<u32>)]
    pub top_k: u32,
    /// Only the most likely tokens that together have this probability; 1 for all
    #[arg(long, value_name = "P", default_value = "0.95", value_parser = number)]
    pub top_p: f32,
    /// Only tokens at least this share as likely as the most likely one; 0 for all
    #[arg(long, value_name = "P", default_value = "0.05", value_parser = number)]
    pub min_p: f32,
    /// Divides the logits of the last 64 tokens by this, 0.01 to 100; 1 leaves them
    #[arg(long, value_name = "X", default_value = "1", value_parser = number)]
    pub repeat_penalty: f32,
    /// Grammar (GBNF) that every answer must follow
    #[arg(long, value_name = "GRAMMAR", conflicts_with = "grammar_file")]
    pub grammar: Option<String>,
    /// Grammar from a file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub grammar_file: Option<PathBuf>,
    /// Never choose the tokens that end an answer
    #[arg(long)]
    pub ignore_eos: bool,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value = "42", value_parser = cli::whole::<u32>)]
    pub seed: u32,
}

impl Args {
    pub fn has_grammar(&self) -> bool {
        self.grammar.is_some() || self.grammar_file.is_some()
    }
}

/// A number of tokens, without a limit if negative.
fn limit(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(u32::MAX),
        Ok(n) => u32::try_from(n).map_err(|_| "give 0 to 4294967295, or -1 for no limit".into()),
        Err(_) => Err("not a number of tokens; write 256, or -1 for no limit".into()),
    }
}

/// A number that may have a fraction.
fn number(text: &str) -> Result<f32, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number: write one, such as 0.8"))
}

/// What happens when the context is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WhenFull {
    /// Ask at the terminal; without one, drop.
    #[default]
    Ask,
    /// Drop the oldest turns.
    Drop,
    /// Stop the answer, or refuse the prompt.
    Stop,
}
