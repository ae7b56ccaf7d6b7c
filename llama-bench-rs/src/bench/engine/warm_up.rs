//! What a warm-up runs.

use std::{collections::BTreeSet, time::Duration};

use super::{Engine, warmth::Settling};
use crate::{
    bench::{clock::Clock, observe::Event, plan::Depth, target::Target, tokens::Purpose},
    record::{Failure, Test, TestKind},
};

/// Tokens of a generation in the warm-up: enough for a backend to capture its graph and replay it.
const N_WARMUP_GEN: u32 = 8;

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Warms up in the empty context what the fill does not, of the tests at these depths: generations and embeddings, and
    /// everything that several sequences do together, since a decode of another shape finds kernels and graphs cold.
    pub(super) fn warm_up_others(&mut self, depths: &[Depth]) -> Result<(), Failure> {
        if !self.plan.request.warmup {
            return Ok(());
        }
        self.warmth.begin();
        let open: Vec<Test> = depths
            .iter()
            .flat_map(|depth| self.cells.open_units(depth))
            .flat_map(|unit| self.cells.possible(unit))
            .map(|cell| self.plan.cells[cell])
            .collect();
        let longest = |n_seqs: u32, is_kind: fn(TestKind) -> bool| {
            let kinds = open.iter().filter(|test| test.n_parallel == n_seqs).map(|test| test.kind);
            kinds.filter(|&kind| is_kind(kind)).max()
        };
        for n_seqs in open.iter().map(|test| test.n_parallel).collect::<BTreeSet<u32>>() {
            if let Some(TestKind::Tg(n_tokens)) = longest(n_seqs, TestKind::is_generation) {
                let n_tokens = n_tokens.min(N_WARMUP_GEN);
                self.warm_up_until_settled(TestKind::Tg(n_tokens), n_seqs)?;
                if n_seqs == 1 {
                    self.try_whole(n_tokens, depths);
                    self.try_larger_whole(n_tokens, depths)?;
                }
                self.session.clear();
            }
            if let Some(text) = longest(n_seqs, TestKind::is_embedding) {
                self.warm_up_until_settled(text, n_seqs)?;
                self.session.clear();
            }
            if let Some(prompt) = longest(n_seqs, TestKind::is_prompt).filter(|_| n_seqs > 1) {
                self.session.tell(&Event::WarmingUp);
                self.session.clear();
                self.warm_up_run(prompt, n_seqs)?;
                self.session.clear();
                self.warmth.ran_another();
            }
        }
        Ok(())
    }

    /// Runs a test in the empty context until two successive runs agree, or as often as a warm-up does. The last one stays
    /// in the context.
    fn warm_up_until_settled(&mut self, kind: TestKind, n_seqs: u32) -> Result<(), Failure> {
        self.session.tell(&Event::WarmingUp);
        let mut runs = Settling::default();
        while runs.settled().is_none() {
            self.session.clear();
            runs.again(self.warm_up_run(kind, n_seqs)?);
        }
        self.warmth.add(&runs);
        Ok(())
    }

    /// Warms prompts up in the empty context if the fill to the deepest of these depths will not do it.
    pub(super) fn warm_up_prompts_first(&mut self, depths: &[Depth]) -> Result<(), Failure> {
        let deepest = depths.last().map_or(0, |depth| depth.n_depth);
        if !self.warmth.prompts.will_be_warmed(self.plan, deepest, self.session.limits().n_batch) {
            let lacking = self.warmth.prompts.lacking();
            self.warm_up_prompts(None)?;
            if lacking.is_some() {
                // The last one is a short one.
                self.try_whole(self.warmth.prompts.n_short(), depths);
            }
        }
        self.session.clear();
        Ok(())
    }

    /// Warms prompts up from a held depth or from the empty context, unless the fill has done it: one prompt of the
    /// longest decode, and short ones until two successive ones agree.
    pub(super) fn warm_up_prompts(&mut self, held: Option<(usize, &Depth)>) -> Result<(), Failure> {
        if !self.warmth.prompts.are_warm() {
            self.session.tell(&Event::WarmingUp);
        }
        while let Some(n_tokens) = self.warmth.prompts.lacking() {
            match held {
                Some((slot, depth)) => self.go_to(slot, depth)?,
                None => self.session.clear(),
            }
            let elapsed = self.warm_up_run(TestKind::Pp(n_tokens), 1)?;
            self.warmth.prompts.ran(n_tokens, elapsed);
        }
        Ok(())
    }

    /// Runs a test once from the current state, untimed; of a prompt of several sequences the first decode.
    pub(super) fn warm_up_run(&mut self, kind: TestKind, n_seqs: u32) -> Result<Duration, Failure> {
        self.session.go_on()?;
        let mut input = self.draw(Purpose::Warmup, kind, n_seqs, true);
        input.cut_prompt(kind, self.session.limits().n_batch);
        self.session.warm_up(kind, &input)
    }
}
