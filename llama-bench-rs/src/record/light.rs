//! How near a cell comes to the most that its devices do.

use std::{collections::BTreeSet, fmt, time::Duration};

use super::{Ceiling, CeilingKind, Ceilings, Cell, CellWork, DeviceWork, Header};
use crate::stats::{Bounds, LightFloor, LightRate};

/// A device with a smaller part of the work than this needs no ceilings.
const NEGLIGIBLE: f64 = 0.001;

/// What is so many times as large as the largest matrix that a cache may hold passes the memory.
const BEYOND_CACHES: u64 = 4;

/// No device does less than this, in bytes or floating-point operations per second: it leaves out what is not a rate.
const SLOWEST: f64 = 1.0;

/// Nor more than this, some hundred times what the largest GPUs do.
const FASTEST: f64 = 1e18;

/// ggml's name of flash attention, whose kernels compute in types of their own.
const FLASH_ATTENTION: &str = "FLASH_ATTN_EXT";

/// What bounds the speed of work at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binds {
    /// Bytes that pass the memory.
    Memory,
    /// Arithmetic.
    Arithmetic,
}

impl fmt::Display for Binds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Arithmetic => "arithmetic",
        })
    }
}

/// The time of a cell beside the shortest that its work could take: of one repetition, and of generation, of one token.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Light {
    /// The shortest time: the sum over the devices if they compute one after the other, the longest of them if they may
    /// overlap.
    pub floor: Duration,
    /// The measured mean.
    pub time: Duration,
    /// The share of the floor in the time, 1 for all of it; finite and above 0.
    pub share: f64,
    /// Its range: of the 95 % interval of the time and of what repeated measurements of the ceilings show. The lower end is 0
    /// if other programs disturbed the measurement of a ceiling.
    pub share_bounds: Bounds<f64>,
    /// What binds the device with the largest part of the floor.
    pub binds: Binds,
    /// That device.
    pub device: String,
    /// The part of each device, in the order of the work.
    pub parts: Vec<LightPart>,
    /// Operations whose arithmetic is not counted, by ggml's names. If there are any, the floor and the share are lower
    /// bounds.
    pub uncounted: Vec<String>,
}

/// The part of a [`Light`] that one device has.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LightPart {
    /// Its name in llama.cpp.
    pub device: String,
    /// The shortest time to move the bytes.
    pub by_bytes: Duration,
    /// The shortest time for the arithmetic.
    pub by_flops: Duration,
}

/// Why a cell of a run with ceilings has no [`Light`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LightUnknown {
    /// The work was not counted, with the reason if there is one.
    NoWork(Option<String>),
    /// The bytes and operations of the work are all zero.
    EmptyWork,
    /// This device computes a part and has no ceilings.
    NoCeilings(String),
    /// A ceiling of this device contradicts its own range, or is not a rate that a device can have.
    UnsoundCeilings(String),
    /// The work or the ceilings name this device twice.
    Twice(String),
    /// The repetitions took no time.
    NoTime,
    /// Work, ceilings and times do not give a finite share.
    NotFinite,
}

impl fmt::Display for LightUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWork(None) => write!(f, "the bytes and operations of the cell were not counted"),
            Self::NoWork(Some(why)) => {
                write!(f, "the bytes and operations of the cell were not counted: {why}")
            }
            Self::EmptyWork => write!(f, "the bytes and operations of the cell are all zero"),
            Self::NoCeilings(device) => write!(f, "the ceilings of {device} were not measured"),
            Self::UnsoundCeilings(device) => write!(
                f,
                "the ceilings of {device} contradict themselves: measure them again with --renew-ceilings"
            ),
            Self::Twice(device) => write!(
                f,
                "{device} is listed twice, so its work or its ceilings are ambiguous: measure the cell again"
            ),
            Self::NoTime => write!(f, "the repetitions took no time"),
            Self::NotFinite => {
                write!(f, "work, ceilings and times do not give a finite share: measure the cell again")
            }
        }
    }
}

