//! The nodes of the machine's memory, which of them the computing threads ran on, and where the pages of this process lie,
//! from `/sys/devices/system/node` and `/proc/self`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::record::NumaNode;

/// Where the system shows itself.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    /// `/sys/devices/system/node`.
    pub(super) nodes: PathBuf,
    /// `/proc/self`.
    pub(super) process: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { nodes: "/sys/devices/system/node".into(), process: "/proc/self".into() }
    }
}

/// Reads all nodes now, in the order of their numbers; empty if the system does not show them. `n_threads` threads compute,
/// among them that of this id; `None` if a device computes.
pub(super) fn read(roots: &Roots, model: &Path, threads: Option<(u32, u32)>) -> Vec<NumaNode> {
    let Ok(entries) = fs::read_dir(&roots.nodes) else { return Vec::new() };
    let numbers =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("node")?.parse().ok());
    let mut nodes: Vec<NumaNode> = numbers.map(|node| node_of(&roots.nodes, node)).collect();
    nodes.sort_by_key(|node| node.node);
    if let Some((own, n_threads)) = threads
        && let Some(cpus) = cpus_of_threads(&roots.process, own, n_threads)
    {
        for node in &mut nodes {
            let own: Vec<u32> = listed(&node.cpus);
            node.n_threads = Some(cpus.iter().filter(|cpu| own.contains(cpu)).count() as u32);
        }
    }
    // The kernel walks over all pages for this: for the one node there is, it would say what is known.
    if nodes.len() > 1
        && let Ok(maps) = fs::read_to_string(roots.process.join("numa_maps"))
    {
        let model = fs::canonicalize(model).unwrap_or_else(|_| model.into());
        add_pages(&mut nodes, &maps, &model);
    }
    nodes
}

