//! Up to how many sequences at once more of them pay.

use std::cmp::Ordering;

use super::figures::Figures;
use crate::{
    record::{Run, Test},
    stats::{Confidence, Growth},
    units::Share,
};

/// The number of sequences beyond which the total speed hardly grows: the knee.
///
/// Each step from one measured number of sequences to the next grows the total by some share per doubling; sequences that
/// cost nothing would double it. The knee is the number after which every step grows it by less than [`Knee::GROWTH`], and
/// before which the last step grows it by more. A step is on one side only if its whole interval is; the intervals of all
/// steps hold together in 95 of 100 measurements (Bonferroni), so noise alone rarely makes a knee, and rarely hides one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Knee {
    /// After so many sequences, and surely at none of the other numbers that were measured.
    At(u32),
    /// At the first number, at the second, or at one between them: the figures do not show which.
    Between(u32, u32),
    /// At this number or at a larger one, which may be larger than what was measured.
    From(u32),
    /// Larger than this number, the largest that was measured: the total surely still grows there.
    Beyond(u32),
    /// Nothing is known: no step has an interval, since each test was measured once or only means are known.
    Unknown,
}

/// How the total speed changes from one number of sequences to the next that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelStep {
    /// The smaller number.
    pub from: u32,
    /// The larger one.
    pub to: u32,
    /// The change; `None` if no run measured both.
    pub growth: Option<Growth>,
}

impl Knee {
    /// Less growth of the total per doubling of the sequences counts as none: a quarter of what sequences that cost nothing
    /// would add.
    pub const GROWTH: Share = Share::percent(25);

    /// From steps in ascending order, each beginning where the last one ended; `None` without steps.
    pub(crate) fn of(steps: &[LevelStep]) -> Option<Self> {
        let confidence = Confidence::new(1.0 - 0.05 / steps.len() as f64)?;
        let sides: Vec<Option<Ordering>> = steps.iter().map(|step| step.side(confidence)).collect();
        if sides.iter().all(Option::is_none) {
            return (!steps.is_empty()).then_some(Self::Unknown);
        }
        let levels: Vec<u32> =
            steps.first().map(|step| step.from).into_iter().chain(steps.iter().map(|step| step.to)).collect();
        let may_be = |i: usize| {
            let grows_later = sides[i..].contains(&Some(Ordering::Greater));
            let is_flat_before = i.checked_sub(1).is_some_and(|i| sides[i] == Some(Ordering::Less));
            !grows_later && !is_flat_before
        };
        let possible: Vec<u32> = (0..levels.len()).filter(|&i| may_be(i)).map(|i| levels[i]).collect();
        let (&first, &last, &most) = (possible.first()?, possible.last()?, levels.last()?);
        Some(match (first == last, last == most) {
            (true, true) => Self::Beyond(most),
            (true, false) => Self::At(first),
            (false, true) => Self::From(first),
            (false, false) => Self::Between(first, last),
        })
    }
}

impl LevelStep {
    /// On which side of the limit the growth per doubling is; `None` if its spread is not known.
    fn side(&self, confidence: Confidence) -> Option<Ordering> {
        let n_doublings = (f64::from(self.to) / f64::from(self.from)).log2();
        self.growth?.per_doubling(n_doublings, Knee::GROWTH, confidence)
    }
}

