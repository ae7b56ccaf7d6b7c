//! The state of NVIDIA's GPUs during a measurement, through the driver's NVML: clocks, temperature, power, and throttling.

use std::{collections::BTreeSet, sync::OnceLock};

use nvml_wrapper::{
    Device, Nvml,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, TemperatureSensor},
};

use super::metering::Participant;
use crate::record::{DeviceInfo, GpuConditions};

/// The library is loaded once per process, on first use.
fn nvml() -> Option<&'static Nvml> {
    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    NVML.get_or_init(|| Nvml::init().ok()).as_ref()
}

/// The GPU at this place on the PCI bus: the driver and llama.cpp number GPUs differently, CUDA_VISIBLE_DEVICES hides and
/// reorders them.
pub(super) fn device(pci_bus_id: &str) -> Option<Device<'static>> {
    nvml()?.device_by_pci_bus_id(pci_bus_id).ok()
}

/// Driver and CUDA version, such as `NVIDIA 580.159.04, CUDA 13.0`; empty without NVIDIA's driver.
pub(super) fn driver() -> String {
    let Some(nvml) = nvml() else { return String::new() };
    let Ok(driver) = nvml.sys_driver_version() else { return String::new() };
    match nvml.sys_cuda_driver_version() {
        Ok(cuda) => format!("NVIDIA {driver}, CUDA {}.{}", cuda / 1000, cuda % 1000 / 10),
        Err(_) => format!("NVIDIA {driver}"),
    }
}

/// Adds what the driver reports of a device, if it knows it.
pub(super) fn describe(info: &mut DeviceInfo) {
    let Some(device) = info.pci_bus_id.as_deref().and_then(device) else { return };
    let capability = device.cuda_compute_capability().ok();
    info.compute_capability = capability.map(|it| format!("{}.{}", it.major, it.minor));
    info.memory_bus_bits = device.memory_bus_width().ok().filter(|&bits| bits > 0);
    info.memory_clock_max_mhz = device.max_clock_info(Clock::Memory).ok().filter(|&mhz| mhz > 0);
    info.power_limit_mw = device.enforced_power_limit().ok();
}

/// The GPUs that take part, read now; all of them if it is not known which do. Empty without NVIDIA's driver.
pub(super) fn read(participants: Option<&[Participant]>) -> Vec<GpuConditions> {
    let Some(nvml) = nvml() else { return Vec::new() };
    match participants {
        Some(gpus) => {
            let found = |gpu: &Participant| Some(state(&gpu.name, &device(gpu.pci_bus_id.as_deref()?)?));
            gpus.iter().filter_map(found).collect()
        }
        None => {
            let devices = (0..nvml.device_count().unwrap_or(0)).filter_map(|i| nvml.device_by_index(i).ok());
            devices.map(|device| state("", &device)).collect()
        }
    }
}

fn state(name: &str, device: &Device<'_>) -> GpuConditions {
    let sm_clock = device.clock_info(Clock::SM).ok();
    let held = device.current_throttle_reasons().unwrap_or(ThrottleReasons::empty());
    let utilization = device.utilization_rates().ok();
    GpuConditions {
        name: device.name().unwrap_or_default(),
        sm_clock_min_mhz: sm_clock,
        sm_clock_max_mhz: sm_clock,
        sm_clock_limit_mhz: device.max_clock_info(Clock::SM).ok(),
        temperature_max_c: device.temperature(TemperatureSensor::Gpu).ok(),
        power_max_mw: device.power_usage().ok(),
        throttled: throttled(held),
        device: name.to_owned(),
        utilization_max_percent: utilization.as_ref().map(|share| share.gpu),
        memory_utilization_max_percent: utilization.as_ref().map(|share| share.memory),
        ..GpuConditions::default()
    }
}

/// The reasons by name. An idle GPU between repetitions is not throttled.
fn throttled(reasons: ThrottleReasons) -> BTreeSet<String> {
    [
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "applications_clocks_setting"),
        (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync_boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock_setting"),
    ]
    .into_iter()
    .filter(|(reason, _)| reasons.contains(*reason))
    .map(|(_, name)| name.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idling_is_no_throttling() {
        let reasons = ThrottleReasons::GPU_IDLE | ThrottleReasons::SW_POWER_CAP;
        assert_eq!(throttled(reasons), BTreeSet::from(["sw_power_cap".to_owned()]));
    }
}
