//! What an application's developer writes.

use downstream::{TOO_SLOW, generation_speed, measure};
use llama_bench_rs::{
    gguf::{Shape, Synthetic},
    llama::{Backend, Model, ModelParams},
};

#[test]
fn generation_is_fast_enough_at_every_depth() {
    let path = Synthetic::new(Shape::preset("tiny-llama").unwrap()).cached().unwrap();
    let backend = Backend::init().unwrap();
    let model = Model::load(&backend, &path, &ModelParams::default()).unwrap();
    let report = measure(&model).unwrap();
    assert!(report.is_complete());
    for depth in [0, 256] {
        let speed = generation_speed(&report, depth).unwrap();
        assert!(speed > TOO_SLOW, "{speed} tokens per second at depth {depth}");
    }
}

#[test]
fn a_missing_model_is_an_error_and_no_end_of_the_process() {
    let backend = Backend::init().unwrap();
    let error = Model::load(&backend, "no/such/model.gguf", &ModelParams::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/model.gguf"));
}
