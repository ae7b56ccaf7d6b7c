//! Model files that are wrong in one or a few places.

use std::{fs, path::Path};

use llama_bench_rs::gguf::{Array, GgufFile, Value};

use super::{
    dice::Dice,
    layout::{Parts, Place, places},
};

const ARCHITECTURES: &str = "llama llama4 deci falcon grok gpt2 gptj gptneox mpt baichuan starcoder refact bert modern-bert nomic-bert \
    nomic-bert-moe neo-bert jina-bert-v2 eurobert bloom stablelm qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe \
    qwen3next qwen35 qwen35moe phi2 phi3 phimoe plamo plamo2 plamo3 orion internlm2 minicpm minicpm3 gemma \
    gemma2 gemma3 gemma3n gemma4 gemma-embedding starcoder2 mamba mamba2 jamba falcon-h1 command-r cohere2 dbrx \
    olmo olmo2 olmoe openelm arctic deepseek deepseek2 chatglm glm4 glm4moe bitnet t5 t5encoder jais nemotron \
    nemotron_h exaone exaone4 rwkv6 rwkv6qwen2 rwkv7 arwkv7 granite granitemoe granitehybrid chameleon \
    wavtokenizer-dec plm bailingmoe dots1 ernie4_5 hunyuan-moe smollm3 gpt-oss lfm2 lfm2moe dream smallthinker \
    llada llada-moe seed_oss grovemoe apertus minimax-m2 cogvlm mimo2 kimi-linear clip";

const KEYS: &str = "vocab_size context_length embedding_length block_count leading_dense_block_count feed_forward_length \
    expert_feed_forward_length expert_count expert_used_count expert_shared_count expert_group_count \
    expert_group_used_count expert_weights_scale expert_weights_norm expert_gating_func nextn_predict_layers \
    pooling_type logit_scale decoder_start_token_id decoder_block_count attn_logit_softcapping \
    final_logit_softcapping rescale_every_n_layers residual_scale embedding_scale token_shift_count \
    interleave_moe_layer_step full_attention_interval attention.head_count attention.head_count_kv \
    attention.max_alibi_bias attention.clamp_kqv attention.key_length attention.value_length \
    attention.layer_norm_epsilon attention.layer_norm_rms_epsilon attention.group_norm_epsilon \
    attention.group_norm_groups attention.causal attention.q_lora_rank attention.kv_lora_rank \
    attention.relative_buckets_count attention.sliding_window attention.sliding_window_pattern attention.scale \
    attention.temperature_length attention.temperature_scale attention.shared_kv_layers rope.dimension_count \
    rope.dimension_sections rope.freq_base rope.freq_base_swa rope.scale_linear rope.scaling.type \
    rope.scaling.factor rope.scaling.attn_factor rope.scaling.original_context_length \
    rope.scaling.yarn_log_multiplier rope.scaling.yarn_ext_factor rope.scaling.yarn_attn_factor \
    rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow ssm.conv_kernel ssm.inner_size ssm.state_size \
    ssm.time_step_rank ssm.group_count wkv.head_size classifier.output_labels shortconv.l_cache";

const TOKENIZER_KEYS: &str = "model pre tokens scores token_type merges bos_token_id eos_token_id unknown_token_id padding_token_id \
    separator_token_id cls_token_id mask_token_id add_bos_token add_eos_token add_space_prefix \
    remove_extra_whitespaces precompiled_charsmap token_type_count eot_token_id prefix_token_id suffix_token_id \
    middle_token_id";

const TEXTS: &[&str] = &[
    "",
    "none",
    "llama",
    "gpt2",
    "bert",
    "t5",
    "rwkv",
    "plamo2",
    "default",
    "llama-bpe",
    "gpt-4o",
    "qwen2",
    "tekken",
    "deepseek-llm",
    "falcon",
    "yarn",
    "linear",
    "longrope",
    "no such thing",
    "\u{0}",
    "▁",
    "{% for",
    "mmproj",
    "adapter",
];

/// What a case damages: a file as bytes, and the places of its numbers.
pub struct Base {
    bytes: Vec<u8>,
    header_bytes: usize,
    places: Vec<Place>,
    parts: Parts,
}

