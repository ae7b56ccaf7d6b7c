//! What flags take: lists, names and pairs, each with an error that says what to write.

use std::{str::FromStr, time::Duration};

use crate::{
    bench::range::{self, RangeError},
    llama::{LlamaError, LoadMode, Numa, max_sequences},
    units::{Share, time},
};

/// CPUs that ggml's thread pools know.
const MAX_CPUS: usize = 512;

/// A list of numbers and ranges, such as `512,1024` or `0-32768+4096`.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers(Vec<u32>);

impl FromStr for Numbers {
    type Err = RangeError;

    fn from_str(list: &str) -> Result<Self, RangeError> {
        range::parse(list).map(Self)
    }
}

/// All values of a flag that may be repeated.
pub fn all(lists: &[Numbers]) -> Vec<u32> {
    lists.iter().flat_map(|Numbers(values)| values.iter().copied()).collect()
}

/// A list of numbers and ranges that may be negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Integers(Vec<i32>);

impl FromStr for Integers {
    type Err = RangeError;

    fn from_str(list: &str) -> Result<Self, RangeError> {
        range::parse_signed(list).map(Self)
    }
}

/// All values of a flag that may be repeated.
pub fn all_integers(lists: &[Integers]) -> Vec<i32> {
    lists.iter().flat_map(|Integers(values)| values.iter().copied()).collect()
}

/// Numbers that all lie between two others.
fn numbers(list: &str, min: u32, max: u32, means: &str) -> Result<Numbers, String> {
    let numbers: Numbers = list.parse().map_err(|e: RangeError| e.to_string())?;
    match numbers.0.iter().find(|number| !(min..=max).contains(number)) {
        None => Ok(numbers),
        Some(number) => Err(format!("{number} is not a valid {means}: give {min} to {max}")),
    }
}

/// Batch sizes in tokens.
pub(super) fn batch_sizes(list: &str) -> Result<Numbers, String> {
    numbers(list, 1, i32::MAX as u32 / 2, "batch size")
}

/// Numbers of threads, as many as ggml has room for.
pub(super) fn threads(list: &str) -> Result<Numbers, String> {
    numbers(list, 1, MAX_CPUS as u32, "number of threads")
}

/// One number of threads.
///
/// # Errors
/// The text is not a whole number, or ggml has no room for as many.
pub fn thread_count(text: &str) -> Result<u32, String> {
    let number = text.trim().parse::<u32>().ok().filter(|n| (1..=MAX_CPUS as u32).contains(n));
    number.ok_or_else(|| format!("{text:?} is not a valid number of threads: give 1 to {MAX_CPUS}"))
}

/// Numbers of sequences, as many as a context can hold apart.
pub(super) fn sequences(list: &str) -> Result<Numbers, String> {
    numbers(list, 1, max_sequences(), "number of sequences")
}

/// Levels of polling.
pub(super) fn polls(list: &str) -> Result<Numbers, String> {
    numbers(list, 0, 100, "level of polling")
}

/// Priorities of threads.
pub(super) fn priorities(list: &str) -> Result<Integers, String> {
    let integers: Integers = list.parse().map_err(|e: RangeError| e.to_string())?;
    match integers.0.iter().find(|prio| !(-1..=3).contains(*prio)) {
        None => Ok(integers),
        Some(prio) => Err(format!("{prio} is not a valid priority: give -1 (low) to 3 (realtime)")),
    }
}

/// Layers on the devices, as many as there are for -1.
pub(super) fn gpu_layers(list: &str) -> Result<Integers, String> {
    let integers: Integers = list.parse().map_err(|e: RangeError| e.to_string())?;
    match integers.0.iter().find(|n| **n < -1) {
        None => Ok(integers),
        Some(n) => Err(format!("{n} is not a valid number of layers: give 0 or more, or -1 for all")),
    }
}

/// CPUs, bit 0 the first. A type of its own, since clap would take a bare list for a repeated flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuMask(pub Vec<bool>);

impl FromStr for CpuMask {
    type Err = String;

