//! Several sequences on a fake target: what is decoded, from which state, at what cost, and what failures leave behind.

use std::{cell::Cell, rc::Rc};

use super::{Engine, run_interleaved};
use crate::{
    bench::{
        Cancel, Event, Plan, Request,
        abilities::{Abilities, Memory, Reason},
        fake::{Call, FakeClock, FakeTarget, Work},
        plan::tests::request,
        target::Token,
    },
    record::{self, Group, Header, Method, Order, Rewind, Run, Test, TestKind, pp, tg},
};

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    crate::bench::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

/// Prompts of 8 and generations of 4 tokens, cold.
fn asked(parallel: &[u32], depths: &[u32]) -> Request {
    Request { parallel: parallel.to_vec(), depths: depths.to_vec(), warmup: false, ..request() }
}

fn roomy() -> FakeTarget {
    FakeTarget { holds_whole: true, ..FakeTarget::default() }
}

fn decoded(target: &FakeTarget) -> u64 {
    target.calls.iter().map(|call| call.tokens.len() as u64).sum()
}

/// By cell: its name and what came of it.
fn outcomes(run: &Run) -> Vec<(String, String)> {
    let outcome = |cell: &record::Cell| match cell.failure() {
        Some(failure) => failure.kind.to_string(),
        None => format!("{} samples", cell.measured().map_or(0, |measured| measured.samples.len())),
    };
    run.cells.iter().map(|cell| (cell.test.to_string(), outcome(cell))).collect()
}

fn assert_outcomes(run: &Run, expected: impl Fn(&Test) -> &'static str) {
    for (cell, (name, outcome)) in run.cells.iter().zip(outcomes(run)) {
        assert_eq!(outcome, expected(&cell.test), "{name}");
    }
}

/// Decodes of several sequences with which a repetition begins: all of them are at the same place.
fn begins(target: &FakeTarget) -> impl Iterator<Item = &Call> {
    let is_first = |call: &&Call| {
        let used = call.rows.iter().map(|row| row.seq as usize).max().unwrap_or(0);
        call.work == Work::Rows && call.others[..used].iter().all(|other| other.len() == call.before.len())
    };
    target.calls.iter().filter(is_first)
}

fn tokens_of(call: &Call, seq: u32) -> Vec<Token> {
    call.rows.iter().filter(|row| row.seq == seq).map(|row| row.token).collect()
}

#[test]
fn every_sequence_begins_where_the_fill_of_the_first_one_ends() {
    for order in [Order::Blocks, Order::Rounds] {
        let plan = Request { order, ..asked(&[1, 4], &[0, 32, 64]) }.plan().unwrap();
        let mut target = roomy();
        let run = run(&plan, &mut target);
        assert_outcomes(&run, |_| "3 samples");
        assert_eq!((&target.opened[..], &target.opened_seqs[..]), (&[256][..], &[4][..]));
        let fill = target.calls.iter().find(|call| call.before.len() == 64).unwrap().before.clone();
        let (mut n_prompts, mut n_steps) = (0, 0);
        for call in begins(&target) {
            let n_depth = call.before.len();
            let used = call.rows.iter().map(|row| row.seq as usize).max().unwrap();
            if ![0, 32, 64].contains(&n_depth) {
                // A later step of a generation: one token of each.
                assert_eq!(call.rows.len(), 4);
                continue;
            }
            assert!(call.before == fill[..n_depth], "{order:?} {n_depth}");
            assert!(call.others[..used].iter().all(|other| *other == call.before), "{order:?} {n_depth}");
            match call.rows.len() {
                // As many as a batch takes: two of the prompts.
                16 => n_prompts += 1,
                4 => n_steps += 1,
                n => panic!("{n} rows at once"),
            }
            let of_each: Vec<_> = (0..=used as u32).map(|seq| tokens_of(call, seq)).collect();
            assert!(of_each.iter().all(|tokens| tokens.len() == of_each[0].len()));
            assert!(n_depth == 0 || of_each.windows(2).all(|two| two[0] != two[1]), "{of_each:?}");
        }
        assert_eq!((n_prompts, n_steps), (9, 9), "{order:?}: one per depth and repetition");
    }
}

