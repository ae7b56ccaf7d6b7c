//! The real target: a context of a model.

mod abilities;
mod cell_work;
mod failures;
mod sequences;
mod whole;

use std::{collections::HashMap, time::Duration};

use super::{
    abilities::Abilities,
    calibration::{CalibrationLoop, CalibrationTime},
    delay::Delay,
    describe,
    disturbance::Watch,
    memory_estimate::{MemoryEstimate, has_partial_state},
    metering::Devices,
    numa, placement,
    target::{Keep, Limits, Metered, Row, Target, Token},
};
use crate::{
    llama::{Context, ContextParams, Model, SeqState, StateFlags, Stop, Stops},
    record::{
        CellWork, Disturbance, Failure, GpuConditions, Metering, NumaNode, Placement, Resolved, Rewind, Test,
        Work, work::WorkKind,
    },
    units::Share,
};
use sequences::Sequences;

pub(super) use abilities::abilities;
pub(super) use cell_work::counted;
use failures::{no_context, state_failure};
pub(super) use sequences::sized;

/// A llama.cpp context that can be filled, timed and rewound.
#[derive(Debug)]
pub struct LlamaTarget {
    model: Model,
    params: ContextParams,
    context: Option<Context>,
    slots: HashMap<usize, Slot>,
    whole: Option<SeqState>,
    /// Positions below this one still hold the fill; deeper ones were overwritten by a test or never filled.
    n_intact: u32,
    /// The sequences of the open context.
    sequences: Sequences,
    /// What the encoder of an encoder-decoder model has read.
    text: Text,
    /// Tokens and sequences of the largest context that was found to fit.
    fits: (u32, u32),
    /// Made when it is first needed.
    calibration_loop: Option<CalibrationLoop>,
    watch: Watch,
    /// The devices of the open context.
    devices: Devices,
    /// Only if the work is slowed on purpose.
    delay: Option<Delay>,
}

/// What an encoder has read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// Nothing that counts.
    Nothing,
    /// A prompt.
    Prompt,
    /// The text of the depth that is held as this slot.
    Slot(usize),
}

#[derive(Debug)]
struct Slot {
    n_depth: u32,
    /// What removing positions cannot bring back; `None` for full attention.
    partial: Option<SeqState>,
}

const SEQ: i32 = 0;

impl LlamaTarget {
    /// Creates a target that makes contexts of this model with these parameters; the engine chooses `n_ctx`, and
    /// `n_seq_max` if it needs more sequences.
    pub fn new(model: &Model, params: &ContextParams) -> Self {
        Self {
            model: model.clone(),
            params: params.clone(),
            context: None,
            slots: HashMap::new(),
            whole: None,
            n_intact: 0,
            sequences: Sequences::default(),
            text: Text::Nothing,
            fits: (0, 0),
            calibration_loop: None,
            watch: Watch::default(),
            devices: Devices::default(),
            delay: None,
        }
    }

    /// Work takes longer by a share of its own time, 0.1 for 10 %; see [`Sweep::slowed`](super::Sweep::slowed).
    pub(super) fn slowed(mut self, slowdown: Option<Share>) -> Self {
        self.delay = slowdown.map(Delay::new);
        self
    }

    /// The open context.
    ///
    /// # Errors
    /// None is open.
    pub fn context(&mut self) -> Result<&mut Context, Failure> {
        self.context.as_mut().ok_or_else(no_context)
    }

    fn begin_delay(&mut self) {
        if self.delay.is_some() {
            let is_on_cpu = self.is_on_cpu_alone();
            self.delay.iter_mut().for_each(|delay| delay.begin(is_on_cpu));
        }
    }

    /// Layers that are on no device may still be computed there, unless that is turned off.
    fn is_on_cpu_alone(&self) -> bool {
        match self.model.offloaded_layers() {
            None => true,
            Some((n_offloaded, _)) => {
                n_offloaded == 0 && (!self.params.op_offload || self.model.params().is_on_cpu())
            }
        }
    }
}

