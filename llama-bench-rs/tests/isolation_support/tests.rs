//! The tests, where /proc shows what became of processes.

mod check;
#[path = "../hostile_support/dice.rs"]
#[allow(dead_code)]
mod dice;
mod faults;
mod processes;

use std::{
    collections::BTreeMap,
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use check::{Heard, loses_nothing, samples};
use faults::Armed;
use llama_bench_rs::{
    bench::{Campaign, Campaigned, Cancel, Event, Grid, Order, Sweep},
    gguf::{Shape, Synthetic},
    isolate::{self, Isolation},
    llama::ContextParams,
    record::{FailureKind, Report},
    report::Journal,
};
use processes::{children, is_alive, until};

/// Configurations of a campaign.
const SIZES: [u32; 6] = [16, 24, 32, 48, 64, 96];

const N_REPS: usize = 3;

/// A test, with the file of a model.
type Test = fn(&Path);

pub fn main() {
    faults::arm();
    isolate::child();
    if let Ok(file) = env::var(AS_PARENT) {
        return measure_for_ever(&file);
    }
    let tests: [(&str, Test); 10] = [
        ("runs_that_were_not_begun_get_a_process", runs_that_were_not_begun_get_a_process),
        ("the_same_end_twice_in_a_row_is_enough", the_same_end_twice_in_a_row_is_enough),
        ("a_report_is_that_of_one_process", a_report_is_that_of_one_process),
        ("each_run_and_each_load_may_have_a_process", each_run_and_each_load_may_have_a_process),
        ("faults_cost_their_own_configuration", faults_cost_their_own_configuration),
        ("an_interruption_keeps_what_was_measured", an_interruption_keeps_what_was_measured),
        (
            "a_stopped_child_is_killed_with_its_configuration",
            a_stopped_child_is_killed_with_its_configuration,
        ),
        ("an_observer_that_panics_leaves_no_child", an_observer_that_panics_leaves_no_child),
        ("no_child_outlives_a_killed_parent", no_child_outlives_a_killed_parent),
        ("what_a_child_refuses_is_an_error", what_a_child_refuses_is_an_error),
    ];
    let filter = env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&model).unwrap();
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&filter)) {
        println!("test {name} ...");
        test(&model);
        assert_eq!(children(std::process::id()), [0; 0], "{name} left processes or zombies");
        println!("test {name} ... ok");
    }
}

fn contexts(sizes: &[u32]) -> Grid<ContextParams> {
    let one = ContextParams::default().n_threads(1).n_threads_batch(1);
    Grid::new(one).axis(sizes.to_vec(), ContextParams::n_ubatch)
}

fn small(sweep: Sweep<'_>) -> Sweep<'_> {
    let sweep = sweep.depths([0, 32]).prompt(16).generate(4).repetitions(N_REPS as u32);
    // Per depth: some cells have their outcome before others are begun.
    sweep.order(Order::Blocks).repeat_disturbed(0)
}

fn campaign<'a>(model: &Path, sizes: &[u32]) -> Campaign<'a> {
    Campaign::new().models([model]).contexts(contexts(sizes)).tests(small)
}

fn apart<'a>(model: &Path, sizes: &[u32]) -> Campaign<'a> {
    campaign(model, sizes).isolated(Isolation::new())
}

/// The events without what depends on time.
fn heard(campaign: Campaign<'_>) -> (Vec<String>, Campaigned) {
    let mut words: Vec<String> = Vec::new();
    let mut hear = |event: &Event<'_>| {
        let word = match event {
            Event::Configuration { index, n, name, run } => format!("{index} of {n} {name} {run}"),
            Event::CellDone { cell, curve, .. } => format!("done {} {}", cell.test, curve.len()),
            Event::CellSoFar { cell, .. } => format!("so far {} {}", cell.test, samples(cell).len()),
            Event::Measuring { test, rep, n_reps, .. } => format!("{test} {rep} {n_reps}"),
            Event::Planned { cells, n_reps, .. } => format!("planned {cells:?} {n_reps}"),
            Event::Opening { n_ctx } => format!("opening {n_ctx}"),
            Event::Filling { n_done, n_depth } => format!("filling {n_done} {n_depth}"),
            Event::Campaign(all) => format!("campaign of {}", all.len()),
            _ => return,
        };
        if words.last() != Some(&word) {
            words.push(word);
        }
    };
    let measured = campaign.observer(&mut hear).run().unwrap();
    (words, measured)
}

