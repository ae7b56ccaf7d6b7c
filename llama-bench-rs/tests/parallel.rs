//! Several sequences at once, on real models of every kind of memory: copies continue as sequences that were filled.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{
        LlamaTarget, Order, Sweep,
        target::{Keep, Row, Target},
    },
    llama::{ContextParams, FlashAttn, KvType, Model},
    record::{Method, Outcome, pp, tg},
};
use llama_support::tiny;

/// Every kind of memory. Cells of the windowed ones lie elsewhere after they are restored, which changes the order of sums.
const SHAPES: [(&str, bool); 6] = [
    ("tiny-llama", false),
    ("tiny-qwen3moe", false),
    ("tiny-gpt-oss", true),
    ("tiny-gemma3", true),
    ("tiny-mamba2", false),
    ("tiny-granite-hybrid", false),
];

const N_SEQS: u32 = 3;

/// One thread computes in one order: equal states give equal logits.
fn params(kv: KvType, unified: bool) -> ContextParams {
    let params = ContextParams::default().n_batch(64).n_ubatch(32).n_threads(1).n_threads_batch(1);
    let params = params.type_k(kv).type_v(kv).kv_unified(unified);
    if kv.is_quantised() { params.flash_attn(FlashAttn::On) } else { params }
}

fn fill(n: u32) -> Vec<i32> {
    (0..n as i32).map(|i| 3 + i * 7 % 900).collect()
}

fn fill_first(target: &mut LlamaTarget, tokens: &[i32]) {
    tokens.chunks(64).for_each(|chunk| target.decode(chunk).unwrap());
    target.synchronize().unwrap();
}

/// Logits of each sequence after tokens of its own, in steps of one token of each.
fn logits(target: &mut LlamaTarget) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for step in 0..3 {
        let row = |seq: u32| Row { seq, token: (40 + 13 * seq + step) as i32, logits: true };
        target.decode_rows(&(0..N_SEQS).map(row).collect::<Vec<_>>()).unwrap();
        target.synchronize().unwrap();
        let context = target.context().unwrap();
        all.extend((0..N_SEQS).map(|place| context.logits(place as i32).unwrap().to_vec()));
    }
    all
}

/// The largest difference of a logit, in parts of the largest logit.
fn apart(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f32 {
    let pairs = || found.iter().flatten().zip(expected.iter().flatten());
    let largest = pairs().fold(0.0_f32, |most, (_, b)| most.max(b.abs()));
    pairs().fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

/// Every sequence filled with the same tokens by itself.
fn filled_each(model: &Model, params: &ContextParams, tokens: &[i32]) -> Vec<Vec<f32>> {
    let mut target = LlamaTarget::new(model, params);
    target.open(512, N_SEQS).unwrap();
    for seq in 0..N_SEQS {
        let rows: Vec<Row> = tokens.iter().map(|&token| Row { seq, token, logits: false }).collect();
        rows.chunks(64).for_each(|chunk| target.decode_rows(chunk).unwrap());
    }
    target.synchronize().unwrap();
    logits(&mut target)
}

#[test]
fn copies_continue_as_if_each_sequence_had_been_filled() {
    // Past the windows of 128 tokens, in the same batches.
    let tokens = fill(150);
    for (shape, is_windowed) in SHAPES {
        let model = tiny(shape);
        for kv in [KvType::F16, KvType::Q8_0] {
            let params = params(kv, false);
            let expected = filled_each(&model, &params, &tokens);
            assert!(apart(&expected[1..3], &expected[..2]) > 0.1, "{shape}: each has tokens of its own");
            let mut target = LlamaTarget::new(&model, &params);
            let resolved = target.open(512, N_SEQS).unwrap();
            assert_eq!((resolved.n_ctx, resolved.n_seq_max), (Some(512 * N_SEQS), Some(N_SEQS)));
            fill_first(&mut target, &tokens[..128]);
            target.hold(0, Keep::Latest).unwrap();
            for _ in 0..2 {
                target.rewind(0).unwrap();
                target.spread(N_SEQS).unwrap();
                logits(&mut target);
            }
            target.rewind(0).unwrap();
            fill_first(&mut target, &tokens[128..]);
            target.hold(0, Keep::Latest).unwrap();
            // Different numbers of sequences take turns.
            for n_seqs in [N_SEQS, 1, N_SEQS, 2, N_SEQS] {
                target.rewind(0).unwrap();
                target.spread(n_seqs).unwrap();
                if n_seqs < N_SEQS {
                    target.decode(&[5, 6, 7]).unwrap();
                    continue;
                }
                let off = apart(&logits(&mut target), &expected);
                let most = if is_windowed { 0.02 } else { 0.0 };
                assert!(off <= most, "{shape} {}: {off}", kv.name());
            }
        }
    }
}

#[test]
fn a_shared_prefix_computes_what_own_copies_do() {
    let tokens = fill(150);
    for (shape, _) in SHAPES {
        let model = tiny(shape);
        for kv in [KvType::F16, KvType::Q8_0] {
            let expected = filled_each(&model, &params(kv, false), &tokens);
            let mut target = LlamaTarget::new(&model, &params(kv, true));
            let resolved = target.open(512, N_SEQS).unwrap();
            assert_eq!((resolved.n_ctx, resolved.n_seq_max), (Some(512), Some(N_SEQS)));
            fill_first(&mut target, &tokens);
            target.hold(0, Keep::Latest).unwrap();
            for n_seqs in [N_SEQS, 1, 2, N_SEQS] {
                target.rewind(0).unwrap();
                target.spread(n_seqs).unwrap();
                let context = target.context().unwrap();
                let ends: Vec<_> = (0..N_SEQS).map(|seq| context.pos_max(seq as i32).unwrap()).collect();
                let used = |seq: u32| (seq < n_seqs).then_some(149);
                assert_eq!(
                    ends,
                    (0..N_SEQS).map(used).collect::<Vec<_>>(),
                    "{shape}: no others are in the way"
                );
                if n_seqs == N_SEQS {
                    // Masks are of other shapes, which changes the order of sums.
                    let off = apart(&logits(&mut target), &expected);
                    assert!(off < 0.03, "{shape} {}: {off}", kv.name());
                }
            }
        }
    }
}

fn sweep<'a>(model: &'a Model, params: &ContextParams) -> Sweep<'a> {
    Sweep::new(model)
        .context(params.clone())
        .depths([0, 40, 150])
        .prompt(48)
        .generate(4)
        .pg(16, 2)
        .parallel([1, N_SEQS])
        .repetitions(2)
        .exclusive(false)
}

