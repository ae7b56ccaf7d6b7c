//! The energy of a cell, computed from what the counters showed.

use std::{fmt, time::Duration};

use super::{Cell, Counted, Header, Meter, Metering, Sample};
use crate::{
    stats::{Bounds, Energy, EnergyCounter, EnergyReading, NoEnergy},
    units::words::duration,
};

/// The energy of all repetitions of a cell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CellEnergy {
    /// The counters that it is the sum of.
    pub meters: Vec<String>,
    /// Joules of all repetitions.
    pub joules: f64,
    /// Their 95 % interval, as far as the counters resolve it: the spread between runs is not in it.
    pub joule_bounds: Bounds<f64>,
    /// Tokens of all repetitions, of all sequences.
    pub n_tokens: u64,
    /// Time of all repetitions.
    pub elapsed: Duration,
    /// Joules that the devices would have drawn in that time with the model loaded and nothing computed; `None` if their
    /// idle draw is not known.
    pub idle_joules: Option<f64>,
}

impl CellEnergy {
    /// Joules per token.
    pub fn per_token(&self) -> f64 {
        self.joules / self.n_tokens as f64
    }

    /// The 95 % interval of the joules per token.
    pub fn per_token_bounds(&self) -> Bounds<f64> {
        let of = |joules: f64| joules / self.n_tokens as f64;
        Bounds::between(of(self.joule_bounds.lower()), of(self.joule_bounds.upper()))
    }

    /// Mean power, in watts.
    pub fn watts(&self) -> f64 {
        self.joules / self.elapsed.as_secs_f64()
    }

    /// The share of the energy that the devices would have drawn without work; `None` if their idle draw is not known.
    pub fn idle_share(&self) -> Option<f64> {
        self.idle_joules.map(|idle| idle / self.joules)
    }
}

/// Why a cell has no energy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EnergyUnknown {
    /// There is no counter, or none that can be read.
    NoCounter,
    /// A device that computes has no counter.
    Unmetered(Vec<String>),
    /// The period of this counter could not be measured.
    NoPeriod(String),
    /// This counter could not be read around every repetition.
    Lost(String),
    /// A repetition is shorter than the counter's period.
    TooShort {
        /// The counter.
        meter: String,
        /// The shortest repetition.
        elapsed: Duration,
        /// The counter's period.
        period: Duration,
    },
    /// Half of the interval is too large a share of the figure.
    TooWide {
        /// That share.
        half_width: f64,
    },
    /// The counters did not advance.
    Still,
}

impl fmt::Display for EnergyUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCounter => {
                write!(f, "there is no counter of energy that can be read (NVML, powercap or hwmon)")
            }
            Self::Unmetered(devices) => write!(f, "{} cannot be metered", devices.join(", ")),
            Self::NoPeriod(meter) => write!(f, "the counter of {meter} was not seen to advance while idle"),
            Self::Lost(meter) => {
                write!(f, "the counter of {meter} could not be read around every repetition")
            }
            Self::TooShort { meter, elapsed, period } => write!(
                f,
                "a repetition of {} is shorter than the {} between updates of the counter of {meter}: measure more tokens",
                duration(*elapsed),
                duration(*period)
            ),
            Self::TooWide { half_width } if half_width.is_finite() && *half_width < 10.0 => write!(
                f,
                "the counter resolves it only to ± {:.0} %: measure more tokens or repetitions",
                half_width * 100.0
            ),
            Self::TooWide { .. } => {
                write!(f, "the counter does not resolve it: measure more tokens or repetitions")
            }
            Self::Still => write!(f, "the counters did not advance"),
        }
    }
}

impl Header {
    /// The energy of a cell of this run: that of the devices which hold its layers, over all repetitions that count. `None` if
    /// nothing was metered.
    pub fn energy_of(&self, cell: &Cell) -> Option<Result<CellEnergy, EnergyUnknown>> {
        let metering = self.metering.as_ref()?;
        let samples = &cell.measured().filter(|measured| !measured.samples.is_empty())?.samples;
        Some(energy_of(metering, cell, samples))
    }
}

fn energy_of(metering: &Metering, cell: &Cell, samples: &[Sample]) -> Result<CellEnergy, EnergyUnknown> {
    if !metering.unmetered.is_empty() {
        return Err(EnergyUnknown::Unmetered(metering.unmetered.clone()));
    }
    let meters: Vec<&Meter> = metering.meters.iter().filter(|meter| meter.is_counted).collect();
    if meters.is_empty() {
        return Err(EnergyUnknown::NoCounter);
    }
    let mut sum = Energy::default();
    for meter in &meters {
        sum = sum.plus(of_meter(meter, samples)?);
    }
    let sum = sum.resolved().map_err(|why| unknown("", &why))?;
    let elapsed: Duration = samples.iter().map(|sample| sample.elapsed).sum();
    let n_tokens = u64::from(cell.test.n_tokens()) * samples.len() as u64;
    if n_tokens == 0 || elapsed.is_zero() {
        return Err(EnergyUnknown::Still);
    }
    let idle: Option<u64> = meters.iter().map(|meter| meter.idle_uw).sum();
    let (lower, upper) = sum.bounds();
    Ok(CellEnergy {
        meters: meters.iter().map(|meter| meter.name.clone()).collect(),
        joules: sum.joules,
        joule_bounds: Bounds::between(lower, upper),
        n_tokens,
        elapsed,
        idle_joules: idle.map(|uw| uw as f64 / 1e6 * elapsed.as_secs_f64()),
    })
}

fn of_meter(meter: &Meter, samples: &[Sample]) -> Result<Energy, EnergyUnknown> {
    let update = meter.update_ns.ok_or_else(|| EnergyUnknown::NoPeriod(meter.name.clone()))?;
    let counter = EnergyCounter {
        period: Duration::from_nanos(update.saturating_add(meter.read_ns.unwrap_or(0))),
        limit_w: meter.limit_uw.map(|uw| uw as f64 / 1e6),
    };
    let reading = |sample: &Sample| {
        let counted = sample.energy.iter().find(|counted| counted.meter == meter.name)?;
        Some(reading(sample, counted))
    };
    let readings: Option<Vec<EnergyReading>> = samples.iter().map(reading).collect();
    let readings = readings.ok_or_else(|| EnergyUnknown::Lost(meter.name.clone()))?;
    Energy::of(&readings, &counter).map_err(|why| unknown(&meter.name, &why))
}

fn reading(sample: &Sample, counted: &Counted) -> EnergyReading {
    let joules = |uj: u64| uj as f64 / 1e6;
    let time = Duration::from_nanos;
    EnergyReading {
        at: sample.at.unwrap_or_default(),
        joules: joules(counted.uj),
        elapsed: time(counted.ns),
        gap: counted.gap_ns.map(time),
        prior: counted.prior_uj.map(joules).zip(counted.prior_ns.map(time)),
    }
}

fn unknown(meter: &str, why: &NoEnergy) -> EnergyUnknown {
    match *why {
        NoEnergy::Nothing => EnergyUnknown::Lost(meter.to_owned()),
        NoEnergy::TooShort { elapsed, period } => {
            EnergyUnknown::TooShort { meter: meter.to_owned(), elapsed, period }
        }
        NoEnergy::TooWide { half_width } => EnergyUnknown::TooWide { half_width },
        NoEnergy::Still => EnergyUnknown::Still,
    }
}
