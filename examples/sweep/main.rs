//! Measures a model at several context depths and prints a table: `cargo run --release --example sweep`.

#[path = "../support/failed.rs"]
mod failed;
#[path = "../support/pages.rs"]
mod pages;
#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
mod baseline;
mod best;
#[path = "../support/devices.rs"]
mod devices;
mod distinct;
mod expect;
mod job;
mod output;
mod plan;
mod progress;
mod remarks;
#[path = "../support/results_file.rs"]
mod results_file;
mod runs;
mod screen;
#[path = "../support/signals.rs"]
mod signals;
mod silent;
mod source;
#[path = "../support/targets.rs"]
mod targets;
mod trace;
mod verify;

use std::process::ExitCode;

use llama_bench_rs::{
    Error,
    bench::{Campaign, Cancel, Configuration, Event, Grid, Look},
    gguf::Shape,
    isolate,
    llama::{self, Backend},
    record::Report,
    report::svg::Picture,
};

use args::Args;
use baseline::Baselining;
use failed::{BAD_USAGE, Failed, SOME_FAILED, bad_usage};
use job::Job;
use output::Output;
use progress::Progress;
use runs::Runs;
use signals::Interrupt;

const REGRESSED: u8 = 3;

fn main() -> ExitCode {
    isolate::child();
    let args = Args::read();
    if args.out.verbose {
        // A closed log must not end the sweep.
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
        args.model.connect(&backend).map_err(bad_usage)?;
        devices::list(&backend);
        return Ok(0);
    }
    // Everything that can be wrong with the request is found before anything is made or loaded.
    let models = args.model.params(&backend, args.tests.n_ctx()).map_err(bad_usage)?;
    let contexts = args.context.params();
    let n_all = models.len() * contexts.len();
    let (models, contexts) = (Grid::of(models), Grid::of(contexts));
    distinct::tell(n_all, models.items().len() * contexts.items().len(), args);
    let mut baselines = Baselining::new(&args.baseline)?;
    let runs = Runs::of(args);
    let stopping = args.run.stopping().map_err(bad_usage)?;
    let (models, contexts) = (models.items().to_vec(), contexts.items().to_vec());
    let job = Job { args, sources: source::sources(args)?, models, contexts, stopping };
    let configurations = job.plan(&runs)?;
    silent::lines(args, configurations.len()).iter().for_each(|line| complain!("sweep: {line}"));
    baselines.check_plan(&configurations)?;
    // Before any file is made.
    let interrupt = Interrupt::watch().map_err(bad_usage)?;
    if let Some(picture @ (Picture::Profile | Picture::Flame)) = args.pages.picture
        && args.run.profiling().is_none()
        && !args.resume
    {
        return Err(bad_usage(format!("--picture {picture}: nothing is profiled: add --profile")));
    }
    // A command that measures nothing writes no page.
    if !args.plan && !args.verify {
        args.pages.check(&output::beside(args)).map_err(bad_usage)?;
    }
    let mut traces = trace::Traces::of(args).map_err(bad_usage)?;
    let cancel = interrupt.cancel();
    let mut output = Output::open(args).map_err(bad_usage)?;
    // A file that cannot be loaded costs only its own runs: it is reported at once, and the others are measured.
    let defects: Vec<String> =
        job.sources.iter().filter_map(|source| source.defect().map(|defect| defect.to_string())).collect();
    defects.iter().for_each(|defect| complain!("sweep: {defect}"));

    let progress = Progress::new(args, cancel.clone());
    let mut notes = remarks::Notes::default();
    if args.plan || args.verify {
        let complete = inspect(
            args,
            job.campaign(runs.planned(args)).cancel(cancel.clone()),
            &configurations,
            &progress,
            cancel,
        )?;
        return Ok(interrupt.status().unwrap_or(if complete { 0 } else { SOME_FAILED }));
    }
    let earlier = output.earlier();
    let mut has_measured = false;
    let mut observe = |event: &Event<'_>| {
        has_measured |= matches!(event, Event::Measuring { .. });
        progress.event(event);
        traces.event(event);
        if let Event::Note(note) = event {
            notes.tell(note, &progress);
        }
        if !progress.suspend(|| output.event(event)) {
            // Continuing with nowhere to put the figures would waste the user's time.
            cancel.cancel();
        }
    };
    let mut measured = Report::default();
    let done = job
        .campaign(runs)
        .cancel(cancel.clone())
        .resume(earlier)
        .observer(&mut observe)
        .run()
        .map(|done| measured = done.report)
        .map_err(Failed::from);
    progress.finish();
    let complete = measured.is_complete();
    baselines.add(&measured);
    output.add(measured);
    if let Err(failed) = done {
        output.abandon();
        return Err(failed);
    }
    let can_be_resumed = output.can_be_resumed();
    let (report, mut lost) = output.finish();
    if let (true, false, Some(file)) = (args.resume, has_measured, &args.out.output) {
        complain!("sweep: nothing was left to measure: the figures are those of {}", file.display());
    }
    remarks::tell(&report, args, &defects);
    if report.cells().next().is_some()
        && let Err(message) = args.pages.write(&report, &args.expect.expect)
    {
        complain!("sweep: {message}");
        lost = lost.or(Some(SOME_FAILED));
    }
    if let Err(message) = traces.write() {
        complain!("sweep: {message}");
        lost = lost.or(Some(SOME_FAILED));
    }
    if let Some(status) = interrupt.status() {
        remarks::tell_how_to_resume(can_be_resumed, &report);
        return Ok(status);
    }
    remarks::tell_what_was_lost(can_be_resumed, &report);
    if cancel.is_cancelled() {
        // Nobody was left to write for.
        return Ok(lost.unwrap_or(SOME_FAILED));
    }
    best::tell(&report, args);
    let falls_short = args.expect.judge(&report, args);
    let status = baselines.finish(args.out.format, if complete { 0 } else { SOME_FAILED })?;
    Ok(match (falls_short, status) {
        (true, _) => REGRESSED,
        (false, 0) => lost.unwrap_or(0),
        (false, status) => status,
    })
}

/// What `--plan` and `--verify` do in place of measuring; whether everything is as it should be.
fn inspect(
    args: &Args,
    campaign: Campaign<'_>,
    configurations: &[Configuration],
    progress: &Progress,
    cancel: &Cancel,
) -> Result<bool, Failed> {
    let mut notes = remarks::Notes::default();
    let (mut totals, mut verified) = (plan::Totals::default(), verify::Verified::default());
    let mut begun = verify::Begun::default();
    let mut observe = |event: &Event<'_>| {
        progress.event(event);
        if args.verify {
            begun.tell(event, configurations, progress);
        }
    };
    let look = if args.plan { Look::Plan } else { Look::Verify };
    campaign.observer(&mut observe).inspect(look, |configuration, found| {
        found.notes.iter().for_each(|note| notes.tell(note, progress));
        progress.suspend(|| {
            if args.plan {
                totals.tell(configuration, &found);
            } else {
                verified.tell(configuration, &found, cancel);
            }
        });
        Ok::<(), Error>(())
    })?;
    progress.finish();
    Ok(if args.plan { totals.finish(configurations) } else { verified.finish() })
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
