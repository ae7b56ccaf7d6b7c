//! Which tensors are kept elsewhere: patterns are matched here, and llama.cpp is given the names.
//!
//! It would pass the patterns to `std::regex`, whose stack grows with the pattern, and whose time may grow with a power
//! of it. Here they cost a time that grows with their length alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
};

use regex::bytes::{Regex, RegexBuilder};

use super::{Backend, LlamaError, ModelParams, checks, origin::Origin, sys};
use crate::units::text::cited;

/// Longer patterns are refused: those for all tensors of a large model, each by its name, are shorter.
const MAX_PATTERN_BYTES: usize = 64 << 10;

/// Bytes that a pattern may take once it is compiled.
const MAX_COMPILED_BYTES: usize = 4 << 20;

/// More patterns are refused, as by llama.cpp's own programs.
const MAX_PATTERNS: usize = 4096;

/// Numbers of layers in one pattern for llama.cpp: its stack grows with them.
const LAYERS_PER_PATTERN: usize = 32;

/// What llama.cpp is told, and what had no effect.
pub(super) struct Overrides {
    pub(super) patterns: Vec<(CString, sys::ggml_backend_buffer_type_t)>,
    pub(super) unmatched: Vec<String>,
}

impl Overrides {
    /// For the tensors of this model.
    pub(super) fn new(backend: &Backend, origin: &Origin, params: &ModelParams) -> Result<Self, LlamaError> {
        let asked = asked(backend, params)?;
        let none = Self { patterns: Vec::new(), unmatched: Vec::new() };
        if params.vocab_only || (asked.is_empty() && params.n_cpu_moe == 0) {
            return Ok(none);
        }
        let names = checks::tensor_names(origin)?;
        let mut overrides = none;
        let mut places = vec![None; names.len()];
        for (pattern, regex, buffer) in asked {
            // The first pattern that matches counts.
            let mut matched = false;
            for (_, place) in
                names.iter().zip(&mut places).filter(|(name, _)| regex.is_match(name.as_bytes()))
            {
                matched = true;
                place.get_or_insert(buffer);
            }
            if !matched {
                overrides.unmatched.push(pattern.clone());
            }
        }
        if params.n_cpu_moe > 0 {
            let cpu = checks::buffer_type(backend, "CPU")?;
            let experts = compile(r"blk\.([0-9]+)\.ffn_(?:up|down|gate|gate_up)_(?:ch|)exps")?;
            let is_below = |name: &String| {
                let layer = experts.captures(name.as_bytes())?.get(1)?.as_bytes();
                let layer: u32 = std::str::from_utf8(layer).ok()?.parse().ok()?;
                (layer < params.n_cpu_moe).then_some(())
            };
            let mut matched = false;
            for (_, place) in names.iter().zip(&mut places).filter(|(name, _)| is_below(name).is_some()) {
                matched = true;
                place.get_or_insert(cpu);
            }
            if !matched {
                overrides.unmatched.push(format!("n_cpu_moe = {}", params.n_cpu_moe));
            }
        }
        overrides.patterns = patterns(&names, &places);
        for pattern in &overrides.unmatched {
            tracing::warn!("{NAME}: {} matches no tensor of {}", cited(pattern), origin.path().display());
        }
        Ok(overrides)
    }
}

const NAME: &str = "tensor_buft_overrides";

/// A pattern, compiled, and the buffer type for what it matches.
type Asked<'a> = (&'a String, Regex, sys::ggml_backend_buffer_type_t);

/// What is wrong with overrides is known without a model.
pub(super) fn asked<'a>(backend: &Backend, params: &'a ModelParams) -> Result<Vec<Asked<'a>>, LlamaError> {
    let asked = &params.tensor_buft_overrides;
    if asked.len() > MAX_PATTERNS {
        return Err(LlamaError::Parameter {
            name: NAME,
            value: format!("{} patterns", asked.len()),
            remedy: format!("give at most {MAX_PATTERNS}: join them with |"),
        });
    }
    asked
        .iter()
        .map(|(pattern, buffer)| Ok((pattern, compile(pattern)?, checks::buffer_type(backend, buffer)?)))
        .collect()
}

/// A pattern of tensor names, as it is matched when a model is loaded.
///
/// # Errors
/// It is not valid, or too large.
pub(crate) fn compile(pattern: &str) -> Result<Regex, LlamaError> {
    let refuse = |why: &str| LlamaError::Parameter {
        name: NAME,
        value: cited(pattern),
        remedy: format!(
            "not a valid regular expression ({why}); look-ahead and back-references are not supported"
        ),
    };
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(refuse(&format!("it has {} bytes, the most is {MAX_PATTERN_BYTES}", pattern.len())));
    }
    if let Some(sign) = means_something_else(pattern) {
        return Err(refuse(&format!("{sign} within brackets is ambiguous: put \\ before it")));
    }
    // As in C++, letters, digits and blanks are those of ASCII.
    let regex =
        RegexBuilder::new(pattern).unicode(false).nest_limit(200).size_limit(MAX_COMPILED_BYTES).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => refuse("its repetitions make it too large"),
        error => {
            // The reason is the last line; those before show the whole pattern.
            let text = error.to_string();
            refuse(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
        }
    })
}

