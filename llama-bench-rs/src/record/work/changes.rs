//! How the work of two runs differs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Buffer, Changed, Copies, Counted, FLASH_ATTENTION, Nodes, Work, WorkChange};
use crate::record::{DeviceMemory, Header};

/// How the work of a run differs from that of an earlier one; what costs speed comes first. A fact that only one of them
/// has is not a change.
pub fn changes(before: &Header, after: &Header) -> Vec<WorkChange> {
    let pairs = before.work.iter().filter_map(|work| {
        let now = after.work.iter().find(|now| now.kind == work.kind)?;
        Some((work, now))
    });
    let mut found: Vec<WorkChange> = Vec::new();
    let mut n_kinds = 0;
    for (work, now) in pairs {
        n_kinds += 1;
        for what in of_graphs(work, now) {
            match found.iter_mut().find(|change| change.what == what) {
                Some(change) => change.kinds.push(work.kind),
                None => found.push(WorkChange { kinds: vec![work.kind], what }),
            }
        }
    }
    found.iter_mut().filter(|change| change.kinds.len() == n_kinds).for_each(|change| change.kinds.clear());
    let of_run = |what| WorkChange { kinds: Vec::new(), what };
    found.extend(of_memory(&before.resolved.memory, &after.resolved.memory).into_iter().map(of_run));
    found.sort_by_key(|change| !change.is_loss());
    found
}

fn of_graphs(before: &Work, after: &Work) -> Vec<Changed> {
    let mut difference = Difference::new(&before.nodes, &after.nodes);
    let paired = difference.paired();
    let mut found: Vec<Changed> = difference.flash_attention(before, after).into_iter().collect();
    found.extend(paired);
    found.extend(difference.rest());
    if before.n_tokens != after.n_tokens {
        found.push(Changed::Piece { before: before.n_tokens, after: after.n_tokens });
    }
    if before.n_splits != after.n_splits {
        found.push(Changed::Splits { before: before.n_splits, after: after.n_splits });
    }
    found.extend(of_copies(&before.copies, &after.copies));
    found
}

/// Nodes that only one side has. Those that correspond are paired and leave it; what stays has no counterpart.
struct Difference {
    gone: Vec<Nodes>,
    new: Vec<Nodes>,
    before: Vec<Nodes>,
}

impl Difference {
    fn new(before: &[Nodes], after: &[Nodes]) -> Self {
        Self { gone: beyond(before, after), new: beyond(after, before), before: before.to_vec() }
    }

    /// Takes out nodes that are alike, as many as there are on both sides.
    fn pair(&mut self, alike: impl Fn(&Nodes, &Nodes) -> bool) -> Vec<(Nodes, Nodes)> {
        let mut pairs = Vec::new();
        for gone in &mut self.gone {
            for new in &mut self.new {
                let n = gone.n.min(new.n);
                if n > 0 && alike(gone, new) {
                    pairs.push((Nodes { n, ..gone.clone() }, Nodes { n, ..new.clone() }));
                    gone.n -= n;
                    new.n -= n;
                }
            }
        }
        pairs
    }

    /// Nodes that do the same with other operands or elsewhere: those that differ least are paired first.
    fn paired(&mut self) -> Vec<Changed> {
        let same_op = |a: &Nodes, b: &Nodes| a.op == b.op && a.weights.is_some() == b.weights.is_some();
        let same_type = |a: &Nodes, b: &Nodes| a.op == b.op && a.data_type == b.data_type;
        let mut gathered = Gathered::default();
        for (gone, new) in self.pair(|a, b| same_op(a, b) && same_type(a, b) && a.device == b.device) {
            gathered.add(Way::Weights, gone.weights.clone(), new.weights, &gone);
        }
        let mut moved = self.pair(|a, b| same_op(a, b) && same_type(a, b));
        // Weights that are read through a copy on the device show no buffer.
        moved.extend(self.pair(|a, b| same_type(a, b) && a.device != b.device));
        let mut retyped = self.pair(|a, b| same_op(a, b) && a.device == b.device);
        retyped.extend(self.pair(same_op));
        for (gone, new) in &retyped {
            gathered.add(Way::Retyped, Some(gone.data_type.clone()), Some(new.data_type.clone()), gone);
        }
        moved.extend(retyped.into_iter().filter(|(gone, new)| gone.device != new.device));
        for (gone, new) in moved {
            gathered.add(Way::Moved, Some(gone.device.clone()), Some(new.device), &gone);
        }
        gathered.said()
    }

    /// Attention in one node against several, which read no weights.
    fn flash_attention(&mut self, before: &Work, after: &Work) -> Option<Changed> {
        let count = |work: &Work| -> u64 {
            work.nodes
                .iter()
                .filter(|nodes| nodes.op == FLASH_ATTENTION)
                .map(|nodes| u64::from(nodes.n))
                .sum()
        };
        let (before, after) = (count(before), count(after));
        let others = if after < before { &mut self.new } else { &mut self.gone };
        // Fewer such nodes without others in their place are those of fewer layers.
        let is_replaced = others.iter().any(|nodes| nodes.op == "SOFT_MAX" && nodes.n > 0);
        if before == after || before.min(after) > 0 && !is_replaced {
            return None;
        }
        let mut in_place = BTreeMap::new();
        for nodes in others.iter_mut().filter(|nodes| nodes.weights.is_none()) {
            *in_place.entry(nodes.op.clone()).or_default() += u64::from(std::mem::take(&mut nodes.n));
        }
        let attention = self.gone.iter_mut().chain(&mut self.new).filter(|nodes| nodes.op == FLASH_ATTENTION);
        attention.for_each(|nodes| nodes.n = 0);
        Some(Changed::FlashAttention { before, after, others: sorted(in_place) })
    }

