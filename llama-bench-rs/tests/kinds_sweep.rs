//! Sweeps of models that keep no memory of past tokens or do not generate.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::with;
use llama_bench_rs::{
    baseline::Baselines,
    bench::{BenchError, Order, Sweep, interleave},
    gguf::{Shape, Synthetic, TensorType, Value},
    llama::{Context, ContextParams, Model, Pooling},
    record::{Method, Report, Rewind, Test, TestKind},
    report::{
        self, Format, explain_markdown,
        insights::{Expectation, Verdict},
        read_str,
        svg::{Picture, draw},
        terminal::{Style, render},
    },
    stats::StoppingRule,
    units::Share,
};
use llama_support::{folder, load, tiny};

const N_UBATCH: u32 = 64;

fn params() -> ContextParams {
    ContextParams::default().n_batch(128).n_ubatch(N_UBATCH).n_threads(1).n_threads_batch(1)
}

/// Every kind of test, at depth 0 and deeper, and a prompt that is too long to be computed at once.
fn sweep(model: &Model) -> Sweep<'_> {
    Sweep::new(model)
        .context(params())
        .prompt(32)
        .prompt(N_UBATCH + 1)
        .generate(4)
        .embed(16)
        .pg(8, 4)
        .depths([0, 40])
        .repetitions(2)
}

fn kind_of_failure(report: &Report, test: &str) -> Option<String> {
    let (_, cell) = report.cells().find(|(_, cell)| cell.test.to_string() == test).unwrap();
    assert!(cell.failure().is_some() || cell.measured().is_some_and(|m| m.samples.len() == 2), "{test}");
    cell.failure().map(|failure| failure.kind.to_string())
}

/// The outcome of each test of [`sweep`], depth 0 first.
fn expected(shape: &str) -> [(&'static str, Option<&'static str>); 12] {
    let (unsupported, long) = (Some("unsupported"), Some("invalid_parameter"));
    let is_t5 = shape == "tiny-t5";
    let generates = if is_t5 { None } else { unsupported };
    [
        ("pp32", None),
        ("pp65", long),
        ("tg4", generates),
        ("embd16", None),
        ("pp8 (pg8+4)", None),
        ("tg4 @ d8 (pg8+4)", generates),
        ("pp32 @ d40", unsupported),
        ("pp65 @ d40", unsupported),
        ("tg4 @ d40", generates),
        ("embd16 @ d40", unsupported),
        ("pp8 @ d40 (pg8+4)", unsupported),
        ("tg4 @ d48 (pg8+4)", unsupported),
    ]
}

const SHAPES: [&str; 5] = ["tiny-bert", "tiny-rerank", "tiny-t5", "tiny-t5-encoder", "tiny-llada"];

#[test]
fn what_a_model_can_do_is_measured_and_the_rest_is_a_cell_that_says_so() {
    for shape in SHAPES {
        let model = tiny(shape);
        for (method, order) in [
            (Method::Rewind, Order::Auto),
            (Method::Rewind, Order::Rounds),
            (Method::FreshContext, Order::Auto),
        ] {
            let report = sweep(&model).method(method).order(order).run().unwrap();
            for (test, failure) in expected(shape) {
                let found = kind_of_failure(&report, test);
                assert_eq!(found.as_deref(), failure, "{shape} {method:?} {order:?}: {test}");
            }
            let deep = report.cell(TestKind::Tg(4), 40).unwrap();
            if let Some(measured) = deep.measured() {
                let rewinds = [Rewind::Remove, Rewind::Refill].map(Some);
                assert!(rewinds.contains(&measured.rewind), "{:?}", measured.rewind);
            }
            assert!(report.runs[0].curve.is_empty(), "{shape}: nothing was filled in chunks");
        }
        // It can be known beforehand; the generation of a pair fails with a prompt that is not possible.
        let refused: Vec<Test> =
            sweep(&model).unsupported().unwrap().into_iter().map(|(test, _)| test).collect();
        let failed: Vec<String> = expected(shape)
            .iter()
            .filter(|(_, failure)| failure.is_some())
            .map(|(t, _)| (*t).into())
            .collect();
        assert!(refused.iter().all(|test| failed.contains(&test.to_string())), "{shape}");
    }
}

