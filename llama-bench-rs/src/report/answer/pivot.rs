use std::collections::BTreeSet;

use super::{EnergyFigure, LightFigure, SpeedFigure, TimeFigure};
use crate::{
    record::{Cell, Run, Test, TestKind},
    report::{
        figures::Series,
        insights::{ChatTimes, chat_times_of},
    },
    stats::TimeSum,
};

/// The main figures of a configuration by depth: the test of one sequence of each kind that was measured at most depths.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Pivot {
    /// The prompt whose speed is shown; `None` if no prompt was measured.
    pub prefill: Option<TestKind>,
    /// The generation whose speed is shown; `None` if none was measured.
    pub generation: Option<TestKind>,
    /// The embedding whose speed is shown; `None` if none was measured.
    pub embedding: Option<TestKind>,
    /// One row a depth, ascending.
    pub rows: Vec<PivotRow>,
}

/// What a depth means for speed and for somebody who waits for an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PivotRow {
    /// Tokens in the context before the prompt.
    pub n_depth: u32,
    /// Speed of prompt processing.
    pub prefill: Option<SpeedFigure>,
    /// Speed of generation.
    pub generation: Option<SpeedFigure>,
    /// Speed of embedding.
    pub embedding: Option<SpeedFigure>,
    /// Energy of prompt processing.
    pub prefill_energy: Option<EnergyFigure>,
    /// Energy of generation.
    pub generation_energy: Option<EnergyFigure>,
    /// Energy of embedding.
    pub embedding_energy: Option<EnergyFigure>,
    /// Share of the speed of light of prompt processing.
    pub prefill_light: Option<LightFigure>,
    /// Share of the speed of light of generation.
    pub generation_light: Option<LightFigure>,
    /// Share of the speed of light of embedding.
    pub embedding_light: Option<LightFigure>,
    /// From the prompt's arrival to the first token of the answer.
    pub first_token: Option<TimeFigure>,
    /// From the prompt's arrival to the last token of an answer of 100 and of 500 tokens, as if the context did not grow
    /// while it is written.
    pub answers: [Option<TimeFigure>; 2],
}

impl PivotRow {
    /// Whether it has the energy of any test.
    pub fn has_energy(&self) -> bool {
        [self.prefill_energy, self.generation_energy, self.embedding_energy].iter().any(Option::is_some)
    }

    /// The shares of the speed of light of its tests that are known.
    pub fn lights(&self) -> impl Iterator<Item = &LightFigure> {
        [&self.prefill_light, &self.generation_light, &self.embedding_light].into_iter().flatten()
    }
}

impl Pivot {
    /// Of the runs of one configuration.
    pub(super) fn of(runs: &[&Run]) -> Self {
        let all: Vec<Series<'_>> = runs.iter().flat_map(|run| Series::all(run)).collect();
        let main = |is_kind: fn(TestKind) -> bool| -> Option<Test> {
            Series::main(&all, is_kind).map(|series| series.test)
        };
        let [prefill, generation, embedding] =
            [TestKind::is_prompt, TestKind::is_generation, TestKind::is_embedding].map(main);
        // The generation of a pg test follows its prompt, and stands in its row.
        let pair = prefill
            .zip(generation)
            .and_then(|(prompt, generation)| prompt.group.filter(|group| generation.group == Some(*group)));
        let offset = pair.map_or(0, |group| group.n_prompt);
        let depths = |test: Option<Test>, offset: u32| -> Vec<u32> {
            let of_test = all.iter().filter(|series| Some(series.test) == test);
            of_test
                .flat_map(|series| &series.points)
                .filter_map(|p| p.n_depth().checked_sub(offset))
                .collect()
        };
        let rows: BTreeSet<u32> = [depths(prefill, 0), depths(embedding, 0), depths(generation, offset)]
            .into_iter()
            .flatten()
            .collect();
        let figure = |test: Option<Test>, n_depth: Option<u32>| {
            let (test, n_depth) = (test?, n_depth?);
            SpeedFigure::of(&runs.iter().filter_map(|run| find(run, test, n_depth)).collect::<Vec<_>>())
        };
        let energy = |test: Option<Test>, n_depth: Option<u32>| {
            let (test, n_depth) = (test?, n_depth?);
            let cells = runs.iter().filter_map(|run| Some((*run, find(run, test, n_depth)?)));
            EnergyFigure::of(&cells.collect::<Vec<_>>())
        };
        let light = |test: Option<Test>, n_depth: Option<u32>| {
            let (test, n_depth) = (test?, n_depth?);
            let cells = runs.iter().filter_map(|run| Some((*run, find(run, test, n_depth)?)));
            LightFigure::of(&cells.collect::<Vec<_>>())
        };
        let row = |n_depth: u32| {
            let later = n_depth.checked_add(offset);
            let chats: Vec<ChatTimes> = runs
                .iter()
                .filter_map(|run| {
                    chat_times_of(run, find(run, prefill?, n_depth)?, find(run, generation?, later?)?)
                })
                .collect();
            let time =
                |of: fn(&ChatTimes) -> TimeSum| TimeFigure::of(&chats.iter().map(of).collect::<Vec<_>>());
            PivotRow {
                n_depth,
                prefill: figure(prefill, Some(n_depth)),
                generation: figure(generation, later),
                embedding: figure(embedding, Some(n_depth)),
                prefill_energy: energy(prefill, Some(n_depth)),
                generation_energy: energy(generation, later),
                embedding_energy: energy(embedding, Some(n_depth)),
                prefill_light: light(prefill, Some(n_depth)),
                generation_light: light(generation, later),
                embedding_light: light(embedding, Some(n_depth)),
                first_token: time(|chat| chat.first_token),
                answers: [time(|chat| chat.answers[0].complete), time(|chat| chat.answers[1].complete)],
            }
        };
        let kind = |test: Option<Test>| test.map(|test| test.kind);
        Self {
            prefill: kind(prefill),
            generation: kind(generation),
            embedding: kind(embedding),
            rows: rows.into_iter().map(row).collect(),
        }
    }

    /// Whether any row has the time of an answer.
    pub fn has_answers(&self) -> bool {
        self.rows.iter().any(|row| row.first_token.is_some())
    }
}

fn find(run: &Run, test: Test, n_depth: u32) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == Test { n_depth, ..test })
}
