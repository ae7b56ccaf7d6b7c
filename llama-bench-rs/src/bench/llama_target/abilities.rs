//! What a context of a model can do.

use crate::{
    bench::abilities::{Abilities, Memory, Reason},
    llama::{ContextParams, Model, Pooling},
};

/// What a context of this model with these parameters can do.
pub(in crate::bench) fn abilities(model: &Model, params: &ContextParams) -> Abilities {
    let memory = if !model.has_decoder() {
        Memory::Nothing(Reason::EncoderAlone)
    } else if model.is_diffusion() {
        Memory::Nothing(Reason::Diffusion)
    } else if !model.keeps_memory() {
        Memory::Nothing(Reason::NoMemory)
    } else if !model.is_causal() {
        Memory::Nothing(Reason::NotCausal)
    } else {
        model.decoder_start().map_or(Memory::Tokens, |start| Memory::Encoded { start })
    };
    let n_ubatch = Some(params.n_ubatch.min(params.n_batch));
    // The embedding of a whole sequence is made of those that are computed together.
    let splits = memory == Memory::Tokens && matches!(model.pooling(), Pooling::None | Pooling::Last);
    Abilities {
        memory,
        whole_prompt: n_ubatch.filter(|_| memory != Memory::Tokens),
        whole_embedding: n_ubatch.filter(|_| !splits),
        n_positions: model.learned_positions(),
    }
}
