//! p values by simulation: how often chance alone gives something at least as extreme.

use super::rng::Rng;

/// How many draws a p value takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// Most draws.
    most: u32,
    /// This many hits end the simulation: the p value is then known well enough, and is not small.
    hits: u32,
    seed: u64,
}

impl Chance {
    /// Resolves p values around 1 %: for a report.
    pub(super) const FINE: Self = Self { most: 999, hits: 20, seed: 0x7265_7065_6174_7321 };

    /// Resolves p values around 5 % quickly: for a test after each repetition.
    pub(super) const SOON: Self = Self { most: 199, hits: 10, ..Self::FINE };
}

/// The share of draws that are at least as extreme as the observation, which counts as a draw itself (Besag and Clifford
/// 1991): a test that rejects below α is wrong in at most α. The same input gives the same value.
pub(super) fn p_value(chance: Chance, mut is_as_extreme: impl FnMut(&mut Rng) -> bool) -> f64 {
    let mut rng = Rng::new(chance.seed);
    let (mut hits, mut draws) = (0, 0);
    while hits < chance.hits && draws < chance.most {
        hits += u32::from(is_as_extreme(&mut rng));
        draws += 1;
    }
    if hits == chance.hits {
        f64::from(hits) / f64::from(draws)
    } else {
        f64::from(hits + 1) / f64::from(draws + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happens_is_rare_and_what_always_does_is_certain() {
        assert_eq!(p_value(Chance::FINE, |_| false), 1e-3);
        assert_eq!(p_value(Chance::SOON, |_| true), 1.0);
    }

    #[test]
    fn a_known_probability_comes_back() {
        for p in [0.02, 0.3] {
            let got = p_value(Chance::FINE, |rng| rng.uniform() < p);
            assert!((0.5 * p..2.0 * p).contains(&got), "{got} instead of {p}");
        }
    }
}
