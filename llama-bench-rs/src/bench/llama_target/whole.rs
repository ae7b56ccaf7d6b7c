//! Snapshots of the whole of sequence 0.

use super::{LlamaTarget, SEQ, state_failure};
use crate::{
    bench::{abilities::Memory, target::Target},
    llama::{Backend, Context, DeviceKind, SeqState, SplitMode, StateFlags},
    record::Failure,
};

/// Whether there is room for 1.1 times what sequence 0 can take of the context's memory: on every device for its own part,
/// or on the host for all of it.
fn whole_fits(context: &Context, on_device: bool) -> bool {
    let memory = context.memory_breakdown();
    let params = context.params();
    let n_parts = if params.kv_unified { 1 } else { u64::from(params.n_seq_max.max(1)) };
    let on_host = !on_device;
    let all_bytes: u64 = memory.values().map(|of_device| of_device.context_bytes / n_parts).sum();
    Backend::init().is_ok_and(|backend| {
        backend.devices().iter().all(|device| {
            let bytes = match device.kind() {
                DeviceKind::Cpu if on_host => all_bytes,
                _ if on_host => 0,
                _ => memory.get(&device.name()).map_or(0, |of_device| of_device.context_bytes / n_parts),
            };
            bytes + bytes / 10 <= device.memory_bytes().0
        })
    })
}

impl LlamaTarget {
    pub(super) fn may_stay_on_device(&self) -> bool {
        !self.params.type_k.is_quantised() && !self.params.type_v.is_quantised()
    }

    /// On the device if that works, otherwise on the host.
    pub(super) fn snapshot(&mut self, flags: StateFlags, on_device: bool) -> Result<SeqState, Failure> {
        let on_device = on_device && self.may_stay_on_device();
        let context = self.context()?;
        if on_device && let Ok(state) = context.state_save(SEQ, flags | StateFlags::ON_DEVICE) {
            return Ok(state);
        }
        Ok(context.state_save(SEQ, flags)?)
    }

    /// Makes positions below the depth those of the fill.
    pub(super) fn bring_back(&mut self, n_depth: u32) -> Result<(), Failure> {
        // A recurrent memory has nothing besides its partial state.
        if n_depth <= self.n_intact || self.model.is_recurrent() {
            return Ok(());
        }
        if self.whole.is_none() {
            return Err(state_failure(format!(
                "depth {n_depth} was overwritten and no whole snapshot was kept"
            )));
        }
        self.bring_whole_back()
    }

    /// Whether a whole snapshot can stay on the device, as far as is known before.
    fn may_whole_stay_on_device(&self) -> bool {
        let has_flash_attn = self.context.as_ref().is_some_and(|c| c.flash_attn_resolved() == Some(true));
        self.may_stay_on_device() && has_flash_attn && self.model.params().split_mode != SplitMode::Tensor
    }

    /// Whether one can be saved, and there is room for it.
    pub(super) fn whole_is_possible(&self) -> bool {
        // An encoder's text is not part of a snapshot.
        let on_device = self.may_whole_stay_on_device();
        self.abilities().memory == Memory::Tokens
            && self.context.as_ref().is_some_and(|context| whole_fits(context, on_device))
    }

    pub(super) fn save_whole(&mut self) -> Result<(), Failure> {
        // A recurrent memory has nothing besides the slots' own states.
        if !self.model.is_recurrent() && self.context()?.n_past() > 0 {
            self.whole = Some(self.snapshot(StateFlags::empty(), true)?);
        }
        Ok(())
    }

    pub(super) fn bring_whole_back(&mut self) -> Result<(), Failure> {
        if self.model.is_recurrent() {
            return Ok(());
        }
        let Some(whole) = self.whole.take() else {
            return Err(state_failure("no whole snapshot is held".into()));
        };
        let restored = self.empty_others().and_then(|()| Ok(self.context()?.state_restore(&whole)?));
        self.whole = Some(whole);
        restored?;
        self.n_intact = self.context()?.n_past();
        Ok(())
    }
}
