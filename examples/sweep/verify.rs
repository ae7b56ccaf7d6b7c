//! `--verify`: how far the logits of each depth are from those of a fresh fill.

use llama_bench_rs::{
    bench::{BenchError, Cancel, Configuration, Sweep},
    cli,
};

use crate::{Failed, bad_usage, progress::Progress};

/// The name of a configuration and its model, by the file's name if it was not loaded.
pub fn heading(configuration: &Configuration, sweep: &Sweep<'_>) -> Result<String, Failed> {
    let model = sweep.header().map_err(bad_usage)?.model;
    let model = if model.description.is_empty() { model.filename } else { model.description };
    let name = &configuration.name;
    Ok(match () {
        () if model.contains(&**name) => model,
        () if name.contains(&*model) => name.clone(),
        () => format!("{name} ({model})"),
    })
}

/// Prints how far the logits of each depth are from those of a fresh fill; whether they are within rounding.
pub fn verify(
    configuration: &Configuration,
    sweep: Sweep<'_>,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<bool, Failed> {
    let heading = heading(configuration, &sweep)?;
    if let Some(failure) = sweep.failure() {
        complain!("sweep: {heading}: {}", failure.message);
        return Ok(false);
    }
    progress.say(format!("verifying {heading}"));
    let (model, context) = sweep.params();
    let flags = cli::flags_of(model, context).join(" ");
    let found = match sweep.verify() {
        Ok(found) => found,
        // The next configuration may be verified all the same.
        Err(BenchError::Verify(failure)) if cancel.is_cancelled() && failure.kind == "cancelled" => {
            complain!("sweep: {heading}: {}", failure.message);
            return Ok(false);
        }
        Err(error @ BenchError::Verify(_)) => {
            complain!("sweep: {heading}: {error}");
            return Ok(false);
        }
        Err(usage) => return Err(bad_usage(usage)),
    };
    progress.suspend(|| say!("{heading} {flags}\n\n{found}"));
    Ok(found.is_within_noise())
}
