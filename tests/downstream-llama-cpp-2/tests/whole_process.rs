//! What llama-cpp-2 does to the whole process while a model is measured. One test: everything here is global.

mod support;

use downstream_llama_cpp_2::{answer, measure};
use llama_bench_llama_cpp_2::load;
use llama_cpp_2::{LogOptions, llama_backend::LlamaBackend, send_logs_to_tracing};
use support::{file_with_vocabulary, params};

#[test]
fn logs_that_change_hands_and_backends_that_end_do_not_disturb() {
    let mut llama = LlamaBackend::init().unwrap();
    let (model, measured) = load(&llama, file_with_vocabulary(), &params()).unwrap();
    let is_told = || {
        let report = measure(&measured).unwrap();
        report.is_complete() && report.runs[0].header.resolved.flash_attn.is_some()
    };
    assert!(is_told());
    let expected = answer(&llama, &model, "hello", 4).unwrap();
    llama.void_logs();
    assert!(is_told());
    send_logs_to_tracing(LogOptions::default());
    assert!(is_told());
    assert_eq!(answer(&llama, &model, "hello", 4).unwrap(), expected);

    drop(llama);
    assert!(is_told());
    let llama = LlamaBackend::init().unwrap();
    assert_eq!(answer(&llama, &model, "hello", 4).unwrap(), expected);
    drop((model, llama));
    assert!(is_told());
}