impl Header {
    /// How near a cell of this run comes to the ceilings of its devices. `None` if no ceilings were measured, or the cell has
    /// no samples.
    pub fn light_of(&self, cell: &Cell) -> Option<Result<Light, LightUnknown>> {
        cell.measured().filter(|measured| !measured.samples.is_empty())?;
        (!self.ceilings.is_empty()).then(|| light(&self.ceilings, cell))
    }
}

fn light(ceilings: &[Ceilings], cell: &Cell) -> Result<Light, LightUnknown> {
    let measured = cell.measured().ok_or(LightUnknown::NoTime)?;
    let work = measured.work.as_ref().ok_or_else(|| LightUnknown::NoWork(measured.work_unknown.clone()))?;
    if let Some(device) = named_twice(ceilings, work) {
        return Err(LightUnknown::Twice(device.to_owned()));
    }
    let (n_bytes, n_flops) = work.devices.iter().fold((0_u64, 0_u64), |(bytes, flops), device| {
        (bytes.saturating_add(device.bytes()), flops.saturating_add(device.flops()))
    });
    // While one device computes a physical batch of a prompt, another may compute the next one.
    let may_overlap = !cell.test.kind.is_generation() && work.n_graphs > 1;
    let (mut floor, mut parts) = (LightFloor::default(), Vec::new());
    let mut largest: Option<(f64, &str, Binds)> = None;
    for device in &work.devices {
        let Some(own) = ceilings.iter().find(|own| own.device == device.device) else {
            let is_small = |part: u64, all: u64| part as f64 <= all as f64 * NEGLIGIBLE;
            if is_small(device.bytes(), n_bytes) && is_small(device.flops(), n_flops) {
                continue;
            }
            return Err(LightUnknown::NoCeilings(device.device.clone()));
        };
        if !own.rates.iter().all(Ceiling::is_sound) {
            return Err(LightUnknown::UnsoundCeilings(own.device.clone()));
        }
        let (by_bytes, by_flops) =
            floors(own, device, work.n_graphs).ok_or_else(|| LightUnknown::NoCeilings(own.device.clone()))?;
        let both = by_bytes.max(by_flops);
        floor = if may_overlap { floor.max(both) } else { floor.plus(both) };
        if largest.is_none_or(|(seconds, ..)| both.seconds > seconds) {
            let binds = if by_flops.seconds > by_bytes.seconds { Binds::Arithmetic } else { Binds::Memory };
            largest = Some((both.seconds, &device.device, binds));
        }
        parts.push((device.device.clone(), by_bytes, by_flops));
    }
    let (_, device, binds) = largest.filter(|(seconds, ..)| *seconds > 0.0).ok_or(LightUnknown::EmptyWork)?;
    let summary = cell.time_summary().ok_or(LightUnknown::NoTime)?;
    let seconds = summary.mean.as_secs_f64();
    // An interval of few repetitions may reach zero: the fastest stands for its end.
    let ends = summary.ci95.map_or((seconds, seconds), |interval| {
        (interval.lower().unwrap_or(summary.min).as_secs_f64(), interval.upper().as_secs_f64())
    });
    if seconds <= 0.0 {
        return Err(LightUnknown::NoTime);
    }
    let shares = floor.share_of((ends.0, seconds, ends.1));
    let (lower, share, upper) = shares.ok_or(LightUnknown::NotFinite)?;
    let n = if cell.test.kind.is_generation() { f64::from(cell.test.kind.n_tokens()) } else { 1.0 };
    let each = |seconds: f64| Duration::try_from_secs_f64(seconds / n).map_err(|_| LightUnknown::NotFinite);
    let part = |(device, by_bytes, by_flops): (String, LightFloor, LightFloor)| {
        let (by_bytes, by_flops) = (each(by_bytes.seconds)?, each(by_flops.seconds)?);
        Ok(LightPart { device, by_bytes, by_flops })
    };
    Ok(Light {
        floor: each(floor.seconds)?,
        time: each(seconds)?,
        share,
        share_bounds: Bounds::between(lower, upper),
        binds,
        device: device.to_owned(),
        parts: parts.into_iter().map(part).collect::<Result<_, _>>()?,
        uncounted: work.uncounted.keys().cloned().collect(),
    })
}

