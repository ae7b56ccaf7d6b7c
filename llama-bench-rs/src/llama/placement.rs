//! Whether the devices that parameters name are there.

use super::{Backend, Device, DeviceKind, LlamaError, ModelParams};

impl ModelParams {
    /// The devices that a model would be placed on beside the CPU: those that are named, else the GPUs.
    pub(crate) fn gpus(&self, backend: &Backend) -> Vec<Device> {
        if !self.devices.is_empty() || self.no_devices {
            return self.devices.clone();
        }
        let is_gpu = |device: &Device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
        let mut gpus: Vec<Device> = backend.devices().into_iter().filter(is_gpu).collect();
        // llama.cpp puts those of other machines first.
        gpus.sort_by_key(|device| device.server().is_none());
        gpus
    }

    /// Whether they name no device but the CPU.
    pub(crate) fn is_on_cpu(&self) -> bool {
        let is_cpu = |device: &Device| device.kind() == DeviceKind::Cpu;
        self.no_devices || !self.devices.is_empty() && self.devices.iter().all(is_cpu)
    }

    /// Layers on devices and layers in all, of what llama.cpp counts: with a GPU in the machine it counts the layers that may
    /// be offloaded as offloaded, although there is no device to put them on.
    pub(super) fn offloaded(&self, (n_logged, n_layers): (u32, u32)) -> (u32, u32) {
        (if self.is_on_cpu() { 0 } else { n_logged }, n_layers)
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
        let remedy = if self.no_devices {
            "no device is to be used: leave it out".into()
        } else if names.is_empty() {
            "this machine has no GPU: leave it out".into()
        } else {
            format!("the devices are {}: give the index of one", names.join(", "))
        };
        Err(LlamaError::Parameter { name: "main_gpu", value: self.main_gpu.to_string(), remedy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_device_nothing_is_offloaded_whatever_the_machine_has() {
        let backend = Backend::init().unwrap();
        let cpu = backend.device("CPU").unwrap();
        let cpu_alone =
            [ModelParams::default().no_devices(true), ModelParams::default().devices(vec![cpu, cpu])];
        for params in cpu_alone {
            assert!(params.is_on_cpu());
            assert_eq!(params.offloaded((25, 25)), (0, 25), "{params:?}");
        }
        assert!(!ModelParams::default().is_on_cpu());
        assert_eq!(ModelParams::default().offloaded((12, 25)), (12, 25));
    }

    #[test]
    fn a_main_gpu_among_no_devices_is_refused() {
        let backend = Backend::init().unwrap();
        let params = ModelParams::default().no_devices(true).main_gpu(1);
        assert_eq!(params.gpus(&backend), []);
        let refused = params.check_main_gpu(&backend).unwrap_err().to_string();
        assert!(refused.contains("main_gpu = 1") && refused.contains("no device is to be used"), "{refused}");
    }
}