fn a_report_is_that_of_one_process(model: &Path) {
    let (in_one, expected) = heard(campaign(model, &[16, 32]).interleaved(false));
    let (in_own, measured) = heard(apart(model, &[16, 32]));
    assert_eq!(in_own, in_one, "the same events");
    assert_eq!((measured.report.runs.len(), measured.of_run), (2, vec![0, 1]));
    for (ours, theirs) in measured.report.runs.iter().zip(&expected.report.runs) {
        assert_eq!(ours.header.differences(&theirs.header), []);
        assert_eq!(ours.header.model, theirs.header.model);
        assert_eq!(ours.header.resolved, theirs.header.resolved);
        assert_eq!(ours.header.work, theirs.header.work);
        assert!(ours.header.timing.wall.is_some() && ours.header.load.elapsed.is_some(), "{:?}", ours.header);
        assert_eq!(ours.curve.len(), theirs.curve.len());
        let shape = |run: &llama_bench_rs::record::Run| {
            run.cells.iter().map(|cell| (cell.test, samples(cell).len())).collect::<Vec<_>>()
        };
        assert_eq!(shape(ours), shape(theirs));
    }
}

fn each_run_and_each_load_may_have_a_process(model: &Path) {
    let n_children = |isolation: Isolation| {
        let mut ids = std::collections::BTreeSet::new();
        let mut look = |_: &Event<'_>| ids.extend(children(std::process::id()));
        let campaign = campaign(model, &[16, 32]).runs(2).loads(2).isolated(isolation);
        let measured = campaign.observer(&mut look).run().unwrap();
        assert!(measured.report.is_complete());
        assert_eq!((measured.report.runs.len(), measured.of_run), (8, [0, 1].repeat(4)));
        ids.len()
    };
    assert_eq!(n_children(Isolation::new()), 4);
    assert_eq!(n_children(Isolation::new().each_run()), 8);
    assert_eq!(n_children(Isolation::new().together()), 2);
}

/// What was lost, by fault.
#[derive(Default)]
struct Count {
    n_children: usize,
    n_lost: usize,
    n_cells_lost: usize,
    n_cells_kept: usize,
}

fn faults_cost_their_own_configuration(model: &Path) {
    let n_faults: usize = env::var("ISOLATION_MANY").map_or(40, |many| many.parse().unwrap());
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let (mut n_struck, mut seed, mut n_rows) = (0, 20_261_126, 0);
    while n_struck < n_faults {
        seed += 1;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campaign.jsonl");
        let (armed, env) = Armed::new(seed, 70);
        let mut heard = Heard::new(Journal::create(&file).unwrap());
        let isolation =
            env.into_iter().fold(Isolation::new(), |isolation, (name, value)| isolation.env(name, value));
        let measured = campaign(model, &SIZES).isolated(isolation).observer(&mut heard).run().unwrap();
        heard.check(&measured, &file);
        n_rows += measured.report.cells().count();
        let struck = armed.struck();
        assert_eq!((struck.len(), measured.report.runs.len()), (SIZES.len(), SIZES.len()));
        for (run, fault) in measured.report.runs.iter().zip(&struck) {
            let lost = run.cells.iter().filter(|cell| cell.reason().is_some()).count();
            let Some(fault) = fault else {
                assert!(run.cells.iter().all(|cell| samples(cell).len() == N_REPS), "of no fault: {run:?}");
                assert_eq!(lost, 0, "of no fault");
                continue;
            };
            n_struck += 1;
            for cell in &run.cells {
                let reason = cell.reason();
                assert!(reason.is_some() || samples(cell).len() == N_REPS, "{fault}: {cell:?}");
                assert!(
                    reason.is_none_or(|reason| is_of(fault, &reason.kind, &reason.message)),
                    "{fault}: {reason:?}"
                );
            }
            let count = counts.entry(fault.clone()).or_default();
            count.n_children += 1;
            count.n_lost += usize::from(lost > 0);
            count.n_cells_lost += lost;
            count.n_cells_kept += run.cells.len() - lost;
        }
        resumed(model, &file, &measured.report);
    }
    println!("{n_struck} faults, {n_rows} rows compared, none of another configuration lost\n");
    println!("| fault | children | configurations lost | cells lost | cells kept |\n|---|---|---|---|---|");
    for (fault, Count { n_children, n_lost, n_cells_lost, n_cells_kept }) in counts {
        println!("| {fault} | {n_children} | {n_lost} | {n_cells_lost} | {n_cells_kept} |");
    }
}

