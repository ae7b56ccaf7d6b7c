use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Test, TestKind},
    report::{
        figures::{Figures, Series},
        in_words::{activity, context, sentence, speed},
    },
    stats::{Fall, FallRatio},
    units::{Multiple, TokensPerSecond},
};

/// How the speed of one test changes from the shallowest to the deepest context.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DepthFall {
    /// The test, at any depth.
    pub test: Test,
    /// Tokens in the shallowest context.
    pub shallow: u32,
    /// Tokens in the deepest context.
    pub deep: u32,
    /// Speed at the shallowest.
    pub rate_shallow: TokensPerSecond,
    /// Speed at the deepest.
    pub rate_deep: TokensPerSecond,
    /// The change.
    pub fall: Fall,
}

/// Prompt processing and generation fall by different shares.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FasterFall {
    /// The one that falls more.
    pub more: DepthFall,
    /// The other one.
    pub less: DepthFall,
    /// How many times as much.
    pub ratio: FallRatio,
}

/// Every test that was measured at two depths or more; of several numbers of sequences with the smallest.
pub(in crate::report) fn falls(all: &[Series]) -> Vec<DepthFall> {
    let fall = |series: &Series| {
        let [empty, full] = series.ends()?;
        Some(DepthFall {
            test: series.test,
            shallow: empty.n_depth(),
            deep: full.n_depth(),
            rate_shallow: empty.figures.rate,
            rate_deep: full.figures.rate,
            fall: between(&empty.figures, &full.figures)?,
        })
    };
    Series::of_fewest_sequences(all).filter_map(fall).collect()
}

/// From the samples if both sides have some, else from the means.
fn between(empty: &Figures, full: &Figures) -> Option<Fall> {
    match (&empty.rates, &full.rates) {
        (Some(empty), Some(full)) => Fall::of_samples(empty, full),
        _ => Fall::of_means(empty.rate, full.rate),
    }
}

/// The main pp test against the main tg test, over the same depths.
pub(super) fn faster(all: &[Series], falls: &[DepthFall]) -> Option<FasterFall> {
    let main = |is_kind: fn(TestKind) -> bool| {
        let series = Series::main(all, is_kind)?;
        falls.iter().find(|fall| fall.test == series.test)
    };
    let prompt = *main(|kind| matches!(kind, TestKind::Pp(_)))?;
    let generation = *main(|kind| matches!(kind, TestKind::Tg(_)))?;
    if (prompt.shallow, prompt.deep) != (generation.shallow, generation.deep)
        || prompt.fall.change.get() >= 0.0
    {
        return None;
    }
    let is_prompt = prompt.fall.change <= generation.fall.change;
    let (more, less) = if is_prompt { (prompt, generation) } else { (generation, prompt) };
    Some(FasterFall { more, less, ratio: more.fall.ratio_to(&less.fall)? })
}

impl Say for DepthFall {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for DepthFall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = format!("{} ({})", sentence(activity(self.test.kind)), self.test);
        let (shallow, deep) = (context(self.shallow), context(self.deep));
        let [before, after] = [self.rate_shallow, self.rate_deep].map(|rate| format!("{} t/s", speed(rate)));
        if self.fall.is_sure() == Some(false) {
            return write!(
                f,
                "{what} runs at {after} in {deep} and at {before} in {shallow}: no sure difference between the two."
            );
        }
        let change = self.fall.change.get();
        let word = if change < 0.0 { "slower" } else { "faster" };
        let size = self.fall.change.size();
        write!(f, "{what} is {size:.1} {word} in {deep} than in {shallow}: {after} instead of {before}")?;
        if let Some(bounds) = self.fall.interval {
            let (a, b) = (bounds.lower().size().get(), bounds.upper().size().get());
            write!(f, " (95 % interval: {:.1} to {:.1} % {word})", a.min(b) * 100.0, a.max(b) * 100.0)?;
        }
        write!(f, ".")
    }
}

impl Say for FasterFall {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for FasterFall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { more, less, ratio } = self;
        let (more_name, less_name) = (sentence(activity(more.test.kind)), activity(less.test.kind));
        let sizes = format!("by {:.1} and by {:.1}", more.fall.change.size(), less.fall.change.size());
        let (a, b) = (context(more.shallow), context(more.deep));
        match ratio.interval {
            Some(interval) if interval.contains(Multiple::ONE) => write!(
                f,
                "From {a} to {b}, {} and {less_name} lose about as much speed: {sizes}, no sure difference.",
                activity(more.test.kind)
            ),
            interval => {
                let times = ratio.ratio.get();
                write!(
                    f,
                    "{more_name} loses {times:.2} times as much speed as {less_name} from {a} to {b}: {sizes}"
                )?;
                if let Some(bounds) = interval {
                    write!(
                        f,
                        " (95 % interval: {:.2} to {:.2} times)",
                        bounds.lower().get(),
                        bounds.upper().get()
                    )?;
                }
                write!(f, ".")
            }
        }
    }
}
