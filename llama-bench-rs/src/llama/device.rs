use std::{
    ffi::{CStr, c_char},
    fmt,
};

use sysinfo::System;

use super::{at_exit, backend::Backend, sys};

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The processor, with system memory.
    Cpu,
    /// A GPU with memory of its own.
    Gpu,
    /// A GPU that shares the system's memory.
    Igpu,
    /// An accelerator used together with the CPU, such as BLAS or AMX.
    Accel,
    /// Several devices as one.
    Meta,
}

impl DeviceKind {
    /// `cpu`, `gpu`, `igpu`, `accel` or `meta`.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Gpu => "gpu",
            DeviceKind::Igpu => "igpu",
            DeviceKind::Accel => "accel",
            DeviceKind::Meta => "meta",
        }
    }
}

/// A device that models can be placed on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device(sys::ggml_backend_dev_t);

// SAFETY: devices are entries of ggml's registry, which are immutable after registration and there until the process
// ends; no call begins after that (see `at_exit`). Their query functions are safe from any thread.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Device {
    pub(super) fn new(raw: sys::ggml_backend_dev_t) -> Option<Self> {
        (!raw.is_null()).then_some(Self(raw))
    }

    pub(super) fn as_raw(&self) -> sys::ggml_backend_dev_t {
        self.0
    }

    /// Name to ask for it by, such as `CUDA0`.
    #[doc(alias = "ggml_backend_dev_name")]
    pub fn name(&self) -> String {
        let _inside = at_exit::enter();
        // SAFETY: a registered device; its name lives as long as it, thus as long as `_inside`.
        unsafe { text(sys::ggml_backend_dev_name(self.0)) }
    }

    /// Human description, such as `NVIDIA GB10`.
    #[doc(alias = "ggml_backend_dev_description")]
    pub fn description(&self) -> String {
        let _inside = at_exit::enter();
        // SAFETY: a registered device; its description lives as long as it, thus as long as `_inside`.
        unsafe { text(sys::ggml_backend_dev_description(self.0)) }
    }

    /// What it is.
    #[doc(alias = "ggml_backend_dev_type")]
    pub fn kind(&self) -> DeviceKind {
        // SAFETY: a registered device.
        match unsafe { sys::ggml_backend_dev_type(self.0) } {
            sys::GGML_BACKEND_DEVICE_TYPE_CPU => DeviceKind::Cpu,
            sys::GGML_BACKEND_DEVICE_TYPE_GPU => DeviceKind::Gpu,
            sys::GGML_BACKEND_DEVICE_TYPE_IGPU => DeviceKind::Igpu,
            sys::GGML_BACKEND_DEVICE_TYPE_META => DeviceKind::Meta,
            _ => DeviceKind::Accel,
        }
    }

    /// Whether a GPU backend computes on the processor there, as Mesa's llvmpipe does for Vulkan. Its [`kind`](Self::kind) is
    /// that of a GPU nevertheless, and llama.cpp places layers on it.
    #[doc(hidden)]
    pub fn is_software(&self) -> bool {
        self.kind() != DeviceKind::Cpu && self.server().is_none() && is_software(&self.description())
    }

    /// Its place on the PCI bus, such as `0000:65:00.0`; `None` if the backend does not say. Devices that are not GPUs, and
    /// those of other machines, are not asked.
    #[doc(alias = "ggml_backend_dev_get_props")]
    pub fn pci_bus_id(&self) -> Option<String> {
        // What is asked for besides, its memory, would be a round trip to a server.
        if !matches!(self.kind(), DeviceKind::Gpu | DeviceKind::Igpu)
            || self.backend_name().starts_with("RPC")
        {
            return None;
        }
        let _inside = at_exit::enter();
        // SAFETY: plain old data, for which zeros are valid.
        let mut props: sys::ggml_backend_dev_props = unsafe { std::mem::zeroed() };
        // SAFETY: a registered device, and a place to write to; its id lives as long as it, thus as long as `_inside`.
        let id = unsafe {
            sys::ggml_backend_dev_get_props(self.0, &mut props);
            text(props.device_id)
        };
        (!id.is_empty()).then_some(id)
    }

    /// The backend it belongs to, such as `CUDA`; empty for several devices as one, which a model split by tensor has.
    #[doc(alias = "ggml_backend_dev_backend_reg")]
    pub fn backend_name(&self) -> String {
        let _inside = at_exit::enter();
        // SAFETY: a device; it and the name of its backend live as long as `_inside`. A null backend would abort.
        unsafe {
            let backend = sys::ggml_backend_dev_backend_reg(self.0);
            if backend.is_null() { String::new() } else { text(sys::ggml_backend_reg_name(backend)) }
        }
    }

    /// Free and total memory in bytes, now. Of the processor, free is what the system could provide without
    /// swapping, if it says so (ggml counts all of it as free). Both are 0 if the device is on another machine that
    /// cannot be reached any more.
    #[doc(alias = "ggml_backend_dev_memory")]
    pub fn memory_bytes(&self) -> (u64, u64) {
        let (mut free, mut total) = (0, 0);
        // SAFETY: a registered device, and two places to write to, which keep their zeros if its server is gone.
        unsafe { sys::llama_sys_dev_memory(self.0, &mut free, &mut total) };
        let (free, total) = (free as u64, total as u64);
        match self.kind() {
            DeviceKind::Cpu => (available_host_memory().map_or(free, |available| available.min(free)), total),
            _ => (free, total),
        }
    }
}

/// Bytes that the system has left, within what the control group may have that this process is confined to. What the
/// group has left is not asked: its page cache counts as used there.
fn available_host_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    // If the system does not say, such as without /proc, the limits cannot be asked for either: that would panic.
    if system.total_memory() == 0 {
        return None;
    }
    let confined = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    Some(system.available_memory().min(confined)).filter(|&bytes| bytes > 0)
}

/// As its name.
impl serde::Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// Looks a name up among the devices of this process.
impl<'de> serde::Deserialize<'de> for Device {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Backend::init().and_then(|backend| backend.device(&name)).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name())
    }
}

/// Names of software renderers; ggml says nothing else of what kind a Vulkan device is.
fn is_software(description: &str) -> bool {
    const NAMES: [&str; 5] =
        ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "microsoft basic render driver"];
    let description = description.to_ascii_lowercase();
    NAMES.iter().any(|name| description.starts_with(name))
}

/// Copies a C string; a null pointer is empty.
///
/// # Safety
/// `raw` is null or points to a NUL-terminated string.
pub(super) unsafe fn text(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_renderers_are_known_by_their_names() {
        for name in [
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "SwiftShader Device (LLVM 10.0.0)",
            "Microsoft Basic Render Driver",
        ] {
            assert!(is_software(name), "{name}");
        }
        for name in ["NVIDIA H100 80GB HBM3", "AMD Radeon 780M (RADV PHOENIX)", "Intel(R) Arc(tm) A770", ""] {
            assert!(!is_software(name), "{name}");
        }
    }

    /// Several devices as one, which a model split by tensor has, are in no registry.
    #[test]
    fn a_device_outside_the_registry_has_no_backend() {
        // Larger than llama.cpp's structure, and zero throughout.
        let raw = Box::leak(Box::new([0_usize; 64]));
        let device = Device::new(std::ptr::from_mut(raw).cast()).unwrap();
        assert_eq!((device.backend_name(), device.server()), (String::new(), None));
    }
}
