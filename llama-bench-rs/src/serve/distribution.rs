//! Lengths and times that differ from request to request.

use std::{path::PathBuf, time::Duration};

use super::DistributionError;
use crate::stats::Rng;

/// How many tokens: of prompts and of generations.
pub type Lengths = Distribution<u32>;

/// How long: between an answer and the user's next request.
pub type Times = Distribution<Duration>;

/// A value for each request, drawn from the request's number and a seed alone: every configuration sees the same ones.
///
/// | text | values |
/// |---|---|
/// | `512` | always the same |
/// | `uniform:64:2048` | each from 64 to 2048 equally likely |
/// | `lognormal:512:0.6` | median 512; 0.6 is the standard deviation of the logarithm |
/// | `lognormal:512:0.6:4096` | the same; values over 4096 become 4096 |
/// | `exponential:2s` | mean 2 s, as of events without a memory |
/// | `list:512:64:2048` | in this order, over and over |
/// | `@lengths.txt` | the same, from a file: separated by spaces, commas or line ends, `#` begins a comment |
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::serve::{Distribution, Lengths, Times};
///
/// let prompts: Lengths = "lognormal:512:0.6".parse()?;
/// assert_eq!(prompts, Distribution::Lognormal { median: 512, sigma: 0.6, most: None });
/// assert_eq!(prompts.to_string(), "lognormal:512:0.6");
/// let think: Times = "500ms".parse()?;
/// assert_eq!(think, Distribution::Fixed(Duration::from_millis(500)));
/// let error = "uniform:9:1".parse::<Lengths>().unwrap_err().to_string();
/// assert_eq!(error, "uniform:9:1: the most is under the least: write uniform:1:9");
/// # Ok::<(), llama_bench_rs::serve::DistributionError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution<T> {
    /// Always the same.
    Fixed(T),
    /// Each value from the least to the most is equally likely.
    Uniform {
        /// The least.
        least: T,
        /// The most, itself included.
        most: T,
    },
    /// The logarithm is normally distributed: many short ones, and a long tail.
    Lognormal {
        /// Half of the values are under it.
        median: T,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// What is over it becomes it; `None` for no limit but that of the type.
        most: Option<T>,
    },
    /// Exponentially distributed.
    Exponential {
        /// The mean.
        mean: T,
    },
    /// These, in this order, over and over.
    List(List<T>),
}

/// The values of a [`Distribution::List`].
#[derive(Clone, Debug)]
pub struct List<T> {
    /// The values.
    pub values: Vec<T>,
    /// The file that they were read from; two lists of the same values are equal wherever they come from.
    pub file: Option<PathBuf>,
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// What can be distributed: tokens (`u32`) or times ([`Duration`]). For this crate's types alone.
pub trait Amount: Copy + PartialEq + sealed::Amount {}

impl Amount for u32 {}

impl Amount for Duration {}

pub(super) mod sealed {
    use std::time::Duration;

    use crate::units::time;

    /// A number of whole units: tokens or nanoseconds.
    pub trait Amount: Sized {
        /// What it is, as errors say it.
        const WHAT: &str;
        /// How it is written.
        const EXAMPLES: &str;
        /// The range of valid numbers.
        const RANGE: std::ops::RangeInclusive<u64>;

        fn units(self) -> u64;
        fn from_units(units: u64) -> Self;
        fn parse(text: &str) -> Option<Self>;
        fn text(self) -> String;
    }

    impl Amount for u32 {
        const WHAT: &str = "number of tokens";
        const EXAMPLES: &str =
            "512, uniform:64:2048, lognormal:512:0.6, exponential:512, list:512:64 or @FILE";
        // A position is an i32.
        const RANGE: std::ops::RangeInclusive<u64> = 1..=i32::MAX as u64;

        fn units(self) -> u64 {
            self.into()
        }

        fn from_units(units: u64) -> Self {
            u32::try_from(units).unwrap_or(u32::MAX)
        }

        fn parse(text: &str) -> Option<Self> {
            text.parse().ok()
        }

        fn text(self) -> String {
            self.to_string()
        }
    }

    impl Amount for Duration {
        const WHAT: &str = "time";
        const EXAMPLES: &str = "2s, uniform:1s:5s, lognormal:2s:0.6, exponential:2s, list:1s:500ms or @FILE";
        // A year, in nanoseconds.
        const RANGE: std::ops::RangeInclusive<u64> = 0..=365 * 24 * 3600 * 1_000_000_000;

        fn units(self) -> u64 {
            u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
        }

        fn from_units(units: u64) -> Self {
            Duration::from_nanos(units)
        }

        fn parse(text: &str) -> Option<Self> {
            time::parse(text)
        }

        fn text(self) -> String {
            time::exact(self)
        }
    }
}

/// Logarithms spread wider than this are a typing error.
const MOST_SIGMA: f64 = 5.0;

impl<T: Amount> Distribution<T> {
    /// Whether every value that it gives is valid.
    ///
    /// # Errors
    /// A value is out of range, the most is under the least, or a list is empty.
    pub fn check(&self) -> Result<(), DistributionError> {
        let in_range = |value: T| {
            if T::RANGE.contains(&value.units()) {
                return Ok(());
            }
            Err(DistributionError::OutOfRange {
                value: value.text(),
                what: T::WHAT,
                least: T::from_units(*T::RANGE.start()).text(),
                most: T::from_units(*T::RANGE.end()).text(),
            })
        };
        match self {
            Self::Fixed(value) | Self::Exponential { mean: value } => in_range(*value),
            Self::Uniform { least, most } => {
                in_range(*least)?;
                in_range(*most)?;
                if most.units() < least.units() {
                    return Err(DistributionError::Reversed { least: least.text(), most: most.text() });
                }
                Ok(())
            }
            Self::Lognormal { median, sigma, most } => {
                in_range(*median)?;
                if let Some(most) = most {
                    in_range(*most)?;
                    if most.units() < median.units() {
                        return Err(DistributionError::UnderMedian {
                            median: median.text(),
                            most: most.text(),
                        });
                    }
                }
                if !(0.0..=MOST_SIGMA).contains(sigma) {
                    return Err(DistributionError::Sigma { sigma: *sigma, most: MOST_SIGMA });
                }
                Ok(())
            }
            Self::List(list) if list.values.is_empty() => {
                Err(DistributionError::NoValues { file: list.file.clone(), what: T::WHAT })
            }
            Self::List(list) => list.values.iter().try_for_each(|value| in_range(*value)),
        }
    }

    /// The value of the request of this number. Lists ignore the random numbers.
    pub(super) fn draw(&self, index: u32, rng: &mut Rng) -> T {
        let clamped = |units: f64, most: u64| {
            let most = most.min(*T::RANGE.end());
            T::from_units((units.round() as u64).clamp(*T::RANGE.start(), most))
        };
        match self {
            Self::Fixed(value) => *value,
            Self::Uniform { least, most } => {
                let n_values = most.units() - least.units() + 1;
                T::from_units(least.units() + rng.below(n_values as usize) as u64)
            }
            Self::Lognormal { median, sigma, most } => {
                let most = most.map_or(u64::MAX, sealed::Amount::units);
                clamped(median.units() as f64 * (sigma * rng.normal()).exp(), most)
            }
            Self::Exponential { mean } => clamped(mean.units() as f64 * -rng.uniform().ln(), u64::MAX),
            Self::List(list) => list.values[index as usize % list.values.len()],
        }
    }
}
