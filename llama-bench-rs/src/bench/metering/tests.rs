//! Known power on a fake clock, and a fake tree of sysfs: no hardware, no time.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::*;
use crate::{
    record::{Cell, Header, Measured, MeterDomain, Outcome, Sample, tg},
    stats::Rng,
};

const MS: Duration = Duration::from_millis(1);

/// A clock that can be sent to another thread, as meters may be.
#[derive(Clone, Default)]
struct Time(Arc<Mutex<Duration>>);

impl Clock for Time {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wait(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }

    fn utc(&self) -> Option<Duration> {
        Some(Duration::from_secs(1_700_000_000) + self.now())
    }
}

/// A device that draws `busy_w` while it works and `idle_w` otherwise, behind a counter with a period.
struct Fake {
    time: Time,
    state: Arc<Mutex<State>>,
    period: Duration,
    phase: Duration,
    wraps_at: Option<u64>,
    /// When it can no longer be read.
    gone_at: Duration,
    /// When it begins at 0 again.
    reset_at: Duration,
}

#[derive(Default)]
struct State {
    /// When the power changed, with the microjoules until then.
    since: Duration,
    uj: f64,
    watts: f64,
    /// Earlier changes: begin, microjoules until then, watts.
    past: Vec<(Duration, f64, f64)>,
}

impl State {
    fn set(&mut self, now: Duration, watts: f64) {
        let uj = self.uj + self.watts * 1e6 * (now - self.since).as_secs_f64();
        self.past.push((self.since, self.uj, self.watts));
        (self.since, self.uj, self.watts) = (now, uj, watts);
    }

    fn at(&self, moment: Duration) -> f64 {
        let now = (self.since, self.uj, self.watts);
        let mut all = self.past.iter().copied().chain([now]);
        let (since, uj, watts) = all.rfind(|(since, ..)| *since <= moment).unwrap_or_default();
        uj + watts * 1e6 * (moment.saturating_sub(since)).as_secs_f64()
    }
}

impl EnergyMeter for Fake {
    fn read_uj(&mut self) -> Option<u64> {
        let now = self.time.now();
        if now >= self.gone_at {
            return None;
        }
        let period = self.period.as_nanos();
        let updates = (now + self.phase).as_nanos() / period;
        let updated = Duration::from_nanos((updates * period) as u64).saturating_sub(self.phase);
        let state = self.state.lock().unwrap();
        let from = if updated >= self.reset_at { state.at(self.reset_at) } else { 0.0 };
        let uj = (state.at(updated) - from) as u64;
        Some(self.wraps_at.map_or(uj, |wraps_at| uj % (wraps_at + 1)))
    }

    fn wraps_at_uj(&self) -> Option<u64> {
        self.wraps_at
    }
}

/// A device and what meters it.
struct Bench {
    time: Time,
    state: Arc<Mutex<State>>,
    meters: Meters<Time>,
}

const IDLE: f64 = 100.0;
const BUSY: f64 = 300.0;

impl Bench {
    fn new(change: impl FnOnce(&mut Fake)) -> Self {
        let (time, state) = (Time::default(), Arc::new(Mutex::new(State::default())));
        state.lock().unwrap().set(Duration::ZERO, IDLE);
        let mut fake = Fake {
            time: time.clone(),
            state: state.clone(),
            period: 100 * MS,
            phase: Duration::ZERO,
            wraps_at: None,
            gone_at: Duration::MAX,
            reset_at: Duration::MAX,
        };
        change(&mut fake);
        let facts =
            Meter { name: "CUDA0".into(), is_counted: true, limit_uw: Some(700_000_000), ..Meter::default() };
        let source = Source { facts, meter: Box::new(fake) };
        Self { meters: Meters::new(vec![source], Vec::new(), time.clone()), time, state }
    }

    fn work(&self, elapsed: Duration) {
        self.state.lock().unwrap().set(self.time.now(), BUSY);
        self.time.wait(elapsed);
        self.state.lock().unwrap().set(self.time.now(), IDLE);
    }

