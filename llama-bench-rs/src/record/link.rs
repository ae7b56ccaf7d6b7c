use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The way to a server of devices on another machine, measured once per process through llama.cpp's own RPC backend while
/// nothing is computed: the smallest read many times, then a block there and back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Link {
    /// Its address, `HOST:PORT`.
    pub server: String,
    /// Round trips that were timed, each a read of four bytes.
    pub n_round_trips: Option<u32>,
    /// Median time of one, in ns.
    pub round_trip_ns: Option<u64>,
    /// 10 % of them take at most this long, in ns.
    pub round_trip_p10_ns: Option<u64>,
    /// 90 % of them take at most this long, in ns.
    pub round_trip_p90_ns: Option<u64>,
    /// Bytes of the block.
    pub block_bytes: Option<u64>,
    /// Time to write the block and read four bytes of it, in ns: a round trip is part of it.
    pub send_ns: Option<u64>,
    /// Time to read the block, in ns: a round trip is part of it.
    pub receive_ns: Option<u64>,
}

impl Link {
    /// Median time of a round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip_ns.map(Duration::from_nanos)
    }

    /// Bytes per second to the server, without the round trip; `None` if unknown or too fast to be told from it.
    pub fn send_rate(&self) -> Option<f64> {
        self.rate(self.send_ns)
    }

    /// Bytes per second from the server, without the round trip; `None` if unknown or too fast to be told from it.
    pub fn receive_rate(&self) -> Option<f64> {
        self.rate(self.receive_ns)
    }

    fn rate(&self, ns: Option<u64>) -> Option<f64> {
        let ns = ns?.checked_sub(self.round_trip_ns?).filter(|&ns| ns > 0)?;
        Some(self.block_bytes? as f64 / (ns as f64 / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_leave_the_round_trip_out() {
        let link = Link {
            round_trip_ns: Some(500_000),
            block_bytes: Some(1_000_000),
            send_ns: Some(10_500_000),
            receive_ns: Some(500_000),
            ..Link::default()
        };
        assert_eq!(link.send_rate(), Some(1e8));
        assert_eq!(link.receive_rate(), None, "all of it was the round trip");
        assert_eq!(Link { round_trip_ns: None, ..link }.send_rate(), None);
    }
}
