//! Numbers with their units, for people: the one place where a number becomes a text.
//!
//! A quantity with a type of its own ([`Speedup`](super::Speedup), [`Share`] and so on) prints by its `Display`; everything
//! else is written by a function here.
//!
//! ```
//! use std::time::Duration;
//!
//! use llama_bench_rs::units::words::{bytes, count, duration};
//!
//! assert_eq!(duration(Duration::from_micros(11_100)), "11.1 ms");
//! assert_eq!(bytes(11_607_318_528), "10.81 GiB");
//! assert_eq!(count(1, "cell") + " of " + &count(3, "run"), "1 cell of 3 runs");
//! ```

use std::{fmt, time::Duration};

use super::{RateSpread, Share, TokensPerSecond};

/// Units of time under a minute, with their size in seconds.
const UNITS_OF_TIME: [(f64, &str); 4] = [(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];

/// A time with three significant digits in the unit that fits: `11.1 ms`, `551 ms`, `1.66 s`, `3 min 3 s`.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::units::{TokensPerSecond, words::duration};
///
/// let prefill = TokensPerSecond::new(3713.75).map(|rate| rate.time_for(2048));
/// assert_eq!(prefill.map(duration).as_deref(), Some("551 ms"));
/// ```
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 59.95 { long_duration(time) } else { short_duration(seconds, 3) }
}

/// A time with two significant digits, for how far another one may be off: `1.7 ms`, `12 ms`, `3 min 3 s`.
pub fn rough_duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 59.5 { long_duration(time) } else { short_duration(seconds, 2) }
}

