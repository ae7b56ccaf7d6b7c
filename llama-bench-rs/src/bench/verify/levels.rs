//! The same for several sequences: sequence 0 is filled and copied to the others, and the logits of each are compared with
//! those of a context in which every sequence was filled by itself.

use super::{Logits, VerifiedDepth, Walk, difference, no_logits, raise, reference::Reference};
use crate::{
    bench::{
        llama_target::LlamaTarget,
        plan::{Depth, Plan},
        target::{Row, Target, Token},
        tokens::{Purpose, TokenSource},
    },
    llama::{ContextParams, Model},
    record::Failure,
    units::Share,
};

/// Tokens that each sequence decodes after a copy: the first shows what was copied, the second also that each sequence
/// continues from its own first.
pub(super) const N_STEPS: u32 = 2;

/// What was found at one depth with several sequences.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct VerifiedLevel {
    /// Sequences that are decoded together.
    pub n_parallel: u32,
    /// How often the fill was copied to all of them, each time after decoding something else in all.
    pub n_copies: u32,
    /// Largest difference of a logit of any sequence from that of a sequence that was filled by itself, as a part of the
    /// distance between the smallest and the largest logit there; 0 if all are equal to the bit.
    pub difference: Share,
    /// The sequence with this difference, from 0; `None` if all are equal to the bit.
    pub worst_sequence: Option<u32>,
    /// The same between any copy and the first one: 0 if all repetitions start from one state.
    pub repetition_difference: Share,
    /// The same between the sequences that were filled one by one and the same after their whole states were saved and
    /// restored in another order: the effect of rounding alone.
    pub noise: Share,
    /// Last position of every sequence after each copy; `None` if they differ or the context is empty.
    pub last_position: Option<u32>,
    /// Whether every copy left exactly the tokens of the depth in every sequence.
    pub has_positions: bool,
}

/// How sequence 0 becomes all of them: by [`Target::spread`], unless a test wants it to be wrong.
pub(super) type Spread<'a> = &'a dyn Fn(&mut LlamaTarget, u32) -> Result<(), Failure>;

/// The tokens of the probe of one number of sequences, and the logits of those that were filled one by one.
pub(super) struct ExpectedLevel {
    n_parallel: u32,
    /// By step, a token for each sequence.
    probe: Vec<Vec<Token>>,
    logits: Logits,
    noise: Share,
    /// The logits after the first copy.
    first: Option<Logits>,
}

