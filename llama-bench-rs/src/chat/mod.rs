//! A conversation with a model in one context.
//!
//! Each turn computes only what the context does not hold yet. Answers stay in it as the model generated them; the text
//! around them is the template's.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use llama_bench_rs::{
//!     chat::Conversation,
//!     gguf::{Shape, Synthetic},
//!     llama::{ChatTemplate, Context, ContextParams, Model, Sampler, SamplerParams},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tiny.gguf");
//! # Synthetic::new(Shape::preset("tiny-llama")?).vocabulary(true).write_to(&path)?;
//! let model = Model::load(&path)?;
//! let context = Context::new(&model, &ContextParams::default().n_ctx(512))?;
//! let sampler = Sampler::new(&SamplerParams::default())?;
//! let mut chat = Conversation::new(context, sampler, Some(ChatTemplate::of(&model)?))?;
//! chat.set_system(Some("Be brief.".into()));
//! let answer = chat.ask("Hello!", 16, &mut |text| {
//!     print!("{text}");
//!     ControlFlow::Continue(())
//! })?;
//! assert!(answer.n_generated <= 16 && answer.first_token.is_some());
//! # Ok(())
//! # }
//! ```

mod answer;
mod held;
mod room;
mod script;

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

pub use answer::Answer;
#[doc(hidden)]
pub use answer::AnswerEnd;
use held::Held;
#[doc(hidden)]
pub use room::Dropped;
use script::{Script, Turn};

use crate::llama::{ChatMessage, ChatTemplate, Context, LlamaError, Sampler, Token, Vocab};

/// A conversation with a model, in a context of its own.
///
/// `Send`: its parts are tied to no thread. Not `Sync`, since its context is not.
#[derive(Debug)]
pub struct Conversation {
    vocab: Vocab,
    sampler: Sampler,
    script: Script,
    turns: Vec<Turn>,
    held: Held,
    stop: Arc<AtomicBool>,
}

const fn sent<T: Send>() {}
const _: () = sent::<Conversation>();

impl Conversation {
    /// Begins a conversation in a context, which is cleared. Without a template, prompts and answers follow each other
    /// unchanged.
    ///
    /// # Errors
    /// The model has no vocabulary, or does not generate token by token: an encoder, an embedding or a diffusion model.
    pub fn new(
        mut context: Context,
        sampler: Sampler,
        template: Option<ChatTemplate>,
    ) -> Result<Self, LlamaError> {
        let model = context.model();
        if model.is_diffusion() || model.has_encoder() || !model.keeps_memory() || !model.is_causal() {
            return Err(LlamaError::Unsupported {
                what: "a conversation".into(),
                why: format!("{} does not generate token by token: use a chat model", model.architecture()),
            });
        }
        let (vocab, bos) = (model.vocab()?, model.bos());
        let stop = context.abort_flag();
        Ok(Self {
            script: Script::new(vocab.clone(), bos, template),
            vocab,
            sampler,
            turns: Vec::new(),
            held: Held::new(context),
            stop,
        })
    }

    /// Sets the system message. After a change, the next turn processes all turns again.
    pub fn set_system(&mut self, system: Option<String>) {
        self.script.system = system;
    }

    /// The system message.
    pub fn system(&self) -> Option<&str> {
        self.script.system.as_deref()
    }

