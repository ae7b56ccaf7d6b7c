use std::cell::RefCell;

use super::*;
use crate::{
    bench::Cancel,
    llama::{ContextParams, Model},
    serve::{Prompts, Search, ServeReport, Slo, Workload, compare, interleave},
    testing,
    units::Share,
};

fn params() -> ContextParams {
    ContextParams::default().n_threads(1).n_threads_batch(1)
}

fn workload() -> Workload {
    Workload::default()
        .n_requests(6)
        .prompts("uniform:4:40".parse().unwrap())
        .generations("uniform:1:4".parse().unwrap())
}

fn serve(model: &Model) -> Serve<'_> {
    let policy = Policy::default().n_parallel(3).n_batch(64);
    Serve::new(model).context(params()).policy(policy).workload(workload()).repetitions(2).exclusive(false)
}

fn tiny() -> Model {
    testing::tiny_model().unwrap()
}

#[test]
fn every_load_has_all_repetitions_with_all_requests() {
    let model = tiny();
    let loads = [Arrivals::users(1), Arrivals::users(5), Arrivals::Open { rate: 1000.0 }];
    let report = serve(&model).loads(loads.clone()).run().unwrap();
    let [run] = &report.runs[..] else { panic!("one configuration") };
    assert!(report.is_complete());
    assert_eq!(run.loads.iter().map(|load| load.arrivals.clone()).collect::<Vec<_>>(), loads);
    assert_eq!(run.loads.iter().map(|load| load.n_slots).collect::<Vec<_>>(), [1, 3, 3]);
    for load in &run.loads {
        assert_eq!(load.n_ctx_slot, 256);
        assert_eq!(load.resolved.as_ref().unwrap().n_ctx, Some(256 * load.n_slots));
        assert_eq!(load.whole().map(|repetition| repetition.rep).collect::<Vec<_>>(), [0, 1]);
        for repetition in &load.repetitions {
            let requests: Vec<_> = run.settings.workload_of(repetition.rep).requests().collect();
            assert_eq!(repetition.served.complete().count(), requests.len());
            for (asked, got) in requests.iter().zip(&repetition.served.requests) {
                let got = (got.id, got.n_prompt, got.n_gen, got.n_generated());
                assert_eq!(got, (asked.id, asked.n_prompt, asked.n_gen, asked.n_gen));
            }
            assert!(!repetition.started_at.is_empty() && repetition.open.is_some());
        }
        let figures = load.figures(None);
        assert_eq!((figures.n_reps, figures.n_requests, figures.n_failed), (2, 12, 0));
        assert!(figures.generation.is_some() && figures.ttft.p50.is_some());
    }
    let header = &run.header;
    assert_eq!((header.config.n_batch, header.config.n_ubatch), (Some(64), Some(64)));
    assert!(header.timing.wall >= header.timing.timed && !header.timing.started_at.is_empty());
    let one = &run.loads[0].repetitions;
    assert_ne!(one[0].served.requests[0].n_prompt, one[1].served.requests[0].n_prompt, "other requests");
}

#[test]
fn every_kind_of_memory_serves_with_and_without_reused_prefixes() {
    for shape in ["tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid", "tiny-gpt-oss"] {
        let model = testing::tiny(shape).unwrap();
        for reuse_prefix in [true, false] {
            let policy = Policy::default().n_parallel(2).n_batch(64).reuse_prefix(reuse_prefix);
            let workload = workload().n_prefix(50);
            let report =
                serve(&model).policy(policy).workload(workload).repetitions(1).arrivals(Arrivals::users(3));
            let report = report.run().unwrap();
            let load = &report.runs[0].loads[0];
            assert_eq!(load.failure, None, "{shape}");
            let requests = &load.repetitions[0].served.requests;
            assert!(requests.iter().all(|request| request.is_complete()), "{shape}");
            let reuses = requests.iter().any(|request| request.n_reused > 0);
            let can_cut = !model.is_recurrent() && !model.is_hybrid();
            assert_eq!(reuses, reuse_prefix && can_cut, "{shape} reuse {reuse_prefix}");
        }
    }
}

