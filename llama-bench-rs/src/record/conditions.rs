use std::collections::{BTreeMap, BTreeSet};

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
    /// The device that it is in llama.cpp, such as `CUDA0`; empty if a file does not say.
    pub device: String,
    /// Highest share of the driver's last sampling period in which it computed, in percent.
    pub utilization_max_percent: Option<u32>,
    /// Highest share of that period in which its memory was read or written, in percent.
    pub memory_utilization_max_percent: Option<u32>,
    /// Time of the repetitions that the counters below were read around, in nanoseconds.
    pub watched_ns: Option<u64>,
    /// Of it, how long each reason kept its clocks down, in nanoseconds, by the names of `throttled`.
    pub throttled_ns: BTreeMap<String, u64>,
    /// Bytes that it sent over PCIe meanwhile.
    pub pcie_tx_bytes: Option<u64>,
    /// Bytes that it received over PCIe meanwhile.
    pub pcie_rx_bytes: Option<u64>,
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
        self.utilization_max_percent = most(self.utilization_max_percent, other.utilization_max_percent);
        self.memory_utilization_max_percent =
            most(self.memory_utilization_max_percent, other.memory_utilization_max_percent);
        let sum = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).reduce(u64::saturating_add);
        self.watched_ns = sum(self.watched_ns, other.watched_ns);
        self.pcie_tx_bytes = sum(self.pcie_tx_bytes, other.pcie_tx_bytes);
        self.pcie_rx_bytes = sum(self.pcie_rx_bytes, other.pcie_rx_bytes);
        for (reason, ns) in &other.throttled_ns {
            let known = self.throttled_ns.entry(reason.clone()).or_default();
            *known = known.saturating_add(*ns);
        }
    }

    /// For each reason the share of the watched time in which it kept the clocks down, the largest first.
    pub fn throttled_shares(&self) -> Vec<(&str, f64)> {
        let Some(watched) = self.watched_ns.filter(|&ns| ns > 0) else { return Vec::new() };
        let share = |ns: u64| (ns as f64 / watched as f64).min(1.0);
        let mut all: Vec<(&str, f64)> =
            self.throttled_ns.iter().map(|(reason, &ns)| (reason.as_str(), share(ns))).collect();
        all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        all
    }
}

/// Takes a reading of every GPU into account, matched by device, or by place if a file does not name the devices.
pub fn merge_conditions<'a>(
    all: &mut Vec<GpuConditions>,
    reading: impl IntoIterator<Item = &'a GpuConditions>,
) {
    for (i, gpu) in reading.into_iter().enumerate() {
        let at = if gpu.device.is_empty() {
            Some(i)
        } else {
            all.iter().position(|known| known.device == gpu.device)
        };
        match at.and_then(|at| all.get_mut(at)) {
            Some(known) => known.merge(gpu),
            None => all.push(gpu.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(device: &str, power: u64, watched: u64) -> GpuConditions {
        GpuConditions {
            device: device.into(),
            watched_ns: Some(watched),
            throttled_ns: BTreeMap::from([("sw_power_cap".into(), power)]),
            pcie_rx_bytes: Some(10),
            ..GpuConditions::default()
        }
    }

    #[test]
    fn devices_are_matched_by_name_and_counts_are_summed() {
        let mut all = vec![gpu("CUDA0", 0, 100), gpu("CUDA1", 30, 100)];
        // The second alone took part in this reading.
        merge_conditions(&mut all, &[gpu("CUDA1", 50, 100)]);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].throttled_shares(), [("sw_power_cap", 0.0)]);
        assert_eq!(all[1].throttled_shares(), [("sw_power_cap", 0.4)]);
        assert_eq!(
            (all[1].watched_ns, all[1].pcie_rx_bytes, all[1].pcie_tx_bytes),
            (Some(200), Some(20), None)
        );
        merge_conditions(&mut all, &[gpu("CUDA2", 0, 1)]);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn old_files_are_matched_by_place() {
        let mut all = vec![gpu("", 0, 10)];
        merge_conditions(&mut all, &[gpu("", 5, 10), gpu("", 0, 10)]);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].throttled_shares(), [("sw_power_cap", 0.25)]);
    }
}
