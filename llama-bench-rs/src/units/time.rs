//! Times as settings: read from what a person writes, and written in a form that is read back.

use std::time::Duration;

/// Units that are read, the longer names before those that they end in; sizes in seconds.
const UNITS: [(&str, f64); 8] = [
    ("ms", 1e-3),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ns", 1e-9),
    ("min", 60.0),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// A time, 0 or more, with an optional unit: `5`, `0.5`, `500ms`, `2s`, `1m`. Without a unit it is in seconds.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::units::time::parse;
///
/// assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
/// assert_eq!(parse("2 apples"), None);
/// ```
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))
        .unwrap_or((text, 1.0));
    number.parse::<f64>().ok().and_then(|n| Duration::try_from_secs_f64(n * unit).ok())
}

/// A time to the nanosecond in one unit, as [`parse`] reads it: `2s`, `1500ms`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(llama_bench_rs::units::time::exact(Duration::from_millis(1500)), "1500ms");
/// ```
pub fn exact(time: Duration) -> String {
    let ns = time.as_nanos();
    let (size, unit) = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")]
        .into_iter()
        .find(|(size, _)| ns.is_multiple_of(*size))
        .unwrap_or((1, "ns"));
    format!("{}{unit}", ns / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for ns in [0, 1, 999, 1000, 1_500_000, 2_000_000_000, 90_000_000_000, 123_456_789] {
            let time = Duration::from_nanos(ns);
            assert_eq!(parse(&exact(time)), Some(time), "{}", exact(time));
        }
        let words = ["0", "0.5", " 500 ms ", "2s", "1m", "1min", "1h", "250us", "7µs", "8ns"];
        let ns =
            [0, 500_000_000, 500_000_000, 2_000_000_000, 60_000_000_000, 60_000_000_000, 3_600_000_000_000];
        let ns = ns.into_iter().chain([250_000, 7000, 8]);
        for (text, ns) in words.into_iter().zip(ns) {
            assert_eq!(parse(text), Some(Duration::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["", "s", "-1", "-0.5s", "nan", "inf", "1e400", "1e300h", "2 apples", "1 s s"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
