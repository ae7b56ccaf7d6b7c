//! What llama.cpp computes is told without any timing, and so is a change of it.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::with;
use llama_bench_rs::{
    bench::Sweep,
    gguf::{Shape, Synthetic},
    llama::{Context, ContextParams, FlashAttn, KvType, LoadMode, Model, ModelParams},
    record::{
        Header, Method, Report, Run, TestKind,
        work::{WorkChange, WorkKind, changes},
    },
    report::{
        self, Format,
        terminal::{Style, render},
    },
};
use llama_support::{folder, has_gpu, load, on_cpu, params, tiny};

fn shapes() -> Vec<&'static str> {
    Shape::preset_names().iter().copied().filter(|name| name.starts_with("tiny-")).collect()
}

fn sweep(model: &Model, params: ContextParams) -> Sweep<'_> {
    Sweep::new(model).context(params).prompt(64).generate(2).repetitions(1).warmup(false)
}

fn run(sweep: Sweep<'_>) -> Run {
    sweep.run().unwrap().runs.remove(0)
}

fn header(model: &Model, params: ContextParams) -> Header {
    run(sweep(model, params)).header
}

fn said(before: &Header, after: &Header) -> Vec<String> {
    changes(before, after).iter().map(ToString::to_string).collect()
}

fn losses(before: &Header, after: &Header) -> Vec<String> {
    changes(before, after).iter().filter(|change| change.is_loss()).map(WorkChange::to_string).collect()
}

/// A sentence among others.
fn assert_says(said: &[String], start: &str) {
    assert!(said.iter().any(|sentence| sentence.starts_with(start)), "{start:?} is not in {said:#?}");
}

#[test]
fn equal_runs_have_equal_work_in_every_kind_of_model() {
    for shape in shapes() {
        let model = tiny(shape);
        let once = || run(sweep(&model, params(0)).embed(16)).header;
        let (one, other) = (once(), once());
        assert!(!one.work.is_empty(), "{shape}");
        assert_eq!(one.work, other.work, "{shape}");
        assert_eq!(said(&one, &other), Vec::<String>::new(), "{shape}");
        for work in &one.work {
            assert!(work.nodes.iter().any(|nodes| nodes.op.starts_with("MUL_MAT")), "{shape}: {work:?}");
            assert!(work.nodes.iter().all(|nodes| nodes.device == "CPU"), "{shape}: {work:?}");
            assert_eq!((work.n_splits, work.copies.len()), (1, 0), "{shape}");
        }
    }
}

#[test]
fn a_kind_of_test_that_a_model_runs_has_its_work_and_no_other_does() {
    for shape in shapes() {
        let run = run(sweep(&tiny(shape), params(0)).embed(16));
        let kinds = run.cells.iter().filter(|cell| cell.failure().is_none()).map(|cell| cell.test.kind);
        let expected: Vec<WorkKind> = kinds.map(WorkKind::from).collect();
        let mut found: Vec<WorkKind> = run.header.work.iter().map(|work| work.kind).collect();
        assert_eq!(found.len(), expected.len(), "{shape}: {found:?}");
        found.retain(|kind| expected.contains(kind));
        assert_eq!(found.len(), expected.len(), "{shape}");
    }
    let t5 = run(sweep(&tiny("tiny-t5"), params(0))).header;
    let n_tokens = |kind| t5.work_of(kind).map(|work| work.n_tokens);
    assert_eq!((n_tokens(TestKind::Pp(64)), n_tokens(TestKind::Tg(2))), (Some(64), Some(1)));
    // The encoder reads no cache and the decoder does.
    let writes = |kind| t5.work_of(kind).is_some_and(|w| w.nodes.iter().any(|nodes| nodes.op == "SET_ROWS"));
    assert!(!writes(TestKind::Pp(64)) && writes(TestKind::Tg(2)));
}

