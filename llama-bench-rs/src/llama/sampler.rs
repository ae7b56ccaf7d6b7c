use std::ptr::NonNull;

use super::{Context, LlamaError, Token, context::last_exception, sys};

/// How the next token is chosen. The default takes the most likely one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerParams {
    /// Flattens (above 1) or sharpens (below 1) the distribution, from 0.000001; 0 takes the most likely token always.
    pub temperature: f32,
    /// Only the most likely so many tokens; 0 for all.
    pub top_k: u32,
    /// Only the most likely tokens that together have this probability, 0 to 1; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this share as likely as the most likely one, 0 to 1; 0 for all.
    pub min_p: f32,
    /// Seed of the draws; `u32::MAX` is another one each time.
    #[doc(alias = "LLAMA_DEFAULT_SEED")]
    pub seed: u32,
}

/// Below this, logits divided by it would be infinite, and their differences no numbers.
const MIN_TEMPERATURE: f32 = 1e-6;

impl Default for SamplerParams {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 42 }
    }
}

/// Chooses tokens by the logits of a context.
///
/// `Send`: a sampler chain is tied to no thread. Not `Sync`: drawing changes it.
#[doc(alias = "llama_sampler")]
#[derive(Debug)]
pub struct Sampler {
    chain: NonNull<sys::llama_sampler>,
}

// SAFETY: a sampler chain may be used from any one thread at a time, and drawing takes `&mut self`.
unsafe impl Send for Sampler {}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: made once, freed once; it owns the samplers in it.
        unsafe { sys::llama_sampler_free(self.chain.as_ptr()) };
    }
}

impl Sampler {
    /// A chain of top-k, top-p, min-p, temperature and a seeded draw, in llama.cpp's usual order.
    ///
    /// # Errors
    /// A value is out of range.
    #[doc(alias = "llama_sampler_chain_init")]
    pub fn new(params: &SamplerParams) -> Result<Self, LlamaError> {
        let SamplerParams { temperature, top_k, top_p, min_p, seed } = *params;
        let refuse = |name, value: f32, remedy: &str| {
            Err(LlamaError::Parameter { name, value: value.to_string(), remedy: remedy.into() })
        };
        if !(temperature == 0.0 || (temperature.is_finite() && temperature >= MIN_TEMPERATURE)) {
            return refuse("temperature", temperature, "give 0 (greedy), or 0.000001 or more");
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return refuse("top_p", top_p, "give more than 0, up to 1");
        }
        if !(0.0..=1.0).contains(&min_p) {
            return refuse("min_p", min_p, "give 0 to 1");
        }
        let top_k = i32::try_from(top_k).unwrap_or(i32::MAX);
        // SAFETY: no preconditions; each sampler is handed to the chain, which frees it.
        let chain = unsafe {
            let chain = sys::llama_sampler_chain_init(sys::llama_sampler_chain_default_params());
            if temperature == 0.0 {
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_greedy());
            } else {
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_top_k(top_k));
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_top_p(top_p, 1));
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_min_p(min_p, 1));
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_temp(temperature));
                sys::llama_sampler_chain_add(chain, sys::llama_sampler_init_dist(seed));
            }
            chain
        };
        let failed = || LlamaError::OutOfMemory { what: "making a sampler".into(), log: String::new() };
        Ok(Self { chain: NonNull::new(chain).ok_or_else(failed)? })
    }

    /// Chooses a token by the logits of an output, counted as in [`Context::logits`], and remembers it.
    ///
    /// # Errors
    /// There are no such logits, or they are no numbers.
    #[doc(alias = "llama_sampler_sample")]
    pub fn sample(&mut self, context: &mut Context, output: i32) -> Result<Token, LlamaError> {
        context.check_intact("llama_sampler_sample")?;
        let Some(logits) = context.logits(output) else {
            return Err(LlamaError::Parameter {
                name: "output",
                value: output.to_string(),
                remedy: "the last decode left no logits there: decode first and ask for them".into(),
            });
        };
        // NaN has no order, and sorting with it is undefined; infinity less itself is NaN.
        if let Some(logit) = logits.iter().find(|logit| logit.is_nan() || **logit == f32::INFINITY) {
            return Err(LlamaError::Unsupported {
                what: "choosing a token".into(),
                why: format!("the logits contain {logit}: the weights or the state are damaged"),
            });
        }
        // SAFETY: a live chain and context, and an output that was just seen to be there.
        let token = unsafe { sys::llama_sys_sampler_sample(self.chain.as_ptr(), context.as_raw(), output) };
        match last_exception() {
            Some(_) => Err(context.broken_by("llama_sampler_sample")),
            None => Ok(token),
        }
    }

    /// Forgets what was chosen; the draws begin again at the seed.
    #[doc(alias = "llama_sampler_reset")]
    pub fn reset(&mut self) {
        // SAFETY: a live chain.
        unsafe { sys::llama_sampler_reset(self.chain.as_ptr()) };
    }
}
