//! Quantities with their unit in the type: a latency cannot be off by a thousand.
//!
//! ```
//! use llama_bench_rs::units::{Share, Speedup, TokensPerSecond};
//!
//! let rate = TokensPerSecond::new(3713.75).unwrap();
//! assert_eq!(rate.to_string(), "3713.75 t/s");
//! assert_eq!(rate.time_for(2048).as_millis(), 551);
//! assert_eq!(Share::percent(25).to_string(), "25.00 %");
//! assert_eq!(Speedup::new(0.952).unwrap().to_string(), "-4.8 %");
//! assert_eq!(Speedup::new(f64::NAN), None); // undefined values are `None`
//! ```

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

mod relative;
pub mod text;
#[cfg(feature = "measure")]
pub(crate) mod text_table;
pub mod time;
pub mod words;

pub use relative::{Change, Multiple, OutOfRange, Probability, Share, Speedup};

/// A throughput in tokens per second, always finite and positive.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokensPerSecond(f64);

impl TokensPerSecond {
    /// The rate of `n_tokens` processed in `elapsed`; `None` if no time passed or no token was processed.
    pub fn from_elapsed(n_tokens: u64, elapsed: Duration) -> Option<Self> {
        Self::new(n_tokens as f64 / elapsed.as_secs_f64())
    }

    /// A rate from a bare number of tokens per second; `None` unless finite and positive.
    pub fn new(tokens_per_second: f64) -> Option<Self> {
        (tokens_per_second.is_finite() && tokens_per_second > 0.0).then_some(Self(tokens_per_second))
    }

    /// The bare number, in tokens per second.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The time that `n_tokens` take at this rate.
    pub fn time_for(self, n_tokens: u64) -> Duration {
        Duration::from_secs_f64(n_tokens as f64 / self.0)
    }
}

impl fmt::Display for TokensPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.precision() {
            Some(precision) => write!(f, "{:.precision$} t/s", self.0),
            None => write!(f, "{:.2} t/s", self.0),
        }
    }
}

/// A throughput in requests per second, always finite, zero or more. Prints with three significant digits.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestsPerSecond(f64);

impl RequestsPerSecond {
    /// From a bare number of requests per second; `None` unless finite and not negative.
    pub fn new(requests_per_second: f64) -> Option<Self> {
        (requests_per_second.is_finite() && requests_per_second >= 0.0).then_some(Self(requests_per_second))
    }

    /// The bare number, in requests per second.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for RequestsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.precision() {
            Some(precision) => write!(f, "{:.precision$} requests/s", self.0),
            None => write!(f, "{} requests/s", words::digits(self.0, 3)),
        }
    }
}

/// A distance between two rates, or the spread of several, in tokens per second; always finite, zero or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateSpread(f64);

impl RateSpread {
    /// From a bare number of tokens per second; `None` unless finite and not negative.
    pub fn new(tokens_per_second: f64) -> Option<Self> {
        (tokens_per_second.is_finite() && tokens_per_second >= 0.0).then_some(Self(tokens_per_second))
    }

    /// The bare number, in tokens per second.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for RateSpread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(2);
        write!(f, "{:.precision$} t/s", self.0)
    }
}

/// The sum, or the largest number if it is more: a file may hold any numbers.
#[cfg(feature = "measure")]
pub(crate) fn total(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_prefill_takes_half_a_second_not_half_a_millisecond() {
        let rate = TokensPerSecond::new(3713.75).unwrap();
        assert_eq!((rate.time_for(2048).as_secs_f64() * 1e3).round(), 551.0);
        assert_eq!(rate.to_string(), "3713.75 t/s");
    }

    #[test]
    fn undefined_rates_do_not_exist() {
        assert_eq!(TokensPerSecond::from_elapsed(10, Duration::ZERO), None);
        assert_eq!(TokensPerSecond::from_elapsed(0, Duration::from_secs(1)), None);
        assert_eq!(TokensPerSecond::new(f64::NAN), None);
    }

    #[test]
    fn requests_per_second_may_be_zero_but_not_negative() {
        assert_eq!(RequestsPerSecond::new(0.0).map(|rate| rate.to_string()).as_deref(), Some("0 requests/s"));
        assert_eq!(RequestsPerSecond::new(1.2345).unwrap().to_string(), "1.23 requests/s");
        assert_eq!(RequestsPerSecond::new(-0.1), None);
        assert_eq!(RequestsPerSecond::new(f64::NAN), None);
    }

    #[test]
    fn spreads_may_be_zero_but_not_negative() {
        assert_eq!(RateSpread::new(0.0).map(RateSpread::get), Some(0.0));
        assert_eq!(RateSpread::new(-0.1), None);
        assert_eq!(RateSpread::new(f64::INFINITY), None);
        assert_eq!(RateSpread::new(9.453).unwrap().to_string(), "9.45 t/s");
    }

    /// Elsewhere a number would get its unit by another rule, and a text would be cleaned by another one.
    #[test]
    fn units_are_written_and_texts_cleaned_here_alone() {
        fn check(folder: &std::path::Path) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("units") {
                    check(&path);
                } else if path.to_string_lossy().ends_with(".rs")
                    && !path.to_string_lossy().ends_with("tests.rs")
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    for own in
                        ["} KiB", "} MiB", "} GiB", "} ms\"", "} µs", ".is_control()", "take(most", "'…']"]
                    {
                        let found = code.lines().find(|line| line.contains(own));
                        assert!(
                            found.is_none(),
                            "{}: {found:?}: see units::words and units::text",
                            path.display()
                        );
                    }
                }
            }
        }
        for entry in ["judge", "testing", "report", "record", "bench", "llama", "gguf", "chat", "stats"] {
            check(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(entry));
        }
    }
}
