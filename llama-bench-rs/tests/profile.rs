//! Profiles of real graphs: which blocks are found in each architecture, and that stops leave what is computed as it is.

mod llama_support;

use llama_bench_rs::{
    bench::{Event, Profiling, Sweep},
    llama::{BlockKind, Context, ContextParams, Stops},
    record::{Method, Profile, pp, tg},
};

use BlockKind::{Attention, Experts, FeedForward, Mixer, Other, Output};

/// One thread: two wait for each other if other tests have the cores.
fn alone() -> ContextParams {
    ContextParams::default().n_threads(1).n_threads_batch(1)
}

fn profile(shape: &str, profiling: Profiling) -> Profile {
    let model = llama_support::tiny(shape);
    let sweep = Sweep::new(&model)
        .context(alone())
        .prompt(8)
        .repetitions(1)
        .warmup(false)
        .exclusive(false)
        .energy(false);
    let report = sweep.profile(profiling).run().unwrap();
    let cell = report.cell(pp(8).kind, 0).unwrap();
    cell.measured().unwrap().profile.clone().unwrap()
}

#[test]
fn the_blocks_of_each_architecture_are_found() {
    let table = [
        ("tiny-llama", &[Attention, FeedForward, Output, Other][..]),
        ("tiny-gpt-oss", &[Attention, Experts, Output, Other]),
        ("tiny-qwen3moe", &[Attention, Experts, Output, Other]),
        ("tiny-gemma3", &[Attention, FeedForward, Output, Other]),
        ("tiny-mamba2", &[Mixer, Output, Other]),
        ("tiny-granite-hybrid", &[Attention, Mixer, FeedForward, Output, Other]),
    ];
    for (shape, kinds) in table {
        assert_eq!(profile(shape, Profiling::default()).kinds(), kinds, "{shape}");
    }
}

#[test]
fn each_layer_has_its_blocks_once_and_they_follow_each_other() {
    let profile = profile("tiny-llama", Profiling { layers: true, ..Profiling::default() });
    let found: Vec<_> = profile.blocks.iter().map(|block| (block.kind, block.layer, block.n_stops)).collect();
    let mut expected = vec![(Other, None, 1)];
    for layer in 0..4 {
        expected.extend([(Attention, Some(layer), 1), (FeedForward, Some(layer), 1)]);
    }
    expected.push((Output, None, 1));
    assert_eq!(found, expected);
    assert_eq!(profile.n_stops, 10);
}

#[test]
fn a_norm_behind_a_block_belongs_to_it() {
    // BERT's norms follow attention and feed-forward.
    let profile = profile("tiny-bert", Profiling { layers: true, ..Profiling::default() });
    let of = |layer| -> Vec<BlockKind> {
        let blocks = profile.blocks.iter().filter(|block| block.layer == Some(layer));
        blocks.map(|block| block.kind).filter(|kind| *kind != Other).collect()
    };
    assert_eq!((of(0), of(3)), (vec![Attention, FeedForward], vec![Attention, FeedForward]));
}

#[test]
fn attention_without_a_kernel_of_its_own_is_attention() {
    let model = llama_support::tiny("tiny-llama");
    let context = alone().flash_attn(llama_bench_rs::llama::FlashAttn::Off);
    let sweep = Sweep::new(&model).context(context).prompt(8).repetitions(1).warmup(false).exclusive(false);
    let mut softmax = Vec::new();
    let mut observer = |event: &Event<'_>| {
        if let Event::Traced { stops, .. } = event {
            softmax.extend(
                stops.iter().filter(|stop| stop.op == "SOFT_MAX").map(|stop| (stop.block, stop.layer)),
            );
        }
    };
    let profiling = Profiling { trace: true, ..Profiling::default() };
    sweep.profile(profiling).observer(&mut observer).run().unwrap();
    assert_eq!(softmax, [0, 1, 2, 3].map(|layer| (Attention, Some(layer))));
}

