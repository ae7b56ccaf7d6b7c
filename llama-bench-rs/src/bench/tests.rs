//! The engine on a fake target: what is decoded, in which state, at what cost, and what failures leave behind.

use std::time::Duration;

use super::{Cancel, Event, Order, Plan, Request, fake::FakeTarget, plan::tests::request, target::Token};
use crate::record::{Header, Method, Rewind, Run, Test, TestKind};

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    super::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

/// What the context holds at the deepest depth.
fn fill_to(target: &FakeTarget, deepest: usize) -> Vec<Token> {
    target.calls.iter().find(|c| c.before.len() == deepest).unwrap().before.clone()
}

fn decoded(target: &FakeTarget) -> u64 {
    target.calls.iter().map(|c| c.tokens.len() as u64).sum()
}

#[test]
fn every_repetition_starts_from_the_same_filled_context() {
    for order in [Order::Blocks, Order::Rounds] {
        let plan = Request { warmup: false, order, depths: vec![32, 64, 96], ..request() }.plan().unwrap();
        let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
        let run = run(&plan, &mut target);
        assert_eq!(run.cells.iter().filter(|c| c.measured().is_some()).count(), 6);
        let fill = fill_to(&target, 96);
        for n_depth in [32, 64, 96] {
            let prompts = target.calls.iter().filter(|c| c.tokens.len() == 8 && c.before.len() == n_depth);
            assert_eq!(prompts.clone().count(), 3, "{order:?}: one prompt per repetition at {n_depth}");
            let before = &fill[..n_depth];
            assert!(
                prompts.clone().all(|c| c.before == before),
                "{order:?}: the context at {n_depth} differs"
            );
            // One of them stays in the context and is reused.
            let n_reused = prompts.filter(|c| fill[n_depth..].starts_with(&c.tokens)).count();
            assert_eq!(n_reused, usize::from(n_depth < 96), "{order:?}: {n_depth}");
        }
        let rewinds = run.cells.iter().map(|c| c.measured().unwrap().rewind);
        assert!(rewinds.eq([Some(Rewind::Remove); 6]));
    }
}

#[test]
fn depths_cost_one_fill_whatever_their_number() {
    let cost = |depths: Vec<u32>| {
        let plan = Request { warmup: false, depths, ..request() }.plan().unwrap();
        let mut target = FakeTarget::default();
        let run = run(&plan, &mut target);
        assert_eq!(run.header.timing.n_decoded_tokens, Some(decoded(&target)));
        // There is one live generation per depth over 0, beside the repetitions.
        let n_live = 4 * run.cells.iter().filter(|c| c.measured().unwrap().live.is_some()).count() as u64;
        // A prompt of every depth but the last is a part of the fill as well.
        let n_reused = 8 * (plan.depths.len() as u64 - 1);
        (decoded(&target), plan.n_fill_tokens() - n_reused + plan.n_timed_tokens() + n_live)
    };
    for depths in [vec![1024], vec![512, 1024], (0..=1024).step_by(128).collect()] {
        let (decoded, expected) = cost(depths);
        assert_eq!(decoded, expected);
    }
}

#[test]
fn rounds_visit_every_cell_once_per_round_in_a_seeded_order() {
    let order_of = |seed| {
        let depths = vec![16, 32, 48, 64, 80];
        let request = Request { warmup: false, order: Order::Auto, n_reps: 4, seed, depths, ..request() };
        let plan = request.plan().unwrap();
        let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
        let clock = target.clock.clone();
        let mut seen = Vec::new();
        let mut observe = |event: &Event<'_>| {
            if let Event::Measuring { test, rep, .. } = event {
                seen.push((*rep, **test));
            }
        };
        super::run(&plan, &mut target, &clock, Header::default(), &mut observe, &Cancel::new());
        assert!(seen.is_sorted_by_key(|&(rep, _)| rep), "a round ends before the next begins");
        let mut sorted: Vec<(u32, Test)> = seen.clone();
        sorted.sort_unstable_by_key(|&(rep, test)| (rep, test.n_depth, test.kind));
        sorted.dedup();
        assert_eq!(sorted.len(), seen.len(), "no cell twice in a round");
        assert_eq!(seen.len(), 4 * 10);
        seen
    };
    assert_eq!(order_of(5), order_of(5));
    assert_ne!(order_of(5), order_of(6));
}

