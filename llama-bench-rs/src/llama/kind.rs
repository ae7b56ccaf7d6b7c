//! What kind of model it is: whether it encodes, generates and remembers, and how it pools embeddings.

use super::{Context, ContextParams, Model, Token, model_params::names, sys};

/// How the embeddings of a sequence's tokens become one (`llama_pooling_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Pooling {
    /// Not at all: each token keeps its own.
    #[default]
    None,
    /// Their mean.
    Mean,
    /// That of the first token.
    Cls,
    /// That of the last token.
    Last,
    /// The score of a reranker's classification head.
    Rank,
}

names!(Pooling, "pooling" { None = "none", Mean = "mean", Cls = "cls", Last = "last", Rank = "rank" });

impl Pooling {
    pub(super) fn as_raw(self) -> sys::llama_pooling_type {
        match self {
            Self::None => sys::LLAMA_POOLING_TYPE_NONE,
            Self::Mean => sys::LLAMA_POOLING_TYPE_MEAN,
            Self::Cls => sys::LLAMA_POOLING_TYPE_CLS,
            Self::Last => sys::LLAMA_POOLING_TYPE_LAST,
            Self::Rank => sys::LLAMA_POOLING_TYPE_RANK,
        }
    }

    pub(super) fn from_raw(raw: sys::llama_pooling_type) -> Self {
        match raw {
            sys::LLAMA_POOLING_TYPE_MEAN => Self::Mean,
            sys::LLAMA_POOLING_TYPE_CLS => Self::Cls,
            sys::LLAMA_POOLING_TYPE_LAST => Self::Last,
            sys::LLAMA_POOLING_TYPE_RANK => Self::Rank,
            _ => Self::None,
        }
    }
}

/// What llama.cpp says of a model through a context of it alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) is_causal: bool,
    pub(super) has_memory: bool,
    pub(super) pooling: Pooling,
}

impl Kind {
    /// # Safety
    /// `context` is a live context.
    pub(super) unsafe fn of(context: *mut sys::llama_context) -> Self {
        // SAFETY: a live context, as the caller says.
        unsafe {
            Self {
                is_causal: sys::llama_get_causal_attn(context),
                has_memory: !sys::llama_get_memory(context).is_null(),
                pooling: Pooling::from_raw(sys::llama_pooling_type(context)),
            }
        }
    }
}

impl Model {
    /// Whether it has an encoder, which takes its text whole ([`Context::encode_tokens`]): T5 and its encoder alone.
    #[doc(alias = "llama_model_has_encoder")]
    pub fn has_encoder(&self) -> bool {
        // SAFETY: a live model.
        unsafe { sys::llama_model_has_encoder(self.as_raw()) }
    }

    /// Whether it has a decoder. Models such as BERT, which llama.cpp computes by the same call, count as having one.
    #[doc(alias = "llama_model_has_decoder")]
    pub fn has_decoder(&self) -> bool {
        // SAFETY: a live model.
        unsafe { sys::llama_model_has_decoder(self.as_raw()) }
    }

    /// Whether it generates by filling in masked tokens of a whole text, round by round, like LLaDA.
    #[doc(alias = "llama_model_is_diffusion")]
    pub fn is_diffusion(&self) -> bool {
        // SAFETY: a live model.
        unsafe { sys::llama_model_is_diffusion(self.as_raw()) }
    }

    /// Whether a token sees only those before it. If not, as in BERT, a text must be computed whole.
    ///
    /// The first call makes a small context, unless there has been one.
    #[doc(alias = "llama_get_causal_attn")]
    pub fn is_causal(&self) -> bool {
        self.kind().is_causal
    }

    /// Whether a context of it remembers the tokens that it was given, for later ones to go on from.
    ///
    /// The first call makes a small context, unless there has been one.
    #[doc(alias = "llama_get_memory")]
    pub fn keeps_memory(&self) -> bool {
        // llama.cpp makes a memory for an encoder alone too, and never uses it.
        self.has_decoder() && self.kind().has_memory
    }

    /// How it makes one embedding of a sequence.
    ///
    /// The first call makes a small context, unless there has been one.
    #[doc(alias = "llama_pooling_type")]
    pub fn pooling(&self) -> Pooling {
        self.kind().pooling
    }

    /// The token that a decoder begins with after its encoder has read the text; `None` for other models.
    #[doc(alias = "llama_model_decoder_start_token")]
    pub fn decoder_start(&self) -> Option<Token> {
        if !self.has_encoder() || !self.has_decoder() {
            return None;
        }
        // SAFETY: a live model and its vocabulary.
        let (start, bos) = unsafe {
            let vocab = sys::llama_model_get_vocab(self.as_raw());
            (sys::llama_model_decoder_start_token(self.as_raw()), sys::llama_vocab_bos(vocab))
        };
        let is_token = |token: &Token| (0..self.n_vocab() as i32).contains(token);
        // A file that does not name it means the token that begins a text.
        Some([start, bos].into_iter().find(is_token).unwrap_or(0))
    }

    /// Numbers in one embedding; for a reranker, the scores that it gives.
    #[doc(alias = "llama_model_n_embd_out")]
    #[doc(alias = "llama_model_n_cls_out")]
    pub fn n_embd_out(&self) -> u32 {
        self.n_embd_pooled(self.pooling())
    }

    /// Numbers in one embedding that is pooled in this way.
    pub(super) fn n_embd_pooled(&self, pooling: Pooling) -> u32 {
        // SAFETY: a live model.
        unsafe {
            match pooling {
                Pooling::Rank => sys::llama_model_n_cls_out(self.as_raw()),
                _ => sys::llama_model_n_embd_out(self.as_raw()).max(0) as u32,
            }
        }
    }

    /// Whether a decode leaves logits: generating and diffusion models do, embedding models and encoders do not.
    pub(super) fn has_logits(&self) -> bool {
        self.is_diffusion() || (self.keeps_memory() && self.is_causal())
    }

    fn kind(&self) -> Kind {
        if let Some(kind) = self.known_kind().get() {
            return *kind;
        }
        let params = ContextParams::default().n_ctx(1).n_batch(1).n_ubatch(1);
        // Not within `get_or_init`: a subscriber to llama.cpp's log may ask the same again. The context sets it.
        let _ = Context::new(self, &params.n_threads(1).n_threads_batch(1));
        *self.known_kind().get_or_init(|| self.kind_by_metadata())
    }

    /// What the file says, if no context can be made (of a vocabulary alone).
    fn kind_by_metadata(&self) -> Kind {
        let value = |key: &str| self.metadata(&format!("{}.{key}", self.architecture()));
        Kind {
            is_causal: !self.is_diffusion() && value("attention.causal") != Some("false"),
            has_memory: !self.is_diffusion(),
            pooling: value("pooling_type")
                .and_then(|n| n.parse().ok())
                .map_or(Pooling::None, Pooling::from_raw),
        }
    }
}