impl Base {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("a model file");
        let file = GgufFile::open(path).expect("a sound file");
        Self {
            header_bytes: file.data_offset as usize,
            places: places(&bytes),
            parts: Parts::of(&file),
            bytes,
        }
    }

    /// Writes a damaged copy.
    pub fn write_damaged(&self, to: &Path, dice: &mut Dice) {
        if dice.one_in(2) {
            fs::write(to, self.damaged_bytes(dice)).expect("a place to write");
        } else {
            let (header, length) = self.damaged_parts(dice).header();
            fs::write(to, header).expect("a place to write");
            // Zeros in place of the data take no room and no time.
            let file = fs::OpenOptions::new().write(true).open(to).expect("the file");
            file.set_len(length.min(1 << 26)).expect("a sparse file");
        }
    }

    fn damaged_bytes(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for _ in 0..=dice.below(3) {
            match dice.below(12) {
                0 => bytes[dice.below(self.header_bytes)] ^= 1 << dice.below(8),
                1 => bytes[dice.below(self.header_bytes)] = dice.bits() as u8,
                2 => {
                    let n = dice.below(bytes.len());
                    bytes.truncate(n.max(self.header_bytes));
                }
                3 => return bytes[..dice.below(self.header_bytes)].to_vec(),
                4 => bytes.extend(vec![7; dice.below(10_000)]),
                5 => damage_weights(&mut bytes[self.header_bytes..], dice),
                _ => {
                    let place = self.places[dice.below(self.places.len())];
                    let number = odd_number(dice, place, &bytes);
                    bytes[place.at..place.at + place.width].copy_from_slice(&number[..place.width]);
                }
            }
        }
        bytes
    }

    fn damaged_parts(&self, dice: &mut Dice) -> Parts {
        let mut parts = self.parts.clone();
        for _ in 0..=dice.below(3) {
            let n = parts.metadata.len();
            match dice.below(10) {
                0 if n > 0 => drop(parts.metadata.remove(dice.below(n))),
                1 | 2 if n > 0 => {
                    let at = dice.below(n);
                    let changed = odd_value(dice, &parts.metadata[at].1);
                    parts.metadata[at].1 = changed;
                }
                3 | 4 => {
                    let key = if dice.one_in(4) {
                        format!("tokenizer.ggml.{}", dice.word(TOKENIZER_KEYS))
                    } else {
                        format!("{}.{}", architecture(&parts), dice.word(KEYS))
                    };
                    parts.metadata.retain(|(known, _)| *known != key);
                    let value = new_value(dice);
                    parts.metadata.push((key, value));
                }
                5 => become_another(&mut parts, dice),
                6 if !parts.tensors.is_empty() => {
                    let at = dice.below(parts.tensors.len());
                    parts.tensors.remove(at);
                }
                7 if !parts.tensors.is_empty() => {
                    let at = dice.below(parts.tensors.len());
                    let (_, dims, kind) = &mut parts.tensors[at];
                    match dice.below(4) {
                        0 => dims.push(1 + dice.bits() % 3),
                        1 => drop(dims.pop()),
                        2 if !dims.is_empty() => {
                            let dim = dice.below(dims.len());
                            dims[dim] = [0, 1, 2, 31, 32, 33, 256, 4096, dims[dim] + 1, dims[dim] * 2]
                                [dice.below(10)];
                        }
                        _ => *kind = (dice.bits() % 42) as u32,
                    }
                }
                8 if parts.tensors.len() > 1 => {
                    let (one, other) = (dice.below(parts.tensors.len()), dice.below(parts.tensors.len()));
                    let name = parts.tensors[one].0.clone();
                    parts.tensors[one].0 = std::mem::replace(&mut parts.tensors[other].0, name);
                }
                _ if n > 0 => {
                    let (key, value) = parts.metadata[dice.below(n)].clone();
                    let key = key.replace(char::is_numeric, "9");
                    if parts.metadata.iter().all(|(known, _)| *known != key) {
                        parts.metadata.push((key, value));
                    }
                }
                _ => {}
            }
        }
        parts
    }
}

fn architecture(parts: &Parts) -> String {
    let named = parts.metadata.iter().find(|(key, _)| key == "general.architecture");
    named.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
}

/// The same numbers under the name of another architecture.
fn become_another(parts: &mut Parts, dice: &mut Dice) {
    let (before, now) = (architecture(parts), dice.word(ARCHITECTURES));
    for (key, value) in &mut parts.metadata {
        if key == "general.architecture" {
            *value = now.into();
        } else if let Some(rest) = key.strip_prefix(&format!("{before}.")) {
            *key = format!("{now}.{rest}");
        }
    }
}

fn damage_weights(data: &mut [u8], dice: &mut Dice) {
    if data.is_empty() {
        return;
    }
    let from = dice.below(data.len());
    let to = (from + 1 + dice.below(1 << 16)).min(data.len());
    match dice.below(3) {
        0 => data[from..to].fill(0xff),
        1 => data[from..to].fill(0),
        _ => data[from..to].iter_mut().for_each(|byte| *byte = dice.bits() as u8),
    }
}

