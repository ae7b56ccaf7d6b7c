//! Differences between the counts before and after a region.

use std::time::Duration;

use crate::record::Disturbance;

/// The kernel counts stolen time in ticks of 10 ms: a shorter region holds too few of them.
const STEAL_TOLD_FROM: Duration = Duration::from_millis(100);

/// A thread by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) id: u32,
    /// Time on a core.
    pub(super) ran: Duration,
    /// Time ready to run, waiting for a core.
    pub(super) waited: Duration,
}

/// Running counts of the operating system at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Time of the measuring thread on a core.
    pub(super) on_core: Option<Duration>,
    /// The measuring thread.
    pub(super) own: Option<Thread>,
    /// Threads that may compute for it.
    pub(super) others: Vec<Thread>,
    /// How often the measuring thread was taken off its core.
    pub(super) n_preempted: Option<u64>,
    /// How often it left its core by itself.
    pub(super) n_blocked: Option<u64>,
    /// Stolen time of all cores.
    pub(super) stolen: Option<Duration>,
    /// Time in which any thread waited for a core.
    pub(super) pressure: Option<Duration>,
    /// Instructions of the measuring thread.
    pub(super) n_instructions: Option<u64>,
}

impl Counts {
    /// What happened in a region of this length between these counts and later ones.
    pub(super) fn until(&self, after: &Self, n_threads: Option<u32>, elapsed: Duration) -> Disturbance {
        let on_core = time_between(self.on_core, after.on_core);
        let waited = self.longest_wait(after, n_threads);
        let is_alone = n_threads == Some(1);
        let never_blocked = between(self.n_blocked, after.n_blocked) == Some(0);
        let stolen = match (on_core, waited) {
            // The thread was not on a core, did not wait for one, and did not sleep.
            (Some(on_core), Some(waited)) if is_alone && never_blocked => {
                Some(elapsed.saturating_sub(on_core + waited))
            }
            _ => time_between(self.stolen, after.stolen).filter(|_| elapsed >= STEAL_TOLD_FROM),
        };
        Disturbance {
            n_threads,
            on_core,
            waited,
            n_preempted: between(self.n_preempted, after.n_preempted),
            stolen,
            pressure: time_between(self.pressure, after.pressure),
            n_instructions: between(self.n_instructions, after.n_instructions).filter(|_| is_alone),
            calibration_on_core: None,
        }
    }

    /// The longest wait of the measuring thread and of those that were busiest beside it, as many as compute.
    fn longest_wait(&self, after: &Self, n_threads: Option<u32>) -> Option<Duration> {
        let own = after.own?.waited.saturating_sub(self.own?.waited);
        let mut others: Vec<(Duration, Duration)> = after
            .others
            .iter()
            .filter_map(|thread| {
                let before = self.others.iter().find(|before| before.id == thread.id)?;
                let waited = thread.waited.saturating_sub(before.waited);
                Some((thread.ran.saturating_sub(before.ran) + waited, waited))
            })
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        others.truncate(n_threads.unwrap_or(1).saturating_sub(1) as usize);
        others.iter().map(|(_, waited)| *waited).chain([own]).max()
    }
}

fn between(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

fn time_between(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    after?.checked_sub(before?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn thread(id: u32, ran: u32, waited: u32) -> Thread {
        Thread { id, ran: MS * ran, waited: MS * waited }
    }

    #[test]
    fn a_single_thread_ran_waited_or_was_held_up() {
        let before = Counts {
            on_core: Some(10 * MS),
            own: Some(thread(1, 10, 5)),
            n_preempted: Some(1),
            n_blocked: Some(7),
            n_instructions: Some(1000),
            ..Counts::default()
        };
        let mut after = Counts {
            on_core: Some(30 * MS),
            own: Some(thread(1, 30, 8)),
            n_preempted: Some(3),
            n_blocked: Some(7),
            n_instructions: Some(5000),
            ..Counts::default()
        };
        let found = before.until(&after, Some(1), 27 * MS);
        let expected = Disturbance {
            n_threads: Some(1),
            on_core: Some(20 * MS),
            waited: Some(3 * MS),
            n_preempted: Some(2),
            stolen: Some(4 * MS),
            n_instructions: Some(4000),
            ..Disturbance::default()
        };
        assert_eq!(found, expected);
        // A thread that slept was not stolen from.
        after.n_blocked = Some(8);
        assert_eq!(before.until(&after, Some(1), 27 * MS).stolen, None);
    }

    #[test]
    fn of_several_threads_the_longest_wait_counts_among_those_that_computed() {
        let counts = |others: &[Thread], own| Counts {
            own: Some(thread(1, 0, own)),
            others: others.to_vec(),
            ..Counts::default()
        };
        let before = counts(&[thread(2, 0, 0), thread(3, 0, 0), thread(4, 0, 0)], 0);
        // Thread 3 hardly ran: it does not compute, and its waits do not matter. Thread 5 is new.
        let after = counts(&[thread(2, 90, 5), thread(3, 1, 60), thread(4, 95, 2), thread(5, 90, 90)], 1);
        let waited = |n_threads| before.until(&after, n_threads, 100 * MS).waited;
        assert_eq!(waited(Some(3)), Some(5 * MS));
        assert_eq!(waited(Some(2)), Some(2 * MS));
        assert_eq!(waited(Some(1)), Some(MS));
        assert_eq!(waited(None), Some(MS));
    }

    #[test]
    fn ticks_tell_nothing_of_a_short_region() {
        let at = |stolen| Counts { stolen: Some(stolen), ..Counts::default() };
        let stolen = |elapsed| at(MS).until(&at(11 * MS), Some(4), elapsed).stolen;
        assert_eq!((stolen(99 * MS), stolen(100 * MS)), (None, Some(10 * MS)));
    }

    #[test]
    fn what_is_known_on_one_side_only_is_not_known() {
        let known = Counts { on_core: Some(MS), n_preempted: Some(4), ..Counts::default() };
        let nothing = Disturbance { n_threads: Some(1), ..Disturbance::default() };
        assert_eq!(known.until(&Counts::default(), Some(1), MS), nothing);
        assert_eq!(Counts::default().until(&known, Some(1), MS), nothing);
    }
}
