//! Where the time of a repetition goes: arithmetic on repetitions that were traced. `engine::profile` makes them.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    llama::{BlockKind, Stop},
    record::{BlockTime, CopyTime, OperationTime, OperationTimes, Profile, median},
};

/// What a profile shows besides the times of blocks ([`Sweep::profile`](super::Sweep::profile)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Profiling {
    /// Whether each layer has times of its own.
    pub layers: bool,
    /// Whether prompts are stopped after every operation too, once.
    pub operations: bool,
    /// Whether the stops after every operation are sent to the observer
    /// ([`Event::Traced`](super::Event::Traced)), of every test.
    pub trace: bool,
}

impl Default for Profiling {
    /// Blocks of all layers together, and the operations of prompts.
    fn default() -> Self {
        Self { layers: false, operations: true, trace: false }
    }
}

/// A repetition that was traced.
#[derive(Clone, Debug)]
pub(super) struct Traced {
    pub(super) elapsed: Duration,
    pub(super) stops: Vec<Stop>,
}

/// All repetitions of a profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Repetitions {
    pub(super) plain: Vec<Duration>,
    pub(super) by_block: Vec<Traced>,
    pub(super) by_layer: Vec<Traced>,
    pub(super) operations: Option<Traced>,
    /// The most that a stop can cost: what it costs where little else is computed.
    pub(super) dearest_stop: Option<Duration>,
}

impl Repetitions {
    /// The profile that they show.
    pub(super) fn profile(&self, n_tokens: u32, profiling: Profiling) -> Profile {
        let plain_ns: Vec<u64> = self.plain.iter().copied().map(ns).collect();
        let traced_ns: Vec<u64> = self.by_block.iter().map(|traced| ns(traced.elapsed)).collect();
        let (plain, traced) = (median(&plain_ns).unwrap_or(0), median(&traced_ns).unwrap_or(0));
        let n_stops = self.by_block.first().map_or(0, |traced| traced.stops.len());
        let stop_ns = self.stop_ns();
        let sums: Vec<Sums> = self.by_block.iter().map(|traced| Sums::of(traced, profiling.layers)).collect();
        let outside: Vec<u64> = sums.iter().map(|sums| sums.outside_ns).collect();
        Profile {
            n_tokens,
            n_stops: n_stops as u32,
            stop_ns,
            unexplained_ns: signed(traced) - signed(plain) - signed(stop_ns * n_stops as u64),
            outside_ns: median(&outside).unwrap_or(0),
            blocks: blocks(&sums, stop_ns),
            copies: copies(&sums),
            operations: self.operations.as_ref().filter(|_| profiling.operations).map(|traced| {
                let n_stops = traced.stops.len() as u64;
                let stop_ns = ns(traced.elapsed).saturating_sub(plain).checked_div(n_stops).unwrap_or(0);
                OperationTimes {
                    traced_ns: ns(traced.elapsed),
                    n_stops: n_stops as u32,
                    stop_ns,
                    operations: operations(&traced.stops, stop_ns),
                }
            }),
            plain_ns,
            traced_ns,
        }
    }

    /// What a stop costs. Repetitions that take long differ by more than their stops cost, so it never counts as more
    /// than where it is known well.
    pub(super) fn stop_ns(&self) -> u64 {
        let fastest = self.plain.iter().copied().min().map_or(0, ns);
        let cost = cost(fastest, [&self.by_block, &self.by_layer]);
        self.dearest_stop.map_or(cost, |most| cost.min(ns(most)))
    }
}

/// What a stop costs: the slope through what repetitions with few and with many stops take longer than those without. Of
/// each the fastest: what disturbs one only adds to it.
fn cost(plain: u64, runs: [&[Traced]; 2]) -> u64 {
    let (mut product, mut square) = (0.0, 0.0);
    for run in runs {
        let fastest = run.iter().map(|traced| ns(traced.elapsed)).min();
        let (Some(time), Some(first)) = (fastest, run.first()) else { continue };
        let n = first.stops.len() as f64;
        product += n * (time as f64 - plain as f64);
        square += n * n;
    }
    if square > 0.0 { (product / square).max(0.0).round() as u64 } else { 0 }
}

/// Which blocks are taken together.
type BlockKey = (BlockKind, String, Option<u32>);

/// The times of one repetition, summed.
#[derive(Default)]
struct Sums {
    /// In the order of the graph: time and stops.
    blocks: Vec<(BlockKey, u64, u32)>,
    /// By source and device: how many, bytes, time.
    copies: BTreeMap<(String, String), (u32, u64, u64)>,
    outside_ns: u64,
}

