use super::{
    Quantity, Samples,
    chance::{self, Chance},
    moments::{mean, stddev},
    quantile::quantile,
    rng::Rng,
};

/// Whether successive repetitions resemble each other: a permutation test of successive differences, pooled over cells.
///
/// An interval assumes independent repetitions. If the machine changes its speed for longer than one repetition lasts,
/// successive ones resemble each other, and their mean varies more than their spread suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Serial {
    /// The lag-1 autocorrelation, corrected for the bias of short series; the mean over the cells, from -1 to 1.
    pub correlation: f64,
    /// The p value: how often neighbours in a random order of the same repetitions are at least as alike. Over 0, at most 1.
    pub p_value: f64,
}

impl Serial {
    /// Fewest repetitions of a cell that is tested: fewer have too few orders.
    pub const FROM: usize = 5;
    /// A correlation up to this is not reported, even if it is significant: it widens an interval by a fifth. A slow
    /// repetition at either end of each cell gives such a value, since it has one neighbour.
    pub const LEAST: f64 = 0.2;

    /// Whether neighbours are alike, by more than [`Serial::LEAST`] and with a p value under this.
    pub fn is_alike(&self, alpha: f64) -> bool {
        self.p_value < alpha && self.correlation > Self::LEAST
    }

    /// The test over these cells together; `None` if none has [`Serial::FROM`] repetitions that vary.
    ///
    /// The statistic is the sum of squared differences between neighbours (von Neumann 1941). A cell counts by its
    /// relative spread, within limits: a cell that met a change shows more than one that did not.
    pub fn of<Q: Quantity>(cells: &[Samples<Q>]) -> Option<Self> {
        Self::by_chance(cells, Chance::FINE)
    }

    /// The same, by so many draws.
    pub(super) fn by_chance<Q: Quantity>(cells: &[Samples<Q>], chance: Chance) -> Option<Self> {
        let with_spread = |cell: &Samples<Q>| {
            let mean = cell.mean().to_f64();
            let relative: Vec<f64> = cell.values().iter().map(|value| value.to_f64() / mean - 1.0).collect();
            let spread = stddev(&relative).filter(|spread| *spread > 0.0 && spread.is_finite())?;
            (relative.len() >= Self::FROM).then_some((relative, spread))
        };
        let cells: Vec<(Vec<f64>, f64)> = cells.iter().filter_map(with_spread).collect();
        let mut spreads: Vec<f64> = cells.iter().map(|(_, spread)| *spread).collect();
        spreads.sort_by(f64::total_cmp);
        let typical = quantile(&spreads, 0.5)?;
        let mut scaled: Vec<Vec<f64>> = cells
            .iter()
            .map(|(cell, spread)| cell.iter().map(|value| value / (spread + typical)).collect())
            .collect();
        let correlations: Vec<f64> = scaled.iter().filter_map(|cell| autocorrelation(cell)).collect();
        let unlike = |cells: &[Vec<f64>]| cells.iter().map(|cell| squared_differences(cell)).sum::<f64>();
        // Orders that differ only by rounding are equally extreme.
        let limit = unlike(&scaled) * (1.0 + 1e-9);
        let p_value = chance::p_value(chance, |rng| {
            scaled.iter_mut().for_each(|cell| shuffle(cell, rng));
            unlike(&scaled) <= limit
        });
        Some(Self { correlation: mean(&correlations), p_value })
    }
}

impl<Q: Quantity> Samples<Q> {
    /// The lag-1 autocorrelation in the order measured, corrected for the bias of short series; `None` for fewer than five
    /// samples and for samples that do not vary. Five independent ones often have 0.3 by chance: see [`Serial`].
    pub fn autocorrelation(&self) -> Option<f64> {
        autocorrelation(&self.bare())
    }
}

/// How much wider than for independent values an interval of the mean must be, 1 or more: the square root of
/// (1 + r) / (1 - r), as for a process in which each value keeps the share r of the last one's deviation.
///
/// A correlation under zero, which would narrow the interval, counts as none.
pub(crate) fn widening(values: &[f64]) -> f64 {
    /// A larger correlation looks the same as a drift.
    const MOST: f64 = 0.9;
    let r = autocorrelation(values).unwrap_or(0.0).clamp(0.0, MOST);
    ((1.0 + r) / (1.0 - r)).sqrt()
}

