//! Parts of sequences: kept, copied and moved, and what cannot be.
#![allow(missing_docs)]

mod llama_support;

use std::sync::atomic::Ordering;

use llama_bench_rs::llama::{Batch, Context, ContextParams, FlashAttn, KvType, LlamaError, StateFlags};
use llama_support::{decode, next, params, tiny};

const PROMPT: [i32; 7] = [1, 2, 3, 4, 5, 6, 7];

fn context(shape: &str) -> Context {
    made(shape, &params(768).n_seq_max(3).swa_full(true))
}

fn made(shape: &str, params: &ContextParams) -> Context {
    Context::new(&tiny(shape), params).unwrap()
}

/// By how much two lists of logits differ, in parts of the largest.
fn apart(value: &[f32], right: &[f32]) -> f32 {
    let largest = right.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    value.iter().zip(right).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

/// Attention sees how far tokens are from each other, not where they are: a whole sequence may move.
#[test]
fn moved_tokens_compute_the_same() {
    let kinds = [KvType::F16, KvType::F32, KvType::Q8_0];
    for shape in ["tiny-llama", "tiny-qwen3moe", "tiny-gemma3", "tiny-granite-hybrid"] {
        for (type_k, unified) in kinds.iter().flat_map(|&kind| [(kind, false), (kind, true)]) {
            let params = params(768).n_seq_max(3).swa_full(true).kv_unified(unified).type_k(type_k);
            let mut context = made(shape, &params);
            assert!(context.can_shift(), "{shape} {type_k:?}");
            decode(&mut context, 1, &PROMPT);
            let right = next(&mut context, 1);
            context.memory_clear(true);
            decode(&mut context, 1, &PROMPT);
            context.memory_seq_add(1, 0, None, 100).unwrap();
            assert_eq!(context.pos_max(1).unwrap(), Some(106), "{shape}");
            // A state saved before the next decode has the moved keys too.
            let state = context.state_save(1, StateFlags::empty()).unwrap();
            let there = next(&mut context, 1);
            assert!(apart(&there, &right) < 0.02, "{shape} {type_k:?}: {}", apart(&there, &right));
            context.memory_clear(true);
            context.state_restore(&state).unwrap();
            let restored = next(&mut context, 1);
            assert!(apart(&restored, &right) < 0.02, "{shape} {type_k:?}: {}", apart(&restored, &right));
        }
    }
}

/// As a chat does it when its context is full.
#[test]
fn the_oldest_part_can_be_dropped() {
    for shape in ["tiny-llama", "tiny-gemma3"] {
        let mut context = made(shape, &params(256).n_batch(256).swa_full(true));
        context.decode_tokens(&[5; 250]).unwrap();
        assert!(matches!(context.decode_tokens(&[1; 7]), Err(LlamaError::ContextFull { .. })));
        assert!(context.memory_seq_rm(0, 4, Some(104)).unwrap());
        let mut gap = made(shape, &params(256).n_batch(256).swa_full(true));
        gap.decode_tokens(&[5; 250]).unwrap();
        assert!(gap.memory_seq_rm(0, 0, Some(104)).unwrap() && context.memory_seq_rm(0, 0, Some(4)).unwrap());
        context.memory_seq_add(0, 104, None, -104).unwrap();
        assert_eq!((context.n_past(), gap.n_past()), (146, 250));
        let (moved, right) = (next(&mut context, 0), next(&mut gap, 0));
        assert!(apart(&moved, &right) < 0.02, "{shape}: {}", apart(&moved, &right));
        context.decode_tokens(&[1; 100]).unwrap();
        assert_eq!(context.n_past(), 247);
    }
}

#[test]
fn what_cannot_move_says_so_and_stays() {
    let cases = [
        ("a window", "tiny-gemma3", params(768)),
        ("keys in bf16", "tiny-llama", params(256).type_k(KvType::Bf16)),
        ("no memory", "tiny-bert", params(256)),
        ("a diffusion model", "tiny-llada", params(256)),
    ];
    for (what, shape, params) in cases {
        let mut context = made(shape, &params);
        context.decode_tokens(&PROMPT).unwrap();
        let before = context.n_past();
        assert!(!context.can_shift(), "{what}");
        assert!(
            matches!(context.memory_seq_add(0, 2, None, 1), Err(LlamaError::Unsupported { .. })),
            "{what}"
        );
        assert_eq!(context.n_past(), before, "{what}");
        context.decode_tokens(&PROMPT).unwrap();
    }
}

#[test]
fn every_move_is_made_or_refused() {
    let mut context = context("tiny-llama");
    context.memory_seq_add(0, 0, None, 5).unwrap();
    assert_eq!(context.pos_max(0).unwrap(), None, "nothing was there to move");
    decode(&mut context, 0, &PROMPT);
    for (seq, from, to, delta) in [
        (3, 0, None, 1),
        (-1, 0, None, 1),
        (0, 0, None, -1),
        (0, 3, Some(5), -4),
        (0, 0, None, i32::MIN),
        (0, 0, None, i32::MAX),
        (0, 6, None, Batch::MAX_POSITION as i32 - 5),
    ] {
        let refused = context.memory_seq_add(seq, from, to, delta).unwrap_err();
        assert!(!matches!(refused, LlamaError::Exception { .. }), "{refused}");
    }
    let ends = |context: &Context| (context.pos_min(0).unwrap(), context.pos_max(0).unwrap());
    for (from, to, delta) in
        [(0, Some(0), -1), (5, Some(3), 1), (7, None, 1), (u32::MAX, None, 1), (0, None, 0)]
    {
        context.memory_seq_add(0, from, to, delta).unwrap();
        assert_eq!(ends(&context), (Some(0), Some(6)), "{from} {to:?} {delta}");
    }
    context.memory_seq_add(0, 6, Some(u32::MAX), Batch::MAX_POSITION as i32 - 6).unwrap();
    assert_eq!(ends(&context), (Some(0), Some(Batch::MAX_POSITION)));
    context.memory_seq_add(0, Batch::MAX_POSITION, None, 6 - Batch::MAX_POSITION as i32).unwrap();
    assert_eq!(ends(&context), (Some(0), Some(6)));
    // Twice the same positions, which is odd and harmless.
    context.memory_seq_add(0, 0, Some(3), 2).unwrap();
    decode(&mut context, 0, &[1, 2]);
    assert!(context.logits(-1).is_some_and(|logits| logits.iter().all(|logit| logit.is_finite())));
}

/// Nothing is half moved.
#[test]
fn a_context_that_is_to_stop_moves_nothing() {
    let mut context = context("tiny-llama");
    decode(&mut context, 0, &PROMPT);
    context.abort_flag().store(true, Ordering::Relaxed);
    assert!(matches!(context.memory_seq_add(0, 0, None, 5), Err(LlamaError::Cancelled { .. })));
    assert_eq!(context.pos_max(0).unwrap(), Some(6));
    context.abort_flag().store(false, Ordering::Relaxed);
    context.memory_seq_add(0, 0, None, 5).unwrap();
    assert_eq!(context.pos_max(0).unwrap(), Some(11));
}

#[test]
fn one_sequence_is_kept_wherever_the_others_are() {
    for (shape, unified) in [("tiny-llama", false), ("tiny-llama", true), ("tiny-mamba2", false)] {
        let mut context = made(shape, &params(768).n_seq_max(3).kv_unified(unified));
        (0..3).for_each(|seq| decode(&mut context, seq, &PROMPT));
        assert!(context.memory_seq_keep(3).is_err() && context.memory_seq_keep(-1).is_err());
        context.memory_seq_keep(1).unwrap();
        let left = [0, 1, 2].map(|seq| context.pos_max(seq).unwrap());
        assert_eq!(left, [None, Some(6), None], "{shape} {unified}");
        assert_eq!(context.n_past(), 0);
    }
}

#[test]
fn a_part_is_copied_within_one_memory() {
    let unified = params(256).n_seq_max(2).kv_unified(true);
    let mut context = made("tiny-llama", &unified);
    decode(&mut context, 0, &PROMPT);
    decode(&mut context, 1, &[90, 91]);
    context.memory_seq_copy_part(0, 1, 0, Some(3)).unwrap();
    assert_eq!(context.pos_max(1).unwrap(), Some(2));
    let forked = next(&mut context, 1);
    let mut fresh = made("tiny-llama", &unified);
    decode(&mut fresh, 1, &PROMPT[..3]);
    assert!(apart(&forked, &next(&mut fresh, 1)) < 0.02);
    context.memory_seq_copy_part(0, 1, 5, None).unwrap();
    assert_eq!((context.pos_min(1).unwrap(), context.pos_max(1).unwrap()), (Some(5), Some(6)));
    context.memory_seq_copy_part(0, 1, 3, Some(3)).unwrap();
    assert_eq!(context.pos_max(1).unwrap(), None);
    assert!(
        context.memory_seq_copy_part(0, 2, 0, None).is_err()
            && context.memory_seq_copy_part(0, 0, 0, None).is_err()
    );

    for (shape, unified) in [("tiny-llama", false), ("tiny-mamba2", true), ("tiny-granite-hybrid", true)] {
        let mut context = made(shape, &params(768).n_seq_max(2).kv_unified(unified));
        decode(&mut context, 0, &PROMPT);
        let refused = context.memory_seq_copy_part(0, 1, 0, Some(3));
        assert!(matches!(refused, Err(LlamaError::Unsupported { .. })), "{shape}");
        assert_eq!(context.pos_max(1).unwrap(), None, "{shape}");
    }
}

/// llama.cpp says that it has removed them.
#[test]
fn a_recurrent_state_keeps_what_it_has_read() {
    for shape in ["tiny-mamba2", "tiny-granite-hybrid"] {
        let mut context = context(shape);
        decode(&mut context, 0, &PROMPT);
        let removed = [(0, Some(3)), (2, Some(5)), (0, Some(6))]
            .map(|(from, to)| context.memory_seq_rm(0, from, to).unwrap());
        assert_eq!(removed, [false; 3], "{shape}");
        assert!(context.memory_seq_rm(0, 3, Some(3)).unwrap(), "{shape}: nothing is to be removed");
        assert!(context.memory_seq_rm(0, 7, Some(9)).unwrap(), "{shape}: nothing is there");
        assert!(context.memory_seq_rm(0, 0, Some(7)).unwrap(), "{shape}: all of it");
        assert_eq!(context.pos_max(0).unwrap(), None);
    }
}

#[test]
fn a_sequence_has_its_part_of_the_context() {
    for (unified, n_ctx_seq) in [(false, 256), (true, 768)] {
        let params = params(768).n_batch(512).n_seq_max(3).kv_unified(unified).flash_attn(FlashAttn::On);
        let mut context = made("tiny-llama", &params);
        assert_eq!((context.n_ctx(), context.n_ctx_seq()), (768, n_ctx_seq));
        let more = context.decode_tokens(&[1; 257]);
        if unified {
            more.unwrap();
        } else {
            assert!(matches!(more, Err(LlamaError::ContextFull { n_ctx: 256, .. })), "{more:?}");
        }
    }
}