#[test]
fn a_sweep_measures_every_number_of_sequences_at_every_depth() {
    for (shape, _) in SHAPES {
        let model = tiny(shape);
        for (kv, unified) in [(KvType::F16, false), (KvType::F16, true), (KvType::Q8_0, false)] {
            for order in [Order::Blocks, Order::Rounds] {
                let report = sweep(&model, &params(kv, unified)).order(order).run().unwrap();
                let run = &report.runs[0];
                for cell in &run.cells {
                    let case = format!("{shape} {} {unified} {order:?} {}", kv.name(), cell.test);
                    let Outcome::Measured(measured) = &cell.outcome else { panic!("{case}: {cell:?}") };
                    assert_eq!(measured.samples.len(), 2, "{case}");
                    let n_steps = if cell.test.kind.is_generation() { cell.test.kind.n_tokens() } else { 0 };
                    assert!(measured.samples.iter().all(|s| s.steps.len() == n_steps as usize), "{case}");
                }
                assert_eq!(run.cells.len(), 3 * 2 * 4);
                assert_eq!(run.header.resolved.n_seq_max, Some(N_SEQS));
                assert_eq!(
                    (run.header.config.n_seq_max, run.header.config.kv_unified),
                    (Some(1), Some(unified))
                );
            }
        }
    }
}

/// What copies are checked against.
#[test]
fn fresh_contexts_measure_the_same_cells() {
    for (shape, unified) in [("tiny-llama", false), ("tiny-gemma3", true), ("tiny-granite-hybrid", false)] {
        let model = tiny(shape);
        let asked = sweep(&model, &params(KvType::F16, unified)).depths([0, 400]).warmup(false);
        let report = asked.method(Method::FreshContext).run().unwrap();
        assert!(report.is_complete(), "{shape} {unified}: {report:?}");
    }
}

#[test]
fn more_sequences_asked_of_the_context_do_not_take_from_a_test() {
    let model = tiny("tiny-llama");
    let asked = Sweep::new(&model).context(params(KvType::F16, false).n_seq_max(4)).prompt(200).depths([100]);
    let report = asked.repetitions(1).warmup(false).exclusive(false).run().unwrap();
    assert!(report.is_complete(), "{report:?}");
    let resolved = &report.runs[0].header.resolved;
    assert_eq!((resolved.n_ctx, resolved.n_seq_max), (Some(4 * 512), Some(4)));
}

#[test]
fn models_without_a_memory_of_tokens_refuse_several_sequences_cell_by_cell() {
    for shape in ["tiny-bert", "tiny-t5", "tiny-llada"] {
        let model = tiny(shape);
        let asked = Sweep::new(&model).context(params(KvType::F16, false)).prompt(16).parallel([1, 2]);
        let report = asked.repetitions(1).warmup(false).exclusive(false).run().unwrap();
        let cell = |test| report.runs[0].cells.iter().find(|cell| cell.test == test).unwrap();
        assert!(cell(pp(16)).measured().is_some(), "{shape}");
        let refused = cell(pp(16).parallel(2)).failure().unwrap();
        assert!(refused.message.contains("measure with 1 sequence"), "{shape}: {}", refused.message);
    }
    let model = tiny("tiny-llama");
    let embedding = Sweep::new(&model).context(params(KvType::F16, false).embeddings(true)).prompt(16);
    let report = embedding.generate(2).parallel([2]).repetitions(1).exclusive(false).run().unwrap();
    let [text, generation] = &report.runs[0].cells[..] else { panic!("{report:?}") };
    assert!(generation.test == tg(2).parallel(2) || text.test == tg(2).parallel(2));
    let failures: Vec<_> = report.runs[0].cells.iter().filter_map(|cell| cell.failure()).collect();
    assert!(failures.len() == 1 && failures[0].message.contains("embedded by itself"), "{failures:?}");
}