/// A llama whose attention is not causal: it has a memory, from which nothing may continue.
#[test]
fn a_model_that_is_not_causal_generates_nothing_although_it_has_a_memory() {
    let (width, n_vocab) = (64, 256);
    let number = |key: &str, n: u32| (format!("llama.{key}"), Value::U32(n));
    let metadata = vec![
        number("context_length", 512),
        number("embedding_length", width as u32),
        number("block_count", 1),
        number("feed_forward_length", width as u32),
        number("attention.head_count", 2),
        number("pooling_type", 1),
        ("llama.attention.layer_norm_rms_epsilon".into(), Value::F32(1e-5)),
        ("llama.attention.causal".into(), Value::Bool(false)),
    ];
    let mut tensors = vec![("token_embd.weight".into(), vec![width, n_vocab], TensorType::F16)];
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        tensors.push((format!("{name}.weight"), vec![width], TensorType::F32));
    }
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
        tensors.push((format!("blk.0.{name}.weight"), vec![width, width], TensorType::F16));
    }
    let path = folder().join("not-causal.gguf");
    Synthetic::new(Shape::from_parts("not-causal", "llama", metadata, tensors)).write_to(&path).unwrap();
    let model = load(&path).unwrap();
    assert!(!model.is_causal() && model.keeps_memory() && model.pooling() == Pooling::Mean);
    for method in [Method::Rewind, Method::FreshContext] {
        let report = sweep(&model).method(method).run().unwrap();
        for (test, failure) in expected("not-causal") {
            assert_eq!(kind_of_failure(&report, test).as_deref(), failure, "{method:?}: {test}");
        }
    }
    let mut context = Context::new(&model, &params().n_ctx(256)).unwrap();
    let long = context.decode_tokens(&[1; N_UBATCH as usize + 1]).unwrap_err().to_string();
    assert!(long.contains("n_ubatch"), "{long}");
    context.decode_tokens(&[1; N_UBATCH as usize]).unwrap();
}

#[test]
fn reasons_name_what_is_missing_and_the_remedy() {
    let report = sweep(&tiny("tiny-bert")).run().unwrap();
    let reason = |kind, n_depth| report.cell(kind, n_depth).unwrap().failure().unwrap().message.clone();
    assert!(reason(TestKind::Pp(32), 40).starts_with("this model keeps no memory of past tokens"));
    assert!(reason(TestKind::Tg(4), 0).contains("does not generate"));
    let long = reason(TestKind::Pp(N_UBATCH + 1), 0);
    assert!(long.contains("n_ubatch is 64") && long.contains("raise -ub (n_ubatch)"), "{long}");
    let model = tiny("tiny-bert");
    let positions = Sweep::new(&model).context(params().n_batch(1024).n_ubatch(1024));
    let report = positions.prompt(513).prompt(32).run().unwrap();
    assert_eq!(kind_of_failure(&report, "pp513").as_deref(), Some("context_too_small"));
    assert!(report.cell(TestKind::Pp(32), 0).unwrap().measured().is_some(), "the shorter one is measured");
}

#[test]
fn language_models_embed_at_any_depth_and_measure_all_else_as_before() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2"] {
        for method in [Method::Rewind, Method::FreshContext] {
            let report = sweep(&tiny(shape)).method(method).run().unwrap();
            assert!(report.is_complete(), "{shape} {method:?}");
        }
    }
}

