use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Cell, CellEnergy, EnergyUnknown, Metering, Run, Test},
    report::{
        figures::Series,
        in_words::{count, one_line, percent},
    },
    units::{Share, words::digits},
};

/// What the measured work took of energy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EnergySaid {
    /// Joules per token of a test, at its shallowest and its deepest context.
    PerToken {
        /// The test at its shallowest depth with a figure.
        shallow: (Test, CellEnergy),
        /// The same at its deepest depth; `None` if there is but one.
        deep: Option<(Test, CellEnergy)>,
    },
    /// What the figures are the energy of, and what these devices draw while nothing is computed.
    Idle {
        /// The counters, each with its idle draw in watts.
        meters: Vec<(String, Option<f64>)>,
    },
    /// Cells that were metered and have no figure.
    Unknown {
        /// How many there are.
        n_cells: usize,
        /// The first of them.
        test: Test,
        /// Why it has none.
        why: EnergyUnknown,
    },
    /// Counters that are there and could not be read, each with the reason.
    Unreadable(Vec<String>),
}

/// What is known of the energy of a run; empty if nothing was metered.
pub(super) fn energy(run: &Run, all: &[Series<'_>]) -> Vec<EnergySaid> {
    let Some(metering) = &run.header.metering else { return Vec::new() };
    let mut said: Vec<EnergySaid> = all.iter().filter_map(|series| per_token(run, series)).collect();
    if !said.is_empty() {
        said.push(idle(metering));
    }
    said.extend(unknown(run));
    if !metering.unreadable.is_empty() && !metering.meters.iter().any(|meter| meter.is_counted) {
        said.push(EnergySaid::Unreadable(metering.unreadable.clone()));
    }
    said
}

fn per_token(run: &Run, series: &Series<'_>) -> Option<EnergySaid> {
    let known = series.points.iter().filter_map(|point| {
        let energy = run.header.energy_of(point.cell)?.ok()?;
        Some((point.cell.test, energy))
    });
    let mut known: Vec<(Test, CellEnergy)> = known.collect();
    if known.is_empty() {
        return None;
    }
    let deep = if known.len() > 1 { known.pop() } else { None };
    Some(EnergySaid::PerToken { shallow: known.swap_remove(0), deep })
}

fn idle(metering: &Metering) -> EnergySaid {
    let counted = metering.meters.iter().filter(|meter| meter.is_counted);
    let watts = |uw: Option<u64>| uw.map(|uw| uw as f64 / 1e6);
    EnergySaid::Idle { meters: counted.map(|meter| (meter.name.clone(), watts(meter.idle_uw))).collect() }
}

fn unknown(run: &Run) -> Option<EnergySaid> {
    let of_cell = |cell: &Cell| Some((cell.test, run.header.energy_of(cell)?.err()?));
    // Most machines have no counter: that is said if energy was asked for.
    let is_news = |(_, why): &(Test, EnergyUnknown)| *why != EnergyUnknown::NoCounter;
    let mut unknown = run.cells.iter().filter_map(of_cell).filter(is_news).peekable();
    let (test, why) = unknown.peek().cloned()?;
    Some(EnergySaid::Unknown { n_cells: unknown.count(), test, why })
}

impl Say for EnergySaid {
    fn level(&self) -> Level {
        Level::Note
    }
}

/// `2.10 J per token (± 3.1 %)`.
fn figure(energy: &CellEnergy) -> String {
    let bounds = energy.per_token_bounds();
    let half = (bounds.upper() - bounds.lower()) / 2.0 / energy.per_token();
    let off = Share::new(half).map_or_else(String::new, |half| format!(" (± {})", percent(half)));
    format!("{} J per token{off}", digits(energy.per_token(), 3))
}

/// `41.0 %`.
fn share(share: Option<f64>) -> Option<String> {
    share.and_then(Share::new).map(percent)
}

impl fmt::Display for EnergySaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerToken { shallow: (test, energy), deep } => {
                write!(f, "{test} takes {}", figure(energy))?;
                if let Some((deep, at_depth)) = deep {
                    write!(f, " and {} at depth {}", figure(at_depth), deep.n_depth)?;
                }
                write!(f, ", at {} W", digits(energy.watts(), 3))?;
                if let Some((_, at_depth)) = deep {
                    write!(f, " and {} W", digits(at_depth.watts(), 3))?;
                }
                if let Some(idle) = share(energy.idle_share()) {
                    write!(f, "; {idle} of it")?;
                    if let Some(at_depth) =
                        deep.as_ref().and_then(|(_, at_depth)| share(at_depth.idle_share()))
                    {
                        write!(f, ", and {at_depth} at depth,")?;
                    }
                    write!(f, " is what would be drawn in that time without work")?;
                }
                write!(f, ".")
            }
            Self::Idle { meters } => {
                let one = |(name, watts): &(String, Option<f64>)| {
                    let name = one_line(name);
                    watts.map_or_else(
                        || format!("{name} (idle draw unknown)"),
                        |watts| format!("{name} (idle {} W)", digits(watts, 3)),
                    )
                };
                let names: Vec<String> = meters.iter().map(one).collect();
                write!(f, "Energy is that of {}; idle: model loaded, nothing computed.", names.join(" and "))
            }
            Self::Unknown { n_cells, test, why } => {
                let why = one_line(&why.to_string());
                write!(f, "The energy of {} is not known, first of {test}: {why}.", count(*n_cells, "cell"))
            }
            Self::Unreadable(all) => {
                let all: Vec<String> = all.iter().map(|one| one_line(one)).collect();
                write!(f, "Energy was not measured: {}.", all.join("; "))
            }
        }
    }
}
