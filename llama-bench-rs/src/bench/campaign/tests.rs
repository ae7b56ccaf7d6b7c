use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use super::*;
use crate::{
    bench::Event,
    gguf::{Shape, Synthetic},
    llama::FlashAttn,
    record::{Run, Test},
    report::{Journal, read_file},
    stats::Rng,
};

/// Files of a tiny model, all equal.
fn copies<const N: usize>() -> (tempfile::TempDir, [PathBuf; N]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = std::array::from_fn(|i| folder.path().join(format!("{i}.gguf")));
    for path in &paths {
        Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(path).unwrap();
    }
    (folder, paths)
}

fn context() -> ContextParams {
    ContextParams::default().n_threads(1).n_threads_batch(1)
}

fn sizes(sizes: impl IntoIterator<Item = u32>) -> Grid<ContextParams> {
    Grid::new(context()).axis(sizes, ContextParams::n_ubatch)
}

fn small(sweep: Sweep<'_>) -> Sweep<'_> {
    let sweep = sweep.depths([0, 32]).prompt(16).generate(2).repetitions(3);
    // On a busy machine what is disturbed would come once more.
    sweep.repeat_disturbed(0).exclusive(false)
}

/// What the observer got, in order: loads, and the configuration and depth of each repetition.
#[derive(Default)]
struct Heard {
    n_loads: usize,
    names: Vec<String>,
    now: usize,
    repetitions: Vec<(usize, u32)>,
}

impl Observer for Heard {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Campaign(configurations) => {
                self.names = configurations.iter().map(|one| one.name.clone()).collect();
            }
            Event::Loading { share, .. } if *share <= 0.0 => self.n_loads += 1,
            Event::Configuration { index, n, name, .. } => {
                assert_eq!((*n, *name), (self.names.len(), &*self.names[*index]));
                self.now = *index;
            }
            Event::Measuring { test, .. } if test.kind.is_generation() => {
                self.repetitions.push((self.now, test.n_depth));
            }
            _ => {}
        }
    }
}

#[test]
fn repetitions_of_configurations_that_share_a_load_are_interleaved() {
    let (_folder, [a, b]) = copies();
    let mut heard = Heard::default();
    let campaign = || Campaign::new().models([&a, &b]).contexts(sizes([16, 32])).tests(small);
    let measured = campaign().observer(&mut heard).run().unwrap();
    assert!(measured.report.is_complete());
    assert_eq!((heard.n_loads, measured.of_run), (2, vec![0, 1, 2, 3]));
    let forth_and_back = |one, other| [one, other, other, one, one, other];
    let expected: Vec<(usize, u32)> = [(0, 1, 0), (0, 1, 32), (2, 3, 0), (2, 3, 32)]
        .into_iter()
        .flat_map(|(one, other, depth)| forth_and_back(one, other).map(|index| (index, depth)))
        .collect();
    assert_eq!(heard.repetitions, expected);
    let (sizes, files): (Vec<_>, Vec<_>) = measured
        .report
        .runs
        .iter()
        .map(|run| (run.header.config.n_ubatch.unwrap(), run.header.model.filename.clone()))
        .unzip();
    assert_eq!(sizes, [16, 32, 16, 32]);
    assert!(Path::new(&files[1]) == a && Path::new(&files[2]) == b);
    assert!(heard.names.iter().all(|name| !name.is_empty()), "{:?}", heard.names);

    let mut heard = Heard::default();
    campaign().interleaved(false).observer(&mut heard).run().unwrap();
    let indices: Vec<usize> = heard.repetitions.iter().map(|(index, _)| *index).collect();
    assert!(indices.is_sorted(), "one after the other: {indices:?}");
}

