//! What flags take: lists, names and pairs, each with an error that says what to write.

use std::{str::FromStr, time::Duration};

use clap::ValueEnum;
use llama_bench_rs::{
    bench::{Order, range},
    llama::{LlamaError, LoadMode, Numa},
    record::Method,
    report::{Format, UnknownFormat},
};

/// What a stream gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputFormat {
    /// Rows, each as it comes.
    Rows(Format),
    /// A table for a terminal, when all is measured.
    Terminal,
    /// No results.
    Nothing,
}

impl FromStr for OutputFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "term" => Ok(Self::Terminal),
            "none" => Ok(Self::Nothing),
            name => name.parse().map(Self::Rows).map_err(|e: UnknownFormat| format!("{e}, or term, or none")),
        }
    }
}

/// A list of numbers and ranges.
#[derive(Clone, Debug)]
pub struct Numbers(Vec<u32>);

impl FromStr for Numbers {
    type Err = range::RangeError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        range::parse(list).map(Self)
    }
}

/// All values of a flag that may be repeated.
pub fn all(lists: &[Numbers]) -> Vec<u32> {
    lists.iter().flat_map(|Numbers(values)| values.iter().copied()).collect()
}

/// A list of numbers and ranges of which some may be negative.
#[derive(Clone, Debug)]
pub struct Integers(pub Vec<i32>);

impl FromStr for Integers {
    type Err = range::RangeError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        range::parse_signed(list).map(Self)
    }
}

/// All values of a flag that may be repeated.
pub fn all_integers(lists: &[Integers]) -> Vec<i32> {
    lists.iter().flat_map(|Integers(values)| values.iter().copied()).collect()
}

/// CPUs, bit 0 the first. A type of its own, since clap would take a bare list for a repeated flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuMask(pub Vec<bool>);

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MethodArg {
    Rewind,
    FreshContext,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Rewind => Method::Rewind,
            MethodArg::FreshContext => Method::FreshContext,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OrderArg {
    Auto,
    Rounds,
    Blocks,
}

impl From<OrderArg> for Order {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::Auto => Order::Auto,
            OrderArg::Rounds => Order::Rounds,
            OrderArg::Blocks => Order::Blocks,
        }
    }
}

/// What each of several runs gets anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RunsIn {
    Context,
    Load,
    Process,
}

pub fn pair(text: &str) -> Result<(u32, u32), String> {
    let parse = |number: &str| number.trim().parse::<u32>().ok();
    text.split_once(',')
        .and_then(|(prompt, gen_)| Some((parse(prompt)?, parse(gen_)?)))
        .ok_or_else(|| format!("{text:?} is not a pair: write prompt and generation length as 512,128"))
}

pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "0" | "off" | "false" | "disabled" => Ok(false),
        "1" | "on" | "true" | "enabled" => Ok(true),
        _ => Err(format!("{text:?} is neither 0 nor 1")),
    }
}

/// What older scripts write in place of `-lm`: 1 for mmap, 0 for plain reads.
pub fn mmap(text: &str) -> Result<LoadMode, String> {
    switch(text).map(|mmap| if mmap { LoadMode::Mmap } else { LoadMode::None })
}

/// Seconds, fractions allowed.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("{text:?} is not a time: write seconds, 0 or more, such as 5 or 0.5"))
}

pub fn numa(text: &str) -> Result<Numa, String> {
    // llama-bench takes an empty text for the first of its names.
    if text.is_empty() {
        return Ok(Numa::Distribute);
    }
    text.parse().map_err(|e: LlamaError| e.to_string())
}

pub fn cpu_mask(text: &str) -> Result<CpuMask, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let nibbles: Option<Vec<u32>> = digits.chars().rev().map(|digit| digit.to_digit(16)).collect();
    let Some(nibbles) = nibbles.filter(|nibbles| !nibbles.is_empty() && nibbles.len() <= 128) else {
        return Err(format!(
            "{text:?} is not a mask: write hexadecimal digits, such as 0xff for the first eight CPUs"
        ));
    };
    let cpus: Vec<bool> =
        nibbles.iter().flat_map(|nibble| (0..4).map(move |bit| nibble >> bit & 1 == 1)).collect();
    let used = cpus.iter().rposition(|&used| used).map_or(0, |last| last + 1);
    Ok(CpuMask(cpus[..used].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_name_cpus_from_the_lowest_bit() {
        assert!(cpu_mask("0x0").unwrap().0.is_empty());
        assert_eq!(cpu_mask("0x5").unwrap().0, [true, false, true]);
        assert!(cpu_mask("0xzz").is_err());
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for bad in ["-1", "soon", "inf", "nan", ""] {
            assert!(seconds(bad).unwrap_err().contains("write seconds"), "{bad}");
        }
    }
}
