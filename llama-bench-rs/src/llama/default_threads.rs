//! How many threads a context gets by default: as many as the process has cores to run them on at once.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// The smallest of the machine's physical cores, those of them that the calling thread may run on, and the CPU time that
/// its control groups allow; at least 1. llama-bench counts all physical cores: hyper-threads do not help matrix
/// products, and more threads than cores wait for each other at every step.
pub(super) fn default_threads() -> u32 {
    let logical = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
    Limits::read(Path::new("/")).threads(logical)
}

/// What the system says of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Limits {
    /// Physical cores that the calling thread may run on.
    n_cores: Option<usize>,
    /// CPUs' worth of time that the tightest control group allows.
    quota: Option<f64>,
}

impl Limits {
    /// Reads `/sys` and `/proc` below this folder; other systems than Linux have neither.
    fn read(root: &Path) -> Self {
        Self { n_cores: cores(root), quota: quota(root) }
    }

    /// `logical` is what the standard library counts: CPUs, hyper-threads among them, within the mask and the quota.
    fn threads(self, logical: usize) -> u32 {
        let guess = if logical <= 4 { logical } else { logical / 2 };
        // A thread that gets a fraction of a CPU keeps all others waiting: the part is left out.
        let quota = self.quota.map_or(usize::MAX, |cpus| cpus.floor() as usize);
        let threads = self.n_cores.unwrap_or(guess).min(logical).min(quota);
        u32::try_from(threads.max(1)).unwrap_or(u32::MAX)
    }
}

fn read(root: &Path, path: impl AsRef<Path>) -> Option<String> {
    // Joining an absolute path would replace the root.
    let path: PathBuf = path.as_ref().components().filter(|c| !matches!(c, Component::RootDir)).collect();
    fs::read_to_string(root.join(path)).ok()
}

/// Cores that have at least one CPU in the calling thread's affinity mask.
fn cores(root: &Path) -> Option<usize> {
    let status = read(root, "proc/thread-self/status").or_else(|| read(root, "proc/self/status"));
    let allowed = status.as_deref().and_then(allowed_cpus);
    let siblings: HashSet<String> = fs::read_dir(root.join("sys/devices/system/cpu"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_prefix("cpu")?.parse().ok())
        .filter(|cpu: &u32| allowed.as_ref().is_none_or(|allowed| allowed.contains(cpu)))
        // A CPU that is offline has no siblings.
        .filter_map(|cpu| read(root, format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings")))
        .collect();
    (!siblings.is_empty()).then_some(siblings.len())
}

/// The list `0-3,8` of a `status` file.
fn allowed_cpus(status: &str) -> Option<BTreeSet<u32>> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    Some(ranges.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The tightest quota of the process's control groups and of the groups that they are in.
fn quota(root: &Path) -> Option<f64> {
    let (groups, mounts) = (read(root, "proc/self/cgroup")?, read(root, "proc/self/mountinfo")?);
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
    let mut tightest: Option<f64> = None;
    for (version, path) in groups.lines().filter_map(group) {
        for mount in mounts.iter().filter(|mount| mount.version == version) {
            let quotas = mount.folders(path).into_iter().filter_map(|folder| version.quota(root, &folder));
            tightest = quotas.chain(tightest).reduce(f64::min);
        }
    }
    tightest
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    /// What one group allows; `None` for no limit.
    fn quota(self, root: &Path, folder: &Path) -> Option<f64> {
        let (quota, period) = match self {
            Version::V2 => {
                let limit = read(root, folder.join("cpu.max"))?;
                let mut words = limit.split_whitespace().map(str::to_owned);
                // The quota is the word "max" if there is none.
                (words.next()?, words.next()?)
            }
            Version::V1 => {
                (read(root, folder.join("cpu.cfs_quota_us"))?, read(root, folder.join("cpu.cfs_period_us"))?)
            }
        };
        let (quota, period) = (quota.trim().parse::<f64>().ok()?, period.trim().parse::<f64>().ok()?);
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    }
}

/// The hierarchy that limits CPU time and the path in it, of a line of `/proc/self/cgroup`: `0::/path` is version 2,
/// `4:cpu,cpuacct:/path` version 1.
fn group(line: &str) -> Option<(Version, &str)> {
    let (id, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    match controllers {
        "" if id == "0" => Some((Version::V2, path)),
        _ => controllers.split(',').any(|controller| controller == "cpu").then_some((Version::V1, path)),
    }
}

/// Where a hierarchy of control groups can be read.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that is mounted: in a container often not the root.
    group: PathBuf,
    folder: PathBuf,
}

impl Mount {
    /// Of a line of `/proc/self/mountinfo`.
    fn parse(line: &str) -> Option<Self> {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (group, folder) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let mut kind = kind.split(' ');
        let version = match kind.next()? {
            "cgroup2" => Version::V2,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == "cpu") => Version::V1,
            _ => return None,
        };
        Some(Self { version, group: group.into(), folder: folder.into() })
    }

    /// The folders of a group and of all groups that it is in, as far as they are mounted.
    fn folders(&self, path: &str) -> Vec<PathBuf> {
        let within = Path::new(path).strip_prefix(&self.group).unwrap_or(Path::new(""));
        // A group outside the mounted part: only the mounted one can be read.
        let is_inside = within.components().all(|part| matches!(part, Component::Normal(_)));
        let within = if is_inside { within } else { Path::new("") };
        within.ancestors().map(|ancestor| self.folder.join(ancestor)).collect()
    }
}

/// The kernel writes blanks in paths as `\040`.
fn unescaped(path: &str) -> String {
    path.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", r"\")
}

#[cfg(test)]
#[path = "default_threads_tests.rs"]
mod tests;
