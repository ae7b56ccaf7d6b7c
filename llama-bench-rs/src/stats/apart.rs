use super::{
    Quantity, Samples,
    chance::{self, Chance},
    quantile::quantile,
    rng::Rng,
};

/// Repetitions that fall into two groups: the machine had two speeds, or a few repetitions were held up.
///
/// A cell that met only one of the two has an interval that knows nothing of the other. So one such cell casts doubt on the
/// others too.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Apart {
    /// The cell whose groups lie farthest apart, from 0.
    pub cell: usize,
    /// Repetitions above the gap, in the unit of the samples.
    pub n_above: usize,
    /// Width of the gap between the groups, as a part of the cell's mean.
    pub gap: f64,
    /// The p value: how often as many cells of noise of skewness 1 have such a gap somewhere. Over 0, at most 1.
    pub p_value: f64,
}

impl Apart {
    /// Fewest repetitions of a cell that is tested.
    pub const FROM: usize = 4;

    /// The widest gap in these cells of a kind, against the spread within the groups; `None` if no cell has
    /// [`Apart::FROM`] repetitions that vary.
    ///
    /// The spread is the mean of the cell's own and the typical cell's: few repetitions may lie close together by chance,
    /// and cells may differ.
    pub fn of<Q: Quantity>(cells: &[Samples<Q>]) -> Option<Self> {
        Self::by_chance(cells, Chance::FINE)
    }

    /// The same, by so many draws.
    pub(super) fn by_chance<Q: Quantity>(cells: &[Samples<Q>], chance: Chance) -> Option<Self> {
        let relative = |cell: &Samples<Q>| {
            let mean = cell.mean().to_f64();
            cell.sorted().iter().map(|value| value / mean).collect::<Vec<_>>()
        };
        let cells: Vec<Vec<f64>> = cells.iter().map(relative).collect();
        let gaps: Vec<Option<Gap>> = cells.iter().map(|cell| Gap::widest(cell)).collect();
        let typical = typical_spread(&gaps)?;
        let size = |gap: &Gap| gap.width / (gap.within + typical);
        let largest = |gaps: &[Option<Gap>], typical: f64| {
            gaps.iter().flatten().map(|gap| gap.width / (gap.within + typical)).fold(0.0, f64::max)
        };
        let measured = gaps.iter().enumerate().filter_map(|(cell, gap)| Some((cell, gap.as_ref()?)));
        let (cell, widest) = measured.max_by(|(_, a), (_, b)| size(a).total_cmp(&size(b)))?;
        let seen = largest(&gaps, typical);
        let p_value = chance::p_value(chance, |rng| {
            let drawn: Vec<Option<Gap>> =
                cells.iter().map(|cell| Gap::widest(&ordinary(cell.len(), rng))).collect();
            typical_spread(&drawn).is_some_and(|typical| largest(&drawn, typical) >= seen)
        });
        Some(Self { cell, n_above: widest.n_above, gap: widest.width, p_value })
    }
}

/// The widest gap between neighbouring values of a cell.
struct Gap {
    width: f64,
    /// Standard deviation within the groups on its two sides.
    within: f64,
    n_above: usize,
}

impl Gap {
    /// `None` for too few values, and for values that do not vary.
    fn widest(sorted: &[f64]) -> Option<Self> {
        let n = sorted.len();
        if n < Apart::FROM {
            return None;
        }
        let gap = |below: &usize| sorted[*below] - sorted[below - 1];
        let below = (1..n).max_by(|a, b| gap(a).total_cmp(&gap(b)))?;
        let squares = |group: &[f64]| {
            let mean = super::moments::mean(group);
            group.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
        };
        let (low, high) = sorted.split_at(below);
        let within = ((squares(low) + squares(high)) / (n - 2) as f64).sqrt();
        let width = gap(&below);
        (width > 0.0 && width.is_finite()).then_some(Self { width, within, n_above: n - below })
    }
}

/// The median of the spreads within groups, as parts of the mean; `None` if there are none or they are mere rounding: values
/// that repeat exactly are steps of a clock or made up, not noise.
fn typical_spread(gaps: &[Option<Gap>]) -> Option<f64> {
    let mut spreads: Vec<f64> = gaps.iter().flatten().map(|gap| gap.within).collect();
    spreads.sort_by(f64::total_cmp);
    quantile(&spreads, 0.5).filter(|&typical| typical > 1e-9)
}

/// `n` values of ordinary noise, ascending: a gamma distribution of shape 4, whose tail is longer than the normal's.
fn ordinary(n: usize, rng: &mut Rng) -> Vec<f64> {
    // The sum of four exponentials, by a single logarithm.
    let mut one = || -(0..4).map(|_| rng.uniform()).product::<f64>().ln();
    let mut values: Vec<f64> = (0..n).map(|_| one()).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TokensPerSecond;

    fn rates(values: &[f64]) -> Samples<TokensPerSecond> {
        Samples::new(values.iter().map(|&v| TokensPerSecond::new(v).unwrap())).unwrap()
    }

    /// Ten values spread evenly over ± 1 % around 100.
    fn steady() -> Vec<f64> {
        (0..10).map(|i| 99.0 + 0.2 * f64::from(i * 7 % 10)).collect()
    }

    #[test]
    fn one_repetition_far_away_is_found_in_its_cell() {
        let mut disturbed = steady();
        disturbed[3] = 70.0;
        let cells = [rates(&steady()), rates(&disturbed), rates(&steady())];
        let apart = Apart::of(&cells).unwrap();
        assert_eq!((apart.cell, apart.n_above), (1, 9));
        // From 70 to 99 around a mean of (999 - 30 + 1) / 10 or about 97.
        assert!((apart.gap - 29.0 / cells[1].mean().get()).abs() < 1e-9, "{apart:?}");
        assert!(apart.p_value < 0.01, "{apart:?}");
    }

    #[test]
    fn two_speeds_are_found_in_one_cell() {
        let levels: Vec<f64> =
            steady().iter().enumerate().map(|(i, v)| if i < 5 { v * 1.09 } else { *v }).collect();
        let apart = Apart::of(&[rates(&levels)]).unwrap();
        assert_eq!(apart.n_above, 5);
        assert!(apart.p_value < 0.05, "{apart:?}");
    }

    #[test]
    fn steady_cells_have_no_gap() {
        let cells = vec![rates(&steady()); 5];
        assert!(Apart::of(&cells).unwrap().p_value > 0.5);
        assert_eq!(Apart::of(&[rates(&[5.0; 9])]), None, "nothing varies");
        assert_eq!(Apart::of(&[rates(&[1.0, 2.0, 9.0])]), None, "too few");
        assert_eq!(Apart::of::<TokensPerSecond>(&[]), None);
    }
}
