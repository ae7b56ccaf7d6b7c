//! Encoders and embeddings: texts that are computed in one piece.

use std::slice;

use super::{Batch, Context, LlamaError, Pooling, Token, context::last_exception, log, sys};

/// What the latest encode or decode left to be read.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// Whether embeddings are computed.
    pub(super) embeddings: bool,
    /// How the embeddings of a sequence become one.
    pooling: Pooling,
    /// Whether there are logits.
    pub(super) logits: bool,
    /// Tokens that have embeddings, or belong to a sequence that has one.
    n_embedded: usize,
    /// One per token, to ask for the outputs of all of them.
    all: Vec<i8>,
}

impl Context {
    /// Whether it remembers the tokens that it was given.
    #[doc(alias = "llama_get_memory")]
    pub fn has_memory(&self) -> bool {
        self.model().keeps_memory()
    }

    /// Computes a text in one piece with the model's encoder, or with a model that keeps no memory, such as BERT. Replaces
    /// the text before it; the text becomes sequence 0. May return before the work is done.
    ///
    /// # Errors
    /// No token, or more than `n_ubatch`; a token outside the vocabulary; a position that the model has not learned; a model
    /// without an encoder; a failure in llama.cpp.
    #[doc(alias = "llama_encode")]
    pub fn encode_tokens(&mut self, tokens: &[Token]) -> Result<(), LlamaError> {
        self.check_encode(tokens.len())?;
        self.rules.check_vocabulary(tokens)?;
        if tokens.len() > self.positions as usize {
            return Err(LlamaError::Position {
                position: tokens.len() as u32 - 1,
                positions: self.positions,
            });
        }
        let batch = self.batch_of(tokens, true);
        self.encode_raw(batch, tokens.len())
    }

    /// Computes a batch of texts whole, each a sequence of its own, as [`encode_tokens`](Self::encode_tokens) does one.
    ///
    /// # Errors
    /// As `encode_tokens`; the batch names an unknown sequence, or its positions have gaps.
    #[doc(alias = "llama_encode")]
    pub fn encode(&mut self, batch: &Batch) -> Result<(), LlamaError> {
        self.check_encode(batch.len())?;
        batch.check(self.model().n_vocab(), self.params().n_seq_max, self.positions)?;
        let raw = batch.raw(&mut self.pointers);
        self.encode_raw(raw, batch.len())
    }

    fn encode_raw(&mut self, batch: sys::llama_batch, n_tokens: usize) -> Result<(), LlamaError> {
        self.outputs.forget();
        let _caller = self.lend_caller()?;
        let ctx = self.as_raw();
        // SAFETY: a live context; the batch's arrays outlive the call; tokens, sequences, positions and the number of
        // tokens were checked, and so was that the model's graph works without a memory.
        let (code, log) = log::capture(|| unsafe { sys::llama_sys_encode(ctx, batch) });
        if code != 0 {
            return Err(match last_exception() {
                Some(_) => self.broken_by("llama_encode"),
                None => self.encode_error(code, log.complaints()),
            });
        }
        let has_encoder = self.model().has_encoder();
        self.rules.awaits_encode = false;
        self.outputs.logits = !has_encoder && self.model().has_logits();
        self.outputs.n_embedded = if self.outputs.embeddings { n_tokens } else { 0 };
        Ok(())
    }

    fn encode_error(&self, code: i32, log: String) -> LlamaError {
        match code {
            2 => LlamaError::Cancelled { what: "llama_encode" },
            -2 if LlamaError::is_memory(&log) => LlamaError::OutOfMemory { what: "encoding".into(), log },
            _ => LlamaError::Encode { code, log },
        }
    }

    /// Refuses what llama.cpp asserts, or computes with a memory that it does not have.
    fn check_encode(&self, n_tokens: usize) -> Result<(), LlamaError> {
        self.check_intact("llama_encode")?;
        if !self.model().has_encoder() && self.has_memory() {
            return Err(LlamaError::Unsupported {
                what: "encoding".into(),
                why: "this model has no encoder: decode the tokens".into(),
            });
        }
        let n_ubatch = self.n_ubatch();
        if n_tokens == 0 {
            return Err(LlamaError::BatchSize { n_batch: n_ubatch, n_tokens });
        }
        if n_tokens > n_ubatch as usize {
            return Err(LlamaError::UbatchSize { n_ubatch, n_tokens });
        }
        Ok(())
    }

    /// Refuses to decode with an encoder alone.
    pub(super) fn check_decoder(&self) -> Result<(), LlamaError> {
        if self.model().has_decoder() {
            return Ok(());
        }
        Err(LlamaError::Unsupported {
            what: "decoding".into(),
            why: "this model has an encoder alone: encode the tokens".into(),
        })
    }

