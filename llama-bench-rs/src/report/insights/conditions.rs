use std::{collections::BTreeSet, fmt};

use super::{Level, Say};
use crate::{
    record::{GpuConditions, Run, Test},
    report::in_words::{bytes, count, one_line, percent},
    units::Share,
};

/// What a GPU did while it was measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Conditions {
    /// Its clocks were held down: the figures are lower than it can do.
    Throttled {
        /// Its name.
        gpu: String,
        /// Which device it is in llama.cpp; empty if a file does not say, or there is but one.
        device: String,
        /// What held them down, in the driver's words.
        reasons: BTreeSet<String>,
        /// What held them down for how much of the measured time, the longest first; empty if the driver does not count.
        shares: Vec<(String, f64)>,
        /// Cells in which they were.
        n_cells: usize,
        /// The first of them.
        test: Test,
        /// Lowest clock seen and the highest possible one, in MHz; `None` if unknown.
        sm_clock_mhz: (Option<u32>, Option<u32>),
    },
    /// Nothing held it down.
    Free {
        /// Its name.
        gpu: String,
        /// Which device it is in llama.cpp; empty if a file does not say, or there is but one.
        device: String,
        /// Lowest and highest clock seen, in MHz.
        sm_clock_mhz: Option<(u32, u32)>,
        /// Highest temperature seen, in degrees Celsius.
        temperature_max_c: Option<u32>,
        /// Highest power draw seen, in milliwatts.
        power_max_mw: Option<u32>,
        /// Highest utilisation seen of the GPU and of its memory, in percent.
        utilization_percent: [Option<u32>; 2],
        /// Bytes per second sent and received over PCIe, while it was measured.
        pcie_bytes_per_second: [Option<u64>; 2],
    },
}

/// Clocks that were held down for less of the time than this do not count.
const HELD_DOWN: f64 = 0.01;

/// One statement per GPU with known conditions, in the driver's order.
pub(super) fn conditions(run: &Run) -> Vec<Conditions> {
    let cells: Vec<(Test, &[GpuConditions])> = run
        .cells
        .iter()
        .filter_map(|cell| Some((cell.test, cell.measured()?.conditions.as_slice())))
        .collect();
    let n_gpus = cells.iter().map(|(_, gpus)| gpus.len()).max().unwrap_or(0);
    let of_gpu = |i: usize| {
        let readings: Vec<(Test, &GpuConditions)> =
            cells.iter().filter_map(|(test, gpus)| Some((*test, gpus.get(i)?))).collect();
        let mut all = readings.first()?.1.clone();
        readings.iter().skip(1).for_each(|(_, reading)| all.merge(reading));
        let throttled: Vec<Test> =
            readings.iter().filter(|(_, reading)| is_held_down(reading)).map(|(test, _)| *test).collect();
        let device = if n_gpus > 1 { all.device.clone() } else { String::new() };
        Some(match throttled.first() {
            Some(&test) => Conditions::Throttled {
                gpu: all.name.clone(),
                device,
                shares: shares(&all),
                reasons: all.throttled,
                n_cells: throttled.len(),
                test,
                sm_clock_mhz: (all.sm_clock_min_mhz, all.sm_clock_limit_mhz),
            },
            None => {
                let rate = |bytes: Option<u64>| {
                    let seconds = all.watched_ns.filter(|&ns| ns > 0)? as f64 / 1e9;
                    Some((bytes? as f64 / seconds) as u64)
                };
                Conditions::Free {
                    pcie_bytes_per_second: [rate(all.pcie_tx_bytes), rate(all.pcie_rx_bytes)],
                    gpu: all.name,
                    device,
                    sm_clock_mhz: all.sm_clock_min_mhz.zip(all.sm_clock_max_mhz),
                    temperature_max_c: all.temperature_max_c,
                    power_max_mw: all.power_max_mw,
                    utilization_percent: [all.utilization_max_percent, all.memory_utilization_max_percent],
                }
            }
        })
    };
    (0..n_gpus).filter_map(of_gpu).collect()
}

