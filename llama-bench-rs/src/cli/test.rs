//! Flags for the tests to measure and their depths.

use std::str::FromStr;

use super::{
    Numbers, all,
    values::{pair, sequences},
};
use crate::bench::Sweep;

/// Which tests are measured at which depths. Each flag may be repeated; with one of -p, -n and -pg given, the others have
/// no default.
#[derive(Clone, Debug, clap::Args)]
pub struct TestArgs {
    /// Prompt lengths in tokens; 0 for none
    #[arg(short = 'p', long = "n-prompt", value_name = "N", value_parser = Numbers::from_str, help_heading = "Tests")]
    pub n_prompt: Vec<Numbers>,
    /// Generation lengths in tokens; 0 for none
    #[arg(short = 'n', long = "n-gen", value_name = "N", value_parser = Numbers::from_str, help_heading = "Tests")]
    pub n_gen: Vec<Numbers>,
    /// A prompt and a generation after it, two figures
    #[arg(long = "pg", value_name = "PP,TG", value_parser = pair, help_heading = "Tests")]
    pub pg: Vec<(u32, u32)>,
    /// Depths: tokens in the context before a test
    #[arg(short = 'd', long = "n-depth", value_name = "N", value_parser = Numbers::from_str, help_heading = "Tests")]
    pub n_depth: Vec<Numbers>,
    /// Sequences processed together, as for many users
    ///
    /// Each test is measured with every number of sequences, at every depth. Speeds are of all of them together.
    #[arg(long = "parallel", visible_alias = "npl", value_name = "N", value_parser = sequences, help_heading = "Tests")]
    pub parallel: Vec<Numbers>,
    /// With -npl: the sequences share the tokens of the depth
    ///
    /// In one KV buffer for all of them. Without this flag each sequence has its own copy.
    #[arg(long, visible_alias = "pps", hide_short_help = true, help_heading = "Tests")]
    pub shared_prefix: bool,
}

/// What a program measures if the flags do not say.
#[derive(Clone, Copy, Debug)]
pub struct DefaultTests<'a> {
    /// Length of a prompt in tokens, if neither prompts nor generations are asked for.
    pub n_prompt: u32,
    /// Length of a generation in tokens, if neither prompts nor generations are asked for.
    pub n_gen: u32,
    /// Depths in tokens.
    pub depths: &'a [u32],
}

impl TestArgs {
    /// Adds these tests to a sweep.
    #[must_use]
    pub fn ask<'m>(&self, sweep: Sweep<'m>, default: DefaultTests<'_>) -> Sweep<'m> {
        let is_given = !(self.n_prompt.is_empty() && self.n_gen.is_empty() && self.pg.is_empty());
        let or = |given: &[Numbers], default| if is_given { all(given) } else { vec![default] };
        let depths = if self.n_depth.is_empty() { default.depths.to_vec() } else { all(&self.n_depth) };
        let mut sweep = sweep.depths(depths);
        if !self.parallel.is_empty() {
            sweep = sweep.parallel(all(&self.parallel));
        }
        if self.shared_prefix {
            sweep = sweep.shared_prefix(true);
        }
        // As in llama-bench, a length of 0 means none.
        for n in or(&self.n_prompt, default.n_prompt).into_iter().filter(|&n| n > 0) {
            sweep = sweep.prompt(n);
        }
        for n in or(&self.n_gen, default.n_gen).into_iter().filter(|&n| n > 0) {
            sweep = sweep.generate(n);
        }
        self.pg.iter().fold(sweep, |sweep, &(n_prompt, n_gen)| sweep.pg(n_prompt, n_gen))
    }

    /// The smallest context for these tests, in tokens of all sequences together.
    pub fn n_ctx(&self) -> u32 {
        let lengths = [all(&self.n_prompt), all(&self.n_gen)].concat();
        let pairs = self.pg.iter().map(|(n_prompt, n_gen)| n_prompt.saturating_add(*n_gen));
        let longest = lengths.into_iter().chain(pairs).max().unwrap_or(0);
        let n_depth = all(&self.n_depth).into_iter().max().unwrap_or(0);
        let n_seqs = all(&self.parallel).into_iter().max().unwrap_or(1);
        if self.shared_prefix {
            n_depth.saturating_add(longest.saturating_mul(n_seqs))
        } else {
            n_depth.saturating_add(longest).saturating_mul(n_seqs)
        }
    }
}
