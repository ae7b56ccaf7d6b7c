//! Checks that a rewound context matches one that was freshly filled with the same tokens, by their logits. The entry is
//! [`Sweep::verify`](super::Sweep::verify).

mod found;
mod levels;
mod reference;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, ops::Range};

use super::{
    Cancel, Event, Observer, Order, Plan,
    abilities::{Memory, unsupported},
    llama_target::LlamaTarget,
    plan::Depth,
    target::{Keep, Target, Token},
    tokens::{Purpose, TokenSource},
};
use crate::{
    llama::{ContextParams, Model},
    record::{Failure, FailureKind, Rewind},
    units::Share,
};
use levels::Spread;

pub use found::{Verification, VerifiedDepth};
pub use levels::VerifiedLevel;

/// Tokens decoded after each rewind, one at a time, whose logits are compared.
const N_PROBE: u32 = 4;

/// The tokens of a depth's probe, and the logits of the freshly filled context.
struct Expected {
    probe: Vec<Token>,
    logits: Logits,
    noise: Share,
    /// The logits after the first rewind.
    first: Option<Logits>,
}

/// Logits after each token of a probe.
type Logits = Vec<Vec<f32>>;

/// Goes over the depths in the order of a sweep and compares at each.
pub(super) fn verify(
    model: &Model,
    params: &ContextParams,
    plan: &Plan,
    observer: &mut dyn Observer,
    cancel: &Cancel,
) -> Result<Verification, Failure> {
    verify_with(model, params, plan, observer, cancel, &LlamaTarget::spread)
}

/// The same with another way to copy.
fn verify_with(
    model: &Model,
    params: &ContextParams,
    plan: &Plan,
    observer: &mut dyn Observer,
    cancel: &Cancel,
    spread: Spread<'_>,
) -> Result<Verification, Failure> {
    let mut target = LlamaTarget::new(model, params);
    if let Some(failure) = nothing_to_verify(target.abilities().memory) {
        return Err(failure);
    }
    let tokens = TokenSource::new(plan.request.seed, target.limits());
    let deepest = plan.depths.last().map_or(0, |depth| depth.n_depth);
    let n_longest = levels::n_longest(plan).max(N_PROBE);
    let n_seqs = plan.cells.iter().map(|cell| cell.n_parallel).max().unwrap_or(1);
    let n_ctx_seq = (deepest + n_longest).next_multiple_of(256);
    let n_ctx = if params.kv_unified {
        deepest.saturating_add(n_seqs.saturating_mul(n_longest)).next_multiple_of(256)
    } else {
        n_ctx_seq
    };
    let walk = Walk {
        fill: tokens.draw(Purpose::Fill, deepest, true),
        noise: tokens.draw(Purpose::Warmup, n_longest, false),
        plan,
        n_ctx,
        n_ctx_seq,
        n_seqs,
        spread,
        observer: RefCell::new(observer),
        cancel,
    };
    let mut expected = walk.expected(&mut target, &tokens)?;
    // One context at a time.
    target.close();
    let n_batch = target.limits().n_batch;
    let mut expected_levels = walk.expected_levels(model, params, n_batch, &tokens)?;
    if let Some(estimate) = target.memory_estimate(n_ctx, n_seqs) {
        estimate.check()?;
    }
    target.open(n_ctx, n_seqs)?;
    let order = plan.request.order.resolve(|| target.can_hold_whole());
    let rounds = order == Order::Rounds;
    let mut found: Vec<VerifiedDepth> = Vec::new();
    let mut n_now = 0;
    for (slot, depth) in plan.depths.iter().enumerate() {
        walk.fill(&mut target, n_now, depth.n_depth)?;
        let rewind = target.hold(slot, if rounds { Keep::All } else { Keep::Latest })?;
        found.push(VerifiedDepth {
            n_depth: depth.n_depth,
            rewind: if depth.n_depth == 0 { Rewind::Clear } else { rewind },
            n_rewinds: 0,
            difference: Share::default(),
            live_difference: difference(
                &logits(&mut target, &expected[slot].probe)?,
                &expected[slot].logits,
            )?,
            repetition_difference: Share::default(),
            noise: expected[slot].noise,
            last_position: depth.n_depth.checked_sub(1),
            has_positions: true,
            levels: VerifiedLevel::all(&expected_levels[slot], depth.n_depth),
        });
        if !rounds {
            for _ in 0..plan.request.n_reps.max(2) {
                walk.visit(&mut target, slot, &mut expected[slot], &mut found[slot])?;
                walk.visit_levels(&mut target, slot, &mut expected_levels[slot], &mut found[slot])?;
            }
        }
        walk.back(&mut target, slot, 1)?;
        n_now = walk.carry(&mut target, slot)?;
    }
    if rounds {
        target.hold_whole()?;
        for round in 0..plan.request.n_reps.max(2) {
            for slot in plan.round(found.len(), round) {
                walk.visit(&mut target, slot, &mut expected[slot], &mut found[slot])?;
                walk.visit_levels(&mut target, slot, &mut expected_levels[slot], &mut found[slot])?;
            }
        }
    }
    Ok(Verification { depths: found, order, shared_prefix: n_seqs > 1 && params.kv_unified })
}

