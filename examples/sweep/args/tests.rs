//! Flags that choose what is measured.

use std::str::FromStr;

use crate::values::{Numbers, all, pair};

#[derive(Debug, clap::Args)]
#[command(
    next_help_heading = "Tests (each may be repeated; with one of -p, -n and -pg given, the others have no default)"
)]
pub struct TestArgs {
    /// Prompt lengths in tokens; 0 for none [default: 512, or 256 without a model]
    #[arg(short = 'p', long = "n-prompt", value_name = "N", value_parser = Numbers::from_str)]
    pub n_prompt: Vec<Numbers>,
    /// Generation lengths in tokens; 0 for none [default: 128, or 16 without a model]
    #[arg(short = 'n', long = "n-gen", value_name = "N", value_parser = Numbers::from_str)]
    pub n_gen: Vec<Numbers>,
    /// A prompt directly followed by a generation, reported as two figures
    #[arg(long = "pg", value_name = "PP,TG", value_parser = pair)]
    pub pg: Vec<(u32, u32)>,
    /// Depths: tokens in the context before each repetition [default: 0, or 0-2048+512 without a model]
    #[arg(short = 'd', long = "n-depth", value_name = "N", value_parser = Numbers::from_str)]
    pub n_depth: Vec<Numbers>,
}

impl TestArgs {
    /// Tokens of the context that the tests need at least.
    pub fn n_ctx(&self) -> u32 {
        let lengths = [all(&self.n_prompt), all(&self.n_gen)].concat();
        let pairs = self.pg.iter().map(|(n_prompt, n_gen)| n_prompt.saturating_add(*n_gen));
        let longest = lengths.into_iter().chain(pairs).max().unwrap_or(0);
        all(&self.n_depth).into_iter().max().unwrap_or(0).saturating_add(longest)
    }
}
