use std::fmt;

use super::{Level, Say};
use crate::record::Run;

/// Layers on a device that a GPU backend computes on the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoftwareRenderer {
    /// The device, such as `Vulkan0`.
    pub device: String,
    /// Its description, such as `llvmpipe (LLVM 15.0.6, 256 bits)`.
    pub description: String,
    /// The backend.
    pub backend: String,
}

/// `None` if there is no such device, or if no layer is on a device.
pub(super) fn software(run: &Run) -> Option<SoftwareRenderer> {
    let header = &run.header;
    let has_layers = header.resolved.offloaded_layers.is_none_or(|(n_offloaded, _)| n_offloaded > 0);
    let is_used = |name: &str| match header.config.devices.as_str() {
        "" | "auto" => true,
        named => named.split('/').any(|one| one == name),
    };
    let device = header.host.devices.iter().find(|it| it.is_software() && is_used(&it.name))?;
    has_layers.then(|| SoftwareRenderer {
        device: device.name.clone(),
        description: device.description.clone(),
        backend: device.backend.clone(),
    })
}

impl Say for SoftwareRenderer {
    fn level(&self) -> Level {
        Level::Warning
    }
}

impl fmt::Display for SoftwareRenderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, description, backend } = self;
        write!(
            f,
            "{device} is a software renderer ({description}): it computes {backend} on the CPU. These figures say nothing of \
             a GPU, and the CPU backend is faster (-dev none)."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DeviceInfo, Header};

    fn run(kind: &str, backend: &str) -> Run {
        let mut run = Run { header: Header::default(), cells: Vec::new(), curve: Vec::new() };
        let device = DeviceInfo {
            name: "Vulkan0".into(),
            description: "llvmpipe (LLVM 15.0.6, 256 bits)".into(),
            kind: kind.into(),
            backend: backend.into(),
            ..DeviceInfo::default()
        };
        run.header.host.devices = vec![device];
        run.header.resolved.offloaded_layers = Some((5, 5));
        run
    }

    #[test]
    fn layers_on_a_software_renderer_are_a_warning() {
        let found = software(&run("cpu", "Vulkan")).unwrap();
        assert_eq!(found.level(), Level::Warning);
        let said = found.to_string();
        assert!(
            said.contains("Vulkan0 is a software renderer (llvmpipe") && said.contains("-dev none"),
            "{said}"
        );
        assert_eq!(software(&run("gpu", "Vulkan")), None);
        assert_eq!(software(&run("cpu", "CPU")), None);
        let mut on_cpu = run("cpu", "Vulkan");
        on_cpu.header.resolved.offloaded_layers = Some((0, 5));
        assert_eq!(software(&on_cpu), None);
        let mut elsewhere = run("cpu", "Vulkan");
        elsewhere.header.config.devices = "CUDA0".into();
        assert_eq!(software(&elsewhere), None);
    }
}