#[test]
fn the_stopping_rule_and_interleaving_hold_for_embeddings() {
    let (bert, t5) = (tiny("tiny-bert"), tiny("tiny-t5"));
    let of = |model| Sweep::new(model).context(params()).embed(16).generate(4).depths([0, 8]);
    let rule =
        with!(StoppingRule { min: 3, max: 4, target: Share::new(0.5).unwrap(), ..StoppingRule::new() });
    let report = interleave(vec![of(&bert).until(rule), of(&t5).until(rule)]).unwrap();
    for (i, expected) in [(0, vec!["embd16"]), (1, vec!["tg4", "embd16", "tg4 @ d8"])] {
        let cells = report.runs[i].cells.iter().filter(|cell| cell.measured().is_some());
        let cells: Vec<_> = cells.collect();
        assert!(cells.iter().all(|cell| (3..=4).contains(&cell.measured().unwrap().samples.len())));
        assert_eq!(cells.iter().map(|cell| cell.test.to_string()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_interrupted_run_is_resumed() {
    let model = tiny("tiny-bert");
    let whole = sweep(&model).run().unwrap();
    // Written and read again, as a journal does.
    let written = report::to_string(&whole, Format::Jsonl).unwrap();
    let mut earlier = read_str(&written).unwrap().report.runs.remove(0);
    assert_eq!(earlier.cells, whole.runs[0].cells);
    earlier.cells.retain(|cell| cell.test.kind.is_embedding());
    let resumed = sweep(&model).resume(earlier).unwrap().run().unwrap();
    let embedded = |report: &Report| report.cell(TestKind::Embd(16), 0).unwrap().clone();
    assert_eq!(embedded(&resumed).measured().unwrap().samples, embedded(&whole).measured().unwrap().samples);
    for (test, failure) in expected("tiny-bert") {
        assert_eq!(kind_of_failure(&resumed, test).as_deref(), failure, "{test}");
    }
}

#[test]
fn there_is_nothing_to_verify_without_a_memory_of_tokens() {
    for shape in SHAPES {
        match sweep(&tiny(shape)).verify() {
            Err(BenchError::Verify(failure)) => assert_eq!(failure.kind, "unsupported", "{shape}"),
            other => panic!("{shape}: {other:?}"),
        }
    }
}

#[test]
fn embeddings_in_the_context_make_prompts_embeddings() {
    let model = tiny("tiny-bert");
    let sweep = || Sweep::new(&model).context(params().embeddings(true)).prompt(16).repetitions(1);
    let report = sweep().run().unwrap();
    assert!(report.cell(TestKind::Embd(16), 0).unwrap().measured().is_some());
    assert_eq!(report.runs[0].header.config.embeddings, Some(true));
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        assert_eq!(read_str(&report::to_string(&report, format).unwrap()).unwrap().report, report);
    }
}

#[test]
fn no_format_speaks_of_tokens_that_are_not_generated() {
    for shape in SHAPES {
        let model = tiny(shape);
        let report =
            Sweep::new(&model).context(params()).prompt(32).generate(4).embed(16).repetitions(3).run();
        let report = report.unwrap();
        for format in [Format::Json, Format::Jsonl, Format::Csv] {
            let text = report::to_string(&report, format).unwrap();
            assert_eq!(read_str(&text).unwrap().report, report, "{shape} {format:?}");
        }
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&report::to_string(&report, Format::Json).unwrap()).unwrap();
        let row = rows.iter().find(|row| row["embeddings"] == true).unwrap();
        assert_eq!((&row["n_prompt"], &row["n_gen"]), (&16.into(), &0.into()));
        assert_eq!(rows.iter().filter(|row| row["embeddings"] == true).count(), 1, "{shape}");

        let style = Style { width: 120, ..Style::default() };
        let markdown = report::to_string(&report, Format::Markdown).unwrap();
        let texts = [render(&report, style), markdown, explain_markdown(&report, &[])];
        assert!(texts[..2].iter().all(|text| text.contains("embd16")), "{shape}");
        let has_memory = shape.starts_with("tiny-t5");
        assert!(has_memory || !texts[0].contains("KV cache"), "{shape}: {}", texts[0]);
        if shape != "tiny-t5" {
            for text in &texts {
                for word in ["first token", "an answer", "generated token", "conversation", "several depths"]
                {
                    assert!(!text.contains(word), "{shape}: {word:?} in {text}");
                }
                assert!(!text.contains("interactive generation"), "{shape}: {text}");
            }
        }
        let picture = draw(&report, Picture::Depth).unwrap().to_svg();
        assert!(picture.contains("Embedding"), "{shape}");
        assert_eq!(picture.contains("Token generation"), shape == "tiny-t5", "{shape}");
        assert_eq!(draw(&report, Picture::Latency).is_ok(), shape == "tiny-t5", "{shape}");
        assert!(report::html::page(&report).unwrap().contains("embd16"), "{shape}");
    }
}

#[test]
fn baselines_and_expectations_know_embeddings() {
    let model = tiny("tiny-bert");
    let report = Sweep::new(&model).context(params()).embed(16).generate(4).repetitions(3).run().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(folder.path());
    baselines.save("main", &report).unwrap();
    let loaded = baselines.load("main", &report).unwrap();
    assert!(loaded.report().cell(TestKind::Embd(16), 0).unwrap().measured().is_some());

    let slow: Expectation = "embd16=1..".parse().unwrap();
    assert_eq!(slow.test().kind, TestKind::Embd(16));
    assert_ne!(slow.check(&report.runs[0]).verdict, Verdict::NotMeasured);
    let none: Expectation = "embd17=1..".parse().unwrap();
    assert_eq!(none.check(&report.runs[0]).verdict, Verdict::NotMeasured);
    assert!("embd=1..".parse::<Expectation>().is_err() && "embd0=1..".parse::<Expectation>().is_err());
}
