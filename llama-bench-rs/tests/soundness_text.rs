//! Text, patterns and vocabularies that llama.cpp would recurse over, or never end with.
#![allow(missing_docs)]

mod child_support;
mod llama_support;

use std::{path::PathBuf, thread};

use child_support::{again, can_limit_addresses, role, told};
use llama_bench_rs::{
    gguf::{GgufFile, Shape, Synthetic, Value},
    llama::{LlamaError, Model, ModelParams, Vocab},
};
use llama_support::{file, folder, load};

/// A tiny llama with this vocabulary.
fn with_vocabulary(name: &str, keys: Vec<(&str, Value)>) -> PathBuf {
    let file = GgufFile::open(file("tiny-llama", false)).unwrap();
    let own = |key: &str| key.starts_with("general.") || key.starts_with("tokenizer.");
    let mut metadata: Vec<_> = file.metadata.iter().filter(|(key, _)| !own(key)).cloned().collect();
    metadata.extend(keys.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)));
    let tensors = file.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type)).collect();
    let path = folder().join(format!("{name}.gguf"));
    Synthetic::new(Shape::from_parts(name, "llama", metadata, tensors)).write_to(&path).unwrap();
    path
}

fn vocab(path: &std::path::Path) -> Vocab {
    Model::load_with(path, &ModelParams::default().vocab_only(true)).unwrap().vocab().unwrap()
}

/// A vocabulary of bytes, whose text is split into words as another model's is: token 65 is `A`.
fn bytes_split_like(pre: &str) -> Vocab {
    let visible = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut hidden = 256..;
    let mut tokens: Vec<String> = (0..256)
        .map(|byte| if visible(byte) { byte } else { hidden.next().unwrap() })
        .map(|c| char::from_u32(c).unwrap().to_string())
        .collect();
    tokens.extend((256..1024).map(|i| format!("<unused{i}>")));
    let keys = vec![
        ("model", "gpt2".into()),
        ("pre", pre.into()),
        ("tokens", tokens.into()),
        ("merges", vec!["a b".to_owned()].into()),
        ("add_bos_token", Value::Bool(false)),
    ];
    vocab(&with_vocabulary(&format!("bytes-{pre}"), keys))
}

fn bytes(vocab: &Vocab, text: &str) {
    let tokens = vocab.tokenize(text, false, false).unwrap();
    let is_same =
        tokens.len() == text.len() && tokens.iter().zip(text.bytes()).all(|(&t, b)| t == i32::from(b));
    assert!(is_same, "{} tokens of {} bytes, {:?}...", tokens.len(), text.len(), &text[..text.len().min(4)]);
}

/// The splitters of published models that use `std::regex`, and two that do not.
const SPLITTERS: &[&str] = &[
    "gpt-4o",
    "llama4",
    "tekken",
    "deepseek-v3",
    "deepseek-coder",
    "minimax-m2",
    "kanana2",
    "superbpe",
    "falcon",
    "exaone-moe",
    "bloom",
    "default",
    "gpt-2",
    "qwen2",
];

#[test]
fn words_of_any_length_are_split() {
    for pre in SPLITTERS {
        let vocab = bytes_split_like(pre);
        for (pattern, times) in
            [("//\n", 4_000), ("\r\n/", 4_000), ("/", 12_000), ("1", 12_000), ("a\u{301}", 6_000)]
        {
            bytes(&vocab, &pattern.repeat(times));
        }
    }
}