    /// The template; `None` if prompts and answers follow each other unchanged.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.script.template()
    }

    /// What was said so far, with the system message first.
    pub fn messages(&self) -> Vec<ChatMessage> {
        let system = self.system().map(|system| ChatMessage::new("system", system));
        let said = self.turns.iter().flat_map(|turn| {
            [ChatMessage::new("user", &turn.prompt), ChatMessage::new("assistant", &turn.answer)]
        });
        system.into_iter().chain(said).collect()
    }

    /// Number of prompts that were answered.
    pub fn n_turns(&self) -> usize {
        self.turns.len()
    }

    /// The context; it holds the tokens of [`held_tokens`](Self::held_tokens).
    pub fn context(&self) -> &Context {
        self.held.context()
    }

    /// The tokens that the context holds.
    pub fn held_tokens(&self) -> &[Token] {
        self.held.tokens()
    }

    /// Tokens that the context has room for: `n_ctx`, or the positions that the model has learned if those are fewer.
    pub fn capacity(&self) -> u32 {
        self.held.capacity() as u32
    }

    /// The sampler. One with a grammar must be reset before each answer.
    pub fn sampler_mut(&mut self) -> &mut Sampler {
        &mut self.sampler
    }

    /// A flag that stops the turn in progress from another thread, also while it processes a prompt. Every turn clears
    /// it when it ends; one that is set before a turn stops that turn.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Sends a prompt and passes the text of the answer to `on_text` as it comes. The answer ends when the model ends it,
    /// after `limit` tokens, when `on_text` breaks, when the [stop flag](Self::stop_flag) is set, or when the context is
    /// full.
    ///
    /// # Errors
    /// [`LlamaError::ContextFull`] if the prompt does not fit: see [`turns_to_free`](Self::turns_to_free). The template
    /// cannot write the prompt, or llama.cpp failed. The prompt is then not part of the conversation, nor is one that was
    /// stopped before its first token.
    pub fn ask(
        &mut self,
        prompt: &str,
        limit: u32,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, LlamaError> {
        self.turns.push(Turn::new(prompt));
        let answer = self.answer(limit, on_text);
        if answer.as_ref().map_or(true, |answer| answer.end == AnswerEnd::Stopped && answer.n_generated == 0)
        {
            self.turns.pop();
        }
        answer
    }

    /// Continues the last answer, if it was cut short.
    ///
    /// # Errors
    /// The last answer is complete; or as [`ask`](Self::ask).
    pub fn go_on(
        &mut self,
        limit: u32,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, LlamaError> {
        if self.turns.last().is_none_or(|turn| turn.has_ended) {
            return Err(LlamaError::Unsupported {
                what: "continuing the answer".into(),
                why: "the last answer is complete: ask something".into(),
            });
        }
        self.answer(limit, on_text)
    }

    /// Removes the last prompt and its answer; `false` if there is none.
    pub fn undo(&mut self) -> bool {
        self.turns.pop().is_some()
    }

    /// Forgets everything but the system message; the draws begin again at the seed.
    pub fn reset(&mut self) {
        self.turns.clear();
        self.held.clear();
        self.sampler.reset();
    }

    fn answer(
        &mut self,
        limit: u32,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, LlamaError> {
        let answer = self.process_and_generate(limit, on_text);
        self.stop.store(false, Ordering::Relaxed);
        answer
    }

    fn process_and_generate(
        &mut self,
        limit: u32,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, LlamaError> {
        let start = Instant::now();
        let wanted = self.script.tokens(&mut self.turns)?;
        let n_kept = self.held.keep(&wanted)?;
        let has_all = self.held.decode(&wanted[n_kept..], &self.stop)?;
        let n_processed = self.held.tokens().len().saturating_sub(n_kept);
        let mut answer = Answer::new(n_kept, n_processed, start.elapsed(), self.capacity());
        if !has_all {
            answer.end = AnswerEnd::Stopped;
        } else if limit > 0 {
            self.generate(limit, start, &mut answer, on_text)?;
        }
        answer.n_used = self.held.tokens().len() as u32;
        Ok(answer)
    }

    fn generate(
        &mut self,
        limit: u32,
        start: Instant,
        answer: &mut Answer,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), LlamaError> {
        let Some(turn) = self.turns.last_mut() else { return Ok(()) };
        let mut first = start;
        loop {
            let token = self.held.sample(&mut self.sampler)?;
            if self.vocab.is_eog(token) {
                turn.has_ended = true;
                answer.end = AnswerEnd::Finished;
                let rest = turn.end_text();
                if !rest.is_empty() {
                    answer.text.push_str(rest);
                    let _ = on_text(rest);
                }
                return Ok(());
            }
            match answer.first_token {
                None => {
                    first = Instant::now();
                    answer.first_token = Some(first - start);
                }
                Some(_) => answer.generating = first.elapsed(),
            }
            answer.n_generated += 1;
            let text = turn.add(&self.vocab, token)?;
            answer.text.push_str(&text);
            let is_to_stop = !text.is_empty() && on_text(&text).is_break();
            if is_to_stop || self.stop.load(Ordering::Relaxed) {
                answer.end = AnswerEnd::Stopped;
                return Ok(());
            }
            if answer.n_generated == limit {
                answer.end = AnswerEnd::Limit;
                return Ok(());
            }
            if self.held.tokens().len() == self.held.capacity() {
                answer.end = AnswerEnd::ContextFull;
                return Ok(());
            }
            if !self.held.decode(&[token], &self.stop)? {
                answer.end = AnswerEnd::Stopped;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;