/// Numbers of sequences above one that are measured at a depth, ascending.
fn levels(plan: &Plan, depth: &Depth) -> Vec<u32> {
    let cells = depth.units.iter().flat_map(|unit| unit.cells());
    let mut levels: Vec<u32> = cells.map(|cell| plan.cells[cell].n_parallel).filter(|&n| n > 1).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

/// Tokens that a sequence must have room for past its depth.
pub(super) fn n_longest(plan: &Plan) -> u32 {
    let n_tokens = |cell: usize| plan.cells[cell].kind.n_tokens();
    let units = plan.depths.iter().flat_map(|depth| &depth.units);
    units.map(|unit| unit.cells().map(n_tokens).sum()).max().unwrap_or(0).max(N_STEPS)
}

impl Walk<'_> {
    /// Fills every sequence of every level by itself, in the same chunks as a sweep fills sequence 0. By depth.
    pub(super) fn expected_levels(
        &self,
        model: &Model,
        params: &ContextParams,
        n_batch: u32,
        tokens: &TokenSource,
    ) -> Result<Vec<Vec<ExpectedLevel>>, Failure> {
        let mut all: Vec<Vec<ExpectedLevel>> = self.plan.depths.iter().map(|_| Vec::new()).collect();
        if self.n_seqs == 1 {
            return Ok(all);
        }
        let mut reference = Reference::open(model, params, self.n_ctx_seq, self.n_seqs)?;
        for (slot, depth) in self.plan.depths.iter().enumerate() {
            let parts = self.parts(slot, n_batch);
            let fill = |reference: &mut Reference, n_parallel: u32| {
                (0..n_parallel).try_for_each(|seq| {
                    self.check()?;
                    reference.fill(seq, &self.fill, &parts)
                })
            };
            for n_parallel in levels(self.plan, depth) {
                let probe = probe(tokens, slot, n_parallel, depth.n_depth == 0);
                reference.clear();
                fill(&mut reference, n_parallel)?;
                let logits = reference.logits(depth.n_depth, &probe)?;
                reference.clear();
                reference.occupy(probe[0][0], n_parallel)?;
                fill(&mut reference, n_parallel)?;
                reference.reorder(n_parallel, depth.n_depth)?;
                let noise = difference(&reference.logits(depth.n_depth, &probe)?, &logits)?;
                all[slot].push(ExpectedLevel { n_parallel, probe, logits, noise, first: None });
            }
        }
        Ok(all)
    }

    /// Copies the fill to all sequences, decodes something in each, copies it again, and compares: once for each level.
    pub(super) fn visit_levels(
        &self,
        target: &mut LlamaTarget,
        slot: usize,
        expected: &mut [ExpectedLevel],
        found: &mut VerifiedDepth,
    ) -> Result<(), Failure> {
        for (expected, found) in expected.iter_mut().zip(&mut found.levels) {
            self.check()?;
            let n_parallel = expected.n_parallel;
            found.n_copies += 1;
            let mut is_at_depth = self.copy(target, slot, n_parallel)?;
            if is_at_depth {
                self.decode_in_each(target, n_parallel)?;
                is_at_depth = self.copy(target, slot, n_parallel)?;
            }
            if !is_at_depth {
                // What comes next would not follow.
                (found.last_position, found.has_positions) = (None, false);
                continue;
            }
            let said = logits(target, &expected.probe)?;
            for (place, (said, expected)) in said.iter().zip(&expected.logits).enumerate() {
                let off = difference(std::slice::from_ref(said), std::slice::from_ref(expected))?;
                if off > found.difference {
                    found.difference = off;
                    found.worst_sequence = Some(place as u32 % n_parallel);
                }
            }
            let first = expected.first.get_or_insert_with(|| said.clone());
            raise(&mut found.repetition_difference, difference(&said, first)?);
        }
        Ok(())
    }

    /// Comes back to a depth in so many sequences; whether all of them hold as many tokens.
    fn copy(&self, target: &mut LlamaTarget, slot: usize, n_parallel: u32) -> Result<bool, Failure> {
        self.back(target, slot, n_parallel)?;
        let last = self.plan.depths[slot].n_depth.checked_sub(1);
        for seq in 0..n_parallel as i32 {
            if target.context()?.pos_max(seq)? != last {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decodes as many tokens as the longest test in every sequence, different ones in each.
    fn decode_in_each(&self, target: &mut LlamaTarget, n_parallel: u32) -> Result<(), Failure> {
        let n_batch = target.limits().n_batch.max(1) as usize;
        let of = |seq: u32| {
            let tokens = self.noise.iter().cycle().skip(seq as usize).take(self.noise.len());
            tokens.map(move |&token| Row { seq, token, logits: false })
        };
        let rows: Vec<Row> = (0..n_parallel).flat_map(of).collect();
        for rows in rows.chunks(n_batch) {
            target.decode_rows(rows)?;
        }
        target.synchronize()
    }
}

impl VerifiedLevel {
    fn new(expected: &ExpectedLevel, n_depth: u32) -> Self {
        Self {
            n_parallel: expected.n_parallel,
            n_copies: 0,
            difference: Share::default(),
            worst_sequence: None,
            repetition_difference: Share::default(),
            noise: expected.noise,
            last_position: n_depth.checked_sub(1),
            has_positions: true,
        }
    }

    pub(super) fn all(expected: &[ExpectedLevel], n_depth: u32) -> Vec<Self> {
        expected.iter().map(|expected| Self::new(expected, n_depth)).collect()
    }
}

/// By step, a token for each sequence, drawn apart from those of its neighbours.
fn probe(tokens: &TokenSource, slot: usize, n_parallel: u32, starts_sequence: bool) -> Vec<Vec<Token>> {
    // The stream that follows from the depth alone is that of a single sequence.
    let of = |seq: u32| {
        let purpose = Purpose::Repetition { cell: slot, rep: u32::MAX - 1 - seq };
        tokens.draw(purpose, N_STEPS, starts_sequence)
    };
    let by_sequence: Vec<Vec<Token>> = (0..n_parallel).map(of).collect();
    (0..N_STEPS as usize).map(|step| by_sequence.iter().map(|tokens| tokens[step]).collect()).collect()
}

/// The logits of each sequence after each step of the probe.
fn logits(target: &mut LlamaTarget, probe: &[Vec<Token>]) -> Result<Logits, Failure> {
    let mut all = Vec::new();
    for step in probe {
        let rows: Vec<Row> = (0..).zip(step).map(|(seq, &token)| Row { seq, token, logits: true }).collect();
        target.decode_rows(&rows)?;
        for output in 0..step.len() as i32 {
            all.push(target.context()?.logits(output).ok_or_else(no_logits)?.to_vec());
        }
    }
    Ok(all)
}
