//! Everything that can be done with a model that was loaded, once.

use llama_bench_rs::llama::{Context, FlashAttn, KvType, Model, StateFlags};

use super::dice::Dice;
use crate::llama_support::params;

const TEXT: &str =
    "The quick brown fox\n\n  jumps // over 12345 lazy dogs\t\u{e9}\u{4e2d}\u{1f600} <|im_start|> <s>'ll";

pub fn model(model: &Model, dice: &mut Dice) {
    let _ = (model.description(), model.architecture(), model.n_params(), model.size_bytes(), model.bos());
    let _ = (model.n_layer(), model.n_ctx_train(), model.n_swa(), model.is_hybrid(), model.ftype_name());
    text(model);
    let flash_attn = FlashAttn::ALL[dice.below(3)];
    let type_k = if dice.one_in(4) { KvType::Q8_0 } else { KvType::F16 };
    // Of several threads, an assertion in one that computes cannot be caught.
    let n_threads = if dice.one_in(6) { 2 } else { 1 };
    let asked = params(96)
        .n_threads(n_threads)
        .n_threads_batch(n_threads)
        .n_seq_max(1 + dice.below(2) as u32)
        .flash_attn(flash_attn)
        .type_k(type_k);
    if dice.one_in(4) {
        let _ = model.memory_of_context(&asked);
    }
    let Ok(mut context) = Context::new(model, &asked) else { return };
    let token = (model.n_vocab() / 2) as i32;
    let _ = context.decode_tokens(&[token, 1, token, 0, 2]);
    let _ = context.logits(-1).map(|logits| logits.iter().sum::<f32>());
    let _ = context.decode_tokens(&[1]);
    let _ = context.synchronize();
    if let Ok(state) = context.state_save(0, StateFlags::empty()) {
        let _ = context.decode_tokens(&[3; 40]);
        let _ = context.state_restore(&state);
    }
    let _ = context.encode_tokens(&[token, 1, 2]);
    let _ =
        (context.embeddings(2).map(|values| values[0]), context.embeddings_seq(0).map(|values| values[0]));
    let _ = context.decode_tokens(&[token]);
    let _ = context.memory_seq_rm(0, 3, None);
    let _ = context.decode_tokens(&[1; 20]);
    let _ = context.memory_breakdown();
}

fn text(model: &Model) {
    let Ok(vocab) = model.vocab() else { return };
    let _ = (vocab.bos(), vocab.eos(), vocab.eot());
    for special in [false, true] {
        if let Ok(tokens) = vocab.tokenize(TEXT, special, special) {
            let _ = vocab.detokenize(&tokens, special);
        }
    }
    for token in [0, 1, 2, 3, 5, 100, model.n_vocab() as i32 - 1] {
        let _ = (vocab.piece(token, true), vocab.is_eog(token));
    }
}
