//! Groups of repetitions, and which of them other programs disturbed.
//!
//! All threads of ggml's CPU backend wait for the slowest one, so a repetition in which one thread waits for a core takes
//! longer by as much. If that happens in every repetition, all groups agree on a speed that is too low: only the
//! operating system's counts show it.

use std::time::Duration;

use crate::{bench::clock::Clock, record::Disturbance};

/// The range of a ceiling is over the best of each of so many groups of repetitions.
pub(super) const N_GROUPS: u32 = 5;

/// Fewer groups that count have no range.
const N_GROUPS_MIN: usize = 2;

/// While other programs are busy, so many times as many groups are measured at most, in so many times the time.
const PATIENCE: u32 = 4;

/// Rest before the group after a disturbed one: a thread that has slept is not the next to give up its core.
const BREATH: Duration = Duration::from_millis(20);

/// What is timed again and again.
pub(super) trait Repeated {
    /// Computes once: the time, and what other programs took of it if that is known. `None` if it could not compute, or was
    /// cancelled.
    fn repeat(&mut self) -> Option<(Duration, Option<Disturbance>)>;
}

/// One group of repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    fastest: Duration,
    /// Whether other programs disturbed every repetition; `None` if the system does not count that.
    is_disturbed: Option<bool>,
}

/// The groups of one way to measure a ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Repetitions of all of them.
    pub(super) n: u32,
}

impl Groups {
    /// Repeats for about this time, and for longer while other programs disturb it; each group after a rest. `None` if it
    /// could not compute, or was cancelled.
    pub(super) fn measure(
        repeated: &mut impl Repeated,
        clock: &impl Clock,
        (span, rest): (Duration, Duration),
    ) -> Option<Self> {
        let (begin, mut all) = (clock.now(), Self::default());
        while all.wants_more(clock.now().saturating_sub(begin) >= (span + rest * N_GROUPS) * PATIENCE) {
            let is_busy = all.groups.last().is_some_and(|group| group.is_disturbed == Some(true));
            clock.wait(if is_busy { rest.max(BREATH) } else { rest });
            let group = all.group(repeated, clock, span / N_GROUPS)?;
            all.groups.push(group);
        }
        // A clock that does not resolve it shows nothing.
        all.groups.iter().all(|group| !group.fastest.is_zero()).then_some(all)
    }

    /// The fastest time of each in milliseconds.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(groups: [(u64, Option<bool>); N]) -> Self {
        let group = |(ms, is_disturbed)| Group { fastest: Duration::from_millis(ms), is_disturbed };
        Self { groups: groups.map(group).into(), n: N as u32 }
    }

    fn wants_more(&self, is_late: bool) -> bool {
        let n = self.groups.len() as u32;
        n < N_GROUPS || (n < N_GROUPS * PATIENCE && !is_late && self.counted().count() < N_GROUPS as usize)
    }

    fn group(&mut self, repeated: &mut impl Repeated, clock: &impl Clock, span: Duration) -> Option<Group> {
        let begin = clock.now();
        let mut group: Option<Group> = None;
        while group.is_none() || clock.now().saturating_sub(begin) < span {
            let (elapsed, disturbance) = repeated.repeat()?;
            let is_disturbed = disturbance.and_then(|it| it.is_much_of(elapsed));
            self.n = self.n.saturating_add(1);
            group = Some(match group {
                None => Group { fastest: elapsed, is_disturbed },
                Some(before) => Group {
                    fastest: before.fastest.min(elapsed),
                    is_disturbed: either(before.is_disturbed, is_disturbed),
                },
            });
        }
        group
    }

    /// The groups with a repetition that was not disturbed, as far as that is known. The fastest of such a group is not slower
    /// than that repetition.
    fn counted(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.is_disturbed != Some(true))
    }

    /// Whether other programs disturbed so many groups that the fastest time may be too long; `None` if the system does not
    /// count that.
    pub(super) fn is_disturbed(&self) -> Option<bool> {
        if self.counted().count() < N_GROUPS_MIN {
            return Some(true);
        }
        self.counted().all(|group| group.is_disturbed.is_some()).then_some(false)
    }

    /// The fastest time of all. Also of a disturbed repetition it is a time in which the device can do this.
    pub(super) fn fastest(&self) -> Duration {
        self.groups.iter().map(|group| group.fastest).min().unwrap_or_default()
    }

    /// The best time of the slowest group: of those that count, unless they are too few.
    pub(super) fn slowest(&self) -> Duration {
        let is_disturbed = self.is_disturbed() == Some(true);
        let counts = |group: &&Group| is_disturbed || group.is_disturbed != Some(true);
        self.groups.iter().filter(counts).map(|group| group.fastest).max().unwrap_or_default()
    }
}

/// Of two ways to measure the same, or two repetitions, one that was not disturbed is enough.
pub(super) fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Of two ways of which each may be the faster one, both have to be measured undisturbed.
pub(super) fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
