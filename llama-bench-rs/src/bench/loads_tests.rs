use std::{cell::RefCell, time::Duration};

use super::*;
use crate::{
    bench::{BenchError, Event},
    gguf::{Shape, Synthetic},
    judge::RunEstimate,
    llama::{ContextParams, LoadMode},
    record::TestKind,
    units::Share,
};

/// Two equal files of a tiny model.
fn copies() -> (tempfile::TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.gguf", "b.gguf"].map(|name| folder.path().join(name));
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&paths[0]).unwrap();
    std::fs::copy(&paths[0], &paths[1]).unwrap();
    (folder, paths)
}

fn small(sweep: Sweep<'_>) -> Sweep<'_> {
    let context = ContextParams::default().n_threads(1).n_threads_batch(1);
    sweep.context(context).prompt(8).generate(2).repetitions(2)
}

fn params(mode: LoadMode) -> ModelParams {
    ModelParams::default().load_mode(mode)
}

fn times(report: &Report, kind: TestKind) -> Duration {
    let cells = report.cells().filter(|(_, cell)| cell.test.kind == kind);
    RunEstimate::of(cells).unwrap().time
}

#[test]
fn each_side_has_a_run_per_load_and_a_slow_side_is_slow() {
    let (_folder, [a, b]) = copies();
    let mut heard = Vec::new();
    let mut hear = |load| heard.push(load);
    let mut kept: Vec<Vec<Run>> = Vec::new();
    let mut keep = |runs: &[&Run]| kept.push(runs.iter().map(|run| (*run).clone()).collect());
    let measured = Loads::new(3)
        .side(&a, &params(LoadMode::None), small)
        .side(&b, &params(LoadMode::None), |sweep| small(sweep).slowed(Share::new(19.0).unwrap()))
        .observer(&mut hear)
        .keeper(&mut keep)
        .run()
        .unwrap();
    assert_eq!(heard, [0, 1, 2]);
    let loads = measured.sides[0].runs.iter().zip(&measured.sides[1].runs);
    assert_eq!(kept, loads.map(|(a, b)| vec![a.clone(), b.clone()]).collect::<Vec<_>>(), "as they came");
    assert_eq!(measured.page_cache, PageCache::Alike, "nothing is mapped");
    for (report, path) in measured.sides.iter().zip([&a, &b]) {
        assert_eq!(report.runs.len(), 3);
        assert!(report.is_complete());
        assert!(report.runs.iter().all(|run| Path::new(&run.header.model.filename) == path));
    }
    // By a factor of 20 on a quiet machine.
    for kind in [TestKind::Pp(8), TestKind::Tg(2)] {
        let [quick, slow] = [0, 1].map(|side| times(&measured.sides[side], kind));
        assert!(slow > 3 * quick, "{kind}: {quick:?} and {slow:?}");
    }
}

#[test]
fn files_that_are_mapped_lie_elsewhere_in_each_load_or_it_says_why() {
    let (_folder, [a, b]) = copies();
    let page_cache = |sides: &[(&PathBuf, LoadMode)]| {
        let loads =
            sides.iter().fold(Loads::new(2), |loads, (path, mode)| loads.side(*path, &params(*mode), small));
        loads.run().unwrap().page_cache
    };
    use LoadMode::{Mmap, None};
    let differing = page_cache(&[(&a, Mmap), (&b, Mmap)]);
    match &differing {
        PageCache::Redrawn => {}
        PageCache::Kept(why) => assert!(why.contains(".gguf"), "{why}"),
        PageCache::Alike => panic!("two mapped files are not alike"),
    }
    assert_eq!(page_cache(&[(&a, None), (&a, Mmap)]), differing, "one side of two maps it");
    assert_eq!(page_cache(&[(&a, Mmap), (&a, Mmap)]), PageCache::Alike, "both map the same");
    assert_eq!(page_cache(&[(&a, None), (&b, None)]), PageCache::Alike);
}

#[test]
fn sides_of_one_file_share_a_load_and_each_load_is_a_new_one() {
    let (_folder, [a, _]) = copies();
    let measured = Loads::new(2)
        .side(&a, &params(LoadMode::None), small)
        .side(&a, &params(LoadMode::None), |sweep| small(sweep).prompt(16))
        .run()
        .unwrap();
    let load_times = |side: usize| -> Vec<Option<Duration>> {
        measured.sides[side].runs.iter().map(|run| run.header.load.elapsed).collect()
    };
    assert_eq!(load_times(0), load_times(1));
    assert_ne!(load_times(0)[0], load_times(0)[1]);
}

#[test]
fn sides_take_turns_at_being_first() {
    let (_folder, [a, b]) = copies();
    let begun = RefCell::new(Vec::new());
    let begin = |side: usize| begun.borrow_mut().push(side);
    Loads::new(8)
        .side(&a, &params(LoadMode::None), |sweep| {
            begin(0);
            small(sweep)
        })
        .side(&b, &params(LoadMode::None), |sweep| {
            begin(1);
            small(sweep)
        })
        .run()
        .unwrap();
    let begun = begun.into_inner();
    let firsts: Vec<usize> = begun.chunks(2).map(|load| load[0]).collect();
    assert_eq!(firsts.iter().sum::<usize>(), 4, "either is first in half of the loads: {begun:?}");
    assert!(firsts.chunks(2).any(|pair| pair != &firsts[..2]), "the order is drawn: {firsts:?}");
}

#[test]
fn a_side_that_cannot_be_loaded_keeps_its_place() {
    let (folder, [a, _]) = copies();
    let measured = Loads::new(2)
        .side(folder.path().join("missing.gguf"), &params(LoadMode::Mmap), small)
        .side(&a, &params(LoadMode::None), small)
        .run()
        .unwrap();
    assert_eq!(measured.sides.iter().map(|side| side.runs.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(measured.sides[0].runs.iter().all(|run| run.cells.len() == 2 && !run.has_figures()));
    assert!(measured.sides[1].is_complete());
}

#[test]
fn runs_are_made_in_fresh_contexts() {
    let (_folder, [a, _]) = copies();
    let model = Model::load_with(&a, &params(LoadMode::None)).unwrap();
    let (mut n_opened, mut n_planned) = (0, 0);
    let mut hear = |event: &Event<'_>| match event {
        Event::Opening { .. } => n_opened += 1,
        Event::Planned { .. } => n_planned += 1,
        _ => {}
    };
    let report = small(Sweep::new(&model)).runs(3).observer(&mut hear).run().unwrap();
    assert_eq!((report.runs.len(), n_opened, n_planned), (3, 3, 3));
    for run in &report.runs {
        assert_eq!(run.header.differences(&report.runs[0].header), []);
        assert!(run.cells.iter().all(|cell| cell.measured().unwrap().samples.len() == 2));
    }

    // What an earlier run measured is not a second run.
    let earlier = report.runs[0].clone();
    let resumed = small(Sweep::new(&model)).runs(2).resume(earlier.clone()).unwrap().run().unwrap();
    assert_eq!(resumed.runs[0].cells, earlier.cells);
    assert_ne!(resumed.runs[1].cells, earlier.cells);

    let in_turn = interleave(vec![small(Sweep::new(&model)).runs(2), small(Sweep::new(&model))]).unwrap();
    assert_eq!(in_turn.runs.len(), 3);
    let none = small(Sweep::new(&model)).runs(0).run().unwrap_err();
    assert!(matches!(none, Error::Bench(BenchError::NoRuns)), "{none}");
}

#[test]
fn no_run_begins_after_a_cancellation() {
    let (_folder, [a, _]) = copies();
    let model = Model::load_with(&a, &params(LoadMode::None)).unwrap();
    let cancel = Cancel::new();
    let mut stop = |event: &Event<'_>| {
        if let Event::CellDone { .. } = event {
            cancel.cancel();
        }
    };
    let sweep = small(Sweep::new(&model)).runs(5).cancel(cancel.clone()).observer(&mut stop);
    assert_eq!(sweep.run().unwrap().runs.len(), 1);

    let cancel = Cancel::new();
    let mut stop = |load| {
        if load == 1 {
            cancel.cancel();
        }
    };
    let loads = Loads::new(5).side(&a, &params(LoadMode::None), small).cancel(cancel.clone());
    let measured = loads.observer(&mut stop).run().unwrap();
    // The second had begun: its cells say that they were cancelled.
    assert_eq!(measured.sides[0].runs.len(), 2);
    assert!(!measured.sides[0].is_complete());
}
