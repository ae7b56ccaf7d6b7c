//! The slots of a server: who is served in which, and what each holds.

use std::time::Duration;

use super::{
    Policy,
    workload::{Key, Tokens},
};

/// A sequence of the context, with the request that it serves.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// Tokens that it holds.
    pub(super) n_held: u32,
    /// Tokens of the step that is being decoded.
    pub(super) n_submitted: u32,
    /// Whose tokens it holds; `None` before its first request.
    pub(super) key: Option<Key>,
    /// When it was left, as the number of requests that left a slot before; `None` if it was never left.
    left: Option<u64>,
}

/// What a slot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Serves nobody.
    Free,
    /// Is about to keep this many tokens of its last request for the next one.
    Keeping(Served, u32),
    /// Reads a prompt.
    Prompt(Served),
    /// Generates. The last token that its request received came at this time.
    Generating(Served, Duration),
}

/// The request in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// Its record, in order of arrival.
    pub(super) record: usize,
    pub(super) key: Key,
    pub(super) n_prompt: u32,
    pub(super) n_gen: u32,
}

impl Slot {
    fn holds(&self, tokens: &Tokens, request: &Served) -> u32 {
        let most = self.n_held.min(request.n_prompt);
        self.key.map_or(0, |key| tokens.n_common(key, request.key, most))
    }

    /// The request that it serves, if any.
    pub(super) fn served(&self) -> Option<Served> {
        match self.state {
            State::Free => None,
            State::Keeping(served, _) | State::Prompt(served) | State::Generating(served, _) => Some(served),
        }
    }
}

/// All slots of a server.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) all: Vec<Slot>,
    n_left: u64,
    n_running: u32,
}

impl Slots {
    pub(super) fn new(n: u32) -> Self {
        let slot = Slot { state: State::Free, n_held: 0, n_submitted: 0, key: None, left: None };
        Self { all: vec![slot; n as usize], n_left: 0, n_running: 0 }
    }

    /// Slots that serve a request.
    pub(super) fn n_running(&self) -> u32 {
        self.n_running
    }

    pub(super) fn has_free(&self) -> bool {
        (self.n_running as usize) < self.all.len()
    }

    /// Gives the request the slot that llama-server would choose; there must be a free one.
    pub(super) fn admit(&mut self, request: Served, policy: &Policy, tokens: &Tokens) {
        let Some((slot, n_common)) = self.choice(&request, tokens) else { return };
        // At least the last token is decoded: without its logits there is no first token.
        let n_kept = if policy.reuse_prefix { n_common.min(request.n_prompt - 1) } else { 0 };
        slot.state = State::Keeping(request, n_kept);
        self.n_running += 1;
    }

    /// The free slot for a request, and how many tokens of its prompt it holds.
    fn choice(&mut self, request: &Served, tokens: &Tokens) -> Option<(&mut Slot, u32)> {
        let is_free = |slot: &&mut Slot| slot.state == State::Free;
        let mut similar: Option<(usize, u32)> = None;
        let mut oldest: Option<(usize, u32, Option<u64>)> = None;
        for (index, slot) in self.all.iter_mut().enumerate().filter(|(_, slot)| is_free(slot)) {
            let n_common = slot.holds(tokens, request);
            if u64::from(n_common) * 10 > request.n_prompt.into()
                && similar.is_none_or(|(_, most)| n_common > most)
            {
                similar = Some((index, n_common));
            }
            // The last one of equals, as in llama-server: slots are first used from the highest down.
            if oldest.is_none_or(|(_, _, left)| slot.left <= left) {
                oldest = Some((index, n_common, slot.left));
            }
        }
        let (index, n_common) = similar.or(oldest.map(|(index, n_common, _)| (index, n_common)))?;
        Some((&mut self.all[index], n_common))
    }

    /// A request leaves its slot, which keeps what it holds.
    pub(super) fn leave(&mut self, index: usize) {
        let slot = &mut self.all[index];
        slot.state = State::Free;
        slot.left = Some(self.n_left);
        self.n_left += 1;
        self.n_running -= 1;
    }
}
