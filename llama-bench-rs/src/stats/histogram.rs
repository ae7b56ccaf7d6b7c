use std::time::Duration;

use super::{Quantity, Samples, quantile::quantile};

/// How many samples took how long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// Bins of one width, from the shortest sample to the 99 % quantile, without gaps.
    pub bins: Vec<Bin>,
    /// Samples beyond the last bin: about one in a hundred, however far out. They would leave no room for the others.
    pub n_above: usize,
    /// How the width was chosen.
    pub rule: BinRule,
}

/// One bin: from its lower bound, included, to its upper bound, included in the last bin only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Its lower bound.
    pub from: Duration,
    /// Its upper bound.
    pub to: Duration,
    /// Samples in it.
    pub count: usize,
}

/// How the width of the bins was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinRule {
    /// Freedman's and Diaconis' (1981): twice the interquartile range over the cube root of the number of samples.
    FreedmanDiaconis,
    /// A fixed number of bins, since that rule gives none (no range between the quartiles) or too many to look at.
    Fixed,
}

impl Histogram {
    /// The most bins that the rule may give.
    pub const MOST_BINS: usize = 60;

    /// Bins where the rule does not fit.
    pub const FIXED_BINS: usize = 30;

    /// The histogram of these samples.
    pub fn of(samples: &Samples<Duration>) -> Option<Self> {
        let sorted = samples.sorted();
        let at = |p| quantile(sorted, p);
        let (low, high) = (at(0.0)?, at(0.99)?);
        let width = 2.0 * (at(0.75)? - at(0.25)?) / (sorted.len() as f64).cbrt();
        let by_rule = ((high - low) / width).ceil();
        let (n_bins, rule) = match by_rule {
            // NaN: no sample differs from another.
            n if n.is_nan() || n < 1.0 => (1, BinRule::Fixed),
            n if n <= Self::MOST_BINS as f64 => (n as usize, BinRule::FreedmanDiaconis),
            _ => (Self::FIXED_BINS, BinRule::Fixed),
        };
        let edge = |i: usize| low + (high - low) * i as f64 / n_bins as f64;
        let mut bins: Vec<Bin> = Vec::with_capacity(n_bins);
        let mut n_counted = 0;
        for i in 0..n_bins {
            let is_last = i + 1 == n_bins;
            let to = if is_last { high } else { edge(i + 1) };
            let up_to = sorted.partition_point(|&value| if is_last { value <= to } else { value < to });
            let (from, to) = (Duration::from_f64(edge(i))?, Duration::from_f64(to)?);
            bins.push(Bin { from, to, count: up_to - n_counted });
            n_counted = up_to;
        }
        Some(Self { bins, n_above: sorted.len() - n_counted, rule })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(ms: impl IntoIterator<Item = u64>) -> Histogram {
        Histogram::of(&Samples::new(ms.into_iter().map(Duration::from_millis)).unwrap()).unwrap()
    }

    #[test]
    fn the_width_is_freedmans_and_diaconis() {
        // 0 to 1000 ms: quartiles 250 and 750, width 1000 / cbrt(1001) = 99.97, 990 ms in 10 bins
        let histogram = of(0..=1000);
        assert_eq!((histogram.bins.len(), histogram.rule), (10, BinRule::FreedmanDiaconis));
        assert_eq!(histogram.bins[3].from, Duration::from_millis(297));
        assert_eq!(histogram.bins[3].count, 99);
        assert_eq!(histogram.bins[9].to, Duration::from_millis(990));
        assert_eq!(histogram.n_above, 10);
    }

    #[test]
    fn one_far_out_does_not_squeeze_the_others() {
        let histogram = of((0..200).map(|i| 10 + i % 5).chain([60_000]));
        assert!(histogram.bins.last().unwrap().to <= Duration::from_millis(14));
        assert_eq!(histogram.n_above, 1);
    }

    #[test]
    fn where_the_rule_does_not_fit_the_number_is_fixed() {
        assert_eq!((of([7; 5]).bins.len(), of([7; 5]).n_above), (1, 0));
        let quarters_equal = of((0..100).map(|i| if i < 90 { 10 } else { i }));
        assert_eq!((quarters_equal.bins.len(), quarters_equal.rule), (Histogram::FIXED_BINS, BinRule::Fixed));
    }

    proptest! {
        #[test]
        fn every_sample_is_counted_once(ns in prop::collection::vec(0u64..100_000_000_000, 1..300)) {
            let n = ns.len();
            let histogram = Histogram::of(&Samples::new(ns.into_iter().map(Duration::from_nanos)).unwrap()).unwrap();
            prop_assert_eq!(histogram.bins.iter().map(|bin| bin.count).sum::<usize>() + histogram.n_above, n);
            prop_assert!(histogram.bins.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(histogram.bins.len() <= Histogram::MOST_BINS);
        }
    }
}