/// What was lost can be measured later, and what was not lost stays.
fn resumed(model: &Path, file: &Path, before: &Report) {
    let (journal, earlier) = Journal::resume(file).unwrap();
    let mut heard = Heard::new(journal);
    let again = apart(model, &SIZES).resume(earlier).observer(&mut heard).run().unwrap();
    heard.check(&again, file);
    assert!(again.report.is_complete(), "{:?}", again.report);
    assert!(again.report.cells().all(|(_, cell)| samples(cell).len() == N_REPS));
    loses_nothing(before, &again.report);
}

/// Whether a failure may follow from a fault.
fn is_of(fault: &str, kind: &FailureKind, message: &str) -> bool {
    match fault {
        _ if fault.starts_with("signal ") => {
            *kind == "signal" && message.starts_with(&format!("killed by {fault}"))
        }
        "stopped, then killed" => message.starts_with("killed by signal 9"),
        // The child's own next line may end it before the signal comes.
        "half a line, then killed" => {
            message.starts_with("killed by signal 9") || message.contains("cannot be understood")
        }
        "exit" | "exit at once" => *kind == "exit_status",
        "panic" => {
            message.starts_with("ended with exit status 101") && message.contains("a fault on purpose")
        }
        "damaged line" => *kind == "isolation" && message.contains("cannot be understood"),
        // What runs out of memory or has no pipe ends in many ways.
        fault if fault.contains("memory") || fault.contains("closed") => true,
        _ => false,
    }
}

fn an_interruption_keeps_what_was_measured(model: &Path) {
    let cancel = Cancel::new();
    let mut now = 0;
    let mut hear = |event: &Event<'_>| match event {
        Event::Configuration { index, .. } => now = *index,
        Event::Measuring { rep: 20, .. } if now == 1 => cancel.cancel(),
        _ => {}
    };
    let campaign = campaign(model, &SIZES[..3])
        .tests(|sweep| small(sweep).order(Order::Rounds).repetitions(50))
        .isolated(Isolation::new())
        .cancel(cancel.clone());
    let measured = campaign.observer(&mut hear).run().unwrap();
    let runs = &measured.report.runs;
    assert_eq!(runs.len(), 3);
    assert!(runs[0].cells.iter().all(|cell| samples(cell).len() == 50));
    let cut: Vec<usize> = runs[1].cells.iter().map(|cell| samples(cell).len()).collect();
    assert!(cut.iter().all(|n| (19..=21).contains(n)), "{cut:?}");
    assert!(runs[1].cells.iter().all(|cell| cell.cut_short(&runs[1].header.config).is_some()));
    assert!(runs[2].cells.iter().all(|cell| cell.was_not_begun()), "{:?}", runs[2].cells);
    assert!(
        measured
            .report
            .cells()
            .all(|(_, cell)| cell.reason().is_none_or(|reason| reason.kind == "cancelled"))
    );
}

fn a_stopped_child_is_killed_with_its_configuration(model: &Path) {
    let mut n_loads = 0;
    let mut hear = |event: &Event<'_>| {
        if matches!(event, Event::Loading { share, .. } if *share <= 0.0) {
            n_loads += 1;
            let child = children(std::process::id())[0];
            if n_loads == 2 {
                processes::send(child, "-STOP");
                processes::send(child, "-KILL");
            }
        }
    };
    let measured = apart(model, &SIZES[..3]).observer(&mut hear).run().unwrap();
    let failed: Vec<usize> = measured
        .report
        .runs
        .iter()
        .map(|run| {
            run.cells.iter().filter(|cell| cell.failure().is_some_and(|it| it.kind == "signal")).count()
        })
        .collect();
    assert_eq!(failed, [0, 4, 0]);
}

