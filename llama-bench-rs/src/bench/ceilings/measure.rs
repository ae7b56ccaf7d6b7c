//! Measuring one ceiling.

use std::{path::Path, time::Duration};

use super::{
    groups::{Groups, Repeated, both, either},
    wanted::Rate,
};
use crate::{
    bench::{
        Cancel,
        clock::{Clock as _, MonotonicClock},
        disturbance::Watch,
    },
    llama::{Device, DeviceKind, Probe, ProbeShape},
    record::{Ceiling, CeilingKind, Disturbance},
};

/// Values of a row: a multiple of every type's block.
const N_INNER: u32 = 4096;

/// Memories of the CPU backend that are tried: its own, and those in which it rearranges weights.
const N_BUFFERS: u32 = 4;

/// How much a device is given to do.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// For each way to measure a ceiling.
    span: Duration,
    /// A matrix that is larger than the caches.
    large_bytes: u64,
    /// Bytes that a graph of reads or copies moves at least, so starting it does not count.
    graph_bytes: u64,
    /// Memory that may be taken.
    limit_bytes: u64,
    /// Shapes of products, each rows and inner values, columns, and how many there are in a graph. The fastest counts.
    products: Vec<(u32, u32, u32)>,
    n_buffers: u32,
    /// Pause before each group: a board that is kept busy lowers its clocks to keep its power limit.
    rest: Duration,
    /// Whether the free memory is enough for figures that hold when more is free: a small matrix may lie in a cache.
    pub(super) is_whole: bool,
}

impl Effort {
    /// What suits the device and the memory that it has free.
    pub(super) fn of(device: &Device, n_threads: Option<u32>) -> Self {
        let (free, _) = device.memory_bytes();
        let span = Duration::from_millis(250);
        if device.kind() == DeviceKind::Cpu || device.is_software() {
            let limit_bytes = free / 4;
            let caches = last_level_caches();
            let large =
                caches.map_or(256 << 20, |n_bytes| n_bytes.saturating_mul(4)).clamp(128 << 20, 1 << 30);
            let large_bytes = large.min(limit_bytes / 2);
            let n_threads = n_threads.unwrap_or(1);
            let n_columns = 128 * n_threads.clamp(2, 16);
            Self {
                span,
                large_bytes,
                // A few milliseconds, as products: some are spared even while other programs take their turns.
                graph_bytes: (u64::from(n_threads) << 25).min(1 << 30),
                limit_bytes,
                products: vec![(2048, n_columns, 1), (1024, n_columns, 1)],
                n_buffers: N_BUFFERS,
                rest: Duration::ZERO,
                is_whole: large_bytes == large || caches.is_some_and(|n_bytes| large_bytes / 2 >= n_bytes),
            }
        } else {
            let limit_bytes = free / 2;
            Self {
                span,
                large_bytes: (1 << 30).min(limit_bytes / 2),
                graph_bytes: 4 << 30,
                limit_bytes,
                products: vec![(8192, 2048, 4), (8192, 8192, 1), (16384, 4096, 1)],
                n_buffers: 1,
                rest: Duration::from_millis(30),
                // The largest product, in f32, and a matrix that no cache holds.
                is_whole: limit_bytes >= 3 << 29,
            }
        }
    }

    /// As little as still computes something.
    #[cfg(test)]
    pub(super) fn tiny() -> Self {
        Self {
            span: Duration::from_millis(5),
            large_bytes: 1 << 20,
            graph_bytes: 1 << 20,
            limit_bytes: 64 << 20,
            products: vec![(256, 8, 1)],
            n_buffers: N_BUFFERS,
            rest: Duration::ZERO,
            is_whole: true,
        }
    }