#[test]
fn steps_and_rates_are_of_all_sequences_together() {
    let run = run(&asked(&[4], &[100]).plan().unwrap(), &mut roomy());
    let measured = |kind: TestKind| {
        let cell = run.cells.iter().find(|cell| cell.test.kind == kind).unwrap();
        (cell.measured().unwrap(), cell.rates())
    };
    let (generation, rates) = measured(TestKind::Tg(4));
    for sample in &generation.samples {
        // One token of each of four sequences takes 4 ms over 100 tokens of context.
        assert_eq!(sample.steps.len(), 4);
        assert_eq!(sample.steps[0].as_micros(), 4 * 1100);
        assert_eq!(sample.elapsed, sample.steps.iter().sum());
    }
    assert_eq!(rates.len(), 3);
    assert!(rates.iter().all(|rate| (rate.get() - 909.0).abs() < 2.0), "{rates:?}");
    assert_eq!(measured(TestKind::Pp(8)).0.samples[0].steps.len(), 0);
}

#[test]
fn sequences_cost_no_fill_of_their_own() {
    for order in [Order::Blocks, Order::Rounds] {
        let plan = Request { order, ..asked(&[2, 4, 8], &[512, 1024]) }.plan().unwrap();
        let mut target = roomy();
        let run = run(&plan, &mut target);
        assert_outcomes(&run, |_| "3 samples");
        assert_eq!(decoded(&target), 1024 + plan.n_timed_tokens(), "{order:?}");
        assert_eq!(run.header.timing.n_decoded_tokens, Some(decoded(&target)));
        assert!(run.cells.iter().all(|cell| cell.measured().unwrap().live.is_none()), "of one sequence only");
    }
    let plan = asked(&[1, 4], &[32, 64]).plan().unwrap();
    let run = run(&plan, &mut roomy());
    let with_live = run.cells.iter().filter(|cell| cell.measured().unwrap().live.is_some());
    assert_eq!(with_live.map(|cell| cell.test).collect::<Vec<_>>(), [tg(4).at(32), tg(4).at(64)]);
}

#[test]
fn a_pair_of_several_sequences_generates_after_their_prompts() {
    let pairs = vec![Group { n_prompt: 8, n_gen: 2 }];
    let asked = Request { pairs, prompts: vec![], generations: vec![], ..asked(&[2], &[32]) };
    for method in [Method::Rewind, Method::FreshContext] {
        let mut target = roomy();
        let run = run(&Request { method, ..asked.clone() }.plan().unwrap(), &mut target);
        assert_outcomes(&run, |_| "3 samples");
        let steps: Vec<(usize, usize)> = target
            .calls
            .iter()
            .filter(|call| call.rows.len() == 2)
            .map(|call| (call.before.len(), call.others[0].len()))
            .collect();
        assert_eq!(steps, [(40, 40), (41, 41)].repeat(3), "{method:?}");
    }
}

