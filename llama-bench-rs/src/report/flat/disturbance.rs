use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::from_record::ns;
use crate::record::Disturbance;

/// What other programs took from a repetition ([`Disturbance`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FlatDisturbance {
    /// Threads that computed on the CPU; `None` if a device computed as well.
    pub n_threads: Option<u32>,
    /// Time of the measuring thread on a core.
    pub on_core_ns: Option<u64>,
    /// The longest wait of a thread for a core.
    pub waited_ns: Option<u64>,
    /// How often the measuring thread was taken off its core.
    pub n_preempted: Option<u64>,
    /// Time that the hypervisor gave to other machines.
    pub stolen_ns: Option<u64>,
    /// Time in which some program of the machine waited for a core.
    pub pressure_ns: Option<u64>,
    /// Instructions retired.
    pub n_instructions: Option<u64>,
    /// Time on a core of the calibration loop.
    pub pace_on_core_ns: Option<u64>,
}

impl From<&Disturbance> for FlatDisturbance {
    fn from(disturbance: &Disturbance) -> Self {
        let Disturbance {
            n_threads,
            on_core,
            waited,
            n_preempted,
            stolen,
            pressure,
            n_instructions,
            calibration_on_core,
        } = *disturbance;
        Self {
            n_threads,
            on_core_ns: on_core.map(ns),
            waited_ns: waited.map(ns),
            n_preempted,
            stolen_ns: stolen.map(ns),
            pressure_ns: pressure.map(ns),
            n_instructions,
            pace_on_core_ns: calibration_on_core.map(ns),
        }
    }
}

impl From<&FlatDisturbance> for Disturbance {
    fn from(flat: &FlatDisturbance) -> Self {
        let FlatDisturbance {
            n_threads,
            on_core_ns,
            waited_ns,
            n_preempted,
            stolen_ns,
            pressure_ns,
            n_instructions,
            pace_on_core_ns,
        } = *flat;
        let time = |ns: Option<u64>| ns.map(Duration::from_nanos);
        Self {
            n_threads,
            on_core: time(on_core_ns),
            waited: time(waited_ns),
            n_preempted,
            stolen: time(stolen_ns),
            pressure: time(pressure_ns),
            n_instructions,
            calibration_on_core: time(pace_on_core_ns),
        }
    }
}