    fn region(&mut self, elapsed: Duration) -> Vec<Counted> {
        self.meters.arm();
        self.meters.begin();
        self.work(elapsed);
        self.meters.end().energy
    }
}

#[test]
fn period_and_idle_draw_are_those_of_the_device() {
    for (period, phase) in [(100, 30), (20, 7), (1, 0)] {
        let mut bench = Bench::new(|fake| (fake.period, fake.phase) = (period * MS, phase * MS));
        let metering = bench.meters.settle();
        let [meter] = &metering.meters[..] else { panic!("{metering:?}") };
        let update = Duration::from_nanos(meter.update_ns.unwrap());
        assert!((period * MS..=period * MS + MS).contains(&update), "{period} ms: {update:?}");
        let idle = meter.idle_uw.unwrap() as f64 / 1e6;
        assert!((idle / IDLE - 1.0).abs() < 0.02, "{idle} W");
        assert!(meter.idle_ns.unwrap() >= 90_000_000);
        assert!(metering.took_ns.unwrap() <= 700_000_000);
    }
}

#[test]
fn a_counter_that_hardly_moves_has_no_period_and_costs_little_time() {
    let mut bench = Bench::new(|fake| fake.period = Duration::from_secs(1));
    let metering = bench.meters.settle();
    assert_eq!((metering.meters[0].update_ns, metering.meters[0].idle_uw), (None, None));
    assert!(metering.took_ns.unwrap() <= 700_000_000, "{metering:?}");
}

#[test]
fn only_regions_that_are_asked_for_are_read() {
    let mut bench = Bench::new(|_| {});
    bench.meters.begin();
    bench.work(500 * MS);
    assert_eq!(bench.meters.end(), Metered::default());
    let [first] = &bench.region(500 * MS)[..] else { panic!("one meter") };
    assert_eq!((first.ns, first.gap_ns, first.prior_uj), (500_000_000, None, None));
    bench.time.wait(30 * MS);
    let [second] = &bench.region(400 * MS)[..] else { panic!("one meter") };
    assert_eq!((second.gap_ns, second.prior_ns), (Some(30_000_000), Some(500_000_000)));
    assert_eq!(second.prior_uj, Some(first.uj));
}

#[test]
fn a_counter_that_wraps_resets_or_vanishes_is_never_wrong() {
    // 50 J wrap too often for any region of a second.
    let mut often = Bench::new(|fake| fake.wraps_at = Some(50_000_000));
    assert_eq!(often.region(1000 * MS), []);
    let mut wraps = Bench::new(|fake| fake.wraps_at = Some(20_000_000_000));
    wraps.state.lock().unwrap().uj = 19_999_900_000.0;
    wraps.time.wait(500 * MS);
    wraps.state.lock().unwrap().set(wraps.time.now(), IDLE);
    let regions: Vec<_> = (0..4).flat_map(|_| wraps.region(1000 * MS)).collect();
    assert_eq!(regions.len(), 4);
    for counted in regions {
        assert!((200_000_000..=310_000_000).contains(&counted.uj), "{counted:?}");
    }
    let mut reset = Bench::new(|fake| fake.reset_at = Duration::from_millis(1500));
    assert_eq!(reset.region(1000 * MS).len(), 1);
    assert_eq!(reset.region(1000 * MS), [], "it went back");
    let [after] = &reset.region(1000 * MS)[..] else { panic!("it counts again") };
    assert_eq!(after.gap_ns, None, "what lies before the reset is not known");
    let mut gone = Bench::new(|fake| fake.gone_at = Duration::from_millis(1500));
    assert_eq!(gone.region(1000 * MS).len(), 1);
    assert_eq!((gone.region(1000 * MS), gone.region(1000 * MS)), (Vec::new(), Vec::new()));
}

