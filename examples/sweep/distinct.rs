//! Combinations of flags with the same effect are measured once.

use llama_bench_rs::{cli::all, units::words::count};

use crate::args::Args;

/// What to tell a user of `n_all` combinations if `n_kept` are measured.
pub fn tell(n_all: usize, n_kept: usize, args: &Args) {
    if let Some((n_batch, n_ubatch)) = cut_down(args) {
        complain!(
            "sweep: -ub {n_ubatch} means {n_batch} with -b {n_batch}: llama.cpp computes at most a batch at once"
        );
    }
    if n_kept < n_all {
        let kept = count(n_kept, "configuration");
        complain!("sweep: {n_all} combinations of the flags come to {kept}, each measured once");
    }
}

/// A batch with a larger micro-batch beside it.
fn cut_down(args: &Args) -> Option<(u32, u32)> {
    // The default of 512 was not asked for.
    let was_asked_for = |n_ubatch: &u32| *n_ubatch != 512;
    let n_ubatch = all(&args.context.n_ubatch).into_iter().filter(was_asked_for).max()?;
    let n_batch =
        all(&args.context.n_batch).into_iter().filter(|n_batch| *n_batch < n_ubatch && *n_batch > 0).min()?;
    Some((n_batch, n_ubatch))
}
