//! Which graphs the first context of a run is asked for.

use crate::{
    bench::{Cancel, Event, Plan, Request, fake::FakeTarget, plan::tests::request},
    record::{Cell, Group, Header, Method, Outcome, Run, work::WorkKind},
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
    assert_eq!((target.opened.len(), target.counted.len(), target.looked_at.len()), (2, 1, 0));
    assert_eq!(run.header.work, []);
    for cell in &run.cells {
        let measured = cell.measured().unwrap();
        assert!(
            measured.work.is_none() && measured.work_unknown.as_ref().is_some_and(|why| why.contains("work"))
        );
    }
}

#[test]
fn the_work_of_each_cell_is_counted_once_before_anything_is_decoded() {
    for method in [Method::Rewind, Method::FreshContext] {
        let plan =
            Request { method, pairs: vec![Group { n_prompt: 8, n_gen: 4 }], ..asked_for() }.plan().unwrap();
        let mut target = FakeTarget::default();
        let run = run(&plan, &mut target);
        let mut counted = target.counted.clone();
        counted.sort_unstable_by_key(|test| plan.cells.iter().position(|cell| cell == test));
        assert_eq!(counted, plan.cells, "{method:?}");
        for cell in &run.cells {
            let work = cell.measured().unwrap().work.as_ref().unwrap();
            let n_graphs = if cell.test.kind.is_generation() { 4 } else { 1 };
            assert_eq!((work.n_graphs, work.devices[0].kv_read_bytes), (n_graphs, cell.test.n_depth.into()));
        }
    }
    let plan = Request { work: false, ..asked_for() }.plan().unwrap();
    let mut target = FakeTarget::default();
    let run = run(&plan, &mut target);
    let unasked =
        |cell: &Cell| cell.measured().is_some_and(|it| (&it.work, &it.work_unknown) == (&None, &None));
    assert!(run.cells.iter().all(unasked));
    assert_eq!(target.counted, []);
}

#[test]
fn what_was_counted_before_an_interruption_is_not_counted_again() {
    let plan = asked_for().plan().unwrap();
    let mut first = run(&plan, &mut FakeTarget::default());
    for cell in &mut first.cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("{cell:?}") };
        measured.samples.truncate(1);
        measured.work.as_mut().unwrap().n_graphs += 100;
    }
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let (mut observer, cancel) = (|_: &Event<'_>| {}, Cancel::new());
    let mut engine = crate::bench::engine::Engine::new(
        &mut target,
        &clock,
        &plan,
        Header::default(),
        &mut observer,
        &cancel,
    );
    engine.resume(&first);
    let second = engine.run();
    assert!(second.cells.iter().all(|cell| cell.measured().unwrap().work.as_ref().unwrap().n_graphs > 100));
    assert_eq!(target.counted, []);
}
