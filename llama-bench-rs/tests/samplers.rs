//! Samplers put together from steps: what each does, and values that llama.cpp would abort or compute nonsense with.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{
    Context, Dry, LlamaError, Model, Penalties, Sampler, SamplerChain, SamplerParams, Token,
};
use llama_bench_rs::with;
use llama_support::{params, tiny, tiny_with_vocabulary};

/// A context with logits to choose by.
fn context(model: &Model) -> Context {
    let mut context = Context::new(model, &params(256)).unwrap();
    context.decode_tokens(&[1, 2, 3]).unwrap();
    context
}

/// The tokens, the most likely first.
fn by_logit(context: &mut Context) -> Vec<Token> {
    let logits = context.logits(-1).unwrap();
    let mut tokens: Vec<Token> = (0..logits.len() as Token).collect();
    tokens.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    tokens
}

fn chain() -> SamplerChain {
    Sampler::chain(&tiny("tiny-llama"))
}

#[test]
fn biases_rule_tokens_out_and_in() {
    let model = tiny("tiny-llama");
    let mut context = context(&model);
    let best = by_logit(&mut context);
    let mut choose = |chain: SamplerChain| chain.greedy().unwrap().sample(&mut context, -1);
    assert_eq!(choose(chain()).unwrap(), best[0]);
    assert_eq!(choose(chain().logit_bias([(best[0], f32::NEG_INFINITY)])).unwrap(), best[1]);
    assert_eq!(choose(chain().logit_bias([(best[9], 1e6)])).unwrap(), best[9]);
    assert_eq!(choose(chain().top_k(20).logit_bias([(best[9], 1e6), (best[30], 1e6)])).unwrap(), best[9]);
    assert_eq!(choose(chain().logit_bias([])).unwrap(), best[0]);
    let none = (0..model.n_vocab() as Token).map(|token| (token, f32::NEG_INFINITY));
    let refused = choose(chain().logit_bias(none)).unwrap_err();
    assert!(refused.to_string().contains("no token is left after logit_bias"), "{refused}");
    for bad in [(-1, 0.0), (model.n_vocab() as Token, 0.0), (1, f32::NAN), (1, f32::INFINITY), (1, 1e7)] {
        assert!(chain().logit_bias([bad]).greedy().is_err(), "{bad:?}");
    }
    assert!(chain().logit_bias([(1, 0.0), (1, 0.0)]).greedy().is_err());
}

#[test]
fn penalties_count_what_was_there_and_the_prompt() {
    let mut context = context(&tiny("tiny-llama"));
    let best = by_logit(&mut context);
    let strong = with!(Penalties { presence: 100.0, ..Penalties::default() });
    let mut sampler = chain().penalties(strong).greedy().unwrap();
    let three: Vec<_> = (0..3).map(|_| sampler.sample(&mut context, -1).unwrap()).collect();
    assert_eq!(three, best[..3]);
    sampler.reset();
    sampler.accept_prompt(&best[..2]).unwrap();
    assert_eq!(sampler.sample(&mut context, -1).unwrap(), best[2]);
    sampler.reset();
    sampler.accept(best[0]).unwrap();
    assert_eq!(sampler.sample(&mut context, -1).unwrap(), best[1]);
    assert!(sampler.accept(-1).is_err() && sampler.accept_prompt(&[1, 1 << 20]).is_err());
    let mut off = chain().penalties(with!(Penalties { last_n: 0, ..strong })).greedy().unwrap();
    off.accept(best[0]).unwrap();
    assert_eq!(off.sample(&mut context, -1).unwrap(), best[0]);
}

#[test]
fn steps_narrow_the_choice() {
    let model = tiny_with_vocabulary("tiny-llama");
    let mut context = context(&model);
    let best = by_logit(&mut context);
    let mut draw = |step: fn(SamplerChain) -> SamplerChain| -> Vec<usize> {
        let mut sampler = step(Sampler::chain(&model)).draw(7).unwrap();
        let mut ranks: Vec<_> = (0..50).map(|_| sampler.sample(&mut context, -1).unwrap()).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks.iter().map(|token| best.iter().position(|it| it == token).unwrap()).collect()
    };
    let most = |ranks: &[usize]| ranks.iter().copied().max().unwrap();
    let all = draw(|chain| chain);
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(most(&draw(|chain| chain.top_k(1))), 0);
    assert!(most(&draw(|chain| chain.top_k(5))) < 5);
    assert_eq!(most(&draw(|chain| chain.top_p(1e-6))), 0);
    assert_eq!(most(&draw(|chain| chain.min_p(1.0))), 0);
    assert_eq!(most(&draw(|chain| chain.temperature(0.0))), 0);
    assert_eq!(most(&draw(|chain| chain.top_n_sigma(1e-6))), 0);
    assert!(most(&draw(|chain| chain.top_n_sigma(1.0))) < most(&all));
    assert!(draw(|chain| chain.typical(0.05)).len() < all.len());
    assert!(draw(|chain| chain.dynamic_temperature(0.5, 0.4, 1.0)).len() > 1);
    // The two most likely are dropped, but for the lesser of them.
    let excluded = draw(|chain| chain.top_k(2).xtc(1.0, 0.01, 3));
    assert_eq!(excluded, [1]);
    let mut surprise = Sampler::chain(&model).mirostat(3.0, 0.1, 5).unwrap();
    (0..50).for_each(|_| assert!(surprise.sample(&mut context, -1).is_ok()));
}

