use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::words::duration;

/// Why repetitions were run in the order in which they were run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OrderChoice {
    /// What decided it.
    pub reason: OrderReason,
    /// What returning to depths or configurations was expected to take in addition, in the order that was in question:
    /// snapshots of the whole context and copies of sequences. `None` if that did not decide.
    pub returns: Option<Duration>,
    /// What the repetitions were expected to take then.
    pub timed: Option<Duration>,
}

/// What decided the order of repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OrderReason {
    /// It was asked for.
    #[default]
    Asked,
    /// There is one depth, and nothing to come back to.
    OneDepth,
    /// A snapshot of the whole context does not fit into memory, or this memory cannot be saved.
    NoSnapshot,
    /// Coming back takes a small part of the time of the repetitions.
    Cheap,
    /// Coming back would take too large a part of the time of the repetitions.
    #[serde(alias = "dear")]
    Costly,
}

impl fmt::Display for OrderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let takes = match self.reason {
            OrderReason::Asked => return f.write_str("as asked for"),
            OrderReason::OneDepth => return f.write_str("there is one depth"),
            OrderReason::NoSnapshot => {
                return f.write_str("a snapshot of the whole context does not fit or cannot be kept");
            }
            OrderReason::Cheap => "takes",
            OrderReason::Costly => "would take",
        };
        match (self.returns, self.timed) {
            (Some(returns), Some(timed)) => {
                let (returns, timed) = (duration(returns), duration(timed));
                write!(f, "coming back {takes} {returns} beside {timed} of repetitions")
            }
            _ => write!(f, "coming back {takes} {}", if takes == "takes" { "little" } else { "too long" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_with_its_figures() {
        let seconds = |n| Some(Duration::from_secs(n));
        let choice = |reason, returns, timed| OrderChoice { reason, returns, timed }.to_string();
        assert_eq!(
            choice(OrderReason::Costly, seconds(30), seconds(3)),
            "coming back would take 30.0 s beside 3.00 s of repetitions"
        );
        assert_eq!(choice(OrderReason::Cheap, None, None), "coming back takes little");
        assert_eq!(choice(OrderReason::Costly, seconds(1), None), "coming back would take too long");
        assert_eq!(OrderChoice::default().to_string(), "as asked for");
    }
}