impl Target for LlamaTarget {
    fn close(&mut self) {
        self.slots.clear();
        self.whole = None;
        self.n_intact = 0;
        self.sequences = Sequences::default();
        self.text = Text::Nothing;
        self.context = None;
    }

    fn memory_estimate(&mut self, n_ctx: u32, n_seqs: u32) -> Option<MemoryEstimate> {
        if n_ctx <= self.fits.0 && n_seqs <= self.fits.1 {
            return None;
        }
        let params = sized(&self.params, n_ctx, n_seqs);
        let estimate = MemoryEstimate::of_context(&self.model, &params, params.n_ctx)?;
        if estimate.check().is_ok() {
            self.fits = (n_ctx, n_seqs);
        }
        Some(estimate)
    }

    fn open(&mut self, n_ctx: u32, n_seqs: u32) -> Result<Resolved, Failure> {
        self.close();
        describe::unrecorded(self.model.params(), &self.params)?;
        let context = Context::new(&self.model, &sized(&self.params, n_ctx, n_seqs))?;
        let resolved = Resolved {
            flash_attn: context.flash_attn_resolved(),
            n_ctx: Some(context.n_ctx()),
            n_seq_max: Some(context.params().n_seq_max),
            offloaded_layers: self.model.offloaded_layers(),
            memory: context.memory_breakdown(),
            order: None,
        };
        self.sequences = Sequences::of(context.params());
        self.devices.hold(&resolved.memory, self.model.params());
        self.context = Some(context);
        Ok(resolved)
    }

    #[inline]
    fn decode(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        self.begin_delay();
        let context = self.context()?;
        let n_past = context.n_past();
        context.decode_tokens(tokens)?;
        self.n_intact = self.n_intact.min(n_past);
        Ok(())
    }

    #[inline]
    fn decode_rows(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.begin_delay();
        self.submit(rows)
    }

    fn trace(&mut self, stops: Stops) -> Result<(), Failure> {
        Ok(self.context()?.trace(stops)?)
    }

    fn traced(&mut self) -> Result<Vec<Stop>, Failure> {
        Ok(self.context()?.end_trace()?)
    }

    #[inline]
    fn read(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        if self.model.keeps_memory() && !self.model.has_encoder() {
            return self.decode(tokens);
        }
        self.begin_delay();
        self.text = Text::Prompt;
        Ok(self.context()?.encode_tokens(tokens)?)
    }

    fn set_embeddings(&mut self, embeddings: bool) -> Result<(), Failure> {
        let embeddings = embeddings || self.params.embeddings;
        self.context()?.set_embeddings(embeddings);
        Ok(())
    }

    fn start_generation(&mut self) -> Result<(), Failure> {
        if let (Some(start), Text::Nothing) = (self.model.decoder_start(), self.text) {
            // The shortest possible text.
            self.read(&[start])?;
        }
        Ok(())
    }

    #[inline]
    fn synchronize(&mut self) -> Result<(), Failure> {
        self.context()?.synchronize()?;
        self.delay.iter_mut().for_each(Delay::end);
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(context) = &mut self.context {
            context.memory_clear(false);
        }
        self.sequences.clear();
        self.text = Text::Nothing;
        self.n_intact = 0;
    }

    fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure> {
        if keep == Keep::Latest {
            self.slots.clear();
        }
        let n_depth = self.context()?.n_past();
        // The device keeps one snapshot per sequence: several slots must live on the host.
        let partial = if has_partial_state(&self.model, &self.params) && n_depth > 0 {
            Some(self.snapshot(StateFlags::PARTIAL_ONLY, keep == Keep::Latest)?)
        } else {
            None
        };
        let rewind = match &partial {
            None => Rewind::Remove,
            Some(state) if state.flags().contains(StateFlags::ON_DEVICE) => Rewind::PartialOnDevice,
            Some(_) => Rewind::PartialOnHost,
        };
        self.slots.insert(slot, Slot { n_depth, partial });
        if self.text == Text::Prompt {
            self.text = Text::Slot(slot);
        }
        self.n_intact = n_depth;
        Ok(rewind)
    }

    fn can_hold_whole(&self) -> bool {
        self.whole_is_possible()
    }