#[test]
fn what_does_not_fit_together_gets_contexts_of_its_own() {
    let plan = asked(&[1, 2, 4], &[0, 300]).plan().unwrap();
    let run_with = |n_ctx_max| {
        let mut target = FakeTarget { n_ctx_max: Some(n_ctx_max), ..roomy() };
        let run = run(&plan, &mut target);
        let opened: Vec<_> = target.opened.iter().copied().zip(target.opened_seqs.iter().copied()).collect();
        (run, opened)
    };
    let (all, opened) = run_with(2048);
    assert_outcomes(&all, |_| "3 samples");
    assert_eq!(opened, [(512, 4)]);
    // Four sequences fit at depth 0 only.
    let (run, opened) = run_with(1024);
    assert_outcomes(&run, |test| match (test.n_parallel, test.n_depth) {
        (4, 300) => "out_of_memory",
        _ => "3 samples",
    });
    assert_eq!(opened, [(512, 2), (256, 4)]);
    // Nothing fits at depth 300, and one sequence alone at depth 0.
    let (run, opened) = run_with(256);
    assert_outcomes(&run, |test| match (test.n_parallel, test.n_depth) {
        (1, 0) => "3 samples",
        _ => "out_of_memory",
    });
    assert_eq!(opened, [(256, 1)]);
    // Each gives up a depth by itself.
    let plan = asked(&[1, 2, 4], &[0, 600]).plan().unwrap();
    let mut target = FakeTarget { n_ctx_max: Some(1024), ..roomy() };
    let run = self::run(&plan, &mut target);
    assert_outcomes(&run, |test| match (test.n_parallel, test.n_depth) {
        (2 | 4, 600) => "out_of_memory",
        _ => "3 samples",
    });
    assert_eq!((&target.opened[..], &target.opened_seqs[..]), (&[768, 256, 256][..], &[1, 2, 4][..]));
}

#[test]
fn a_shared_prefix_needs_room_once() {
    let asked = Request { shared_prefix: true, ..asked(&[1, 4], &[0, 300]) };
    for method in [Method::Rewind, Method::FreshContext] {
        let plan = Request { method, ..asked.clone() }.plan().unwrap();
        let mut target = FakeTarget { unified: true, ..roomy() };
        assert_outcomes(&run(&plan, &mut target), |_| "3 samples");
        assert_eq!(target.opened.iter().max(), Some(&512), "{method:?}");
        // A prompt of one sequence is a part of the fill, and one generation is run straight after it.
        let n_filled = if method == Method::Rewind { 300 - 8 + 4 } else { 300 };
        assert_eq!(decoded(&target), n_filled + plan.n_timed_tokens(), "{method:?}: one fill");
    }
}

#[test]
fn fresh_contexts_fill_every_sequence_with_what_copies_hold() {
    let asked = asked(&[1, 4], &[0, 32]);
    let states = |method| {
        let mut target = roomy();
        let run = run(&Request { method, ..asked.clone() }.plan().unwrap(), &mut target);
        assert_outcomes(&run, |_| "3 samples");
        let mut states: Vec<_> = begins(&target)
            .filter(|call| call.before.len() == 32 && call.others.len() == 3)
            .map(|call| (call.before.clone(), call.others.clone()))
            .collect();
        states.sort();
        states.dedup();
        (states, target, run)
    };
    let (copied, ..) = states(Method::Rewind);
    let (filled, target, run) = states(Method::FreshContext);
    assert_eq!(copied, filled);
    assert_eq!(copied.len(), 1);
    assert_eq!(target.n_spread, 0, "nothing is copied");
    let plan = Request { method: Method::FreshContext, ..asked }.plan().unwrap();
    assert_eq!(decoded(&target), plan.n_fill_tokens() + plan.n_timed_tokens());
    assert_eq!((&target.opened[..], &target.opened_seqs[..]), (&[256; 8][..], &[1, 4].repeat(4)[..]));
    let rewind = |test: Test| {
        run.cells.iter().find(|cell| cell.test == test).unwrap().measured().unwrap().rewind.unwrap()
    };
    assert_eq!(rewind(tg(4).parallel(4).at(32)), Rewind::Refill);
    assert_eq!((rewind(tg(4).at(32)), rewind(pp(8).parallel(4))), (Rewind::FullOnHost, Rewind::Clear));
}

