use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cell, Sample};
use crate::stats::Samples;

/// A repetition is disturbed if more than this share of its time was lost to others.
const DISTURBED: f64 = 0.02;

/// What other programs took from the threads of one repetition, as the operating system counted it.
///
/// `None` if the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Disturbance {
    /// Threads that computed on the CPU; `None` if a device computed as well.
    pub n_threads: Option<u32>,
    /// Time that the measuring thread ran on a core. With one thread it is the time of the whole work.
    pub on_core: Option<Duration>,
    /// The longest time that any of the threads was runnable and waited for a core.
    pub waited: Option<Duration>,
    /// How often the measuring thread was taken off its core in favour of another.
    pub n_preempted: Option<u64>,
    /// Time that the hypervisor gave to other machines. With one thread that never blocked it is the time in which the
    /// thread neither ran nor waited; otherwise it is the steal of all cores, and `None` in less than 100 ms.
    pub stolen: Option<Duration>,
    /// Time in which some program of the machine waited for a core (PSI), this one included.
    pub pressure: Option<Duration>,
    /// Instructions that the thread retired outside of the kernel; `None` with several threads, which wait for each other
    /// in a loop.
    pub n_instructions: Option<u64>,
    /// Time on a core of the calibration loop; [`Sample::calibration`] is its wall time.
    #[serde(rename = "pace_on_core")]
    pub calibration_on_core: Option<Duration>,
}

impl Disturbance {
    /// The part of a repetition of this length that was lost to others, at least; `None` if the system does not say.
    ///
    /// It is the longest wait of a thread plus the stolen time. If the system counts neither, it is the time that a
    /// single thread was off its core.
    pub fn lost(&self, elapsed: Duration) -> Option<Duration> {
        let lost = match (self.waited, self.stolen) {
            (None, None) => elapsed.saturating_sub(self.on_core.filter(|_| self.n_threads == Some(1))?),
            (waited, stolen) => waited.unwrap_or_default() + stolen.unwrap_or_default(),
        };
        Some(lost.min(elapsed))
    }

    /// Whether that is more than 2 % of the time; `None` if the system does not say.
    pub(crate) fn is_much_of(&self, elapsed: Duration) -> Option<bool> {
        Some(self.lost(elapsed)? > elapsed.mul_f64(DISTURBED))
    }
}

impl Sample {
    /// Whether other programs took more than 2 % of the repetition's time ([`Disturbance::lost`]); `false` if that is
    /// unknown.
    pub fn is_disturbed(&self) -> bool {
        self.disturbance.and_then(|it| it.is_much_of(self.elapsed)) == Some(true)
    }

    /// The time that was lost to other programs; `None` if it is not known.
    pub fn lost_to_others(&self) -> Option<Duration> {
        self.disturbance?.lost(self.elapsed)
    }

    /// The wall time less what was lost to other programs, if one thread on the CPU did all the work; `None` otherwise,
    /// and if the loss is not known. What a thread waits for by itself, such as a disk, is part of it. Never less than the
    /// thread ran: systems book a wait when it ends, also the part before the repetition began.
    pub fn time_on_core(&self) -> Option<Duration> {
        let disturbance = self.disturbance.filter(|disturbance| disturbance.n_threads == Some(1))?;
        let left = self.elapsed - self.lost_to_others()?;
        let ran = disturbance.on_core.unwrap_or_default().min(self.elapsed);
        Some(left.max(ran)).filter(|time| !time.is_zero())
    }
}

impl Cell {
    /// How many of the repetitions that count were disturbed ([`Sample::is_disturbed`]).
    pub fn n_disturbed(&self) -> usize {
        let samples = self.measured().map(|measured| &measured.samples[..]).unwrap_or_default();
        samples.iter().filter(|sample| sample.is_disturbed()).count()
    }

