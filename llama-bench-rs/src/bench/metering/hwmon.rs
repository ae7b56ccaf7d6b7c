//! Counters of energy that a GPU's driver offers through Linux's hwmon: Intel's `i915` and `xe`, and others that have
//! `energy1_input`. AMD's driver has a power reading there and no counter.

use std::{fs, path::Path};

use super::{Participant, Source, powercap::CountFile};
use crate::record::{Meter, MeterDomain};

/// The counter of this device in this tree of sysfs, by its place on the PCI bus.
pub(super) fn find(sys: &Path, device: &Participant) -> Option<Source> {
    let place = sys.join("bus/pci/devices").join(device.pci_bus_id.as_ref()?);
    let mut folders: Vec<_> = fs::read_dir(place.join("hwmon")).ok()?.flatten().map(|it| it.path()).collect();
    folders.sort();
    // It counts in 64 bits.
    let meter =
        folders.iter().find_map(|folder| CountFile::open(&folder.join("energy1_input"), None).ok())?;
    let facts = Meter {
        name: device.name.clone(),
        domain: MeterDomain::Gpu,
        source: "hwmon".into(),
        ..Meter::default()
    };
    Some(Source { facts, meter: Box::new(meter) })
}
