//! Which counters a configuration has.

use std::path::Path;

use super::{GpuCounter, Meters, Participant, Source, hwmon, nvml, powercap};
use crate::bench::clock::{Clock, MonotonicClock};

impl Meters<MonotonicClock> {
    /// The counters of these GPUs, and of the processor; `None` if there are none.
    pub(in crate::bench) fn of(gpus: &[Participant]) -> Option<Self> {
        let drivers = (nvml::meter as fn(&Participant) -> _, nvml::counter as fn(&Participant) -> _);
        Self::of_tree(Path::new("/sys"), gpus, drivers, MonotonicClock::start())
    }
}

/// How the counters of a GPU are found in its driver.
type Drivers = (fn(&Participant) -> Option<Source>, fn(&Participant) -> Option<Box<dyn GpuCounter>>);

impl<C: Clock> Meters<C> {
    /// The same in this tree of sysfs. The energy of the configuration is that of its GPUs; without any, that of the
    /// processor's packages and memory.
    pub(super) fn of_tree(sys: &Path, gpus: &[Participant], drivers: Drivers, clock: C) -> Option<Self> {
        let (meter, counter) = drivers;
        let (mut sources, mut unmetered) = (Vec::new(), Vec::new());
        for (i, gpu) in gpus.iter().enumerate() {
            // Several devices may be parts of one GPU, which has one counter.
            let is_part = |other: &Participant| other.pci_bus_id == gpu.pci_bus_id;
            if gpu.pci_bus_id.is_some() && gpus[..i].iter().any(is_part) {
                continue;
            }
            match meter(gpu).or_else(|| hwmon::find(sys, gpu)) {
                Some(source) => sources.push(source),
                None => unmetered.push(gpu.name.clone()),
            }
        }
        let (processor, unreadable) = powercap::find(sys);
        sources.iter_mut().for_each(|source| source.facts.is_counted = true);
        let is_on_processor = gpus.is_empty();
        sources.extend(processor.into_iter().map(|mut source| {
            source.facts.is_counted = is_on_processor;
            source
        }));
        let counters = gpus.iter().filter_map(counter).collect();
        let meters = Self { unmetered, unreadable, ..Self::new(sources, counters, clock) };
        (!meters.is_empty()).then_some(meters)
    }
}
