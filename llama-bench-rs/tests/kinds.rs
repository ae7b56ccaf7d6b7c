//! Models that keep no memory of past tokens or do not generate, through the wrapper.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    gguf::{Shape, Synthetic, TensorType, Value},
    llama::{Batch, Context, LlamaError, Model, Pooling},
};
use llama_support::{folder, load, params, tiny};

fn tokens(n: i32) -> Vec<i32> {
    (0..n).map(|i| (i * 7 + 3) % 1000).collect()
}

fn open(model: &Model, embeddings: bool) -> Context {
    Context::new(model, &params(256).embeddings(embeddings)).unwrap()
}

#[test]
fn llama_cpp_is_asked_what_a_model_can_do() {
    // Encoder, decoder, causal, memory, diffusion, pooling.
    for (shape, facts) in [
        ("tiny-llama", (false, true, true, true, false, Pooling::None)),
        ("tiny-mamba2", (false, true, true, true, false, Pooling::None)),
        ("tiny-bert", (false, true, false, false, false, Pooling::Mean)),
        ("tiny-rerank", (false, true, false, false, false, Pooling::Rank)),
        ("tiny-t5", (true, true, true, true, false, Pooling::None)),
        ("tiny-t5-encoder", (true, false, true, false, false, Pooling::None)),
        ("tiny-llada", (false, true, false, false, true, Pooling::None)),
    ] {
        let model = tiny(shape);
        let (encoder, decoder) = (model.has_encoder(), model.has_decoder());
        let rest = (model.is_causal(), model.keeps_memory(), model.is_diffusion(), model.pooling());
        assert_eq!((encoder, decoder, rest.0, rest.1, rest.2, rest.3), facts, "{shape}");
        assert_eq!(model.decoder_start(), (shape == "tiny-t5").then_some(0), "{shape}");
    }
}

#[test]
fn a_text_has_one_embedding_where_the_model_pools() {
    for (shape, n) in [("tiny-bert", 256), ("tiny-rerank", 1)] {
        let model = tiny(shape);
        assert_eq!(model.n_embd_out(), n);
        let mut context = open(&model, true);
        assert!(context.embeddings_seq(0).is_none(), "{shape}: nothing was computed");
        let mut embed = |tokens: &[i32]| {
            context.encode_tokens(tokens).unwrap();
            assert!(context.embeddings(0).is_none(), "{shape}: tokens have none of their own");
            assert!(context.embeddings_seq(1).is_none() && context.embeddings_seq(-1).is_none());
            assert_eq!(context.n_past(), 0, "{shape}");
            context.embeddings_seq(0).unwrap().to_vec()
        };
        let (one, other) = (embed(&tokens(40)), embed(&tokens(41)));
        assert_eq!(one.len(), n as usize, "{shape}");
        assert!(one.iter().all(|x| x.is_finite()) && one.iter().any(|x| *x != 0.0), "{shape}: {one:?}");
        assert_ne!(one, other, "{shape}");
        assert_eq!(one, embed(&tokens(40)), "{shape}: what was computed before has no influence");
    }
}

#[test]
fn each_token_has_an_embedding_where_the_model_does_not_pool() {
    for shape in ["tiny-t5-encoder", "tiny-t5"] {
        let mut context = open(&tiny(shape), true);
        context.encode_tokens(&tokens(5)).unwrap();
        assert!(context.embeddings_seq(0).is_none(), "{shape}");
        let first = context.embeddings(0).unwrap().to_vec();
        assert!(first.len() == 256 && first.iter().all(|x| x.is_finite()), "{shape}");
        assert_ne!(context.embeddings(4).unwrap(), first, "{shape}");
        assert!(context.embeddings(5).is_none() && context.embeddings(usize::MAX).is_none(), "{shape}");
        // They go when something else is computed, or fails.
        assert!(context.encode_tokens(&tokens(65)).is_err());
        context.set_embeddings(false);
        context.encode_tokens(&tokens(3)).unwrap();
        assert!(context.embeddings(0).is_none(), "{shape}: not asked for");
    }
    let mut context = open(&tiny("tiny-llama"), false);
    context.decode_tokens(&tokens(3)).unwrap();
    assert!(context.embeddings(0).is_none());
    context.set_embeddings(true);
    context.decode_tokens(&tokens(3)).unwrap();
    assert!(context.embeddings(2).is_some() && context.embeddings(3).is_none());
    assert!(context.logits(-1).is_some());
}

#[test]
fn logits_are_none_where_the_model_computes_none() {
    for shape in ["tiny-bert", "tiny-rerank"] {
        for embeddings in [false, true] {
            let mut context = open(&tiny(shape), embeddings);
            context.decode_tokens(&tokens(9)).unwrap();
            assert!(context.logits(-1).is_none() && context.logits(0).is_none(), "{shape}");
            assert_eq!(context.n_past(), 0, "{shape}");
            context.encode_tokens(&tokens(9)).unwrap();
            assert!(context.logits(-1).is_none(), "{shape}");
        }
    }
    let mut encoder = open(&tiny("tiny-t5-encoder"), true);
    encoder.encode_tokens(&tokens(9)).unwrap();
    assert!(encoder.logits(-1).is_none());
    let mut diffusion = open(&tiny("tiny-llada"), false);
    diffusion.decode_tokens(&tokens(9)).unwrap();
    assert!(diffusion.logits(-1).unwrap().iter().any(|logit| *logit != 0.0));
    assert_eq!((diffusion.n_past(), diffusion.has_memory()), (0, false));
}