#[test]
fn configurations_are_served_in_turn_and_see_the_same_requests() {
    let model = tiny();
    let order = RefCell::new(Vec::new());
    let watch = |event: &ServeEvent<'_>| {
        if let ServeEvent::Serving(turn) = event {
            order.borrow_mut().push((turn.rep, turn.load.arrivals.to_string(), turn.index));
        }
    };
    let (mut one, mut other) = (watch, watch);
    let gentle = Policy::default().n_parallel(3).n_batch(64).chunk(8).prompts(Prompts::OneAtATime);
    let loads = || [Arrivals::users(1), Arrivals::users(2)];
    let report = interleave(vec![
        serve(&model).name("a").loads(loads()).observer(&mut one),
        serve(&model).name("b").policy(gentle).loads(loads()).observer(&mut other),
    ])
    .unwrap();
    let order: Vec<String> =
        order.into_inner().into_iter().map(|(rep, load, index)| format!("{rep} {load} {index}")).collect();
    assert_eq!(
        order,
        [
            "0 1 user 0",
            "0 1 user 1",
            "0 2 users 1",
            "0 2 users 0",
            "1 2 users 1",
            "1 2 users 0",
            "1 1 user 0",
            "1 1 user 1",
        ]
    );
    let [a, b] = &report.runs[..] else { panic!("two runs") };
    assert_eq!((&*a.name, &*b.name, b.settings.policy.chunk), ("a", "b", Some(8)));
    let asked = |run: &ServeRun| -> Vec<(u32, u32)> {
        let requests = run.loads[1].repetitions.iter().flat_map(|repetition| &repetition.served.requests);
        requests.map(|request| (request.n_prompt, request.n_gen)).collect()
    };
    assert_eq!(asked(a), asked(b));
    assert_eq!(compare(a, b, Default::default()).unwrap().loads.len(), 2);
}

#[test]
fn a_load_that_does_not_fit_fails_with_figures_and_the_others_are_served() {
    let model = tiny();
    let mut failed = Vec::new();
    let mut watch = |event: &ServeEvent<'_>| {
        if let ServeEvent::LoadFailed { load, .. } = event {
            failed.push(load.arrivals.clone());
        }
    };
    let loads = [Arrivals::users(2), Arrivals::users(300)];
    let too_many = Policy::default().n_parallel(300).n_batch(2048);
    let report = serve(&model).policy(too_many).loads(loads).observer(&mut watch).run().unwrap();
    let [fits, fails] = &report.runs[0].loads[..] else { panic!("two loads") };
    assert_eq!((fits.failure.is_none(), fits.repetitions.len()), (true, 2));
    assert!(fails.repetitions.is_empty());
    let failure = fails.failure.as_ref().unwrap();
    assert!(failure.message.contains("256"), "{}", failure.message);
    assert_eq!(failed, [Arrivals::users(300)], "told once, and not tried again");
    assert!(!report.is_complete());
}

#[test]
fn a_decode_that_fails_in_the_middle_ends_its_load_and_keeps_what_was_served() {
    let model = tiny();
    let long = workload().prompts("list:20:300".parse().unwrap());
    let serving = serve(&model).workload(long).loads([Arrivals::users(1), Arrivals::users(2)]);
    let mut lane = Lane::new(0, serving).unwrap();
    // Room for the first request alone.
    lane.run.loads[0].n_ctx_slot = 256;
    let report = serve_in_turn(vec![lane]);
    let [fails, goes_on] = &report.runs[0].loads[..] else { panic!("two loads") };
    assert_eq!(fails.failure.as_ref().unwrap().kind, FailureKind::Decode);
    let [repetition] = &fails.repetitions[..] else { panic!("no second one is tried") };
    assert_eq!(repetition.served.cut_short, fails.failure);
    let [first, second, ..] = &repetition.served.requests[..] else { panic!("two requests came") };
    assert!(first.is_complete() && first.failure.is_none());
    assert_eq!((second.is_complete(), &second.failure), (false, &fails.failure));
    assert_eq!(fails.figures(None).n_reps, 0);
    assert_eq!((goes_on.failure.as_ref(), goes_on.whole().count()), (None, 2));
}