#[test]
fn every_number_of_sequences_is_warmed_up() {
    for method in [Method::Rewind, Method::FreshContext] {
        let plan = Request { warmup: true, method, ..asked(&[1, 2, 4], &[0]) }.plan().unwrap();
        let mut target = roomy();
        let clock = target.clock.clone();
        let mut n_timed = 0;
        let mut observe = |event: &Event<'_>| n_timed += u32::from(matches!(event, Event::Measuring { .. }));
        let run =
            crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observe, &Cancel::new());
        assert_eq!(n_timed, 6 * 3);
        assert_outcomes(&run, |_| "3 samples");
        for n in [2, 4] {
            // More decodes of this many sequences than repetitions have: 3 of 4 steps, and a prompt in as many parts.
            let of_n = |call: &&Call| {
                call.work == Work::Rows && call.rows.iter().map(|row| row.seq + 1).max() == Some(n)
            };
            let steps = target.calls.iter().filter(of_n).filter(|call| call.rows.len() == n as usize).count();
            let least = if method == Method::Rewind { 12 + 2 * 4 } else { 12 + 1 };
            assert!(steps >= least, "{method:?}, {n}: {steps}");
        }
        let warmup = run.cells[1].measured().unwrap().warmup.unwrap();
        assert!(warmup.n_runs >= 1, "{warmup:?}");
    }
    let cold = run(&asked(&[1, 2], &[0]).plan().unwrap(), &mut roomy());
    assert!(cold.cells.iter().all(|cell| cell.measured().unwrap().warmup.unwrap().n_runs == 0));
}

#[test]
fn a_failed_decode_costs_its_cell_only() {
    let mut n_failed = 0;
    for (order, fail_call) in
        [Order::Blocks, Order::Rounds].into_iter().flat_map(|order| (0..120).map(move |call| (order, call)))
    {
        let plan = Request { order, ..asked(&[1, 3], &[0, 32]) }.plan().unwrap();
        let mut target = FakeTarget { fail_call: Some(fail_call), ..roomy() };
        let run = run(&plan, &mut target);
        let failed: Vec<_> = run.cells.iter().filter_map(|cell| cell.failure()).collect();
        assert!(failed.len() <= 1 && failed.iter().all(|f| f.kind == "decode"), "{order:?} {fail_call}");
        n_failed += failed.len();
        let measured = run.cells.iter().filter_map(|cell| cell.measured());
        assert!(measured.clone().all(|measured| measured.samples.len() == 3), "{order:?} {fail_call}");
        let fill = target.calls.iter().find(|call| call.before.len() == 32).unwrap().before.clone();
        for call in begins(&target).filter(|call| call.before.len() == 32) {
            assert!(call.before == fill && call.others.iter().take(2).all(|other| *other == fill));
        }
    }
    assert!(n_failed > 100, "{n_failed}");
}

#[test]
fn a_memory_that_cannot_be_copied_fails_the_cells_that_need_it() {
    let plan = asked(&[1, 2], &[0, 32]).plan().unwrap();
    let run = run(&plan, &mut FakeTarget { no_copies: true, ..roomy() });
    assert_outcomes(&run, |test| match (test.n_parallel, test.n_depth) {
        (2, 32) => "unsupported",
        _ => "3 samples",
    });
}

#[test]
fn what_a_target_cannot_do_with_several_sequences_says_why() {
    let memories =
        [Memory::Nothing(Reason::NoMemory), Memory::Nothing(Reason::Diffusion), Memory::Encoded { start: 9 }];
    for memory in memories {
        let abilities = Abilities { memory, whole_prompt: Some(64), ..Abilities::default() };
        for method in [Method::Rewind, Method::FreshContext] {
            let plan = Request { method, ..asked(&[1, 2], &[0]) }.plan().unwrap();
            let mut target = FakeTarget { abilities, ..FakeTarget::default() };
            let run = run(&plan, &mut target);
            assert_outcomes(&run, |test| match (test.n_parallel, test.kind.is_prompt(), memory) {
                (1, true, _) | (1, _, Memory::Encoded { .. }) => "3 samples",
                _ => "unsupported",
            });
            assert!(target.calls.iter().all(|call| call.work != Work::Rows));
            assert!(target.opened_seqs.iter().all(|&n| n == 1), "no sequences for nothing");
        }
    }
    let texts = Request { embeddings: vec![6], prompts: vec![], ..asked(&[1, 2], &[0]) };
    assert_outcomes(&run(&texts.plan().unwrap(), &mut roomy()), |test| {
        if test.kind.is_embedding() && test.n_parallel == 2 { "unsupported" } else { "3 samples" }
    });
    // A step of 17 sequences does not fit into a batch of 16.
    let run = run(&asked(&[16, 17], &[0]).plan().unwrap(), &mut roomy());
    assert_outcomes(&run, |test| if test.n_parallel == 17 { "invalid_parameter" } else { "3 samples" });
    assert!(run.cells[1].failure().unwrap().message.contains("n_batch is 16"));
}