#[test]
fn every_operation_is_a_stop_with_its_weights_and_bytes() {
    let model = llama_support::tiny("tiny-llama");
    let mut context = Context::new(&model, &alone().n_ctx(64)).unwrap();
    let trace = |stops, context: &mut Context| {
        context.memory_clear(false);
        context.trace(stops).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        context.end_trace().unwrap()
    };
    assert_eq!(trace(Stops::Nothing, &mut context), []);
    let all = trace(Stops::Operations, &mut context);
    let down: Vec<_> = all
        .iter()
        .filter(|stop| stop.weights.as_deref() == Some("blk.2.ffn_down.weight"))
        .map(|stop| (stop.op.as_str(), stop.layer, stop.block))
        .collect();
    assert_eq!(down, [("MUL_MAT", Some(2), FeedForward)]);
    assert!(all.iter().all(|stop| stop.n_operations == 1 && stop.bytes > 0 && stop.ended >= stop.begun));
    assert!(all.windows(2).all(|pair| pair[0].ended <= pair[1].begun), "one after the other");
    let blocks = trace(Stops::Blocks, &mut context);
    let n_operations: u32 = blocks.iter().map(|stop| stop.n_operations).sum();
    assert_eq!(n_operations as usize, all.len(), "every operation is in a block");
    let layers = trace(Stops::Layers, &mut context);
    assert_eq!((blocks.len(), layers.len()), (10, 6));
}

#[test]
fn a_trace_of_something_else_than_was_learned_is_refused_and_the_context_stays() {
    let model = llama_support::tiny("tiny-llama");
    let mut context = Context::new(&model, &alone().n_ctx(64)).unwrap();
    context.trace(Stops::Nothing).unwrap();
    context.decode_tokens(&[1]).unwrap();
    context.end_trace().unwrap();
    context.trace(Stops::Blocks).unwrap();
    context.decode_tokens(&[1]).unwrap();
    context.decode_tokens(&[1]).unwrap();
    let said = context.end_trace().unwrap_err().to_string();
    assert!(said.contains("another graph"), "{said}");
    context.decode_tokens(&[1]).unwrap();
    context.synchronize().unwrap();
}

#[test]
fn what_is_computed_is_the_same_with_stops() {
    let model = llama_support::tiny("tiny-gpt-oss");
    let mut context = Context::new(&model, &alone().n_ctx(64)).unwrap();
    let mut logits = |stops: Option<Stops>| {
        context.memory_clear(false);
        if let Some(stops) = stops {
            context.trace(stops).unwrap();
        }
        context.decode_tokens(&[5, 6, 7]).unwrap();
        if stops.is_some() {
            context.end_trace().unwrap();
        }
        context.synchronize().unwrap();
        context.logits(-1).unwrap().to_vec()
    };
    let plain = logits(None);
    for stops in [Stops::Nothing, Stops::Operations, Stops::Blocks, Stops::Layers] {
        assert_eq!(logits(Some(stops)), plain, "{stops:?}");
    }
    assert_eq!(logits(None), plain);
}

#[test]
fn fresh_contexts_and_several_sequences_are_profiled_too() {
    let model = llama_support::tiny("tiny-llama");
    let sweep = || {
        Sweep::new(&model)
            .context(alone())
            .depths([0, 16])
            .generate(3)
            .repetitions(1)
            .warmup(false)
            .exclusive(false)
    };
    let fresh = sweep().method(Method::FreshContext).profile(Profiling::default()).run().unwrap();
    let several = sweep().parallel([3]).profile(Profiling::default()).run().unwrap();
    for (report, test) in [(fresh, tg(3)), (several, tg(3).parallel(3))] {
        for n_depth in [0, 16] {
            let cell = report.runs[0].cells.iter().find(|cell| cell.test == test.at(n_depth)).unwrap();
            let profile = cell.measured().unwrap().profile.as_ref().unwrap();
            assert_eq!((profile.n_tokens, profile.n_stops), (3, 30), "{}", cell.test);
        }
    }
}
