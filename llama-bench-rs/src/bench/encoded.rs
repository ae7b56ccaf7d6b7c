//! Models that compute a text whole: encoding it anew at each depth, and the warm-up of embeddings.

use super::{
    abilities::{Memory, unsupported},
    clock::Clock,
    engine::Engine,
    observe::Event,
    plan::Unit,
    target::{Target, Token},
    timed,
    tokens::Purpose,
    warmup::Settling,
};
use crate::record::{Failure, TestKind, Warmup};

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Cells that the target cannot run fail before anything is run for them.
    pub(super) fn refuse_unsupported(&mut self) {
        let plan = self.plan;
        for &unit in plan.depths.iter().flat_map(|depth| &depth.units) {
            match unit {
                Unit::Single(cell) => self.refuse(cell, unit),
                Unit::Pair { prompt, generation } => {
                    self.refuse(prompt, unit);
                    // The prompt goes on without it.
                    self.refuse(generation, Unit::Single(generation));
                }
            }
        }
    }

    /// Fails the unit if this cell cannot be run.
    fn refuse(&mut self, cell: usize, unit: Unit) {
        if let Some(failure) = self.abilities.refusal(&self.plan.cells[cell]) {
            self.fail(unit, &failure);
        }
    }

    /// Cells of a unit that have not failed. What fails while it runs fails with its unit, so that one that is left is
    /// the prompt of a pair whose generation is not possible.
    pub(super) fn possible_cells(&self, unit: Unit) -> Vec<usize> {
        unit.cells().filter(|&cell| self.cells[cell].failure.is_none()).collect()
    }

    /// What is timed in the cells that can be run.
    pub(super) fn open_kinds(&self) -> impl Iterator<Item = TestKind> {
        let open = self.plan.cells.iter().zip(&self.cells).filter(|(_, progress)| progress.failure.is_none());
        open.map(|(test, _)| test.kind)
    }

    /// Whether a depth is a text that the encoder reads anew, rather than tokens that the context goes on from.
    pub(super) fn encodes_depths(&self) -> bool {
        matches!(self.abilities.memory, Memory::Encoded { .. })
    }

    /// Has the encoder read the first `n_depth` tokens of the fill, whatever it has read before.
    pub(super) fn encode_depth(&mut self, n_depth: u32) -> Result<(), Failure> {
        self.go_on()?;
        self.tell(&Event::Filling { n_done: 0, n_depth });
        self.target.clear();
        let text = self.fill_tokens(n_depth);
        let sample = timed::prompt(self.target, self.clock, &text, n_depth)?;
        self.decoded(n_depth);
        *self.header.timing.fill.get_or_insert_default() += sample.elapsed;
        *self.header.timing.n_decoded_tokens.get_or_insert_default() += u64::from(n_depth);
        Ok(())
    }

    /// Tokens of a repetition. A decoder begins each of its generations with a token of its own.
    pub(super) fn draw(&self, purpose: Purpose, kind: TestKind, starts_sequence: bool) -> Vec<Token> {
        let mut tokens = self.tokens.draw(purpose, kind.n_tokens(), starts_sequence);
        if let (Memory::Encoded { start }, true, Some(first)) =
            (self.abilities.memory, kind.is_generation(), tokens.first_mut())
        {
            *first = start;
        }
        tokens
    }

    /// Runs the longest embedding in the empty context until two successive ones agree, or as often as a warm-up does.
    pub(super) fn warm_up_embeddings(&mut self) -> Result<(), Failure> {
        if !self.plan.request.warmup {
            return Ok(());
        }
        let longest = self.open_kinds().filter(|kind| kind.is_embedding()).max();
        let Some(kind) = longest else { return Ok(()) };
        self.tell(&Event::WarmingUp);
        let mut runs = Settling::default();
        while runs.settled().is_none() {
            self.target.clear();
            let elapsed = self.warm_up_run(kind)?;
            runs.again(elapsed);
        }
        self.target.clear();
        let Warmup { n_runs, settled } = self.warmup;
        let settled = settled.zip(runs.settled()).map(|(before, now)| before && now);
        self.warmup = Warmup { n_runs: n_runs + runs.n_runs(), settled };
        Ok(())
    }
}

/// The refusal to verify what has no depth to come back to.
pub(super) fn nothing_to_verify(memory: Memory) -> Option<Failure> {
    match memory {
        Memory::Tokens => None,
        Memory::Encoded { .. } => Some(unsupported(
            "this model's encoder reads the text of each depth anew, and there is no rewind to verify",
        )),
        Memory::Nothing(_) => {
            Some(unsupported("this model keeps no memory of past tokens, and there is no rewind to verify"))
        }
    }
}