#[test]
fn known_energy_is_recovered_within_its_interval() {
    let mut rng = Rng::new(11);
    let (n, mut held) = (400, 0);
    for _ in 0..n {
        let phase = MS.mul_f64(100.0 * rng.uniform());
        let mut bench = Bench::new(|fake| fake.phase = phase);
        let metering = bench.meters.settle();
        let samples = (0..5).map(|_| {
            let at = bench.time.now();
            let elapsed = MS.mul_f64(800.0 + rng.uniform());
            let energy = bench.region(elapsed);
            bench.time.wait(MS.mul_f64(2.0 + rng.uniform()));
            Sample { elapsed, at: Some(at), energy, ..Default::default() }
        });
        let samples: Vec<_> = samples.collect();
        let truth = BUSY * samples.iter().map(|sample| sample.elapsed.as_secs_f64()).sum::<f64>();
        let outcome = Outcome::Measured(Measured { samples, ..Default::default() });
        let cell = Cell { test: tg(128), started_at: String::new(), outcome };
        let header = Header { metering: Some(metering), ..Header::default() };
        let energy = header.energy_of(&cell).unwrap().unwrap();
        held += usize::from(energy.joule_bounds.contains(truth));
        assert!((energy.joules / truth - 1.0).abs() < 0.1, "{energy:?}, {truth} J");
        let idle = energy.idle_share().unwrap();
        assert!((idle - IDLE / BUSY).abs() < 0.05, "{idle}");
    }
    assert!(held * 100 >= n * 95, "{held} of {n}");
}

/// Counts of a GPU, what reading them takes, and the clock that it takes it from.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(GpuCounts, Duration, Time)>>);

impl GpuCounter for Shared {
    fn device(&self) -> &str {
        "CUDA1"
    }

    fn name(&self) -> String {
        "NVIDIA H100".into()
    }

    fn read(&mut self) -> Option<GpuCounts> {
        let (counts, took, time) = self.0.lock().unwrap().clone();
        time.wait(took);
        Some(counts)
    }
}

impl Shared {
    fn counts(power_ns: u64, rx: u64) -> GpuCounts {
        GpuCounts {
            throttled_ns: [("sw_power_cap".to_owned(), power_ns)].into(),
            pcie_rx_bytes: Some(rx),
            pcie_tx_bytes: None,
        }
    }
}

#[test]
fn throttling_and_transfers_are_counted_around_a_region() {
    let counter = Shared::default();
    counter.0.lock().unwrap().0 = Shared::counts(1_000, 50);
    let mut meters = Meters::new(Vec::new(), vec![Box::new(counter.clone())], Time::default());
    assert_eq!(meters.settle().counters_read_ns, Some(0));
    meters.arm();
    meters.begin();
    counter.0.lock().unwrap().0 = Shared::counts(41_000, 150);
    let [gpu] = &meters.end().gpus[..] else { panic!("one GPU") };
    assert_eq!((&gpu.device[..], &gpu.name[..]), ("CUDA1", "NVIDIA H100"));
    assert_eq!(gpu.throttled_ns["sw_power_cap"], 40_000);
    assert_eq!((gpu.pcie_rx_bytes, gpu.pcie_tx_bytes), (Some(100), None));
    // A driver that was loaded again counts from 0.
    meters.arm();
    meters.begin();
    counter.0.lock().unwrap().0 = Shared::counts(0, 3);
    let [gpu] = &meters.end().gpus[..] else { panic!("one GPU") };
    assert_eq!((gpu.throttled_ns.len(), gpu.pcie_rx_bytes), (0, None));
}

#[test]
fn counters_that_are_slow_to_read_are_given_up() {
    let time = Time::default();
    let counter = Shared(Arc::new(Mutex::new((Shared::counts(1, 1), 20 * MS, time.clone()))));
    let mut meters = Meters::new(Vec::new(), vec![Box::new(counter)], time);
    assert_eq!(meters.settle().counters_read_ns, None);
    meters.arm();
    meters.begin();
    assert_eq!(meters.end(), Metered::default());
}

/// Writes the files of a tree of sysfs.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    folder
}

