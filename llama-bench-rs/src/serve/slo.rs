//! The service level that requests should keep.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::RequestRecord;
use crate::units::time;

/// The service level that a request should keep: every limit that is given, all from the user's point of view.
///
/// | limit | a request keeps it if |
/// |---|---|
/// | `ttft` | its first token comes at most so long after its arrival, queueing included |
/// | `itl` | at least 99 % of its inter-token times are at most so long: with up to 99 of them, all |
/// | `total` | its last token comes at most so long after its arrival |
///
/// A request that failed keeps no level. Reads and prints as `ttft=2s,itl=100ms,total=30s`.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::serve::Slo;
///
/// let slo: Slo = "ttft=2s,itl=100ms".parse()?;
/// assert_eq!(slo.itl, Some(Duration::from_millis(100)));
/// assert_eq!(slo.to_string(), "ttft=2s,itl=100ms");
/// # Ok::<(), llama_bench_rs::serve::SloError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Slo {
    /// Longest time to first token.
    pub ttft: Option<Duration>,
    /// Longest inter-token time, which 1 % of a request's tokens may exceed.
    pub itl: Option<Duration>,
    /// Longest time to last token.
    pub total: Option<Duration>,
}

/// Inter-token times of which one may exceed the limit.
const GAPS_PER_EXCESS: usize = 100;

impl Slo {
    /// Limits the time to first token.
    #[must_use]
    pub fn ttft(self, most: Duration) -> Self {
        Self { ttft: Some(most), ..self }
    }

    /// Limits the inter-token times.
    #[must_use]
    pub fn itl(self, most: Duration) -> Self {
        Self { itl: Some(most), ..self }
    }

    /// Limits the time to last token.
    #[must_use]
    pub fn total(self, most: Duration) -> Self {
        Self { total: Some(most), ..self }
    }

    /// Whether this request got all of its tokens within the limits.
    pub fn is_kept_by(&self, request: &RequestRecord) -> bool {
        let within = |time: Option<Duration>, most: Option<Duration>| {
            most.is_none_or(|most| time.is_some_and(|time| time <= most))
        };
        let gaps = |most: Duration| {
            request.gaps.iter().filter(|&&gap| gap > most).count() * GAPS_PER_EXCESS <= request.gaps.len()
        };
        request.is_complete()
            && within(request.ttft(), self.ttft)
            && within(request.total(), self.total)
            && self.itl.is_none_or(gaps)
    }

    /// The limits with their names, in the order in which they print.
    fn limits(&mut self) -> [(&'static str, &mut Option<Duration>); 3] {
        [("ttft", &mut self.ttft), ("itl", &mut self.itl), ("total", &mut self.total)]
    }
}

/// Why a service level could not be read.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SloError {
    /// No limit.
    #[error("a service level without a limit: write one or more of ttft=2s, itl=100ms, total=30s")]
    Empty,
    /// A part that is not a name and a time.
    #[error(
        "{part:?} is not a limit: write ttft, itl or total, an equals sign and a time, such as itl=100ms"
    )]
    Limit {
        /// The part.
        part: String,
    },
    /// The same limit twice.
    #[error("{name} is given twice: give it once")]
    Twice {
        /// The limit.
        name: &'static str,
    },
    /// Not a time.
    #[error("{time:?} is not a valid time: write a number over 0 and a unit, such as 100ms, 2.5s or 1min")]
    Time {
        /// What was written.
        time: String,
    },
}

crate::error::debug_like_display!(SloError);

