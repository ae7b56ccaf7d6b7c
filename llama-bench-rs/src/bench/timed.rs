//! The timed regions: nothing here allocates, draws, prints or logs between two readings of the clock.

use std::time::Duration;

use super::{
    clock::Clock,
    target::{Row, Target, Token},
};
use crate::record::{Failure, Sample};

/// Prompt processing: chunks of `n_batch`, synchronised once at the end, as llama-bench times pp.
pub(super) fn prompt<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    tokens: &[Token],
    n_batch: u32,
) -> Result<Sample, Failure> {
    at_once(target, clock, tokens, n_batch, T::read)
}

/// Prompt processing of several sequences, in the same way.
pub(super) fn prompts<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    rows: &[Row],
    n_batch: u32,
) -> Result<Sample, Failure> {
    at_once(target, clock, rows, n_batch, T::decode_rows)
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
    target.start_generation()?;
    stepwise(target, clock, tokens, 1, T::decode)
}

/// Generation of several sequences: one token of each, synchronise, next; the time of each of these steps is kept.
pub(super) fn generations<T: Target>(
    target: &mut T,
    clock: &impl Clock,
    rows: &[Row],
    n_seqs: u32,
) -> Result<Sample, Failure> {
    stepwise(target, clock, rows, n_seqs, T::decode_rows)
}

fn at_once<T: Target, I>(
    target: &mut T,
    clock: &impl Clock,
    items: &[I],
    n_batch: u32,
    submit: impl Fn(&mut T, &[I]) -> Result<(), Failure>,
) -> Result<Sample, Failure> {
    let chunk = n_batch.max(1) as usize;
    target.synchronize()?;
    target.watch(chunk.min(items.len()) as u32);
    let start = clock.now();
    for items in items.chunks(chunk) {
        submit(target, items)?;
    }
    target.synchronize()?;
    let end = clock.now();
    let elapsed = end - start;
    let disturbance = target.disturbance(elapsed);
    Ok(Sample { elapsed, at: Some(start), disturbance, ..Sample::default() })
}

fn stepwise<T: Target, I>(
    target: &mut T,
    clock: &impl Clock,
    items: &[I],
    n_at_once: u32,
    submit: impl Fn(&mut T, &[I]) -> Result<(), Failure>,
) -> Result<Sample, Failure> {
    let n_at_once = n_at_once.max(1);
    let steps_of = items.chunks(n_at_once as usize);
    let mut steps: Vec<Duration> = Vec::with_capacity(steps_of.len());
    target.synchronize()?;
    target.watch(n_at_once);
    let start = clock.now();
    let mut last = start;
    for items in steps_of {
        submit(target, items)?;
        target.synchronize()?;
        let now = clock.now();
        steps.push(now - last);
        last = now;
    }
    let elapsed = last - start;
    let disturbance = target.disturbance(elapsed);
    Ok(Sample { elapsed, steps, at: Some(start), disturbance, ..Sample::default() })
}
