//! Each of llama.cpp's samplers, with the values that it can take.

use std::{collections::HashSet, ffi::c_char};

use super::{
    Dry, LlamaError, Model, Penalties, Token, checks,
    sampler_step::{Kind, Stack, Step},
    stack, sys,
};

/// Below this, logits divided by it would be infinite, and their differences no numbers.
const MIN_TEMPERATURE: f32 = 1e-6;

/// The largest bias; minus infinity rules a token out.
const MAX_BIAS: f32 = 1e6;

/// Tokens to look back at the most: a few megabytes.
const MAX_LAST_N: u32 = 1 << 20;

/// llama.cpp cuts longer ones.
const MAX_BREAKER_BYTES: usize = 40;

fn check<T: ToString>(name: &'static str, value: T, is_good: bool, remedy: &str) -> Result<(), LlamaError> {
    if is_good {
        return Ok(());
    }
    Err(LlamaError::Parameter { name, value: value.to_string(), remedy: remedy.into() })
}

fn check_last_n(name: &'static str, last_n: u32) -> Result<(), LlamaError> {
    check(name, last_n, last_n <= MAX_LAST_N, "give 0 to 1048576 tokens")
}

/// The model of a chain; only [`Sampler::new`](super::Sampler::new) makes one without, of steps that need none.
pub(super) fn needed<'a>(name: &'static str, model: Option<&'a Model>) -> Result<&'a Model, LlamaError> {
    let remedy = "this step needs a model: begin with Sampler::chain".to_owned();
    model.ok_or(LlamaError::Parameter { name, value: "without a model".into(), remedy })
}

/// A step made of plain numbers.
pub(super) fn step(raw: *mut sys::llama_sampler, name: &'static str, kind: Kind) -> Result<Step, LlamaError> {
    // SAFETY: just made, of plain numbers, and given to nobody else.
    unsafe { Step::new(raw, name, kind, Stack::default()) }
}

pub(super) fn logit_bias(model: Option<&Model>, bias: &[(Token, f32)]) -> Result<Step, LlamaError> {
    let n_vocab = needed("logit_bias", model)?.n_vocab();
    let mut seen = HashSet::new();
    for &(token, bias) in bias {
        if token < 0 || token as u32 >= n_vocab {
            return Err(LlamaError::Token { token, n_vocab });
        }
        let is_good = bias.abs() <= MAX_BIAS || bias == f32::NEG_INFINITY;
        check(
            "logit_bias",
            bias,
            is_good,
            "give up to 1000000 either way, or minus infinity to rule it out",
        )?;
        check("logit_bias", token, seen.insert(token), "name each token once")?;
    }
    let raw: Vec<_> = bias.iter().map(|&(token, bias)| sys::llama_logit_bias { token, bias }).collect();
    // SAFETY: as many entries as it says, which are copied; each names a token of the vocabulary once, so there are
    // fewer than 2^31.
    let raw =
        unsafe { sys::llama_sys_sampler_init_logit_bias(n_vocab as i32, raw.len() as i32, raw.as_ptr()) };
    step(raw, "logit_bias", Kind::Filter)
}

pub(super) fn penalties(model: Option<&Model>, penalties: &Penalties) -> Result<Step, LlamaError> {
    let n_vocab = needed("penalties", model)?.n_vocab();
    let Penalties { last_n, repeat, frequency, presence } = *penalties;
    check_last_n("last_n", last_n)?;
    check("repeat", repeat, (0.01..=100.0).contains(&repeat), "give 0.01 to 100; 1 turns it off")?;
    for (name, value) in [("frequency", frequency), ("presence", presence)] {
        check(name, value, (-100.0..=100.0).contains(&value), "give -100 to 100; 0 turns it off")?;
    }
    // SAFETY: numbers in their ranges.
    let raw = unsafe {
        let (n_vocab, last_n) = (n_vocab as i32, last_n as i32);
        sys::llama_sys_sampler_init_penalties(n_vocab, last_n, repeat, frequency, presence)
    };
    step(raw, "penalties", Kind::Filter)
}

pub(super) fn dry(model: Option<&Model>, dry: &Dry) -> Result<Step, LlamaError> {
    let vocab = needed("dry", model)?.vocab()?;
    let Dry { multiplier, base, allowed_length, last_n, ref breakers } = *dry;
    check("multiplier", multiplier, (0.0..=1000.0).contains(&multiplier), "give 0 to 1000; 0 turns it off")?;
    check("base", base, (1.0..=100.0).contains(&base), "give 1 to 100")?;
    check_last_n("allowed_length", allowed_length)?;
    check_last_n("last_n", last_n)?;
    for breaker in breakers {
        // llama.cpp cuts them into bytes, which would leave halves of other characters.
        let is_good = breaker.is_ascii() && (1..=MAX_BREAKER_BYTES).contains(&breaker.len());
        check("breakers", format!("{breaker:?}"), is_good, "give 1 to 40 ASCII characters each")?;
    }
    let breakers = breakers.iter().map(|it| checks::c_string("breakers", it.as_str()));
    let breakers = breakers.collect::<Result<Vec<_>, _>>()?;
    let stack = breakers.iter().map(|it| vocab.stack_to_tokenize(&it.to_string_lossy())).max().unwrap_or(0);
    let make = || {
        let mut pointers: Vec<*const c_char> = breakers.iter().map(|it| it.as_ptr()).collect();
        // SAFETY: the vocabulary of a live model, which the call alone uses; NUL-terminated strings as many as it says;
        // numbers in their ranges.
        let raw = unsafe {
            sys::llama_sys_sampler_init_dry(
                vocab.as_raw(),
                multiplier,
                base,
                allowed_length as i32,
                last_n as i32,
                pointers.as_mut_ptr(),
                pointers.len(),
            )
        };
        step(raw, "dry", Kind::Filter)
    };
    stack::with(stack, make).unwrap_or_else(|error| {
        Err(LlamaError::OutOfMemory { what: "making the sampler dry".into(), log: error.to_string() })
    })
}