struct Walk<'a> {
    fill: Vec<Token>,
    /// Decoded between rewinds, as a test would.
    noise: Vec<Token>,
    plan: &'a Plan,
    /// The size of the context that is verified, as a target is asked for it.
    n_ctx: u32,
    /// Tokens that a sequence must have room for if it is filled by itself.
    n_ctx_seq: u32,
    /// The largest number of sequences.
    n_seqs: u32,
    spread: Spread<'a>,
    observer: RefCell<&'a mut dyn Observer>,
    cancel: &'a Cancel,
}

impl Walk<'_> {
    /// Stops if it was cancelled.
    fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            let message = "interrupted before every depth was verified".into();
            return Err(Failure { kind: FailureKind::Cancelled, message });
        }
        Ok(())
    }

    /// In the chunks of a sweep.
    fn fill(&self, target: &mut LlamaTarget, from: u32, to: u32) -> Result<(), Failure> {
        let mut done = from;
        while done < to {
            // A deep fill takes long.
            self.check()?;
            self.observer.borrow_mut().event(&Event::Filling { n_done: done, n_depth: to });
            let end = to.min(done + self.plan.n_chunk(done, target.limits().n_batch));
            decode(target, &self.fill[done as usize..end as usize])?;
            done = end;
        }
        Ok(())
    }

    /// The parts in which a sweep decodes the fill up to a depth, without those that a test overwrites.
    fn parts(&self, slot: usize, n_batch: u32) -> Vec<Range<usize>> {
        let n_batch = n_batch.max(1);
        let (mut parts, mut n_now) = (Vec::new(), 0);
        let mut add = |n_now: &mut u32, n_tokens: u32| {
            parts.push(*n_now as usize..(*n_now + n_tokens) as usize);
            *n_now += n_tokens;
        };
        for (i, depth) in self.plan.depths[..=slot].iter().enumerate() {
            while n_now < depth.n_depth {
                let n_chunk = self.plan.n_chunk(n_now, n_batch).min(depth.n_depth - n_now);
                add(&mut n_now, n_chunk);
            }
            let end = if i < slot { self.end_of_reused(i) } else { n_now };
            while n_now < end {
                let n_chunk = n_batch.min(end - n_now);
                add(&mut n_now, n_chunk);
            }
        }
        parts
    }

    /// Tokens in the context when a sweep continues from this depth: a prompt may stay in it.
    fn end_of_reused(&self, slot: usize) -> u32 {
        let depth = &self.plan.depths[slot];
        let next = self.plan.depths.get(slot + 1);
        let reused = next.and_then(|next| self.plan.reused_prompt(depth, next));
        depth.n_depth + reused.map_or(0, |reused| reused.n_tokens)
    }

    /// Decodes the prompt that a sweep leaves in the context as a part of the fill; returns the number of tokens in the
    /// context.
    fn carry(&self, target: &mut LlamaTarget, slot: usize) -> Result<u32, Failure> {
        self.check()?;
        let (n_depth, end) = (self.plan.depths[slot].n_depth, self.end_of_reused(slot));
        decode(target, &self.fill[n_depth as usize..end as usize])?;
        Ok(end)
    }

    /// Fills a fresh context for every depth, in the same chunks as a sweep.
    fn expected(&self, target: &mut LlamaTarget, tokens: &TokenSource) -> Result<Vec<Expected>, Failure> {
        let plan = self.plan;
        let probe = |(slot, depth): (usize, &Depth)| {
            let purpose = Purpose::Repetition { cell: slot, rep: u32::MAX };
            tokens.draw(purpose, N_PROBE, depth.n_depth == 0)
        };
        let mut expected = Vec::new();
        for (slot, probe) in plan.depths.iter().enumerate().map(probe).enumerate() {
            target.open(self.n_ctx, self.n_seqs)?;
            let mut n_now = 0;
            for (i, depth) in plan.depths[..=slot].iter().enumerate() {
                self.fill(target, n_now, depth.n_depth)?;
                if i < slot {
                    n_now = self.carry(target, i)?;
                }
            }
            let logits = logits(target, &probe)?;
            expected.push(Expected { probe, logits, noise: Share::default(), first: None });
        }
        target.open(self.n_ctx, self.n_seqs)?;
        let mut n_now = 0;
        for (slot, (depth, expected)) in plan.depths.iter().zip(&mut expected).enumerate() {
            self.fill(target, n_now, depth.n_depth)?;
            let state = if depth.n_depth > 0 { Some(target.save()?) } else { None };
            let restore = |target: &mut LlamaTarget| {
                target.clear();
                state.as_ref().map_or(Ok(()), |state| target.load(state))
            };
            restore(target)?;
            expected.noise = difference(&logits(target, &expected.probe)?, &expected.logits)?;
            restore(target)?;
            n_now = self.carry(target, slot)?;
        }
        Ok(expected)
    }

    /// Comes back to a depth, with copies in so many sequences.
    fn back(&self, target: &mut LlamaTarget, slot: usize, n_parallel: u32) -> Result<(), Failure> {
        match self.plan.depths[slot].n_depth {
            0 => target.clear(),
            _ => target.rewind(slot)?,
        }
        // What others left must not stay beside a single sequence.
        if self.n_seqs > 1 { (self.spread)(target, n_parallel) } else { Ok(()) }
    }

    /// Decodes something, comes back, and compares.
    fn visit(
        &self,
        target: &mut LlamaTarget,
        slot: usize,
        expected: &mut Expected,
        found: &mut VerifiedDepth,
    ) -> Result<(), Failure> {
        self.check()?;
        self.back(target, slot, 1)?;
        decode(target, &self.noise)?;
        self.back(target, slot, 1)?;
        let last = target.context()?.pos_max(0)?;
        if last != self.plan.depths[slot].n_depth.checked_sub(1) {
            (found.last_position, found.has_positions) = (None, false);
        }
        let said = logits(target, &expected.probe)?;
        raise(&mut found.difference, difference(&said, &expected.logits)?);
        let first = expected.first.get_or_insert_with(|| said.clone());
        raise(&mut found.repetition_difference, difference(&said, first)?);
        found.n_rewinds += 1;
        Ok(())
    }
}

