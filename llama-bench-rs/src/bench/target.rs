//! What the engine needs from the thing that it measures: real in [`LlamaTarget`](super::LlamaTarget), fake in tests.
//! `benches/overhead.rs` implements one that does nothing.
//!
//! ```no_run
//! use llama_bench_rs::{
//!     bench::{self, Cancel, Event, LlamaTarget, Request, clock::MonotonicClock},
//!     llama::{ContextParams, Model},
//!     record::Header,
//! };
//!
//! let model = Model::load("model.gguf")?;
//! let mut target = LlamaTarget::new(&model, &ContextParams::default());
//! let plan = Request { prompts: vec![512], ..Request::default() }.plan()?;
//! let (clock, cancel, mut silent) = (MonotonicClock::start(), Cancel::new(), |_: &Event<'_>| {});
//! let run = bench::run(&plan, &mut target, &clock, Header::default(), &mut silent, &cancel);
//! assert_eq!(run.cells.len(), 1);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```

use std::time::Duration;

use super::{abilities::Abilities, calibration::CalibrationTime, memory_estimate::MemoryEstimate};
use crate::llama::{Stop, Stops};
use crate::record::{
    CellWork, Counted, Disturbance, Failure, GpuConditions, Metering, NumaNode, Placement, Resolved, Rewind,
    Test, Work, work::WorkKind,
};

/// Token id, as in llama.cpp.
pub type Token = i32;

/// One token of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The sequence that it belongs to, from 0.
    pub seq: u32,
    /// The token.
    pub token: Token,
    /// Whether logits after it are wanted.
    pub logits: bool,
}

/// A context that can be filled, timed and brought back to a depth.
///
/// It holds one or more sequences. Sequence 0 is the one that is filled and brought back; the others become copies of it
/// ([`spread`](Self::spread)). Positions are implicit: tokens continue from the last one of their sequence. No method has a
/// default, because a target that wraps another one could forget to forward it.
pub trait Target {
    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// The facts that shape a plan.
    fn limits(&self) -> Limits;

    /// Estimates a context as [`open`](Self::open) would make it; `None` if there is no estimate, or an earlier one showed
    /// that it fits.
    fn memory_estimate(&mut self, n_ctx: u32, n_seqs: u32) -> Option<MemoryEstimate>;

    /// Opens a context of `n_seqs` sequences in place of any that is open, empty. Each sequence has room for `n_ctx` tokens
    /// of its own; if they share one KV buffer, all of them have room for `n_ctx` tokens together.
    ///
    /// # Errors
    /// There is not enough memory, or llama.cpp refuses the parameters.
    fn open(&mut self, n_ctx: u32, n_seqs: u32) -> Result<Resolved, Failure>;

    /// Gives up the open context, if there is one.
    fn close(&mut self);

    /// The graph that the open context computes for this kind of test, up to `n_tokens` at once; `None` if this target
    /// has none. Called before anything was decoded.
    ///
    /// # Errors
    /// The graph could not be read, and the context cannot be used any more.
    fn work(&mut self, kind: WorkKind, n_tokens: u32) -> Result<Option<Work>, Failure>;

    /// What a repetition of this test computes and moves in the open context, which has room for it, or why that cannot be
    /// counted. Called before anything was decoded.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    fn cell_work(&mut self, test: &Test) -> Result<Result<CellWork, String>, Failure>;

    /// Submits tokens of sequence 0, at most `n_batch` of them; may return before the work is done.
    ///
    /// # Errors
    /// The tokens do not fit or the decode failed.
    fn decode(&mut self, tokens: &[Token]) -> Result<(), Failure>;

    /// Submits tokens of several sequences, at most `n_batch` of them; may return before the work is done. Called after
    /// [`spread`](Self::spread) or [`clear`](Self::clear), within timed regions: it does not allocate.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or there is no such sequence.
    fn decode_rows(&mut self, rows: &[Row]) -> Result<(), Failure>;

    /// Stops from now on in what is decoded and read, until [`traced`](Self::traced). Without stops first, which learns what
    /// is computed.
    ///
    /// # Errors
    /// This target cannot be traced.
    fn trace(&mut self, stops: Stops) -> Result<(), Failure>;

    /// Ends the trace and returns its stops, in order.
    ///
    /// # Errors
    /// Something else was computed than what was learned, or the work failed.
    fn traced(&mut self) -> Result<Vec<Stop>, Failure>;

    /// Submits a part of a prompt, or a text to embed. An encoder reads it; without one it is decoded.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn read(&mut self, tokens: &[Token]) -> Result<(), Failure>;

    /// Turns embeddings of what is read on or off. Called before and after the timed region.
    ///
    /// # Errors
    /// This target has no embeddings.
    fn set_embeddings(&mut self, embeddings: bool) -> Result<(), Failure>;

    /// Prepares a generation before the clock starts: an encoder that has read nothing reads an empty text.
    ///
    /// # Errors
    /// It cannot be read.
    fn start_generation(&mut self) -> Result<(), Failure>;

