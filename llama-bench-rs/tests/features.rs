//! What llama.cpp was compiled with, as it tells it itself. Alone in its file: llama.cpp prints into one static text.
#![allow(missing_docs)]

mod llama_support;

use std::ffi::CStr;

use llama_bench_rs::{bench::Sweep, llama::Backend};
use llama_support::{params, tiny};

#[test]
fn the_features_of_every_backend_are_those_that_llama_cpp_prints() {
    let features = Backend::init().unwrap().features();
    // SAFETY: llama.cpp is initialised, and nothing else prints meanwhile; the text is static and ends with a NUL.
    let printed = unsafe { CStr::from_ptr(llama_sys::llama_print_system_info()) }.to_str().unwrap();
    // `CPU : SSE3 = 1 | AVX = 1 | ` for each backend.
    assert!(features["CPU"].values().all(|value| !value.is_empty()), "{features:?}");
    for (backend, features) in &features {
        assert!(printed.contains(&format!("{backend} : ")), "{backend} in {printed}");
        for (name, value) in features {
            assert!(printed.contains(&format!("{name} = {value} | ")), "{name} in {printed}");
        }
    }
    let n_all: usize = features.values().map(|features| features.len()).sum();
    assert_eq!(printed.matches(" = ").count(), n_all, "{printed}");

    // And they are in the record.
    let report = Sweep::new(&tiny("tiny-llama")).context(params(0)).prompt(8).repetitions(1).run().unwrap();
    assert_eq!(report.runs[0].header.host.backend_features, features);
}
