use serde::{Deserialize, Serialize};

use super::SettingError;

/// How requests share the steps of a server: continuous batching. The default is llama-server's.
///
/// # A step
/// 1. Requests that have arrived take free slots, in order of arrival. The slot is the free one that holds the longest
///    beginning of the prompt, if that is more than a tenth of it; otherwise the one that has been free for longest.
/// 2. Every request that is past its prompt gets one row, in order of slots.
/// 3. What is left of [`n_batch`](Self::n_batch) (and of [`chunk`](Self::chunk)) goes to prompts, as
///    [`prompts`](Self::prompts) says.
/// 4. All rows are decoded together. A prompt's last token gives its request the first token in the same step.
///
/// # Compared with llama-server
/// The same is what decides which tokens a decode holds: `update_slots` and `get_available_slot` of llama-server, with
/// its defaults `--cont-batching`, `--cache-prompt`, `--slot-prompt-similarity 0.1`.
///
/// | llama-server | here |
/// |---|---|
/// | checkpoints of models with a sliding window or a recurrent state end a prompt's step 4 tokens before its end, and a micro-batch before that | left out: such a prompt takes up to two steps more in llama-server |
/// | prompts that lose their slot are kept in host memory (`--cache-ram`) | left out: a prompt is reused from its slot only |
/// | a step without a prompt's last token and without generation is not waited for | every step is waited for |
/// | HTTP, templates, tokenizing, sampling, stop words | left out: tokens are random, and a generation ends at its length |
/// | of requests that get their slots after the same step, the last one is placed first | in order of arrival |
/// | drafts, images, LoRA adapters by request, `--no-cont-batching` | left out |
///
/// ```
/// use llama_bench_rs::serve::{Policy, Prompts};
///
/// let llama_server = Policy::default();
/// let gentle = Policy::default().n_parallel(8).chunk(256).prompts(Prompts::OneAtATime);
/// assert_eq!((llama_server.chunk, gentle.n_batch), (None, llama_server.n_batch));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Policy {
    /// Requests that are served at once: sequences of the context.
    pub n_parallel: u32,
    /// Most tokens of one step, of all slots together.
    pub n_batch: u32,
    /// Most prompt tokens of one step, of all slots together; `None` for whatever fits into `n_batch`. A smaller chunk
    /// makes running generations wait less for a new prompt, and the prompt wait longer.
    pub chunk: Option<u32>,
    /// How prompts share a step.
    pub prompts: Prompts,
    /// Whether a slot keeps what its last request and the next one have in common at their beginning.
    pub reuse_prefix: bool,
}

/// Several times what llama.cpp has room for.
const MOST_SLOTS: u32 = 1024;

impl Default for Policy {
    /// As llama-server by default, with 4 slots and batches of 2048 tokens.
    fn default() -> Self {
        Self { n_parallel: 4, n_batch: 2048, chunk: None, prompts: Prompts::Together, reuse_prefix: true }
    }
}

impl Policy {
    /// With this many slots.
    #[must_use]
    pub fn n_parallel(self, n_parallel: u32) -> Self {
        Self { n_parallel, ..self }
    }

    /// With steps of at most this many tokens.
    #[must_use]
    pub fn n_batch(self, n_batch: u32) -> Self {
        Self { n_batch, ..self }
    }

    /// With at most this many prompt tokens in a step.
    #[must_use]
    pub fn chunk(self, chunk: impl Into<Option<u32>>) -> Self {
        Self { chunk: chunk.into(), ..self }
    }

    /// With this order of prompts.
    #[must_use]
    pub fn prompts(self, prompts: Prompts) -> Self {
        Self { prompts, ..self }
    }

    /// With prefixes reused or not.
    #[must_use]
    pub fn reuse_prefix(self, reuse_prefix: bool) -> Self {
        Self { reuse_prefix, ..self }
    }

    /// Whether a server can work like this.
    ///
    /// # Errors
    /// There are no slots or far too many, a step does not hold a token of each slot, or chunks are empty.
    pub fn check(&self) -> Result<(), SettingError> {
        let Self { n_parallel, n_batch, chunk, .. } = *self;
        if n_parallel == 0 {
            Err(SettingError::NoSlots)
        } else if n_parallel > MOST_SLOTS {
            Err(SettingError::TooManySlots { n_parallel, most: MOST_SLOTS })
        } else if n_batch < n_parallel {
            // With a row for each slot, a prompt always finds room: what generates has one row less.
            Err(SettingError::SmallBatch { n_batch, n_parallel })
        } else if chunk == Some(0) {
            Err(SettingError::EmptyChunk)
        } else {
            Ok(())
        }
    }
}

/// How prompts share the room of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompts {
    /// Several in a step, in order of their slots, as llama-server does it. A prompt in a high slot waits while prompts in
    /// lower slots fill every step: with long prompts and short generations, and always another request waiting, it can
    /// wait until the others are done.
    #[default]
    Together,
    /// Several in a step, in order of arrival: no later request takes the room of an earlier one.
    ByArrival,
    /// One in a step: the one that arrived first. No other begins before it is done.
    OneAtATime,
}
