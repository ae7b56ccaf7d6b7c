//! The work of a cell agrees with counts by hand, written out from the dimensions of each shape.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{LlamaTarget, Sweep, target::Target},
    llama::{ContextParams, FlashAttn, KvType, Model},
    record::{CellWork, DeviceWork, Run, Test, TestKind},
};
use llama_support::{params, tiny};

// All tiny shapes: 256 numbers of a token, 4 heads of 64 numbers, 2 of them for keys and values, 1024 tokens in the
// vocabulary. Matrices have 2 bytes a number, norms and biases 4.
const NORM: u64 = 256 * 4;
const Q: u64 = 256 * 256 * 2;
const K: u64 = 256 * 128 * 2;
const ATTENTION: u64 = Q + 2 * K + Q;
const FEED_FORWARD: u64 = 3 * 256 * 512 * 2;
const OUTPUT: u64 = 256 * 1024 * 2;
const ROW: u64 = 256 * 2;
/// Keys and values of a token in a layer.
const KV: u64 = (128 + 128) * 2;
/// FLOPs of a token and a cell: 4 heads, products with a key and with a value of 64 numbers each.
const PAIR: u64 = 4 * (2 * 64 + 2 * 64);

fn run(sweep: Sweep<'_>) -> Run {
    sweep.repetitions(1).warmup(false).run().unwrap().runs.remove(0)
}

fn work_of(run: &Run, kind: TestKind, n_depth: u32) -> CellWork {
    let cell = run.cells.iter().find(|cell| cell.test.kind == kind && cell.test.n_depth == n_depth).unwrap();
    cell.measured().unwrap_or_else(|| panic!("{cell:?}")).work.clone().unwrap()
}

fn on_cpu(work: &CellWork) -> &DeviceWork {
    assert_eq!(work.devices.len(), 1);
    work.of("CPU").unwrap()
}

fn flops(work: &DeviceWork, op: &str) -> u64 {
    work.products.iter().filter(|product| product.op == op).map(|product| product.flops).sum()
}

/// Cells that a token at this position sees.
fn seen(position: u64, window: u64) -> u64 {
    (position + 1).min(window)
}

/// What all of these tokens see together.
fn seen_by_all(first: u64, n: u64, window: u64) -> u64 {
    first + n - first.saturating_sub(window - 1)
}

fn pairs(first: u64, n: u64, window: u64) -> u64 {
    (first..first + n).map(|position| seen(position, window)).sum()
}

const ALL: u64 = u64::MAX;

/// By the windows of its layers with attention: two generated tokens, and a prompt of 96 in physical batches of 64 and 32.
fn assert_attention(run: &Run, depth: u32, windows: &[u64]) {
    let d = u64::from(depth);
    let tg = work_of(run, TestKind::Tg(2), depth);
    let cells: u64 = windows.iter().map(|&w| seen(d, w) + seen(d + 1, w)).sum();
    assert_eq!(on_cpu(&tg).kv_read_bytes, cells * KV, "tg at {d}");
    assert_eq!(on_cpu(&tg).kv_write_bytes, 2 * windows.len() as u64 * KV);
    assert_eq!(flops(on_cpu(&tg), "FLASH_ATTN_EXT"), cells * PAIR);

    let pp = work_of(run, TestKind::Pp(96), depth);
    let cells: u64 = windows.iter().map(|&w| seen_by_all(d, 64, w) + seen_by_all(d + 64, 32, w)).sum();
    assert_eq!(on_cpu(&pp).kv_read_bytes, cells * KV, "pp at {d}");
    assert_eq!(on_cpu(&pp).kv_write_bytes, 96 * windows.len() as u64 * KV);
    let n_pairs: u64 = windows.iter().map(|&w| pairs(d, 96, w)).sum();
    assert_eq!(flops(on_cpu(&pp), "FLASH_ATTN_EXT"), n_pairs * PAIR);
    assert_eq!((tg.n_graphs, pp.n_graphs), (2, 2));
}

/// Two generated tokens read everything twice; of a prompt only the last physical batch has an output.
fn measured(shape: &str) -> Run {
    // Past windows of 128 tokens, and not.
    let context = params(0).n_batch(128).flash_attn(FlashAttn::On);
    run(Sweep::new(&tiny(shape)).context(context).prompt(96).generate(2).depths([40, 300]))
}

fn weights(run: &Run, kind: TestKind) -> u64 {
    let [one, other] = [40, 300].map(|depth| on_cpu(&work_of(run, kind, depth)).weight_bytes);
    assert_eq!(one, other, "a depth has no weights");
    one
}

