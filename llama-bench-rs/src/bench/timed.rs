//! The timed regions: nothing here allocates, draws, prints or logs between two readings of the clock.

use std::{slice, time::Duration};

use super::{clock::Clock, target::Target, target::Token};
use crate::record::{Failure, Sample};

/// Prompt processing: chunks of `n_batch`, synchronised once at the end, as llama-bench times pp.
pub(super) fn prompt<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    tokens: &[Token],
    n_batch: u32,
) -> Result<Sample, Failure> {
    let chunk = n_batch.max(1) as usize;
    target.synchronize()?;
    target.watch(chunk.min(tokens.len()) as u32);
    let start = clock.now();
    for tokens in tokens.chunks(chunk) {
        target.read(tokens)?;
    }
    target.synchronize()?;
    let end = clock.now();
    let elapsed = end - start;
    let disturbance = target.disturbance(elapsed);
    Ok(Sample { elapsed, at: Some(start), disturbance, ..Sample::default() })
}

/// Embedding: read like a prompt, with embeddings turned on and off outside of the timed region.
pub(super) fn embedding<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    tokens: &[Token],
    n_batch: u32,
) -> Result<Sample, Failure> {
    target.set_embeddings(true)?;
    let sample = prompt(target, clock, tokens, n_batch);
    target.set_embeddings(false)?;
    sample
}

/// Generation: one token, synchronise, next, as llama-bench times tg; each token's own time is kept.
pub(super) fn generation<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    tokens: &[Token],
) -> Result<Sample, Failure> {
    let mut steps: Vec<Duration> = Vec::with_capacity(tokens.len());
    target.start_generation()?;
    target.synchronize()?;
    target.watch(1);
    let start = clock.now();
    let mut last = start;
    for token in tokens {
        target.decode(slice::from_ref(token))?;
        target.synchronize()?;
        let now = clock.now();
        steps.push(now - last);
        last = now;
    }
    let elapsed = last - start;
    let disturbance = target.disturbance(elapsed);
    Ok(Sample { elapsed, steps, at: Some(start), disturbance, ..Sample::default() })
}