#[test]
fn a_decoder_goes_on_from_what_the_encoder_read() {
    let model = tiny("tiny-t5");
    let start = model.decoder_start().unwrap();
    let mut context = open(&model, false);
    let early = context.decode_tokens(&[start]).unwrap_err().to_string();
    assert!(early.contains("encode one first"), "{early}");
    let mut say = |text: &[i32]| {
        context.memory_clear(false);
        context.encode_tokens(text).unwrap();
        assert!(context.logits(-1).is_none());
        assert_eq!(context.n_past(), 0);
        context.decode_tokens(&[start]).unwrap();
        context.decode_tokens(&[7]).unwrap();
        assert_eq!(context.n_past(), 2);
        context.logits(-1).unwrap().to_vec()
    };
    let (one, other) = (say(&tokens(20)), say(&tokens(30)));
    assert!(one.iter().all(|logit| logit.is_finite()));
    assert_ne!(one, other);
    assert_eq!(one, say(&tokens(20)));
}

#[test]
fn what_a_kind_of_model_cannot_do_is_an_error_that_says_so() {
    let said = |result: Result<(), LlamaError>| result.unwrap_err().to_string();
    for shape in ["tiny-bert", "tiny-llada", "tiny-t5-encoder", "tiny-t5"] {
        let mut context = open(&tiny(shape), false);
        let long = said(context.encode_tokens(&tokens(65)));
        assert!(long.contains("n_ubatch") && long.contains("65"), "{shape}: {long}");
        assert!(said(context.encode_tokens(&[])).contains("not 0"), "{shape}");
        assert!(said(context.encode_tokens(&[-1])).contains("vocabulary"), "{shape}");
        assert!(said(context.encode(&Batch::new())).contains("not 0"), "{shape}");
        context.encode_tokens(&tokens(64)).unwrap();
    }
    for shape in ["tiny-bert", "tiny-llada"] {
        let mut context = Context::new(&tiny(shape), &params(256).n_batch(128)).unwrap();
        let long = said(context.decode_tokens(&tokens(65)));
        assert!(long.contains("n_ubatch"), "{shape}: {long}");
    }
    let decoder = said(open(&tiny("tiny-llama"), false).encode_tokens(&[1]));
    assert!(decoder.contains("no encoder"), "{decoder}");
    let encoder = said(open(&tiny("tiny-t5-encoder"), false).decode_tokens(&[1]));
    assert!(encoder.contains("an encoder alone"), "{encoder}");
    let params = params(1024).n_batch(1024).n_ubatch(1024);
    let beyond = said(Context::new(&tiny("tiny-bert"), &params).unwrap().encode_tokens(&tokens(513)));
    assert!(beyond.contains("position 512"), "{beyond}");
}

#[test]
fn texts_of_one_batch_are_apart() {
    let model = tiny("tiny-bert");
    let mut context = Context::new(&model, &params(256).embeddings(true).n_seq_max(2)).unwrap();
    let mut batch = Batch::new();
    for (seq, n) in [(0, 20), (1, 30)] {
        tokens(n).iter().zip(0..).for_each(|(&token, at)| batch.add(token, at, &[seq], true).unwrap());
    }
    context.encode(&batch).unwrap();
    let both = [0, 1].map(|seq| context.embeddings_seq(seq).unwrap().to_vec());
    for (n, together) in [20, 30].into_iter().zip(&both) {
        context.encode_tokens(&tokens(n)).unwrap();
        let alone = context.embeddings_seq(0).unwrap();
        assert!(alone.iter().zip(together).all(|(a, b)| (a - b).abs() < 1e-2), "{alone:?} {together:?}");
    }
    batch.add(1, 0, &[2], true).unwrap();
    assert!(matches!(context.encode(&batch), Err(LlamaError::Sequence { seq: 2, .. })));
}

/// Files that are not models are refused before llama.cpp reads them: its message would name a missing tensor.
#[test]
fn a_projector_or_an_adapter_is_refused_by_what_it_is() {
    let text = |key: &str, value: &str| (key.to_owned(), Value::from(value));
    let tensors = || vec![("v.patch_embd.weight".to_owned(), vec![64, 64], TensorType::F16)];
    for (name, architecture, metadata, what) in [
        ("mmproj", "clip", vec![text("general.type", "mmproj")], "a projector"),
        ("old-mmproj", "clip", vec![], "a projector"),
        ("lora", "llama", vec![text("general.type", "adapter"), text("adapter.type", "lora")], "an adapter"),
        ("bare-lora", "llama", vec![text("general.type", "adapter")], "an adapter"),
        ("imatrix", "imatrix", vec![text("general.type", "imatrix")], "an importance matrix"),
        ("control", "controlvector", vec![], "a control vector"),
        ("later", "llama", vec![text("general.type", "thing")], "a file of type \"thing\""),
    ] {
        let path = folder().join(format!("{name}.gguf"));
        Synthetic::new(Shape::from_parts(name, architecture, metadata, tensors())).write_to(&path).unwrap();
        let error = load(&path).unwrap_err();
        assert_eq!(error.kind(), "model_load");
        let said = error.to_string();
        assert!(said.contains(what) && said.contains("name the model's own file"), "{name}: {said}");
    }
}
