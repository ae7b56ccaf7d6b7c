//! Coming back to a depth, on real models of every kind of memory: the context is then as a fresh fill leaves it.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{Order, Sweep},
    gguf::{FileType, Shape, Synthetic},
    llama::{Context, ContextParams, FlashAttn, KvType, Model},
    record::{Method, Rewind, TestKind},
    units::Share,
};
use llama_support::{folder, has_gpu, load, tiny, tiny_on_devices};
use proptest::prelude::*;

/// Every kind of memory, and how it is brought back when repetitions go in blocks.
const SHAPES: [(&str, Rewind); 6] = [
    ("tiny-llama", Rewind::Remove),
    ("tiny-qwen3moe", Rewind::Remove),
    ("tiny-gpt-oss", Rewind::PartialOnDevice),
    ("tiny-gemma3", Rewind::PartialOnDevice),
    ("tiny-mamba2", Rewind::PartialOnDevice),
    ("tiny-granite-hybrid", Rewind::PartialOnDevice),
];

/// One thread computes in one order: equal states give equal logits.
fn params(kv: KvType) -> ContextParams {
    let params = ContextParams::default().n_batch(64).n_ubatch(32).n_threads(1).n_threads_batch(1);
    let params = params.type_k(kv).type_v(kv);
    if kv.is_quantised() { params.flash_attn(FlashAttn::On) } else { params }
}

fn sweep<'a>(model: &'a Model, kv: KvType, order: Order, depths: &[u32]) -> Sweep<'a> {
    Sweep::new(model)
        .context(params(kv))
        .depths(depths.iter().copied())
        .prompt(48)
        .generate(6)
        .repetitions(2)
        .warmup(false)
        .order(order)
}

/// Its cells lie elsewhere after a rewind, which changes the order of sums.
fn is_windowed(shape: &str) -> bool {
    ["tiny-gpt-oss", "tiny-gemma3"].contains(&shape)
}

#[test]
fn logits_and_positions_are_those_of_a_fresh_fill() {
    // Past the windows of 128 tokens, and not at the ends of batches.
    let depths = [0, 40, 130, 333];
    for (shape, expected) in SHAPES {
        let model = tiny(shape);
        for kv in [KvType::F16, KvType::Q8_0] {
            for order in [Order::Blocks, Order::Rounds] {
                let found = sweep(&model, kv, order, &depths).verify().unwrap();
                let case = format!("{shape} {} {order:?}: {found:?}", kv.name());
                let is_right = if is_windowed(shape) { found.is_within_noise() } else { found.is_exact() };
                assert!(is_right, "{case}");
                for depth in &found.depths {
                    assert_eq!(
                        (depth.n_rewinds, depth.repetition_difference),
                        (2, Share::default()),
                        "{case}"
                    );
                }
                let kept_on_host = kv.is_quantised() || order == Order::Rounds;
                let expected = match expected {
                    Rewind::PartialOnDevice if kept_on_host => Rewind::PartialOnHost,
                    other => other,
                };
                let rewinds = (found.order, found.depths[0].rewind, found.depths[3].rewind);
                assert_eq!(rewinds, (order, Rewind::Clear, expected), "{case}");
            }
        }
    }
}

/// A GPU adds in another order when cells lie elsewhere, in every kind of memory.
#[test]
fn on_a_gpu_every_rewind_is_right_within_rounding() {
    if !has_gpu("on_a_gpu_every_rewind_is_right_within_rounding") {
        return;
    }
    for (shape, _) in SHAPES {
        for order in [Order::Blocks, Order::Rounds] {
            let model = tiny_on_devices(shape);
            let found = sweep(&model, KvType::F16, order, &[0, 40, 130, 333]).verify().unwrap();
            assert!(found.is_exact() || found.is_within_noise(), "{shape} {order:?}: {found:?}");
        }
    }
}

