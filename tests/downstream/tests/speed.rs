//! What an application's developer writes: the speed is guarded, and other tests of the same crate run beside that.

use std::{env, error::Error};

use downstream::{TOO_SLOW, generation_speed, measure};
use llama_bench_rs::{
    Model,
    llama::{Context, ContextParams, ModelParams},
    testing::{self, Guard, GuardMode, GuardVerdict, Tolerance, assert_at_least, pp, tg},
    units::Share,
};

/// The test that people keep switched on. Its baseline would be checked in; here it is of the machine that runs this, in a
/// folder that the environment names.
#[test]
fn the_model_is_as_fast_as_it_was() {
    let model = testing::tiny_model().unwrap();
    let sweep = testing::quick_sweep(&model);
    match env::var("DOWNSTREAM_SLOWED_BY_PERCENT") {
        // The work of a slower llama.cpp, for the study of how often that is noticed.
        Ok(percent) => {
            let share = Share::new(percent.parse::<f64>().unwrap() / 100.0).unwrap();
            testing::guard("main", sweep.slowed_by(share));
        }
        Err(_) if env::var_os("LLAMA_BENCH_BASELINES").is_some() => testing::guard("main", sweep),
        Err(_) => {
            let folder = tempfile::tempdir().unwrap();
            let guarded = Guard::new("main")
                .folder(folder.path())
                .mode(GuardMode::Save)
                .check(sweep.repetitions(2))
                .unwrap();
            assert_eq!(guarded.saved.unwrap().n_runs, 1);
        }
    }
}

#[test]
fn generation_is_fast_enough_at_every_depth() -> Result<(), Box<dyn Error>> {
    let report = measure(&testing::tiny_model()?)?;
    assert!(report.is_complete());
    for depth in [0, 256] {
        assert!(generation_speed(&report, depth).is_some());
        assert_at_least(&report, tg(8).at(depth), TOO_SLOW);
    }
    assert_at_least(&report, pp(64).at(256), TOO_SLOW);
    Ok(())
}

/// The tolerance is that of a machine on which anything may run beside the tests: only what takes a hundred times as long
/// is too slow.
#[test]
fn a_guard_compares_with_what_it_saved() -> Result<(), Box<dyn Error>> {
    let model = testing::tiny_model()?;
    let folder = tempfile::tempdir()?;
    let guard =
        Guard::new("main").folder(folder.path()).mode(GuardMode::Save).tolerance(Tolerance::percent(10_000));
    let sweep = || testing::quick_sweep(&model).prompt(32).generate(4).repetitions(3);
    assert_eq!(guard.check(sweep())?.verdict, GuardVerdict::Saved);
    // Whether it can tell depends on the machine; it compares.
    assert!(guard.check(sweep())?.outcome.is_some());
    // Another configuration is not compared with it.
    let error = guard.check(sweep().context(ContextParams::default().n_threads(2))).unwrap_err();
    assert!(error.to_string().contains("n_threads"), "{error}");
    Ok(())
}

/// Work other than a sweep, as most of an application's tests are. On the CPU: a GPU rounds otherwise for each size.
#[test]
fn a_text_is_read_the_same_way_in_one_piece_and_in_several() -> Result<(), Box<dyn Error>> {
    let file = testing::tiny_model()?.path().to_owned();
    let model = Model::load_with(file, &ModelParams::default().no_devices(true))?;
    let text: Vec<i32> = (0..512).map(|i| 3 + i % 97).collect();
    let read = |size: usize| -> Result<Vec<f32>, Box<dyn Error>> {
        let mut context = Context::new(&model, &ContextParams::default().n_ctx(512).n_threads(2))?;
        text.chunks(size).try_for_each(|chunk| context.decode_tokens(chunk))?;
        Ok(context.logits(-1).ok_or("no logits")?.to_vec())
    };
    let whole = read(512)?;
    for size in [64, 16, 8] {
        let pieces = read(size)?;
        let furthest = whole.iter().zip(&pieces).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 0.05, "{furthest} apart in pieces of {size}");
    }
    Ok(())
}

#[test]
fn a_missing_model_is_an_error_and_does_not_end_the_process() {
    let error = Model::load("no/such/model.gguf").unwrap_err();
    assert!(error.to_string().contains("no/such/model.gguf"));
}
