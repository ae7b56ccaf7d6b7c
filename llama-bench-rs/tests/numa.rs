//! NUMA placement is the process's and is chosen once: a test program of its own.

mod llama_support;

use llama_bench_rs::{
    bench::Sweep,
    llama::{Backend, LlamaError, Numa},
    report::Flat,
};

#[test]
fn the_first_choice_stays_and_is_recorded() {
    assert_eq!(Backend::init_with(Numa::Distribute).unwrap().numa(), Some(Numa::Distribute));
    let other = Backend::init_with(Numa::Isolate).unwrap_err();
    assert!(matches!(other, LlamaError::NumaChosen { asked: Numa::Isolate, active: Some(Numa::Distribute) }));
    let message = other.to_string();
    assert!(message.contains("isolate") && message.contains("distribute"), "{message}");
    // Who does not choose takes what there is.
    assert_eq!(Backend::init().unwrap().numa(), Some(Numa::Distribute));
    assert!(Backend::init_with(Numa::Distribute).is_ok());

    let model = llama_support::tiny("tiny-llama");
    let report = Sweep::new(&model).prompt(8).repetitions(1).run().unwrap();
    let header = &report.runs[0].header;
    assert_eq!(header.config.numa.as_deref(), Some("distribute"));
    assert_eq!(Flat::from(header).numa.as_deref(), Some("distribute"));
    assert!(report.is_complete());
}
