//! The counters of NVIDIA's driver. All of them are read without waiting; the calls that sample for 20 ms
//! (`nvmlDeviceGetPcieThroughput`) are not used.

use nvml_wrapper::{
    Device,
    enums::device::SampleValue,
    structs::device::FieldId,
    sys_exports::field_id::{
        NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN as POWER_BRAKE,
        NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN as HW_THERMAL,
        NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP as POWER_CAP,
        NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN as SW_THERMAL,
        NVML_FI_DEV_PCIE_COUNT_RX_BYTES as PCIE_RX, NVML_FI_DEV_PCIE_COUNT_TX_BYTES as PCIE_TX,
        NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT as BOARD_LIMIT,
        NVML_FI_DEV_PERF_POLICY_RELIABILITY as RELIABILITY, NVML_FI_DEV_PERF_POLICY_THERMAL as THERMAL,
    },
};

use super::{GpuCounter, GpuCounts, Participant, Source, meter::EnergyMeter};
use crate::{
    bench::monitor,
    record::{Meter, MeterDomain},
};

/// How long each reason kept the clocks down, in nanoseconds, by the names that conditions have.
const REASONS: [(u32, &str); 7] = [
    (POWER_CAP, "sw_power_cap"),
    (THERMAL, "thermal"),
    (BOARD_LIMIT, "board_limit"),
    (RELIABILITY, "reliability"),
    (SW_THERMAL, "sw_thermal_slowdown"),
    (HW_THERMAL, "hw_thermal_slowdown"),
    (POWER_BRAKE, "hw_power_brake_slowdown"),
];

struct Board(Device<'static>);

impl EnergyMeter for Board {
    /// The driver counts in millijoules, since it was loaded.
    fn read_uj(&mut self) -> Option<u64> {
        self.0.total_energy_consumption().ok()?.checked_mul(1000)
    }

    fn wraps_at_uj(&self) -> Option<u64> {
        None
    }
}

/// The counter of energy of this GPU; `None` if the driver does not know it or has none.
pub(super) fn meter(gpu: &Participant) -> Option<Source> {
    let mut board = Board(monitor::device(gpu.pci_bus_id.as_ref()?)?);
    board.read_uj()?;
    let facts = Meter {
        name: gpu.name.clone(),
        domain: MeterDomain::Gpu,
        source: "nvml".into(),
        limit_uw: board.0.enforced_power_limit().ok().map(|mw| u64::from(mw) * 1000),
        ..Meter::default()
    };
    Some(Source { facts, meter: Box::new(board) })
}

struct Counts {
    device: Device<'static>,
    name: String,
    fields: Vec<FieldId>,
}

/// The counters of throttling and transfers of this GPU; `None` if the driver has none.
pub(super) fn counter(gpu: &Participant) -> Option<Box<dyn GpuCounter>> {
    let device = monitor::device(gpu.pci_bus_id.as_ref()?)?;
    let fields = REASONS.iter().map(|(id, _)| *id).chain([PCIE_TX, PCIE_RX]).map(FieldId).collect();
    let mut counts = Counts { device, name: gpu.name.clone(), fields };
    counts.read().filter(|counts| *counts != GpuCounts::default())?;
    Some(Box::new(counts))
}

impl GpuCounter for Counts {
    fn device(&self) -> &str {
        &self.name
    }

    fn name(&self) -> String {
        self.device.name().unwrap_or_default()
    }

    /// One call for all of them. A count of 32 bits may wrap within a repetition and is left out.
    fn read(&mut self) -> Option<GpuCounts> {
        let mut counts = GpuCounts::default();
        let values = self.device.field_values_for(&self.fields).ok()?;
        for (field, value) in self.fields.iter().zip(values) {
            let value = value.ok().and_then(|sample| sample.value.ok());
            let Some(SampleValue::U64(value)) = value else { continue };
            match field.0 {
                PCIE_TX => counts.pcie_tx_bytes = Some(value),
                PCIE_RX => counts.pcie_rx_bytes = Some(value),
                id => {
                    let reason = REASONS.iter().find(|(of, _)| *of == id).map(|(_, name)| *name);
                    counts.throttled_ns.extend(reason.map(|name| (name.to_owned(), value)));
                }
            }
        }
        Some(counts)
    }
}
