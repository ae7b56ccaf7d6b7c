//! The devices of the open context, with all that is read of them.

use std::collections::BTreeMap;

use super::{Meters, Participant};
use crate::{
    bench::{clock::MonotonicClock, monitor, target::Metered},
    llama::ModelParams,
    record::{DeviceMemory, GpuConditions, Metering},
};

/// The GPUs that take part, and the counters.
#[derive(Debug, Default)]
pub(in crate::bench) struct Devices {
    /// `None` before a context was opened.
    gpus: Option<Vec<Participant>>,
    meters: Option<Meters<MonotonicClock>>,
    metered: Metered,
}

impl Devices {
    /// A context was opened that has this memory, of a model that was loaded like this.
    pub(in crate::bench) fn hold(&mut self, memory: &BTreeMap<String, DeviceMemory>, params: &ModelParams) {
        let gpus = Participant::all(memory, params);
        if self.gpus.as_ref() != Some(&gpus) {
            self.meters = None;
        }
        self.gpus = Some(gpus);
    }

    /// What the GPUs that take part do right now.
    pub(in crate::bench) fn conditions(&self) -> Vec<GpuConditions> {
        monitor::read(self.gpus.as_deref())
    }

    /// Finds the counters, and looks at what they do while nothing is computed.
    pub(in crate::bench) fn metering(&mut self) -> Option<Metering> {
        if self.meters.is_none() {
            self.meters = Meters::of(self.gpus.as_deref()?);
        }
        // Without counters that is known too.
        Some(self.meters.as_mut().map(Meters::settle).unwrap_or_default())
    }

    /// Meters the next region.
    pub(in crate::bench) fn arm(&mut self) {
        self.meters.iter_mut().for_each(Meters::arm);
    }

    /// A timed region begins right after this.
    pub(in crate::bench) fn begin(&mut self) {
        self.meters.iter_mut().for_each(Meters::begin);
    }

    /// A timed region ended right before this.
    pub(in crate::bench) fn end(&mut self) {
        if let Some(meters) = &mut self.meters {
            self.metered = meters.end();
        }
    }

    /// What was counted in the latest region.
    pub(in crate::bench) fn metered(&mut self) -> Metered {
        std::mem::take(&mut self.metered)
    }
}
