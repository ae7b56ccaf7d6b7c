//! What contexts are filled with, and how long the parts of it took.

use std::time::Duration;

use super::{session::Session, warmth::Prompts};
use crate::{
    bench::{
        clock::Clock,
        observe::Event,
        plan::Plan,
        target::{Row, Target, Token},
    },
    record::{CurvePoint, Failure},
};

/// The tokens of the deepest depth, with which every depth begins, and the curve of the fill.
pub(super) struct Fill {
    tokens: Vec<Token>,
    curve: Vec<CurvePoint>,
    /// Points that the observer knows.
    n_told: usize,
}

impl Fill {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self { tokens, curve: Vec::new(), n_told: 0 }
    }

    /// Takes over the curve of an earlier run.
    pub(super) fn resume(&mut self, curve: &[CurvePoint]) {
        self.curve = curve.to_vec();
    }

    pub(super) fn into_curve(self) -> Vec<CurvePoint> {
        self.curve
    }

    /// Points since the last time.
    pub(super) fn untold(&mut self) -> &[CurvePoint] {
        &self.curve[std::mem::replace(&mut self.n_told, self.curve.len())..]
    }

    /// What filling an empty context with so many tokens takes, by what was filled so far; `None` if nothing was.
    pub(super) fn time_to(&self, n_tokens: u32) -> Option<Duration> {
        let sum = |points: &mut dyn Iterator<Item = &CurvePoint>| {
            let add =
                |(n, time): (u32, Duration), point: &CurvePoint| (n + point.n_tokens, time + point.elapsed);
            Some(points.fold((0, Duration::ZERO), add)).filter(|&(n, _)| n > 0)
        };
        let reached = || self.curve.iter().filter(|point| point.n_depth < n_tokens);
        // Chunks of a cold machine predict too much.
        let (n, elapsed) =
            sum(&mut reached().filter(|point| !point.warmup)).or_else(|| sum(&mut reached()))?;
        Some(elapsed.mul_f64(f64::from(n_tokens) / f64::from(n)))
    }

    /// A prompt of the fill's own tokens: the fill can continue after it.
    pub(super) fn prompt(&self, n_depth: u32, n_tokens: u32) -> Vec<Token> {
        self.tokens[n_depth as usize..(n_depth + n_tokens) as usize].to_vec()
    }

    /// Adds tokens from `from` up to `to`, each chunk timed for the curve.
    pub(super) fn add<T: Target, C: Clock>(
        &mut self,
        session: &mut Session<'_, T, C>,
        plan: &Plan,
        prompts: &mut Prompts,
        from: u32,
        to: u32,
    ) -> Result<(), Failure> {
        let n_batch = session.limits().n_batch;
        let mut done = from;
        while done < to {
            session.go_on()?;
            session.tell(&Event::Filling { n_done: done, n_depth: to });
            let n_chunk = plan.n_chunk(done, n_batch);
            let n_tokens = n_chunk.min(to - done);
            let chunk = &self.tokens[done as usize..(done + n_tokens) as usize];
            let (elapsed, is_first_of_its_length) = session.fill(chunk, n_batch)?;
            let warmup = !prompts.are_warm() || n_chunk < n_batch || is_first_of_its_length;
            prompts.filled(n_tokens, elapsed);
            // What is filled again is not a new point.
            if self.curve.last().is_none_or(|last| last.n_depth + last.n_tokens <= done) {
                self.curve.push(CurvePoint { n_depth: done, n_tokens, elapsed, warmup });
            }
            done += n_tokens;
        }
        Ok(())
    }

    /// Fills each of the first `n_seqs` sequences of an empty context with the first `n_depth` tokens, one after the other,
    /// as llama-batched-bench does it.
    pub(super) fn add_each<T: Target, C: Clock>(
        &self,
        session: &mut Session<'_, T, C>,
        n_depth: u32,
        n_seqs: u32,
    ) -> Result<(), Failure> {
        let (n_batch, n_all) = (session.limits().n_batch, n_depth.saturating_mul(n_seqs));
        let row = |place: u32| {
            let (seq, at) = (place / n_depth, place % n_depth);
            Row { seq, token: self.tokens[at as usize], logits: at + 1 == n_depth }
        };
        let mut n_done = 0;
        while n_done < n_all {
            session.go_on()?;
            session.tell(&Event::Filling { n_done, n_depth: n_all });
            let end = n_all.min(n_done.saturating_add(n_batch));
            session.fill_rows(&(n_done..end).map(row).collect::<Vec<_>>())?;
            n_done = end;
        }
        Ok(())
    }

    /// Has the encoder read the first `n_depth` tokens, whatever it has read before.
    pub(super) fn encode<T: Target, C: Clock>(
        &self,
        session: &mut Session<'_, T, C>,
        n_depth: u32,
    ) -> Result<(), Failure> {
        session.go_on()?;
        session.tell(&Event::Filling { n_done: 0, n_depth });
        session.clear();
        session.fill(&self.tokens[..n_depth as usize], n_depth)?;
        Ok(())
    }
}
