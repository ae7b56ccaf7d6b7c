use std::fmt;

use super::{
    Measured, SpeedFigure,
    command::{Tests, axes, sweep, sweep_of_axes},
    serve::for_several,
};
use crate::{
    record::{Cell, Header, Report, Test, tests_of},
    report::{
        Ranks,
        insights::{NextStep, next_steps},
        ranking,
    },
    stats::samples_for,
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
    /// Whether it makes the same figures more certain.
    pub(super) is_precision: bool,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", crate::report::in_words::sentence(&self.why), self.command)
    }
}

/// Over all configurations: each advice once, for the configuration that needs it most. If configurations can be
/// ranked, those that are surely slower are not measured again.
pub(super) fn next(report: &Report, measured: &[Measured<'_>]) -> Vec<Next> {
    let Some(ranking) = ranking(report) else { return of_each(&measured.iter().collect::<Vec<_>>()) };
    let among = |those: &[&Ranks]| -> Vec<&Measured<'_>> {
        measured.iter().filter(|one| those.iter().any(|it| it.name == one.name)).collect()
    };
    let undecided = ranking.undecided();
    let mut all = decide(&undecided, &among(&undecided));
    // While that is open, how well each is known on its own does not matter.
    let is_open = !all.is_empty();
    let others = of_each(&among(&ranking.candidates()));
    all.extend(others.into_iter().filter(|next| !is_open || !next.is_precision));
    all
}

