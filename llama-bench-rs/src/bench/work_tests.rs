//! Which graphs the first context of a run is asked for.

use crate::{
    bench::{Cancel, Event, Plan, Request, fake::FakeTarget, plan::tests::request},
    record::{Header, Method, Run, work::WorkKind},
};

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    crate::bench::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

fn asked_for() -> Request {
    Request { prompts: vec![3, 8], generations: vec![4], depths: vec![0, 32], ..request() }
}

#[test]
fn each_kind_is_looked_at_once_with_its_longest_test() {
    for method in [Method::Rewind, Method::FreshContext] {
        let plan = Request { method, ..asked_for() }.plan().unwrap();
        let mut target = FakeTarget::default();
        let run = run(&plan, &mut target);
        let kinds: Vec<WorkKind> = run.header.work.iter().map(|work| work.kind).collect();
        assert_eq!(kinds, [WorkKind::Prompt, WorkKind::Generation]);
        assert_eq!(target.looked_at, [(WorkKind::Generation, 4), (WorkKind::Prompt, 8)]);
    }
    let plan = Request { work: false, ..asked_for() }.plan().unwrap();
    let mut target = FakeTarget::default();
    assert_eq!((run(&plan, &mut target).header.work, target.looked_at), (vec![], vec![]));
}

#[test]
fn a_context_that_cannot_tell_is_opened_anew_and_measured() {
    let plan = asked_for().plan().unwrap();
    let mut target = FakeTarget { broken_work: true, ..FakeTarget::default() };
    let clock = target.clock.clone();
    let mut n_told = 0;
    let mut observer = |event: &Event<'_>| n_told += u32::from(matches!(event, Event::WorkUnknown(_)));
    let run = crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observer, &Cancel::new());
    assert_eq!(n_told, 1);
    assert_eq!((target.opened.len(), target.looked_at.len()), (2, 1));
    assert_eq!(run.header.work, []);
    assert!(run.cells.iter().all(|cell| cell.measured().is_some()));
}