    /// After a decode that went well.
    pub(super) fn end_decode(&mut self, n_tokens: usize) {
        self.outputs.logits = self.model().has_logits();
        self.outputs.n_embedded = if self.outputs.embeddings { n_tokens } else { 0 };
    }

    /// The tokens as sequence 0 goes on, with the outputs of the last one or of all. It borrows both for one call,
    /// which does not write through its pointers.
    pub(super) fn batch_of(&mut self, tokens: &[Token], all: bool) -> sys::llama_batch {
        // SAFETY: the batch holds a pointer and a count that belong together.
        let mut batch = unsafe { sys::llama_batch_get_one(tokens.as_ptr().cast_mut(), tokens.len() as i32) };
        if all {
            let flags = &mut self.outputs.all;
            flags.resize(flags.len().max(tokens.len()), 1);
            batch.logits = flags.as_mut_ptr();
        }
        batch
    }

    /// Turns embeddings on or off from now on, besides or instead of logits. Every token then has an output.
    #[doc(alias = "llama_set_embeddings")]
    pub fn set_embeddings(&mut self, embeddings: bool) {
        if self.outputs.embeddings != embeddings && !self.is_broken() {
            // SAFETY: a live context.
            unsafe { sys::llama_set_embeddings(self.as_raw(), embeddings) };
            self.outputs.embeddings = embeddings;
        }
    }

    /// How the embeddings of a sequence become one: as asked for, else as the model does it.
    #[doc(alias = "llama_pooling_type")]
    pub fn pooling(&self) -> Pooling {
        self.outputs.pooling
    }

    /// The embedding of a sequence in the latest encode or decode, pooled as [`pooling`](Self::pooling) says; a reranker's
    /// scores. Waits for the work. `None` if there is none, or nothing is pooled: see [`embeddings`](Self::embeddings).
    #[doc(alias = "llama_get_embeddings_seq")]
    pub fn embeddings_seq(&mut self, seq: i32) -> Option<&[f32]> {
        if self.pooling() == Pooling::None || self.outputs.n_embedded == 0 {
            return None;
        }
        self.synchronize().ok()?;
        // SAFETY: a live context with no work under way; llama.cpp looks the sequence up.
        let embedding = unsafe { sys::llama_get_embeddings_seq(self.as_raw(), seq) };
        self.embedding(embedding)
    }

    /// The embedding of the token at this place of the latest encode or decode. Waits for the work. `None` if there is
    /// none, or they are pooled: see [`embeddings_seq`](Self::embeddings_seq).
    #[doc(alias = "llama_get_embeddings_ith")]
    pub fn embeddings(&mut self, token: usize) -> Option<&[f32]> {
        if self.pooling() != Pooling::None || token >= self.outputs.n_embedded {
            return None;
        }
        self.synchronize().ok()?;
        // SAFETY: a live context with no work under way, and a token of its latest call, all of which have outputs.
        let embedding = unsafe { sys::llama_get_embeddings_ith(self.as_raw(), token as i32) };
        self.embedding(embedding)
    }

    fn embedding(&self, embedding: *const f32) -> Option<&[f32]> {
        let n = self.model().n_embd_pooled(self.pooling()) as usize;
        // SAFETY: not null, then as many floats as embeddings pooled in this way have, which live until the next call that
        // changes the context; the borrow of self rules one out.
        (!embedding.is_null()).then(|| unsafe { slice::from_raw_parts(embedding, n) })
    }
}

impl Outputs {
    /// Of a context that was made with these parameters.
    pub(super) fn new(embeddings: bool, pooling: Pooling) -> Self {
        Self { embeddings, pooling, ..Self::default() }
    }

    /// Refuses a decode whose pooled embedding would be of its last physical batch alone.
    pub(super) fn check_pooled(&self, n_tokens: usize, n_ubatch: u32) -> Result<(), LlamaError> {
        let is_whole = !self.embeddings || matches!(self.pooling, Pooling::None | Pooling::Last);
        if is_whole || n_tokens <= n_ubatch as usize {
            return Ok(());
        }
        let remedy = format!(
            "an embedding is pooled over one physical batch, and {n_tokens} tokens are more: raise it"
        );
        Err(LlamaError::Parameter { name: "n_ubatch", value: n_ubatch.to_string(), remedy })
    }

    /// Nothing is left to be read.
    pub(super) fn forget(&mut self) {
        self.logits = false;
        self.n_embedded = 0;
    }
}