#[test]
fn parameters_that_no_record_holds_are_refused() {
    let model = tiny();
    let context = params().rope(crate::llama::Rope { freq_base: Some(2.0), ..Default::default() });
    let report = serve(&model).context(context).arrivals(Arrivals::users(1)).run().unwrap();
    let failure = report.runs[0].loads[0].failure.as_ref().unwrap();
    assert!(failure.message.contains("rotary positions"), "{}", failure.message);
}

#[test]
fn what_was_served_before_a_stop_is_kept_and_resumed() {
    let model = tiny();
    let cancel = Cancel::new();
    let loads = || [Arrivals::users(1), Arrivals::users(3)];
    let mut n_done = 0;
    let mut stop = |event: &ServeEvent<'_>| match event {
        ServeEvent::RepetitionDone { .. } => n_done += 1,
        ServeEvent::Step { turn, progress } if turn.rep == 1 && progress.n_complete > 0 => cancel.cancel(),
        _ => {}
    };
    let serving = serve(&model).loads(loads()).cancel(cancel.clone()).observer(&mut stop);
    let ServeReport { mut runs } = serving.run().unwrap();
    let run = runs.remove(0);
    assert_eq!(n_done, 3, "the one that was cut short is told too");
    let cut: Vec<_> = run.loads.iter().flat_map(|load| &load.repetitions).filter(|r| !r.is_whole()).collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].served.cut_short.as_ref().unwrap().kind, FailureKind::Cancelled);
    assert!(cut[0].served.complete().count() > 0, "what was answered is kept");
    assert!(run.loads.iter().all(|load| load.failure.is_none() && load.whole().count() == 1));
    let json = serde_json::to_string(&run).unwrap();
    let earlier: ServeRun = serde_json::from_str(&json).unwrap();
    assert_eq!(earlier, run, "as a file holds it");
    let mut served = Vec::new();
    let mut watch = |event: &ServeEvent<'_>| {
        if let ServeEvent::Serving(turn) = event {
            served.push((turn.load.arrivals.clone(), turn.rep));
        }
    };
    let resumed = serve(&model).loads(loads()).observer(&mut watch).resume(earlier).unwrap().run().unwrap();
    assert_eq!(served, [(Arrivals::users(3), 1), (Arrivals::users(1), 1)]);
    for (load, before) in resumed.runs[0].loads.iter().zip(&run.loads) {
        assert_eq!(load.whole().count(), 2);
        assert_eq!(load.whole_rep(0), before.whole_rep(0), "not served again");
    }
}

#[test]
fn a_stop_before_the_first_repetition_leaves_loads_that_say_so() {
    let model = tiny();
    let cancel = Cancel::new();
    cancel.cancel();
    let report = serve(&model).arrivals(Arrivals::users(1)).cancel(cancel).run().unwrap();
    assert_eq!(report.runs[0].loads[0].failure.as_ref().unwrap().kind, FailureKind::Cancelled);
}

