//! A test of an ordinary test program that is its own child.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::{
    bench::{Campaign, Sweep},
    isolate::{self, Isolation},
};

fn small(sweep: Sweep<'_>) -> Sweep<'_> {
    sweep.context(llama_support::params(0)).prompt(16).generate(4).repetitions(2)
}

/// The harness prints into the pipe before the test begins.
#[test]
fn a_test_that_names_itself_may_isolate() {
    isolate::child();
    let own = ["--exact", "a_test_that_names_itself_may_isolate", "--nocapture", "--test-threads=1"];
    let campaign = Campaign::new().models([llama_support::file("tiny-llama", false)]);
    let contexts = [64, 128].map(|n_ubatch| llama_support::params(0).n_batch(128).n_ubatch(n_ubatch));
    let campaign = campaign.model_params([llama_support::on_cpu()]).contexts(contexts).tests(small);
    let measured = campaign.isolated(Isolation::new().args(own)).run().unwrap();
    assert_eq!(measured.report.runs.len(), 2);
    assert!(measured.report.is_complete(), "{:?}", measured.report);
}