fn limit(text: &str) -> Result<Duration, SloError> {
    time::parse(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| SloError::Time { time: text.trim().into() })
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let mut slo = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let refused = || SloError::Limit { part: part.into() };
            let (name, most) = part.split_once('=').ok_or_else(refused)?;
            let (name, limit) =
                slo.limits().into_iter().find(|(known, _)| *known == name.trim()).ok_or_else(refused)?;
            if limit.replace(self::limit(most)?).is_some() {
                return Err(SloError::Twice { name });
            }
        }
        if slo == Self::default() { Err(SloError::Empty) } else { Ok(slo) }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slo = *self;
        let limits = slo.limits();
        let mut given = limits.into_iter().filter_map(|(name, limit)| Some((name, (*limit)?))).peekable();
        while let Some((name, most)) = given.next() {
            write!(f, "{name}={}", time::exact(most))?;
            if given.peek().is_some() {
                f.write_str(",")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Slo {
    type Error = SloError;

    fn try_from(text: String) -> Result<Self, SloError> {
        text.parse()
    }
}

impl From<Slo> for String {
    fn from(slo: Slo) -> Self {
        slo.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with;

    const MS: Duration = Duration::from_millis(1);

    fn request(ttft: u32, gaps: &[u32]) -> RequestRecord {
        let gaps: Vec<Duration> = gaps.iter().map(|&gap| gap * MS).collect();
        let first = 100 * MS + ttft * MS;
        let end = first + gaps.iter().sum::<Duration>();
        with!(RequestRecord {
            arrival: 100 * MS,
            start: Some(100 * MS),
            first_token: Some(first),
            end: Some(end),
            gaps,
        })
    }

    #[test]
    fn a_level_is_read_as_it_prints() {
        for text in ["ttft=2s", "ttft=2s,itl=100ms", "itl=1500us", "ttft=1ns,itl=2ms,total=90s"] {
            assert_eq!(text.parse::<Slo>().unwrap().to_string(), text);
        }
        let same = |a: &str, b: &str| assert_eq!(a.parse::<Slo>(), b.parse::<Slo>());
        same(" itl = 0.1s , ttft = 2 s ", "ttft=2000ms,itl=100ms");
        same("total=1.5min", "total=90s");
        let slo = Slo::default().ttft(2 * MS).itl(3 * MS).total(4 * MS);
        assert_eq!(slo.to_string(), "ttft=2ms,itl=3ms,total=4ms");
        assert_eq!(serde_json::to_string(&slo).unwrap(), r#""ttft=2ms,itl=3ms,total=4ms""#);
        assert_eq!(serde_json::from_str::<Slo>(r#""itl=3ms""#).unwrap(), Slo::default().itl(3 * MS));
    }

    #[test]
    fn what_cannot_be_a_level_is_refused_with_what_to_write() {
        let error = |text: &str| text.parse::<Slo>().unwrap_err().to_string();
        for (text, parts) in [
            ("", ["without a limit", "ttft=2s"]),
            (",", ["without a limit", "ttft=2s"]),
            ("2s", ["\"2s\" is not a limit", "itl=100ms"]),
            ("tpot=2s", ["\"tpot=2s\" is not a limit", "ttft, itl or total"]),
            ("ttft=2 apples", ["\"2 apples\" is not a valid time", "2.5s or 1min"]),
            ("ttft=0s", ["\"0s\" is not a valid time", "over 0"]),
            ("ttft=-1s", ["\"-1s\" is not a valid time", "over 0"]),
            ("ttft=NaNs", ["\"NaNs\" is not a valid time", "over 0"]),
            ("itl=1e30s", ["\"1e30s\" is not a valid time", "number"]),
            ("itl=1s,itl=2s", ["itl is given twice", "once"]),
        ] {
            let error = error(text);
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn every_limit_that_is_given_counts_from_the_arrival() {
        let quick = request(10, &[5, 5]);
        let slo = |text: &str| text.parse::<Slo>().unwrap();
        for kept in ["ttft=10ms", "itl=5ms", "total=20ms", "ttft=10ms,itl=5ms,total=20ms"] {
            assert!(slo(kept).is_kept_by(&quick), "{kept}");
        }
        for broken in ["ttft=9ms", "itl=4ms", "total=19ms", "ttft=1s,itl=4ms,total=1s"] {
            assert!(!slo(broken).is_kept_by(&quick), "{broken}");
        }
        let failed = RequestRecord { end: None, ..quick };
        assert!(!slo("ttft=1s").is_kept_by(&failed), "it did not get all of its tokens");
    }

    #[test]
    fn one_in_a_hundred_tokens_may_be_late() {
        let late = |n_late: usize, n: usize| {
            let gaps: Vec<u32> = (0..n).map(|i| if i < n_late { 50 } else { 5 }).collect();
            Slo::default().itl(10 * MS).is_kept_by(&request(1, &gaps))
        };
        assert!(late(0, 1) && late(0, 99) && late(1, 100) && late(2, 200));
        assert!(!late(1, 1) && !late(1, 99) && !late(2, 199));
        assert!(late(0, 0), "a request of one token has no time between tokens");
    }
}
