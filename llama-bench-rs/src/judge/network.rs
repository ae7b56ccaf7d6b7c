//! What a token waits for the network, and what it would wait for another one: arithmetic on what a run recorded.
//!
//! llama.cpp sends inputs and graphs to a server without waiting for an answer, and waits for each tensor that it reads. So a
//! decode waits for each server as many round trips as tensors are read from its devices, and for the bytes in both directions:
//!
//! ```text
//! waiting = sum over servers (tensors read * round trip + bytes sent / rate there + bytes read / rate back)
//! planned = measured - waiting over the measured links + waiting over the given ones
//! ```
//!
//! Tensors and bytes are those of the recorded graph ([`Work`]); the bytes of the graph itself, which is sent again whenever it
//! changes, are not known and left out.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    record::{Cell, Header, Link, Run, Test, Work, work::WorkKind},
    units::{time, words::count},
};

/// What one decode has to do with one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The server; empty for one that is only planned.
    pub server: String,
    /// Answers that are waited for.
    pub round_trips: f64,
    /// Bytes to it; `None` if unknown.
    pub sent_bytes: Option<f64>,
    /// Bytes from it; `None` if unknown.
    pub received_bytes: Option<f64>,
}

/// The way to a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// An empty round trip.
    pub round_trip: Duration,
    /// Bytes per second there and back; `None` if they cost nothing measurable.
    pub rates: (Option<f64>, Option<f64>),
}

impl Way {
    /// A measured one; `None` if its round trip is unknown.
    pub fn of(link: &Link) -> Option<Self> {
        Some(Self { round_trip: link.round_trip()?, rates: (link.send_rate(), link.receive_rate()) })
    }
}

/// Units of rates in bytes per second, each before those that it ends in.
const RATES: [(&str, f64); 9] = [
    ("Gbit/s", 1e9 / 8.0),
    ("Mbit/s", 1e6 / 8.0),
    ("GiB/s", 1073741824.0),
    ("MiB/s", 1048576.0),
    ("KiB/s", 1024.0),
    ("GB/s", 1e9),
    ("MB/s", 1e6),
    ("kB/s", 1e3),
    ("B/s", 1.0),
];

impl FromStr for Way {
    type Err = String;

    /// `0.4ms` or `0.4ms@1Gbit/s`: a round trip, and the same rate in both directions.
    fn from_str(text: &str) -> Result<Self, String> {
        let (round_trip, rate) = text.split_once('@').map_or((text, None), |(time, rate)| (time, Some(rate)));
        let known = time::parse(round_trip).filter(|_| round_trip.trim().ends_with('s'));
        let round_trip = known.ok_or_else(|| {
            format!("{round_trip:?} is not the time of a round trip: write it with its unit, such as 0.4ms or 80us")
        })?;
        let rate = rate.map(|text| {
            let number = RATES.iter().find_map(|(unit, size)| Some((text.trim().strip_suffix(unit)?, size)));
            let rate = number.and_then(|(number, size)| Some(number.trim_end().parse::<f64>().ok()? * size));
            rate.filter(|rate| rate.is_finite() && *rate > 0.0).ok_or_else(|| {
                format!(
                    "{text:?} is not a rate: write more than 0 with its unit, such as 1Gbit/s or 112MiB/s"
                )
            })
        });
        let rate = rate.transpose()?;
        Ok(Self { round_trip, rates: (rate, rate) })
    }
}

impl Traffic {
    /// What a decode waits for this server on this way.
    pub fn waiting(&self, way: &Way) -> Duration {
        let bytes =
            |bytes: Option<f64>, rate: Option<f64>| bytes.zip(rate).map_or(0.0, |(bytes, rate)| bytes / rate);
        let seconds = self.round_trips * way.round_trip.as_secs_f64()
            + bytes(self.sent_bytes, way.rates.0)
            + bytes(self.received_bytes, way.rates.1);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// What a decode of this graph has to do with each server, in the order of the devices; empty without servers.
pub fn traffic(header: &Header, work: &Work) -> Vec<Traffic> {
    let server = |device: &str| {
        let device = header.host.devices.iter().find(|it| it.name == device)?;
        device.server.as_deref()
    };
    let mut all: Vec<Traffic> = Vec::new();
    for device in &header.host.devices {
        let Some(name) = &device.server else { continue };
        if all.iter().any(|it| it.server == *name) {
            continue;
        }
        let known = Some(0.0);
        let mut one =
            Traffic { server: name.clone(), round_trips: 0.0, sent_bytes: known, received_bytes: known };
        for tensors in work.copies.iter().chain(&work.results) {
            let (from, to) = (server(&tensors.from), server(&tensors.to));
            let add = |sum: &mut Option<f64>| *sum = sum.zip(tensors.bytes).map(|(sum, n)| sum + n as f64);
            if from == Some(name) {
                one.round_trips += f64::from(tensors.n);
            }
            // A server copies between its own devices by itself.
            if from != to && from == Some(name) {
                add(&mut one.received_bytes);
            }
            if from != to && to == Some(name) {
                add(&mut one.sent_bytes);
            }
        }
        let has_part = work.nodes.iter().any(|nodes| server(&nodes.device) == Some(name));
        if has_part || one.round_trips > 0.0 {
            all.push(one);
        }
    }
    all
}

/// What a token of a generation waits for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Each server with its part.
    pub parts: Vec<(Traffic, Duration)>,
}

impl Waiting {
    /// `None` if no server took part, or if graph or links are not known.
    pub fn of(header: &Header, kind: WorkKind) -> Option<Self> {
        let work = header.work.iter().find(|work| work.kind == kind)?;
        let traffic = traffic(header, work);
        let parts = traffic.into_iter().map(|it| {
            let link = header.links.iter().find(|link| link.server == it.server)?;
            let waiting = it.waiting(&Way::of(link)?);
            Some((it, waiting))
        });
        parts.collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty()).map(|parts| Self { parts })
    }

