//! The devices that compute a configuration.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    llama::{Backend, Device, DeviceKind, ModelParams},
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
    /// The GPUs that hold something, in llama.cpp's order; empty if the processor does all. `of_model` are those that its
    /// parameters name.
    pub(in crate::bench) fn all(
        memory: &BTreeMap<String, DeviceMemory>,
        of_model: &ModelParams,
    ) -> Vec<Self> {
        let Ok(backend) = Backend::init() else { return Vec::new() };
        let names = of_model.gpus(&backend).iter().map(Device::name).collect();
        let holding = holding(memory, names);
        let is_gpu = |device: &Device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
        let devices = backend.devices().into_iter().filter(is_gpu).map(|device| (device.name(), device));
        devices
            .filter(|(name, _)| holding.contains(name))
            .map(|(name, device)| Self { name, pci_bus_id: device.pci_bus_id() })
            .collect()
    }
}

/// The names of what holds weights or context. Several devices as one, which a model split by tensor has, are all of the
/// model's: llama.cpp calls them `Meta()` and means to name them there.
fn holding(memory: &BTreeMap<String, DeviceMemory>, of_model: Vec<String>) -> BTreeSet<String> {
    let holds = |used: &DeviceMemory| used.model_bytes > 0 || used.context_bytes > 0;
    let mut names: BTreeSet<String> =
        memory.iter().filter(|(_, used)| holds(used)).map(|(name, _)| name.clone()).collect();
    if names.iter().any(|name| name.starts_with("Meta(")) {
        names.extend(of_model);
    }
    names
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
        let gpus = || vec!["CUDA0".to_owned(), "CUDA3".into()];
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(holding(&memory, gpus()), set(&["CPU", "CUDA1", "CUDA2"]));
        let together = BTreeMap::from([("Meta()".into(), used(1, 1, 1))]);
        assert_eq!(holding(&together, gpus()), set(&["CUDA0", "CUDA3", "Meta()"]));
    }

    #[test]
    fn the_processor_alone_is_no_gpu() {
        let memory = BTreeMap::from([(
            "CPU".into(),
            DeviceMemory { model_bytes: 5, context_bytes: 5, compute_bytes: 5 },
        )]);
        assert_eq!(Participant::all(&memory, &ModelParams::default()), []);
    }
}
