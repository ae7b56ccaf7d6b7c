//! Where the time of a decode goes: stops in the graphs that a context computes.

use std::{ptr::NonNull, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Context, LlamaError, context::last_exception, device::text, sys};

/// A block of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockKind {
    /// Attention, from its norm to its residual.
    Attention,
    /// What mixes tokens in a recurrent layer, in attention's place.
    Mixer,
    /// A dense feed-forward network.
    FeedForward,
    /// Experts, with the routing to them and those that are shared.
    Experts,
    /// The last norm and the logits.
    Output,
    /// Embeddings, and what else is before the first layer.
    #[default]
    Other,
}

/// Where a trace stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stops {
    /// Nowhere: the graphs are learned, so that later traces know where to stop.
    Nothing,
    /// After each layer, and wherever another device goes on.
    Layers,
    /// After each block of a layer too.
    Blocks,
    /// After each operation.
    Operations,
}

/// A stop of a trace: the device has finished all up to one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    /// llama.cpp's name of the operation's result, such as `ffn_out-3`.
    pub name: String,
    /// The operation in ggml's words, such as `MUL_MAT`.
    pub op: String,
    /// The type that decides which kernel runs, such as `q4_K`.
    pub data_type: String,
    /// The device that computed.
    pub device: String,
    /// The device that operands were copied from; `None` if none were.
    pub source: Option<String>,
    /// The weights that the operation reads, such as `blk.3.ffn_down.weight`; `None` if it reads none.
    pub weights: Option<String>,
    /// The block that it belongs to.
    pub block: BlockKind,
    /// The layer that it belongs to, from 0; `None` outside of layers.
    pub layer: Option<u32>,
    /// The graph that it belongs to, from 0: one for each physical batch.
    pub graph: u32,
    /// Operations since the stop before, this one included.
    pub n_operations: u32,
    /// Bytes of their operands and results.
    pub bytes: u64,
    /// Bytes of their operands that were copied from another device.
    pub copied_bytes: u64,
    /// When they began, after such copies; by a clock that only goes forward, whose start means nothing.
    pub begun: Duration,
    /// When they were finished.
    pub ended: Duration,
}

/// A trace of a context.
pub(super) struct Trace(NonNull<sys::llama_sys_trace>);

// SAFETY: it is used with `&mut` of the context that it is a part of, which may be used from any one thread at a time.
unsafe impl Send for Trace {}

impl Drop for Trace {
    fn drop(&mut self) {
        // SAFETY: made once, freed once; its context is still there, or was left to leak.
        unsafe { sys::llama_sys_trace_free(self.0.as_ptr()) }
    }
}

impl Context {
    /// Stops from now on in what is decoded or encoded, until [`end_trace`](Self::end_trace). Begin with
    /// [`Stops::Nothing`], which learns the graphs; after that, trace decodes of as many tokens. Waits for pending work.
    ///
    /// # Errors
    /// An earlier call left the context unusable, or there is no memory for the trace.
    #[doc(alias = "ggml_backend_sched_set_eval_callback")]
    pub fn trace(&mut self, stops: Stops) -> Result<(), LlamaError> {
        self.check_intact("ggml_backend_sched_set_eval_callback")?;
        self.synchronize()?;
        let ctx = self.as_raw();
        if self.trace.is_none() {
            // SAFETY: a live context, which keeps the trace and frees it first.
            self.trace = NonNull::new(unsafe { sys::llama_sys_trace_new(ctx) }).map(Trace);
        }
        let stops = match stops {
            Stops::Nothing => sys::LLAMA_SYS_STOPS_NONE,
            Stops::Layers => sys::LLAMA_SYS_STOPS_LAYERS,
            Stops::Blocks => sys::LLAMA_SYS_STOPS_BLOCKS,
            Stops::Operations => sys::LLAMA_SYS_STOPS_OPERATIONS,
        };
        let Some(Trace(trace)) = &self.trace else { return Err(untraceable()) };
        // SAFETY: a live context that no exception broke, and a trace of it.
        let begun = unsafe { sys::llama_sys_trace_begin(ctx, trace.as_ptr(), stops) };
        if begun { Ok(()) } else { Err(untraceable()) }
    }

    /// Ends the trace and returns its stops, in order. Waits for pending work.
    ///
    /// # Errors
    /// Something else was computed than what was learned, or the work failed.
    pub fn end_trace(&mut self) -> Result<Vec<Stop>, LlamaError> {
        let synchronized = self.synchronize();
        let ctx = self.as_raw();
        let Some(Trace(trace)) = &self.trace else { return Ok(Vec::new()) };
        // SAFETY: a live context, and a trace of it.
        let n = unsafe { sys::llama_sys_trace_end(ctx, trace.as_ptr()) };
        synchronized?;
        let n = u32::try_from(n).map_err(|_| untraceable())?;
        // SAFETY: the stops of a trace that has ended; their texts live until its next beginning.
        Ok((0..n).filter_map(|i| unsafe { stop_at(trace.as_ptr(), i) }).collect())
    }
}

/// # Safety
/// A live trace that has ended.
unsafe fn stop_at(trace: *mut sys::llama_sys_trace, i: u32) -> Option<Stop> {
    // SAFETY: plain old data, for which zeros are valid; null texts are not read before they are written.
    let mut stop: sys::llama_sys_trace_stop = unsafe { std::mem::zeroed() };
    // SAFETY: a live trace and room for a stop.
    if !unsafe { sys::llama_sys_trace_stop_at(trace, i, &raw mut stop) } {
        return None;
    }
    // SAFETY: the shim wrote NUL-terminated texts that the trace keeps.
    let [name, op, data_type, device, source, weights] = unsafe {
        [stop.name, stop.op, stop.type_, stop.device, stop.source, stop.weights].map(|it| text(it))
    };
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let time = |ns: i64| Duration::from_nanos(u64::try_from(ns).unwrap_or_default());
    Some(Stop {
        name,
        op,
        data_type,
        device,
        source: known(source),
        weights: known(weights),
        block: block_of(stop.block),
        layer: u32::try_from(stop.layer).ok(),
        graph: stop.graph,
        n_operations: stop.n_operations,
        bytes: stop.bytes,
        copied_bytes: stop.copied_bytes,
        begun: time(stop.begun_ns),
        ended: time(stop.ended_ns),
    })
}

fn block_of(block: sys::llama_sys_trace_block) -> BlockKind {
    match block {
        sys::LLAMA_SYS_BLOCK_ATTENTION => BlockKind::Attention,
        sys::LLAMA_SYS_BLOCK_MIXER => BlockKind::Mixer,
        sys::LLAMA_SYS_BLOCK_FEED_FORWARD => BlockKind::FeedForward,
        sys::LLAMA_SYS_BLOCK_EXPERTS => BlockKind::Experts,
        sys::LLAMA_SYS_BLOCK_OUTPUT => BlockKind::Output,
        _ => BlockKind::Other,
    }
}

fn untraceable() -> LlamaError {
    let why = last_exception().unwrap_or_default();
    LlamaError::Unsupported { what: "tracing a decode".into(), why }
}