#[test]
fn figures_are_those_of_the_clock() {
    let plan = Request { depths: vec![0, 100], ..request() }.plan().unwrap();
    let run = run(&plan, &mut FakeTarget::default());
    let report = crate::record::Report { runs: vec![run] };
    let pp = report.cell(TestKind::Pp(8), 100).unwrap().measured().unwrap();
    assert_eq!(pp.samples.len(), 3);
    // 8 tokens of 1 ms, each over 100 tokens of context at 1 µs.
    assert!(pp.samples.iter().all(|s| s.elapsed == Duration::from_micros(8 * 1100) && s.steps.is_empty()));
    let tg = report.cell(TestKind::Tg(4), 100).unwrap().measured().unwrap();
    let steps = [1100, 1101, 1102, 1103].map(Duration::from_micros);
    assert!(tg.samples.iter().all(|s| s.steps == steps && s.elapsed == steps.iter().sum()));
    assert_eq!(tg.live.as_ref().unwrap().steps, steps);
    assert!(report.cell(TestKind::Tg(4), 0).unwrap().measured().unwrap().live.is_none());
    // The curve is the fill itself, which continues from a prompt of 8: chunks of n_batch and the rest.
    let curve: Vec<_> = report.runs[0].curve.iter().map(|p| (p.n_depth, p.n_tokens)).collect();
    assert_eq!(curve, [(8, 16), (24, 16), (40, 16), (56, 16), (72, 16), (88, 12)]);
}

#[test]
fn a_warmup_goes_on_until_two_runs_agree() {
    let plan = Request { depths: vec![0], generations: vec![], ..request() }.plan().unwrap();
    let settled = run(&plan, &mut FakeTarget::default()).cells[0].measured().unwrap().warmup.unwrap();
    assert_eq!((settled.n_runs, settled.settled), (2, Some(true)));
    // 10, 9, 8, 8 ms.
    let slow = run(&plan, &mut FakeTarget { ramp: 4, ..FakeTarget::default() }).cells[0]
        .measured()
        .unwrap()
        .warmup
        .unwrap();
    assert_eq!((slow.n_runs, slow.settled), (4, Some(true)));
    // 16, 12, 10, 9 ms.
    let never = run(&plan, &mut FakeTarget { ramp: 16, ..FakeTarget::default() });
    let never = never.cells[0].measured().unwrap().warmup.unwrap();
    assert_eq!((never.n_runs, never.settled), (4, Some(false)));
    let off = Request { depths: vec![0], warmup: false, ..request() }.plan().unwrap();
    assert_eq!(run(&off, &mut FakeTarget::default()).cells[0].measured().unwrap().warmup.unwrap().n_runs, 0);
}

#[test]
fn the_fill_warms_prompts_up() {
    let warm_with = |n_prompt, ramp, order| {
        let depths = vec![0, 64, 128];
        let plan = Request { prompts: vec![n_prompt], depths, order, ..request() }.plan().unwrap();
        let mut target = FakeTarget { holds_whole: true, ramp, ..FakeTarget::default() };
        let run = run(&plan, &mut target);
        let n_flagged = run.curve.iter().take_while(|point| point.warmup).count();
        assert!(run.curve[n_flagged..].iter().all(|point| !point.warmup));
        let n_live = 2 * 4;
        let n_untimed = decoded(&target) - plan.n_timed_tokens() - n_live;
        (run.cells[0].measured().unwrap().warmup.unwrap(), n_flagged, n_untimed)
    };
    let warm = |ramp, order| warm_with(16, ramp, order);
    // Generations twice; then two chunks of the fill agree, and nothing is run for warming prompts up. The prompt at
    // 64 is a part of the fill; the one at 0 was to be measured when the machine was still cold.
    let (warmup, n_flagged, n_untimed) = warm(0, Order::Rounds);
    assert_eq!((warmup.n_runs, warmup.settled, n_flagged), (4, Some(true), 2));
    assert_eq!(n_untimed, 2 * 4 + 128 - 16);
    // Decodes still become faster: prompts settle later.
    let (warmup, n_flagged, _) = warm(1 << 20, Order::Rounds);
    assert_eq!((warmup.settled, n_flagged), (Some(false), 3));
    // Per depth, depth 0 comes first: two prompts of their own.
    let (warmup, n_flagged, n_untimed) = warm(0, Order::Blocks);
    assert_eq!((warmup.n_runs, warmup.settled, n_flagged), (4, Some(true), 0));
    assert_eq!(n_untimed, 2 * 4 + 2 * 16 + 128 - 2 * 16);
    // Shorter prompts than the fill's chunks: two of their own, before anything else.
    let (warmup, n_flagged, n_untimed) = warm_with(8, 0, Order::Rounds);
    // The first of those chunks is the first decode of its length.
    assert_eq!((warmup.n_runs, warmup.settled, n_flagged), (4, Some(true), 1));
    assert_eq!(n_untimed, 2 * 4 + 2 * 8 + 128 - 2 * 8);
}

