use std::{cell::Cell, rc::Rc};

use super::*;

const MS: Duration = Duration::from_millis(1);
const SPAN: Duration = Duration::from_millis(250);

/// Time that passes only while something is repeated or waited for.
#[derive(Clone, Default)]
struct FakeClock(Rc<Cell<Duration>>);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn wait(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }

    fn utc(&self) -> Option<Duration> {
        None
    }
}

/// Repetitions that take a time of their own and wait for a core for another, by their number.
struct Fake<F> {
    clock: FakeClock,
    n: u32,
    of: F,
}

impl<F: FnMut(u32) -> Option<(Duration, Option<Duration>)>> Repeated for Fake<F> {
    fn repeat(&mut self) -> Option<(Duration, Option<Disturbance>)> {
        let (own, waited) = (self.of)(self.n)?;
        self.n += 1;
        let elapsed = own + waited.unwrap_or_default();
        self.clock.wait(elapsed);
        let disturbance = waited.map(|waited| Disturbance { waited: Some(waited), ..Disturbance::default() });
        Some((elapsed, disturbance))
    }
}

/// The groups, and the time that they took.
fn measure(of: impl FnMut(u32) -> Option<(Duration, Option<Duration>)>) -> Option<(Groups, Duration)> {
    let clock = FakeClock::default();
    let mut fake = Fake { clock: clock.clone(), n: 0, of };
    let groups = Groups::measure(&mut fake, &clock, (SPAN, Duration::ZERO))?;
    assert_eq!(groups.n, fake.n);
    Some((groups, clock.now()))
}

/// The state, and the fastest time and that of the slowest group in milliseconds.
fn found(groups: &Groups) -> (Option<bool>, u128, u128) {
    (groups.is_disturbed(), groups.fastest().as_millis(), groups.slowest().as_millis())
}

#[test]
fn a_quiet_machine_is_measured_in_five_groups() {
    let (groups, took) = measure(|n| Some((MS * (5 + n / 10), Some(Duration::ZERO)))).unwrap();
    assert_eq!((groups.groups.len(), took < SPAN * 2), (5, true));
    assert_eq!(groups.is_disturbed(), Some(false));
    assert_eq!(groups.fastest(), 5 * MS);
    assert!(groups.slowest() > groups.fastest());
    // A wait of a fiftieth is what samples are allowed too.
    let (groups, _) = measure(|_| Some((98 * MS, Some(2 * MS)))).unwrap();
    assert_eq!((groups.groups.len(), found(&groups)), (5, (Some(false), 100, 100)));
}

#[test]
fn one_undisturbed_repetition_is_enough_for_a_group() {
    let (groups, _) =
        measure(|n| Some((5 * MS, Some(if n % 3 == 1 { Duration::ZERO } else { 20 * MS })))).unwrap();
    assert_eq!((groups.groups.len(), found(&groups)), (5, (Some(false), 5, 5)));
}

#[test]
fn groups_that_were_disturbed_are_repeated_and_do_not_count() {
    // 50 ms in each repetition, so that each is a group.
    for (disturbed, n_groups) in [(&[0, 2, 3][..], 8), (&[0, 1, 2, 3, 4, 5, 6], 12), (&[4], 6)] {
        let waited = |n| if disturbed.contains(&n) { 30 * MS } else { Duration::ZERO };
        let (groups, _) = measure(|n| Some((50 * MS, Some(waited(n))))).unwrap();
        assert_eq!((groups.groups.len(), found(&groups)), (n_groups, (Some(false), 50, 50)), "{disturbed:?}");
    }
}

#[test]
fn a_busy_machine_is_marked_although_all_groups_agree() {
    let (groups, took) = measure(|_| Some((5 * MS, Some(25 * MS)))).unwrap();
    assert_eq!(found(&groups), (Some(true), 30, 30));
    // Groups of two repetitions, each after a rest.
    assert_eq!((groups.n, took), (2 * 13, 13 * 60 * MS + 12 * BREATH));
    assert!(took < SPAN * PATIENCE + BREATH + 60 * MS, "{took:?}");
    // The fastest repetition still shows what the device can do.
    let (groups, _) = measure(|n| Some((5 * MS, Some(if n == 7 { MS } else { 25 * MS })))).unwrap();
    assert_eq!(found(&groups), (Some(true), 6, 30));
}

#[test]
fn one_group_that_counts_has_no_range() {
    for n_quiet in 0..=6 {
        let waited = |n| if n < n_quiet { Duration::ZERO } else { 50 * MS };
        let (groups, _) = measure(|n| Some((50 * MS, Some(waited(n))))).unwrap();
        let expected = match n_quiet {
            0 => (Some(true), 100, 100),
            1 => (Some(true), 50, 100),
            _ => (Some(false), 50, 50),
        };
        assert_eq!(found(&groups), expected, "{n_quiet}");
    }
}

#[test]
fn slow_repetitions_have_an_end_too() {
    let (groups, took) = measure(|_| Some((2000 * MS, Some(100 * MS)))).unwrap();
    assert_eq!((groups.groups.len(), groups.is_disturbed()), (5, Some(true)));
    assert_eq!(took, 5 * 2100 * MS + 4 * BREATH);
}

#[test]
fn what_the_system_does_not_count_is_unknown_and_not_repeated() {
    let (groups, _) = measure(|n| Some((MS * (5 + n % 3), None))).unwrap();
    assert_eq!((groups.groups.len(), found(&groups)), (5, (None, 5, 5)));
    // Counted now and then: what is known to be disturbed does not count.
    let (groups, _) = measure(|n| Some((50 * MS, if n == 0 { Some(50 * MS) } else { None }))).unwrap();
    assert_eq!((groups.groups.len(), found(&groups)), (6, (None, 50, 50)));
}

#[test]
fn what_cannot_be_computed_or_takes_no_time_has_no_groups() {
    assert_eq!(measure(|n| (n < 12).then_some((5 * MS, None))), None);
    // A clock that goes on only between repetitions.
    let clock = FakeClock::default();
    let between = clock.clone();
    let of = move |_| {
        between.wait(MS);
        Some((Duration::ZERO, None))
    };
    let mut none = Fake { clock: clock.clone(), n: 0, of };
    assert_eq!(Groups::measure(&mut none, &clock, (SPAN, Duration::ZERO)), None);
    assert!(none.n > 0);
}

#[test]
fn groups_rest_before_they_begin() {
    let clock = FakeClock::default();
    let mut fake = Fake { clock: clock.clone(), n: 0, of: |_| Some((50 * MS, Some(Duration::ZERO))) };
    Groups::measure(&mut fake, &clock, (SPAN, 30 * MS)).unwrap();
    assert_eq!((fake.n, clock.now()), (5, 5 * 80 * MS));
    // Rests are no time for more groups.
    let mut fake = Fake { clock: clock.clone(), n: 0, of: |_| Some((50 * MS, Some(50 * MS))) };
    let begin = clock.now();
    Groups::measure(&mut fake, &clock, (SPAN, 30 * MS)).unwrap();
    assert!(clock.now() - begin <= (SPAN + 5 * 30 * MS) * PATIENCE + 130 * MS);
}

#[test]
fn states_are_joined_by_what_is_enough() {
    let states = [None, Some(false), Some(true)];
    let all =
        |join: fn(Option<bool>, Option<bool>) -> Option<bool>| states.map(|a| states.map(|b| join(a, b)));
    let (no, yes) = (Some(false), Some(true));
    assert_eq!(all(either), [[None, no, None], [no, no, no], [None, no, yes]]);
    assert_eq!(all(both), [[None, None, yes], [None, no, yes], [yes, yes, yes]]);
}