/// The calling thread.
pub(super) fn own_thread() -> Option<u32> {
    fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

fn node_of(root: &Path, node: u32) -> NumaNode {
    let path = root.join(format!("node{node}"));
    let text = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
    let info = text("meminfo");
    // `Node 0 MemTotal:       65842816 kB`
    let bytes = |name: &str| -> Option<u64> {
        let rest = info.lines().find_map(|line| line.split_once(name)?.1.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
    };
    NumaNode {
        node,
        cpus: text("cpulist").trim().to_owned(),
        memory_total_bytes: bytes("MemTotal"),
        memory_free_bytes: bytes("MemFree"),
        ..NumaNode::default()
    }
}

/// The CPUs of a list such as `0-3,8`; what is not a number is left out.
fn listed(list: &str) -> Vec<u32> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u32>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// The CPU that each computing thread ran on last: the measuring thread's, and of those that inherited its name, the ones
/// that ran longest, as many as compute. `None` if that is not known.
fn cpus_of_threads(process: &Path, own: u32, n_threads: u32) -> Option<Vec<u32>> {
    let tasks = process.join("task");
    let name = |id: u32| fs::read_to_string(tasks.join(id.to_string()).join("comm")).ok();
    let own_name = name(own)?;
    let mut all: Vec<(bool, u64, u32)> = fs::read_dir(&tasks)
        .ok()?
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&id| id == own || name(id).is_some_and(|name| name == own_name))
        .filter_map(|id| {
            let (ran, cpu) = ran_and_cpu(&fs::read_to_string(tasks.join(id.to_string()).join("stat")).ok()?)?;
            Some((id == own, ran, cpu))
        })
        .collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    Some(all.into_iter().take(n_threads as usize).map(|(_, _, cpu)| cpu).collect())
}

/// Ticks in user mode and the CPU, from a thread's `stat`. Its name may hold spaces and brackets.
fn ran_and_cpu(stat: &str) -> Option<(u64, u32)> {
    let (_, rest) = stat.rsplit_once(')')?;
    // From the third field on: user time is the 14th and the processor the 39th.
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some((fields.get(11)?.parse().ok()?, fields.get(36)?.parse().ok()?))
}

/// Adds up the pages of `/proc/self/numa_maps`: `7f00 default file=/a/model.gguf mapped=9 N0=4 N1=5 kernelpagesize_kB=4`.
fn add_pages(nodes: &mut [NumaNode], maps: &str, model: &Path) {
    for node in nodes.iter_mut() {
        (node.process_bytes, node.model_bytes) = (Some(0), Some(0));
    }
    for line in maps.lines() {
        let field = |name: &str| line.split_whitespace().find_map(|field| field.strip_prefix(name));
        let Some(kib) = field("kernelpagesize_kB=").and_then(|kib| kib.parse::<u64>().ok()) else { continue };
        let is_model = field("file=").is_some_and(|file| unescaped(file) == model.to_string_lossy());
        for pages in line.split_whitespace() {
            let Some((node, n)) = pages.strip_prefix('N').and_then(|pages| pages.split_once('=')) else {
                continue;
            };
            let (Ok(number), Ok(n)) = (node.parse::<u32>(), n.parse::<u64>()) else { continue };
            let Some(node) = nodes.iter_mut().find(|node| node.node == number) else { continue };
            let bytes = n.saturating_mul(kib).saturating_mul(1024);
            let add = |sum: &mut Option<u64>| *sum = Some(sum.unwrap_or(0).saturating_add(bytes));
            add(&mut node.process_bytes);
            if is_model {
                add(&mut node.model_bytes);
            }
        }
    }
}

/// The kernel writes blanks in a path as octal numbers.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (code, blank)| path.replace(code, blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of two nodes with CPUs and one without, and a process with a model in a path with a blank.
    fn machine() -> (tempfile::TempDir, Roots, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (node, cpus, total) in [(0, "0-1,4\n", 64), (1, "2-3\n", 32), (10, "\n", 8)] {
            write(&format!("node/node{node}/cpulist"), cpus);
            let info = format!("Node {node} MemTotal:       {total} kB\nNode {node} MemFree:        2 kB\n");
            write(&format!("node/node{node}/meminfo"), &info);
        }
        write("node/online", "0-1,10\n");
        let thread = |id: u32, name: &str, ran: u64, cpu: u32| {
            write(&format!("self/task/{id}/comm"), &format!("{name}\n"));
            // Fields 4 to 13 and 15 to 38 do not matter.
            let rest = format!("S {}{ran} {}{cpu} 0 0\n", "0 ".repeat(10), "0 ".repeat(24));
            write(&format!("self/task/{id}/stat"), &format!("{id} ({name}) ) {rest}"));
        };
        thread(7, "sweep x", 5, 2);
        thread(8, "sweep x", 900, 4);
        thread(9, "sweep x", 800, 3);
        thread(10, "sweep x", 1, 0);
        thread(11, "other", 5000, 1);
        let model = folder.path().join("a model.gguf");
        fs::write(&model, "").unwrap();
        let model = fs::canonicalize(model).unwrap();
        let escaped = model.display().to_string().replace(' ', "\\040");
        let maps = format!(
            "7f01 default file={escaped} mapped=5 N0=4 N1=1 kernelpagesize_kB=4\n\
             7f02 default file=/lib/libc.so mapped=3 N0=3 kernelpagesize_kB=4\n\
             7f03 default anon=2 dirty=2 N1=2 kernelpagesize_kB=2048\n7f04 default\n7f05 x N9=1 kernelpagesize_kB=4\n"
        );
        write("self/numa_maps", &maps);
        let roots = Roots { nodes: folder.path().join("node"), process: folder.path().join("self") };
        (folder, roots, model)
    }

    #[test]
    fn threads_and_pages_are_counted_on_their_nodes() {
        let (_folder, roots, model) = machine();
        let nodes = read(&roots, &model, Some((7, 3)));
        assert_eq!(nodes.iter().map(|node| node.node).collect::<Vec<_>>(), [0, 1, 10]);
        assert_eq!((nodes[0].cpus.as_str(), nodes[2].cpus.as_str()), ("0-1,4", ""));
        assert_eq!(
            (nodes[0].memory_total_bytes, nodes[0].memory_free_bytes),
            (Some(64 << 10), Some(2 << 10))
        );
        // The measuring thread on CPU 2, and the busiest two of its name on 4 and 3.
        assert_eq!(nodes.iter().map(|node| node.n_threads).collect::<Vec<_>>(), [Some(1), Some(2), Some(0)]);
        assert_eq!((nodes[0].process_bytes, nodes[0].model_bytes), (Some(7 << 12), Some(4 << 12)));
        assert_eq!(
            (nodes[1].process_bytes, nodes[1].model_bytes),
            (Some((4 << 20) + (1 << 12)), Some(1 << 12))
        );
    }

    #[test]
    fn what_the_system_does_not_show_is_unknown() {
        let (folder, roots, model) = machine();
        let on_device = read(&roots, &model, None);
        assert!(on_device.iter().all(|node| node.n_threads.is_none() && node.process_bytes.is_some()));
        fs::remove_file(roots.process.join("numa_maps")).unwrap();
        fs::remove_dir_all(roots.process.join("task")).unwrap();
        let nodes = read(&roots, &model, Some((7, 3)));
        assert!(nodes.iter().all(|node| node.n_threads.is_none() && node.process_bytes.is_none()));
        let nowhere = Roots { nodes: folder.path().join("nothing"), ..roots.clone() };
        assert_eq!(read(&nowhere, &model, Some((7, 3))), []);
        // Of one node the pages are not asked for.
        for node in ["node1", "node10"] {
            fs::remove_dir_all(roots.nodes.join(node)).unwrap();
        }
        fs::write(roots.process.join("numa_maps"), "7f N0=1 kernelpagesize_kB=4\n").unwrap();
        assert_eq!(read(&roots, &model, None)[0].process_bytes, None);
    }

    #[test]
    fn a_list_of_cpus_and_a_thread_are_read_whatever_is_in_them() {
        assert_eq!(listed("0-2,5, 7-7\n"), [0, 1, 2, 5, 7]);
        assert!(listed("").is_empty() && listed("x-3,4-,9-8").is_empty());
        assert_eq!(ran_and_cpu("1 (a) S 1"), None);
        assert_eq!(ran_and_cpu(""), None);
    }
}