#[test]
fn other_work_is_not_resumed() {
    let model = tiny();
    let load = || Arrivals::users(1);
    let earlier = serve(&model).arrivals(load()).begun().unwrap();
    let refused =
        |serve: Serve<'_>| serve.arrivals(load()).resume(earlier.clone()).err().unwrap().to_string();
    assert!(serve(&model).arrivals(load()).resume(earlier.clone()).is_ok());
    let of_seed = refused(serve(&model).workload(workload().seed(7)));
    assert!(of_seed.contains("seed"), "{of_seed}");
    let of_policy = refused(serve(&model).policy(Policy::default().n_parallel(2).n_batch(64)));
    assert!(of_policy.contains("the policy or the warm-up differs"), "{of_policy}");
    let of_context = refused(serve(&model).context(params().n_threads(2)));
    assert!(of_context.contains("another configuration") && of_context.contains("-t is 2"), "{of_context}");
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_runs() {
    let model = tiny();
    let refused = |serve: Serve<'_>| serve.run().unwrap_err().to_string();
    assert!(refused(serve(&model)).contains("nothing to serve"));
    let one = || serve(&model).arrivals(Arrivals::users(1));
    assert!(refused(one().repetitions(0)).contains("0 repetitions"));
    assert!(refused(one().workload(workload().n_requests(0))).contains("0 requests"));
    assert!(refused(one().policy(Policy::default().n_parallel(0))).contains("0 slots"));
    assert!(refused(one().arrivals(Arrivals::Open { rate: f64::NAN })).contains("not a valid rate"));
    let search = Search::new(Arrivals::users(1));
    assert!(refused(one().search(search.clone())).contains("needs a service level"));
    assert!(refused(one().slo("ttft=1s".parse().unwrap()).search(search.most(0.0))).contains("most 0"));
    let t5 = testing::tiny("tiny-t5").unwrap();
    let report = serve(&t5).loads([Arrivals::users(1), Arrivals::users(2)]).run().unwrap();
    for load in &report.runs[0].loads {
        assert_eq!(load.failure.as_ref().unwrap().kind, FailureKind::Unsupported);
    }
}

#[test]
fn a_search_adds_every_load_that_it_tries() {
    let model = tiny();
    // Any machine keeps an hour, none a nanosecond; 90 % of 6 requests each need few repetitions.
    let search = || Search::new(Arrivals::users(1)).most(4.0).share(Share::percent(50)).max_requests(60);
    let of = |slo: &str| {
        let slo: Slo = slo.parse().unwrap();
        let serving = serve(&model).arrivals(Arrivals::users(2)).slo(slo).search(search());
        serving.run().unwrap().runs.remove(0)
    };
    let run = of("ttft=1h,itl=1h");
    let capacity = run.capacity.as_ref().unwrap();
    assert_eq!((capacity.ended, &capacity.keeps), (Ended::AtMost, &Some(Arrivals::users(4))));
    let tried: Vec<_> = capacity.tries.iter().map(|t| (t.arrivals.clone(), t.verdict)).collect();
    let users = [1, 2, 4].map(|users| (Arrivals::users(users), TryVerdict::Keeps));
    assert_eq!(tried, users);
    let loads: Vec<_> = run.loads.iter().map(|load| load.arrivals.clone()).collect();
    assert_eq!(loads, [2, 1, 4].map(Arrivals::users), "asked for, then tried");
    for (load, n_slots) in run.loads.iter().zip([2, 1, 3]) {
        assert!(load.whole().count() >= 2 && load.n_slots == n_slots);
    }
    let run = of("ttft=1ns");
    assert_eq!(run.capacity.as_ref().unwrap().ended, Ended::NeverKept);
    // What an interrupted search served is not served again.
    let mut n_served = 0;
    let mut count = |event: &ServeEvent<'_>| n_served += u32::from(matches!(event, ServeEvent::Serving(_)));
    let again = serve(&model).arrivals(Arrivals::users(2)).slo("ttft=1ns".parse().unwrap()).search(search());
    let again = again.observer(&mut count).resume(run.clone()).unwrap().run().unwrap();
    assert_eq!(again.runs[0].capacity, run.capacity);
    assert_eq!(n_served, 0);
}

#[test]
fn a_preview_counts_tokens_and_memory_without_serving() {
    let model = tiny();
    let loads = [Arrivals::users(1), Arrivals::users(300)];
    let workload = workload().prompts("10".parse().unwrap()).generations("4".parse().unwrap()).n_prefix(5);
    let preview = serve(&model).workload(workload).loads(loads).preview().unwrap();
    let [one, many] = &preview[..] else { panic!("two loads") };
    assert_eq!((one.n_slots, many.n_slots), (1, 3));
    assert_eq!((one.n_prompt_tokens, one.n_gen_tokens), (2 * 6 * 15, 2 * 6 * 4));
    assert_eq!(many.memory.as_ref().unwrap().n_ctx, 3 * 256);
    assert_eq!((&one.refusal, &many.refusal), (&None, &None));
    let bert = testing::tiny("tiny-bert").unwrap();
    let preview = serve(&bert).arrivals(Arrivals::users(1)).preview().unwrap();
    assert_eq!(preview[0].refusal.as_ref().unwrap().kind, FailureKind::Unsupported);
}