    /// Waits until all submitted work is done.
    ///
    /// # Errors
    /// The work failed.
    fn synchronize(&mut self) -> Result<(), Failure>;

    /// Forgets all tokens of all sequences; held states stay.
    fn clear(&mut self);

    /// Remembers the current state of sequence 0 as `slot` (a slot per depth, ascending) until the context is opened again, or as long as
    /// `keep` says. [`rewind`](Self::rewind) can return to it any number of times. Returns the way that this is done.
    ///
    /// # Errors
    /// The state could not be saved.
    fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure>;

    /// Whether [`hold_whole`](Self::hold_whole) is possible and would fit in memory, now.
    fn can_hold_whole(&self) -> bool;

    /// Remembers the whole of the current, deepest state. With it every slot can be returned to. Without it, a slot is lost
    /// when tokens are written after a return to a shallower one.
    ///
    /// # Errors
    /// The state could not be saved.
    fn hold_whole(&mut self) -> Result<(), Failure>;

    /// Restores what [`hold_whole`](Self::hold_whole) remembered.
    ///
    /// # Errors
    /// There is none, or it could not be restored; the target must then be cleared or opened again.
    fn restore_whole(&mut self) -> Result<(), Failure>;

    /// Forgets what [`hold_whole`](Self::hold_whole) remembered, and gives its memory back.
    fn drop_whole(&mut self);

    /// Returns sequence 0 to the state held as `slot`. What other sequences hold is not defined until the next
    /// [`spread`](Self::spread), and slows nothing down.
    ///
    /// # Errors
    /// The state could not be restored; the target must then be cleared or opened again.
    fn rewind(&mut self, slot: usize) -> Result<(), Failure>;

    /// Makes the first `n_seqs` sequences equal: copies of sequence 0, as [`rewind`](Self::rewind) or
    /// [`clear`](Self::clear) left it. Those after them slow nothing down. Waits until all of it is done.
    ///
    /// # Errors
    /// There are not as many sequences, or this memory cannot be copied.
    fn spread(&mut self, n_seqs: u32) -> Result<(), Failure>;

    /// Copies the whole state of sequence 0 to host memory, as llama-bench keeps it between contexts.
    ///
    /// # Errors
    /// The state could not be saved.
    fn save(&mut self) -> Result<Vec<u8>, Failure>;

    /// Replaces the state of sequence 0 by one from [`save`](Self::save), perhaps of another context of the same model.
    ///
    /// # Errors
    /// The state was refused; the target must then be cleared.
    fn load(&mut self, state: &[u8]) -> Result<(), Failure>;

    /// Times the calibration loop now; `None` if it is unrelated to this target's work.
    fn calibrate(&mut self) -> Option<CalibrationTime>;

    /// Begins to watch what other programs take from the threads that will decode `n_tokens` at once. Called right before
    /// a timed region.
    fn watch(&mut self, n_tokens: u32);

    /// What they took since [`watch`](Self::watch) from a region that took `elapsed`; `None` if that is not known. Called
    /// right after it.
    fn disturbance(&mut self, elapsed: Duration) -> Option<Disturbance>;

    /// Where memory lies now; `None` if that is not known.
    fn placement(&mut self) -> Option<Placement>;

    /// Memory nodes of the machine, with the threads and the memory of this process on them; empty if they are not known.
    fn numa(&mut self) -> Vec<NumaNode>;

    /// What the GPUs that take part do right now; empty if nothing is known of them.
    fn conditions(&mut self) -> Vec<GpuConditions>;

    /// Finds the counters of energy of the open context, and looks for up to a second at what they do while nothing is
    /// computed; `None` if there are none.
    fn metering(&mut self) -> Option<Metering>;

    /// Lets the counters be read around the next timed region: within [`watch`](Self::watch) and
    /// [`disturbance`](Self::disturbance).
    fn meter(&mut self);

    /// What they showed around it; nothing if it was not metered. Called once, after it.
    fn metered(&mut self) -> Metered;
}

/// What the counters showed around a timed region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// Those of energy.
    pub energy: Vec<Counted>,
    /// Those of throttling and transfers.
    pub gpus: Vec<GpuConditions>,
}

/// How long a held state is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until the next state is held: one snapshot can replace the other.
    Latest,
    /// Until the context is opened again: every slot is rewound to again.
    All,
}

/// What bounds a plan on this target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Vocabulary size, in tokens.
    pub n_vocab: u32,
    /// Token that begins a sequence, if the vocabulary wants one.
    pub bos: Option<Token>,
    /// Largest number of tokens in one decode.
    pub n_batch: u32,
    /// Context that the model was trained for, in tokens.
    pub n_ctx_train: u32,
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_method_of_a_target_has_a_default() {
        let source = include_str!("target.rs");
        let (_, body) = source.split_once("pub trait Target {\n").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let code: Vec<&str> =
            body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///")).collect();
        assert!(code.len() > 20, "{code:?}");
        assert!(code.iter().all(|line| line.starts_with("fn ") && line.ends_with(';')), "{code:?}");
    }
}