/// How the total speed of a test changes from one number of sequences to another, over the runs that measured both; `None`
/// if none did.
pub(crate) fn growth(runs: &[&Run], few: Test, many: Test) -> Option<Growth> {
    let figures = |run: &Run, test: Test| Figures::of(run.cells.iter().find(|cell| cell.test == test)?);
    let of_run = |run: &&Run| {
        let (few, many) = (figures(run, few)?, figures(run, many)?);
        match (&few.rates, &many.rates) {
            (Some(few), Some(many)) => Growth::of_samples(few, many),
            _ => Growth::of_means(few.rate, many.rate),
        }
    };
    Growth::of_runs(&runs.iter().filter_map(of_run).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stats::{Rng, Samples},
        units::TokensPerSecond,
    };

    /// Repetitions of a total, this far apart.
    fn rates(total: f64, spread: f64) -> Samples<TokensPerSecond> {
        let off = [-1.0, 0.5, 0.0, 1.0, -0.5];
        Samples::new(off.map(|off| TokensPerSecond::new(total * (1.0 + spread * off)).unwrap())).unwrap()
    }

    fn steps(totals: &[(u32, f64)], spread: f64) -> Vec<LevelStep> {
        let step = |pair: &[(u32, f64)]| {
            let [few, many] = [pair[0], pair[1]].map(|(_, total)| rates(total, spread));
            LevelStep { from: pair[0].0, to: pair[1].0, growth: Growth::of_samples(&few, &many) }
        };
        totals.windows(2).map(step).collect()
    }

    fn knee(totals: &[(u32, f64)], spread: f64) -> Option<Knee> {
        Knee::of(&steps(totals, spread))
    }

    /// gpt-oss-20b on an H100: +66, +47, +24, +15 % per doubling.
    const GPT_OSS: [(u32, f64); 5] = [(1, 242.0), (2, 401.0), (4, 589.0), (8, 732.0), (16, 839.0)];
    /// llama-3.1-8b there: +41, +89, +36, +53 %.
    const LLAMA: [(u32, f64); 5] = [(1, 223.0), (2, 314.0), (4, 594.0), (8, 806.0), (16, 1230.0)];

    #[test]
    fn the_knee_is_where_the_total_stops_growing() {
        assert_eq!(knee(&GPT_OSS, 0.001), Some(Knee::At(4)));
        assert_eq!(knee(&LLAMA, 0.001), Some(Knee::Beyond(16)));
        assert_eq!(knee(&[(1, 100.0), (2, 101.0), (4, 102.0)], 0.001), Some(Knee::At(1)));
        // A flat step before one that grows is not the knee.
        assert_eq!(knee(&[(1, 100.0), (2, 101.0), (4, 180.0), (8, 181.0)], 0.001), Some(Knee::At(4)));
    }

    #[test]
    fn growth_counts_per_doubling_and_not_per_step() {
        // +60 % over two doublings is 26 % each; over three it is 17 %.
        assert_eq!(knee(&[(2, 100.0), (8, 160.0)], 0.001), Some(Knee::Beyond(8)));
        assert_eq!(knee(&[(2, 100.0), (16, 160.0)], 0.001), Some(Knee::At(2)));
        // From 6 to 8 it is not a doubling: +12 % is 31 % per doubling.
        assert_eq!(knee(&[(6, 100.0), (8, 112.0)], 0.001), Some(Knee::Beyond(8)));
    }

    #[test]
    fn what_noise_hides_is_a_range() {
        // +24 % is not surely under 25 %, +15 % is.
        assert_eq!(knee(&GPT_OSS, 0.01), Some(Knee::Between(4, 8)));
        // Only the first step is sure.
        assert_eq!(knee(&GPT_OSS, 0.15), Some(Knee::From(2)));
        assert_eq!(knee(&GPT_OSS, 0.5), Some(Knee::From(1)));
    }

    #[test]
    fn one_repetition_makes_no_knee() {
        let bare = |(from, few): (u32, f64), (to, many): (u32, f64)| {
            let [few, many] = [few, many].map(|rate| TokensPerSecond::new(rate).unwrap());
            LevelStep { from, to, growth: Growth::of_means(few, many) }
        };
        let bare: Vec<LevelStep> = GPT_OSS.windows(2).map(|pair| bare(pair[0], pair[1])).collect();
        assert_eq!(Knee::of(&bare), Some(Knee::Unknown));
        assert_eq!(Knee::of(&[]), None);
        // One step that is not known may be on either side.
        let mut some = steps(&GPT_OSS, 0.001);
        some[3].growth = None;
        assert_eq!(Knee::of(&some), Some(Knee::From(4)));
        some[1].growth = None;
        assert_eq!(Knee::of(&some), Some(Knee::From(2)));
    }

    /// Every step is exactly at the limit: any side that is claimed for any of five steps is an error.
    #[test]
    fn noise_rarely_makes_a_knee() {
        const TRIALS: usize = 2000;
        let mut rng = Rng::new(7);
        let wrong = |_: &usize| {
            let mut total = 100.0;
            let mut level = || {
                let rates: Vec<_> = (0..5)
                    .map(|_| TokensPerSecond::new(total * (1.0 + 0.02 * rng.normal())).unwrap())
                    .collect();
                total *= 1.25;
                Samples::new(rates).unwrap()
            };
            let levels: Vec<_> = (0..6).map(|_| level()).collect();
            let step = |(i, pair): (u32, &[Samples<TokensPerSecond>])| LevelStep {
                from: 1 << i,
                to: 2 << i,
                growth: Growth::of_samples(&pair[0], &pair[1]),
            };
            let steps: Vec<LevelStep> = (0..).zip(levels.windows(2)).map(step).collect();
            Knee::of(&steps) != Some(Knee::From(1))
        };
        let n_wrong = (0..TRIALS).filter(wrong).count();
        assert!(n_wrong * 100 <= TRIALS * 6, "{n_wrong} of {TRIALS} times a knee was claimed or excluded");
    }
}
