//! The engine on fake targets that keep no memory, encode, or embed.

use super::{
    Cancel, Event, Order, Plan, Request,
    abilities::{Abilities, Memory, Reason},
    fake::{Call, FakeTarget, Work},
    plan::tests::request,
};
use crate::record::{Group, Header, Method, Rewind, Run, TestKind};

const START: i32 = 9;

fn no_memory() -> FakeTarget {
    let memory = Memory::Nothing(Reason::NoMemory);
    let abilities =
        Abilities { memory, whole_prompt: Some(64), whole_embedding: Some(64), ..Abilities::default() };
    FakeTarget { abilities, ..FakeTarget::default() }
}

fn encoder_decoder() -> FakeTarget {
    let memory = Memory::Encoded { start: START };
    let abilities =
        Abilities { memory, whole_prompt: Some(64), whole_embedding: Some(64), ..Abilities::default() };
    FakeTarget { abilities, ..FakeTarget::default() }
}

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    super::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

/// Each cell: its name and what came of it.
fn outcomes(run: &Run) -> Vec<(String, String)> {
    let outcome = |cell: &crate::record::Cell| match cell.failure() {
        Some(failure) => failure.kind.to_string(),
        None => format!("{} samples", cell.measured().map_or(0, |m| m.samples.len())),
    };
    run.cells.iter().map(|cell| (cell.test.to_string(), outcome(cell))).collect()
}

fn all_ways() -> impl Iterator<Item = (Method, Order)> {
    [(Method::Rewind, Order::Blocks), (Method::Rewind, Order::Rounds), (Method::FreshContext, Order::Auto)]
        .into_iter()
}

#[test]
fn without_memory_what_is_possible_is_measured_and_the_rest_says_why() {
    for (method, order) in all_ways() {
        let request = Request {
            prompts: vec![40, 65],
            embeddings: vec![24],
            pairs: vec![Group { n_prompt: 8, n_gen: 4 }],
            depths: vec![0, 32],
            method,
            order,
            ..request()
        };
        let mut target = no_memory();
        let run = run(&request.plan().unwrap(), &mut target);
        let (measured, unsupported) = ("3 samples", "unsupported");
        let expected = [
            ("pp40", measured),
            ("pp65", "invalid_parameter"),
            ("tg4", unsupported),
            ("embd24", measured),
            ("pp8 (pg8+4)", measured),
            ("tg4 @ d8 (pg8+4)", unsupported),
            ("pp40 @ d32", unsupported),
            ("pp65 @ d32", unsupported),
            ("tg4 @ d32", unsupported),
            ("embd24 @ d32", unsupported),
            ("pp8 @ d32 (pg8+4)", unsupported),
            ("tg4 @ d40 (pg8+4)", unsupported),
        ];
        let found = outcomes(&run);
        assert!(
            found.iter().map(|(test, outcome)| (test.as_str(), outcome.as_str())).eq(expected),
            "{found:?}"
        );
        assert!(run.curve.is_empty(), "nothing is filled");
        // Prompts longer than a batch of 16 are computed in one piece; longer ones than possible do not run.
        assert!(
            target
                .calls
                .iter()
                .all(|call| call.before.is_empty() && [8, 24, 40].contains(&call.tokens.len()))
        );
        let embedded = |call: &&Call| call.work == Work::Embed;
        assert!(target.calls.iter().filter(embedded).all(|call| call.tokens.len() == 24));
        assert!(!target.embeddings, "embeddings are turned off again");
    }
}

#[test]
fn embeddings_are_warmed_up_before_they_are_timed() {
    let embeddings = vec![8, 12];
    let request = Request { prompts: vec![], generations: vec![], embeddings, depths: vec![0], ..request() };
    let mut target = no_memory();
    let run = run(&request.clone().plan().unwrap(), &mut target);
    let warmup = run.cells[0].measured().unwrap().warmup.unwrap();
    assert_eq!((warmup.n_runs, warmup.settled), (2, Some(true)));
    assert!(target.calls[..2].iter().all(|call| call.tokens.len() == 12 && call.work == Work::Embed));
    assert_eq!(target.calls.len(), 2 + 6);
    assert!(run.cells.iter().all(|cell| cell.measured().unwrap().rewind == Some(Rewind::Clear)));
    let mut cold = no_memory();
    super::kinds_tests::run(&Request { warmup: false, ..request }.plan().unwrap(), &mut cold);
    assert_eq!(cold.calls.len(), 6);
}