    /// The repetitions' times without what was lost to other programs ([`Sample::time_on_core`]) as a set; `None` if one
    /// of them is unknown, or the cell has no samples.
    pub fn times_on_core(&self) -> Option<Samples<Duration>> {
        let measured = self.measured()?;
        let times: Option<Vec<Duration>> = measured.samples.iter().map(Sample::time_on_core).collect();
        measured.set(times?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sample(disturbance: Disturbance) -> Sample {
        Sample { elapsed: 100 * MS, disturbance: Some(disturbance), ..Sample::default() }
    }

    #[test]
    fn a_wait_of_more_than_a_fiftieth_disturbs() {
        let one = Disturbance { n_threads: Some(1), on_core: Some(50 * MS), ..Disturbance::default() };
        let waited = |waited| sample(Disturbance { waited: Some(waited), ..one });
        assert!(!waited(2 * MS).is_disturbed());
        assert!(waited(3 * MS).is_disturbed());
        assert_eq!(waited(3 * MS).time_on_core(), Some(97 * MS), "blocking by itself is part of the work");
        let stolen = sample(Disturbance { waited: Some(MS), stolen: Some(2 * MS), ..one });
        assert!(stolen.is_disturbed(), "what was stolen adds to what was waited");
        assert_eq!(stolen.time_on_core(), Some(97 * MS));
    }

    #[test]
    fn a_wait_that_began_earlier_leaves_what_the_thread_ran() {
        let disturbance = Disturbance {
            n_threads: Some(1),
            on_core: Some(90 * MS),
            waited: Some(120 * MS),
            ..Disturbance::default()
        };
        assert_eq!(sample(disturbance).time_on_core(), Some(90 * MS));
        let nothing_left = Disturbance { on_core: None, ..disturbance };
        assert_eq!(sample(nothing_left).time_on_core(), None);
    }

    #[test]
    fn without_waits_a_single_thread_is_judged_by_its_time_on_the_core() {
        let one = Disturbance { n_threads: Some(1), on_core: Some(90 * MS), ..Disturbance::default() };
        assert!(sample(one).is_disturbed());
        assert_eq!(sample(one).time_on_core(), Some(90 * MS));
        // The time of the measuring thread is not that of other threads or of a device.
        for n_threads in [Some(2), None] {
            let several = sample(Disturbance { n_threads, ..one });
            assert_eq!((several.is_disturbed(), several.time_on_core()), (false, None));
        }
    }

    #[test]
    fn several_threads_have_no_time_on_core_and_are_disturbed_all_the_same() {
        let two = Disturbance { n_threads: Some(2), waited: Some(10 * MS), ..Disturbance::default() };
        assert!(sample(two).is_disturbed());
        assert_eq!(sample(two).time_on_core(), None);
    }

    #[test]
    fn what_is_not_known_is_not_called_disturbed() {
        let unknown = Sample { elapsed: MS, ..Sample::default() };
        assert_eq!((unknown.is_disturbed(), unknown.time_on_core()), (false, None));
        assert_eq!(sample(Disturbance::default()).lost_to_others(), None);
    }

    #[test]
    fn a_cell_has_times_on_a_core_if_every_repetition_has() {
        use crate::record::{Measured, Outcome, Test, TestKind};

        let waited = |waited| {
            sample(Disturbance { n_threads: Some(1), waited: Some(waited), ..Disturbance::default() })
        };
        let cell = |samples| Cell {
            test: Test::from(TestKind::Pp(8)),
            started_at: String::new(),
            outcome: Outcome::Measured(Measured { samples, ..Measured::default() }),
        };
        let known = cell(vec![waited(MS), waited(41 * MS)]);
        assert_eq!(known.n_disturbed(), 1);
        assert_eq!(known.times_on_core().unwrap().mean(), 79 * MS);
        let in_part = cell(vec![waited(41 * MS), Sample { elapsed: MS, ..Sample::default() }]);
        assert_eq!((in_part.n_disturbed(), in_part.times_on_core().is_none()), (1, true));
    }

    #[test]
    fn more_than_everything_cannot_be_lost() {
        let all = Disturbance {
            n_threads: Some(1),
            waited: Some(Duration::from_secs(9)),
            ..Disturbance::default()
        };
        assert_eq!(sample(all).lost_to_others(), Some(100 * MS));
        assert_eq!(sample(all).time_on_core(), None);
    }
}
