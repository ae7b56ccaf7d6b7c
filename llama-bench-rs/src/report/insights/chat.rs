use std::{fmt, time::Duration};

use super::{Level, Say};
use crate::{
    record::{Cell, Group, Run, TestKind},
    report::{
        figures::Figures,
        in_words::{context, duration},
    },
    stats::{Quantity as _, Samples, TimePart, TimeSum},
};

/// What the figures at a depth mean for somebody who waits: a prompt of the length measured comes in at this depth and
/// is answered. The first token of the answer is sampled from the prompt's own logits, the second comes with the first
/// step of the generation; a model with an encoder has no logits of the prompt, and its first token comes with that
/// step. Sampling, templates and the network are not part of it, and the answer's own tokens are not
/// counted into the depth that its later tokens see.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChatTimes {
    /// Tokens in the context before the prompt.
    pub n_depth: u32,
    /// Tokens of the prompt.
    pub n_prompt: u32,
    /// Time to process the prompt.
    pub prompt: Duration,
    /// Tokens generated in a repetition.
    pub n_gen: u32,
    /// Time to generate them.
    pub generation: Duration,
    /// Time of one of them, on average.
    pub token: Duration,
    /// From the prompt's arrival to the first token of the answer: the prompt alone, or with a step of the decoder.
    pub first_token: TimeSum,
    /// Answers of 100 and of 500 tokens.
    pub answers: [Answer; 2],
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Tokens in it.
    pub n_tokens: u32,
    /// From the prompt's arrival to its last token.
    pub complete: TimeSum,
    /// The generation alone: a step for each token but the first, which an encoder does not show.
    pub generation: Duration,
}

const ANSWERS: [u32; 2] = [100, 500];

/// The times at every depth where both a prompt and a generation of one sequence were measured, ascending. Of several tests of a kind
/// the longest counts.
pub fn chat_times(run: &Run) -> Vec<ChatTimes> {
    let mut pairs: Vec<(&Cell, &Cell)> = run.cells.iter().filter_map(|cell| pair(run, cell)).collect();
    pairs.sort_by_key(|(prompt, generation)| {
        let is_half = prompt.test.group.is_some();
        let longest = |n: u32| u32::MAX - n;
        let n = |cell: &Cell| longest(cell.test.kind.n_tokens());
        (prompt.test.n_depth, is_half, n(prompt), n(generation))
    });
    pairs.dedup_by_key(|(prompt, _)| prompt.test.n_depth);
    let first = first_token(run);
    pairs.into_iter().filter_map(|(prompt, generation)| times(prompt, generation, first)).collect()
}

/// Where the first token of an answer comes from.
#[derive(Clone, Copy)]
enum FirstToken {
    /// From the logits of the prompt's last token.
    Prompt,
    /// From the decoder's first step: the encoder, which read the prompt, has no logits.
    Step,
}

fn first_token(run: &Run) -> FirstToken {
    let model = &run.header.model;
    // llama-bench names the architecture in the description alone.
    let architecture = match model.architecture.as_str() {
        "" => model.description.split(' ').next().unwrap_or_default(),
        told => told,
    };
    if architecture == "t5" { FirstToken::Step } else { FirstToken::Prompt }
}

/// The times that a prompt and a generation of a run mean; `None` if one of them has no figure.
pub(in crate::report) fn chat_times_of(run: &Run, prompt: &Cell, generation: &Cell) -> Option<ChatTimes> {
    times(prompt, generation, first_token(run))
}

/// At the shallowest and at the deepest context.
pub(super) fn at_the_ends(run: &Run) -> Vec<ChatTimes> {
    let mut all = chat_times(run);
    if all.len() > 2 {
        all.drain(1..all.len() - 1);
    }
    all
}

