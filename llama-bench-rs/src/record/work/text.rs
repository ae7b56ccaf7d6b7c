//! Changes of the work in words.

use std::fmt;

use super::{Buffer, Changed, Counted, Nodes, WorkChange, is_cpu, is_repacked};
use crate::units::words::bytes;

/// Names of operations that a sentence holds; the rest is a number.
const MOST_NAMES: usize = 4;

impl fmt::Display for WorkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        match &self.kinds[..] {
            [] => Ok(()),
            [kind] => write!(f, " ({kind})"),
            [first, others @ ..] => {
                write!(f, " ({first}")?;
                others.iter().try_for_each(|kind| write!(f, " and {kind}"))?;
                write!(f, ")")
            }
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Changed::FlashAttention { before, after, others } => {
                let (n, n_nodes) = (before.abs_diff(*after), others.iter().map(|it| it.n).sum::<u64>());
                let nodes = Listed(others);
                match (after < before, before.min(after)) {
                    (true, 0) => write!(f, "flash attention is off: ")?,
                    (true, left) => write!(f, "flash attention is off in part, {left} nodes are left: ")?,
                    (false, 0) => write!(f, "flash attention is on: ")?,
                    (false, _) => write!(f, "flash attention is on in more places: ")?,
                }
                match (after < before, others.is_empty()) {
                    (true, true) => write!(f, "{n} x FLASH_ATTN_EXT are gone"),
                    (false, true) => write!(f, "{n} x FLASH_ATTN_EXT are new"),
                    (true, false) => write!(f, "{n} x FLASH_ATTN_EXT became {n_nodes} nodes ({nodes})"),
                    (false, false) => write!(f, "{n_nodes} nodes ({nodes}) became {n} x FLASH_ATTN_EXT"),
                }
            }
            Changed::Moved { from, to, nodes } => {
                write!(f, "{} moved from {} to {}", Listed(nodes), Device(from), Device(to))
            }
            Changed::Weights { from, to, nodes } => {
                let nodes = Listed(nodes);
                match (is_repacked(from), is_repacked(to)) {
                    (false, true) => {
                        write!(f, "{nodes} are repacked: the weights are in {to} and were in {from}")
                    }
                    (true, false) => {
                        write!(
                            f,
                            "{nodes} are no longer repacked: the weights are in {to} and were in {from}"
                        )
                    }
                    _ => write!(f, "the weights of {nodes} are in {to} and were in {from}"),
                }
            }
            Changed::Retyped { from, to, nodes } => {
                write!(f, "{} compute with {to} and did with {from}", Listed(nodes))
            }
            Changed::Count { before: Nodes { op, data_type, device, n, .. }, after } => {
                write!(f, "{op} of {data_type} on {}: ", Device(device))?;
                match (n, after) {
                    (0, after) => write!(f, "{after} new"),
                    (before, 0) => write!(f, "all {before} gone"),
                    (before, after) => write!(f, "{before} became {after}"),
                }
            }
            Changed::Piece { before, after } => {
                write!(f, "{after} tokens are computed at once and {before} were")
            }
            Changed::Splits { before, after } => {
                write!(f, "the graph is split into {after} parts and was into {before}")
            }
            Changed::Copies { before, after } => {
                let (from, to) = (Device(&before.from), Device(&before.to));
                write!(f, "{after} tensors are copied from {from} to {to} and {} were", before.n)
            }
            Changed::Bytes { buffer, device, before, after } => {
                let grew = if after > before { "grew" } else { "shrank" };
                let (before, after) = (bytes(*before), bytes(*after));
                write!(f, "{buffer} on {} {grew} from {before} to {after}", Device(device))
            }
        }
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Buffer::Weights => "the weights",
            Buffer::Kv => "the KV buffer",
            Buffer::Compute => "the compute buffer",
        })
    }
}

/// `24 MUL_MAT, 9 ADD and 12 others`.
struct Listed<'a>(&'a [Counted]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, rest) = self.0.split_at(self.0.len().min(MOST_NAMES));
        for (i, Counted { name, n }) in named.iter().enumerate() {
            let separator = match i {
                0 => "",
                _ if rest.is_empty() && i + 1 == named.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{n} {name}")?;
        }
        match rest.iter().map(|it| it.n).sum::<u64>() {
            0 => Ok(()),
            n => write!(f, " and {n} others"),
        }
    }
}

/// A device in a sentence.
struct Device<'a>(&'a str);

impl fmt::Display for Device<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_cpu(self.0) { f.write_str("the CPU") } else { f.write_str(self.0) }
    }
}
