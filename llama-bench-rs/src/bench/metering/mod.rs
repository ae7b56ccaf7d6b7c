//! Counters of energy, throttling and transfers around each repetition. Nothing is read inside a timed region.
//!
//! - `meter`: what a counter of energy can do, and by how much it advanced
//! - `powercap`, `hwmon`, `nvml`: the counters that there are
//! - `participants`: which devices compute, and how they are found among those of the driver
//! - here: reading all of them around a region, and what they do while nothing is computed

mod devices;
mod find;
mod hwmon;
mod idle;
mod meter;
#[cfg(feature = "nvml")]
mod nvml;
#[cfg(not(feature = "nvml"))]
#[path = "nvml_off.rs"]
mod nvml;
mod participants;
mod powercap;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{clock::Clock, target::Metered};
use crate::record::{Counted, GpuConditions, Meter, Metering};
use meter::{EnergyMeter, advance};

pub(super) use devices::Devices;
pub(super) use participants::Participant;

/// A counter of energy with what is known of it.
pub(super) struct Source {
    facts: Meter,
    meter: Box<dyn EnergyMeter>,
}

/// Counts of a GPU that only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GpuCounts {
    /// How long each reason kept its clocks down, in nanoseconds.
    throttled_ns: BTreeMap<String, u64>,
    pcie_tx_bytes: Option<u64>,
    pcie_rx_bytes: Option<u64>,
}

/// What reads the counts of a GPU.
trait GpuCounter: Send {
    /// The device, by llama.cpp's name.
    fn device(&self) -> &str;

    /// What the driver calls it.
    fn name(&self) -> String;

    /// Reads them now; `None` if the driver no longer answers.
    fn read(&mut self) -> Option<GpuCounts>;
}

/// All counters of a configuration.
pub(super) struct Meters<C> {
    slots: Vec<Slot>,
    counters: Vec<Box<dyn GpuCounter>>,
    unmetered: Vec<String>,
    unreadable: Vec<String>,
    clock: C,
    /// The next region is to be metered.
    is_armed: bool,
    before: Vec<Option<GpuCounts>>,
}

/// A counter of energy at work.
struct Slot {
    source: Source,
    /// The reading before the region, and when it was made.
    before: Option<(u64, Duration)>,
    last: Option<Last>,
}

/// The latest region that was metered.
#[derive(Clone, Copy)]
struct Last {
    end: Duration,
    uj: u64,
    ns: u64,
}

impl<C: Clock> Meters<C> {
    fn new(sources: Vec<Source>, counters: Vec<Box<dyn GpuCounter>>, clock: C) -> Self {
        let slot = |source| Slot { source, before: None, last: None };
        Self {
            slots: sources.into_iter().map(slot).collect(),
            counters,
            unmetered: Vec::new(),
            unreadable: Vec::new(),
            clock,
            is_armed: false,
            before: Vec::new(),
        }
    }

    /// Whether there is something to report.
    fn is_empty(&self) -> bool {
        self.slots.is_empty()
            && self.counters.is_empty()
            && self.unreadable.is_empty()
            && self.unmetered.is_empty()
    }

    /// What is known of the counters.
    fn metering(&self, took: Duration, counters_read: Option<Duration>) -> Metering {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Metering {
            meters: self.slots.iter().map(|slot| slot.source.facts.clone()).collect(),
            unmetered: self.unmetered.clone(),
            unreadable: self.unreadable.clone(),
            took_ns: Some(ns(took)),
            counters_read_ns: counters_read.map(ns),
        }
    }

    /// Meters the next region.
    pub(super) fn arm(&mut self) {
        self.is_armed = true;
    }

    /// A timed region begins right after this. Energy comes last: what is read before it is not in it.
    pub(super) fn begin(&mut self) {
        if !self.is_armed {
            return;
        }
        self.before = self.counters.iter_mut().map(|counter| counter.read()).collect();
        for slot in &mut self.slots {
            slot.before = slot.source.meter.read_uj().map(|uj| (uj, self.clock.now()));
        }
    }

    /// A timed region ended right before this. Energy comes first.
    pub(super) fn end(&mut self) -> Metered {
        if !std::mem::take(&mut self.is_armed) {
            return Metered::default();
        }
        let clock = &self.clock;
        let energy = self.slots.iter_mut().filter_map(|slot| slot.end(clock)).collect();
        let mut gpus = Vec::new();
        for (counter, before) in self.counters.iter_mut().zip(self.before.drain(..)) {
            if let (Some(before), Some(after)) = (before, counter.read()) {
                gpus.push(GpuConditions {
                    name: counter.name(),
                    device: counter.device().to_owned(),
                    ..since(&before, &after)
                });
            }
        }
        Metered { energy, gpus }
    }
}

impl Slot {
    fn end(&mut self, clock: &impl Clock) -> Option<Counted> {
        let end = clock.now();
        let after = self.source.meter.read_uj();
        let counted = self.counted(end, after);
        let (uj, ns) = counted.as_ref().map(|counted| (counted.uj, counted.ns))?;
        // The reading itself takes time, and the next region begins after it.
        self.last = Some(Last { end, uj, ns });
        counted
    }

    fn counted(&mut self, end: Duration, after: Option<u64>) -> Option<Counted> {
        let last = self.last.take();
        let (before, begin) = self.before.take()?;
        let elapsed = end.checked_sub(begin)?;
        let uj = advance(before, after?, self.source.meter.wraps_at_uj(), elapsed)?;
        Some(Counted {
            meter: self.source.facts.name.clone(),
            uj,
            ns: u64::try_from(elapsed.as_nanos()).ok()?,
            gap_ns: last.and_then(|last| u64::try_from(begin.saturating_sub(last.end).as_nanos()).ok()),
            prior_uj: last.map(|last| last.uj),
            prior_ns: last.map(|last| last.ns),
        })
    }
}

/// What was counted between two readings; a count that went back is not known.
fn since(before: &GpuCounts, after: &GpuCounts) -> GpuConditions {
    let bytes = |of: fn(&GpuCounts) -> Option<u64>| of(after)?.checked_sub(of(before)?);
    let throttled = after.throttled_ns.iter().filter_map(|(reason, after)| {
        Some((reason.clone(), after.checked_sub(*before.throttled_ns.get(reason)?)?))
    });
    GpuConditions {
        throttled_ns: throttled.collect(),
        pcie_tx_bytes: bytes(|counts| counts.pcie_tx_bytes),
        pcie_rx_bytes: bytes(|counts| counts.pcie_rx_bytes),
        ..GpuConditions::default()
    }
}

impl<C> fmt::Debug for Meters<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.slots.iter().map(|slot| &slot.source.facts.name[..]).collect();
        f.debug_struct("Meters").field("meters", &names).finish_non_exhaustive()
    }
}