#[test]
fn what_has_an_order_of_its_own_is_not_interleaved() {
    let (_folder, [a]) = copies();
    let asks: [fn(Sweep<'_>) -> Sweep<'_>; 3] = [
        |sweep| small(sweep).method(crate::record::Method::FreshContext),
        |sweep| small(sweep).order(crate::bench::Order::Rounds),
        |sweep| small(sweep).delay(Duration::from_nanos(1)),
    ];
    for ask in asks {
        let mut heard = Heard::default();
        let campaign = Campaign::new().models([&a]).contexts(sizes([16, 32])).tests(ask);
        campaign.observer(&mut heard).run().unwrap();
        assert!(heard.repetitions.iter().map(|(index, _)| *index).is_sorted(), "{:?}", heard.repetitions);
    }
}

#[test]
fn a_model_that_does_not_load_is_a_failed_run_in_its_place() {
    let (folder, [a, b]) = copies();
    let missing = folder.path().join("missing.gguf");
    let mut heard = Heard::default();
    let campaign = Campaign::new().models([&a, &missing, &b]).contexts(sizes([16, 32])).tests(small);
    let measured = campaign.observer(&mut heard).run().unwrap();
    let complete: Vec<bool> = measured.report.runs.iter().map(Run::has_figures).collect();
    assert_eq!(complete, [true, true, false, false, true, true]);
    let failed = measured.runs_of(3);
    assert_eq!((failed.runs.len(), failed.runs[0].cells.len()), (1, 4));
    let why = failed.runs[0].cells[0].failure().unwrap();
    assert!(why.message.contains("missing.gguf"), "{}", why.message);
}

#[test]
fn a_context_that_cannot_be_made_costs_its_own_configuration_alone() {
    let (_folder, [a]) = copies();
    // llama.cpp has no quantised V cache without flash attention.
    let contexts = Grid::new(context().type_v("q8_0".parse().unwrap()))
        .axis([FlashAttn::On, FlashAttn::Off], ContextParams::flash_attn)
        .axis([16, 32], ContextParams::n_ubatch);
    let measured = Campaign::new().models([&a]).contexts(contexts).tests(small).run().unwrap();
    let complete: Vec<bool> = measured.report.runs.iter().map(Run::has_figures).collect();
    assert_eq!(complete, [true, true, false, false]);
}

#[test]
fn runs_and_loads_are_repeated_in_turn() {
    let (_folder, [a, b]) = copies();
    let mut heard = Heard::default();
    let campaign = Campaign::new().models([&a, &b]).tests(|sweep| small(sweep).depths([0]));
    let measured = campaign.runs(2).loads(2).observer(&mut heard).run().unwrap();
    assert_eq!(heard.n_loads, 2 * 2);
    assert_eq!(measured.of_run, [0, 1].repeat(4));
    assert_eq!(measured.configurations[0].n_runs, 4);
    let loads: Vec<_> = measured.runs_of(0).runs.iter().map(|run| run.header.load.elapsed).collect();
    assert!(loads[0] == loads[1] && loads[1] != loads[2], "two runs a load: {loads:?}");
    let none = Campaign::new().models([&a]).tests(small).runs(0).run().unwrap_err();
    assert!(matches!(none, Error::Bench(BenchError::NoRuns)), "{none}");
    let none = Campaign::new().tests(small).run().unwrap_err();
    assert!(matches!(none, Error::Bench(BenchError::NoModel)), "{none}");
}

#[test]
fn a_cancelled_campaign_keeps_what_it_has_and_loads_nothing_more() {
    let (_folder, [a, b]) = copies();
    let cancel = Cancel::new();
    let mut n_loads = 0;
    let mut stop = |event: &Event<'_>| match event {
        Event::Loading { share, .. } if *share <= 0.0 => n_loads += 1,
        Event::CellDone { .. } => cancel.cancel(),
        _ => {}
    };
    let campaign = Campaign::new().models([&a, &b]).contexts(sizes([16, 32])).tests(small).runs(3);
    let measured = campaign.cancel(cancel.clone()).observer(&mut stop).run().unwrap();
    assert_eq!((n_loads, measured.of_run), (1, vec![0, 1, 2, 3]), "no second run begins");
    assert!(measured.report.runs[0].has_figures() && !measured.report.is_complete());
    let last = measured.report.runs[3].cells[0].failure().unwrap();
    assert_eq!(last.message, "interrupted before the model was loaded");
}

