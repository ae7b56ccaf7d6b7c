//! Quantities for people: the one place where a number gets its unit.

use std::time::Duration;

use crate::{
    record::{Group, TestKind},
    units::{RateSpread, Share, TokensPerSecond},
};

/// A time with three significant digits in the unit that fits: `11.1 ms`, `551 ms`, `1.66 s`, `3 min 3 s`.
///
/// Every time in the crate's texts is written by this function, so that none can be off by a thousand.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::{report::in_words::duration, units::TokensPerSecond};
///
/// let prefill = TokensPerSecond::new(3713.75).map(|rate| rate.time_for(2048));
/// assert_eq!(prefill.map(duration).as_deref(), Some("551 ms"));
/// assert_eq!(duration(Duration::from_micros(11_100)), "11.1 ms");
/// ```
pub fn duration(time: Duration) -> String {
    const UNITS: [(f64, &str); 4] = [(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
    let seconds = time.as_secs_f64();
    if seconds >= 59.95 {
        return long_duration(time);
    }
    if seconds == 0.0 {
        return "0 s".into();
    }
    // 999.6 ms would round to 1000 ms: it is 1.00 s.
    let fits = |(size, _): &&(f64, &str)| seconds / size < 999.5;
    let (size, unit) = UNITS.iter().find(fits).unwrap_or(&(1.0, "s"));
    format!("{} {unit}", three_digits(seconds / size))
}

fn long_duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes} min {seconds} s"),
        1..48 => format!("{hours} h {minutes} min"),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// Three significant digits of a number between 0.1 and 1000: `5.00`, `11.1`, `551`.
fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// A size or a time that a file tells; older ones, and llama-bench for its build number, write 0 for what they do not know.
pub(super) fn told<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// Bytes in binary units with two decimals, as llama-bench rounds them: `10.81 GiB`.
pub fn bytes(bytes: u64) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    match bytes {
        0..0x10_0000 => format!("{:.2} KiB", bytes as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.2} MiB", bytes as f64 / MIB),
        _ => format!("{:.2} GiB", bytes as f64 / MIB / 1024.0),
    }
}

/// Bytes over time: `2.11 GiB/s`; `None` if no time passed.
pub fn bytes_per_second(bytes: u64, elapsed: Duration) -> Option<String> {
    let rate = bytes as f64 / elapsed.as_secs_f64();
    (rate.is_finite() && rate > 0.0).then(|| format!("{}/s", self::bytes(rate as u64)))
}

