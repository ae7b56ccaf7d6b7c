//! Nothing is prepared yet when several threads load a model: in a process of its own.
#![allow(missing_docs)]

mod llama_support;

use std::{sync::Barrier, thread};

use llama_bench_rs::llama::{Context, ContextParams, Model, ModelParams};
use llama_support::file;

#[test]
fn threads_may_load_the_first_models_at_once() {
    // On all devices that there are.
    let (path, params) = (file("tiny-llama", false), ModelParams::default());
    let together = Barrier::new(4);
    let load = || {
        together.wait();
        let model = Model::load_with(&path, &params).unwrap();
        let mut context = Context::new(&model, &ContextParams::default().n_ctx(64).n_threads(1)).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        context.logits(-1).unwrap().len()
    };
    let n_logits: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(n_logits, [1024; 4]);
}