/// This prompt with the generation that goes with it: of a pg test its other half, else the longest at this depth.
fn pair<'a>(run: &'a Run, prompt: &'a Cell) -> Option<(&'a Cell, &'a Cell)> {
    let TestKind::Pp(_) = prompt.test.kind else { return None };
    if prompt.test.n_parallel != 1 {
        return None;
    }
    Figures::of(prompt)?;
    let starts_at = match prompt.test.group {
        Some(Group { n_prompt, .. }) => prompt.test.n_depth.checked_add(n_prompt)?,
        None => prompt.test.n_depth,
    };
    let goes_with = |cell: &&Cell| {
        matches!(cell.test.kind, TestKind::Tg(_))
            && (cell.test.n_depth, cell.test.group, cell.test.n_parallel) == (starts_at, prompt.test.group, 1)
            && Figures::of(cell).is_some()
    };
    let generation = run.cells.iter().filter(goes_with).max_by_key(|cell| cell.test.kind.n_tokens())?;
    Some((prompt, generation))
}

fn times(prompt: &Cell, generation: &Cell, first: FirstToken) -> Option<ChatTimes> {
    let (prompt_figures, figures) = (Figures::of(prompt)?, Figures::of(generation)?);
    // From the time, not from the rate: the mean of rates is another mean.
    let n_gen = generation.test.kind.n_tokens();
    let scaled =
        |n_tokens: u32| Duration::from_f64(figures.time.to_f64() / f64::from(n_gen) * f64::from(n_tokens));
    let answer = |n_tokens: u32| {
        let n_steps = match first {
            FirstToken::Prompt => n_tokens - 1,
            FirstToken::Step => n_tokens,
        };
        let stepped = stepped(generation, n_steps);
        let part = match &stepped {
            Some(samples) => TimePart::Samples(samples),
            None => TimePart::Mean(scaled(n_steps)?),
        };
        let generation = TimeSum::of([part])?.mean;
        Some(Answer { n_tokens, complete: TimeSum::of([prompt_figures.time_part(), part])?, generation })
    };
    let first_token = match first {
        FirstToken::Prompt => TimeSum::of([prompt_figures.time_part()])?,
        FirstToken::Step => answer(1)?.complete,
    };
    Some(ChatTimes {
        n_depth: prompt.test.n_depth,
        n_prompt: prompt.test.kind.n_tokens(),
        prompt: prompt_figures.time,
        n_gen,
        generation: figures.time,
        token: scaled(1)?,
        first_token,
        answers: [answer(ANSWERS[0])?, answer(ANSWERS[1])?],
    })
}

/// What each repetition says of the time of so many steps: those of its transient, at least the first, as they were, and
/// the others as long as its later steps on average. `None` if there are no samples.
fn stepped(cell: &Cell, n_steps: u32) -> Option<Samples<Duration>> {
    let n_measured = cell.test.kind.n_tokens() as usize;
    let n_unsteady = cell.step_summary().map_or(0, |steps| steps.n_unsteady());
    let measured = cell.measured()?;
    let times = measured.samples.iter().map(|sample| {
        let whole = sample.elapsed.to_f64();
        let n_steps = n_steps as usize;
        let ns = match sample.steps.get(..n_unsteady) {
            Some(unsteady) if n_measured > n_unsteady => {
                let sum = |steps: &[Duration]| steps.iter().map(|step| step.to_f64()).sum::<f64>();
                let rest = (whole - sum(unsteady)).max(0.0) / (n_measured - n_unsteady) as f64;
                sum(&unsteady[..n_steps.min(n_unsteady)]) + rest * n_steps.saturating_sub(n_unsteady) as f64
            }
            _ => whole / n_measured as f64 * n_steps as f64,
        };
        Duration::from_f64(ns)
    });
    measured.set(times.collect::<Option<Vec<_>>>()?)
}

impl Say for ChatTimes {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for ChatTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [short, long] = &self.answers;
        write!(
            f,
            "In {}, a prompt of {} tokens takes {}, and {} generated tokens take {}, {} each: the first token comes \
             after {}",
            context(self.n_depth),
            self.n_prompt,
            duration(self.prompt),
            self.n_gen,
            duration(self.generation),
            duration(self.token),
            duration(self.first_token.mean),
        )?;
        if let Some(interval) = self.first_token.ci95 {
            write!(f, " (± {})", duration(interval.half_width()))?;
        }
        write!(
            f,
            ", an answer of {} tokens is complete after {}, one of {} after {} (as if the context did not grow while it \
             is written).",
            short.n_tokens,
            duration(short.complete.mean),
            long.n_tokens,
            duration(long.complete.mean),
        )
    }
}