#[test]
fn llama_benchs_procedure_opens_a_context_per_test_and_fills_each_depth_once() {
    let plan = Request { method: Method::FreshContext, ..request() }.plan().unwrap();
    let mut target = FakeTarget::default();
    let run = run(&plan, &mut target);
    assert_eq!(target.opened, [256; 6]);
    assert!(run.cells.iter().all(|c| c.measured().unwrap().samples.len() == 3));
    // Per depth: fill once (its state is reused by tg), warm-up of the whole prompt and of one token.
    let timed = plan.n_timed_tokens();
    assert_eq!(decoded(&target), timed + plan.n_fill_tokens() + 3 * (8 + 1));
    assert_eq!(run.cells[5].measured().unwrap().rewind, Some(Rewind::FullOnHost));
}

#[test]
fn a_pg_pair_generates_right_after_its_prompt() {
    let pairs = vec![crate::record::Group { n_prompt: 8, n_gen: 4 }];
    let none = || (vec![], vec![]);
    let (prompts, generations) = none();
    let depths = vec![32];
    let plan = Request { prompts, generations, pairs, depths, warmup: false, ..request() }.plan().unwrap();
    let mut target = FakeTarget::default();
    let run = run(&plan, &mut target);
    let firsts: Vec<_> =
        target.calls.iter().filter(|c| c.tokens.len() == 1).map(|c| c.before.len()).collect();
    assert_eq!(firsts, [40, 41, 42, 43].repeat(3));
    assert_eq!(run.cells.len(), 2);
}

#[test]
fn a_context_that_does_not_fit_fails_its_depth_and_the_others_run() {
    let plan = Request { depths: vec![0, 100, 1000, 2000], ..request() }.plan().unwrap();
    let mut target = FakeTarget { n_ctx_max: Some(512), ..FakeTarget::default() };
    let run = run(&plan, &mut target);
    let kinds: Vec<_> = run.cells.iter().map(|c| c.failure().map(|f| f.kind.as_str())).collect();
    let oom = Some("out_of_memory");
    assert_eq!(kinds, [None, None, None, None, oom, oom, oom, oom]);
    assert_eq!(target.opened, [256]);
}

#[test]
fn a_depth_past_the_trained_context_is_a_failed_cell() {
    let plan = Request { depths: vec![0, 4096, 4097], ..request() }.plan().unwrap();
    let run = run(&plan, &mut FakeTarget::default());
    for cell in &run.cells[4..] {
        let failed = cell.failure().unwrap();
        assert_eq!(failed.kind, "context_too_long");
        assert!(failed.message.contains("4096") && failed.message.contains("4097"), "{}", failed.message);
    }
    // At the very end llama-bench measures too.
    assert!(run.cells[..4].iter().all(|cell| cell.measured().is_some()));
}

#[test]
fn a_failed_decode_costs_its_cell_only() {
    let mut n_failed = 0;
    let calls = |order| (0..70).map(move |call| (order, call));
    for (order, fail_call) in calls(Order::Blocks).chain(calls(Order::Rounds)) {
        let plan = Request { warmup: false, order, depths: vec![0, 32, 64], ..request() }.plan().unwrap();
        let mut target =
            FakeTarget { fail_call: Some(fail_call), holds_whole: true, ..FakeTarget::default() };
        let run = run(&plan, &mut target);
        let failed: Vec<_> = run.cells.iter().filter_map(|c| c.failure()).collect();
        // A fill that fails is made again and costs no cell.
        assert!(failed.len() <= 1, "{order:?} {fail_call}: {failed:?}");
        n_failed += failed.len();
        assert!(failed.iter().all(|failure| failure.kind == "decode"));
        let measured = run.cells.iter().filter_map(|c| c.measured());
        assert_eq!(measured.clone().count(), 6 - failed.len());
        assert!(measured.clone().all(|m| m.samples.len() == 3), "{order:?} {fail_call}");
        let fill = fill_to(&target, 64);
        let at_depth = |c: &&super::fake::Call| c.tokens.len() == 8 && [32, 64].contains(&c.before.len());
        assert!(target.calls.iter().filter(at_depth).all(|c| fill.starts_with(&c.before)));
    }
    assert!(n_failed > 100, "{n_failed}");
}

