//! Stops in what a fake target computes: two layers of attention and feed-forward, then the output.

use std::time::Duration;

use super::{FakeClock, failure};
use crate::{
    bench::clock::Clock as _,
    llama::{BlockKind, Stop, Stops},
    record::Failure,
};

/// What a stop takes.
pub(in crate::bench) const STOP: Duration = Duration::from_micros(20);

/// Keeps the stops of a trace.
#[derive(Default)]
pub(in crate::bench) struct Tracer {
    stops: Option<Stops>,
    taken: Vec<Stop>,
    is_learned: bool,
    /// It cannot be traced.
    pub(in crate::bench) is_broken: bool,
}

impl Tracer {
    pub(super) fn begin(&mut self, stops: Stops) -> Result<(), Failure> {
        if self.is_broken {
            return Err(failure("trace"));
        }
        assert!(self.stops.is_none(), "a trace is begun once");
        assert!(self.is_learned || stops == Stops::Nothing, "what is computed is learned first");
        self.is_learned = true;
        self.stops = Some(stops);
        Ok(())
    }

    pub(super) fn end(&mut self) -> Vec<Stop> {
        self.stops = None;
        std::mem::take(&mut self.taken)
    }

    /// A decode of which attention took one time and all else another is over; its stops take theirs.
    pub(super) fn pass(&mut self, clock: &FakeClock, attention: Duration, rest: Duration) {
        let (Some(stops), graph) = (self.stops, self.taken.last().map_or(0, |stop| stop.graph + 1)) else {
            return;
        };
        let layer = |layer| {
            [
                (BlockKind::Attention, Some(layer), attention / 2),
                (BlockKind::FeedForward, Some(layer), rest / 4),
            ]
        };
        let mut blocks = [layer(0), layer(1)].concat();
        blocks.push((BlockKind::Output, None, rest / 2));
        let mut since = Duration::ZERO;
        let mut begun = clock.now() - attention - rest;
        for (i, &(block, layer, elapsed)) in blocks.iter().enumerate() {
            since += elapsed;
            let ends_layer = blocks.get(i + 1).is_none_or(|next| next.1 != layer);
            let is_stop = match stops {
                Stops::Nothing => false,
                Stops::Layers => ends_layer,
                _ => true,
            };
            if is_stop {
                clock.advance(STOP);
                let ended = begun + since + STOP;
                let (op, device) = ("MUL_MAT".into(), "CPU".into());
                self.taken.push(Stop { op, device, block, layer, graph, begun, ended, ..Stop::default() });
                (begun, since) = (ended, Duration::ZERO);
            }
        }
    }
}