    /// For all servers.
    pub fn total(&self) -> Duration {
        self.parts.iter().map(|(_, waiting)| *waiting).sum()
    }

    /// Answers that are waited for.
    pub fn round_trips(&self) -> f64 {
        self.parts.iter().map(|(traffic, _)| traffic.round_trips).sum()
    }
}

/// A generation over other links, by arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// The test.
    pub test: Test,
    /// Time of a token as it was measured, the mean.
    pub measured: Duration,
    /// Of it, spent waiting for the network.
    pub waiting: Duration,
    /// Time of a token over the given links.
    pub planned: Duration,
}

/// Why there is nothing to plan with.
#[derive(Clone, PartialEq, Eq)]
pub struct NoPlan(String);

impl std::error::Error for NoPlan {}

crate::error::debug_like_display!(NoPlan);

impl fmt::Display for NoPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The generations of a run as they would be with its layers over these servers, one way for each. As many servers as were
/// measured keep their own parts of the traffic; another number of them has that of the measured ones on average, or of a
/// chain if none was measured. Every part of the layers is assumed to be as fast as measured, wherever it lies.
///
/// # Errors
/// The run has no generation, or lacks what is needed. Prompts are never planned: several servers compute pieces of
/// one at the same time.
pub fn plan(run: &Run, ways: &[Way]) -> Result<Vec<Planned>, NoPlan> {
    let refuse = |why: &str| Err(NoPlan(why.into()));
    let header = &run.header;
    if ways.is_empty() {
        return refuse("no link is given: give one for each server");
    }
    let Some(work) = header.work.iter().find(|work| work.kind == WorkKind::Generation) else {
        return refuse("the run does not tell the graph of a generation: measure one with sweep (-n)");
    };
    let measured = traffic(header, work);
    let waiting = match (measured.is_empty(), Waiting::of(header, WorkKind::Generation)) {
        (true, _) => Duration::ZERO,
        (false, Some(waiting)) => waiting.total(),
        (false, None) => {
            return refuse(
                "the links of the run were not measured: measure it again, on servers that have memory left",
            );
        }
    };
    let expected = expected(&measured, ways)?;
    let planned_waiting: Duration =
        expected.iter().zip(ways).map(|(traffic, way)| traffic.waiting(way)).sum();
    let generations = run
        .cells
        .iter()
        .filter(|cell| cell.test.kind.is_generation() && cell.test.n_parallel == work.n_tokens);
    let planned: Vec<Planned> = generations
        .filter_map(|cell| Some((cell.test, token(cell)?)))
        .map(|(test, measured)| Planned {
            test,
            measured,
            waiting,
            planned: measured.saturating_sub(waiting) + planned_waiting,
        })
        .collect();
    if planned.is_empty() {
        return refuse("the run has no generation with a figure: measure one with sweep (-n)");
    }
    if let Some(short) = planned.iter().find(|it| it.measured <= waiting) {
        return Err(NoPlan(format!(
            "{}: a token took {:?}, less than the {waiting:?} that the recorded links make it wait: they were measured while \
             something else was in the way, measure again",
            short.test, short.measured
        )));
    }
    Ok(planned)
}

/// What [`plan`] assumed of this run and these ways, a sentence each.
pub fn assumptions(run: &Run, ways: &[Way]) -> Vec<String> {
    let mut all = Vec::new();
    let work = run.header.work.iter().find(|work| work.kind == WorkKind::Generation);
    let n_measured = work.map_or(0, |work| traffic(&run.header, work).len());
    if n_measured == 0 {
        all.push(
            "No server was measured: each is taken to answer once a token, as in a chain of layers.".into(),
        );
    } else if n_measured != ways.len() {
        all.push(format!(
            "Traffic is averaged: {} were measured and {} are planned, each with the mean traffic of the measured ones.",
            count(n_measured, "server"),
            ways.len()
        ));
    }
    if run.cells.iter().any(|cell| !cell.test.kind.is_generation()) {
        all.push("Prompts are left out: several servers compute pieces of a prompt at the same time.".into());
    }
    all
}

/// The traffic of as many servers as there are ways.
fn expected(measured: &[Traffic], ways: &[Way]) -> Result<Vec<Traffic>, NoPlan> {
    if measured.len() == ways.len() {
        return Ok(measured.to_vec());
    }
    if measured.is_empty() {
        if ways.iter().any(|way| way.rates.0.is_some()) {
            return Err(NoPlan(
                "a run without servers does not tell the bytes that a token sends: leave out the rates, or measure with a \
                 server (--rpc), which may be on this machine"
                    .into(),
            ));
        }
        return Ok(ways.iter().map(|_| Traffic { round_trips: 1.0, ..Traffic::default() }).collect());
    }
    let n = measured.len() as f64;
    let mean =
        |of: fn(&Traffic) -> Option<f64>| measured.iter().map(of).sum::<Option<f64>>().map(|sum| sum / n);
    let one = Traffic {
        server: String::new(),
        round_trips: mean(|it| Some(it.round_trips)).unwrap_or(1.0),
        sent_bytes: mean(|it| it.sent_bytes),
        received_bytes: mean(|it| it.received_bytes),
    };
    Ok(vec![one; ways.len()])
}

/// The mean time of a token.
fn token(cell: &Cell) -> Option<Duration> {
    let mean = cell.times()?.mean();
    Some(mean / cell.test.kind.n_tokens().max(1))
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
