//! Metadata that is sound as a file and that llama.cpp would abort on, loop forever with or overrun its stack.

use super::{Array, Malformed, Value};
use crate::units::text::{cited, excerpt};

/// Vocabularies kept in trees, which llama.cpp builds, searches and frees by recursion, byte by byte. The longest token
/// of published ones has 128 bytes.
const MAX_TREE_TOKEN_BYTES: usize = 512;

/// Bytes of all suffixes of all tokens, which llama.cpp lists for vocabularies of PLaMo 2. Published ones stay below
/// a tenth.
const MAX_SUFFIX_BYTES: usize = 256 << 20;

/// Tokens of a model without a vocabulary: llama.cpp makes an entry for each. Published models stay below 2^19.
const MAX_TOKENS: u64 = 1 << 24;

/// The first pair that cannot be, by its index, and why.
pub(super) fn check(metadata: &[(String, Value)]) -> Result<(), (usize, Malformed)> {
    let find = |key: &str| metadata.iter().position(|(k, _)| k == key);
    for (i, (key, value)) in metadata.iter().enumerate() {
        // ggml asserts it while it computes, in threads whose assertions cannot be caught. NaN is not above 0 either.
        let epsilon = value.as_f64().filter(|_| key.ends_with("_epsilon"));
        if let Some(epsilon) = epsilon.filter(|epsilon| !(0.0..).contains(epsilon)) {
            let allowed = "it is added before a root is taken and must be 0 or more";
            return Err((i, invalid(format!("metadata key {}", cited(key)), epsilon.to_string(), allowed)));
        }
    }
    let kind = find("tokenizer.ggml.model").and_then(|i| metadata[i].1.as_str()).unwrap_or_default();
    if matches!(kind, "none" | "no_vocab") {
        let size = find("general.architecture")
            .and_then(|i| metadata[i].1.as_str())
            .and_then(|architecture| find(&format!("{architecture}.vocab_size")));
        let n_tokens = size.and_then(|i| Some((i, metadata[i].1.as_u64()?)));
        if let Some((i, n_tokens)) = n_tokens.filter(|&(_, n_tokens)| n_tokens > MAX_TOKENS) {
            let what = format!("metadata key {}", cited(&metadata[i].0));
            return Err((i, Malformed::TooLarge { what, found: n_tokens, limit: MAX_TOKENS }));
        }
    }
    let Some(i) = find("tokenizer.ggml.tokens") else { return Ok(()) };
    if let Value::Array(Array::String(tokens)) = &metadata[i].1 {
        tokens_of(kind, tokens).map_err(|problem| (i, problem))?;
    }
    Ok(())
}

fn invalid(what: String, found: String, allowed: &'static str) -> Malformed {
    Malformed::Invalid { what, found, allowed }
}

fn tokens_of(kind: &str, tokens: &[String]) -> Result<(), Malformed> {
    let in_tree: Vec<Vec<u8>> = match kind {
        "rwkv" => {
            tokens.iter().enumerate().map(|(i, token)| unescaped(as_read(i, token).as_bytes())).collect()
        }
        "t5" | "bert" | "plamo2" => tokens.iter().map(|token| token.as_bytes().to_vec()).collect(),
        _ => return Ok(()),
    };
    if let Some(i) = in_tree.iter().position(|token| token.len() > MAX_TREE_TOKEN_BYTES) {
        let what = format!("the length of token {i} in bytes");
        let (found, limit) = (in_tree[i].len() as u64, MAX_TREE_TOKEN_BYTES as u64);
        return Err(Malformed::TooLarge { what, found, limit });
    }
    if kind == "rwkv" {
        return every_start_is_a_token(&in_tree);
    }
    let suffixes: usize = in_tree.iter().map(|token| token.len() * (token.len() + 1) / 2).sum();
    if kind == "plamo2" && suffixes > MAX_SUFFIX_BYTES {
        let what = "the size of all ends of tokens in bytes".to_owned();
        return Err(Malformed::TooLarge { what, found: suffixes as u64, limit: MAX_SUFFIX_BYTES as u64 });
    }
    Ok(())
}