    /// Any number of hexadecimal digits, with or without `0x`. CPUs from 512 on cannot be named.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
        let nibbles: Option<Vec<u32>> = digits.chars().rev().map(|digit| digit.to_digit(16)).collect();
        let Some(nibbles) = nibbles.filter(|nibbles| !nibbles.is_empty()) else {
            return Err(format!(
                "{text:?} is not a valid mask: write hexadecimal digits, such as 0xff for the first eight CPUs"
            ));
        };
        let mut cpus: Vec<bool> =
            nibbles.iter().flat_map(|nibble| (0..4).map(move |bit| nibble >> bit & 1 == 1)).collect();
        cpus.truncate(cpus.iter().rposition(|&used| used).map_or(0, |last| last + 1));
        match cpus.len() {
            0..=MAX_CPUS => Ok(Self(cpus)),
            n => Err(format!(
                "the mask names CPU {}, and ggml knows CPUs 0 to {}: leave out those beyond, or start the program \
                 under taskset or numactl and give no mask",
                n - 1,
                MAX_CPUS - 1
            )),
        }
    }
}

pub(super) fn pair(text: &str) -> Result<(u32, u32), String> {
    let parse = |number: &str| number.trim().parse::<u32>().ok().filter(|&n| i32::try_from(n).is_ok());
    let pair = text.split_once(',').and_then(|(prompt, gen_)| Some((parse(prompt)?, parse(gen_)?)));
    match pair {
        None => Err(format!("{text:?} is not a pair: write prompt and generation length as 512,128")),
        Some((0, _) | (_, 0)) => Err(format!(
            "{text:?} has a length of 0 tokens: give 1 or more of both, or use -p or -n for one of them"
        )),
        Some(pair) => Ok(pair),
    }
}

/// A switch: 1 for on, 0 for off.
///
/// # Errors
/// The text is neither.
pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "0" | "off" | "false" | "disabled" => Ok(false),
        "1" | "on" | "true" | "enabled" => Ok(true),
        _ => Err(format!("{text:?} is neither 0 nor 1: write 1 for on, 0 for off")),
    }
}

/// What older scripts write in place of `-lm`: 1 for mmap, 0 for plain reads.
pub(super) fn mmap(text: &str) -> Result<LoadMode, String> {
    switch(text).map(|mmap| if mmap { LoadMode::Mmap } else { LoadMode::None })
}

/// Seconds, fractions and a unit allowed: `5`, `0.5`, `500ms`, `2s`, `1m`.
///
/// # Errors
/// The text is not a time, or it is negative.
pub fn seconds(text: &str) -> Result<Duration, String> {
    time::parse(text)
        .ok_or_else(|| format!("{text:?} is not a time: write seconds, 0 or more, such as 5, 0.5 or 500ms"))
}

/// Seconds as [`seconds`], more than 0: a limit of time that something must have.
pub(super) fn positive_seconds(text: &str) -> Result<Duration, String> {
    seconds(text).ok().filter(|time| !time.is_zero()).ok_or_else(|| {
        format!("{text:?} is not a time over 0: write seconds or a unit, such as 5, 0.5 or 500ms")
    })
}

/// A server in a list of them. The rest of the address is looked at when the server is added.
pub(super) fn server(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a server in the list is empty: write HOST:PORT, such as 192.168.1.20:50052, with a comma between two".into()),
        server => Ok(server.to_owned()),
    }
}

/// A share in percent, 0 or more, with or without the sign: `2`, `0.5`, `2%`.
///
/// # Errors
/// The text is not a number, or it is negative.
pub fn percent(text: &str) -> Result<Share, String> {
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    let share = number.parse::<f64>().ok().filter(|n| *n >= 0.0).and_then(|n| Share::new(n / 100.0));
    share.ok_or_else(|| format!("{text:?} is not a percentage: write a number, 0 or more, such as 2 or 0.5"))
}

/// A share in percent over 0.
pub(super) fn positive_percent(text: &str) -> Result<Share, String> {
    percent(text)
        .ok()
        .filter(|share| share.get() > 0.0)
        .ok_or_else(|| format!("{text:?} is not a percentage over 0: write a number, such as 1 or 0.5"))
}

/// A whole number of percent, 0 to 100.
pub(super) fn whole_percent(text: &str) -> Result<u32, String> {
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    let percent = number.parse::<u32>().ok().filter(|n| *n <= 100);
    percent.ok_or_else(|| format!("{text:?} is not a share of the repetitions: write 0 to 100 percent"))
}

/// A whole number, 0 or more.
///
/// # Errors
/// The text is not one, or it is too large.
pub fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a whole number: write 0 or more, such as 42"))
}

