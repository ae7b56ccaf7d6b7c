use std::{collections::BTreeSet, fmt};

use super::{Level, Say};
use crate::{
    record::{GpuConditions, Run, Test},
    report::in_words::{count, one_line},
};

/// What a GPU did while it was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conditions {
    /// Its clocks were held down: the figures are lower than it can do.
    Throttled {
        /// Its name.
        gpu: String,
        /// What held them down, in the driver's words.
        reasons: BTreeSet<String>,
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
        /// Lowest and highest clock seen, in MHz.
        sm_clock_mhz: Option<(u32, u32)>,
        /// Highest temperature seen, in degrees Celsius.
        temperature_max_c: Option<u32>,
        /// Highest power draw seen, in milliwatts.
        power_max_mw: Option<u32>,
    },
}

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
        readings.iter().for_each(|(_, reading)| all.merge(reading));
        let throttled: Vec<Test> = readings
            .iter()
            .filter(|(_, reading)| !reading.throttled.is_empty())
            .map(|(test, _)| *test)
            .collect();
        Some(match throttled.first() {
            Some(&test) => Conditions::Throttled {
                gpu: all.name,
                reasons: all.throttled,
                n_cells: throttled.len(),
                test,
                sm_clock_mhz: (all.sm_clock_min_mhz, all.sm_clock_limit_mhz),
            },
            None => Conditions::Free {
                gpu: all.name,
                sm_clock_mhz: all.sm_clock_min_mhz.zip(all.sm_clock_max_mhz),
                temperature_max_c: all.temperature_max_c,
                power_max_mw: all.power_max_mw,
            },
        })
    };
    (0..n_gpus).filter_map(of_gpu).collect()
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
            Conditions::Throttled { gpu, reasons, n_cells, test, sm_clock_mhz } => {
                let reasons: Vec<String> = reasons.iter().map(|reason| one_line(reason)).collect();
                write!(
                    f,
                    "The clocks of {} were held down ({}) in {}, first in {test}",
                    name(gpu),
                    reasons.join(", "),
                    count(*n_cells, "cell")
                )?;
                match sm_clock_mhz {
                    (Some(lowest), Some(limit)) => write!(f, ": as low as {lowest} MHz of {limit} MHz.")?,
                    (Some(lowest), None) => write!(f, ": as low as {lowest} MHz.")?,
                    (None, _) => write!(f, ".")?,
                }
                write!(f, " It can do more than these figures.")
            }
            Conditions::Free { gpu, sm_clock_mhz, temperature_max_c, power_max_mw } => {
                write!(f, "Nothing held the clocks of {} down", name(gpu))?;
                let facts = [
                    sm_clock_mhz.map(|(low, high)| {
                        if low == high { format!("{low} MHz") } else { format!("{low} to {high} MHz") }
                    }),
                    temperature_max_c.map(|degrees| format!("at most {degrees} °C")),
                    power_max_mw.map(|mw| format!("at most {:.0} W", f64::from(mw) / 1e3)),
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

fn name(gpu: &str) -> String {
    let name = one_line(gpu);
    if name.is_empty() { "the GPU".into() } else { name }
}