/// A time with two significant digits, for how far another one may be off: `1.7 ms`, `12 ms`, `3 min 3 s`.
pub(super) fn rough_duration(time: Duration) -> String {
    const UNITS: [(f64, &str); 4] = [(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
    let seconds = time.as_secs_f64();
    if seconds == 0.0 || seconds >= 59.5 {
        return duration(time);
    }
    let fits = |(size, _): &&(f64, &str)| seconds / size < 999.5;
    let (size, unit) = UNITS.iter().find(fits).unwrap_or(&(1.0, "s"));
    format!("{} {unit}", digits(seconds / size, 2))
}

/// A speed in tokens per second, without the unit, with three significant digits or all before the point: `13131`,
/// `3714`, `90.1`, `0.0512`.
pub(super) fn speed(rate: TokensPerSecond) -> String {
    digits(rate.get(), 3)
}

/// How far a speed may be off, in tokens per second, without the unit, with two significant digits: `12`, `0.18`.
pub(super) fn rough_rate(spread: RateSpread) -> String {
    digits(spread.get(), 2)
}

/// So many significant digits, or all before the point.
fn digits(value: f64, n: i32) -> String {
    const MOST: i32 = 6;
    if value == 0.0 {
        return "0".into();
    }
    let decimals = |value: f64| n - 1 - value.abs().log10().floor() as i32;
    if decimals(value) > MOST || value.abs() >= 1e15 {
        return format!("{value:.*e}", (n - 1) as usize);
    }
    // 9.996 rounds to 10.0, which has a digit less behind the point.
    let rounded = |value: f64| format!("{value:.*}", decimals(value).max(0) as usize);
    rounded(rounded(value).parse().unwrap_or(value))
}

/// A number of parameters in millions or (American) billions, as llama-bench rounds it: `20.91 B`.
pub fn parameters(n: u64) -> String {
    match n {
        0..1_000_000_000 => format!("{:.2} M", n as f64 / 1e6),
        _ => format!("{:.2} B", n as f64 / 1e9),
    }
}

/// A share in percent with as many digits as say something: `0.32 %`, `7.2 %`, `45.4 %`, `226 %`.
pub fn percent(share: Share) -> String {
    match share.get() {
        s if s < 0.00995 => format!("{share:.2}"),
        s if s < 0.9995 => format!("{share:.1}"),
        _ => format!("{share:.0}"),
    }
}

/// `an empty context` or `a context of 4096 tokens`.
pub fn context(n_depth: u32) -> String {
    match n_depth {
        0 => "an empty context".into(),
        1 => "a context of 1 token".into(),
        n => format!("a context of {n} tokens"),
    }
}

/// A test at any depth: `pp2048`, `tg32`, `tg32 (pg2048+32)`.
pub(super) fn test(kind: TestKind, group: Option<Group>) -> String {
    crate::record::Test { kind, n_depth: 0, group }.to_string()
}

/// What a kind of test measures: `prompt processing`, `generation` or `embedding`.
pub(super) fn activity(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Pp(_) => "prompt processing",
        TestKind::Tg(_) => "generation",
        TestKind::Embd(_) => "embedding",
    }
}

pub(super) use crate::units::words::{count, plural};

/// The text with its first letter in upper case.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Text from a file, safe in a line of a terminal or a document: no line breaks, no escape sequences.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// An argument as a shell reads it back, without control characters: it may come from a file.
pub(super) fn quoted(argument: &str) -> String {
    let argument: String = argument.chars().filter(|c| !c.is_control()).collect();
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument;
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits_and_their_unit() {
        let words = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(words(0.551_464), "551 ms");
        assert_eq!(words(0.011_104), "11.1 ms");
        assert_eq!(words(1.0 / 90.06 * 32.0), "355 ms");
        assert_eq!(words(0.999_4), "999 ms");
        assert_eq!(words(0.999_6), "1.00 s");
        assert_eq!(words(9.996), "10.0 s");
        assert_eq!(words(59.94), "59.9 s");
        assert_eq!(words(59.96), "1 min 0 s");
        assert_eq!(words(183.0), "3 min 3 s");
        assert_eq!(words(3599.7), "1 h 0 min");
        assert_eq!(words(26.0 * 86400.0), "26 d 0 h");
        assert_eq!(words(41e-9), "41.0 ns");
        assert_eq!(words(5.4e-6), "5.40 µs");
        assert_eq!(words(0.0), "0 s");
        assert_eq!(duration(Duration::from_nanos(1)), "1.00 ns");
    }

    #[test]
    fn speeds_keep_three_digits_and_what_may_be_off_two() {
        let speed = |rate: f64| speed(TokensPerSecond::new(rate).unwrap());
        assert_eq!(
            [13131.4, 3713.75, 90.06, 9.996, 0.051_23].map(speed),
            ["13131", "3714", "90.1", "10.0", "0.0512"]
        );
        let off = |spread: f64| rough_rate(RateSpread::new(spread).unwrap());
        assert_eq!([1234.0, 11.74, 0.177, 0.0996, 0.0].map(off), ["1234", "12", "0.18", "0.10", "0"]);
        assert_eq!([speed(1e-9), speed(3e20)], ["1.00e-9", "3.00e20"]);
        let off = |seconds: f64| rough_duration(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.001_74, 0.0123, 0.551, 1.66, 183.0].map(off),
            ["1.7 ms", "12 ms", "551 ms", "1.7 s", "3 min 3 s"]
        );
    }

    #[test]
    fn sizes_round_as_llama_bench_does() {
        assert_eq!(bytes(11_607_318_528), "10.81 GiB");
        assert_eq!(bytes(4_949_000), "4.72 MiB");
        assert_eq!(bytes(512), "0.50 KiB");
        assert_eq!(parameters(20_914_757_184), "20.91 B");
        assert_eq!(
            bytes_per_second(11_607_318_528, Duration::from_millis(5120)).as_deref(),
            Some("2.11 GiB/s")
        );
        assert_eq!(bytes_per_second(5, Duration::ZERO), None);
    }

    #[test]
    fn text_from_a_file_stays_in_its_line() {
        assert_eq!(one_line(" a\n\u{1b}[31mb\tc "), "a [31mb c");
        assert_eq!(sentence("über"), "Über");
        assert_eq!((count(1, "cell"), count(0, "cell")), ("1 cell".into(), "0 cells".into()));
    }

    #[test]
    fn names_from_a_file_stay_one_argument() {
        assert_eq!(quoted("a model's.gguf"), r"'a model'\''s.gguf'");
        assert_eq!(quoted("x;rm -rf\n\u{1b}[2J"), "'x;rm -rf[2J'");
        assert_eq!(quoted("$(id)"), "'$(id)'");
    }
}
