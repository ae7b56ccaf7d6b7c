//! An application's own code: it answers with a model, and its tests hold the model to its speed.

use llama_bench_rs::{Error, Model, Report, Sweep, tg};

/// Tokens per second that the application needs to feel alive.
pub const TOO_SLOW: f64 = 1.0;

/// Prompt lengths and depths as the application's users meet them.
pub fn measure(model: &Model) -> Result<Report, Error> {
    Sweep::new(model).prompt(64).generate(8).depths([0, 256]).repetitions(3).run()
}

/// Mean generation speed at a depth, in tokens per second.
pub fn generation_speed(report: &Report, depth: u32) -> Option<f64> {
    Some(report.cell_of(tg(8).at(depth))?.throughput()?.get())
}
