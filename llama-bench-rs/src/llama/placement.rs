//! Whether the devices that parameters name are there.

use super::{Backend, Device, DeviceKind, LlamaError, ModelParams};

impl ModelParams {
    /// The devices that a model would be placed on beside the CPU: those that are named, else the GPUs.
    pub(crate) fn gpus(&self, backend: &Backend) -> Vec<Device> {
        if !self.devices.is_empty() {
            return self.devices.clone();
        }
        let is_gpu = |device: &Device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
        backend.devices().into_iter().filter(is_gpu).collect()
    }

    /// Refuses a main GPU that is not there; llama.cpp takes it silently, and then uses another one or none.
    ///
    /// # Errors
    /// [`main_gpu`](Self::main_gpu) is not the index of a device; the error names those there are.
    pub fn check_main_gpu(&self, backend: &Backend) -> Result<(), LlamaError> {
        let gpus = self.gpus(backend);
        // The default is 0, with or without a device.
        if self.main_gpu <= 0 || (self.main_gpu as usize) < gpus.len() {
            return Ok(());
        }
        let names: Vec<String> =
            gpus.iter().enumerate().map(|(i, device)| format!("{i}: {}", device.name())).collect();
        let remedy = if names.is_empty() {
            "this machine has no GPU: leave it out".into()
        } else {
            format!("the devices are {}: give the index of one", names.join(", "))
        };
        Err(LlamaError::Parameter { name: "main_gpu", value: self.main_gpu.to_string(), remedy })
    }
}