#[test]
fn configurations_may_be_equal_under_names_of_their_own() {
    let (_folder, [a]) = copies();
    let mut heard = Heard::default();
    let campaign = ["a", "b", "c"].into_iter().fold(Campaign::new().tests(small), |campaign, name| {
        campaign.configuration(name, &a, &ModelParams::default(), &context())
    });
    let measured = campaign.observer(&mut heard).run().unwrap();
    assert_eq!((heard.names, heard.n_loads), (vec!["a".into(), "b".into(), "c".into()], 1));
    assert_eq!(measured.report.runs.len(), 3);
    assert_eq!(heard.repetitions[..9].iter().filter(|(index, _)| *index == 1).count(), 3);
}

#[test]
fn each_configuration_can_be_looked_at_without_measuring() {
    let (folder, [a]) = copies();
    let missing = folder.path().join("missing.gguf");
    let campaign = Campaign::new().models([&a, &missing]).contexts(sizes([16, 32])).tests(small);
    assert_eq!(campaign.plan().unwrap().iter().map(|one| one.plan.cells.len()).sum::<usize>(), 16);
    let mut seen = Vec::new();
    campaign
        .for_each(|configuration, sweep| {
            seen.push((
                configuration.header.config.n_ubatch,
                sweep.failure().is_none(),
                sweep.memory_estimate()?.is_some(),
            ));
            Ok::<(), Error>(())
        })
        .unwrap();
    let (good, bad) = ((true, true), (false, false));
    let expected = [(16, good), (32, good), (16, bad), (32, bad)];
    assert_eq!(seen, expected.map(|(n_ubatch, (loaded, needs))| (Some(n_ubatch), loaded, needs)));
}

/// Twenty-four configurations.
fn many(a: &Path) -> Campaign<'static> {
    let contexts = sizes([16, 32, 64, 128])
        .axis([0, 50, 100], ContextParams::poll)
        .axis([FlashAttn::Off, FlashAttn::On], ContextParams::flash_attn);
    Campaign::new().models([a]).contexts(contexts).tests(|sweep| small(sweep).repetitions(2))
}

/// By configuration and test.
type Times = BTreeMap<(String, Test), Vec<Duration>>;

/// The times of each cell's repetitions, by configuration.
fn times(report: &Report) -> Times {
    let config = |run: &Run| serde_json::to_string(&run.header.config).unwrap();
    let samples = |cell: &crate::record::Cell| {
        let samples = cell.measured().map(|measured| measured.samples.as_slice()).unwrap_or_default();
        samples.iter().map(|sample| sample.elapsed).collect()
    };
    report.cells().map(|(run, cell)| ((config(run), cell.test), samples(cell))).collect()
}

/// A panic of the observer is closest to a kill: nothing is finished or closed.
#[test]
fn a_campaign_that_ends_anywhere_is_resumed_and_loses_no_finished_cell() {
    let (folder, [a]) = copies();
    let file = folder.path().join("campaign.jsonl");
    let mut rng = Rng::new(7);
    let mut n_kills = 0;
    loop {
        let (mut journal, earlier) = Journal::resume(&file).unwrap();
        let known = times(&earlier);
        let n_events = 1 + rng.below(700);
        let done = RefCell::new(known.clone());
        done.borrow_mut().retain(|_, samples| samples.len() == 2);
        let mut n_heard = 0;
        let mut die = |event: &Event<'_>| {
            journal.event(event).unwrap();
            if let Event::CellDone { header, cell, .. } = event {
                let run = Run { header: (*header).clone(), cells: vec![(*cell).clone()], curve: Vec::new() };
                done.borrow_mut().extend(times(&Report { runs: vec![run] }));
            }
            n_heard += 1;
            assert!(n_heard < n_events, "killed");
        };
        let ended = catch_unwind(AssertUnwindSafe(|| many(&a).resume(earlier).observer(&mut die).run()));
        if let Ok(whole) = ended {
            let whole = whole.unwrap();
            journal.finish().unwrap();
            assert_eq!((whole.report.runs.len(), whole.report.cells().count()), (24, 24 * 4));
            assert!(whole.report.is_complete());
            assert_eq!(times(&read_file(&file).unwrap().report), times(&whole.report));
            break;
        }
        n_kills += 1;
        // The file before it is resumed.
        let left = times(&Journal::resume(&file).unwrap().1);
        for (cell, samples) in done.into_inner() {
            assert_eq!(left[&cell], samples, "{cell:?} was finished");
        }
        for (cell, samples) in known {
            assert!(left[&cell].starts_with(&samples), "{cell:?} lost repetitions");
        }
        assert!(n_kills < 100, "it gets on");
    }
    assert!(n_kills > 2, "{n_kills}");
}

