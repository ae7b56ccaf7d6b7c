//! What a context computes of a sequence, against what a fresh one computes of the same tokens.

use llama_bench_rs::llama::{Batch, Context};

/// The cosine between the logits of both contexts after these tokens and one more: 1 if they are the same. `None` if the
/// context has no room for one more token.
pub fn likeness_to_fresh(
    context: &mut Context,
    fresh: &mut Context,
    seq: i32,
    tokens: &[i32],
) -> Option<f64> {
    context.set_embeddings(false);
    fresh.set_embeddings(false);
    let mut next = Batch::new();
    next.add(7, tokens.len() as u32, &[seq], true).expect("a small position");
    context.decode(&next).ok()?;
    for (i, chunk) in tokens.chunks(64).enumerate() {
        let mut filling = Batch::new();
        for (j, &token) in chunk.iter().enumerate() {
            filling.add(token, (i * 64 + j) as u32, &[seq], false).expect("a small position");
        }
        fresh.decode(&filling).expect("room in a fresh context");
    }
    fresh.decode(&next).expect("room in a fresh context");
    let logits =
        |context: &mut Context| context.logits(-1).map(<[f32]>::to_vec).expect("the last token has logits");
    Some(cosine(&logits(context), &logits(fresh)))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