/// A device that the work or the ceilings name more than once: adding both entries, or taking one, would be a guess.
fn named_twice<'a>(ceilings: &'a [Ceilings], work: &'a CellWork) -> Option<&'a str> {
    fn repeated<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let mut seen = BTreeSet::new();
        names.find(|name| !seen.insert(*name))
    }
    repeated(work.devices.iter().map(|it| &it.device[..]))
        .or_else(|| repeated(ceilings.iter().map(|it| &it.device[..])))
}

/// The shortest times for bytes and arithmetic; `None` if a ceiling is missing.
fn floors(own: &Ceilings, work: &DeviceWork, n_graphs: u32) -> Option<(LightFloor, LightFloor)> {
    // What one graph moves, the next one moves again: if it fits into a cache, the memory does not bind.
    let n_each = work.bytes() / u64::from(n_graphs.max(1));
    let by_bytes = match work.bytes() {
        0 => LightFloor::default(),
        n_bytes => LightFloor::of(n_bytes as f64, own.bandwidth(n_each)?),
    };
    let mut by_flops = LightFloor::default();
    for product in work.products.iter().filter(|product| product.flops > 0) {
        // Without a ceiling of its own, the highest: a floor must not be too high.
        let of_type = Some(&product.data_type).filter(|_| product.op != FLASH_ATTENTION);
        let rate = of_type.and_then(|of| own.product(of)).or_else(|| own.best_product())?;
        by_flops = by_flops.plus(LightFloor::of(product.flops as f64, rate));
    }
    Some((by_bytes, by_flops))
}

impl Ceilings {
    /// Bytes per second that pass the memory, or the cache that holds so many bytes: the higher one of copies and reads.
    /// `None` if neither was measured.
    pub(crate) fn bandwidth(&self, n_bytes: u64) -> Option<LightRate> {
        let memory = self.rates.iter().filter(|rate| rate.kind != CeilingKind::Product && rate.is_sound());
        let sizes = memory.clone().filter_map(|rate| rate.matrix_bytes);
        let is_beyond = sizes.clone().max().is_none_or(|size| n_bytes >= size.saturating_mul(BEYOND_CACHES));
        // The largest matrix that is not larger than what is read; all larger ones are slower, or as fast.
        let from = sizes.clone().filter(|&size| size <= n_bytes).max().or_else(|| sizes.min());
        let counts = |rate: &&Ceiling| match (rate.matrix_bytes, from) {
            (Some(size), Some(from)) => size >= from && !is_beyond,
            _ => true,
        };
        memory.filter(counts).map(Ceiling::rate).reduce(LightRate::max)
    }

    /// Floating-point operations per second of matrix products of this type: the highest that was seen of any shape.
    pub(crate) fn product(&self, data_type: &str) -> Option<LightRate> {
        self.products().filter(|rate| rate.data_type == data_type).map(Ceiling::rate).reduce(LightRate::max)
    }

    /// The same of any type.
    pub(crate) fn best_product(&self) -> Option<LightRate> {
        self.products().map(Ceiling::rate).reduce(LightRate::max)
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = &Ceiling> {
        self.rates.iter().filter(|rate| rate.kind == CeilingKind::Product && rate.is_sound())
    }
}

impl Ceiling {
    /// Whether a time follows from it: a file may hold anything.
    pub(crate) fn is_sound(&self) -> bool {
        let is_possible = |rate: f64| (SLOWEST..=FASTEST).contains(&rate);
        let is_ordered = self.lower <= self.per_second && self.per_second <= self.upper;
        is_ordered && is_possible(self.lower) && is_possible(self.upper)
    }

    /// What was measured while other programs were busy bounds nothing from above.
    fn rate(&self) -> LightRate {
        let upper = if self.is_disturbed() { f64::INFINITY } else { self.upper };
        LightRate { lower: self.lower, per_second: self.per_second, upper }
    }
}

#[cfg(test)]
#[path = "light_tests.rs"]
mod tests;