fn short_duration(seconds: f64, n_digits: i32) -> String {
    if seconds == 0.0 {
        return "0 s".into();
    }
    // 999.6 ms would round to 1000 ms: it is 1.00 s.
    let fits = |(size, _): &&(f64, &str)| seconds / size < 999.5;
    let (size, unit) = UNITS_OF_TIME.iter().find(fits).unwrap_or(&(1.0, "s"));
    format!("{} {unit}", digits(seconds / size, n_digits))
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

/// A time of seconds to days in at most two units, short enough for a line of progress: `42s`, `1m10`, `2h05`, `3d04h`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(llama_bench_rs::units::words::clock(Duration::from_secs(70)), "1m10");
/// ```
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (minutes, hours) {
        (0, _) => format!("{seconds}s"),
        (_, 0) => format!("{minutes}m{:02}", seconds % 60),
        (_, 1..48) => format!("{hours}h{:02}", minutes % 60),
        _ => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

/// Bytes in binary units with two decimals: `10.81 GiB`, `4.72 MiB`, `0.50 KiB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < MIB { format!("{:.2} KiB", bytes as f64 / 1024.0) } else { mebibytes(bytes) }
}

/// The same in MiB at least, as llama-bench writes the size of a model: `10.81 GiB`, `0.00 MiB`.
pub fn mebibytes(bytes: u64) -> String {
    if bytes < GIB {
        format!("{:.2} MiB", bytes as f64 / MIB as f64)
    } else {
        format!("{:.2} GiB", bytes as f64 / GIB as f64)
    }
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Bytes over time: `2.11 GiB/s`; `None` if no time passed.
pub fn bytes_per_second(bytes: u64, elapsed: Duration) -> Option<String> {
    let rate = bytes as f64 / elapsed.as_secs_f64();
    (rate.is_finite() && rate > 0.0).then(|| format!("{}/s", self::bytes(rate as u64)))
}

/// A speed in tokens per second, without the unit, with three significant digits or all before the point: `13131`,
/// `3714`, `90.1`, `0.0512`.
pub fn speed(rate: TokensPerSecond) -> String {
    digits(rate.get(), 3)
}

/// How far a speed may be off, in tokens per second, without the unit, with two significant digits: `12`, `0.18`.
pub fn rough_rate(spread: RateSpread) -> String {
    digits(spread.get(), 2)
}

/// A bare number with this many significant digits, or all before the point.
pub(crate) fn digits(value: f64, n: i32) -> String {
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

/// A share in percent with two or three significant digits: `0.32 %`, `7.2 %`, `45.4 %`, `226 %`.
pub fn percent(share: Share) -> String {
    match share.get() {
        s if s < 0.00995 => format!("{share:.2}"),
        s if s < 0.9995 => format!("{share:.1}"),
        _ => format!("{share:.0}"),
    }
}

/// A share as somebody wrote it, with at most two decimals and no zeros behind them: `5 %`, `2.5 %`.
pub fn percent_as_written(share: Share) -> String {
    let text = format!("{:.2}", share.get() * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number of things, in the plural unless there is one: `1 cell`, `3 cells`.
pub fn count<N: Copy + fmt::Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    format!("{n} {noun}{}", plural(n, "", "s"))
}

/// The form of a word that goes with a number: `is` with 1, `are` with any other.
pub fn plural<'a, N: PartialEq + From<u8>>(n: N, one: &'a str, several: &'a str) -> &'a str {
    if n == N::from(1) { one } else { several }
}

/// The range of several counts: `3 runs`, `1 to 4 runs`; `0 runs` without counts.
pub fn counts(each: impl IntoIterator<Item = usize>, noun: &str) -> String {
    let each: Vec<usize> = each.into_iter().collect();
    let (least, most) = (each.iter().min().copied().unwrap_or(0), each.iter().max().copied().unwrap_or(0));
    if least == most { count(most, noun) } else { format!("{least} to {}", count(most, noun)) }
}

/// A context of this many tokens: `an empty context` or `a context of 4096 tokens`.
pub fn context(n_depth: u32) -> String {
    match n_depth {
        0 => "an empty context".into(),
        n => format!("a context of {}", count(n, "token")),
    }
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
        assert_eq!((mebibytes(512), mebibytes(0x4000_0000 - 1)), ("0.00 MiB".into(), "1024.00 MiB".into()));
        assert_eq!(mebibytes(0x4000_0000), "1.00 GiB");
        assert_eq!(
            (parameters(20_914_757_184), parameters(999_999_999)),
            ("20.91 B".into(), "1000.00 M".into())
        );
        assert_eq!(
            bytes_per_second(11_607_318_528, Duration::from_millis(5120)).as_deref(),
            Some("2.11 GiB/s")
        );
        assert_eq!(bytes_per_second(5, Duration::ZERO), None);
    }

    #[test]
    fn times_of_progress_have_two_units_at_most() {
        let words = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([0, 42, 59, 60, 70].map(words), ["0s", "42s", "59s", "1m00", "1m10"]);
        assert_eq!(
            [3599, 3600, 7500, 172_800, 273_600].map(words),
            ["59m59", "1h00", "2h05", "2d00h", "3d04h"]
        );
        assert_eq!(clock(Duration::from_millis(59_600)), "1m00");
    }

    #[test]
    fn things_are_counted_in_singular_and_plural() {
        assert_eq!((count(1, "cell"), count(0u64, "cell")), ("1 cell".into(), "0 cells".into()));
        assert_eq!((plural(1usize, "is", "are"), plural(2u32, "is", "are")), ("is", "are"));
        assert_eq!(counts([3, 1, 4], "run"), "1 to 4 runs");
        assert_eq!((counts([1, 1], "run"), counts([], "run")), ("1 run".into(), "0 runs".into()));
        assert_eq!(
            [0, 1, 9].map(context),
            ["an empty context", "a context of 1 token", "a context of 9 tokens"]
        );
    }

    #[test]
    fn shares_have_the_digits_that_say_something() {
        let share = |share: f64| Share::new(share).unwrap();
        assert_eq!(
            [0.0032, 0.072, 0.454, 2.26].map(|s| percent(share(s))),
            ["0.32 %", "7.2 %", "45.4 %", "226 %"]
        );
        assert_eq!(
            [0.05, 0.025, 1.0, 0.0].map(|s| percent_as_written(share(s))),
            ["5 %", "2.5 %", "100 %", "0 %"]
        );
    }
}
