//! Whether two ways of measuring agree.

use llama_bench_rs::{stats::Ratio, units::Share};

/// Whether both ways agree; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    Yes,
    Unknown,
    No,
}

impl Agreement {
    /// From the ratio of the speeds and its interval: they agree if all of it lies within the tolerance, and do not if the
    /// ratio lies beyond and is surely not 1.
    fn of(speedup: f64, [lower, upper]: [f64; 2], tolerance: Share) -> Self {
        let is_within = |ratio: f64| (ratio - 1.0).abs() <= tolerance.get();
        if is_within(lower) && is_within(upper) {
            Self::Yes
        } else if is_within(speedup) || (lower <= 1.0 && upper >= 1.0) {
            Self::Unknown
        } else {
            Self::No
        }
    }

    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Yes => "agree",
            Self::Unknown => "too noisy to tell",
            Self::No => "differ",
        })
    }
}

/// The ratio with its interval as a text, and what it says.
pub fn show(ratio: Option<Ratio>, tolerance: Share) -> (String, Agreement) {
    match ratio {
        Some(c) => {
            let (speedup, lower, upper) = (c.speedup.get(), c.bounds.lower().get(), c.bounds.upper().get());
            (
                format!("{speedup:.3} ({lower:.3} to {})", at_most(upper)),
                Agreement::of(speedup, [lower, upper], tolerance),
            )
        }
        None => ("one round tells no interval".into(), Agreement::Unknown),
    }
}

/// Further digits of an absurd number say nothing.
fn at_most(ratio: f64) -> String {
    if ratio < 999.5 { format!("{ratio:.3}") } else { "over 999".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_tells_nothing_has_few_digits() {
        assert_eq!([1.0123, 740_644_221.0, f64::INFINITY].map(at_most), ["1.012", "over 999", "over 999"]);
    }

    #[test]
    fn ways_agree_only_if_the_interval_says_so() {
        let of = |speedup, bounds| Agreement::of(speedup, bounds, Share::percent(2));
        assert_eq!(of(1.001, [0.99, 1.012]), Agreement::Yes);
        assert_eq!(of(1.0, [0.0047, 135.9]), Agreement::Unknown, "a wide interval agrees with everything");
        assert_eq!(of(0.999, [0.97, 1.01]), Agreement::Unknown);
        assert_eq!(of(0.9, [0.7, 1.1]), Agreement::Unknown);
        assert_eq!(of(0.9, [0.88, 0.92]), Agreement::No);
        assert_eq!(of(1.01, [1.005, 1.015]), Agreement::Yes, "sure, and within the tolerance");
    }
}
