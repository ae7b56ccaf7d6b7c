use super::*;
use crate::{llama::KvType, testing};

const SHAPES: [&str; 4] = ["tiny-llama", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"];

fn params() -> ContextParams {
    ContextParams::default().n_batch(64).n_ubatch(64).n_threads(1).n_threads_batch(1)
}

fn server(shape: &str, params: &ContextParams) -> LlamaServer {
    LlamaServer::open(&testing::tiny(shape).unwrap(), params, 3, 256).unwrap()
}

/// Tokens of a text, each with its own place in the vocabulary of a tiny model.
fn tokens(seed: u32, n: u32) -> Vec<i32> {
    (0..n).map(|i| 1 + ((seed * 7919 + i * 31) % 200) as i32).collect()
}

/// Appends tokens to a slot, the last one with logits.
fn append(server: &mut LlamaServer, slot: u32, position: u32, tokens: &[i32]) -> Vec<f32> {
    let n = tokens.len();
    let rows: Vec<Row> = (position..)
        .zip(tokens)
        .enumerate()
        .map(|(i, (position, &token))| Row { slot, position, token, logits: i + 1 == n })
        .collect();
    rows.chunks(64).for_each(|rows| server.decode(rows).unwrap());
    server.context().logits(-1).unwrap().to_vec()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn what_a_slot_keeps_continues_as_if_nothing_had_followed_in_every_kind_of_memory() {
    for shape in SHAPES {
        for type_k in [KvType::F16, KvType::Q8_0] {
            let params = params().type_k(type_k);
            let mut server = server(shape, &params);
            let text = tokens(1, 100);
            append(&mut server, 1, 0, &text);
            append(&mut server, 0, 0, &tokens(9, 20));
            let kept = server.keep(1, 60).unwrap();
            assert!(kept == 60 || kept == 0, "{shape}: {kept}");
            let again = append(&mut server, 1, kept, &text[kept as usize..80]);
            let mut fresh = self::server(shape, &params);
            let expected = append(&mut fresh, 1, 0, &text[..80]);
            let other = append(&mut fresh, 2, 0, &tokens(5, 80));
            let (off, wrong) = (apart(&again, &expected), apart(&other, &expected));
            assert!(off < wrong / 10.0, "{shape} {type_k:?}: {off}, and {wrong} for another text");
        }
    }
}

#[test]
fn full_attention_keeps_any_begin_and_a_recurrent_state_only_the_whole() {
    let mut llama = server("tiny-llama", &params());
    append(&mut llama, 2, 0, &tokens(1, 50));
    assert_eq!([50, 49, 1, 0].map(|n| llama.keep(2, n).unwrap()), [50, 49, 1, 0]);
    for shape in ["tiny-mamba2", "tiny-granite-hybrid"] {
        let mut server = server(shape, &params());
        append(&mut server, 2, 0, &tokens(1, 50));
        assert_eq!(server.keep(2, 50).unwrap(), 50, "{shape}: nothing has to be removed");
        assert_eq!(server.keep(2, 49).unwrap(), 0, "{shape}");
        assert_eq!(server.context().pos_max(2).unwrap(), None, "{shape}: it is empty");
        append(&mut server, 2, 0, &tokens(1, 5));
    }
}

#[test]
fn a_sliding_window_that_has_lost_what_comes_before_keeps_nothing() {
    let model = testing::tiny("tiny-gemma3").unwrap();
    let n_swa = model.n_swa();
    let params = params();
    let mut server = LlamaServer::open(&model, &params, 2, (4 * n_swa + 256).next_multiple_of(256)).unwrap();
    let text = tokens(1, 4 * n_swa + 100);
    append(&mut server, 1, 0, &text);
    assert_eq!(server.keep(1, n_swa + 1).unwrap(), 0, "far behind the window");
    // Short of the window, everything is there.
    append(&mut server, 1, 0, &text[..n_swa as usize / 2]);
    assert_eq!(server.keep(1, n_swa / 4).unwrap(), n_swa / 4);
}

#[test]
fn more_than_a_slot_holds_cannot_be_kept() {
    let mut server = server("tiny-llama", &params());
    append(&mut server, 0, 0, &tokens(1, 10));
    assert_eq!(server.keep(0, 11).unwrap(), 0);
    assert_eq!(server.keep(1, 5).unwrap(), 0, "an empty slot");
    assert!(server.keep(3, 0).is_err() && server.keep(u32::MAX, 0).is_err(), "no such slot");
}

#[test]
fn slots_do_not_disturb_each_other() {
    for unified in [false, true] {
        let params = params().kv_unified(unified);
        let mut alone = server("tiny-llama", &params);
        let expected = append(&mut alone, 1, 0, &tokens(1, 40));
        let mut beside = server("tiny-llama", &params);
        append(&mut beside, 0, 0, &tokens(2, 60));
        append(&mut beside, 2, 0, &tokens(3, 30));
        beside.keep(0, 10).unwrap();
        let got = append(&mut beside, 1, 0, &tokens(1, 40));
        assert!(apart(&got, &expected) < 1e-2, "unified {unified}: {}", apart(&got, &expected));
    }
}

#[test]
fn a_warm_up_leaves_all_slots_empty() {
    let model = testing::tiny_model().unwrap();
    let workload = Workload::default().prompts("100".parse().unwrap()).generations("4".parse().unwrap());
    for n_slots in [1, 3] {
        let mut server = LlamaServer::open(&model, &params(), n_slots, 256).unwrap();
        server.warm_up(&workload, vocabulary(&model)).unwrap();
        let held = (0..n_slots as i32).map(|seq| server.context().pos_max(seq).unwrap());
        assert!(held.into_iter().all(|last| last.is_none()));
    }
    // Requests that nearly fill their slots, too.
    let full = workload.prompts("250".parse().unwrap()).generations("6".parse().unwrap());
    LlamaServer::open(&model, &params(), 2, 256).unwrap().warm_up(&full, vocabulary(&model)).unwrap();
}

#[test]
fn memory_is_known_before_and_refused_with_figures() {
    let model = testing::tiny_model().unwrap();
    let estimate = memory_estimate(&model, &params(), 4, 512).unwrap();
    assert_eq!(estimate.n_ctx, 2048);
    assert!(check_memory(&estimate, 4, 512).is_ok());
    let mut short = estimate.clone();
    short.devices.values_mut().for_each(|device| device.free_bytes = Some(1));
    let failure = check_memory(&short, 4, 512).unwrap_err();
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.starts_with("4 slots of 512 tokens do not fit (have fewer slots or users)"));
    let failure = LlamaServer::open(&model, &params(), 200, 1 << 30).unwrap_err();
    assert_eq!(failure.kind, FailureKind::ContextTooLong, "{}", failure.message);
    assert_eq!(memory_estimate(&model, &params(), 200, 1 << 30), None);
}

#[test]
fn models_that_cannot_serve_are_refused_with_the_reason() {
    let refused = |shape: &str| {
        let model = testing::tiny(shape).unwrap();
        refusal(&model, &params(), &Workload::default()).map(|failure| failure.message)
    };
    assert_eq!(SHAPES.map(refused), [const { None }; 4]);
    let message = refused("tiny-t5").unwrap();
    assert!(message.contains("encoder"), "{message}");
    let message = refused("tiny-bert").unwrap();
    assert!(message.contains("does not generate"), "{message}");
    let message = refused("tiny-llada").unwrap();
    assert!(message.contains("does not generate"), "{message}");
}
