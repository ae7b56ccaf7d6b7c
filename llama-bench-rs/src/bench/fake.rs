//! A target and a clock without hardware. They count tokens, keep the exact content of the context, and fail on demand:
//! tests of order, cost and recovery take no time.

mod calls;
mod compute;
mod traced;
mod work;

use std::{cell::Cell, collections::HashMap, rc::Rc, time::Duration};

use super::{
    abilities::{Abilities, Memory},
    calibration::CalibrationTime,
    memory_estimate::MemoryEstimate,
    target::{Keep, Limits, Metered, Row, Target, Token},
};
use crate::llama::{Stop, Stops};
use crate::record::{
    self, CellWork, Counted, Disturbance, Failure, GpuConditions, NumaNode, Placement, Resolved, Rewind,
    Test, work::WorkKind,
};

pub(super) use calls::{Call, FakeClock, Work};
use traced::Tracer;

type Wait = Box<dyn FnMut(u32, usize) -> Duration>;

/// Counts and remembers everything; a token takes 1 ms plus 1 µs per token already in the context.
#[derive(Default)]
pub(super) struct FakeTarget {
    pub(super) clock: FakeClock,
    pub(super) calls: Vec<Call>,
    pub(super) opened: Vec<u32>,
    /// Sequences of each of those contexts.
    pub(super) opened_seqs: Vec<u32>,
    /// Contexts larger than this, all sequences together, are not available.
    pub(super) n_ctx_max: Option<u32>,
    /// All sequences lie in one buffer and share what was copied.
    pub(super) unified: bool,
    /// Sequences cannot be copied.
    pub(super) no_copies: bool,
    /// Tokens that contexts may hold together, those of other targets with the same memory included.
    pub(super) memory: Option<Rc<Cell<u32>>>,
    /// The decode of this number (from 0) fails.
    pub(super) fail_call: Option<usize>,
    /// The decode of this number (from 0) panics.
    pub(super) panic_call: Option<usize>,
    /// Restoring a state always fails.
    pub(super) broken_rewind: bool,
    pub(super) holds_whole: bool,
    /// What saving a whole state takes: each time, and for each token.
    pub(super) save_cost: (Duration, Duration),
    /// What restoring it takes.
    pub(super) restore_cost: (Duration, Duration),
    /// A whole state cannot be saved after all.
    pub(super) broken_whole: bool,
    /// Tokens of each whole state that was saved, and restored.
    pub(super) n_saved: Vec<usize>,
    pub(super) n_restored: Vec<usize>,
    /// Returning to a depth restores a snapshot of a part, which takes this long; `None` if positions are removed.
    pub(super) partial_cost: Option<Duration>,
    /// What copying a token to another sequence takes.
    pub(super) copy_cost: Duration,
    /// What was copied to the other sequences last: what is still there need not be copied again.
    pub(super) copied: Vec<Vec<Token>>,
    /// The first decode takes half as many milliseconds longer, each further one half of that, as while clocks ramp up.
    pub(super) ramp: u32,
    /// The first decode as long as `n_batch` takes this much longer, as one whose kernels must be loaded.
    pub(super) cold_long: Duration,
    /// Largest number of tokens in one decode; 16 if it is not said.
    pub(super) n_batch: Option<u32>,
    pub(super) content: Vec<Token>,
    /// Content of the other sequences.
    pub(super) others: Vec<Vec<Token>>,
    /// Tokens that were the same in all of them when they were copied.
    pub(super) n_shared: usize,
    /// How often it was spread to more than one sequence.
    pub(super) n_spread: usize,
    pub(super) n_ctx: u32,
    /// Tokens that the open context takes of the memory.
    pub(super) n_taken: u32,
    pub(super) slots: HashMap<usize, usize>,
    /// Positions that no later decode has overwritten.
    pub(super) intact: Vec<Token>,
    pub(super) whole: Option<Vec<Token>>,
    /// Reading the work fails, and the context must be opened again before it decodes.
    pub(super) broken_work: bool,
    /// What it was asked for the work of.
    pub(super) looked_at: Vec<(WorkKind, u32)>,
    pub(super) counted: Vec<Test>,
    /// Time of its calibration loop, if it has one: each time a microsecond more than the last.
    pub(super) calibration: Option<CalibrationTime>,
    /// How long its thread waits for a core in a region, by the tokens at once and the depth; `None` if it is not watched.
    pub(super) wait: Option<Wait>,
    pub(super) waited: Option<Duration>,
    /// The counters of energy, if it has any: 100 W in every region.
    pub(super) metering: Option<record::Metering>,
    pub(super) n_metering: usize,
    pub(super) is_metering: bool,
    pub(super) metered: Metered,
    pub(super) abilities: Abilities,
    pub(super) embeddings: bool,
    /// What the encoder has read.
    pub(super) text: Vec<Token>,
    pub(super) tracer: Tracer,
}

