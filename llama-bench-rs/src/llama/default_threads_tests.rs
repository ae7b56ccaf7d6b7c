//! Default threads, on made-up `/sys` and `/proc` trees.

use super::*;

/// A machine whose CPUs have these sibling masks.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(siblings: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (cpu, siblings) in siblings.iter().enumerate() {
            machine.file(&format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings"), siblings);
        }
        // Neither is a CPU.
        machine.file("sys/devices/system/cpu/cpufreq/boost", "1");
        machine.file("sys/devices/system/cpu/cpu_list", "");
        machine
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn allow(&self, list: &str) -> &Self {
        self.file(
            "proc/thread-self/status",
            &format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{list}\n"),
        )
    }

    fn groups(&self, groups: &str, mounts: &str) -> &Self {
        self.file("proc/self/cgroup", groups).file("proc/self/mountinfo", mounts)
    }

    fn limits(&self) -> Limits {
        Limits::read(self.0.path())
    }
}

/// Four cores with two threads each; CPU 0 and 4 are one core.
const HYPER_THREADED: [&str; 8] = ["11", "22", "44", "88", "11", "22", "44", "88"];

const V2_MOUNT: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNT: &str =
    "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n";

#[test]
fn hyper_threads_are_no_cores() {
    let machine = Machine::new(&HYPER_THREADED);
    assert_eq!(machine.limits(), Limits { n_cores: Some(4), quota: None });
    assert_eq!(machine.limits().threads(8), 4);
}

#[test]
fn only_cores_within_the_mask_count() {
    let machine = Machine::new(&HYPER_THREADED);
    for (list, n_cores) in [("0-7", 4), ("0", 1), ("0,4", 1), ("0-1,4-5", 2), ("1,3,4", 3), ("0-127", 4)] {
        assert_eq!(machine.allow(list).limits().n_cores, Some(n_cores), "{list}");
    }
    assert_eq!(machine.allow("0,4").limits().threads(2), 1);
}

#[test]
fn an_offline_cpu_hides_none_behind_it() {
    let machine = Machine::new(&["1", "2", "4", "8"]);
    fs::remove_dir_all(machine.0.path().join("sys/devices/system/cpu/cpu1/topology")).unwrap();
    assert_eq!(machine.limits().n_cores, Some(3));
}

#[test]
fn the_tightest_group_on_the_path_counts_in_version_2() {
    let machine = Machine::new(&HYPER_THREADED);
    machine.groups("0::/user.slice/job/step\n", V2_MOUNT);
    assert_eq!(machine.limits().quota, None);
    machine.file("sys/fs/cgroup/user.slice/job/step/cpu.max", "600000 100000\n");
    machine.file("sys/fs/cgroup/user.slice/job/cpu.max", "300000 100000\n");
    machine.file("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    machine.file("sys/fs/cgroup/other/cpu.max", "100000 100000\n");
    assert_eq!(machine.limits().quota, Some(3.0));
    assert_eq!(machine.limits().threads(8), 3);
    machine.file("sys/fs/cgroup/user.slice/job/step/cpu.max", "120000 50000\n");
    assert_eq!(machine.limits().threads(8), 2, "a part of a CPU is left out");
    machine.file("sys/fs/cgroup/user.slice/cpu.max", "20000 100000\n");
    assert_eq!(machine.limits().threads(8), 1, "never 0");
}

#[test]
fn version_1_has_its_own_files_and_mounts() {
    let machine = Machine::new(&HYPER_THREADED);
    machine.groups("4:memory:/job\n3:cpu,cpuacct:/job\n2:cpuset:/\n", V1_MOUNT);
    let folder = "sys/fs/cgroup/cpu,cpuacct/job";
    machine.file(&format!("{folder}/cpu.cfs_quota_us"), "-1\n");
    machine.file(&format!("{folder}/cpu.cfs_period_us"), "100000\n");
    assert_eq!(machine.limits().quota, None);
    machine.file(&format!("{folder}/cpu.cfs_quota_us"), "200000\n");
    assert_eq!(machine.limits().quota, Some(2.0));
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_eq!(machine.limits().quota, Some(1.0));
}

#[test]
fn a_container_mounts_its_own_group() {
    let machine = Machine::new(&HYPER_THREADED);
    let mount = "30 24 0:26 /docker/ab /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n";
    machine.file("sys/fs/my groups/cpu.max", "200000 100000");
    machine.file("sys/fs/my groups/inner/cpu.max", "100000 100000");
    for (group, quota) in [("/docker/ab", 2.0), ("/docker/ab/inner", 1.0), ("/", 2.0), ("/../../x", 2.0)] {
        machine.groups(&format!("0::{group}\n"), mount);
        assert_eq!(machine.limits().quota, Some(quota), "{group}");
    }
}

#[test]
fn both_versions_at_once_and_what_cannot_be_read() {
    let machine = Machine::new(&[]);
    assert_eq!(machine.limits(), Limits::default());
    machine.groups("no groups\n1:cpu:/a\n0::/a\n", &format!("damaged\n{V2_MOUNT}{V1_MOUNT}"));
    machine.file("sys/fs/cgroup/a/cpu.max", "500000 100000");
    machine.file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000");
    machine.file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000");
    assert_eq!(machine.limits().quota, Some(4.0));
    machine.file("sys/fs/cgroup/a/cpu.max", "what");
    machine.allow("some");
    assert_eq!(machine.limits(), Limits { n_cores: None, quota: Some(4.0) });
}

#[test]
fn without_a_topology_every_second_cpu_is_a_core() {
    let threads = |logical| Limits::default().threads(logical);
    assert_eq!([1, 2, 4, 8, 64].map(threads), [1, 2, 4, 4, 32]);
    // The standard library knows of a limit that the files do not show.
    assert_eq!(Limits { n_cores: Some(8), quota: None }.threads(3), 3);
}
