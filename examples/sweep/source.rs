//! Which models the flags name.

use llama_bench_rs::bench::Source;

use crate::{Failed, args::Args, bad_usage};

/// The default model: small enough for two cores and a minute.
const DEFAULT_SHAPE: &str = "tiny-gpt-oss";

/// The models that were asked for, in order.
pub fn sources(args: &Args) -> Result<Vec<Source>, Failed> {
    args.model.sources(DEFAULT_SHAPE).map_err(bad_usage)
}
