//! How tokens are chosen.

use llama_bench_rs::llama::{LlamaError, Model, Penalties, Sampler, SamplerParams};

use crate::args::Args;

/// Refuses values out of range before a model is loaded.
pub fn check(args: &Args) -> Result<(), LlamaError> {
    let Args { temp: temperature, top_k, top_p, min_p, seed, .. } = *args;
    let params =
        SamplerParams::default().temperature(temperature).top_k(top_k).top_p(top_p).min_p(min_p).seed(seed);
    Sampler::new(&params).map(drop)
}

/// In llama.cpp's usual order.
pub fn sampler(args: &Args, grammar: Option<&str>, model: &Model) -> Result<Sampler, LlamaError> {
    let vocab = model.vocab()?;
    let mut chain = Sampler::chain(model);
    if args.ignore_eos {
        let ends = (0..vocab.n_tokens() as i32).filter(|&token| vocab.is_eog(token));
        chain = chain.logit_bias(ends.map(|token| (token, f32::NEG_INFINITY)));
    }
    if args.repeat_penalty != 1.0 {
        chain = chain.penalties(Penalties::default().repeat(args.repeat_penalty));
    }
    if let Some(grammar) = grammar {
        chain = chain.grammar(grammar, "root");
    }
    if args.temp == 0.0 {
        return chain.greedy();
    }
    chain.top_k(args.top_k).top_p(args.top_p).min_p(args.min_p).temperature(args.temp).draw(args.seed)
}