#[test]
fn cancelling_and_panics_lose_nothing_that_was_measured() {
    let plan = asked(&[1, 4], &[0, 32]).plan().unwrap();
    let mut target = roomy();
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let mut observe = |event: &Event<'_>| {
        if let Event::Measuring { test, rep: 1, .. } = event
            && test.n_parallel == 4
            && test.n_depth == 32
        {
            cancel.cancel();
        }
    };
    let part = crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observe, &cancel);
    let n_samples = |run: &Run| -> usize {
        run.cells.iter().filter_map(|cell| Some(cell.measured()?.samples.len())).sum()
    };
    assert!(n_samples(&part) >= 9, "{:?}", outcomes(&part));
    assert!(part.cells.iter().filter_map(|cell| cell.failure()).all(|failure| failure.kind == "cancelled"));
    // What is lacking is measured by the run that resumes it, and nothing else.
    let mut again = roomy();
    let clock = again.clock.clone();
    let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
    let mut engine = Engine::new(&mut again, &clock, &plan, Header::default(), &mut silent, &cancel);
    engine.resume(&part);
    let whole = engine.run();
    assert_outcomes(&whole, |_| "3 samples");
    let n_timed: usize = begins(&again).filter(|call| [0, 32].contains(&call.before.len())).count();
    assert!((1..=7).contains(&n_timed), "{n_timed} of 12");

    // It stops before the next context is made.
    let cancel = Cancel::new();
    let mut target = FakeTarget { n_ctx_max: Some(512), ..roomy() };
    let clock = target.clock.clone();
    let mut observe = |event: &Event<'_>| {
        if let Event::Measuring { .. } = event {
            cancel.cancel();
        }
    };
    let run = crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observe, &cancel);
    assert_eq!(target.opened.len(), 1, "{:?}", outcomes(&run));

    for call in [0, 9, 30] {
        let mut target = FakeTarget { panic_call: Some(call), ..roomy() };
        let run = self::run(&plan, &mut target);
        let failures: Vec<_> = run.cells.iter().filter_map(|cell| cell.failure()).collect();
        assert!(!failures.is_empty() && failures.iter().all(|failure| failure.kind == "panic"), "{call}");
    }
}

#[test]
fn sweeps_in_turn_measure_what_was_put_off_when_the_others_are_done() {
    let plan = asked(&[1, 4], &[0, 32]).plan().unwrap();
    let clock = FakeClock::default();
    // One context of four sequences beside one of one.
    let memory = Rc::new(Cell::new(5 * 256));
    let mut targets =
        [0, 1].map(|_| FakeTarget { clock: clock.clone(), memory: Some(memory.clone()), ..roomy() });
    let cancel = Cancel::new();
    let mut silent = [0, 1].map(|_| |_: &Event<'_>| {});
    let engines = targets
        .iter_mut()
        .zip(&mut silent)
        .map(|(target, observer)| Engine::new(target, &clock, &plan, Header::default(), observer, &cancel))
        .collect();
    for run in run_interleaved(engines) {
        assert_outcomes(&run, |_| "3 samples");
    }
    assert_eq!(targets[0].opened_seqs, [4]);
    assert_eq!(targets[1].opened_seqs, [1, 4]);
    assert_eq!(memory.get(), 5 * 256, "all of it was given back");
}