fn failure(kind: &str) -> Failure {
    Failure { kind: kind.into(), message: format!("fake {kind}") }
}

impl Target for FakeTarget {
    fn close(&mut self) {
        self.n_ctx = 0;
        let n_taken = std::mem::take(&mut self.n_taken);
        if let Some(memory) = &self.memory {
            memory.set(memory.get() + n_taken);
        }
    }

    fn open(&mut self, n_ctx: u32, n_seqs: u32) -> Result<Resolved, Failure> {
        let n_all = if self.unified { n_ctx } else { n_ctx * n_seqs };
        if self.n_ctx_max.is_some_and(|max| n_all > max) {
            return Err(failure("out_of_memory"));
        }
        self.close();
        if let Some(memory) = &self.memory {
            memory.set(memory.get().checked_sub(n_all).ok_or_else(|| failure("out_of_memory"))?);
        }
        self.opened.push(n_ctx);
        self.opened_seqs.push(n_seqs);
        (self.n_ctx, self.n_taken) = (n_ctx, n_all);
        self.content.clear();
        self.others = vec![Vec::new(); n_seqs as usize - 1];
        self.copied.clone_from(&self.others);
        self.n_shared = 0;
        self.text.clear();
        self.intact.clear();
        self.slots.clear();
        self.whole = None;
        Ok(Resolved { n_ctx: Some(n_all), n_seq_max: Some(n_seqs), ..Resolved::default() })
    }

    fn memory_estimate(&mut self, _n_ctx: u32, _n_seqs: u32) -> Option<MemoryEstimate> {
        None
    }

    fn placement(&mut self) -> Option<Placement> {
        None
    }

    fn numa(&mut self) -> Vec<NumaNode> {
        Vec::new()
    }

    fn conditions(&mut self) -> Vec<GpuConditions> {
        Vec::new()
    }

    fn decode(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        assert!(!matches!(self.abilities.memory, Memory::Nothing(_)), "nothing is decoded without memory");
        self.compute(Work::Decode, tokens)
    }

    fn decode_rows(&mut self, rows: &[Row]) -> Result<(), Failure> {
        assert!(self.abilities.memory == Memory::Tokens, "several sequences need a memory of tokens");
        let tokens: Vec<Token> = rows.iter().map(|row| row.token).collect();
        self.submit(Work::Rows, &tokens, rows)?;
        for row in rows {
            let seq = row.seq as usize;
            match seq.checked_sub(1) {
                Some(other) => self.others[other].push(row.token),
                None => {
                    self.intact.truncate(self.content.len());
                    self.content.push(row.token);
                    self.intact.push(row.token);
                }
            }
        }
        let lengths = || [&self.content].into_iter().chain(&self.others).map(Vec::len);
        if self.unified {
            let n_own: usize = lengths().map(|n| n.saturating_sub(self.n_shared)).sum();
            assert!(self.n_shared + n_own <= self.n_ctx as usize, "past the end of the shared context");
        } else {
            assert!(lengths().all(|n| n <= self.n_ctx as usize), "past the end of a sequence");
        }
        Ok(())
    }

    fn trace(&mut self, stops: Stops) -> Result<(), Failure> {
        self.tracer.begin(stops)
    }

    fn traced(&mut self) -> Result<Vec<Stop>, Failure> {
        Ok(self.tracer.end())
    }

    fn read(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        self.compute(if self.embeddings { Work::Embed } else { Work::Read }, tokens)
    }

    fn set_embeddings(&mut self, embeddings: bool) -> Result<(), Failure> {
        self.embeddings = embeddings;
        Ok(())
    }

