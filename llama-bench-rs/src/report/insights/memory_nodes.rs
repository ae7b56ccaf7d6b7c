use std::fmt;

use super::{Level, Say};
use crate::{
    record::{NumaNode, Run},
    report::in_words::{bytes, count},
};

/// Less than this share of the memory on the nodes of the threads is not where they are.
const NEAR: f64 = 0.5;

/// Threads that computed on other memory nodes (NUMA) than those that most of the memory lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FarMemory {
    /// Nodes that threads computed on.
    pub of_threads: Vec<u32>,
    /// Threads there.
    pub n_threads: u32,
    /// The node with most of the memory.
    pub of_memory: u32,
    /// Bytes on that node.
    pub far_bytes: u64,
    /// Bytes on all nodes.
    pub all_bytes: u64,
}

/// `None` if memory lies where threads computed, there is one node, or that is not known. Of a mapped model its own pages
/// count, else those of the process.
pub(super) fn far_memory(run: &Run) -> Option<FarMemory> {
    let nodes = &run.header.numa;
    let of_model: u64 = nodes.iter().filter_map(|node| node.model_bytes).sum();
    let of = |node: &NumaNode| if of_model > 0 { node.model_bytes } else { node.process_bytes };
    let sum = |nodes: &mut dyn Iterator<Item = &NumaNode>| nodes.filter_map(of).sum::<u64>();
    let has_threads = |node: &&NumaNode| node.n_threads.is_some_and(|n| n > 0);
    let all_bytes = sum(&mut nodes.iter());
    let n_threads: u32 = nodes.iter().filter_map(|node| node.n_threads).sum();
    if nodes.len() < 2 || n_threads == 0 || all_bytes == 0 {
        return None;
    }
    let near_bytes = sum(&mut nodes.iter().filter(has_threads));
    let far = nodes.iter().filter(|node| !has_threads(node)).max_by_key(|node| of(node).unwrap_or(0))?;
    let is_far = (near_bytes as f64) < NEAR * all_bytes as f64;
    is_far.then(|| FarMemory {
        of_threads: nodes.iter().filter(has_threads).map(|node| node.node).collect(),
        n_threads,
        of_memory: far.node,
        far_bytes: of(far).unwrap_or(0),
        all_bytes,
    })
}

impl Say for FarMemory {
    fn level(&self) -> Level {
        Level::Warning
    }
}

impl fmt::Display for FarMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.of_threads.iter().map(u32::to_string).collect();
        write!(
            f,
            "Memory is on another node than the threads that compute: {} on memory node {}, and {} of {} lie on node {}. \
             Run it with numactl --cpunodebind and --membind on one node, or spread both with --numa distribute after \
             dropping the file from the page cache.",
            count(self.n_threads as usize, "thread"),
            nodes.join(", "),
            bytes(self.far_bytes),
            bytes(self.all_bytes),
            self.of_memory
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Header;

    fn run(nodes: &[(u32, u64, u64)]) -> Run {
        let node = |(number, &(n_threads, process, model)): (usize, &(u32, u64, u64))| NumaNode {
            node: number as u32,
            n_threads: Some(n_threads),
            process_bytes: Some(process << 30),
            model_bytes: Some(model << 30),
            ..NumaNode::default()
        };
        let numa = nodes.iter().enumerate().map(node).collect();
        Run { header: Header { numa, ..Header::default() }, cells: Vec::new(), curve: Vec::new() }
    }

    #[test]
    fn threads_far_from_their_weights_are_said() {
        let found = far_memory(&run(&[(8, 1, 0), (0, 9, 0)])).unwrap();
        let text = "Memory is on another node than the threads that compute: 8 threads on memory node 0, and 9.00 GiB of \
            10.00 GiB lie on node 1.";
        assert!(found.to_string().starts_with(text), "{found}");
        // The model's own pages count, wherever the rest lies.
        assert!(far_memory(&run(&[(8, 20, 1), (0, 9, 8)])).is_some());
        assert_eq!(far_memory(&run(&[(8, 1, 8), (0, 9, 1)])), None);
    }

    #[test]
    fn what_lies_near_or_is_unknown_is_not_said() {
        for near in
            [&[(8, 9, 0), (0, 1, 0)][..], &[(4, 1, 0), (4, 9, 0)], &[(8, 9, 0)], &[(0, 9, 0), (0, 1, 0)], &[]]
        {
            assert_eq!(far_memory(&run(near)), None, "{near:?}");
        }
        let mut unknown = run(&[(8, 1, 0), (0, 9, 0)]);
        unknown.header.numa.iter_mut().for_each(|node| node.process_bytes = None);
        assert_eq!(far_memory(&unknown), None);
    }
}
