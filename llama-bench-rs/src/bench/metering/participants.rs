//! The devices that compute a configuration.

use std::collections::BTreeMap;

use crate::{
    llama::{Backend, Device, DeviceKind},
    record::DeviceMemory,
};

/// A GPU that holds a part of the model or of the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Participant {
    /// llama.cpp's name, such as `CUDA0`.
    pub(in crate::bench) name: String,
    /// Its place on the PCI bus; `None` if the backend does not say, or it is in another machine.
    pub(in crate::bench) pci_bus_id: Option<String>,
}

impl Participant {
    /// The GPUs that hold something, in llama.cpp's order; empty if the processor does all.
    pub(in crate::bench) fn all(memory: &BTreeMap<String, DeviceMemory>) -> Vec<Self> {
        let holding = holding(memory);
        let Ok(backend) = Backend::init() else { return Vec::new() };
        let is_gpu = |device: &Device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
        let devices = backend.devices().into_iter().filter(is_gpu).map(|device| (device.name(), device));
        devices
            .filter(|(name, _)| holding.iter().any(|of| of == name))
            .map(|(name, device)| Self { name, pci_bus_id: device.pci_bus_id() })
            .collect()
    }
}

/// The names of what holds weights or context. Several devices as one (`Meta(CUDA0,CUDA1)`) are each of them.
fn holding(memory: &BTreeMap<String, DeviceMemory>) -> Vec<&str> {
    let holds = |used: &DeviceMemory| used.model_bytes > 0 || used.context_bytes > 0;
    let names = memory.iter().filter(|(_, used)| holds(used)).map(|(name, _)| name.as_str());
    names
        .flat_map(|name| {
            let several = name.strip_prefix("Meta(").and_then(|rest| rest.strip_suffix(')'));
            several.unwrap_or(name).split(',')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_without_layers_take_no_part() {
        let used = |model_bytes, context_bytes, compute_bytes| DeviceMemory {
            model_bytes,
            context_bytes,
            compute_bytes,
        };
        let memory = BTreeMap::from([
            ("CPU".into(), used(5, 0, 1)),
            ("CUDA0".into(), used(0, 0, 9)),
            ("CUDA1".into(), used(9, 9, 9)),
            ("CUDA2".into(), used(0, 3, 0)),
        ]);
        assert_eq!(holding(&memory), ["CPU", "CUDA1", "CUDA2"]);
        let together = BTreeMap::from([("Meta(CUDA0,CUDA3)".into(), used(1, 1, 1))]);
        assert_eq!(holding(&together), ["CUDA0", "CUDA3"]);
    }

    #[test]
    fn the_processor_alone_is_no_gpu() {
        let memory = BTreeMap::from([(
            "CPU".into(),
            DeviceMemory { model_bytes: 5, context_bytes: 5, compute_bytes: 5 },
        )]);
        assert_eq!(Participant::all(&memory), []);
    }
}