    /// What has no counterpart.
    fn rest(&self) -> Vec<Changed> {
        let as_they_were = |nodes: &Nodes| {
            let n = self.before.iter().find(|it| is_alike(it, nodes)).map_or(0, |it| it.n);
            Nodes { n, ..nodes.clone() }
        };
        let fewer = self.gone.iter().filter(|nodes| nodes.n > 0).map(|nodes| {
            let before = as_they_were(nodes);
            Changed::Count { after: u64::from(before.n.saturating_sub(nodes.n)), before }
        });
        let more = self.new.iter().filter(|nodes| nodes.n > 0).map(|nodes| {
            let before = as_they_were(nodes);
            Changed::Count { after: u64::from(before.n) + u64::from(nodes.n), before }
        });
        fewer.chain(more).collect()
    }
}

/// In which way two nodes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Moved,
    Weights,
    Retyped,
}

/// Nodes that differ in the same way are said together, those that read weights apart from the others.
#[derive(Default)]
struct Gathered(BTreeMap<(Way, String, String), [BTreeMap<String, u64>; 2]>);

impl Gathered {
    fn add(&mut self, way: Way, from: Option<String>, to: Option<String>, nodes: &Nodes) {
        let key = (way, from.unwrap_or_default(), to.unwrap_or_default());
        let [with_weights, others] = self.0.entry(key).or_default();
        let of = if nodes.weights.is_some() { with_weights } else { others };
        let name = match way {
            Way::Weights => format!("{} of {}", nodes.op, nodes.data_type),
            Way::Moved | Way::Retyped => nodes.op.clone(),
        };
        *of.entry(name).or_default() += u64::from(nodes.n);
    }

    fn said(self) -> Vec<Changed> {
        let said = self.0.into_iter().map(|((way, from, to), [with_weights, others])| {
            let nodes = [sorted(with_weights), sorted(others)].concat();
            match way {
                Way::Moved => Changed::Moved { from, to, nodes },
                Way::Weights => Changed::Weights { from, to, nodes },
                Way::Retyped => Changed::Retyped { from, to, nodes },
            }
        });
        said.collect()
    }
}

/// The most frequent first.
fn sorted(nodes: BTreeMap<String, u64>) -> Vec<Counted> {
    let mut all: Vec<Counted> = nodes.into_iter().map(|(name, n)| Counted { name, n }).collect();
    all.retain(|counted| counted.n > 0);
    all.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
    all
}

fn is_alike(a: &Nodes, b: &Nodes) -> bool {
    (&a.op, &a.data_type, &a.device, &a.weights) == (&b.op, &b.data_type, &b.device, &b.weights)
}

/// The nodes of one side that the other does not have.
fn beyond(nodes: &[Nodes], others: &[Nodes]) -> Vec<Nodes> {
    let more = nodes.iter().filter_map(|nodes| {
        let n_others = others.iter().find(|other| is_alike(nodes, other)).map_or(0, |other| other.n);
        let n = nodes.n.saturating_sub(n_others);
        (n > 0).then(|| Nodes { n, ..nodes.clone() })
    });
    more.collect()
}

fn of_copies(before: &[Copies], after: &[Copies]) -> Vec<Changed> {
    let ways: BTreeSet<(&str, &str)> =
        before.iter().chain(after).map(|it| (&it.from[..], &it.to[..])).collect();
    let count = |all: &[Copies], (from, to): (&str, &str)| {
        all.iter().find(|it| it.from == from && it.to == to).map_or(0, |it| it.n)
    };
    let changed = ways.into_iter().filter_map(|way| {
        let (n, now) = (count(before, way), count(after, way));
        let before = Copies { from: way.0.to_owned(), to: way.1.to_owned(), n, bytes: None };
        (n != now).then_some(Changed::Copies { before, after: now })
    });
    changed.collect()
}

/// Sizes that differ by more than padding does.
fn of_memory(
    before: &BTreeMap<String, DeviceMemory>,
    after: &BTreeMap<String, DeviceMemory>,
) -> Vec<Changed> {
    const LEAST_BYTES: u64 = 4096;
    // An empty list is unknown.
    if before.is_empty() || after.is_empty() {
        return Vec::new();
    }
    let devices: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |all: &BTreeMap<String, DeviceMemory>, device| all.get(device).copied().unwrap_or_default();
    let mut found = Vec::new();
    for device in devices {
        let (was, is) = (of(before, device), of(after, device));
        let sizes = [
            (Buffer::Weights, was.model_bytes, is.model_bytes),
            (Buffer::Kv, was.context_bytes, is.context_bytes),
            (Buffer::Compute, was.compute_bytes, is.compute_bytes),
        ];
        for (buffer, before, after) in sizes {
            let least = (before.max(after) / 100).max(LEAST_BYTES);
            if before.abs_diff(after) > least {
                found.push(Changed::Bytes { buffer, device: device.clone(), before, after });
            }
        }
    }
    found
}
