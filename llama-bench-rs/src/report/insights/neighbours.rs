use std::{fmt, time::Duration};

use super::{Level, Say};
use crate::{
    record::{Run, Sample, Test},
    report::in_words::{duration, plural},
};

/// What other programs took from the repetitions, by the counts of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbours {
    /// Repetitions that were watched, those set aside included.
    pub n_reps: usize,
    /// Those that were disturbed, and the one that lost the largest part of its time; `None` if none was.
    pub disturbed: Option<Disturbed>,
    /// Whether instructions could be counted; `None` if they are not counted for work of this kind.
    pub counts_instructions: Option<bool>,
}

/// Repetitions that were disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disturbed {
    /// Those that count in the figures.
    pub n_counted: usize,
    /// Those that were repeated and set aside.
    pub n_set_aside: usize,
    /// The test of the one that lost the largest part of its time.
    pub test: Test,
    /// What it lost.
    pub lost: Duration,
    /// What it took.
    pub elapsed: Duration,
}

/// `None` if nothing is known of any repetition.
pub(super) fn neighbours(run: &Run) -> Option<Neighbours> {
    let measured = || run.cells.iter().filter_map(|cell| Some((cell.test, cell.measured()?)));
    let counted = || measured().flat_map(|(test, m)| m.samples.iter().map(move |sample| (test, sample)));
    let set_aside = || measured().flat_map(|(test, m)| m.set_aside.iter().map(move |sample| (test, sample)));
    let all = || counted().chain(set_aside());
    let n_reps = all().filter(|(_, sample)| sample.lost_to_others().is_some()).count();
    if n_reps == 0 {
        return None;
    }
    let is_disturbed = |(_, sample): &(Test, &Sample)| sample.is_disturbed();
    let share = |sample: &Sample| {
        let lost = sample.lost_to_others().unwrap_or_default();
        lost.as_secs_f64() / sample.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    };
    let worst = all().filter(is_disturbed).max_by(|(_, a), (_, b)| share(a).total_cmp(&share(b)));
    let disturbed = worst.map(|(test, sample)| Disturbed {
        n_counted: counted().filter(is_disturbed).count(),
        n_set_aside: set_aside().count(),
        test,
        lost: sample.lost_to_others().unwrap_or_default(),
        elapsed: sample.elapsed,
    });
    let alone = || all().filter_map(|(_, sample)| sample.disturbance).filter(|it| it.n_threads == Some(1));
    let counts_instructions = alone().next().map(|_| alone().any(|it| it.n_instructions.is_some()));
    Some(Neighbours { n_reps, disturbed, counts_instructions })
}

impl Say for Neighbours {
    fn level(&self) -> Level {
        match self.disturbed {
            None => Level::Good,
            Some(Disturbed { n_counted: 0, .. }) => Level::Note,
            Some(_) => Level::Warning,
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_reps = self.n_reps;
        match self.disturbed {
            None => write!(
                f,
                "Other programs disturbed no repetition: of {n_reps}, none lost more than 2 % of its time waiting for a \
                 core."
            )?,
            Some(Disturbed { n_counted, n_set_aside, test, lost, elapsed }) => {
                write!(
                    f,
                    "Other programs disturbed {} of {n_reps} repetitions, most in {test}: a thread waited for a core \
                     for {} of {}.",
                    n_counted + n_set_aside,
                    duration(lost),
                    duration(elapsed)
                )?;
                match (n_counted, n_set_aside) {
                    (0, 1) => write!(f, " It was repeated and left out of the figures.")?,
                    (0, _) => write!(f, " All of them were repeated and left out of the figures.")?,
                    (_, 0) => write!(f, " {} counted.", plural(n_counted, "It is", "They are"))?,
                    _ => write!(
                        f,
                        " {n_set_aside} {} repeated and left out of the figures; {n_counted} {} counted.",
                        plural(n_set_aside, "was", "were"),
                        plural(n_counted, "is", "are")
                    )?,
                }
            }
        }
        if self.counts_instructions == Some(false) {
            write!(f, " Retired instructions cannot be counted on this machine.")?;
        }
        Ok(())
    }
}