impl Sums {
    fn of(traced: &Traced, layers: bool) -> Self {
        let mut sums = Self::default();
        let mut before: Option<&Stop> = None;
        let mut inside_ns = 0;
        for stop in &traced.stops {
            let elapsed = ns(stop.ended.saturating_sub(stop.begun));
            inside_ns += elapsed;
            let key = (stop.block, stop.device.clone(), stop.layer.filter(|_| layers));
            match sums.blocks.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, time, n)) => {
                    *time += elapsed;
                    *n += 1;
                }
                None => sums.blocks.push((key, elapsed, 1)),
            }
            let before = before.replace(stop).filter(|before| before.graph == stop.graph);
            let source = stop.source.clone().filter(|source| *source != stop.device);
            if let (Some(before), Some(source)) = (before, source) {
                let waited = ns(stop.begun.saturating_sub(before.ended));
                let (n, bytes, time) = sums.copies.entry((source, stop.device.clone())).or_default();
                *n += 1;
                *bytes += stop.copied_bytes;
                *time += waited;
                inside_ns += waited;
            }
        }
        sums.outside_ns = ns(traced.elapsed).saturating_sub(inside_ns);
        sums
    }
}

/// The blocks of all repetitions, without the cost of their stops.
fn blocks(sums: &[Sums], stop_ns: u64) -> Vec<BlockTime> {
    let Some(first) = sums.first() else { return Vec::new() };
    let block = |(key, _, n_stops): &(BlockKey, u64, u32)| {
        let of = |sums: &Sums| sums.blocks.iter().find(|(other, ..)| other == key).map(|(_, time, _)| *time);
        let times: Vec<u64> = sums.iter().filter_map(of).collect();
        let traced_ns = median(&times).unwrap_or(0);
        let spread = spread(&times);
        let cost = stop_ns * u64::from(*n_stops);
        let elapsed = traced_ns.saturating_sub(cost);
        let (kind, device, layer) = key.clone();
        BlockTime {
            kind,
            device,
            layer,
            n_stops: *n_stops,
            traced_ns,
            elapsed_ns: Some(elapsed).filter(|&elapsed| elapsed > cost && elapsed >= spread),
        }
    };
    first.blocks.iter().map(block).collect()
}

/// Between the first and the last quarter of the values; of three between all.
fn spread(times: &[u64]) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let aside = sorted.len() / 4;
    let ends = (sorted.get(aside), sorted.len().checked_sub(1 + aside).and_then(|last| sorted.get(last)));
    if let (Some(first), Some(last)) = ends { last.saturating_sub(*first) } else { 0 }
}

fn copies(sums: &[Sums]) -> Vec<CopyTime> {
    let Some(first) = sums.first() else { return Vec::new() };
    let copy = |((from, to), (n, bytes, _)): (&(String, String), &(u32, u64, u64))| {
        let of = |sums: &Sums| sums.copies.get(&(from.clone(), to.clone())).map(|(.., time)| *time);
        let times: Vec<u64> = sums.iter().filter_map(of).collect();
        let elapsed_ns = median(&times).unwrap_or(0);
        CopyTime { from: from.clone(), to: to.clone(), n: *n, bytes: *bytes, elapsed_ns }
    };
    first.copies.iter().map(copy).collect()
}

/// Block, operation, type and device.
type Alike<'a> = (BlockKind, &'a str, &'a str, &'a str);

fn operations(stops: &[Stop], stop_ns: u64) -> Vec<OperationTime> {
    let mut sums: BTreeMap<Alike<'_>, (u32, u64)> = BTreeMap::new();
    for stop in stops {
        let (n, time) = sums.entry((stop.block, &stop.op, &stop.data_type, &stop.device)).or_default();
        *n += 1;
        *time += ns(stop.ended.saturating_sub(stop.begun));
    }
    let operation = |((block, op, data_type, device), (n, traced_ns)): (Alike<'_>, (u32, u64))| {
        let cost = stop_ns * u64::from(n);
        let elapsed = traced_ns.saturating_sub(cost);
        OperationTime {
            block,
            op: op.into(),
            data_type: data_type.into(),
            device: device.into(),
            n,
            traced_ns,
            elapsed_ns: Some(elapsed).filter(|&elapsed| elapsed > cost),
        }
    };
    let mut operations: Vec<_> = sums.into_iter().map(operation).collect();
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.traced_ns));
    operations
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "profiling_tests.rs"]
mod tests;