/// More runs of the candidates for the best, to decide between them; in one sweep if they form a grid.
fn decide(candidates: &[&Ranks], leading: &[&Measured<'_>]) -> Vec<Next> {
    /// Of more than these the names would be longer than the command.
    const NAMED: usize = 3;
    let [first, _, ..] = leading else { return Vec::new() };
    let Some(header) = first.runs.first().map(|run| &run.header).filter(|it| !it.model.filename.is_empty())
    else {
        return Vec::new();
    };
    let flags: Vec<&[String]> = candidates.iter().map(|candidate| &candidate.flags[..]).collect();
    let Some(axes) = axes(&flags) else { return Vec::new() };
    let n_most = leading.iter().map(|one| one.runs.len()).max().unwrap_or(1);
    let n_runs = if n_most == 1 { 3 } else { (2 * n_most).min(MANY_RUNS) };
    if n_runs <= n_most {
        return Vec::new();
    }
    let names: Vec<&str> = leading.iter().map(|one| &one.name[..]).collect();
    let which = match &names[..] {
        [others @ .., last] if names.len() <= NAMED => format!("{} or {last}", others.join(", ")),
        _ => format!("one of {} candidates", names.len()),
    };
    let tests = Tests::of(&leading.iter().flat_map(|one| one.runs.iter().copied()).collect::<Vec<_>>());
    let command = sweep_of_axes(header, &tests, &axes, &self::flags(["--runs", &n_runs.to_string()]));
    vec![Next { why: format!("to tell which is the best, {which}"), command, is_precision: true }]
}

/// Each advice once, for the configuration that needs it most.
fn of_each(measured: &[&Measured<'_>]) -> Vec<Next> {
    let mut all = Vec::new();
    // With several runs the spread between runs counts, which repetitions do not change.
    let is_of_repetitions =
        |step: &NextStep| matches!(step, NextStep::Repeat { .. } | NextStep::Quieter { .. });
    let advised: Vec<(&Measured<'_>, NextStep)> = measured
        .iter()
        .copied()
        .flat_map(|one| next_steps(&one.runs).into_iter().map(move |step| (one, step)))
        .filter(|(one, step)| one.runs.len() == 1 || !is_of_repetitions(step))
        .collect();
    let widest = measured.iter().copied().filter_map(|one| Some((one, least_certain(one)?)));
    let widest = widest.max_by(|(_, (_, a)), (_, (_, b))| a.get().total_cmp(&b.get()));
    all.extend(widest.and_then(|(one, (test, width))| more_runs(one, test, width)));
    // If more repetitions do not help, they are not advised for others either: the machine is the same.
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
    let is_for_several = |step: NextStep| matches!(step, NextStep::Parallel | NextStep::Serve);
    if let Some((one, step)) = advised.iter().find(|(_, step)| is_for_several(*step)) {
        all.extend(for_several(&one.runs, *step));
    }
    all
}

/// Half the interval of several runs that is good enough.
const TARGET: Share = Share::percent(1);

/// More runs than this are not the remedy.
const MANY_RUNS: usize = 20;

/// The least certain test of several runs of a configuration, with half its 95 % interval over its mean; `None` if every
/// one is certain enough, or there is one run.
fn least_certain(Measured { runs, .. }: &Measured<'_>) -> Option<(Test, Share)> {
    let width = |test: Test| {
        let cells: Vec<&Cell> =
            runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.test == test)).collect();
        Some((test, SpeedFigure::of(&cells)?.relative_half_width()?))
    };
    let widths = tests_of(runs.iter().copied()).into_iter().filter_map(width);
    let widest = widths.filter(|_| runs.len() > 1).max_by(|(_, a), (_, b)| a.get().total_cmp(&b.get()))?;
    (widest.1 > TARGET).then_some(widest)
}

/// As many runs of a configuration as make half the interval small enough, at the same spread between runs.
fn more_runs(Measured { name, runs }: &Measured<'_>, test: Test, width: Share) -> Option<Next> {
    let header = &runs[0].header;
    if header.model.filename.is_empty() {
        return None;
    }
    let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
    let needed = samples_for(runs.len(), width, TARGET);
    let (why, n) = if needed <= MANY_RUNS {
        (format!("for ± 1 % between runs in {test}{of}, the least certain test"), needed)
    } else {
        (format!("on a quieter machine, since runs lie too far apart in {test}{of} for ± 1 %"), runs.len())
    };
    let command = sweep(header, &Tests::of(runs), &flags(["--runs", &n.to_string()]));
    Some(Next { why, command, is_precision: true })
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
        NextStep::Parallel | NextStep::Serve => return None,
    };
    Some(Next { why, command: sweep(header, &tests, &more), is_precision: step != NextStep::Depths })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        gguf::{Shape, Synthetic},
        record::{Config, FlashAttnSetting, Measured as Samples, Outcome, Run, Sample, TestKind, tg},
        report::answer::Answer,
    };

    /// Configurations of a synthetic model by their times in milliseconds; the repetitions lie this far apart.
    fn campaign(all: &[(u32, bool, u64, f64)]) -> Report {
        let file = Synthetic::new(Shape::preset("tiny-llama").unwrap()).cache_path().unwrap();
        let run = |&(n_ubatch, flash_attn, ms, spread): &(u32, bool, u64, f64)| {
            let sample = |i: u64| Sample {
                elapsed: Duration::from_millis(ms).mul_f64(1.0 + spread * (i % 3) as f64),
                ..Sample::default()
            };
            let samples = (0..9).map(sample).collect();
            let cell = Cell {
                test: Test::from(TestKind::Pp(64)),
                started_at: String::new(),
                outcome: Outcome::Measured(Samples { samples, ..Samples::default() }),
            };
            let flash_attn = Some(if flash_attn { FlashAttnSetting::On } else { FlashAttnSetting::Off });
            let config =
                Config { n_ubatch: Some(n_ubatch), flash_attn, n_threads: Some(2), ..Config::default() };
            let mut header = Header { config, ..Header::default() };
            header.model.filename = file.display().to_string();
            Run { header, cells: vec![cell], curve: vec![] }
        };
        Report { runs: all.iter().map(run).collect() }
    }

    #[test]
    fn a_tuner_is_told_to_measure_the_candidates_again() {
        // The slowest is the least certain; between the two fastest nothing is decided.
        let report = campaign(&[
            (8, false, 900, 0.3),
            (8, true, 800, 0.001),
            (32, true, 401, 0.001),
            (64, true, 400, 0.001),
        ]);
        let next = Answer::of(&report, &[]).next;
        assert_eq!(next[0].why, "to tell which is the best, ub 32 fa 1 or ub 64 fa 1");
        let expected =
            "cargo run --release --example sweep -- --shape tiny-llama -p 64 -t 2 -ub 32,64 -fa 1 --runs 3";
        assert_eq!(next[0].command, expected);
        assert!(next[1..].iter().all(|it| !it.command.contains("--runs")), "{next:#?}");
    }

    #[test]
    fn what_is_surely_slower_is_not_measured_again() {
        let report = campaign(&[(8, false, 900, 0.3), (64, true, 400, 0.02)]);
        for Next { command, .. } in
            Answer::of(&report, &[]).next.iter().filter(|it| it.command.contains("sweep"))
        {
            assert!(command.contains("-ub 64 ") && !command.contains("-ub 8"), "{command}");
        }
    }

    #[test]
    fn a_synthetic_model_is_asked_for_by_its_shape() {
        for Next { command, .. } in Answer::of(&campaign(&[(64, true, 400, 0.2)]), &[]).next {
            assert!(command.contains("--shape tiny-llama"), "{command}");
        }
    }

    #[test]
    fn several_users_come_after_one_and_serving_after_them() {
        let mut report = campaign(&[(64, true, 400, 0.001)]);
        let commands = |report: &Report| -> Vec<String> {
            Answer::of(report, &[]).next.into_iter().map(|next| next.command).collect()
        };
        let cell = |report: &Report, test: Test| Cell { test, ..report.runs[0].cells[0].clone() };
        let one = [tg(8), tg(8).at(64), tg(8).at(256)].map(|test| cell(&report, test));
        report.runs[0].cells.extend(one);
        let [parallel, generate] = &commands(&report)[..] else { panic!("{:?}", commands(&report)) };
        assert!(parallel.contains("--example sweep"), "{parallel}");
        assert!(parallel.ends_with("-p 64 -n 8 -d 0,64 -npl 1,2,4,8,16 -t 2 -ub 64 -fa 1"), "{parallel}");
        assert!(generate.contains("--example generate"), "{generate}");
        report.runs[0].header.config.n_batch = Some(4);
        assert!(commands(&report)[0].contains("-npl 1,2,4 "), "{:?}", commands(&report));

        let levels = cell(&report, tg(8).parallel(2));
        report.runs[0].cells.push(levels);
        let [serve, generate] = &commands(&report)[..] else { panic!("{:?}", commands(&report)) };
        assert!(serve.contains("--example serve_bench -- --shape tiny-llama"), "{serve}");
        assert!(generate.contains("--example generate"), "{generate}");
    }

    #[test]
    fn flags_that_some_lack_make_no_grid() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (one, other) = (words("-ub 64 --swa-full"), words("-ub 128"));
        assert_eq!(axes(&[&one, &other]), None);
        let (one, other) = (words("-ngl -1 -ub 64"), words("-ngl 7 -ub 64"));
        let found = axes(&[&one, &other]).unwrap();
        assert_eq!((&found[0].values[..], &found[1].values[..]), (&words("-1 7")[..], &words("64")[..]));
    }
}