#[test]
fn a_language_model_embeds_at_any_depth() {
    for (method, order) in all_ways() {
        let request =
            Request { embeddings: vec![8], depths: vec![0, 32], warmup: false, method, order, ..request() };
        let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
        let run = run(&request.plan().unwrap(), &mut target);
        assert!(outcomes(&run).iter().all(|(_, outcome)| outcome == "3 samples"), "{:?}", outcomes(&run));
        let mut depths: Vec<_> = target
            .calls
            .iter()
            .filter(|call| call.work == Work::Embed)
            .map(|call| call.before.len())
            .collect();
        depths.sort_unstable();
        assert_eq!(depths, [0, 0, 0, 32, 32, 32], "{method:?} {order:?}");
    }
}

#[test]
fn a_decoder_generates_from_the_text_of_its_depth() {
    for (method, order) in all_ways() {
        let pairs = vec![Group { n_prompt: 8, n_gen: 4 }];
        let depths = vec![0, 32, 48, 65];
        let request = Request { prompts: vec![24], pairs, depths, method, order, ..request() };
        let mut target = encoder_decoder();
        let run = run(&request.plan().unwrap(), &mut target);
        for (test, outcome) in outcomes(&run) {
            let expected = match test.as_str() {
                "pp24" | "tg4" | "tg4 @ d32" | "tg4 @ d48" | "pp8 (pg8+4)" | "tg4 @ d8 (pg8+4)" => {
                    "3 samples"
                }
                "tg4 @ d65" => "invalid_parameter",
                _ => "unsupported",
            };
            assert_eq!(outcome, expected, "{test}, {method:?} {order:?}");
        }
        // The longest text begins with the shorter ones.
        let fill = target.calls.iter().find(|call| call.tokens.len() == 48).unwrap().tokens.clone();
        let steps = target.calls.iter().filter(|call| call.work == Work::Decode);
        for call in steps {
            match call.text.len() {
                // An empty text, or the prompt of a pair.
                1 | 8 => {}
                n => {
                    assert!(
                        call.text == fill[..n],
                        "{method:?} {order:?}: the encoder has read another text"
                    );
                }
            }
            let begins = call.before.is_empty();
            assert_eq!(begins, call.tokens == [START], "{method:?} {order:?}: {call:?}");
        }
        assert!(run.curve.is_empty(), "no chunk of a text stands for a prompt at a depth");
    }
}

#[test]
fn a_run_that_is_taken_up_refuses_the_same_again() {
    let pairs = vec![Group { n_prompt: 8, n_gen: 4 }];
    let plan = Request { pairs, depths: vec![0, 32], ..request() }.plan().unwrap();
    let first = run(&plan, &mut no_memory());
    let mut target = no_memory();
    let clock = target.clock.clone();
    let (cancel, mut silent) = (Cancel::new(), |_: &Event<'_>| {});
    let mut engine =
        super::engine::Engine::new(&mut target, &clock, &plan, first.header.clone(), &mut silent, &cancel);
    engine.resume(&first);
    let second = engine.run();
    assert_eq!(outcomes(&second), outcomes(&first));
    assert!(target.calls.is_empty(), "nothing is measured again");
}

#[test]
fn interleaved_sweeps_refuse_and_measure_alike() {
    let plan = Request { embeddings: vec![8], depths: vec![0, 32], ..request() }.plan().unwrap();
    let (mut one, mut two) = (no_memory(), encoder_decoder());
    let clock = one.clock.clone();
    two.clock = clock.clone();
    let cancel = Cancel::new();
    let (mut silent, mut also_silent) = (|_: &Event<'_>| {}, |_: &Event<'_>| {});
    let engines =
        vec![super::engine::Engine::new(&mut one, &clock, &plan, Header::default(), &mut silent, &cancel)];
    let others = vec![super::engine::Engine::new(
        &mut two,
        &clock,
        &plan,
        Header::default(),
        &mut also_silent,
        &cancel,
    )];
    let engines = engines.into_iter().chain(others).collect();
    let runs = super::engine::run_interleaved(engines);
    let measured = |run: &Run| {
        let cells = run.cells.iter().filter(|cell| cell.measured().is_some_and(|m| m.samples.len() == 3));
        cells.map(|cell| cell.test.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(measured(&runs[0]), ["pp8", "embd8"]);
    assert_eq!(measured(&runs[1]), ["pp8", "tg4", "embd8", "tg4 @ d32"]);
    assert_eq!(TestKind::Embd(8).to_string(), "embd8");
}
