//! Checks that a rewound context matches one that was freshly filled with the same tokens, by their logits. The entry is
//! [`Sweep::verify`](super::Sweep::verify).

use std::cell::RefCell;

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

/// Tokens decoded after each rewind, one at a time, whose logits are compared.
const N_PROBE: u32 = 4;

/// What was found at one depth.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedDepth {
    /// Tokens in the context.
    pub n_depth: u32,
    /// How the context was brought back to it.
    pub rewind: Rewind,
    /// How often it was brought back, each time after decoding something else.
    pub n_rewinds: u32,
    /// Largest difference of a logit from that of the freshly filled context, as a part of the distance between the
    /// smallest and the largest logit there; 0 if all are equal to the bit.
    pub difference: Share,
    /// The same for a generation straight after the live fill, before any rewind.
    pub live_difference: Share,
    /// The same between any rewind and the first one: 0 if all repetitions start from one state.
    pub repetition_difference: Share,
    /// The same between the freshly filled context and one whose whole state was saved and restored at every depth, as in
    /// llama-bench: the effect of rounding alone when cells are in another order. It can be large if a router chooses
    /// experts.
    pub noise: Share,
    /// Last position after each rewind; `None` if they differ or the context is empty.
    pub last_position: Option<u32>,
}

/// What was found at every depth.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// One entry per depth, ascending.
    pub depths: Vec<VerifiedDepth>,
    /// In which order the depths were visited: interleaved or per depth.
    pub order: Order,
}

impl Verification {
    /// Whether every logit after every rewind was equal to the bit and every position was right.
    pub fn is_exact(&self) -> bool {
        self.is_within(Share::default())
    }

    /// Whether no logit was off by more than this and every position was right. A sliding window whose cells are in another
    /// order is summed in another order and cannot be exact.
    pub fn is_within(&self, tolerance: Share) -> bool {
        self.depths.iter().all(|depth| depth.has_positions() && depth.difference <= tolerance)
    }

    /// Whether no logit was off by more than four times the [`noise`](VerifiedDepth::noise), all rewinds of a depth agree
    /// as closely, and every position was right.
    pub fn is_within_noise(&self) -> bool {
        let within = |depth: &VerifiedDepth, found: Share| found.get() <= 4.0 * depth.noise.get();
        self.depths.iter().all(|depth| {
            depth.has_positions()
                && within(depth, depth.difference)
                && within(depth, depth.repetition_difference)
        })
    }
}

impl VerifiedDepth {
    fn has_positions(&self) -> bool {
        self.last_position.map_or(0, |last| last + 1) == self.n_depth
    }
}

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
    let mut target = LlamaTarget::new(model, params);
    if let Some(failure) = nothing_to_verify(target.abilities().memory) {
        return Err(failure);
    }
    let tokens = TokenSource::new(plan.request.seed, target.limits());
    let deepest = plan.depths.last().map_or(0, |depth| depth.n_depth);
    let n_longest =
        plan.depths.iter().flat_map(|d| &d.units).map(|&unit| plan.n_test(unit)).max().unwrap_or(0);
    let n_ctx = (deepest + n_longest.max(N_PROBE)).next_multiple_of(256);
    let walk = Walk {
        fill: tokens.draw(Purpose::Fill, deepest, true),
        noise: tokens.draw(Purpose::Warmup, n_longest, false),
        plan,
        n_ctx,
        observer: RefCell::new(observer),
        cancel,
    };
    let mut expected = walk.expected(&mut target, &tokens)?;
    if let Some(estimate) = target.memory_estimate(n_ctx) {
        estimate.check()?;
    }
    target.open(n_ctx)?;
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
        });
        if !rounds {
            for _ in 0..plan.request.n_reps.max(2) {
                walk.visit(&mut target, slot, &mut expected[slot], &mut found[slot])?;
            }
        }
        back(&mut target, slot, depth)?;
        n_now = walk.carry(&mut target, slot)?;
    }
    if rounds {
        target.hold_whole()?;
        for round in 0..plan.request.n_reps.max(2) {
            for slot in plan.round(found.len(), round) {
                walk.visit(&mut target, slot, &mut expected[slot], &mut found[slot])?;
            }
        }
    }
    Ok(Verification { depths: found, order })
}

struct Walk<'a> {
    fill: Vec<Token>,
    /// Decoded between rewinds, as a test would.
    noise: Vec<Token>,
    plan: &'a Plan,
    n_ctx: u32,
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

    /// Decodes the prompt that a sweep leaves in the context as a part of the fill; returns the number of tokens in the
    /// context.
    fn carry(&self, target: &mut LlamaTarget, slot: usize) -> Result<u32, Failure> {
        self.check()?;
        let n_depth = self.plan.depths[slot].n_depth;
        let next = self.plan.depths.get(slot + 1);
        let reused = next.and_then(|next| self.plan.reused_prompt(&self.plan.depths[slot], next));
        let end = n_depth + reused.map_or(0, |reused| reused.n_tokens);
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
            target.open(self.n_ctx)?;
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
        target.open(self.n_ctx)?;
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

    /// Decodes something, comes back, and compares.
    fn visit(
        &self,
        target: &mut LlamaTarget,
        slot: usize,
        expected: &mut Expected,
        found: &mut VerifiedDepth,
    ) -> Result<(), Failure> {
        self.check()?;
        let depth = &self.plan.depths[slot];
        back(target, slot, depth)?;
        decode(target, &self.noise)?;
        back(target, slot, depth)?;
        let last = target.context()?.pos_max(0)?;
        if last != depth.n_depth.checked_sub(1) {
            found.last_position = None;
        }
        let said = logits(target, &expected.probe)?;
        let raise = |largest: &mut Share, other: Share| {
            if other > *largest {
                *largest = other;
            }
        };
        raise(&mut found.difference, difference(&said, &expected.logits)?);
        let first = expected.first.get_or_insert_with(|| said.clone());
        raise(&mut found.repetition_difference, difference(&said, first)?);
        found.n_rewinds += 1;
        Ok(())
    }
}

/// The largest difference of a logit, as a part of the distance between the smallest and the largest expected one.
fn difference(found: &Logits, expected: &Logits) -> Result<Share, Failure> {
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

fn back(target: &mut LlamaTarget, slot: usize, depth: &Depth) -> Result<(), Failure> {
    match depth.n_depth {
        0 => target.clear(),
        _ => target.rewind(slot)?,
    }
    Ok(())
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
        let logits = target.context()?.logits(-1).ok_or_else(|| Failure {
            kind: FailureKind::State,
            message: "llama.cpp has no logits of the token that it decoded last".into(),
        })?;
        all.push(logits.to_vec());
    }
    Ok(all)
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