/// By a reason that was seen, or that the driver counted for long enough.
fn is_held_down(reading: &GpuConditions) -> bool {
    !reading.throttled.is_empty() || !shares(reading).is_empty()
}

fn shares(gpu: &GpuConditions) -> Vec<(String, f64)> {
    let all = gpu.throttled_shares().into_iter().filter(|(_, share)| *share >= HELD_DOWN);
    all.map(|(reason, share)| (reason.to_owned(), share)).collect()
}

/// A reason in words, with the driver's word for those who look it up.
fn reason(name: &str) -> String {
    let words = match name {
        "sw_power_cap" => "the power limit",
        "hw_power_brake_slowdown" => "the power supply's brake",
        "thermal" | "sw_thermal_slowdown" => "heat",
        "hw_thermal_slowdown" => "heat, by the hardware",
        "hw_slowdown" => "the hardware: heat or power",
        "board_limit" => "a limit of the board",
        "reliability" => "the voltage's limit",
        "sync_boost" => "another GPU of its boost group",
        "applications_clocks_setting" => "clocks that were set",
        "display_clock_setting" => "a display's clocks",
        _ => return one_line(name),
    };
    format!("{words}, {name}")
}

impl Say for Conditions {
    fn level(&self) -> Level {
        match self {
            Conditions::Throttled { .. } => Level::Warning,
            Conditions::Free { .. } => Level::Good,
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conditions::Throttled { gpu, device, reasons, shares, n_cells, test, sm_clock_mhz } => {
                let seen = reasons.iter().filter(|name| !shares.iter().any(|(counted, _)| counted == *name));
                let counted = shares.iter().map(|(name, share)| {
                    let share = Share::new(*share).map_or_else(String::new, percent);
                    format!("{}, {share} of the measured time", reason(name))
                });
                let reasons: Vec<String> = counted.chain(seen.map(|name| reason(name))).collect();
                write!(
                    f,
                    "The clocks of {} were held down ({}) in {}, first in {test}",
                    name(gpu, device),
                    reasons.join("; "),
                    count(*n_cells, "cell")
                )?;
                match sm_clock_mhz {
                    (Some(lowest), Some(limit)) => write!(f, ": as low as {lowest} MHz of {limit} MHz.")?,
                    (Some(lowest), None) => write!(f, ": as low as {lowest} MHz.")?,
                    (None, _) => write!(f, ".")?,
                }
                write!(f, " It can do more than these figures.")
            }
            Conditions::Free {
                gpu,
                device,
                sm_clock_mhz,
                temperature_max_c,
                power_max_mw,
                utilization_percent: [busy, memory],
                pcie_bytes_per_second: [sent, received],
            } => {
                write!(f, "Nothing held the clocks of {} down", name(gpu, device))?;
                let facts = [
                    sm_clock_mhz.map(|(low, high)| {
                        if low == high { format!("{low} MHz") } else { format!("{low} to {high} MHz") }
                    }),
                    temperature_max_c.map(|degrees| format!("at most {degrees} °C")),
                    power_max_mw.map(|mw| format!("at most {:.0} W", f64::from(mw) / 1e3)),
                    busy.map(|busy| format!("at most {busy} % busy")),
                    memory.map(|memory| format!("its memory at most {memory} %")),
                    sent.map(|sent| format!("{}/s sent over PCIe", bytes(sent))),
                    received.map(|received| format!("{}/s received", bytes(received))),
                ];
                let facts: Vec<String> = facts.into_iter().flatten().collect();
                if !facts.is_empty() {
                    write!(f, " ({})", facts.join(", "))?;
                }
                write!(f, ".")
            }
        }
    }
}

/// `NVIDIA H200`, or `CUDA1 (NVIDIA H200)` among several.
fn name(gpu: &str, device: &str) -> String {
    let (name, device) = (one_line(gpu), one_line(device));
    match (name.is_empty(), device.is_empty()) {
        (true, true) => "the GPU".into(),
        (false, true) => name,
        (true, false) => device,
        (false, false) => format!("{device} ({name})"),
    }
}