/// With weights, keys and values of 32 bits, rounding is all but gone, and so is the difference: the state itself is
/// the right one.
#[test]
fn what_differs_behind_a_window_is_rounding() {
    // gemma3's activation function is looked up in half precision.
    for (shape, tolerance) in [("tiny-gpt-oss", 1e-6), ("tiny-gemma3", 5e-4)] {
        let path = folder().join(format!("{shape}-f32.gguf"));
        Synthetic::new(Shape::preset(shape).unwrap()).file_type(FileType::F32).write_to(&path).unwrap();
        let model = load(&path).unwrap();
        let params = params(KvType::F32).flash_attn(FlashAttn::Off);
        for order in [Order::Blocks, Order::Rounds] {
            let sweep = sweep(&model, KvType::F32, order, &[40, 253, 333]).context(params.clone());
            let found = sweep.verify().unwrap();
            assert!(found.is_within(Share::new(tolerance).unwrap()), "{shape} {order:?}: {found:?}");
        }
        // One token that is another within the window makes more of a difference.
        let say = |odd: i32| {
            let mut context = Context::new(&model, &params.clone().n_ctx(512)).unwrap();
            let tokens: Vec<i32> = (0..253).map(|i| if i == 200 { odd } else { i * 7 % 1000 }).collect();
            tokens.chunks(64).for_each(|chunk| context.decode_tokens(chunk).unwrap());
            context.logits(-1).unwrap().to_vec()
        };
        let (one, other) = (say(1), say(2));
        let spread =
            one.iter().copied().fold(f32::MIN, f32::max) - one.iter().copied().fold(f32::MAX, f32::min);
        let off = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / spread;
        assert!(f64::from(off) > 10.0 * tolerance, "{shape}: {off}");
    }
}

#[test]
fn a_window_that_keeps_the_whole_context_needs_no_snapshot() {
    let model = tiny("tiny-gpt-oss");
    let sweep = sweep(&model, KvType::F16, Order::Blocks, &[300]);
    let found = sweep.context(params(KvType::F16).swa_full(true)).verify().unwrap();
    assert!(found.is_exact(), "{found:?}");
    assert_eq!(found.depths[0].rewind, Rewind::Remove);
}

#[test]
fn a_sweep_says_how_it_came_back_and_reports_the_live_state_apart() {
    for (shape, rewind) in SHAPES {
        let model = tiny(shape);
        for order in [Order::Blocks, Order::Rounds] {
            let report = sweep(&model, KvType::F16, order, &[0, 150]).run().unwrap();
            assert!(report.is_complete(), "{shape}: {report:?}");
            assert_eq!(report.runs[0].header.resolved.order, Some(order));
            let cell = report.cell(TestKind::Tg(6), 150).unwrap().measured().unwrap();
            let expected = match (rewind, order) {
                (Rewind::PartialOnDevice, Order::Rounds) => Rewind::PartialOnHost,
                (rewind, _) => rewind,
            };
            assert_eq!(cell.rewind, Some(expected), "{shape} {order:?}");
            assert_eq!((cell.samples.len(), cell.live.as_ref().unwrap().steps.len()), (2, 6));
            let steps = report.cell(TestKind::Tg(6), 150).unwrap().step_summary().unwrap();
            assert!(steps.steady.is_some());
        }
    }
}

#[test]
fn llama_benchs_way_measures_the_same_cells() {
    let model = tiny("tiny-gpt-oss");
    let report =
        sweep(&model, KvType::F16, Order::Blocks, &[0, 150]).method(Method::FreshContext).run().unwrap();
    assert!(report.is_complete());
    assert_eq!(
        report.cell(TestKind::Tg(6), 150).unwrap().measured().unwrap().rewind,
        Some(Rewind::FullOnHost)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any plan: depths in any number, tests of any length, in blocks or rounds, on any kind of memory.
    #[test]
    fn any_plan_comes_back_to_the_right_state(
        shape in 0..SHAPES.len(),
        depths in prop::collection::vec(0u32..400, 1..5),
        (n_prompt, n_gen) in (1u32..150, 1u32..10),
        rounds in any::<bool>(),
        (n_batch, n_ubatch) in prop::sample::select(vec![(16u32, 16u32), (64, 32), (128, 128)]),
        seed in any::<u64>(),
    ) {
        let model = tiny(SHAPES[shape].0);
        let params = params(KvType::F16).n_batch(n_batch).n_ubatch(n_ubatch);
        let found = Sweep::new(&model)
            .context(params)
            .depths(depths)
            .prompt(n_prompt)
            .generate(n_gen)
            .repetitions(2)
            .seed(seed)
            .order(if rounds { Order::Rounds } else { Order::Blocks })
            .verify()
            .unwrap();
        let name = SHAPES[shape].0;
        let same = if is_windowed(name) { found.is_within_noise() } else { found.is_exact() };
        prop_assert!(same, "{name} {found:?}");
        prop_assert!(found.depths.iter().all(|depth| depth.repetition_difference == Share::default()));
    }
}