const RAPL: [(&str, &str); 12] = [
    ("class/powercap/intel-rapl:0/name", "package-0"),
    ("class/powercap/intel-rapl:0/energy_uj", "1000"),
    ("class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850"),
    ("class/powercap/intel-rapl:0:0/name", "core"),
    ("class/powercap/intel-rapl:0:0/energy_uj", "500"),
    ("class/powercap/intel-rapl:0:1/name", "dram"),
    ("class/powercap/intel-rapl:0:1/energy_uj", "70"),
    ("class/powercap/intel-rapl:0:1/max_energy_range_uj", "65712999613"),
    ("class/powercap/intel-rapl:1/name", "psys"),
    ("class/powercap/intel-rapl:1/energy_uj", "9"),
    ("class/powercap/intel-rapl-mmio:0/name", "package-0"),
    ("class/powercap/intel-rapl-mmio:0/energy_uj", "3"),
];

fn of_tree(sys: &Path, gpus: &[Participant]) -> Option<Meters<Time>> {
    Meters::of_tree(sys, gpus, (|_| None, |_| None), Time::default())
}

fn names(meters: &Meters<Time>) -> Vec<(&str, bool)> {
    meters.slots.iter().map(|slot| (&slot.source.facts.name[..], slot.source.facts.is_counted)).collect()
}

fn gpu(name: &str, pci: Option<&str>) -> Participant {
    Participant { name: name.into(), pci_bus_id: pci.map(str::to_owned) }
}

#[test]
fn packages_and_their_memory_are_counted_once() {
    let folder = tree(&RAPL);
    let mut meters = of_tree(folder.path(), &[]).unwrap();
    assert_eq!(names(&meters), [("package-0", true), ("dram of package-0", true)]);
    assert_eq!(meters.slots[1].source.facts.domain, MeterDomain::Dram);
    assert_eq!(meters.slots[0].source.meter.wraps_at_uj(), Some(262_143_328_850));
    meters.arm();
    meters.begin();
    fs::write(folder.path().join("class/powercap/intel-rapl:0/energy_uj"), "6000\n").unwrap();
    meters.clock.wait(1000 * MS);
    let energy = meters.end().energy;
    assert_eq!(energy.iter().map(|counted| counted.uj).collect::<Vec<_>>(), [5000, 0]);
    assert!(of_tree(Path::new("/nowhere"), &[]).is_none());
}

#[test]
fn energy_of_a_gpu_is_that_of_the_gpu_alone() {
    let pci = "0000:03:00.0";
    let mut files = RAPL.to_vec();
    files.push(("bus/pci/devices/0000:03:00.0/hwmon/hwmon3/energy1_input", "123"));
    files.push(("bus/pci/devices/0000:04:00.0/hwmon/hwmon4/power1_average", "5"));
    let folder = tree(&files);
    let one = of_tree(folder.path(), &[gpu("Vulkan0", Some(pci))]).unwrap();
    assert_eq!(names(&one), [("Vulkan0", true), ("package-0", false), ("dram of package-0", false)]);
    assert!(one.unmetered.is_empty());
    // Two devices that are parts of one GPU have one counter.
    let parts = of_tree(folder.path(), &[gpu("Vulkan0", Some(pci)), gpu("Vulkan1", Some(pci))]).unwrap();
    assert_eq!(names(&parts)[0], ("Vulkan0", true));
    assert_eq!(parts.slots.len(), 3);
    // A power reading is not a counter, and a device elsewhere has none here.
    let others = [gpu("Vulkan0", Some(pci)), gpu("ROCm0", Some("0000:04:00.0")), gpu("RPC0", None)];
    assert_eq!(of_tree(folder.path(), &others).unwrap().unmetered, ["ROCm0", "RPC0"]);
}

#[test]
fn a_counter_that_cannot_be_read_is_named_with_the_reason() {
    let mut files = RAPL.to_vec();
    files[1].1 = "not a number";
    let folder = tree(&files);
    let meters = of_tree(folder.path(), &[]).unwrap();
    assert_eq!(names(&meters), [("dram of package-0", true)]);
    let [said] = &meters.unreadable[..] else { panic!("{:?}", meters.unreadable) };
    assert!(said.starts_with("package-0: ") && said.contains("energy_uj"), "{said}");
    assert!(said.contains("\"not a number\" is not a number"), "{said}");
}
