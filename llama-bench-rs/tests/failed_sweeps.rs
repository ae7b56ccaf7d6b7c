//! Sweeps of models that cannot be loaded, in an application's own process.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{BenchError, Event, Sweep, interleave},
    gguf::{GgufError, Shape, Synthetic},
    llama::{LlamaError, Model, ModelParams},
    record::{Failure, Run},
};

fn failure() -> Failure {
    LlamaError::Cancelled { what: "loading the model" }.into()
}

#[test]
fn a_sweep_without_its_model_gives_a_failed_run_with_what_is_known() {
    fn of<'a>(path: &str) -> Sweep<'a> {
        let params = ModelParams::default().n_gpu_layers(7);
        Sweep::not_loaded(path, &params, failure()).prompt(8).generate(4).depths([0, 16])
    }
    let mut n_told = 0;
    let mut observe = |event: &Event<'_>| n_told += usize::from(matches!(event, Event::CellDone { .. }));
    let mut report = of("no/such.gguf").observer(&mut observe).run().unwrap();
    let run: Run = report.runs.remove(0);
    assert_eq!((run.cells.len(), n_told, run.has_figures()), (4, 4, false));
    assert!(run.cells.iter().all(|cell| cell.failure().unwrap().kind == "cancelled"));
    let header = &run.header;
    assert_eq!((header.model.filename.as_str(), header.config.n_gpu_layers), ("no/such.gguf", Some(7)));
    assert!(!header.build.commit.is_empty() && !header.host.devices.is_empty());
    assert!(
        of("no/such.gguf").memory_estimate().unwrap().is_none()
            && of("no/such.gguf").notes().unwrap().is_empty()
    );
    assert!(
        matches!(of("no/such.gguf").verify(), Err(BenchError::Verify(failure)) if failure.kind == "cancelled")
    );
    // The model resumes it once it can be loaded; a model of another file does not.
    assert!(of("no/such.gguf").resume(run.clone()).is_ok());
    assert!(matches!(of("another.gguf").resume(run), Err(BenchError::OtherRun { .. })));
}

#[test]
fn one_failed_side_of_several_keeps_its_place() {
    let model = llama_support::tiny("tiny-llama");
    let good = || Sweep::new(&model).prompt(8).repetitions(1);
    let bad = Sweep::not_loaded("no/such.gguf", &ModelParams::default(), failure()).prompt(8);
    let report = interleave(vec![good(), bad, good()]).unwrap();
    assert_eq!(report.runs.iter().map(Run::has_figures).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_main_gpu_that_is_not_there_is_a_typed_error() {
    let backend = llama_bench_rs::llama::Backend::init().unwrap();
    let path = llama_support::tiny("tiny-llama").path().to_owned();
    let params = ModelParams::default().main_gpu(99);
    let Err(LlamaError::Parameter { name: "main_gpu", value, remedy }) = Model::load_with(&path, &params)
    else {
        panic!("refused by name");
    };
    assert_eq!(value, "99");
    assert!(!remedy.is_empty());
    assert!(params.check_main_gpu(&backend).is_err());
    assert!(ModelParams::default().check_main_gpu(&backend).is_ok());
    assert!(Model::check_file(&path).is_ok());
    assert!(matches!(Model::check_file("no/such.gguf"), Err(LlamaError::Open { .. })));
}

#[test]
fn writing_a_synthetic_model_can_be_stopped_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let synthetic = Synthetic::new(Shape::preset("tiny-llama").unwrap()).stop_when(|| true);
    assert!(matches!(synthetic.write_to(&path), Err(GgufError::Stopped { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
