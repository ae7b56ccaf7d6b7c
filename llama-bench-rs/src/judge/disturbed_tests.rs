//! Repetitions that neighbours disturb, and the verdicts about them.

use std::time::Duration;

use super::*;
use crate::record::{Cell, Disturbance, Header, Measured, Outcome, Sample};

const MS: Duration = Duration::from_millis(1);

/// Three runs of one test with equal repetitions of 10 ms on the core, each with this wait.
fn runs(n_threads: u32, waited: Duration) -> Vec<Run> {
    let on_core = (n_threads == 1).then_some(10 * MS);
    let disturbance =
        Disturbance { n_threads: Some(n_threads), on_core, waited: Some(waited), ..Disturbance::default() };
    let sample = Sample { elapsed: 10 * MS + waited, disturbance: Some(disturbance), ..Sample::default() };
    let measured = Measured { samples: vec![sample; 20], ..Measured::default() };
    let test = Test::from(TestKind::Pp(64));
    let cell = Cell { test, started_at: String::new(), outcome: Outcome::Measured(measured) };
    vec![Run { header: Header::default(), cells: vec![cell], curve: vec![] }; 3]
}

fn judged(before: &[Run], after: &[Run]) -> TestJudgement {
    let (before, after): (Vec<&Run>, Vec<&Run>) = (before.iter().collect(), after.iter().collect());
    compare(&before, &after, Rule::default()).unwrap().tests[0]
}

#[test]
fn a_thread_that_waited_is_judged_by_its_time_on_the_core() {
    let judged = judged(&runs(1, 4 * MS), &runs(1, 8 * MS));
    assert_eq!(judged.speedup, Speedup::ONE, "{judged:?}");
    assert_eq!(judged.before.time, judged.after.time, "what is shown is what is compared");
    assert_eq!(judged.verdict(), Verdict::NoChange, "{judged:?}");
    assert!(!matches!(judged.finding.because, Because::Disturbed { .. }), "{judged:?}");
}

#[test]
fn several_threads_that_waited_are_inconclusive() {
    let judged = judged(&runs(2, Duration::ZERO), &runs(2, 8 * MS));
    assert!(judged.speedup.get() < 0.6, "the wall is all that is known: {judged:?}");
    assert_eq!(judged.verdict(), Verdict::Inconclusive);
    assert!(matches!(judged.finding.because, Because::Disturbed { .. }), "{judged:?}");
    assert!(judged.finding.to_string().contains("100 % of the repetitions"), "{}", judged.finding);
}

#[test]
fn a_run_that_does_not_know_its_time_on_a_core_makes_all_be_judged_by_the_wall() {
    let mut before = runs(1, Duration::ZERO);
    let Outcome::Measured(measured) = &mut before[0].cells[0].outcome else { panic!("measured") };
    measured.samples.iter_mut().for_each(|sample| sample.disturbance = None);
    // A wait of 1 % is not a disturbance, and is shown.
    let judged = judged(&before, &runs(1, MS / 10));
    assert!((judged.speedup.get() - 1.0 / 1.01).abs() < 1e-6, "{judged:?}");
}

#[test]
fn sides_that_were_disturbed_differently_are_inconclusive_whether_they_differ_or_not() {
    for (before, after) in [(Duration::ZERO, 8 * MS), (8 * MS, Duration::ZERO)] {
        let judged = judged(&runs(1, before), &runs(1, after));
        assert_eq!((judged.speedup, judged.verdict()), (Speedup::ONE, Verdict::Inconclusive), "{judged:?}");
    }
    let slower = |run: &mut Run| {
        let Outcome::Measured(measured) = &mut run.cells[0].outcome else { panic!("measured") };
        measured.samples.iter_mut().for_each(|sample| {
            sample.elapsed += 2 * MS;
            let disturbance = sample.disturbance.as_mut().unwrap();
            disturbance.on_core = disturbance.on_core.map(|time| time + 2 * MS);
        });
    };
    for (waited, verdict) in [(Duration::ZERO, Verdict::Regressed), (8 * MS, Verdict::Inconclusive)] {
        let mut after = runs(1, waited);
        after.iter_mut().for_each(slower);
        let judged = judged(&runs(1, Duration::ZERO), &after);
        assert!((judged.speedup.get() - 10.0 / 12.0).abs() < 1e-6, "{judged:?}");
        assert_eq!(judged.verdict(), verdict, "{judged:?}");
    }
}
