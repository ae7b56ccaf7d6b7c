//! Grammars: followed exactly, or refused with the place of the fault.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{Context, LlamaError, Model, Sampler, Vocab};
use llama_support::{params, tiny_with_vocabulary};

fn model() -> Model {
    tiny_with_vocabulary("tiny-llama")
}

fn sampler(grammar: &str) -> Result<Sampler, LlamaError> {
    Sampler::chain(&model()).grammar(grammar, "root").greedy()
}

/// The token of this text and no other.
fn token_of(text: &str) -> i32 {
    let vocab = model().vocab().unwrap();
    (0..vocab.n_tokens() as i32).find(|&token| vocab.piece(token, false).unwrap() == text.as_bytes()).unwrap()
}

/// What a model of random weights says under a grammar.
fn says(grammar: &str, vocab: &Vocab) -> String {
    let mut sampler = sampler(grammar).unwrap();
    let mut context = Context::new(&model(), &params(256)).unwrap();
    let mut text = Vec::new();
    let mut token = vocab.bos().unwrap();
    for _ in 0..40 {
        context.decode_tokens(&[token]).unwrap();
        token = sampler.sample(&mut context, -1).unwrap();
        if vocab.is_eog(token) {
            break;
        }
        text.extend(vocab.piece(token, false).unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn noise_becomes_what_the_grammar_says() {
    let vocab = model().vocab().unwrap();
    assert_eq!(says("root ::= \"yes, of course\"", &vocab), "yes, of course");
    let one = says("# a choice\nroot ::= word (\" \" word)?\nword ::= \"red\" | \"green\"", &vocab);
    assert!(one.split(' ').all(|word| word == "red" || word == "green") && !one.is_empty(), "{one:?}");
    let number = says("root ::= [1-9] [0-9]{2,4}", &vocab);
    assert!((100..100_000).contains(&number.parse::<u32>().unwrap()), "{number:?}");
    let nested = says("root ::= \"[\" (root (\",\" root){0,1})? \"]\"", &vocab);
    assert!(nested.starts_with('['), "{nested:?}");
    assert_eq!(says("root ::= \"\u{e4}\u{f6}\"", &vocab), "\u{e4}\u{f6}", "characters in pieces");
}

#[test]
fn a_token_is_accepted_only_where_it_is_allowed() {
    let vocab = model().vocab().unwrap();
    let of = token_of;
    let mut sampler = sampler("root ::= \"ab\" | \"ac\"").unwrap();
    let end = vocab.eos().unwrap();
    for refused in [of("b"), end, -1, i32::MAX] {
        assert!(sampler.accept(refused).is_err(), "{refused}");
    }
    sampler.accept_prompt(&[of("z"), end]).unwrap();
    sampler.accept(of("a")).unwrap();
    assert!(sampler.accept(of("a")).is_err());
    sampler.accept(of("c")).unwrap();
    sampler.accept(end).unwrap();
    sampler.reset();
    sampler.accept(of("a")).unwrap();
}

#[test]
fn what_cannot_be_followed_is_refused_with_its_place() {
    let many = (0..600).map(|i| format!("r{i} ::= r{} | r{}\n", i + 1, i + 1)).collect::<String>();
    for (grammar, root, told) in [
        ("", "root", "no rules"),
        ("# nothing\n", "root", "no rules"),
        ("root", "root", "line 1: expecting ::= at its end"),
        ("root ::= \"a\"\nx ::= \"b", "root", "line 2: unexpected end of input"),
        ("root ::= [a", "root", "line 1: unexpected end of input"),
        ("root ::= \"\\q\"", "root", "unknown escape"),
        ("root ::= \"\\x1\"", "root", "hex"),
        ("root ::= (\"a\"", "root", "line 1: expecting ')' at its end"),
        ("root ::= *", "root", "expecting preceding item"),
        ("root ::= \"a\"{2001}", "root", "number of repetitions"),
        ("root ::= \"a\"{99999999999999999999}", "root", "stoul"),
        ("root ::= word", "root", "rule word is used and not defined"),
        ("root ::= \"a\"", "start", "no rule start"),
        ("root ::= root \"a\" | \"a\"", "root", "rule root may begin with itself"),
        ("root ::= a \"x\"\na ::= b\nb ::= root | \"b\"", "root", "may begin with itself"),
        // Empty only through another rule, which llama.cpp does not see: it would never end.
        ("root ::= a root \"x\" | \"y\"\na ::= b\nb ::= \"b\" | \"\"", "root", "may begin with itself"),
        ("root ::= (\"a\"*)*", "root", "may begin with itself"),
        ("root ::= <no such token>", "root", "token"),
        ("root ::= \"a\0b\"", "root", "NUL"),
        ("root ::= \"a\"", "ro\0ot", "NUL"),
    ] {
        let refused = Sampler::chain(&model()).grammar(grammar, root).greedy().unwrap_err().to_string();
        assert!(refused.contains(told), "{grammar:?}: {refused}");
        assert!(refused.len() < 300, "{refused}");
    }
    // Twice as many ways with each rule: llama.cpp would look at all 2^600.
    let refused = sampler(&format!("root ::= r0\n{many}r600 ::= \"a\"")).unwrap_err().to_string();
    assert!(refused.contains("may begin in more than 16384 ways"), "{refused}");
    let long = sampler(&"# so\n".repeat(300_000)).unwrap_err().to_string();
    assert!(long.contains("1500000 bytes"), "{long}");
}

/// Each bracket and each rule is a call within a call.
#[test]
fn deep_grammars_do_not_overrun_the_stack() {
    let brackets = format!("root ::= {}\"a\"{}", "(".repeat(10_000), ")".repeat(10_000));
    let chain = (0..10_000).map(|i| format!("r{i} ::= r{}\n", i + 1)).collect::<String>();
    let chain = format!("root ::= r0\n{chain}r10000 ::= \"a\"");
    for grammar in [brackets, chain] {
        std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || {
                let mut sampler = sampler(&grammar).unwrap();
                sampler.reset();
                sampler.accept(token_of("a")).unwrap();
            })
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn when_nothing_is_allowed_it_says_so() {
    let vocab = model().vocab().unwrap();
    let ends = (0..vocab.n_tokens() as i32).filter(|&token| vocab.is_eog(token));
    let mut sampler = Sampler::chain(&model())
        .grammar("root ::= \"a\"", "root")
        .logit_bias(ends.map(|token| (token, f32::NEG_INFINITY)))
        .greedy()
        .unwrap();
    let mut context = Context::new(&model(), &params(64)).unwrap();
    context.decode_tokens(&[1]).unwrap();
    sampler.sample(&mut context, -1).unwrap();
    let refused = sampler.sample(&mut context, -1).unwrap_err();
    assert!(refused.to_string().contains("no token is left after logit_bias"), "{refused}");
}
