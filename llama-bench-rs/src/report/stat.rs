use std::{fmt, str::FromStr, time::Duration};

use crate::{
    record::{Run, Test},
    stats::Samples,
    units::{RateSpread, TokensPerSecond},
};

/// Which statistic of a cell's repetitions the Markdown table shows as its speed. Data formats keep llama-bench's means and
/// hold every repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stat {
    /// llama-bench's `mean ± stddev`.
    #[default]
    Mean,
    /// The median, `±` the median absolute deviation.
    Median,
    /// The speed that this percentage of the repetitions reach: their times' percentile, 1 to 99, as a speed.
    Percentile(u8),
}

/// What the Markdown table shows of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Its speed.
    pub stat: Stat,
    /// Whether joules per token have a column.
    pub joules: bool,
    /// Whether the share of the speed of light has a column.
    pub light: bool,
}

impl Shown {
    /// The same with a column of joules per token, or without.
    #[must_use]
    pub fn joules(self, joules: bool) -> Self {
        Self { joules, ..self }
    }

    /// The same with a column of the share of the speed of light, or without.
    #[must_use]
    pub fn light(self, light: bool) -> Self {
        Self { light, ..self }
    }
}

impl From<Stat> for Shown {
    fn from(stat: Stat) -> Self {
        Self { stat, joules: false, light: false }
    }
}

impl Stat {
    /// The heading of its column; llama-bench's for the mean.
    pub(super) fn heading(self) -> String {
        match self {
            Self::Mean => "t/s".into(),
            Self::Median => "t/s, median ± MAD".into(),
            Self::Percentile(_) => format!("t/s, {self} of times"),
        }
    }

    /// The statistic of these times of `n_tokens`, in tokens per second with what is shown behind `±`; `None` for the
    /// mean, which rows have, without times, or if no time passed.
    pub(super) fn of(self, n_tokens: u32, times: &[u64]) -> Option<(TokensPerSecond, Option<RateSpread>)> {
        let times = times.iter().map(|&ns| Duration::from_nanos(ns));
        let rate = |time| TokensPerSecond::from_elapsed(u64::from(n_tokens), time);
        match self {
            Self::Mean => None,
            Self::Median => {
                let rates = Samples::new(times.map(rate).collect::<Option<Vec<_>>>()?)?;
                Some((rates.median(), (rates.n() > 1).then(|| rates.mad())))
            }
            Self::Percentile(percent) => {
                let time = Samples::new(times)?.quantile(f64::from(percent) / 100.0)?;
                Some((rate(time)?, None))
            }
        }
    }
}

/// The statistic of all repetitions of a test in these runs, as a speed; `None` without repetitions, or if one took no time.
pub(super) fn of_runs(stat: Stat, runs: &[&Run], test: Test) -> Option<TokensPerSecond> {
    let cells = runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.test == test)?.measured());
    let times: Vec<Duration> = cells.flat_map(|it| &it.samples).map(|sample| sample.elapsed).collect();
    let n_tokens = test.n_tokens();
    if stat == Stat::Mean {
        let rate = |&time: &Duration| TokensPerSecond::from_elapsed(u64::from(n_tokens), time);
        return Some(Samples::new(times.iter().map(rate).collect::<Option<Vec<_>>>()?)?.mean());
    }
    let times: Vec<u64> =
        times.iter().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).collect();
    stat.of(n_tokens, &times).map(|(rate, _)| rate)
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.pad("mean"),
            Self::Median => f.pad("median"),
            Self::Percentile(percent) => f.pad(&format!("p{percent}")),
        }
    }
}

/// A text that does not name a statistic.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid statistic: write mean, median, or a percentile from p1 to p99, such as p90")]
pub struct UnknownStat(String);

crate::error::debug_like_display!(UnknownStat);

impl FromStr for Stat {
    type Err = UnknownStat;

    fn from_str(name: &str) -> Result<Self, UnknownStat> {
        let percentile = || {
            let digits =
                name.strip_prefix('p').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse().ok().filter(|percent| (1..=99).contains(percent)).map(Self::Percentile)
        };
        match name {
            "mean" => Ok(Self::Mean),
            "median" => Ok(Self::Median),
            _ => percentile().ok_or_else(|| UnknownStat(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for stat in [Stat::Mean, Stat::Median, Stat::Percentile(1), Stat::Percentile(99)] {
            assert_eq!(stat.to_string().parse(), Ok(stat));
        }
        for wrong in ["", "p", "p0", "p100", "p+5", "p9.5", "P90", "average"] {
            let error = wrong.parse::<Stat>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("p90"), "{error}");
        }
    }

    #[test]
    fn percentiles_are_of_times() {
        // 100 tokens in 100 to 200 ms: 1000 to 500 t/s.
        let times: Vec<u64> = (0..=10).map(|i| (100 + 10 * i) * 1_000_000).collect();
        let speed =
            |stat: Stat| stat.of(100, &times).map(|(rate, spread)| (rate.get(), spread.map(RateSpread::get)));
        assert_eq!(speed(Stat::Mean), None);
        let (slow, _) = speed(Stat::Percentile(90)).unwrap();
        assert!((slow - 100.0 / 0.19).abs() < 1e-9, "nine in ten repetitions are at least as fast: {slow}");
        let (median, mad) = speed(Stat::Median).unwrap();
        assert!(
            (median - 100.0 / 0.15).abs() < 1e-9 && mad.is_some_and(|mad| mad > 0.0),
            "{median} ± {mad:?}"
        );
        assert_eq!(Stat::Median.of(100, &[]), None);
        assert_eq!(Stat::Median.of(100, &[0]), None);
        assert!(Stat::Median.of(100, &[5]).is_some_and(|(_, mad)| mad.is_none()));
    }
}