#[test]
fn dense_with_fewer_heads_of_keys() {
    let run = measured("tiny-llama");
    for depth in [40, 300] {
        assert_attention(&run, depth, &[ALL; 4]);
    }
    let layer = NORM + ATTENTION + NORM + FEED_FORWARD;
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (4 * layer + NORM + OUTPUT + ROW));
    // The first 64 tokens need neither the last feed-forward nor the output.
    let first = 4 * layer - NORM - FEED_FORWARD + 64 * ROW;
    assert_eq!(weights(&run, TestKind::Pp(96)), first + 4 * layer + NORM + OUTPUT + 32 * ROW);

    let tg = work_of(&run, TestKind::Tg(2), 40);
    let of_layer = 256 * 256 + 2 * 256 * 128 + 256 * 256 + 3 * 256 * 512;
    assert_eq!(flops(on_cpu(&tg), "MUL_MAT"), 2 * 2 * (4 * of_layer + 256 * 1024));
    let pp = work_of(&run, TestKind::Pp(96), 40);
    // Of the last feed-forward and the output, one token.
    let products = 96 * (4 * of_layer - 3 * 256 * 512) + 3 * 256 * 512 + 256 * 1024;
    assert_eq!(flops(on_cpu(&pp), "MUL_MAT"), 2 * products);
    assert!(tg.uncounted.is_empty() && pp.uncounted.is_empty());
    assert_eq!((on_cpu(&pp).activation_bytes, on_cpu(&pp).copied_bytes, on_cpu(&pp).state_bytes), (0, 0, 0));
}

#[test]
fn windows_in_five_of_six_layers_and_one_matrix_for_both_ends() {
    let run = measured("tiny-gemma3");
    for depth in [40, 300] {
        assert_attention(&run, depth, &[128, 128, 128, 128, 128, ALL]);
    }
    // Norms before and after attention and feed-forward, and of 64 numbers for queries and keys.
    let layer = 4 * NORM + 2 * 64 * 4 + ATTENTION + FEED_FORWARD;
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (6 * layer + NORM + OUTPUT + ROW));
}

#[test]
fn windows_in_every_other_layer_and_experts() {
    let run = measured("tiny-gpt-oss");
    for depth in [40, 300] {
        assert_attention(&run, depth, &[128, ALL, 128, ALL]);
    }
    // q8_0: 34 bytes for 32 numbers. MXFP4: 17.
    let row = 256 / 32 * 34;
    let biases = (256 + 128 + 128 + 256) * 4;
    let attention = (256 + 128 + 128 + 256) * row + biases + 4 * 4;
    let router = 256 * 16 * 4 + 16 * 4;
    let expert = (128 * 256 + 128 * 256 + 256 * 128) / 32 * 17 + (128 + 128 + 256) * 4;
    let layer = 2 * NORM + attention + router + 4 * expert;
    let ends = NORM + 1024 * row + row;
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (4 * layer + ends));
}

#[test]
fn experts_that_tokens_reach() {
    let run = measured("tiny-qwen3moe");
    for depth in [40, 300] {
        assert_attention(&run, depth, &[ALL; 4]);
    }
    let (router, matrix) = (256 * 16 * 4, 256 * 128 * 2);
    let layer = NORM + 2 * 64 * 4 + ATTENTION + NORM + router;
    let ends = NORM + OUTPUT;
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (4 * (layer + 4 * 3 * matrix) + ends + ROW));
    // Of 16 experts each token takes 4: 64 miss one with a probability of 0.75^64, 32 with 0.75^32. The output's token
    // alone goes through the last layer's.
    let reached = |n: i32| (16.0 * (1.0 - 0.75f64.powi(n)) * matrix as f64).round() as u64;
    let first = 4 * layer - NORM - router + 3 * 3 * reached(64) + 64 * ROW;
    let last = 4 * layer + 3 * 3 * reached(32) + 4 * 3 * matrix + ends + 32 * ROW;
    assert_eq!(weights(&run, TestKind::Pp(96)), first + last);
}

// A state-space layer: 512 inner numbers in 8 heads, 64 numbers of state for each, a convolution over 4 tokens.
const CONVOLVED: u64 = 512 + 2 * 64;
const STATE_SPACE: u64 =
    256 * (512 + CONVOLVED + 8) * 2 + 4 * CONVOLVED * 4 + CONVOLVED * 4 + 3 * 8 * 4 + 512 * 4 + 512 * 256 * 2;
const STATE: u64 = (3 * CONVOLVED + 64 * 512) * 4;

#[test]
fn recurrent_states_are_read_and_written_once_a_graph() {
    let run = measured("tiny-mamba2");
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (4 * (NORM + STATE_SPACE) + NORM + OUTPUT + ROW));
    for depth in [40, 300] {
        for (kind, n_tokens) in [(TestKind::Tg(2), 2), (TestKind::Pp(96), 96)] {
            let work = work_of(&run, kind, depth);
            let work = on_cpu(&work);
            assert_eq!(work.state_bytes, 2 * 4 * 2 * STATE, "{kind}");
            assert_eq!((work.kv_read_bytes, work.kv_write_bytes), (0, 0));
            assert_eq!(flops(work, "SSM_SCAN"), n_tokens * 4 * 5 * 64 * 512);
            assert_eq!(flops(work, "SSM_CONV"), n_tokens * 4 * 2 * 4 * CONVOLVED);
        }
    }
}