#[test]
fn long_text_is_split_from_small_stacks_and_many_threads() {
    let vocab = bytes_split_like("gpt-4o");
    for pattern in ["//\n", "aB", "\n", "  \n", "!"] {
        let text = pattern.repeat(2_000);
        let threads = (0..8).map(|i| {
            let (vocab, text) = (vocab.clone(), text.clone());
            let split = move || (0..3).for_each(|_| bytes(&vocab, &text[..text.len() - i]));
            thread::Builder::new().stack_size(64 << 10).spawn(split).unwrap()
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    }
    bytes(&vocab, &"//\n".repeat(100_000));
    // Short ones too: patterns are read by recursion.
    let short = move || bytes(&vocab, "a word / and\nanother");
    thread::Builder::new().stack_size(32 << 10).spawn(short).unwrap().join().unwrap();
}

/// The address space is smaller than the stack would be.
#[test]
#[cfg(unix)]
fn text_that_no_stack_can_be_had_for_is_an_error() {
    if role().is_some() {
        let vocab = bytes_split_like("gpt-4o");
        let text = "/".repeat(8 << 20);
        match vocab.tokenize(&text, false, false) {
            Err(LlamaError::Text { why, .. }) => println!("refused: {why}"),
            other => println!("{:?}", other.map(|tokens| tokens.len())),
        }
        bytes(&vocab, "and it goes on");
        println!("went on");
        return;
    }
    const NAME: &str = "text_that_no_stack_can_be_had_for_is_an_error";
    if !can_limit_addresses(NAME) {
        return;
    }
    let output = again(NAME, "split", "ulimit -v 3000000");
    let told = told(&output);
    assert!(output.status.success() && told.contains("refused:") && told.contains("went on"), "{told}");
    assert!(told.contains("split the text"), "{told}");
}

fn with_pattern(pattern: &str) -> Result<Model, LlamaError> {
    let overrides = vec![(pattern.to_owned(), "CPU".to_owned())];
    let params = ModelParams::default().tensor_buft_overrides(overrides);
    Model::load_with(file("tiny-gpt-oss", false), &params)
}

#[test]
fn patterns_neither_overrun_the_stack_nor_run_for_ever() {
    for n in [1_000, 20_000] {
        let nested = format!("{}a{}", "(".repeat(n), ")".repeat(n));
        for pattern in [nested, "a".repeat(n * 10), format!("((a{{{n}}}){{{n}}})"), "(?:".repeat(n)] {
            match with_pattern(&pattern) {
                Err(LlamaError::Parameter { name: "tensor_buft_overrides", value, remedy }) => {
                    assert!(value.len() < 200 && remedy.len() < 400, "{value} {remedy}");
                }
                // A pattern that is merely long.
                Ok(model) => assert_eq!(model.unmatched_overrides().len(), 1),
                Err(other) => panic!("{other}"),
            }
        }
        for pattern in [vec!["a"; n].join("|"), format!("[{}]", "a-z".repeat(n)), "(.*)*".repeat(n / 100)] {
            with_pattern(&pattern).unwrap();
        }
    }
    for pattern in ["(.*)*z", "^(([a-z_.0-9])+)+$!", "(a|a|a)*(b|b)*$x", "((((a*)*)*)*)*z", "(.*.*.*)*!"] {
        with_pattern(pattern).unwrap();
    }
    for (pattern, sign) in [("(?=a)", "look-ahead"), (r"(a)\1", "back-references"), ("[a&&b]", "&&")] {
        let refused = with_pattern(pattern).unwrap_err().to_string();
        assert!(refused.contains(sign), "{refused}");
    }
}

#[test]
fn an_override_without_a_tensor_is_known() {
    assert!(with_pattern("exps").unwrap().unmatched_overrides().is_empty());
    assert_eq!(with_pattern("no such tensor").unwrap().unmatched_overrides(), ["no such tensor"]);
    let experts = |shape| {
        let params = ModelParams::default().n_cpu_moe(2);
        Model::load_with(file(shape, false), &params).unwrap().unmatched_overrides().to_vec()
    };
    assert_eq!(experts("tiny-gpt-oss"), [""; 0]);
    assert_eq!(experts("tiny-llama"), ["n_cpu_moe = 2"]);
    let many = vec![("a".to_owned(), "CPU".to_owned()); 5_000];
    let refused =
        Model::load_with(file("tiny-llama", false), &ModelParams::default().tensor_buft_overrides(many));
    assert!(matches!(refused, Err(LlamaError::Parameter { name: "tensor_buft_overrides", .. })));
}

fn rwkv(name: &str, tokens: Vec<String>) -> PathBuf {
    let mut tokens = tokens;
    tokens.extend((tokens.len()..1024).map(|i| format!("~{i}")));
    with_vocabulary(name, vec![("model", "rwkv".into()), ("tokens", tokens.into())])
}

#[test]
fn a_vocabulary_whose_starts_are_no_tokens_is_refused() {
    let single = || (0..256).map(|byte| format!("\\x{byte:02x}"));
    let whole = vocab(&rwkv("rwkv", single().chain(["ab".into(), "abcd".into(), "\\n\\n".into()]).collect()));
    let text = "abc\n\nabcd \u{4e16}x~";
    let tokens = whole.tokenize(text, false, false).unwrap();
    assert_eq!(tokens[..2], [256, i32::from(b'c')]);
    assert_eq!(whole.detokenize(&tokens, false).unwrap(), text);
    // Without a token for a single line feed, for one letter, and for a byte that no text begins with.
    for (name, missing, token) in
        [("lf", b'\n', "\\n\\n"), ("letter", b'q', "qu"), ("byte", 0xff, "\\xff\\x00")]
    {
        let tokens =
            single().enumerate().filter(|&(byte, _)| byte != usize::from(missing)).map(|(_, token)| token);
        let refused = load(&rwkv(name, tokens.chain([token.to_owned()]).collect())).unwrap_err();
        assert!(matches!(refused, LlamaError::File { .. }), "{refused}");
        assert!(refused.to_string().contains("first byte must be a token"), "{refused}");
    }
}

#[test]
fn tokens_too_long_for_a_tree_are_refused() {
    let long = "a".repeat(200_000);
    for kind in ["rwkv", "t5", "plamo2"] {
        let mut tokens: Vec<String> = (0..256).map(|byte| format!("\\x{byte:02x}")).collect();
        tokens.push(long.clone());
        tokens.extend((tokens.len()..1024).map(|i| format!("~{i}")));
        let path =
            with_vocabulary(&format!("long-{kind}"), vec![("model", kind.into()), ("tokens", tokens.into())]);
        let refused = load(&path).unwrap_err();
        assert!(matches!(refused, LlamaError::File { .. }), "{kind}: {refused}");
    }
}
