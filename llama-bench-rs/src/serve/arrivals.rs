use std::{cmp::Reverse, collections::BinaryHeap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{SettingError, Times, Workload, workload::Stream};

/// When requests arrive.
///
/// | loop | who decides | what it shows |
/// |---|---|---|
/// | closed | users, each of whom waits for an answer, thinks, and asks again | what a number of users get |
/// | open | a rate, whatever the server does | when a server is overloaded: the queue grows without end |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// A closed loop. Each user's first request comes after a random share of its think time, so users without one all ask
    /// at once.
    Closed {
        /// Users.
        users: u32,
        /// From an answer's last token to the user's next request.
        think: Times,
    },
    /// An open loop: Poisson arrivals, whose gaps are exponentially distributed and independent.
    Open {
        /// Requests per second on average.
        rate: f64,
    },
}

impl Arrivals {
    /// Users who ask again at once.
    pub fn users(users: u32) -> Self {
        Self::Closed { users, think: Times::Fixed(Duration::ZERO) }
    }

    /// Whether requests arrive at all.
    ///
    /// # Errors
    /// There are no users, the rate is not a positive number, or a think time is not valid.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Closed { users: 0, .. } => Err(SettingError::NoUsers),
            Self::Closed { think, .. } => Ok(think.check()?),
            Self::Open { rate } if rate.is_finite() && *rate > 0.0 => Ok(()),
            Self::Open { rate } => Err(SettingError::Rate { rate: *rate }),
        }
    }
}

impl Default for Arrivals {
    /// One user who asks again at once.
    fn default() -> Self {
        Self::users(1)
    }
}

impl fmt::Display for Arrivals {
    /// `8 users`, `8 users, think time 2s`, `0.5 requests/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { users, think } => {
                write!(f, "{users} {}", if *users == 1 { "user" } else { "users" })?;
                if *think == Times::Fixed(Duration::ZERO) {
                    Ok(())
                } else {
                    write!(f, ", think time {think}")
                }
            }
            Self::Open { rate } => write!(f, "{rate} requests/s"),
        }
    }
}

/// A request that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    pub(super) id: u32,
    pub(super) user: Option<u32>,
}

/// The requests that are yet to come.
///
/// A request has its number before it arrives: its think time belongs to it as its lengths do.
#[derive(Debug)]
pub(super) struct Coming {
    workload: Workload,
    arrivals: Arrivals,
    /// Those whose time is known: one for each user who thinks, or the next one of an open loop.
    known: BinaryHeap<Reverse<Arrival>>,
    /// Requests that have a time or had one.
    n_known: u32,
}

impl Coming {
    pub(super) fn new(workload: &Workload, arrivals: &Arrivals) -> Self {
        let mut coming = Self {
            workload: workload.clone(),
            arrivals: arrivals.clone(),
            known: BinaryHeap::new(),
            n_known: 0,
        };
        match *arrivals {
            Arrivals::Closed { users, .. } => {
                for user in 0..users.min(workload.n_requests) {
                    let share = workload.rng(Stream::Begin, user).uniform();
                    coming.ask(user, Duration::ZERO, share);
                }
            }
            Arrivals::Open { .. } => coming.ask_by_rate(Duration::ZERO),
        }
        coming
    }

    /// When the next request comes, if one is known to.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.known.peek().map(|Reverse(arrival)| arrival.at)
    }

    /// A request that has come by now; the earliest first.
    pub(super) fn due(&mut self, now: Duration) -> Option<Arrival> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(arrival) = self.known.pop()?;
        if arrival.user.is_none() {
            self.ask_by_rate(arrival.at);
        }
        Some(arrival)
    }

    /// A user has an answer, and thinks of the next request if any is left.
    pub(super) fn answered(&mut self, user: Option<u32>, now: Duration) {
        if let Some(user) = user {
            self.ask(user, now, 1.0);
        }
    }

    fn ask(&mut self, user: u32, now: Duration, share_of_think: f64) {
        let Arrivals::Closed { think, .. } = &self.arrivals else { return };
        if self.n_known < self.workload.n_requests {
            let id = self.n_known;
            let think = think.draw(id, &mut self.workload.rng(Stream::Think, id));
            let at = now.saturating_add(think.mul_f64(share_of_think));
            self.push(Arrival { at, id, user: Some(user) });
        }
    }

    fn ask_by_rate(&mut self, last: Duration) {
        let Arrivals::Open { rate } = self.arrivals else { return };
        if self.n_known < self.workload.n_requests {
            let id = self.n_known;
            let seconds = -self.workload.rng(Stream::Arrival, id).uniform().ln() / rate;
            let gap = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            self.push(Arrival { at: last.saturating_add(gap), id, user: None });
        }
    }

    fn push(&mut self, arrival: Arrival) {
        self.known.push(Reverse(arrival));
        self.n_known += 1;
    }
}
