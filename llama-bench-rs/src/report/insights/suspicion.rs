//! Noise in the repetitions of a run that the interval of one cell does not include.

use std::time::Duration;

use super::noise::WORTH_A_WORD;
use crate::{
    record::{Run, Test},
    stats::{Apart, Quantity as _, Samples, Serial, Suspicion},
};

/// What was found in a run, if it is worth reporting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) serial: Option<Serial>,
    /// The cell with the widest gap, how many repetitions it has, and what was found there.
    pub(super) apart: Option<(Test, usize, Apart)>,
}

impl Found {
    pub(super) fn is_any(&self) -> bool {
        self.serial.is_some() || self.apart.is_some()
    }
}

pub(super) fn found(run: &Run) -> Found {
    let kinds: [Vec<(Test, Samples<Duration>)>; 3] = std::array::from_fn(|kind| {
        let is_of_kind = |test: Test| match kind {
            0 => test.kind.is_prompt(),
            1 => test.kind.is_generation(),
            _ => test.kind.is_embedding(),
        };
        let cells = run.cells.iter().filter(|cell| is_of_kind(cell.test));
        cells.filter_map(|cell| Some((cell.test, cell.times()?))).filter(|(_, times)| times.n() > 1).collect()
    });
    let sets = kinds.each_ref().map(|cells| cells.iter().map(|(_, times)| times.clone()).collect::<Vec<_>>());
    let suspicion = Suspicion::of(&sets);
    let range = |times: &Samples<Duration>| (times.max() - times.min()).to_f64() / times.mean().to_f64();
    let matters = sets.iter().flatten().any(|times| range(times) > WORTH_A_WORD);
    let apart = suspicion.apart.filter(|(_, apart)| apart.gap > WORTH_A_WORD);
    Found {
        serial: suspicion.serial.filter(|_| matters),
        apart: apart.map(|(kind, apart)| {
            let (test, times) = &kinds[kind][apart.cell];
            (*test, times.n(), apart)
        }),
    }
}
