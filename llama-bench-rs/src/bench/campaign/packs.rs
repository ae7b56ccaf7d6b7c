//! Which configurations are interleaved with each other.

use std::collections::BTreeMap;

use crate::bench::MemoryEstimate;

/// The part of the free memory that contexts may take together: how much is free is an estimate. A context that does not
/// fit is measured alone.
const PART: (u64, u64) = (3, 4);

/// Groups successive configurations whose contexts fit into memory together. A configuration whose memory is not known, or
/// that must not share the machine, is alone.
pub(super) fn packs(estimates: &[Option<MemoryEstimate>]) -> Vec<Vec<usize>> {
    let mut packs: Vec<(Vec<usize>, Load)> = Vec::new();
    for (i, estimate) in estimates.iter().enumerate() {
        let load = estimate.as_ref().map(Load::of);
        match (packs.last_mut(), load) {
            (Some((pack, taken)), Some(load)) if !taken.is_alone && taken.has_room_for(&load) => {
                pack.push(i);
                taken.add(&load);
            }
            (_, load) => packs.push((vec![i], load.unwrap_or(Load { is_alone: true, ..Load::default() }))),
        }
    }
    packs.into_iter().map(|(pack, _)| pack).collect()
}

/// Bytes that contexts take, and bytes that are free, by device.
#[derive(Default)]
struct Load {
    bytes: BTreeMap<String, u64>,
    free_bytes: BTreeMap<String, u64>,
    is_alone: bool,
}

impl Load {
    fn of(estimate: &MemoryEstimate) -> Self {
        let bytes = |(name, estimate): (&String, &crate::bench::DeviceEstimate)| {
            // A snapshot of what removal cannot bring back is on the device or on the host.
            (name.clone(), estimate.total_bytes() + estimate.partial_bytes)
        };
        let free = |(name, estimate): (&String, &crate::bench::DeviceEstimate)| {
            Some((name.clone(), estimate.free_bytes?))
        };
        Self {
            bytes: estimate.devices.iter().map(bytes).collect(),
            free_bytes: estimate.devices.iter().filter_map(free).collect(),
            is_alone: false,
        }
    }

    fn has_room_for(&self, other: &Self) -> bool {
        other.bytes.iter().all(|(name, bytes)| {
            let free = other.free_bytes.get(name).or(self.free_bytes.get(name));
            let sum = bytes.saturating_add(self.bytes.get(name).copied().unwrap_or(0));
            let (part, whole) = PART;
            free.is_none_or(|free| sum <= free / whole * part)
        })
    }

    fn add(&mut self, other: &Self) {
        for (name, bytes) in &other.bytes {
            let sum = self.bytes.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::DeviceEstimate;

    fn estimate(bytes: &[(&str, u64, Option<u64>)]) -> Option<MemoryEstimate> {
        let device = |&(name, context_bytes, free_bytes): &(&str, u64, Option<u64>)| {
            (name.to_owned(), DeviceEstimate { context_bytes, free_bytes, ..DeviceEstimate::default() })
        };
        Some(MemoryEstimate { n_ctx: 256, n_seqs: 1, devices: bytes.iter().map(device).collect() })
    }

    #[test]
    fn contexts_that_fit_together_are_a_pack() {
        let one = || estimate(&[("CPU", 300, Some(1000))]);
        // Two take 600 of 750, three would take 900.
        assert_eq!(packs(&[one(), one(), one(), one(), one()]), [vec![0, 1], vec![2, 3], vec![4]]);
        let small = || estimate(&[("CPU", 10, Some(1000))]);
        assert_eq!(packs(&[small(), small(), small()]), [[0, 1, 2]]);
        assert!(packs(&[]).is_empty());
    }

    #[test]
    fn every_device_must_have_room() {
        let one = || estimate(&[("CPU", 1, Some(1000)), ("CUDA0", 500, Some(1000))]);
        let on_cpu = || estimate(&[("CPU", 1, Some(1000))]);
        assert_eq!(packs(&[one(), on_cpu(), one()]), [vec![0, 1], vec![2]]);
        let unknown = || estimate(&[("CUDA0", u64::MAX, None)]);
        assert_eq!(packs(&[unknown(), unknown()]), [[0, 1]]);
    }

    #[test]
    fn what_does_not_tell_its_needs_is_alone_and_so_is_what_is_too_large() {
        let small = || estimate(&[("CPU", 10, Some(1000))]);
        assert_eq!(packs(&[small(), None, small(), small()]), [vec![0], vec![1], vec![2, 3]]);
        let large = || estimate(&[("CPU", 5000, Some(1000))]);
        assert_eq!(packs(&[large(), small(), large()]), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn snapshots_count() {
        let device = DeviceEstimate { context_bytes: 100, partial_bytes: 300, ..DeviceEstimate::default() };
        let device = DeviceEstimate { free_bytes: Some(1000), ..device };
        let one =
            || Some(MemoryEstimate { n_ctx: 1, n_seqs: 1, devices: [("CPU".to_owned(), device)].into() });
        assert_eq!(packs(&[one(), one()]), [vec![0], vec![1]]);
    }
}