pub(super) fn top_n_sigma(n: f32) -> Result<Step, LlamaError> {
    check("top_n_sigma", n, n > 0.0 && n.is_finite(), "give more than 0")?;
    // SAFETY: a number in its range.
    step(unsafe { sys::llama_sampler_init_top_n_sigma(n) }, "top_n_sigma", Kind::Filter)
}

pub(super) fn top_k(k: u32) -> Result<Step, LlamaError> {
    let k = i32::try_from(k).unwrap_or(i32::MAX);
    // SAFETY: no preconditions.
    step(unsafe { sys::llama_sampler_init_top_k(k) }, "top_k", Kind::Filter)
}

pub(super) fn typical(p: f32) -> Result<Step, LlamaError> {
    check("typical", p, p > 0.0 && p <= 1.0, "give more than 0, up to 1")?;
    // SAFETY: a number in its range.
    step(unsafe { sys::llama_sampler_init_typical(p, 1) }, "typical", Kind::Logarithm)
}

pub(super) fn top_p(p: f32) -> Result<Step, LlamaError> {
    check("top_p", p, p > 0.0 && p <= 1.0, "give more than 0, up to 1")?;
    // SAFETY: a number in its range.
    step(unsafe { sys::llama_sampler_init_top_p(p, 1) }, "top_p", Kind::Filter)
}

pub(super) fn min_p(p: f32) -> Result<Step, LlamaError> {
    check("min_p", p, (0.0..=1.0).contains(&p), "give 0 to 1")?;
    // SAFETY: a number in its range.
    step(unsafe { sys::llama_sampler_init_min_p(p, 1) }, "min_p", Kind::Filter)
}

pub(super) fn xtc(probability: f32, threshold: f32, seed: u32) -> Result<Step, LlamaError> {
    check("xtc probability", probability, (0.0..=1.0).contains(&probability), "give 0 to 1")?;
    check("xtc threshold", threshold, (0.0..=1.0).contains(&threshold), "give 0 to 1")?;
    // SAFETY: numbers in their ranges.
    step(unsafe { sys::llama_sampler_init_xtc(probability, threshold, 1, seed) }, "xtc", Kind::Filter)
}

fn is_temperature(temperature: f32) -> bool {
    temperature.is_finite() && temperature >= MIN_TEMPERATURE
}

pub(super) fn temperature(temperature: f32) -> Result<Step, LlamaError> {
    let is_good = temperature == 0.0 || is_temperature(temperature);
    check("temperature", temperature, is_good, "give 0 (greedy), or 0.000001 or more")?;
    // SAFETY: a number in its range.
    step(unsafe { sys::llama_sampler_init_temp(temperature) }, "temperature", Kind::Filter)
}

pub(super) fn dynamic_temperature(temperature: f32, range: f32, exponent: f32) -> Result<Step, LlamaError> {
    check("temperature", temperature, is_temperature(temperature), "give 0.000001 or more")?;
    let is_good = range >= 0.0 && is_temperature(temperature - range) && (temperature + range).is_finite();
    check("temperature range", range, is_good, "give 0 or more, and less than the temperature")?;
    check(
        "temperature exponent",
        exponent,
        exponent > 0.0 && exponent <= 10.0,
        "give more than 0, up to 10",
    )?;
    // SAFETY: numbers in their ranges.
    let raw = unsafe { sys::llama_sampler_init_temp_ext(temperature, range, exponent) };
    step(raw, "dynamic_temperature", Kind::Filter)
}

pub(super) fn mirostat(tau: f32, eta: f32, seed: u32) -> Result<Step, LlamaError> {
    check("mirostat tau", tau, tau > 0.0 && tau <= 100.0, "give more than 0, up to 100 bits")?;
    check("mirostat eta", eta, eta > 0.0 && eta <= 1.0, "give more than 0, up to 1")?;
    // SAFETY: numbers in their ranges.
    step(unsafe { sys::llama_sampler_init_mirostat_v2(seed, tau, eta) }, "mirostat", Kind::Choice)
}

pub(super) fn greedy() -> Result<Step, LlamaError> {
    // SAFETY: no preconditions.
    step(unsafe { sys::llama_sampler_init_greedy() }, "greedy", Kind::Choice)
}

pub(super) fn draw(seed: u32) -> Result<Step, LlamaError> {
    // SAFETY: no preconditions.
    step(unsafe { sys::llama_sampler_init_dist(seed) }, "draw", Kind::Choice)
}
