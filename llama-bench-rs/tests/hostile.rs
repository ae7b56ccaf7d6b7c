//! Random hostile files and calls, each from a seed: the process survives every case.
//!
//! The numbers of cases here take seconds. `HOSTILE_MANY=100000 cargo test --release --test hostile` runs more.
#![allow(missing_docs)]

mod hostile_support;
mod llama_support;

use hostile_support::{calls, children, damage::Base, dice::Dice, exercise, shapes};
use llama_bench_rs::llama::{Model, ModelParams};
use llama_support::{file, folder};

#[test]
fn damaged_files_end_no_process() {
    let mut bases = std::collections::HashMap::new();
    let shapes = shapes();
    let bases = std::cell::RefCell::new(&mut bases);
    children::run("damaged_files_end_no_process", 200, |seed| {
        let mut dice = Dice::new(seed);
        let (shape, vocabulary) = (dice.pick(&shapes), dice.one_in(2));
        let path = folder().join("damaged.gguf");
        let mut bases = bases.borrow_mut();
        let base = bases.entry((shape, vocabulary)).or_insert_with(|| Base::read(&file(shape, vocabulary)));
        base.write_damaged(&path, &mut dice);
        let loaded = ModelParams::default().vocab_only(dice.one_in(5)).check_tensors(dice.one_in(8));
        if let Ok(model) = Model::load_with(&path, &loaded) {
            exercise::model(&model, &mut dice);
        }
    });
}

#[test]
fn random_calls_end_no_process_and_give_right_values() {
    children::run("random_calls_end_no_process_and_give_right_values", 60, calls::sequence);
}