#[test]
fn a_campaign_is_taken_up_by_configuration_and_may_grow() {
    let (folder, [a]) = copies();
    let file = folder.path().join("campaign.jsonl");
    let run = |sizes: Grid<ContextParams>| {
        let (mut journal, earlier) = Journal::resume(&file).unwrap();
        let campaign = Campaign::new().models([&a]).contexts(sizes).tests(small).resume(earlier);
        let measured = campaign.observer(&mut journal).run();
        journal.finish().unwrap();
        measured
    };
    let first = run(sizes([16, 32])).unwrap().report;
    // The other way round, and with one between them.
    let second = run(sizes([32, 64, 16])).unwrap();
    let (first, second_times) = (times(&first), times(&second.report));
    assert_eq!(second_times.len(), 12);
    for (cell, samples) in &first {
        assert_eq!(&second_times[cell], samples);
    }
    let in_file = read_file(&file).unwrap().report;
    assert_eq!((in_file.runs.len(), times(&in_file)), (3, second_times));
    let points = |report: &Report| report.runs.iter().map(|run| run.curve.len()).sum::<usize>();
    assert_eq!(points(&in_file), points(&second.report), "each chunk of the fill once");

    // A model with nothing left to measure is not loaded.
    let (mut journal, earlier) = Journal::resume(&file).unwrap();
    let mut n_loads = 0;
    let mut hear = |event: &Event<'_>| {
        journal.event(event).unwrap();
        n_loads += usize::from(matches!(event, Event::Loading { .. }));
    };
    let campaign = Campaign::new().models([&a]).contexts(sizes([32, 64, 16])).tests(small).resume(earlier);
    let third = campaign.observer(&mut hear).run().unwrap();
    journal.finish().unwrap();
    assert_eq!((n_loads, times(&third.report)), (0, times(&in_file)));
    let again = read_file(&file).unwrap().report;
    assert_eq!((times(&again), points(&again)), (times(&in_file), points(&in_file)));

    let before = std::fs::read(&file).unwrap();
    let refused = run(sizes([16, 32])).unwrap_err().to_string();
    assert!(refused.contains("-ub is 16 and was 64"), "{refused}");
    assert_eq!(times(&read_file(&file).unwrap().report), times(&in_file));
    assert_eq!(std::fs::read(&file).unwrap().len(), before.len());
}

#[test]
fn a_resumed_campaign_tells_numbers_of_sequences_apart() {
    let (folder, [a]) = copies();
    let file = folder.path().join("campaign.jsonl");
    let run = |levels: &[u32]| {
        let (mut journal, earlier) = Journal::resume(&file).unwrap();
        let campaign = Campaign::new().models([&a]).contexts(sizes([16, 32])).resume(earlier);
        let campaign = campaign.tests(|sweep| small(sweep).parallel(levels.iter().copied()));
        let measured = campaign.observer(&mut journal).run().unwrap();
        journal.finish().unwrap();
        assert!(measured.report.is_complete(), "{:?}", measured.report);
        times(&measured.report)
    };
    let (first, second) = (run(&[1, 2]), run(&[4, 2, 1]));
    assert_eq!((first.len(), second.len()), (2 * 2 * 2 * 2, 2 * 2 * 2 * 3));
    for (cell, samples) in &first {
        assert_eq!(&second[cell], samples, "{cell:?} was measured again");
    }
    assert_eq!(times(&read_file(&file).unwrap().report), second);
}
