//! What an application's developer writes.

use downstream::{TOO_SLOW, generation_speed, measure};
use llama_bench_rs::{
    Error,
    baseline::Baselines,
    llama::{Backend, Model, ModelParams},
    record::TestKind,
    testing::{self, RegressionError, Tolerance},
    units::TokensPerSecond,
};

#[test]
fn generation_is_fast_enough_at_every_depth() -> Result<(), Error> {
    let report = measure(&testing::tiny_model()?)?;
    assert!(report.is_complete());
    for depth in [0, 256] {
        let speed = generation_speed(&report, depth).unwrap();
        assert!(speed > TOO_SLOW, "{speed} tokens per second at depth {depth}");
    }
    testing::assert_at_least(&report, TestKind::Pp(64), 256, TokensPerSecond::new(TOO_SLOW).unwrap());
    Ok(())
}

/// The tolerance is that of a machine on which anything may run beside the tests: only what takes a hundred times as
/// long is too slow.
#[test]
fn the_speed_is_that_of_the_baseline() -> Result<(), Error> {
    let tolerance = Tolerance::percent(10_000);
    let model = testing::tiny_model()?;
    let sweep = || testing::quick_sweep(&model).prompt(32).generate(4).repetitions(3);
    // A project would check this folder in, and save to it when told to.
    let folder = tempfile::tempdir().unwrap();
    let baselines = Baselines::new(folder.path());
    baselines.save("main", &sweep().runs(2).run()?)?;

    let report = sweep().run()?;
    let baseline = baselines.load("main", &report)?;
    assert_eq!(baseline.report().runs.len(), 2);
    testing::assert_no_regression(&baseline, &report, tolerance);

    // Other depths are no pass, and another configuration is no baseline.
    let shallow = sweep().depths([0]).run()?;
    let missing = testing::check_no_regression(&baseline, &shallow, tolerance).unwrap_err();
    assert!(matches!(missing, RegressionError::Incomplete { .. }), "{missing}");
    let mut elsewhere = report;
    elsewhere.runs[0].header.host.cpu_info = "another processor".into();
    let refused = baselines.load("main", &elsewhere).unwrap_err();
    assert!(refused.to_string().contains("machine, cpu_info"), "{refused}");
    Ok(())
}

#[test]
fn a_missing_model_is_an_error_and_no_end_of_the_process() {
    let backend = Backend::init().unwrap();
    let error = Model::load(&backend, "no/such/model.gguf", &ModelParams::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/model.gguf"));
}