fn autocorrelation(values: &[f64]) -> Option<f64> {
    if values.len() < Serial::FROM {
        return None;
    }
    let (n, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let raw = products / squares;
    // The estimate lies lower than the truth r by (1 + 3 r) / n (Marriott and Pope 1954).
    let corrected = raw + (1.0 + 3.0 * raw.max(0.0)) / n;
    corrected.is_finite().then(|| corrected.clamp(-1.0, 1.0))
}

fn squared_differences(values: &[f64]) -> f64 {
    values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum()
}

/// A random order, each as likely (Fisher and Yates).
fn shuffle(values: &mut [f64], rng: &mut Rng) {
    for last in (1..values.len()).rev() {
        values.swap(last, rng.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TokensPerSecond;

    fn rates(values: &[f64]) -> Samples<TokensPerSecond> {
        Samples::new(values.iter().map(|&v| TokensPerSecond::new(v).unwrap())).unwrap()
    }

    #[test]
    fn the_correlation_agrees_with_r() {
        // acf(c(5, 3, 4, 6, 7, 8, 6, 5), lag.max = 1): 22.25 / 50 by hand over the deviations from 5.5:
        // -.5 -2.5 -1.5 .5 1.5 2.5 .5 -.5 -> products 1.25 + 3.75 - .75 + .75 + 3.75 + 1.25 - .25 = 9.75, squares 18
        let raw = 9.75 / 18.0;
        let got = rates(&[5.0, 3.0, 4.0, 6.0, 7.0, 8.0, 6.0, 5.0]).autocorrelation().unwrap();
        assert!((got - (raw + (1.0 + 3.0 * raw) / 8.0)).abs() < 1e-12, "{got}");
        assert_eq!(rates(&[1.0, 2.0, 3.0, 4.0]).autocorrelation(), None, "too few");
        assert_eq!(rates(&[2.0; 9]).autocorrelation(), None, "they do not vary");
    }

    #[test]
    fn the_p_value_counts_the_orders() {
        // Of the 120 orders of five different values, only the ascending and the descending one differ so little.
        let p = Serial::of(&[rates(&[1.0, 2.0, 3.0, 4.0, 5.0])]).unwrap().p_value;
        assert!((0.005..0.035).contains(&p), "{p} instead of 2 / 120");
        let p = Serial::of(&[rates(&[1.0, 5.0, 2.0, 4.0, 3.0])]).unwrap().p_value;
        assert!(p > 0.5, "{p}");
    }

    #[test]
    fn cells_are_pooled() {
        // Two values on one side, three on the other: 12 of 120 orders alone, never all five cells by chance.
        let cells: Vec<_> =
            (0..5).map(|i| rates(&[100.0, 100.1, 109.0, 109.1, 109.0].map(|v| v + f64::from(i)))).collect();
        let (one, all) = (Serial::of(&cells[..1]).unwrap(), Serial::of(&cells).unwrap());
        assert!(one.p_value > 0.05 && all.p_value < 0.01, "{one:?}, {all:?}");
        assert!(all.correlation > 0.3, "{all:?}");
    }

    #[test]
    fn slow_first_repetitions_are_not_neighbours_alike() {
        let cells: Vec<_> = (0..9)
            .map(|i| {
                let noise = |at: i32| f64::from((at * 7 + i * 3) % 10) / 100.0;
                rates(&[
                    90.0 + noise(0),
                    100.0 + noise(1),
                    100.0 + noise(2),
                    100.0 + noise(3),
                    100.0 + noise(4),
                ])
            })
            .collect();
        let serial = Serial::of(&cells).unwrap();
        assert!(serial.p_value < 0.03, "the order is one of few: {serial:?}");
        assert!(!serial.is_alike(0.03), "{serial:?}");
        let climbing = Serial::of(&[rates(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]).unwrap();
        assert!(climbing.is_alike(0.03), "{climbing:?}");
    }

    #[test]
    fn what_does_not_vary_is_left_out() {
        assert_eq!(Serial::of::<TokensPerSecond>(&[]), None);
        assert_eq!(Serial::of(&[rates(&[3.0; 8])]), None);
        assert_eq!(Serial::of(&[rates(&[1.0, 2.0, 3.0, 4.0])]), None);
        let varied = rates(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        assert_eq!(Serial::of(&[varied.clone(), rates(&[3.0; 8])]), Serial::of(&[varied]));
    }

    #[test]
    fn an_interval_is_widened_and_never_narrowed() {
        assert_eq!(widening(&[1.0, 3.0, 1.0, 3.0, 1.0, 3.0]), 1.0);
        assert_eq!(widening(&[2.0; 6]), 1.0);
        assert_eq!(widening(&[1.0, 2.0, 3.0, 4.0]), 1.0);
        let slow: Vec<f64> = (0..40).map(|i| f64::from(i / 10 % 2)).collect();
        assert!((3.0..4.4).contains(&widening(&slow)), "{}", widening(&slow));
    }
}
