use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The state of one GPU over the repetitions of a cell, read right after each of them, never inside one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GpuConditions {
    /// Its name, such as `NVIDIA H200`.
    pub name: String,
    /// Lowest clock of the multiprocessors seen, in MHz.
    pub sm_clock_min_mhz: Option<u32>,
    /// Highest one seen, in MHz.
    pub sm_clock_max_mhz: Option<u32>,
    /// The clock that it can reach, in MHz.
    pub sm_clock_limit_mhz: Option<u32>,
    /// Highest temperature seen, in degrees Celsius.
    pub temperature_max_c: Option<u32>,
    /// Highest power draw seen, in milliwatts.
    pub power_max_mw: Option<u32>,
    /// What kept its clocks down, in the driver's words, such as `sw_power_cap`; idling is left out.
    pub throttled: BTreeSet<String>,
}

impl GpuConditions {
    /// Takes another reading of the same GPU into account.
    pub fn merge(&mut self, other: &Self) {
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        let most = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).max();
        self.sm_clock_min_mhz = least(self.sm_clock_min_mhz, other.sm_clock_min_mhz);
        self.sm_clock_max_mhz = most(self.sm_clock_max_mhz, other.sm_clock_max_mhz);
        self.sm_clock_limit_mhz = most(self.sm_clock_limit_mhz, other.sm_clock_limit_mhz);
        self.temperature_max_c = most(self.temperature_max_c, other.temperature_max_c);
        self.power_max_mw = most(self.power_max_mw, other.power_max_mw);
        self.throttled.extend(other.throttled.iter().cloned());
    }
}

/// Takes a reading of every GPU into account, matched by place.
pub fn merge_conditions(all: &mut Vec<GpuConditions>, reading: &[GpuConditions]) {
    for (i, gpu) in reading.iter().enumerate() {
        match all.get_mut(i) {
            Some(known) => known.merge(gpu),
            None => all.push(gpu.clone()),
        }
    }
}