#[test]
fn hybrids_have_both() {
    let run = measured("tiny-granite-hybrid");
    for depth in [40, 300] {
        assert_attention(&run, depth, &[ALL; 2]);
        assert_eq!(on_cpu(&work_of(&run, TestKind::Tg(2), depth)).state_bytes, 2 * 2 * 2 * STATE);
    }
    let layers = 2 * ATTENTION + 2 * STATE_SPACE + 4 * (2 * NORM + FEED_FORWARD);
    assert_eq!(weights(&run, TestKind::Tg(2)), 2 * (layers + NORM + OUTPUT + ROW));
}

#[test]
fn a_step_of_a_dense_model_reads_its_file() {
    for (shape, is_tied) in [("tiny-llama", false), ("tiny-gemma3", true), ("tiny-mamba2", true)] {
        let model = tiny(shape);
        let run = run(Sweep::new(&model).context(params(0)).generate(1));
        // Of the embeddings a row, unless they are the output too.
        let unused = if is_tied { 0 } else { OUTPUT };
        let work = work_of(&run, TestKind::Tg(1), 0);
        assert_eq!(on_cpu(&work).weight_bytes, model.size_bytes() - unused + ROW, "{shape}");
    }
}

fn at_300(model: &Model, context: ContextParams) -> CellWork {
    let run = run(Sweep::new(model).context(context.n_batch(128)).prompt(96).depths([300]));
    work_of(&run, TestKind::Pp(96), 300)
}

#[test]
fn flash_attention_changes_no_count_and_a_type_of_keys_only_theirs() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-granite-hybrid"] {
        let model = tiny(shape);
        let with = at_300(&model, params(0).flash_attn(FlashAttn::On));
        let without = at_300(&model, params(0).flash_attn(FlashAttn::Off));
        let flops = |work: &CellWork| on_cpu(work).flops();
        assert_eq!(flops(&with), flops(&without), "{shape}");
        let but_products = |work: &CellWork| {
            let mut work = on_cpu(work).clone();
            work.products.clear();
            work
        };
        assert_eq!(but_products(&with), but_products(&without), "{shape}");
    }
    let model = tiny("tiny-llama");
    let of = |kv| at_300(&model, params(0).flash_attn(FlashAttn::On).type_k(kv).type_v(kv));
    let (f16, q8_0) = (of(KvType::F16), of(KvType::Q8_0));
    let [wide, narrow] = [&f16, &q8_0].map(|work| (on_cpu(work).kv_read_bytes, on_cpu(work).kv_write_bytes));
    // 34 bytes for 32 numbers.
    assert_eq!((wide.0 / 64 * 34, wide.1 / 64 * 34), narrow);
    assert_eq!(on_cpu(&f16).weight_bytes, on_cpu(&q8_0).weight_bytes);
    // Rotations before quantised keys and values are written as products, and computed without one.
    assert_eq!(flops(on_cpu(&f16), "MUL_MAT"), flops(on_cpu(&q8_0), "MUL_MAT"));
}

#[test]
fn sequences_have_cells_of_their_own_unless_they_share_them() {
    let model = tiny("tiny-llama");
    let of = |shared: bool| {
        let sweep = Sweep::new(&model).context(params(0).kv_unified(shared)).parallel([1, 2]);
        run(sweep.shared_prefix(shared).generate(2).depths([300]))
    };
    for shared in [false, true] {
        let run = of(shared);
        let work = |n_parallel: u32| {
            let cell = run.cells.iter().find(|cell| cell.test.n_parallel == n_parallel).unwrap();
            on_cpu(cell.measured().unwrap().work.as_ref().unwrap()).clone()
        };
        assert_eq!(work(1).kv_read_bytes, (301 + 302) * 4 * KV);
        let cells = if shared { 300 + 2 + 300 + 4 } else { 2 * (301 + 302) };
        assert_eq!(work(2).kv_read_bytes, cells * 4 * KV, "shared: {shared}");
        assert_eq!(work(2).kv_write_bytes, 2 * 2 * 4 * KV);
        assert_eq!(work(2).weight_bytes, work(1).weight_bytes + 2 * ROW);
        assert_eq!(flops(&work(2), "FLASH_ATTN_EXT"), 2 * (301 + 302) * 4 * PAIR);
    }
}

