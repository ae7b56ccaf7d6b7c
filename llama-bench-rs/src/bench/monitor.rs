//! The state of NVIDIA's GPUs during a measurement, through the driver's NVML: clocks, temperature, power, and throttling.

use std::{collections::BTreeSet, sync::OnceLock};

use nvml_wrapper::{
    Nvml,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, TemperatureSensor},
};

use crate::record::GpuConditions;

/// The library is loaded once per process, on first use.
fn nvml() -> Option<&'static Nvml> {
    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    NVML.get_or_init(|| Nvml::init().ok()).as_ref()
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

/// One entry per NVIDIA GPU, read now; empty without NVIDIA's driver.
pub(super) fn read() -> Vec<GpuConditions> {
    let Some(nvml) = nvml() else { return Vec::new() };
    let devices = (0..nvml.device_count().unwrap_or(0)).filter_map(|i| nvml.device_by_index(i).ok());
    devices
        .map(|device| {
            let sm_clock = device.clock_info(Clock::SM).ok();
            let held = device.current_throttle_reasons().unwrap_or(ThrottleReasons::empty());
            GpuConditions {
                name: device.name().unwrap_or_default(),
                sm_clock_min_mhz: sm_clock,
                sm_clock_max_mhz: sm_clock,
                sm_clock_limit_mhz: device.max_clock_info(Clock::SM).ok(),
                temperature_max_c: device.temperature(TemperatureSensor::Gpu).ok(),
                power_max_mw: device.power_usage().ok(),
                throttled: throttled(held),
            }
        })
        .collect()
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
