use std::{fmt, time::Duration};

use super::{Level, Say};
use crate::{
    judge::network::Waiting,
    record::{Run, Test, work::WorkKind},
    report::in_words::{count, duration, percent},
    units::Share,
};

/// From this share of a token's time on, the network is what to improve.
const LARGE: f64 = 0.2;

/// What a generated token waits for servers on other machines.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Network {
    /// The generation with the shallowest context.
    pub test: Test,
    /// Time of a token, the mean.
    pub token: Duration,
    /// Of each server: its address, the answers that are waited for, and the time.
    pub servers: Vec<(String, u32, Duration)>,
}

pub(super) fn network(run: &Run) -> Option<Network> {
    let waiting = Waiting::of(&run.header, WorkKind::Generation)?;
    let of_one = |cell: &&crate::record::Cell| cell.test.kind.is_generation() && cell.test.n_parallel == 1;
    let generations = run.cells.iter().filter(of_one);
    let timed = generations
        .filter_map(|cell| Some((cell.test, cell.times()?.mean() / cell.test.kind.n_tokens().max(1))));
    let (test, token) = timed.min_by_key(|(test, _)| test.n_depth)?;
    let servers = waiting.parts.into_iter().map(|(it, time)| (it.server, it.round_trips as u32, time));
    Some(Network { test, token, servers: servers.collect() })
}

impl Network {
    fn waiting(&self) -> Duration {
        self.servers.iter().map(|(_, _, time)| *time).sum()
    }

    /// The share of a token's time; `None` if the links take longer than all of it, or it took none.
    fn share(&self) -> Option<Share> {
        let share = self.waiting().as_secs_f64() / self.token.as_secs_f64();
        Share::new(share).filter(|_| share < 1.0)
    }
}

impl Say for Network {
    fn level(&self) -> Level {
        match self.share() {
            Some(share) if share.get() < LARGE => Level::Note,
            _ => Level::Warning,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n: u32 = self.servers.iter().map(|(_, n, _)| n).sum();
        write!(f, "A token crosses the network {}: ", count(n, "time"))?;
        for (i, (server, n, time)) in self.servers.iter().enumerate() {
            let separator = if i == 0 { "" } else { " + " };
            write!(f, "{separator}{n} x to {server} ({})", duration(*time))?;
        }
        let (waiting, token, test) = (duration(self.waiting()), duration(self.token), self.test);
        match self.share() {
            Some(share) => write!(f, ": {waiting} of {token} ({}) in {test}.", percent(share)),
            None => write!(
                f,
                ": {waiting}, more than the {token} of a token in {test}: the links were measured while something else was in \
                 the way."
            ),
        }
    }
}
