use std::time::Duration;

use crate::{
    judge::{Because, Rule, compare_paired},
    record::{Cell, Failure, Header, Measured, Outcome, Run, Sample, Test, pp, tg},
};

/// A cell of this many repetitions.
fn measured(test: Test, ms: u64, n_reps: u64, ended: Option<&str>) -> Cell {
    let sample = |i| Sample { elapsed: Duration::from_micros(ms * 1000 + i), ..Sample::default() };
    let samples = (0..n_reps).map(sample).collect();
    let ended = ended.map(|why| Failure::new("signal", why));
    let outcome = Outcome::Measured(Measured { samples, ended, ..Measured::default() });
    Cell { test, started_at: String::new(), outcome }
}

fn failed(test: Test) -> Cell {
    let outcome = Outcome::Failed(Failure::new("signal", "killed by signal 9"));
    Cell { test, started_at: String::new(), outcome }
}

fn run(cells: Vec<Cell>) -> Run {
    Run { header: Header::default(), cells, curve: Vec::new() }
}

/// Six pairs of loads, of which B takes half as long again; these loads of A are others.
fn judged(others: &[(usize, Vec<Cell>)]) -> crate::judge::Judgement {
    let whole = |ms: u64| run(vec![measured(pp(16), ms, 20, None), measured(tg(2), ms, 20, None)]);
    let mut a: Vec<Run> = (0..6).map(|i| whole(100 + i)).collect();
    let b: Vec<Run> = (0..6).map(|i| whole(150 + i)).collect();
    for (load, cells) in others {
        a[*load] = run(cells.clone());
    }
    let [a, b] = [&a, &b].map(|side| side.iter().collect::<Vec<_>>());
    compare_paired(&a, &b, Rule::default()).unwrap()
}

#[test]
fn loads_that_died_cost_no_verdict_of_the_others() {
    let whole = judged(&[]);
    assert!(whole.has_change() && whole.tests.len() == 2);
    for (load, what) in [
        (2, vec![failed(pp(16)), failed(tg(2))]),
        (0, vec![measured(pp(16), 100, 20, None), failed(tg(2))]),
        (5, vec![measured(pp(16), 900, 1, Some("killed")), failed(tg(2))]),
        (1, vec![measured(pp(16), 0, 20, None), measured(tg(2), 100, 20, None)]),
        (3, Vec::new()),
    ] {
        let judged = judged(&[(load, what.clone())]);
        assert!(judged.tests.iter().all(|one| one.verdict() == whole.tests[0].verdict()), "{what:?}");
        assert_eq!(judged.tests.len(), 2, "{what:?}");
    }
}

#[test]
fn a_test_that_one_pair_has_costs_the_other_tests_nothing() {
    let dead = |load| (load, vec![measured(pp(16), 100 + load as u64, 20, None), failed(tg(2))]);
    let judged = judged(&[dead(0), dead(1), dead(2), dead(3), dead(4)]);
    let because: Vec<Because> = judged.tests.iter().map(|one| one.finding.because).collect();
    assert!(judged.has_change() && because[0] != Because::OneRunEach);
    assert_eq!(because[1], Because::OneRunEach);
}
