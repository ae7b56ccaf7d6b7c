//! A small real vocabulary: sentence pieces, and a token for every byte for all other text.

use super::Value;

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The fewest tokens that the vocabulary needs.
pub(super) const MIN_TOKENS: u64 = 5 + 256 + 95;

/// The most tokens: each has a name in memory while the file is written.
pub(super) const MAX_TOKENS: u64 = 1 << 22;

const CHAT_TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}\
    <|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Metadata of no vocabulary: token numbers only.
pub(super) fn none(architecture: &str, n_vocab: u64) -> Vec<(String, Value)> {
    vec![
        ("tokenizer.ggml.model".into(), "none".into()),
        (format!("{architecture}.vocab_size"), Value::U32(n_vocab.min(u32::MAX.into()) as u32)),
    ]
}

/// Metadata of a vocabulary with `n_vocab` tokens, at least [`MIN_TOKENS`]; those beyond the pieces are unused.
pub(super) fn pieces(n_vocab: u64) -> Vec<(String, Value)> {
    let mut tokens: Vec<(String, i32)> = vec![
        ("<unk>".into(), UNKNOWN),
        ("<s>".into(), CONTROL),
        ("</s>".into(), CONTROL),
        ("<|im_start|>".into(), CONTROL),
        ("<|im_end|>".into(), CONTROL),
    ];
    tokens.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), BYTE)));
    // SentencePiece writes a space as this character.
    let printable = (' '..='~').map(|c| if c == ' ' { "\u{2581}".to_owned() } else { c.to_string() });
    tokens.extend(printable.map(|piece| (piece, NORMAL)));
    let letters = "etaoinsrhldu";
    let pairs = letters.chars().flat_map(|a| letters.chars().map(move |b| format!("{a}{b}")));
    let starts = ('a'..='z').map(|c| format!("\u{2581}{c}"));
    tokens.extend(pairs.chain(starts).map(|piece| (piece, NORMAL)));
    let n = n_vocab as usize;
    tokens.truncate(n);
    let first_unused = tokens.len();
    tokens.extend((first_unused..n).map(|i| (format!("<unused{i}>"), UNUSED)));

    // Later pieces are longer ones; a higher score wins a merge.
    let scores: Vec<f32> =
        (0..n).map(|i| if i < first_unused { -((first_unused - i) as f32) } else { -1e6 }).collect();
    let (names, types): (Vec<String>, Vec<i32>) = tokens.into_iter().unzip();
    let key = |name: &str| format!("tokenizer.{name}");
    vec![
        (key("ggml.model"), "llama".into()),
        (key("ggml.pre"), "default".into()),
        (key("ggml.tokens"), names.into()),
        (key("ggml.scores"), scores.into()),
        (key("ggml.token_type"), types.into()),
        (key("ggml.unknown_token_id"), Value::U32(0)),
        (key("ggml.bos_token_id"), Value::U32(1)),
        (key("ggml.eos_token_id"), Value::U32(2)),
        (key("ggml.eot_token_id"), Value::U32(4)),
        (key("ggml.add_bos_token"), Value::Bool(true)),
        (key("ggml.add_eos_token"), Value::Bool(false)),
        (key("chat_template"), CHAT_TEMPLATE.into()),
    ]
}