    fn start_generation(&mut self) -> Result<(), Failure> {
        if let (Memory::Encoded { start }, true) = (self.abilities.memory, self.text.is_empty()) {
            self.text = vec![start];
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn clear(&mut self) {
        self.content.clear();
        self.others.iter_mut().chain(&mut self.copied).for_each(Vec::clear);
        self.n_shared = 0;
        self.text.clear();
    }

    fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure> {
        if keep == Keep::Latest {
            self.slots.clear();
        }
        self.slots.insert(slot, self.content.len());
        Ok(if self.partial_cost.is_some() { Rewind::PartialOnHost } else { Rewind::Remove })
    }

    fn can_hold_whole(&self) -> bool {
        self.holds_whole
    }

    fn hold_whole(&mut self) -> Result<(), Failure> {
        if self.broken_whole {
            return Err(failure("state"));
        }
        let n_tokens = self.content.len();
        self.clock.advance(self.save_cost.0 + self.save_cost.1 * n_tokens as u32);
        self.n_saved.push(n_tokens);
        self.whole = Some(self.content.clone());
        Ok(())
    }

    fn restore_whole(&mut self) -> Result<(), Failure> {
        let whole = self.whole.clone().ok_or_else(|| failure("state"))?;
        self.clock.advance(self.restore_cost.0 + self.restore_cost.1 * whole.len() as u32);
        self.n_restored.push(whole.len());
        self.content.clone_from(&whole);
        self.intact = whole;
        Ok(())
    }

    fn drop_whole(&mut self) {
        self.whole = None;
    }

    fn rewind(&mut self, slot: usize) -> Result<(), Failure> {
        let n_depth = *self.slots.get(&slot).ok_or_else(|| failure("state"))?;
        if self.broken_rewind || self.abilities.memory != Memory::Tokens {
            return Err(failure("state"));
        }
        if self.whole.is_some() && self.intact.len() < n_depth {
            self.restore_whole()?;
        }
        self.clock.advance(self.partial_cost.unwrap_or_default());
        // Like a KV cache: what was overwritten since is not what was held.
        self.content = self.intact.get(..n_depth).ok_or_else(|| failure("state"))?.to_vec();
        Ok(())
    }

    fn spread(&mut self, n_seqs: u32) -> Result<(), Failure> {
        if self.no_copies && n_seqs > 1 && !self.content.is_empty() {
            return Err(failure("unsupported"));
        }
        assert!(n_seqs as usize <= self.others.len() + 1, "there is no sequence {n_seqs}");
        self.n_spread += usize::from(n_seqs > 1);
        self.n_shared = self.content.len();
        for (i, other) in self.others.iter_mut().enumerate() {
            other.clear();
            if i + 1 < n_seqs as usize {
                if !self.copied[i].starts_with(&self.content) {
                    self.clock.advance(self.copy_cost * self.content.len() as u32);
                }
                self.copied[i].clone_from(&self.content);
                other.clone_from(&self.content);
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.content.iter().flat_map(|t| t.to_le_bytes()).collect())
    }

    fn load(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.content =
            state.chunks_exact(4).map(|b| Token::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(())
    }

    fn calibrate(&mut self) -> Option<CalibrationTime> {
        if let Some(calibration) = &mut self.calibration {
            calibration.elapsed += Duration::from_micros(1);
        }
        self.calibration
    }

    fn work(&mut self, kind: WorkKind, n_tokens: u32) -> Result<Option<record::Work>, Failure> {
        self.graph(kind, n_tokens)
    }

    fn cell_work(&mut self, test: &Test) -> Result<Result<CellWork, String>, Failure> {
        self.count(test)
    }

    fn watch(&mut self, n_tokens: u32) {
        self.waited = self.wait.as_mut().map(|wait| wait(n_tokens, self.content.len()));
    }

    fn disturbance(&mut self, elapsed: Duration) -> Option<Disturbance> {
        if std::mem::take(&mut self.is_metering) {
            let ns = elapsed.as_nanos() as u64;
            let gpu = GpuConditions { device: "CUDA1".into(), pcie_rx_bytes: Some(7), ..Default::default() };
            let counted = Counted { meter: "CUDA1".into(), uj: ns / 10, ns, ..Counted::default() };
            self.metered = Metered { energy: vec![counted], gpus: vec![gpu] };
        }
        let waited = Some(self.waited.take()?);
        Some(Disturbance { n_threads: Some(1), waited, ..Disturbance::default() })
    }

    fn metering(&mut self) -> Option<record::Metering> {
        assert!(
            self.metering.is_none() || self.calls.is_empty(),
            "the idle draw is measured before anything is decoded"
        );
        self.n_metering += 1;
        self.metering.clone()
    }

    fn meter(&mut self) {
        self.is_metering = true;
    }

    fn metered(&mut self) -> Metered {
        std::mem::take(&mut self.metered)
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn limits(&self) -> Limits {
        Limits { n_vocab: 1000, bos: Some(1), n_batch: self.n_batch.unwrap_or(16), n_ctx_train: 4096 }
    }
}