#[test]
fn repetitions_are_not_continued() {
    let model = tiny_with_vocabulary("tiny-llama");
    let mut context = context(&model);
    let best = by_logit(&mut context);
    let dry = with!(Dry { multiplier: 1000.0, ..Dry::default() });
    let mut sampler = Sampler::chain(&model).dry(&dry).greedy().unwrap();
    // Three tokens were followed by the best one before, and are there again.
    let repeated = [300, 301, 302, best[0], 300, 301, 302];
    sampler.accept_prompt(&repeated).unwrap();
    assert_eq!(sampler.sample(&mut context, -1).unwrap(), best[1]);
    sampler.reset();
    assert_eq!(sampler.sample(&mut context, -1).unwrap(), best[0]);
}

#[test]
fn every_value_works_or_is_refused() {
    let model = tiny_with_vocabulary("tiny-llama");
    let mut context = context(&model);
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        f32::MAX,
        -1.0,
        0.0,
        -0.0,
        1e-6,
        0.5,
        1.0,
        1.5,
        100.0,
    ];
    let counts = [0, 1, 2, 1 << 20, (1 << 20) + 1, i32::MAX as u32, u32::MAX];
    let mut n_good = 0;
    let mut try_it = |sampler: Result<Sampler, LlamaError>| match sampler {
        Ok(mut sampler) => {
            n_good += 1;
            for _ in 0..3 {
                sampler.sample(&mut context, -1).unwrap();
            }
        }
        Err(error) => {
            assert!(matches!(error, LlamaError::Parameter { .. }), "{error}");
            let told = error.to_string();
            assert!(told.contains("give") || told.contains("it must"), "{told}");
        }
    };
    let chain = || Sampler::chain(&model);
    for a in odd {
        for step in [
            SamplerChain::top_n_sigma,
            SamplerChain::typical,
            SamplerChain::top_p,
            SamplerChain::min_p,
            SamplerChain::temperature,
        ] {
            try_it(step(chain(), a).draw(1));
            try_it(step(chain().temperature(1e-6), a).mirostat(5.0, 0.1, 1).or_else(|_| chain().greedy()));
        }
        for b in odd {
            try_it(chain().xtc(a, b, 1).draw(1));
            try_it(chain().dynamic_temperature(a, b, 1.0).draw(1));
            try_it(chain().dynamic_temperature(1.0, a, b).draw(1));
            try_it(chain().mirostat(a, b, 1));
            try_it(
                chain()
                    .penalties(with!(Penalties { repeat: a, frequency: b, ..Penalties::default() }))
                    .draw(1),
            );
            try_it(
                chain()
                    .penalties(with!(Penalties { presence: a, repeat: b, ..Penalties::default() }))
                    .draw(1),
            );
            try_it(
                chain()
                    .dry(&with!(Dry { multiplier: a, base: b, breakers: Vec::new(), ..Dry::default() }))
                    .draw(1),
            );
        }
    }
    for n in counts {
        try_it(chain().top_k(n).draw(1));
        try_it(chain().penalties(with!(Penalties { last_n: n, ..Penalties::default() })).draw(1));
        try_it(chain().dry(&with!(Dry { last_n: n, breakers: Vec::new(), ..Dry::default() })).draw(1));
        try_it(
            chain().dry(&with!(Dry { allowed_length: n, breakers: Vec::new(), ..Dry::default() })).draw(1),
        );
    }
    for breaker in ["", "\0", "\u{3002}", &"a".repeat(41)] {
        let breakers = vec![breaker.to_owned()];
        assert!(chain().dry(&with!(Dry { breakers, ..Dry::default() })).draw(1).is_err(), "{breaker:?}");
    }
    assert!(n_good > 200, "{n_good}");
}

#[test]
fn a_chain_takes_each_step_once_and_knows_its_model() {
    let twice = chain().temperature(1e-6).top_k(3).temperature(1e-6).greedy().unwrap_err();
    assert!(twice.to_string().contains("temperature = twice"), "{twice}");
    let mut sampler = chain().top_k(5).greedy().unwrap();
    assert_eq!(sampler.steps().collect::<Vec<_>>(), ["top_k", "greedy"]);
    let refused = sampler.sample(&mut context(&tiny("tiny-qwen3moe")), -1).unwrap_err();
    assert!(refused.to_string().contains("another model"), "{refused}");
    let greedy = Sampler::new(&with!(SamplerParams { top_p: 0.9, ..SamplerParams::default() })).unwrap();
    assert_eq!(greedy.steps().collect::<Vec<_>>(), ["greedy"], "no other step changes what is most likely");
    // One without knowledge of tokens serves every model.
    let mut plain = Sampler::new(&SamplerParams::default()).unwrap();
    plain.sample(&mut context(&tiny("tiny-llama")), -1).unwrap();
    plain.sample(&mut context(&tiny("tiny-qwen3moe")), -1).unwrap();
    let no_words = chain().grammar("root ::= \"a\"", "root").greedy().unwrap_err();
    assert!(matches!(no_words, LlamaError::Text { .. }), "{no_words}");
}

/// A sampler keeps the vocabulary that its grammar reads.
#[test]
fn a_sampler_outlives_its_model() {
    let path = llama_support::file("tiny-llama", true);
    let model = llama_support::load(&path).unwrap();
    let mut sampler = Sampler::chain(&model).grammar("root ::= [a-z]+", "root").greedy().unwrap();
    drop(model);
    let vocab = tiny_with_vocabulary("tiny-llama").vocab().unwrap();
    let is_letter = |token: &Token| vocab.piece(*token, false).unwrap() == b"e";
    sampler.accept((0..vocab.n_tokens() as Token).find(is_letter).unwrap()).unwrap();
    std::thread::spawn(move || sampler.reset()).join().unwrap();
}