#[test]
fn a_state_that_cannot_be_restored_is_filled_again_and_said_so() {
    let plan = Request { warmup: false, depths: vec![0, 32], ..request() }.plan().unwrap();
    let mut target = FakeTarget { broken_rewind: true, ..FakeTarget::default() };
    let run = run(&plan, &mut target);
    let rewinds: Vec<_> = run.cells.iter().map(|c| c.measured().unwrap().rewind).collect();
    assert_eq!(rewinds, [Rewind::Clear, Rewind::Clear, Rewind::Refill, Rewind::Refill].map(Some));
    let prompts = target.calls.iter().filter(|c| c.tokens.len() == 8 && c.before.len() == 32);
    assert!(prompts.clone().count() == 3 && prompts.clone().all(|c| c.before == fill_to(&target, 32)));
}

#[test]
fn cancelling_keeps_what_was_measured() {
    let plan = Request { depths: vec![0, 32, 64], ..request() }.plan().unwrap();
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let mut done = 0;
    let mut observe = |event: &Event<'_>| {
        if let Event::CellDone { cell, .. } = event {
            done += 1;
            if cell.test.n_depth == 32 {
                cancel.cancel();
            }
        }
    };
    let run = super::run(&plan, &mut target, &clock, Header::default(), &mut observe, &cancel);
    assert_eq!(done, 6, "every cell is reported, measured or not");
    assert!(run.cells[..4].iter().all(|c| c.measured().is_some()));
    assert!(run.cells[4..].iter().all(|c| c.failure().unwrap().kind == "cancelled"));
}

#[test]
fn a_panic_costs_the_cells_without_a_figure_and_an_observers_goes_on() {
    let plan = Request { warmup: false, depths: vec![0, 32, 64], ..request() }.plan().unwrap();
    let mut n_done = Vec::new();
    for call in [0, 7, 25] {
        let run = run(&plan, &mut FakeTarget { panic_call: Some(call), ..FakeTarget::default() });
        assert_eq!(run.cells.len(), 6);
        let failures: Vec<_> = run.cells.iter().filter_map(|cell| cell.failure()).collect();
        assert!(failures.iter().all(|f| f.kind == "panic" && f.message.contains("a defect")), "{failures:?}");
        n_done.push(6 - failures.len());
    }
    assert!(n_done[0] == 0 && n_done[1] < n_done[2] && n_done[2] < 6, "{n_done:?}");

    let mut observe = |event: &Event<'_>| {
        if let Event::Measuring { rep: 1, .. } = event {
            panic!("a defect of the observer");
        }
    };
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let run = std::panic::AssertUnwindSafe(|| {
        super::run(&plan, &mut target, &clock, Header::default(), &mut observe, &cancel)
    });
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a defect of the observer"));
}

#[test]
fn what_is_cancelled_before_it_begins_opens_no_context() {
    for method in [Method::Rewind, Method::FreshContext] {
        let plan = Request { method, ..request() }.plan().unwrap();
        let mut target = FakeTarget::default();
        let clock = target.clock.clone();
        let cancel = Cancel::from(std::sync::Arc::new(true.into()));
        let mut silent = |_: &Event<'_>| {};
        let run = super::run(&plan, &mut target, &clock, Header::default(), &mut silent, &cancel);
        assert!(target.opened.is_empty() && target.calls.is_empty(), "{method:?}");
        assert!(run.cells.iter().all(|cell| cell.failure().unwrap().message.contains("before its first")));
    }
}

#[test]
fn a_cell_that_was_interrupted_says_how_far_it_came() {
    let plan = Request { depths: vec![0], n_reps: 20, ..request() }.plan().unwrap();
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let mut observe = |event: &Event<'_>| {
        if let Event::Measuring { test: Test { kind: TestKind::Tg(_), .. }, rep: 2, .. } = event {
            cancel.cancel();
        }
    };
    let config = crate::record::Config { n_reps: Some(20), ..Default::default() };
    let header = Header { config, ..Header::default() };
    let run = super::run(&plan, &mut target, &clock, header, &mut observe, &cancel);
    let cut: Vec<_> = run.cells.iter().filter_map(|cell| cell.cut_short(&run.header.config)).collect();
    assert_eq!(cut.len(), 2);
    assert!(cut.iter().any(|cut| cut.to_string() == "interrupted after 3 of 20 repetitions"), "{cut:?}");
}