    fn shapes(&self, rate: Rate, n_threads: Option<u32>) -> Vec<ProbeShape> {
        let Rate { kind, data_type, .. } = rate;
        let shape = ProbeShape {
            data_type,
            buffer: 0,
            n_threads,
            n_nodes: 1,
            n_inner: N_INNER,
            n_rows: 1,
            n_columns: None,
        };
        let shapes = match kind {
            CeilingKind::Product => {
                let of = |&(n_rows, n_columns, n_nodes): &(u32, u32, u32)| {
                    let n_columns = Some(rate.n_columns.unwrap_or(n_columns));
                    ProbeShape { n_nodes, n_inner: n_rows, n_rows, n_columns, ..shape }
                };
                self.products.iter().map(of).collect()
            }
            CeilingKind::Copy | CeilingKind::Read => {
                let asked = rate.matrix_bytes.unwrap_or(self.large_bytes);
                let n_rows = u32::try_from(asked / shape.matrix_bytes().max(1)).unwrap_or(u32::MAX).max(1);
                let n_columns = (kind == CeilingKind::Read).then_some(1);
                let shape = ProbeShape { n_rows, n_columns, ..shape };
                let n_nodes = (self.graph_bytes / shape.matrix_bytes().max(1)).clamp(1, 1024) as u32;
                vec![ProbeShape { n_nodes, ..shape }]
            }
        };
        shapes.into_iter().filter(|shape| shape.memory_bytes() <= self.limit_bytes).collect()
    }
}

/// Measures a ceiling; `None` if the device cannot do this, has no memory for it, or it was cancelled.
pub(super) fn measure(
    device: Device,
    n_threads: Option<u32>,
    rate: Rate,
    effort: &Effort,
    cancel: &Cancel,
) -> Option<Ceiling> {
    // Copies are of plain memory.
    let n_buffers = if rate.kind == CeilingKind::Copy { 1 } else { effort.n_buffers };
    let shapes = effort.shapes(rate, n_threads);
    let mut watch = Watch::default();
    let mut of_buffers = Vec::new();
    for buffer in 0..n_buffers {
        let mut ways = Vec::new();
        for shape in &shapes {
            if cancel.is_cancelled() {
                return None;
            }
            let shape = ProbeShape { buffer, ..*shape };
            let amount = if rate.kind == CeilingKind::Product { shape.flops() } else { shape.bytes() };
            let groups = times(device, shape, effort, &mut watch, cancel);
            ways.extend(groups.map(|groups| Way { amount, groups }));
        }
        of_buffers.push(ways);
    }
    ceiling(rate, &of_buffers)
}

/// One way to measure a ceiling.
struct Way {
    /// Bytes or operations of a repetition.
    amount: f64,
    groups: Groups,
}

/// The fastest way, of those of each memory of the device. Which memory is the fastest shows only if each was measured
/// undisturbed; of the shapes of a product, which differ by little, one is enough.
fn ceiling(rate: Rate, of_buffers: &[Vec<Way>]) -> Option<Ceiling> {
    let per_second = |way: &Way| way.amount / way.groups.fastest().as_secs_f64();
    let fastest = of_buffers.iter().flatten().max_by(|a, b| per_second(a).total_cmp(&per_second(b)))?;
    let state = |ways: &Vec<Way>| ways.iter().map(|way| way.groups.is_disturbed()).reduce(either);
    Some(Ceiling {
        kind: rate.kind,
        data_type: rate.data_type.name().into(),
        n_columns: rate.n_columns,
        matrix_bytes: rate.matrix_bytes,
        per_second: per_second(fastest),
        lower: fastest.amount / fastest.groups.slowest().as_secs_f64(),
        upper: per_second(fastest),
        n: fastest.groups.n,
        disturbed: of_buffers.iter().filter_map(state).reduce(both).flatten(),
    })
}

/// The times of one way; `None` if it cannot be computed or was cancelled.
fn times(
    device: Device,
    shape: ProbeShape,
    effort: &Effort,
    watch: &mut Watch,
    cancel: &Cancel,
) -> Option<Groups> {
    let mut probe = match Probe::new(device, shape) {
        Ok(probe) => probe,
        Err(why) => {
            tracing::debug!("{why}");
            return None;
        }
    };
    // Clocks rise and kernels are chosen in the first runs.
    let clock = MonotonicClock::start();
    while clock.now() < effort.span / 4 {
        probe.run().ok()?;
    }
    let mut timed = Timed { probe, clock, watch, n_threads: shape.n_threads, cancel };
    Groups::measure(&mut timed, &clock, (effort.span, effort.rest))
}

