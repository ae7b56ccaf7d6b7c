use super::*;
use crate::{
    bench::{Request, plan::tests::request},
    llama::Batch,
    record::Group,
    testing,
};

/// One thread computes in one order: equal states give equal logits.
fn params(is_shared: bool) -> ContextParams {
    let params = ContextParams::default().n_batch(32).n_ubatch(16).n_threads(1).n_threads_batch(1);
    params.kv_unified(is_shared)
}

fn plan() -> Plan {
    let pairs = vec![Group { n_prompt: 5, n_gen: 2 }];
    let request = Request { pairs, parallel: vec![1, 3], depths: vec![0, 40, 70], n_reps: 2, ..request() };
    request.plan().unwrap()
}

fn verified(is_shared: bool, spread: Spread<'_>) -> Verification {
    let model = testing::tiny_model().unwrap();
    let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
    verify_with(&model, &params(is_shared), &plan(), &mut silent, &cancel, spread).unwrap()
}

/// Copies rightly, then puts other tokens at the end of the second sequence: `n_changed` in place of the last `n_removed`.
fn wrong(target: &mut LlamaTarget, n_seqs: u32, n_removed: u32, n_changed: u32) -> Result<(), Failure> {
    target.spread(n_seqs)?;
    let context = target.context()?;
    let Some(last) = context.pos_max(0)?.filter(|_| n_seqs > 1) else { return Ok(()) };
    let from = (last + 1).saturating_sub(n_removed);
    assert!(context.memory_seq_rm(1, from, None)?);
    for position in (from..=last).take(n_changed as usize) {
        let mut batch = Batch::new();
        batch.add(position as i32 % 7, position, &[1], true)?;
        context.decode(&batch)?;
    }
    Ok(())
}

#[test]
fn copies_are_verified_for_every_depth_and_number_of_sequences() {
    let found = verified(false, &LlamaTarget::spread);
    assert!(found.is_exact() && found.has_levels() && !found.shared_prefix, "{found:?}");
    for depth in &found.depths {
        let levels: Vec<_> = depth.levels.iter().map(|level| (level.n_parallel, level.n_copies)).collect();
        assert_eq!(levels, [(3, 2)], "{found:?}");
        assert_eq!(depth.levels[0].last_position, depth.n_depth.checked_sub(1));
    }
}

#[test]
fn a_copy_of_another_text_is_found() {
    // All of the text, and its last token alone.
    for (is_shared, n) in [(false, u32::MAX), (false, 1), (true, u32::MAX), (true, 1)] {
        let found = verified(is_shared, &|target, n_seqs| wrong(target, n_seqs, n, n));
        let case = format!("{is_shared} {n}: {found:?}");
        assert!(!found.is_within_noise() && found.shared_prefix == is_shared, "{case}");
        for depth in found.depths.iter().filter(|depth| depth.n_depth > 0) {
            let level = &depth.levels[0];
            assert!(level.has_positions && level.difference.get() > 10.0 * level.noise.get(), "{case}");
            assert_eq!(level.worst_sequence, Some(1), "{case}");
            assert_eq!(depth.difference, Share::default(), "the first sequence alone is right: {case}");
        }
        assert!(found.to_string().ends_with("does to this model."), "{found}");
    }
}

#[test]
fn a_copy_that_lacks_a_token_is_found() {
    let found = verified(false, &|target, n_seqs| wrong(target, n_seqs, 1, 0));
    assert!(!found.is_within_noise() && !found.is_within(Share::new(1.0).unwrap()), "{found:?}");
    let is_found = |depth: &VerifiedDepth| depth.levels[0].has_positions == (depth.n_depth == 0);
    assert!(found.depths.iter().all(is_found), "{found:?}");
}

#[test]
fn the_parts_of_a_fill_are_those_of_a_sweep() {
    let request = Request { prompts: vec![20], parallel: vec![1, 3], depths: vec![0, 40, 70], ..request() };
    let plan = Request { warmup: false, ..request }.plan().unwrap();
    let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
    let walk = Walk {
        fill: Vec::new(),
        noise: Vec::new(),
        plan: &plan,
        n_ctx: 256,
        n_ctx_seq: 256,
        n_seqs: 3,
        spread: &LlamaTarget::spread,
        observer: RefCell::new(&mut silent),
        cancel: &cancel,
    };
    // A prompt of 20 stays in the context at each depth.
    assert_eq!(walk.parts(2, 16), [0..16, 16..20, 20..36, 36..40, 40..56, 56..60, 60..70]);
    assert_eq!(walk.parts(1, 64), [0..20, 20..40]);
    assert!(walk.parts(0, 16).is_empty());
}
