//! The helpers for tests, with real models.
#![allow(missing_docs)]

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Duration,
};

use llama_bench_rs::{
    Error,
    baseline::{Baselines, Key},
    gguf::GgufError,
    llama::{ContextParams, Model},
    record::Report,
    testing::{self, Guard, GuardError, GuardMode, RegressionError, Tolerance, pp},
    units::Share,
};

/// One thread: tests do not compete for cores.
fn params() -> ContextParams {
    ContextParams::default().n_threads(1).n_threads_batch(1)
}

fn short(model: &Model) -> testing::QuickSweep<'_> {
    testing::quick_sweep(model).prompt(8).generate(2).depths([0, 16]).repetitions(2).context(params())
}

#[test]
fn the_tiny_model_is_loaded_once() {
    let before = testing::tiny_model().unwrap();
    let models: Vec<Model> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| testing::tiny_model().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The time of the one load that there was.
    assert!(models.iter().all(|model| model.load_time() == before.load_time()));
    assert_eq!(before.architecture(), "llama");
}

/// Started by the test below in many processes at once, with a folder of its own as `LLAMA_BENCH_CACHE`.
#[test]
fn other_shapes_are_there_by_name() {
    let model = testing::tiny("tiny-qwen3moe").unwrap();
    assert_eq!(model.architecture(), "qwen3moe");
    let report = short(&model).depths([0]).run().unwrap();
    assert!(report.is_complete());
}

#[test]
fn processes_that_start_together_share_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "other_shapes_are_there_by_name"])
            .env("LLAMA_BENCH_CACHE", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..5).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "one model and nothing else: {names:?}");
}

#[test]
fn an_unknown_shape_names_those_there_are() {
    let error = testing::tiny("tiny-gpt").unwrap_err();
    assert!(matches!(error, Error::Gguf(GgufError::UnknownShape { .. })), "{error:?}");
    assert!(error.to_string().contains("tiny-gpt-oss"));
}

#[test]
fn a_quick_sweep_has_every_cell() {
    let model = testing::tiny_model().unwrap();
    let report = testing::quick_sweep(&model).repetitions(1).context(params()).run().unwrap();
    let tests: Vec<String> = report.cells().map(|(_, cell)| cell.test.to_string()).collect();
    assert_eq!(tests, ["pp64", "tg16", "pp64 @ d256", "tg16 @ d256"]);
    assert!(report.is_complete());
    let report = short(&model).prompt(0).runs(3).run().unwrap();
    assert_eq!(report.runs.len(), 3);
    assert!(report.cells().all(|(_, cell)| cell.times().unwrap().n() == 2));
    assert_eq!(report.cells().count(), 6);
    assert!(short(&model).prompt(0).generate(0).run().is_err(), "nothing to measure");
}

#[test]
fn a_quick_sweep_is_calibrated_on_one_thread_unless_told_otherwise() {
    let model = testing::tiny_model().unwrap();
    let quick = || testing::quick_sweep(&model).prompt(8).generate(2).depths([0]).repetitions(2);
    let calibrations = |report: &Report| -> Vec<Option<Duration>> {
        let cells = report.cells().filter_map(|(_, cell)| cell.measured());
        cells.flat_map(|measured| &measured.samples).map(|sample| sample.calibration).collect()
    };
    // Work on devices is not calibrated.
    let is_on_cpu = model.offloaded_layers().is_none();
    let report = quick().run().unwrap();
    let config = &report.runs[0].header.config;
    assert_eq!((config.n_threads, config.n_threads_batch, config.calibration), (Some(1), Some(1), Some(1)));
    assert_eq!(calibrations(&report).len(), 4);
    assert!(
        calibrations(&report)
            .iter()
            .all(|calibration| calibration.is_some_and(|calibration| !calibration.is_zero()) == is_on_cpu)
    );
    let plain = quick().calibrated(false).context(params().n_threads(2)).run().unwrap();
    assert_eq!(
        (plain.runs[0].header.config.n_threads, plain.runs[0].header.config.calibration),
        (Some(2), None)
    );
    assert_eq!(calibrations(&plain), [None; 4]);
}

#[test]
fn a_quick_sweep_takes_as_many_repetitions_as_fit() {
    let model = testing::tiny_model().unwrap();
    let report = testing::quick_sweep(&model).prompt(4).generate(1).depths([0]).run().unwrap();
    let [run] = &report.runs[..] else { panic!("{} runs", report.runs.len()) };
    assert!(report.is_complete());
    for cell in &run.cells {
        let measured = cell.measured().unwrap();
        // On a machine so busy that the work is slow, ten.
        assert!((10..=108).contains(&measured.samples.len()), "{}", measured.samples.len());
        assert!(measured.samples.is_sorted_by_key(|sample| sample.at), "{:?}", measured.samples);
        assert_eq!(measured.stop, None);
    }
    assert_eq!(run.header.config.stopping, None);
    assert!(run.header.config.n_reps >= Some(10));
}

#[test]
fn a_slowed_sweep_differs_in_its_times_alone() {
    let model = testing::tiny_model().unwrap();
    let plain = short(&model).run().unwrap();
    let slowed = short(&model).slowed_by(Share::new(0.5).unwrap()).run().unwrap();
    let key = |report: &Report| Key::of(&report.runs[0].header);
    assert_eq!(key(&slowed), key(&plain));
    assert_eq!(slowed.runs[0].header.config, plain.runs[0].header.config);
    assert_eq!(slowed.runs[0].header.resolved, plain.runs[0].header.resolved);
    assert!(slowed.runs[0].header.timing.wall > Some(Duration::ZERO));
    let tests = |report: &Report| report.cells().map(|(_, cell)| cell.test).collect::<Vec<_>>();
    assert_eq!(tests(&slowed), tests(&plain));
    assert!(slowed.is_complete());
}

#[test]
fn a_guard_measures_a_quick_sweep_as_often_as_it_must() {
    let model = testing::tiny_model().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let guard = |mode| Guard::new("main").folder(folder.path()).mode(mode);
    for n_runs in 1..=3 {
        let saved = guard(GuardMode::Add).check(short(&model)).unwrap().saved.unwrap();
        assert_eq!(saved.n_runs, n_runs);
    }
    // Work that takes a hundred times as long fails or is inconclusive; both are measured again.
    let slowed = short(&model).slowed_by(Share::new(100.0).unwrap());
    let (outcome, n_measured) = match guard(GuardMode::Check).check(slowed) {
        Ok(guarded) => (guarded.outcome.unwrap(), guarded.n_measured),
        Err(GuardError::Regression { source: RegressionError::Regressed(outcome), n_measured, .. }) => {
            (*outcome, n_measured)
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!((n_measured, outcome.cells[0].judged.after.n_runs), (5, 5), "{outcome}");
}

#[test]
fn a_test_of_an_application_from_model_to_verdict() {
    let model = testing::tiny_model().unwrap();
    let report = short(&model).runs(2).run().unwrap();
    testing::assert_at_least(&report, pp(8).at(16), 0.001);
    let folder = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(folder.path());
    baselines.save("main", &report).unwrap();
    let baseline = baselines.load("main", &report).unwrap();
    assert_eq!(baseline.report(), &report);
    // The same figures: without noise, on every machine.
    testing::assert_no_regression(&baseline, &report, Tolerance::default());
    let mut other = report.clone();
    other.runs.iter_mut().for_each(|run| run.header.config.n_threads = Some(99));
    assert!(baselines.load("main", &other).is_err());
}