/// A count of something, such as repetitions, runs or requests.
///
/// # Errors
/// The text is not a whole number, or it is 0.
pub fn at_least_one(text: &str) -> Result<u32, String> {
    let number = text.trim().parse::<u32>().ok().filter(|n| (1..=i32::MAX as u32).contains(n));
    number.ok_or_else(|| format!("{text:?} is not a valid count: give 1 or more"))
}

/// A number of repetitions that an interval can be made of.
pub(super) fn at_least_two(text: &str) -> Result<usize, String> {
    let number = text.trim().parse::<usize>().ok().filter(|n| *n >= 2);
    number.ok_or_else(|| format!("{text:?} is not a number of repetitions: an interval needs 2 or more"))
}

pub(super) fn numa(text: &str) -> Result<Numa, String> {
    // llama-bench reads an empty text as the first of its names.
    if text.is_empty() {
        return Ok(Numa::Distribute);
    }
    text.parse().map_err(|e: LlamaError| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_name_cpus_from_the_lowest_bit() {
        let mask = |text: &str| text.parse::<CpuMask>().map(|CpuMask(cpus)| cpus);
        assert_eq!(mask("0x0"), Ok(vec![]));
        assert_eq!(mask("0x5"), Ok(vec![true, false, true]));
        assert!(mask("0xzz").unwrap_err().contains("write hexadecimal digits"));
        assert!(mask("").is_err());
        // Zeros in front name no CPU, however many there are.
        assert_eq!(mask(&format!("0x{}3", "0".repeat(400))), Ok(vec![true; 2]));
        assert_eq!(mask(&"f".repeat(128)), Ok(vec![true; 512]));
        let refused = mask(&format!("1{}", "0".repeat(128))).unwrap_err();
        assert!(refused.contains("names CPU 512, and ggml knows CPUs 0 to 511"), "{refused}");
    }

    #[test]
    fn times_are_seconds_or_name_their_unit() {
        for (text, millis) in [("2", 2000), ("0.25", 250), ("250ms", 250), ("2s", 2000), ("1.5 m", 90_000)] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["-1", "soon", "inf", "nan", "", "s", "5 parsecs"] {
            assert!(seconds(bad).unwrap_err().contains("write seconds"), "{bad}");
        }
    }

    #[test]
    fn a_limit_of_time_a_server_and_a_count_of_threads_are_not_nothing() {
        assert_eq!(positive_seconds("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["0", "0s", "-1", "0ms", "soon"] {
            let refused = positive_seconds(bad).unwrap_err();
            assert!(refused.contains("is not a time over 0: write seconds"), "{refused}");
        }
        assert_eq!(server(" a:1 "), Ok("a:1".into()));
        for bad in ["", " "] {
            assert!(server(bad).unwrap_err().contains("HOST:PORT"), "{bad:?}");
        }
        assert_eq!(thread_count("8"), Ok(8));
        for bad in ["0", "513", "-1", "x"] {
            let refused = thread_count(bad).unwrap_err();
            assert_eq!(refused, format!("{bad:?} is not a valid number of threads: give 1 to 512"));
        }
    }

    #[test]
    fn percentages_may_have_the_sign() {
        assert_eq!(percent("2%"), Ok(Share::percent(2)));
        assert_eq!(percent(" 2 % "), Ok(Share::percent(2)));
        assert_eq!(percent("0"), Ok(Share::default()));
        assert_eq!(whole_percent("50%"), Ok(50));
        for bad in ["-1", "nan", "inf", "much", "2%%", ""] {
            assert!(percent(bad).unwrap_err().contains("is not a percentage"), "{bad}");
        }
        assert!(positive_percent("0").is_err() && whole_percent("101").is_err());
    }

    #[test]
    fn a_number_out_of_range_is_named_with_the_range() {
        assert_eq!(threads("0").unwrap_err(), "0 is not a valid number of threads: give 1 to 512");
        assert_eq!(threads("1,513").unwrap_err(), "513 is not a valid number of threads: give 1 to 512");
        assert_eq!(polls("0-200+100").unwrap_err(), "200 is not a valid level of polling: give 0 to 100");
        assert_eq!(gpu_layers("-1,0-99+33"), Ok(Integers(vec![-1, 0, 33, 66, 99])));
        for bad in ["-7", "0,-2", "-9-1"] {
            assert!(gpu_layers(bad).unwrap_err().ends_with("give 0 or more, or -1 for all"), "{bad}");
        }
        assert!(priorities("-2").unwrap_err().contains("-2 is not a valid priority"));
        assert!(batch_sizes("0").is_err() && batch_sizes("2147483647").is_err());
    }
}