#[test]
fn flash_attention_that_is_off_is_named_and_a_loss() {
    for shape in ["tiny-llama", "tiny-gpt-oss"] {
        let model = tiny(shape);
        let on = header(&model, params(256).flash_attn(FlashAttn::On));
        let off = header(&model, params(256).flash_attn(FlashAttn::Off));
        let n = u64::from(model.n_layer());
        let lost = losses(&on, &off);
        let sentence = format!(
            "flash attention is off: {n} x FLASH_ATTN_EXT became {} nodes ({} MUL_MAT, {n} CONT and {n} SOFT_MAX)",
            4 * n,
            2 * n
        );
        assert_eq!(lost, [sentence], "{shape}");
        assert!(on.work.iter().all(|work| work.has_flash_attention()));
        assert!(!off.work.iter().any(|work| work.has_flash_attention()));
        let said = said(&off, &on);
        assert_eq!(losses(&off, &on), Vec::<String>::new());
        assert_says(&said, "flash attention is on: ");
    }
}

#[test]
fn weights_that_are_no_longer_repacked_are_named_and_a_loss() {
    let path = folder().join("q4_0.gguf");
    let synthetic = Synthetic::new(Shape::preset("tiny-llama").unwrap());
    synthetic.file_type("q4_0".parse().unwrap()).write_to(&path).unwrap();
    let with = |use_extra_bufts| {
        let params = on_cpu().use_extra_bufts(use_extra_bufts).load_mode(LoadMode::None);
        Model::load_with(&path, &params).unwrap()
    };
    let (repacked, plain) = (header(&with(true), params(64)), header(&with(false), params(64)));
    let of_q4_0 = repacked.work[0].nodes.iter().filter(|it| it.is_repacked() && it.data_type == "q4_0");
    let n: u32 = of_q4_0.map(|it| it.n).sum();
    if n == 0 {
        println!("SKIPPED: llama.cpp repacks no q4_0 weights on this CPU");
        return;
    }
    // A CPU with AMX repacks the output's q6_K too, in the same sentence.
    let lost = losses(&repacked, &plain);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_says(&lost, &format!("{n} MUL_MAT of q4_0 "));
    assert!(lost[0].contains(" are no longer repacked"), "{lost:?}");
    assert_eq!(losses(&plain, &repacked), Vec::<String>::new());
    let gained = said(&plain, &repacked);
    assert_says(&gained, &format!("{n} MUL_MAT of q4_0 "));
    assert!(gained.iter().any(|sentence| sentence.contains(" are repacked")), "{gained:?}");
}

#[test]
fn types_and_sizes_of_the_cache_and_of_pieces_are_named() {
    let model = tiny("tiny-llama");
    let base = header(&model, params(256));
    let n = model.n_layer();
    let quantised = header(&model, params(256).type_k(KvType::Q8_0).type_v(KvType::Q8_0));
    let sentences = said(&base, &quantised);
    assert_says(
        &sentences,
        &format!("{} SET_ROWS and {n} FLASH_ATTN_EXT compute with q8_0 and did with f16", 2 * n),
    );
    assert_says(&sentences, "the KV buffer on the CPU shrank from ");
    let in_pieces = said(&base, &header(&model, params(256).n_ubatch(32)));
    assert_says(&in_pieces, "32 tokens are computed at once and 64 were (prompt)");
    let deeper = said(&base, &run(sweep(&model, params(0)).depths([2048])).header);
    assert_says(&deeper, "the KV buffer on the CPU grew from ");
    let weights = folder().join("q8_0.gguf");
    let synthetic = Synthetic::new(Shape::preset("tiny-llama").unwrap());
    synthetic.file_type("q8_0".parse().unwrap()).write_to(&weights).unwrap();
    let retyped = said(&base, &header(&load(&weights).unwrap(), params(256)));
    assert!(
        retyped.iter().any(|it| it.contains("MUL_MAT") && it.contains("compute with q8_0 and did with f16")),
        "{retyped:?}"
    );
    for loss in [&base, &quantised] {
        assert_eq!(losses(&base, loss), Vec::<String>::new());
    }
}

#[test]
fn layers_that_left_a_gpu_are_named_and_a_loss() {
    if !has_gpu("layers_that_left_a_gpu_are_named_and_a_loss") {
        return;
    }
    let path = llama_support::file("tiny-llama", false);
    let with = |n_gpu_layers| {
        let params = with!(ModelParams { n_gpu_layers, ..ModelParams::default() });
        Model::load_with(&path, &params).unwrap()
    };
    let (all, none) = (header(&with(99), params(64)), header(&with(0), params(64).op_offload(false)));
    let lost = losses(&all, &none);
    assert!(lost.iter().any(|it| it.contains("MUL_MAT") && it.contains(" to the CPU")), "{lost:?}");
    assert_eq!(losses(&none, &all), Vec::<String>::new());
}

