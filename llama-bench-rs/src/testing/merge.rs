//! One run out of several parts, each measured in a context of its own.

use crate::record::{Outcome, Run, Sample, merge_conditions};

/// Takes the repetitions of a further part into a run: the same tests, later. A cell that fails in a part fails.
pub(super) fn append(run: &mut Run, part: Run) {
    let before = run.header.timing.wall.unwrap_or_default();
    let later = |samples: &[Sample]| -> Vec<Sample> {
        let later = |sample: &Sample| Sample { at: sample.at.map(|at| at + before), ..sample.clone() };
        samples.iter().map(later).collect()
    };
    for cell in &mut run.cells {
        let Some(more) = part.cells.iter().find(|more| more.test == cell.test) else { continue };
        match (&mut cell.outcome, &more.outcome) {
            (Outcome::Measured(measured), Outcome::Measured(more)) => {
                measured.samples.extend(later(&more.samples));
                measured.set_aside.extend(later(&more.set_aside));
                merge_conditions(&mut measured.conditions, &more.conditions);
            }
            (Outcome::Measured(_), failed) => cell.outcome = failed.clone(),
            (Outcome::Failed(_) | Outcome::Summarised(_), _) => {}
        }
    }
    let (timing, more) = (&mut run.header.timing, part.header.timing);
    add(&mut timing.wall, more.wall);
    add(&mut timing.open, more.open);
    add(&mut timing.fill, more.fill);
    add(&mut timing.rewind, more.rewind);
    add(&mut timing.timed, more.timed);
    add(&mut timing.warmup, more.warmup);
    add(&mut timing.n_decoded_tokens, more.n_decoded_tokens);
    add(&mut run.header.config.n_reps, part.header.config.n_reps);
}

/// The sum, if both parts are known.
fn add<T: std::ops::Add<Output = T>>(sum: &mut Option<T>, more: Option<T>) {
    *sum = sum.take().zip(more).map(|(sum, more)| sum + more);
}

/// Removes the reason for which a rule ended the repetitions of each part: it does not hold for the whole.
pub(super) fn forget_rule(run: &mut Run) {
    run.header.config.stopping = None;
    // The rule asked for at most the sum of the parts; nobody asked for more than the least that a cell has.
    let counts = run.cells.iter().filter_map(|cell| Some(cell.measured()?.samples.len() as u32));
    run.header.config.n_reps = counts.min().or(run.header.config.n_reps);
    for cell in &mut run.cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.stop = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Cell, Config, Failure, Header, Measured, Rewind, Test, TestKind, Timing, Warmup};

    fn part(times_ms: &[u64]) -> Run {
        let ms = Duration::from_millis;
        let sample = |&time| Sample {
            elapsed: ms(time),
            steps: vec![],
            at: Some(ms(5)),
            calibration: Some(ms(1)),
            ..Sample::default()
        };
        let measured = |kind| Cell {
            test: Test::from(kind),
            started_at: "2025-11-03T10:00:00Z".into(),
            outcome: Outcome::Measured(Measured {
                samples: times_ms.iter().map(sample).collect(),
                rewind: Some(Rewind::Clear),
                warmup: Some(Warmup::default()),
                ..Measured::default()
            }),
        };
        let timing = Timing { wall: Some(ms(100)), n_decoded_tokens: Some(7), ..Timing::default() };
        let config = Config { n_reps: Some(2), ..Config::default() };
        Run {
            header: Header { timing, config, ..Header::default() },
            cells: vec![measured(TestKind::Pp(8)), measured(TestKind::Tg(8))],
            curve: vec![],
        }
    }

    #[test]
    fn repetitions_follow_each_other() {
        let mut run = part(&[1, 2]);
        append(&mut run, part(&[3, 4]));
        append(&mut run, part(&[5]));
        let samples = &run.cells[1].measured().unwrap().samples;
        assert_eq!(samples.iter().map(|s| s.elapsed.as_millis()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(
            samples.iter().map(|s| s.at.unwrap().as_millis()).collect::<Vec<_>>(),
            [5, 5, 105, 105, 205]
        );
        assert!(samples.iter().all(|sample| sample.calibration.is_some()));
        let Header { timing, config, .. } = &run.header;
        assert_eq!(
            (timing.wall.unwrap().as_millis(), timing.n_decoded_tokens, config.n_reps),
            (300, Some(21), Some(6))
        );
    }

    #[test]
    fn what_was_set_aside_follows_too() {
        let mut run = part(&[1]);
        let mut more = part(&[2]);
        if let Outcome::Measured(measured) = &mut more.cells[0].outcome {
            measured.set_aside = std::mem::take(&mut measured.samples);
        }
        append(&mut run, more);
        let measured = run.cells[0].measured().unwrap();
        assert_eq!((measured.samples.len(), measured.set_aside.len()), (1, 1));
        assert_eq!(measured.set_aside[0].at, Some(Duration::from_millis(105)));
    }

    #[test]
    fn a_cell_that_fails_in_a_part_fails() {
        let mut failing = part(&[3]);
        let failure = Failure { kind: "decode".into(), message: "it failed".into() };
        failing.cells[0].outcome = Outcome::Failed(failure.clone());
        let mut run = part(&[1]);
        append(&mut run, failing.clone());
        append(&mut run, part(&[5]));
        assert_eq!(run.cells[0].failure(), Some(&failure));
        assert_eq!(run.cells[1].measured().unwrap().samples.len(), 3);
    }
}