/// A probe whose runs are timed and watched.
struct Timed<'a> {
    probe: Probe,
    clock: MonotonicClock,
    watch: &'a mut Watch,
    /// Threads of a CPU. Beside another device only the thread that waits for it is watched: how busy the cores are does
    /// not matter to kernels that run on the device.
    n_threads: Option<u32>,
    cancel: &'a Cancel,
}

impl Repeated for Timed<'_> {
    fn repeat(&mut self) -> Option<(Duration, Option<Disturbance>)> {
        if self.cancel.is_cancelled() {
            return None;
        }
        self.watch.begin(self.n_threads);
        let start = self.clock.now();
        self.probe.run().ok()?;
        let elapsed = self.clock.now() - start;
        Some((elapsed, self.watch.end(elapsed)))
    }
}

/// Bytes of the last-level caches of all cores together: some processors have one for every few cores. `None` if the system
/// does not say.
fn last_level_caches() -> Option<u64> {
    last_level_caches_in(Path::new("/sys/devices/system/cpu"))
}

fn last_level_caches_in(cpus: &Path) -> Option<u64> {
    let read = |cache: &Path, name: &str| std::fs::read_to_string(cache.join(name)).ok();
    let mut found: Vec<(String, u64)> = Vec::new();
    for cpu in std::fs::read_dir(cpus).ok()?.flatten() {
        let Ok(caches) = std::fs::read_dir(cpu.path().join("cache")) else { continue };
        let sizes = caches.flatten().filter_map(|cache| {
            let n_bytes = cache_bytes(&read(&cache.path(), "size")?)?;
            let shared = read(&cache.path(), "shared_cpu_list");
            Some((n_bytes, shared.unwrap_or_else(|| cpu.file_name().to_string_lossy().into_owned())))
        });
        let Some((n_bytes, shared)) = sizes.max() else { continue };
        if !found.iter().any(|(known, _)| *known == shared) {
            found.push((shared, n_bytes));
        }
    }
    let sum = found.iter().fold(0_u64, |sum, (_, n_bytes)| sum.saturating_add(*n_bytes));
    (sum > 0).then_some(sum)
}

