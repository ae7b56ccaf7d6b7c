//! Serves requests of many users at once, and says what they experience: `cargo run --release --example serve_bench`.

#[path = "../support/failed.rs"]
mod failed;
#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
#[path = "../support/devices.rs"]
mod devices;
#[path = "../support/form.rs"]
mod form;
mod measure;
mod output;
mod plan;
mod progress;
mod requests;
mod results;
#[path = "../support/results_file.rs"]
mod results_file;
#[path = "../support/signals.rs"]
mod signals;
#[path = "../support/targets.rs"]
mod targets;

use std::process::ExitCode;

use llama_bench_rs::{Error, isolate, llama::Backend};

use args::Args;
use failed::{Failed, SOME_FAILED, bad_usage};
use output::Output;
use progress::Progress;
use requests::Job;
use signals::Interrupt;

fn main() -> ExitCode {
    isolate::child();
    let args = Args::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit());
    if args.verbose {
        // A closed log must not end the serving.
        tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    }
    match run(&args) {
        Ok(status) => print::exit_code(status),
        Err(Failed { message, status }) => {
            complain!("serve_bench: {message}");
            print::exit_code(status)
        }
    }
}

fn run(args: &Args) -> Result<u8, Failed> {
    let backend = Backend::init().map_err(Error::from)?;
    if args.list_devices {
        devices::list(&backend);
        return Ok(0);
    }
    // Everything that can be wrong with the request is found before anything is loaded.
    let job = Job::new(args, &backend)?;
    if args.plan {
        return Ok(if plan::tell(args, &job)? { 0 } else { SOME_FAILED });
    }
    results::check(args).map_err(bad_usage)?;
    // Before any file is made.
    let interrupt = Interrupt::watch().map_err(bad_usage)?;
    let mut output = Output::open(args).map_err(bad_usage)?;
    let earlier = output.earlier();
    results::same_configurations(&earlier, &job.configurations)?;
    let progress = Progress::new(args.quiet);
    let served = measure::all(args, &job, earlier, &mut output, (&progress, interrupt.cancel()));
    progress.finish();
    let can_be_resumed = output.can_be_resumed();
    let report = served.inspect_err(|_| output.abandon())?;
    results::tell_failures(&report);
    let lost = output.finish(&report);
    let lost = lost.or(results::write_pages(args, &report));
    if let Some(status) = interrupt.status() {
        results::tell_how_to_resume(can_be_resumed);
        return Ok(status);
    }
    if let Some(status) = lost {
        return Ok(status);
    }
    Ok(if report.is_complete() { 0 } else { SOME_FAILED })
}