fn odd_number(dice: &mut Dice, place: Place, bytes: &[u8]) -> [u8; 8] {
    let mut now = [0; 8];
    now[..place.width].copy_from_slice(&bytes[place.at..place.at + place.width]);
    let now = u64::from_le_bytes(now);
    if place.is_float {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0, 1e30, 1e-30, f64::MAX, 2.0];
        let odd = odd[dice.below(odd.len())];
        return match place.width {
            4 => u64::from((odd as f32).to_bits()).to_le_bytes(),
            _ => odd.to_bits().to_le_bytes(),
        };
    }
    let odd = [
        0,
        1,
        2,
        3,
        7,
        64,
        255,
        256,
        1000,
        0x7fff,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        1 << 40,
        1 << 62,
        1 << 63,
        u64::MAX,
        now.wrapping_add(1),
        now.wrapping_sub(1),
        now.wrapping_mul(2),
        now / 2,
        now / 3,
    ];
    odd[dice.below(odd.len())].to_le_bytes()
}

fn new_value(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0..=2 => Value::U32(odd_u32(dice, 1)),
        3 | 4 => Value::F32(odd_f32(dice)),
        5 => Value::Bool(dice.one_in(2)),
        6 => dice.pick(TEXTS).into(),
        _ => odd_array(dice),
    }
}

fn odd_value(dice: &mut Dice, before: &Value) -> Value {
    if dice.one_in(6) {
        return new_value(dice);
    }
    match before {
        Value::U32(v) => Value::U32(odd_u32(dice, *v)),
        Value::I32(v) => Value::I32(odd_u32(dice, *v as u32) as i32),
        Value::F32(_) => Value::F32(odd_f32(dice)),
        Value::Bool(v) => Value::Bool(!v),
        Value::String(_) => dice.pick(TEXTS).into(),
        Value::Array(array) => odd_elements(dice, array),
        _ => new_value(dice),
    }
}

fn odd_u32(dice: &mut Dice, before: u32) -> u32 {
    let odd = [
        0,
        1,
        2,
        3,
        5,
        8,
        16,
        31,
        64,
        127,
        128,
        512,
        4096,
        65_535,
        1 << 20,
        i32::MAX as u32,
        1 << 31,
        u32::MAX,
        before.wrapping_add(1),
        before.wrapping_sub(1),
        before.wrapping_mul(2),
        before / 2,
    ];
    odd[dice.below(odd.len())]
}

fn odd_f32(dice: &mut Dice) -> f32 {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, -1.0, 0.5, 1e-30, 1e30, f32::MAX, 1.0];
    odd[dice.below(odd.len())]
}

fn odd_array(dice: &mut Dice) -> Value {
    let n = [0, 1, 2, 3, 4, 8, 511, 512, 513, 2000][dice.below(10)];
    match dice.below(4) {
        0 => (0..n).map(|_| odd_u32(dice, 1)).collect::<Vec<u32>>().into(),
        1 => (0..n).map(|_| odd_f32(dice)).collect::<Vec<f32>>().into(),
        2 => (0..n).map(|_| dice.one_in(2)).collect::<Vec<bool>>().into(),
        _ => (0..n).map(|_| dice.pick(TEXTS)).collect::<Vec<&str>>().into(),
    }
}

/// The same array with a few elements changed, or longer, or shorter.
fn odd_elements(dice: &mut Dice, array: &Array) -> Value {
    let mut changed = array.clone();
    let n = array.len().max(1);
    macro_rules! change {
        ($v:ident, $new:expr) => {
            match dice.below(3) {
                0 => $v.truncate(dice.below(n)),
                1 => $v.push($new),
                _ => {
                    for _ in 0..=dice.below(8) {
                        let at = dice.below(n);
                        if let Some(element) = $v.get_mut(at) {
                            *element = $new;
                        }
                    }
                }
            }
        };
    }
    match &mut changed {
        Array::U32(v) => change!(v, odd_u32(dice, 1)),
        Array::I32(v) => change!(v, odd_u32(dice, 1) as i32),
        Array::F32(v) => change!(v, odd_f32(dice)),
        Array::Bool(v) => change!(v, dice.one_in(2)),
        Array::String(v) => change!(v, dice.pick(TEXTS).to_owned()),
        _ => return odd_array(dice),
    }
    Value::Array(changed)
}