#[test]
fn looking_at_the_work_changes_nothing_that_is_computed() {
    for shape in ["tiny-llama", "tiny-gemma3", "tiny-granite-hybrid"] {
        let model = tiny(shape);
        let logits = |looks: bool| {
            let mut context = Context::new(&model, &params(128)).unwrap();
            let mut all = Vec::new();
            for step in 0..3 {
                if looks {
                    // Between decodes as well: the sequence is left as it is.
                    context.work(WorkKind::Prompt, 64).unwrap();
                    context.work(WorkKind::Embedding, 64).unwrap();
                    context.work(WorkKind::Generation, 1).unwrap();
                }
                context.decode_tokens(&[5 + step, 6, 7]).unwrap();
                all.extend_from_slice(context.logits(-1).unwrap());
            }
            assert_eq!(context.n_past(), 9);
            all
        };
        assert_eq!(logits(true), logits(false), "{shape}");
    }
}

#[test]
fn a_traced_encoder_leaves_nothing_behind() {
    let model = tiny("tiny-t5");
    let start = model.decoder_start().unwrap();
    let logits = |looks: bool| {
        let mut context = Context::new(&model, &params(128)).unwrap();
        if looks {
            context.work(WorkKind::Prompt, 64).unwrap();
            assert!(context.decode_tokens(&[start]).is_err(), "no text was encoded yet");
        }
        context.encode_tokens(&[5, 6, 7]).unwrap();
        context.decode_tokens(&[start]).unwrap();
        context.logits(-1).unwrap().to_vec()
    };
    assert_eq!(logits(true), logits(false));
}

#[test]
fn sequences_are_counted_together() {
    let model = tiny("tiny-llama");
    for kv_unified in [false, true] {
        let params = params(256).n_seq_max(3).kv_unified(kv_unified);
        let mut context = Context::new(&model, &params).unwrap();
        assert_eq!(context.work(WorkKind::Generation, 1).unwrap().n_tokens, 3);
        let work = context.work(WorkKind::Prompt, 64).unwrap();
        assert_eq!(work, context.work(WorkKind::Prompt, 64).unwrap());
        // As many of each, and no more than are computed at once.
        assert!(work.n_tokens.is_multiple_of(3) && work.n_tokens <= context.n_ubatch(), "{work:?}");
    }
}

#[test]
fn it_is_recorded_by_every_method_unless_it_is_turned_off() {
    let model = tiny("tiny-llama");
    let of = |method| run(sweep(&model, params(0)).method(method).depths([0, 32])).header.work;
    assert_eq!(of(Method::Rewind), of(Method::FreshContext));
    assert_eq!(of(Method::Rewind).len(), 2);
    assert_eq!(run(sweep(&model, params(0)).record_work(false)).header.work, []);
}

#[test]
fn every_format_keeps_it_and_people_read_it() {
    let model = tiny("tiny-llama");
    let on = run(sweep(&model, params(0).flash_attn(FlashAttn::On)));
    let off = run(sweep(&model, params(0).flash_attn(FlashAttn::Off)));
    let report = Report { runs: vec![on, off] };
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let text = report::to_string(&report, format).unwrap();
        let read = report::read_str(&text).unwrap().report;
        assert_eq!(read, report, "{format}");
    }
    let rows: serde_json::Value =
        serde_json::from_str(&report::to_string(&report, Format::Json).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&report::json_schema()).unwrap();
    assert!(validator.is_valid(&rows));
    let page = report::html::page(&report).unwrap();
    for part in [
        "What llama.cpp computed differs",
        "flash attention is off: ",
        "<th scope=\"row\">FLASH_ATTN_EXT</th>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let alone = Report { runs: report.runs[..1].to_vec() };
    assert!(!report::html::page(&alone).unwrap().contains("computed differs"));
    let text = render(&alone, Style::default());
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A CPU with AMX repacks F16 too, which is said after the nodes.
    for part in [
        "What llama.cpp computes: 64 tokens of a prompt take ",
        " nodes on CPU",
        "; 1 token of a generation takes ",
    ] {
        assert!(said.contains(part), "{part}: {text}");
    }
}