/// Signs of set arithmetic, which C++ takes for the characters that they are.
fn means_something_else(pattern: &str) -> Option<&'static str> {
    let mut within = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' if within && rest.starts_with("[:") => 2,
            '[' if within => return Some("["),
            '[' => {
                within = true;
                // A bracket that closes nothing yet.
                if rest.starts_with("[^]") {
                    3
                } else if rest.starts_with("[]") {
                    2
                } else {
                    1
                }
            }
            ':' if within && rest.starts_with(":]") => 2,
            ']' => {
                within = false;
                1
            }
            _ => {
                let signs = ["&&", "--", "~~"];
                if let Some(sign) = signs.into_iter().find(|sign| within && rest.starts_with(sign)) {
                    return Some(sign);
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    None
}

/// Patterns that match these tensors alone, few and short: `std::regex` compiles each again for every tensor.
fn patterns(
    names: &[String],
    places: &[Option<sys::ggml_backend_buffer_type_t>],
) -> Vec<(CString, sys::ggml_backend_buffer_type_t)> {
    let mut layers_of_all: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut layers: BTreeMap<(sys::ggml_backend_buffer_type_t, &str), BTreeSet<u32>> = BTreeMap::new();
    let mut patterns = Vec::new();
    for (name, place) in names.iter().zip(places) {
        if let Some((layer, rest)) = layer_of(name) {
            layers_of_all.entry(rest).or_default().insert(layer);
            if let Some(buffer) = place {
                layers.entry((*buffer, rest)).or_default().insert(layer);
            }
        } else if let Some(buffer) = place {
            patterns.push((format!("^{}$", escaped(name)), *buffer));
        }
    }
    for ((buffer, rest), layers) in layers {
        if layers_of_all.get(rest).is_some_and(|all| *all == layers) {
            let rest = escaped(rest);
            patterns.push((format!(r"^blk\.[0-9]+\.{rest}$"), buffer));
            continue;
        }
        let rest = escaped(rest);
        let layers: Vec<String> = layers.iter().map(u32::to_string).collect();
        for layers in layers.chunks(LAYERS_PER_PATTERN) {
            patterns.push((format!(r"^blk\.(?:{})\.{rest}$", layers.join("|")), buffer));
        }
    }
    let as_c = |(pattern, buffer)| Some((CString::new(pattern).ok()?, buffer));
    patterns.into_iter().filter_map(as_c).collect()
}

/// `blk.7.attn_q.weight` is layer 7's `attn_q.weight`.
fn layer_of(name: &str) -> Option<(u32, &str)> {
    let (number, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let layer: u32 = number.parse().ok()?;
    (layer.to_string() == number).then_some((layer, rest))
}

fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if r"^$\.*+?()[]{}|".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_cpp() {
        for good in [
            "",
            "exps",
            r"blk\.(1|2)\.",
            "[a-z]+",
            "[[:digit:]]",
            r"\d\.",
            "[]a]",
            "[^]]",
            "a{2,3}",
            r"[\[]",
            "^$",
        ] {
            assert!(compile(good).is_ok(), "{good}");
        }
        for bad in [
            "(",
            "[",
            "*",
            "a{2",
            "\\",
            "(?<=a)b",
            "(?=a)",
            r"(a)\1",
            "[a&&b]",
            "[a--z]",
            "[a[b]]",
            "a{1000}{1000}",
        ] {
            let refused = compile(bad).unwrap_err().to_string();
            assert!(refused.contains(NAME) && refused.contains("not a valid"), "{bad}: {refused}");
        }
        // Bytes of other alphabets are not letters.
        assert!(!compile(r"^\w+$").unwrap().is_match("é".as_bytes()));
    }

    #[test]
    fn the_patterns_for_llama_cpp_name_the_tensors_and_no_other() {
        let buffer = |i: usize| std::ptr::without_provenance_mut(i);
        let names: Vec<String> = (0..100)
            .flat_map(|i| [format!("blk.{i}.a.weight"), format!("blk.{i}.b.weight")])
            .chain(["output.weight", "blk.01.a.weight", "odd(name"].map(str::to_owned))
            .collect();
        let place = |name: &str| match layer_of(name) {
            Some((layer, "a.weight")) => (layer % 3 == 0).then_some(buffer(1)),
            Some((_, _)) => Some(buffer(2)),
            None => (name != "output.weight").then_some(buffer(3)),
        };
        let places: Vec<_> = names.iter().map(|name| place(name)).collect();
        let patterns = patterns(&names, &places);
        assert_eq!(patterns.len(), 2 + 1 + 2, "{patterns:?}");
        for name in
            names.iter().map(String::as_str).chain(["blk.100.a.weight", "blk.3.a_weight", "xblk.3.a.weight"])
        {
            let found: Vec<_> = patterns
                .iter()
                .filter(|(pattern, _)| {
                    Regex::new(pattern.to_str().unwrap()).unwrap().is_match(name.as_bytes())
                })
                .map(|(_, buffer)| *buffer)
                .collect();
            let expected = if names.iter().any(|known| known == name) { place(name) } else { None };
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name}");
        }
    }
}
