//! An application's own code: it answers with llama-cpp-2, and measures the model that it answers with.

use std::{error::Error, num::NonZeroU32};

use llama_bench_llama_cpp_2::{
    context_params,
    llama_bench_rs::{Model, Report, Sweep},
};
use llama_cpp_2::{
    context::params::LlamaContextParams, llama_backend::LlamaBackend, llama_batch::LlamaBatch,
    model::LlamaModel, sampling::LlamaSampler,
};

/// Contexts as this application makes them: one thread, for tests that do not compete for cores.
pub fn context() -> LlamaContextParams {
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(256))
        .with_n_batch(64)
        .with_n_ubatch(64)
        .with_n_threads(1)
        .with_n_threads_batch(1)
}

/// The tokens of a text, followed by the likeliest ones.
pub fn answer(
    llama: &LlamaBackend,
    model: &LlamaModel,
    text: &str,
    n_tokens: usize,
) -> Result<Vec<i32>, Box<dyn Error>> {
    let mut context = model.new_context(llama, context())?;
    let mut tokens = model.vocab().tokenize(text.as_bytes(), true, false);
    let mut batch = LlamaBatch::new(64, 1);
    for (i, token) in tokens.iter().enumerate() {
        batch.add(*token, i32::try_from(i)?, &[0], i + 1 == tokens.len())?;
    }
    let mut sampler = LlamaSampler::greedy();
    for _ in 0..n_tokens {
        context.decode(&mut batch)?;
        let token = sampler.sample(&context, batch.n_tokens() - 1);
        batch.clear();
        batch.add(token, i32::try_from(tokens.len())?, &[0], true)?;
        tokens.push(token);
    }
    Ok(tokens.into_iter().map(|token| token.0).collect())
}

/// Measures as the application computes.
pub fn measure(model: &Model) -> Result<Report, Box<dyn Error>> {
    let context = context_params(&context())?;
    Ok(Sweep::new(model).context(context).prompt(32).generate(4).depths([0, 64]).repetitions(2).run()?)
}

/// The programs of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/llama-cpp-2.md")]
struct Guide;
