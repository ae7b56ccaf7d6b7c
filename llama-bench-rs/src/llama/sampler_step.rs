//! One sampler of llama.cpp: a step of a chain.

use std::ptr::NonNull;

use super::{LlamaError, Token, context::last_exception, stack, sys};

/// Logits beyond are damage: steps could make them infinite, and the differences of infinite ones are not numbers.
pub(super) const MAX_LOGIT: f32 = 1e30;

/// Candidates further than this below the most likely one have no probability that a 32-bit number can hold.
const NEGLIGIBLE: f32 = 60.0;

/// What a step is, as far as it matters to how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes logits or drops candidates.
    Filter,
    /// Takes the logarithm of every probability: none may be 0.
    Logarithm,
    /// Follows the text that is generated, and not the prompt.
    Grammar,
    /// Chooses.
    Choice,
}

/// A sampler of llama.cpp, freed with this.
pub(super) struct Step {
    raw: Raw,
    name: &'static str,
    kind: Kind,
    stack: Stack,
}

/// Bytes of stack that calls may take beyond the ordinary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stack {
    /// While it is applied to a token.
    pub(super) to_apply: usize,
    /// While it is made as new.
    pub(super) to_reset: usize,
}

#[derive(Clone, Copy)]
struct Raw(NonNull<sys::llama_sampler>);

// SAFETY: a sampler is tied to no thread, and a Step calls it from one at a time.
unsafe impl Send for Raw {}

impl Raw {
    fn as_ptr(self) -> *mut sys::llama_sampler {
        self.0.as_ptr()
    }
}

/// Tokens that can still be chosen, and whether they are in descending order.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) list: Vec<sys::llama_token_data>,
    sorted: bool,
}

impl Candidates {
    /// Every token that the logits do not rule out.
    ///
    /// # Errors
    /// A logit is not a number, or too large to be one of a model that works.
    pub(super) fn fill(&mut self, logits: &[f32]) -> Result<(), LlamaError> {
        let is_bad =
            |logit: &&f32| logit.is_nan() || (logit.abs() > MAX_LOGIT && **logit != f32::NEG_INFINITY);
        if let Some(logit) = logits.iter().find(is_bad) {
            return Err(LlamaError::Unsupported {
                what: "choosing a token".into(),
                why: format!("the logits contain {logit}: the weights or the state are damaged"),
            });
        }
        self.sorted = false;
        self.list.clear();
        let entry = |(id, &logit): (usize, &f32)| sys::llama_token_data { id: id as Token, logit, p: 0.0 };
        self.list.extend(logits.iter().enumerate().map(entry).filter(is_possible));
        Ok(())
    }

    fn drop_negligible(&mut self) {
        let most = self.list.iter().map(|it| it.logit).fold(f32::NEG_INFINITY, f32::max);
        self.list.retain(|it| it.logit >= most - NEGLIGIBLE);
    }
}

fn is_possible(candidate: &sys::llama_token_data) -> bool {
    candidate.logit > f32::NEG_INFINITY
}

/// What llama.cpp left of the candidates.
struct Applied {
    skipped: usize,
    n_left: usize,
    sorted: bool,
    selected: i64,
}

impl Step {
    /// Takes a sampler that llama.cpp just made; null after an exception.
    ///
    /// # Errors
    /// There is none.
    ///
    /// # Safety
    /// `raw` is null or a sampler that nobody else frees or uses, of this kind. What it refers to outlives the step.
    pub(super) unsafe fn new(
        raw: *mut sys::llama_sampler,
        name: &'static str,
        kind: Kind,
        stack: Stack,
    ) -> Result<Self, LlamaError> {
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw: Raw(raw), name, kind, stack }),
            None => Err(LlamaError::OutOfMemory {
                what: format!("making the sampler {name}"),
                log: last_exception().unwrap_or_default(),
            }),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is_grammar(&self) -> bool {
        self.kind == Kind::Grammar
    }

    /// Applies it; the token if it is one that chooses. Candidates that it rules out are gone.
    ///
    /// # Errors
    /// The text of an exception.
    pub(super) fn apply(&mut self, candidates: &mut Candidates) -> Result<Option<Token>, String> {
        if self.kind == Kind::Logarithm {
            candidates.drop_negligible();
        }
        let Candidates { list, sorted } = candidates;
        let was_sorted = *sorted;
        let entries = &mut *list;
        let applied = self.call(self.stack.to_apply, move |raw| {
            let begin = entries.as_mut_ptr();
            let mut array = sys::llama_token_data_array {
                data: begin,
                size: entries.len(),
                selected: -1,
                sorted: was_sorted,
            };
            // SAFETY: a live sampler, and as many candidates as the array says; all their logits are finite.
            let done = unsafe { sys::llama_sys_sampler_apply(raw.as_ptr(), &mut array) };
            let skipped = (array.data.addr() - begin.addr()) / size_of::<sys::llama_token_data>();
            let left =
                Applied { skipped, n_left: array.size, sorted: array.sorted, selected: array.selected };
            if done { Ok(left) } else { Err(last_exception().unwrap_or_default()) }
        })?;
        let chosen = usize::try_from(applied.selected).ok().filter(|_| self.kind == Kind::Choice);
        let chosen = chosen.and_then(|i| list.get(applied.skipped + i)).map(|it| it.id);
        list.truncate(applied.skipped + applied.n_left);
        list.drain(..applied.skipped.min(list.len()));
        list.retain(is_possible);
        *sorted = applied.sorted;
        Ok(chosen)
    }

    /// Whether it would leave this token, whatever its logit.
    ///
    /// # Errors
    /// The text of an exception.
    pub(super) fn allows(&mut self, token: Token) -> Result<bool, String> {
        let entry = sys::llama_token_data { id: token, logit: 0.0, p: 0.0 };
        let mut alone = Candidates { list: vec![entry], sorted: true };
        self.apply(&mut alone)?;
        Ok(!alone.list.is_empty())
    }

    /// Tells it what was chosen.
    ///
    /// # Errors
    /// The text of an exception.
    pub(super) fn accept(&mut self, token: Token) -> Result<(), String> {
        self.call(self.stack.to_apply, move |raw| {
            // SAFETY: a live sampler, and a token of the vocabulary if it has one.
            let done = unsafe { sys::llama_sys_sampler_accept(raw.as_ptr(), token) };
            if done { Ok(()) } else { Err(last_exception().unwrap_or_default()) }
        })
    }

    /// Makes it as new.
    ///
    /// # Errors
    /// The text of an exception.
    pub(super) fn reset(&mut self) -> Result<(), String> {
        self.call(self.stack.to_reset, |raw| {
            // SAFETY: a live sampler.
            let done = unsafe { sys::llama_sys_sampler_reset(raw.as_ptr()) };
            if done { Ok(()) } else { Err(last_exception().unwrap_or_default()) }
        })
    }

    /// Calls it with enough stack.
    fn call<R: Send>(
        &self,
        stack: usize,
        call: impl FnOnce(Raw) -> Result<R, String> + Send,
    ) -> Result<R, String> {
        let raw = self.raw;
        if stack == 0 {
            return call(raw);
        }
        stack::with(stack, move || call(raw)).unwrap_or_else(|error| Err(format!("no stack: {error}")))
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // SAFETY: made once, freed once.
        unsafe { sys::llama_sampler_free(self.raw.as_ptr()) };
    }
}