    fn hold_whole(&mut self) -> Result<(), Failure> {
        self.save_whole()
    }

    fn restore_whole(&mut self) -> Result<(), Failure> {
        self.bring_whole_back()
    }

    fn drop_whole(&mut self) {
        self.whole = None;
    }

    fn rewind(&mut self, slot: usize) -> Result<(), Failure> {
        if self.model.has_encoder() && self.text != Text::Slot(slot) {
            return Err(state_failure("the encoder has read something else since".into()));
        }
        let Some(Slot { n_depth, .. }) = self.slots.get(&slot) else {
            return Err(state_failure(format!("nothing is held as slot {slot}")));
        };
        let n_depth = *n_depth;
        self.empty_others()?;
        self.bring_back(n_depth)?;
        let (Some(context), Some(slot)) = (&mut self.context, self.slots.get(&slot)) else {
            return Err(state_failure("no context is open".into()));
        };
        if let Some(partial) = &slot.partial {
            context.state_restore(partial)?;
        }
        let removed = context.memory_seq_rm(SEQ, n_depth, None)?;
        let n_past = context.n_past();
        if !removed || n_past != n_depth {
            return Err(state_failure(format!("rewinding to {n_depth} tokens left {n_past}")));
        }
        Ok(())
    }

    fn spread(&mut self, n_seqs: u32) -> Result<(), Failure> {
        self.spread_to(n_seqs)
    }

    fn save(&mut self) -> Result<Vec<u8>, Failure> {
        let state = self.context()?.state_save(SEQ, StateFlags::empty())?;
        Ok(state.into_bytes())
    }

    fn load(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.sequences.forget_copies();
        Ok(self.context()?.state_restore_bytes(state, SEQ, StateFlags::empty())?)
    }

    fn calibrate(&mut self) -> Option<CalibrationTime> {
        self.is_on_cpu_alone().then(|| self.calibration_loop.get_or_insert_default().time())
    }

    fn watch(&mut self, n_tokens: u32) {
        let ContextParams { n_threads, n_threads_batch, .. } = self.params;
        let n_threads = if n_tokens == 1 { n_threads } else { n_threads_batch };
        let is_on_cpu = self.is_on_cpu_alone();
        self.devices.begin();
        self.watch.begin(is_on_cpu.then_some(n_threads));
    }

    fn disturbance(&mut self, elapsed: Duration) -> Option<Disturbance> {
        let disturbance = self.watch.end(elapsed);
        self.devices.end();
        disturbance
    }

    fn placement(&mut self) -> Option<Placement> {
        placement::read()
    }

    fn numa(&mut self) -> Vec<NumaNode> {
        let n_threads = self.params.n_threads.max(self.params.n_threads_batch);
        let threads = numa::own_thread().filter(|_| self.is_on_cpu_alone()).map(|own| (own, n_threads));
        numa::read(&numa::Roots::default(), self.model.path(), threads)
    }

    fn conditions(&mut self) -> Vec<GpuConditions> {
        self.devices.conditions()
    }

    fn metering(&mut self) -> Option<Metering> {
        self.devices.metering()
    }

    fn meter(&mut self) {
        self.devices.arm();
    }

    fn metered(&mut self) -> Metered {
        self.devices.metered()
    }

    fn work(&mut self, kind: WorkKind, n_tokens: u32) -> Result<Option<Work>, Failure> {
        Ok(Some(self.context()?.work(kind, n_tokens)?))
    }

    fn cell_work(&mut self, test: &Test) -> Result<Result<CellWork, String>, Failure> {
        let n_at_once = self.abilities().n_at_once(test.kind, self.params.n_batch);
        counted(self.context()?, test, n_at_once)
    }

    fn abilities(&self) -> Abilities {
        abilities(&self.model, &self.params)
    }

    fn limits(&self) -> Limits {
        Limits {
            n_vocab: self.model.n_vocab(),
            bos: self.model.bos(),
            n_batch: self.params.n_batch,
            n_ctx_train: self.model.n_ctx_train(),
        }
    }
}
