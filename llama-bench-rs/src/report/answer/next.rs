use std::fmt;

use super::{
    Measured, SpeedFigure,
    command::{Tests, cargo_run, sweep},
};
use crate::{
    record::{Cell, Header, Test, tests_of},
    report::insights::{NextStep, next_steps},
    units::Share,
};

/// What to run next, and why. Its `Display` is the reason, then the command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Next {
    /// Why, as part of a sentence: `for what a server reaches with several sequences at once`.
    pub why: String,
    /// The command, ready to be copied into a shell.
    pub command: String,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", crate::report::in_words::sentence(&self.why), self.command)
    }
}

/// Over all configurations: each advice once, for the configuration that needs it most.
pub(super) fn next(measured: &[Measured<'_>]) -> Vec<Next> {
    let mut all = Vec::new();
    // Of several runs it is the distance between them that counts, which repetitions do not change.
    let is_of_repetitions =
        |step: &NextStep| matches!(step, NextStep::Repeat { .. } | NextStep::Quieter { .. });
    let advised: Vec<(&Measured<'_>, NextStep)> = measured
        .iter()
        .flat_map(|one| next_steps(&one.runs).into_iter().map(move |step| (one, step)))
        .filter(|(one, step)| one.runs.len() == 1 || !is_of_repetitions(step))
        .collect();
    let widest = measured.iter().filter_map(|one| Some((one, least_certain(one)?)));
    let widest = widest.max_by(|(_, (_, a)), (_, (_, b))| a.get().total_cmp(&b.get()));
    all.extend(widest.and_then(|(one, (test, width))| more_runs(one, test, width)));
    // Where more repetitions do not help, they are not advised for others either: the machine is the same.
    let noisy = advised.iter().find(|(_, step)| matches!(step, NextStep::Quieter { .. }));
    let repeat = || {
        let needed = |step: &NextStep| match step {
            NextStep::Repeat { n_needed, .. } => Some(n_needed.unwrap_or(0)),
            _ => None,
        };
        advised.iter().filter(|(_, step)| needed(step).is_some()).max_by_key(|(_, step)| needed(step))
    };
    let depths = advised.iter().find(|(_, step)| *step == NextStep::Depths);
    for (one, step) in [noisy.or_else(repeat), depths].into_iter().flatten() {
        all.extend(measure(one, *step));
    }
    // Once for all of them, with the configuration measured first.
    if let Some((one, _)) = advised.iter().find(|(_, step)| *step == NextStep::Parallel) {
        all.extend(serve(&one.runs[0].header));
    }
    all
}

/// What several runs are to be known to.
const TARGET: f64 = 0.01;

/// More runs than this are not the remedy.
const MANY_RUNS: f64 = 20.0;

/// The test that several runs of a configuration know worst, with half its 95 % interval over its mean; `None` if every one
/// is known well enough, or there is one run.
fn least_certain(Measured { runs, .. }: &Measured<'_>) -> Option<(Test, Share)> {
    let width = |test: Test| {
        let cells: Vec<&Cell> =
            runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.test == test)).collect();
        Some((test, SpeedFigure::of(&cells)?.relative_half_width()?))
    };
    let widths = tests_of(runs.iter().copied()).into_iter().filter_map(width);
    let widest = widths.filter(|_| runs.len() > 1).max_by(|(_, a), (_, b)| a.get().total_cmp(&b.get()))?;
    (widest.1.get() > TARGET).then_some(widest)
}

/// More runs of a configuration, as many as make half the interval small enough at the same distance between them.
fn more_runs(Measured { name, runs }: &Measured<'_>, test: Test, width: Share) -> Option<Next> {
    let header = &runs[0].header;
    if header.model.filename.is_empty() {
        return None;
    }
    let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
    let needed = (runs.len() as f64 * (width.get() / TARGET).powi(2)).ceil();
    let (why, n) = if needed <= MANY_RUNS {
        (format!("for ± 1 % between runs in {test}{of}, the least certain test"), needed as usize)
    } else {
        (format!("on a quieter machine, since runs lie too far apart in {test}{of} for ± 1 %"), runs.len())
    };
    Some(Next { why, command: sweep(header, &Tests::of(runs), &flags(["--runs", &n.to_string()])) })
}

/// A sweep of the same configuration.
fn measure(Measured { name, runs }: &Measured<'_>, step: NextStep) -> Option<Next> {
    let header = &runs[0].header;
    if header.model.filename.is_empty() {
        return None;
    }
    let mut tests = Tests::of(runs);
    let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
    let (why, more) = match step {
        NextStep::Repeat { test, n_needed: Some(n), .. } => {
            (format!("for ± 1 % in {test}{of}, the least certain test"), flags(["-r", &n.to_string()]))
        }
        NextStep::Repeat { test, n_needed: None, .. } => {
            (format!("to know the spread of {test}{of}"), flags(["-r", "5"]))
        }
        NextStep::Quieter { test } => (
            format!(
                "on a quieter machine, since more repetitions alone do not make {test}{of} more certain; several runs \
                 tell how far runs lie apart"
            ),
            flags(["--runs", "3"]),
        ),
        NextStep::Depths => {
            tests.depths = depths(header);
            ("for the speed in a context that is not empty".to_owned(), Vec::new())
        }
        NextStep::Parallel => return None,
    };
    Some(Next { why, command: sweep(header, &tests, &more) })
}

fn flags<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Depths up to what the model was trained for.
fn depths(header: &Header) -> std::collections::BTreeSet<u32> {
    let n_trained = header.model.n_ctx_train.filter(|&n| n > 0).unwrap_or(u32::MAX);
    let all = [0, 4096, 16384];
    let fitting: Vec<u32> = all.into_iter().filter(|&depth| depth <= n_trained / 2).collect();
    match fitting[..] {
        [_] => [0, n_trained / 4, n_trained / 2].into(),
        _ => fitting.into_iter().collect(),
    }
}

/// Several sequences at once, and a conversation.
fn serve(header: &Header) -> Vec<Next> {
    let file = &header.model.filename;
    if file.is_empty() {
        return Vec::new();
    }
    let layers = header.config.n_gpu_layers.filter(|&n| n != 0 && !header.host.gpu_info.is_empty());
    let layers = layers.map_or_else(Vec::new, |n| {
        flags(["-ngl", &u32::try_from(n).map_or_else(|_| "99".into(), |n| n.to_string())])
    });
    let mut words = flags(["-m", file]);
    words.extend(layers);
    let mut parallel = words.clone();
    parallel.extend(flags(["-c", "16384", "-npp", "512", "-ntg", "128", "-npl", "1,2,4,8,16"]));
    vec![
        Next {
            why: "for what a server reaches with several sequences at once (parallel, with llama.cpp's own tool)".into(),
            command: super::command::line("llama-batched-bench", &parallel),
        },
        Next { why: "for how an answer feels (interactive generation)".into(), command: cargo_run(header, "generate", &words) },
    ]
}