#[test]
fn the_generation_of_a_pair_begins_behind_its_prompt() {
    let run = run(Sweep::new(&tiny("tiny-llama")).context(params(0)).pg(64, 2).depths([100]));
    let tg = work_of(&run, TestKind::Tg(2), 164);
    assert_eq!(on_cpu(&tg).kv_read_bytes, (165 + 166) * 4 * KV);
    // Prompts are each sequence's own, also if both share what is before them.
    let model = tiny("tiny-llama");
    let sweep = Sweep::new(&model).context(params(0).kv_unified(true)).parallel([2]).shared_prefix(true);
    let run = crate::run(sweep.pg(64, 2).depths([100]));
    let pp = work_of(&run, TestKind::Pp(64), 100);
    assert_eq!(on_cpu(&pp).kv_read_bytes % (4 * KV), 0);
    let tg = work_of(&run, TestKind::Tg(2), 164);
    assert_eq!(on_cpu(&tg).kv_read_bytes, (100 + 2 * 65 + 100 + 2 * 66) * 4 * KV);
    assert_eq!(flops(on_cpu(&tg), "FLASH_ATTN_EXT"), 2 * (165 + 166) * 4 * PAIR);
}

#[test]
fn counting_leaves_the_context_as_it_was() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"] {
        let model = tiny(shape);
        let logits = |counts: bool| {
            let mut target = LlamaTarget::new(&model, &params(0));
            target.open(400, 1).unwrap();
            if counts {
                for kind in [TestKind::Pp(96), TestKind::Tg(8), TestKind::Embd(32)] {
                    let test = Test { kind, n_depth: 300, group: None, n_parallel: 1 };
                    let once = target.cell_work(&test).unwrap();
                    assert!(once.is_ok(), "{shape} {kind}");
                    assert_eq!(target.cell_work(&test).unwrap(), once, "{shape} {kind}");
                }
                assert_eq!(target.context().unwrap().pos_max(0).unwrap(), None, "{shape}");
            }
            let tokens: Vec<i32> = (0..200).map(|i| i * 7 % 1000).collect();
            tokens.chunks(64).for_each(|chunk| target.decode(chunk).unwrap());
            target.decode(&[3]).unwrap();
            target.context().unwrap().logits(-1).unwrap().to_vec()
        };
        assert_eq!(logits(false), logits(true), "{shape}");
    }
}

#[test]
fn a_plan_knows_it_without_weights() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"] {
        let model = tiny(shape);
        let sweep =
            || Sweep::new(&model).context(params(0)).prompt(96).generate(2).pg(64, 2).depths([40, 300]);
        let planned = sweep().preview().unwrap().works;
        let run = run(sweep());
        assert_eq!(planned.len(), 8, "{shape}");
        for (test, work) in planned {
            let cell = run.cells.iter().find(|cell| cell.test == test).unwrap();
            assert_eq!(cell.measured().unwrap().work.as_ref(), Some(&work), "{shape} {test}");
        }
    }
    let preview = Sweep::new(&tiny("tiny-llama")).context(params(0)).generate(1).depths([300]).preview();
    let said = preview.unwrap().to_string();
    // 5252608 bytes of weights, 301 cells read and one written, 5242880 and 301 * 4 * 1024 FLOPs.
    assert!(
        said.ends_with("\none tg1 @ d300: 5.01 MiB of weights, 604.00 KiB of keys and values, 6.48 MFLOP"),
        "{said}"
    );
}

#[test]
fn work_is_counted_unless_it_is_not_wanted() {
    let run = run(Sweep::new(&tiny("tiny-llama")).context(params(0)).generate(2).record_work(false));
    assert!(run.cells[0].measured().unwrap().work.is_none());
}

#[test]
fn what_cannot_be_counted_has_no_work_and_is_measured() {
    let run = run(Sweep::new(&tiny("tiny-t5")).context(params(0)).prompt(16).generate(2));
    let measured: Vec<_> = run.cells.iter().filter_map(|cell| cell.measured()).collect();
    assert_eq!(measured.len(), 2);
    for measured in measured {
        assert_eq!(measured.work, None);
        assert_eq!(
            measured.work_unknown.as_deref(),
            Some("an encoder and a decoder have graphs of their own")
        );
    }
    let preview = Sweep::new(&tiny("tiny-t5")).context(params(0)).prompt(16).generate(2).preview().unwrap();
    let said = "work not counted: pp16, tg2: an encoder and a decoder have graphs of their own";
    assert!(preview.to_string().ends_with(said), "{preview}");
    // Without a memory all tokens see each other.
    let bert = crate::run(Sweep::new(&tiny("tiny-bert")).context(params(0)).embed(32));
    let work = work_of(&bert, TestKind::Embd(32), 0);
    assert_eq!((work.n_graphs, on_cpu(&work).kv_read_bytes), (1, 0));
    let attention = flops(on_cpu(&work), "FLASH_ATTN_EXT");
    assert!(attention > 0 && attention.is_multiple_of(32 * 32), "{attention}");
}