fn raise(largest: &mut Share, other: Share) {
    if other > *largest {
        *largest = other;
    }
}

/// The largest difference of a logit, as a part of the distance between the smallest and the largest expected one.
fn difference(found: &[Vec<f32>], expected: &[Vec<f32>]) -> Result<Share, Failure> {
    let mut largest: f32 = 0.0;
    for (found, expected) in found.iter().zip(expected) {
        let (low, high) = expected.iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        for off in
            found.iter().zip(expected).map(|(a, b)| (a - b).abs() / (high - low).max(f32::MIN_POSITIVE))
        {
            // Not `max`, which ignores NaN.
            if off.is_nan() || off > largest {
                largest = off;
            }
        }
    }
    Share::new(f64::from(largest))
        .ok_or_else(|| Failure { kind: FailureKind::State, message: "a logit is not a number".into() })
}

fn decode(target: &mut LlamaTarget, tokens: &[Token]) -> Result<(), Failure> {
    let n_batch = target.limits().n_batch.max(1) as usize;
    for chunk in tokens.chunks(n_batch) {
        target.decode(chunk)?;
    }
    target.synchronize()
}

/// The logits after each of these tokens.
fn logits(target: &mut LlamaTarget, tokens: &[Token]) -> Result<Logits, Failure> {
    let mut all = Vec::new();
    for token in tokens {
        target.decode(std::slice::from_ref(token))?;
        all.push(target.context()?.logits(-1).ok_or_else(no_logits)?.to_vec());
    }
    Ok(all)
}

fn no_logits() -> Failure {
    let message = "llama.cpp has no logits of a token that it decoded last".into();
    Failure { kind: FailureKind::State, message }
}

/// The refusal to verify a model that has no depth to come back to.
fn nothing_to_verify(memory: Memory) -> Option<Failure> {
    match memory {
        Memory::Tokens => None,
        Memory::Encoded { .. } => Some(unsupported(
            "this model's encoder reads the text of each depth anew, and there is no rewind to verify",
        )),
        Memory::Nothing(_) => {
            Some(unsupported("this model keeps no memory of past tokens, and there is no rewind to verify"))
        }
    }
}
