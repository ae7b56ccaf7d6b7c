use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::words::{bytes, count};

/// A node of the machine's memory (NUMA), and what the run had on it when its first repetition was over. `None` if the
/// system does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NumaNode {
    /// Its number.
    pub node: u32,
    /// Its CPUs as Linux lists them, such as `0-15,32-47`; empty for memory without CPUs.
    pub cpus: String,
    /// Bytes of memory that it has.
    pub memory_total_bytes: Option<u64>,
    /// Bytes of it that were free.
    pub memory_free_bytes: Option<u64>,
    /// Threads of the computation that ran on its CPUs last; `None` too if a device computes.
    pub n_threads: Option<u32>,
    /// Bytes of this process that lie on it. Looked at only if there are several nodes.
    pub process_bytes: Option<u64>,
    /// Of them, bytes of the mapped model file.
    pub model_bytes: Option<u64>,
}

impl fmt::Display for NumaNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.node)?;
        match &*self.cpus {
            "" => f.write_str(" without CPUs")?,
            cpus => write!(f, " (CPUs {cpus})")?,
        }
        let mut separator = ": ";
        let mut part = |f: &mut fmt::Formatter<'_>, text: Option<String>| -> fmt::Result {
            if let Some(text) = text {
                write!(f, "{separator}{text}")?;
                separator = ", ";
            }
            Ok(())
        };
        part(f, self.n_threads.map(|n| format!("{} computed there", count(n, "thread"))))?;
        part(f, self.process_bytes.map(|n| format!("{} of this process", bytes(n))))?;
        part(f, self.model_bytes.filter(|&n| n > 0).map(|n| format!("{} of them the model's", bytes(n))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_with_what_is_known() {
        let node = NumaNode {
            node: 1,
            cpus: "16-31".into(),
            n_threads: Some(1),
            process_bytes: Some(3 << 30),
            model_bytes: Some(2 << 30),
            ..NumaNode::default()
        };
        let text = "node 1 (CPUs 16-31): 1 thread computed there, 3.00 GiB of this process, 2.00 GiB of them the model's";
        assert_eq!(node.to_string(), text);
        let unknown = NumaNode { node: 2, ..NumaNode::default() };
        assert_eq!(unknown.to_string(), "node 2 without CPUs");
    }
}
