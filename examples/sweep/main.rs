//! Measures a model at several context depths and prints a table: `cargo run --release --example sweep`.

#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
mod baseline;
mod configs;
mod distinct;
mod expect;
mod help;
mod job;
mod names;
mod output;
mod placement;
mod progress;
mod remarks;
mod runs;
mod screen;
mod signals;
mod source;
mod values;

use std::process::ExitCode;

use llama_bench_rs::{
    Error,
    bench::drop_from_page_cache,
    gguf::Shape,
    llama::{self, Backend},
};

use args::Args;
use baseline::Baselining;
use job::Job;
use output::Output;
use progress::Progress;
use runs::Runs;
use signals::Interrupt;

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const REGRESSED: u8 = 3;

fn main() -> ExitCode {
    let args = Args::read();
    if args.verbose {
        // A log that nobody reads any more must not end the sweep.
        tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    }
    match run(&args) {
        Ok(status) => print::exit_code(status),
        Err(Failed { message, status }) => {
            complain!("sweep: {message}");
            print::exit_code(status)
        }
    }
}

/// A message and the exit status that goes with it.
struct Failed {
    message: String,
    status: u8,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), status: SOME_FAILED }
    }
}

fn bad_usage(message: impl ToString) -> Failed {
    Failed { message: message.to_string(), status: BAD_USAGE }
}

fn run(args: &Args) -> Result<u8, Failed> {
    if args.version {
        say!("{}", version());
        return Ok(0);
    }
    if args.list_shapes {
        Shape::preset_names().iter().for_each(|name| say!("{name}"));
        return Ok(0);
    }
    let backend = match args.run.numa {
        Some(numa) => Backend::init_with(numa),
        None => Backend::init(),
    };
    let backend = backend.map_err(Error::from)?;
    if args.list_devices {
        list_devices(&backend);
        return Ok(0);
    }
    // Everything that can be wrong with the request is found before anything is made or loaded.
    let (models, contexts) = (configs::models(args, &backend).map_err(bad_usage)?, configs::contexts(args));
    models.iter().try_for_each(|params| params.check_main_gpu(&backend)).map_err(bad_usage)?;
    let n_all = models.len() * contexts.len();
    let (models, contexts) = (distinct::distinct(models), distinct::distinct(contexts));
    distinct::tell(n_all, models.len() * contexts.len(), args);
    let mut baselines = Baselining::new(&args.baseline)?;
    let progress = Progress::new(args.progress);
    let sources = source::sources(args)?;
    let runs = Runs::of(args)?;
    let n_runs = sources.len() * models.len() * contexts.len() * runs.n();
    let stopping = args.run.stopping().map_err(bad_usage)?;
    let paths = sources.iter().map(source::Source::path).collect::<Result<Vec<_>, _>>()?;
    job::check(args, &models, &contexts, stopping)?;
    // Before any file is made.
    let interrupt = Interrupt::watch().map_err(bad_usage)?;
    let mut output = Output::open(args, n_runs).map_err(bad_usage)?;
    // A file that cannot be loaded costs its own runs alone: the others are measured, and the user hears of it at once.
    let defects: Vec<String> = sources.iter().filter_map(source::Source::defect).collect();
    defects.iter().for_each(|defect| complain!("sweep: {defect}"));

    let cancel = interrupt.cancel();
    let mut notes = remarks::Notes::default();
    let mut complete = true;
    let mut measure_all = || {
        for process in 0..runs.n_processes {
            if process > 0 && cancel.is_cancelled() {
                return Ok(());
            }
            progress.say(format!("run {} of {}, in a process of its own", process + 1, runs.n_processes));
            let report = runs::in_process(cancel)?;
            runs::replay(&report, &mut output);
            complete &= report.is_complete();
            baselines.add(&report);
            output.run_done(report);
        }
        if runs.n_processes > 0 {
            return Ok(());
        }
        let loads = (0..runs.n_loads).flat_map(|load| sources.iter().zip(&paths).map(move |of| (load, of)));
        for (load, (source, path)) in loads {
            let made = source.make(&progress, cancel);
            for params in &models {
                if load > 0 {
                    // Pages that stay where they are make runs alike; why they stay is nothing to stop for.
                    let _ = drop_from_page_cache(path);
                }
                let load = |()| source::load(&backend, path, params, &progress, cancel);
                let model = made.clone().and_then(load);
                let again = (0..runs.per_load).flat_map(|_| &contexts);
                for context in again {
                    let job = Job { args, path, params, model: model.as_ref(), context, stopping };
                    notes.tell(job.notes()?, &progress);
                    if args.plan || args.verify {
                        if cancel.is_cancelled() {
                            return Ok(());
                        }
                        complete &= if args.plan { job.tell_plan()? } else { job.verify(&progress, cancel)? };
                        continue;
                    }
                    let report = job.measure(&progress, &mut output, cancel)?;
                    complete &= report.is_complete();
                    baselines.add(&report);
                    output.run_done(report);
                }
            }
        }
        Ok(())
    };
    let measured: Result<(), Failed> = measure_all();
    progress.finish();
    if let Err(failed) = measured {
        output.abandon();
        return Err(failed);
    }
    if args.plan || args.verify {
        return Ok(interrupt.status().unwrap_or(if complete { 0 } else { SOME_FAILED }));
    }
    let can_be_resumed = output.can_be_resumed();
    let (report, lost) = output.finish();
    remarks::tell(&report, args, &defects);
    if let Some(status) = interrupt.status() {
        remarks::tell_how_to_go_on(can_be_resumed);
        return Ok(status);
    }
    if cancel.is_cancelled() {
        // Nobody was left to write for.
        return Ok(lost.unwrap_or(SOME_FAILED));
    }
    let falls_short = args.expect.judge(&report, args);
    let status = baselines.finish(args.format, if complete { 0 } else { SOME_FAILED })?;
    Ok(match (falls_short, status) {
        (true, _) => REGRESSED,
        (false, 0) => lost.unwrap_or(0),
        (false, status) => status,
    })
}

fn list_devices(backend: &Backend) {
    say!("Available devices:");
    for device in backend.devices() {
        let (free, total) = device.memory_bytes();
        let mib = 1024 * 1024;
        let (name, description, kind) = (device.name(), device.description(), device.kind().name());
        say!(
            "  {name}: {description} ({kind}, {}, {} MiB, {} MiB free)",
            device.backend_name(),
            total / mib,
            free / mib
        );
    }
}

fn version() -> String {
    let build = llama::build_info();
    format!(
        "llama-bench-rs {} with llama.cpp {} ({}, {})",
        env!("CARGO_PKG_VERSION"),
        build.version,
        build.commit,
        build.compiler
    )
}
