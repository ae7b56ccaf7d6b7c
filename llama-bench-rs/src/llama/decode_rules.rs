//! What a batch may not hold because llama.cpp would assert it while it decodes.

use super::{Batch, ContextParams, LlamaError, Model, sys};

/// The rules of one context.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecodeRules {
    n_batch: u32,
    n_ubatch: u32,
    n_vocab: u32,
    n_seq_max: u32,
    has_memory: bool,
    /// All tokens are computed at once: attention is not causal, or there is no memory to go on from.
    at_once: bool,
    /// Each sequence has a stream of its own, which a token of two would have to be in.
    streams: bool,
    /// A decoder reads what the encoder left, and nothing was encoded yet.
    pub(super) awaits_encode: bool,
}

impl DecodeRules {
    /// # Safety
    /// `raw` is a live context of `model`.
    pub(super) unsafe fn new(raw: *mut sys::llama_context, model: &Model, params: &ContextParams) -> Self {
        // SAFETY: a live context.
        let (n_batch, n_ubatch, is_causal, has_memory) = unsafe {
            (
                sys::llama_n_batch(raw),
                sys::llama_n_ubatch(raw),
                sys::llama_get_causal_attn(raw),
                !sys::llama_get_memory(raw).is_null(),
            )
        };
        Self {
            n_batch,
            n_ubatch,
            n_vocab: model.n_vocab(),
            n_seq_max: params.n_seq_max,
            has_memory,
            at_once: !is_causal || !has_memory,
            streams: has_memory && has_streams(model, params),
            awaits_encode: has_memory && is_encoder_decoder(model),
        }
    }

    pub(super) fn n_batch(&self) -> u32 {
        self.n_batch
    }

    pub(super) fn n_ubatch(&self) -> u32 {
        self.n_ubatch
    }

    /// Whether anything is kept from one decode to the next.
    pub(super) fn has_memory(&self) -> bool {
        self.has_memory
    }

    pub(super) fn n_vocab(&self) -> u32 {
        self.n_vocab
    }

    /// Refuses tokens by their number and by what they are.
    pub(super) fn check_tokens(&self, tokens: &[i32]) -> Result<(), LlamaError> {
        self.check_count(tokens.len())?;
        self.check_vocabulary(tokens)
    }

    /// Refuses tokens that are not in the vocabulary.
    pub(super) fn check_vocabulary(&self, tokens: &[i32]) -> Result<(), LlamaError> {
        match tokens.iter().find(|&&token| token < 0 || token as u32 >= self.n_vocab) {
            Some(&token) => Err(LlamaError::Token { token, n_vocab: self.n_vocab }),
            None => Ok(()),
        }
    }

    /// Refuses a batch; `positions` is the number of those that the model has a table for.
    pub(super) fn check_batch(&self, batch: &Batch, positions: u32) -> Result<(), LlamaError> {
        self.check_count(batch.len())?;
        batch.check(self.n_vocab, self.n_seq_max, positions)?;
        match batch.shared_token().filter(|_| self.streams) {
            Some(sequences) => Err(LlamaError::Parameter {
                name: "sequences",
                value: format!("{sequences:?}"),
                remedy: "each sequence of this context has a memory of its own: give the token to one sequence, or \
                         make the context with kv_unified"
                    .into(),
            }),
            None => Ok(()),
        }
    }

    fn check_count(&self, n_tokens: usize) -> Result<(), LlamaError> {
        let n_batch = self.n_batch;
        if n_tokens == 0 || n_tokens > n_batch as usize {
            return Err(LlamaError::BatchSize { n_batch, n_tokens });
        }
        if self.at_once && n_tokens > self.n_ubatch as usize {
            return Err(LlamaError::UbatchSize { n_ubatch: self.n_ubatch, n_tokens });
        }
        if self.awaits_encode {
            return Err(LlamaError::Unsupported {
                what: "decoding".into(),
                why: "the decoder of this model reads what its encoder made of a text: encode one first"
                    .into(),
            });
        }
        Ok(())
    }
}

/// Whether sequences have memories of their own; a recurrent state is one cell per sequence in any case.
pub(super) fn has_streams(model: &Model, params: &ContextParams) -> bool {
    params.n_seq_max > 1 && !params.kv_unified && !model.is_recurrent()
}

/// Whether a decoder reads what an encoder left, like T5.
pub(super) fn is_encoder_decoder(model: &Model) -> bool {
    // SAFETY: a live model.
    unsafe { sys::llama_model_has_encoder(model.as_raw()) && sys::llama_model_has_decoder(model.as_raw()) }
}