/// If a text begins like a token and no token matches, llama.cpp begins again with the text's first byte, forever.
fn every_start_is_a_token(tokens: &[Vec<u8>]) -> Result<(), Malformed> {
    let mut known = [false; 256];
    tokens.iter().filter(|token| token.len() == 1).for_each(|token| known[usize::from(token[0])] = true);
    let start =
        tokens.iter().enumerate().find(|(_, token)| token.first().is_some_and(|&b| !known[usize::from(b)]));
    let Some((i, token)) = start else { return Ok(()) };
    Err(invalid(
        format!("token {i}"),
        excerpt(&format!("\"{}\"", token.escape_ascii())),
        "its first byte must be a token too, or text that begins with it could not be split",
    ))
}

/// A token as llama.cpp gets it from the file.
fn as_read(i: usize, token: &str) -> String {
    match token.split('\0').next() {
        Some(token) if !token.is_empty() => token.to_owned(),
        _ => format!("[EMPTY_{i}]"),
    }
}

/// Bytes of a token of RWKV, as llama.cpp reads its escapes.
fn unescaped(token: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.iter().copied();
    let digit = |c: u8| if c >= b'a' { c.wrapping_sub(b'a').wrapping_add(10) } else { c.wrapping_sub(b'0') };
    while let Some(c) = rest.next() {
        if c != b'\\' {
            bytes.push(c);
            continue;
        }
        match rest.next() {
            Some(b't') => bytes.push(b'\t'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'x') => {
                if let (Some(high), Some(low)) = (rest.next(), rest.next()) {
                    bytes.push((digit(high) << 4).wrapping_add(digit(low)));
                }
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(kind: &str, tokens: &[&str]) -> Result<(), (usize, Malformed)> {
        check(&[
            ("tokenizer.ggml.model".into(), kind.into()),
            ("tokenizer.ggml.tokens".into(), tokens.to_vec().into()),
        ])
    }

    #[test]
    fn a_token_of_rwkv_begins_with_a_token() {
        assert!(vocabulary("rwkv", &["a", "ab", r"\n", r"\n\n", r"\xff", r"\xff\xfe", "", "["]).is_ok());
        for tokens in
            [&["a", "ba"][..], &[r"\nx"], &[r"\xff\xfe", "\u{ff}"], &["", "a"], &["\u{fffd}", r"\xfd"]]
        {
            let problem = vocabulary("rwkv", tokens).unwrap_err();
            let problem = problem.1.to_string();
            assert!(problem.contains("first byte") && !problem.contains(r"\\"), "{tokens:?}: {problem}");
        }
    }

    #[test]
    fn long_tokens_are_for_vocabularies_without_a_tree() {
        let long = "a".repeat(MAX_TREE_TOKEN_BYTES + 1);
        for kind in ["rwkv", "t5", "bert", "plamo2"] {
            assert!(vocabulary(kind, &["a", &long[1..]]).is_ok(), "{kind}");
            assert!(
                matches!(vocabulary(kind, &["a", &long]), Err((1, Malformed::TooLarge { .. }))),
                "{kind}"
            );
        }
        assert!(vocabulary("gpt2", &[&long]).is_ok());
        let many = vec![&long[1..]; MAX_SUFFIX_BYTES / (MAX_TREE_TOKEN_BYTES * MAX_TREE_TOKEN_BYTES / 2)];
        assert!(vocabulary("t5", &many).is_ok() && vocabulary("plamo2", &many).is_err());
    }

    #[test]
    fn dummy_tokens_are_not_made_by_the_billion() {
        let with = |n| {
            check(&[
                ("general.architecture".into(), "llama".into()),
                ("tokenizer.ggml.model".into(), "none".into()),
                ("llama.vocab_size".into(), Value::U32(n)),
            ])
        };
        assert!(with(1 << 20).is_ok());
        assert!(matches!(with(u32::MAX), Err((2, Malformed::TooLarge { .. }))));
    }
}