/// Kills children while they load their model, these of them, counted from 0: their number, and what is lost by run.
fn killed_in_loading(model: &Path, kill: impl Fn(usize) -> bool) -> (usize, Vec<Vec<String>>) {
    let mut seen = Vec::new();
    let mut hear = |event: &Event<'_>| {
        if matches!(event, Event::Loading { .. }) {
            let child = children(std::process::id())[0];
            if !seen.contains(&child) {
                if kill(seen.len()) {
                    processes::send(child, "-KILL");
                }
                seen.push(child);
            }
        }
    };
    let measured = apart(model, &SIZES[..2]).runs(3).observer(&mut hear).run().unwrap();
    assert_eq!(measured.of_run, [0, 1].repeat(3));
    let lost = |run: &llama_bench_rs::record::Run| {
        run.cells.iter().filter_map(|cell| Some(cell.reason()?.message.clone())).collect()
    };
    (seen.len(), measured.report.runs.iter().map(lost).collect())
}

fn runs_that_were_not_begun_get_a_process(model: &Path) {
    let (n_children, lost) = killed_in_loading(model, |n| n == 0);
    assert_eq!(lost.iter().map(Vec::len).collect::<Vec<_>>(), [4, 0, 0, 0, 0, 0], "{lost:?}");
    assert!(lost[0].iter().all(|message| message.starts_with("killed by signal 9")), "{lost:?}");
    assert_eq!(n_children, 4, "one that is killed, one for each run that it left, and that of the other");
}

fn the_same_end_twice_in_a_row_is_enough(model: &Path) {
    let (n_children, lost) = killed_in_loading(model, |n| n < 2);
    assert_eq!(lost.iter().map(Vec::len).collect::<Vec<_>>(), [4, 0, 4, 0, 4, 0], "{lost:?}");
    assert!(lost[2].iter().all(|message| message.starts_with("killed by signal 9")), "{lost:?}");
    let given_up =
        "given up, since two processes in a row ended while its model was loaded: killed by signal 9";
    assert!(lost[4].iter().all(|message| message.starts_with(given_up)), "{lost:?}");
    assert_eq!(n_children, 3);
}

fn an_observer_that_panics_leaves_no_child(model: &Path) {
    let mut hear = |event: &Event<'_>| {
        if matches!(event, Event::WarmingUp) {
            // Without the message of a panic.
            resume_unwind(Box::new("on purpose"));
        }
    };
    let ended = catch_unwind(AssertUnwindSafe(|| apart(model, &SIZES[..2]).observer(&mut hear).run()));
    assert!(ended.is_err());
}

/// The model that a process measures until it is killed.
const AS_PARENT: &str = "ISOLATION_TEST_AS_PARENT";

fn measure_for_ever(model: &str) {
    let mut tell = |event: &Event<'_>| {
        if let Event::Measuring { rep: 1, .. } = event {
            println!("measuring");
        }
    };
    let campaign =
        apart(&PathBuf::from(model), &[16]).tests(|sweep| sweep.prompt(16).repetitions(100_000_000));
    campaign.observer(&mut tell).run().unwrap();
}

fn no_child_outlives_a_killed_parent(model: &Path) {
    for signal in ["-KILL", "-TERM", "-ABRT"] {
        let mut parent = processes::started(env::current_exe().unwrap(), (AS_PARENT, model), "measuring");
        let child = children(parent.id())[0];
        assert!(is_alive(child));
        // Also one that cannot notice anything.
        processes::send(child, "-STOP");
        processes::send(parent.id(), signal);
        parent.wait().unwrap();
        until(|| !is_alive(child), &format!("the child outlives its parent after {signal}"));
    }
}

fn what_a_child_refuses_is_an_error(model: &Path) {
    let earlier = apart(model, &SIZES[..1]).run().unwrap().report;
    let other = Campaign::new().models([model]).contexts(contexts(&[96])).tests(small);
    let refused = other.isolated(Isolation::new()).resume(earlier).run().unwrap_err().to_string();
    assert!(refused.contains("-ub is 96 and was 16"), "{refused}");
    let nothing = apart(model, &SIZES[..1]).tests(|sweep| sweep).run().unwrap_err().to_string();
    assert!(nothing.contains("nothing to measure"), "{nothing}");
    let missing = apart(Path::new("missing.gguf"), &SIZES[..1]).run().unwrap().report;
    assert!(
        missing.cells().all(|(_, cell)| cell.failure().is_some_and(|it| it.message.contains("missing.gguf")))
    );
}