/// What the kernel writes of a size: `32768K`.
fn cache_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix('K') {
        Some(number) => (number, 1 << 10),
        None => (text.strip_suffix('M')?, 1 << 20),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::{super::groups::N_GROUPS, *};
    use crate::{gguf::TensorType, llama::Backend};

    fn rate(kind: CeilingKind, data_type: TensorType) -> Rate {
        Rate { kind, data_type, n_columns: None, matrix_bytes: None }
    }

    #[test]
    fn the_cpu_has_ceilings_of_every_kind() {
        let cpu = Backend::init().unwrap().device("CPU").unwrap();
        for (kind, data_type) in [
            (CeilingKind::Copy, TensorType::F32),
            (CeilingKind::Read, TensorType::F16),
            (CeilingKind::Read, TensorType::Q4_0),
            (CeilingKind::Product, TensorType::Q4_K),
        ] {
            let measured =
                measure(cpu, Some(1), rate(kind, data_type), &Effort::tiny(), &Cancel::new()).unwrap();
            assert!(rate(kind, data_type).is(&measured));
            assert!(measured.n >= N_GROUPS, "{measured:?}");
            assert!(0.0 < measured.lower && measured.lower <= measured.per_second, "{measured:?}");
            assert_eq!(measured.per_second, measured.upper);
            // No machine is slower than this, or faster.
            assert!((1e6..1e14).contains(&measured.per_second), "{measured:?}");
        }
    }

    #[test]
    fn what_a_device_cannot_do_has_no_ceiling_and_neither_what_was_cancelled() {
        let cpu = Backend::init().unwrap().device("CPU").unwrap();
        let product = rate(CeilingKind::Product, TensorType::F16);
        let integers = rate(CeilingKind::Product, TensorType::I32);
        assert_eq!(measure(cpu, Some(1), integers, &Effort::tiny(), &Cancel::new()), None);
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(measure(cpu, Some(1), product, &Effort::tiny(), &cancel), None);
        let none = Effort { limit_bytes: 1000, ..Effort::tiny() };
        assert_eq!(measure(cpu, Some(1), product, &none, &Cancel::new()), None);
    }

    #[test]
    fn the_fastest_way_counts_and_each_memory_is_measured_undisturbed() {
        let way = |amount: f64, state| Way { amount, groups: Groups::of([(10, state), (20, state)]) };
        let (quiet, busy, unknown) = (Some(false), Some(true), None);
        let of = |buffers: &[&[(f64, Option<bool>)]]| {
            let ways = |ways: &&[(f64, Option<bool>)]| ways.iter().map(|&(n, it)| way(n, it)).collect();
            let buffers: Vec<Vec<Way>> = buffers.iter().map(ways).collect();
            let found = ceiling(rate(CeilingKind::Product, TensorType::F16), &buffers)?;
            assert_eq!((found.upper, found.lower), (found.per_second, found.per_second / 2.0));
            Some((found.per_second.round() as u64, found.disturbed))
        };
        assert_eq!(of(&[&[(1.0, quiet), (2.0, quiet)], &[(3.0, quiet)]]), Some((300, quiet)));
        // Another shape of the same memory was measured.
        assert_eq!(of(&[&[(1.0, busy), (2.0, quiet)], &[(3.0, quiet), (2.0, busy)]]), Some((300, quiet)));
        // The second memory may be faster than the first.
        assert_eq!(of(&[&[(5.0, quiet)], &[(3.0, busy), (2.0, busy)]]), Some((500, busy)));
        assert_eq!(of(&[&[(5.0, busy)], &[(3.0, unknown)]]), Some((500, busy)));
        assert_eq!(of(&[&[(5.0, quiet)], &[], &[(3.0, unknown)]]), Some((500, unknown)));
        assert_eq!(of(&[&[], &[]]), None);
    }

    #[test]
    fn reads_are_as_large_as_asked_and_fill_a_graph() {
        let read = Rate { matrix_bytes: Some(1 << 18), ..rate(CeilingKind::Read, TensorType::F16) };
        let shape = Effort::tiny().shapes(read, None)[0];
        assert_eq!((shape.matrix_bytes(), shape.n_nodes, shape.n_columns), (1 << 18, 4, Some(1)));
        let columns = Rate { n_columns: Some(64), ..rate(CeilingKind::Product, TensorType::F16) };
        assert_eq!(Effort::tiny().shapes(columns, None)[0].n_columns, Some(64));
    }

    #[test]
    fn last_level_caches_count_once_for_the_cores_that_share_them() {
        let cpus = tempfile::tempdir().unwrap();
        for (cpu, shared) in [("cpu0", "0-1"), ("cpu1", "0-1"), ("cpu2", "2-3"), ("cpu3", "2-3")] {
            for (index, size, shared) in [("index0", "32K", cpu), ("index3", "32768K", shared)] {
                let cache = cpus.path().join(cpu).join("cache").join(index);
                std::fs::create_dir_all(&cache).unwrap();
                std::fs::write(cache.join("size"), format!("{size}\n")).unwrap();
                std::fs::write(cache.join("shared_cpu_list"), format!("{shared}\n")).unwrap();
            }
        }
        std::fs::create_dir(cpus.path().join("cpufreq")).unwrap();
        assert_eq!(last_level_caches_in(cpus.path()), Some(64 << 20));
        assert_eq!(last_level_caches_in(&cpus.path().join("cpufreq")), None);
    }

    #[test]
    fn sizes_of_caches_are_read_as_the_kernel_writes_them() {
        assert_eq!(cache_bytes("32768K\n"), Some(32 << 20));
        assert_eq!(cache_bytes("1M"), Some(1 << 20));
        assert_eq!((cache_bytes("12"), cache_bytes("")), (None, None));
    }
}
