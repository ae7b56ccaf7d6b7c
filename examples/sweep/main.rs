//! Measures a model at several context depths and prints a table: `cargo run --release --example sweep`.

mod args;
mod baseline;
mod configs;
mod expect;
mod help;
mod job;
mod names;
mod output;
mod placement;
mod progress;
mod values;

use std::{path::PathBuf, process::ExitCode};

use llama_bench_rs::{
    Error,
    bench::Cancel,
    gguf::{FileType, Shape, Synthetic},
    llama::{self, Backend, Model},
};

use args::Args;
use baseline::Baselining;
use job::Job;
use output::Output;
use progress::Progress;

/// What is measured when nothing was asked for: small enough for two cores and a minute.
const DEFAULT_SHAPE: &str = "tiny-gpt-oss";

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const REGRESSED: u8 = 3;
/// As shells report a program that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::read();
    if args.verbose {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    }
    match run(&args) {
        Ok(status) => ExitCode::from(status),
        Err(Failed { message, status }) => {
            eprintln!("sweep: {message}");
            ExitCode::from(status)
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
        println!("{}", version());
        return Ok(0);
    }
    if args.list_shapes {
        Shape::preset_names().iter().for_each(|name| println!("{name}"));
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
    let models = configs::models(args, &backend).map_err(bad_usage)?;
    let contexts = configs::contexts(args);
    let mut baselines = Baselining::new(&args.baseline)?;
    let progress = Progress::new(args.progress);
    let sources = sources(args)?;
    let n_runs = sources.len() * models.len() * contexts.len();
    let stopping = args.run.stopping().map_err(bad_usage)?;
    let mut output = Output::open(args, n_runs).map_err(bad_usage)?;

    let cancel = Cancel::new();
    let on_interrupt = cancel.clone();
    ctrlc::set_handler(move || on_interrupt.cancel()).map_err(bad_usage)?;

    let mut complete = true;
    for source in &sources {
        let path = source.path(&progress)?;
        for params in &models {
            progress.say(format!("loading {}", path.display()));
            let model = Model::load(&backend, &path, params).map_err(Error::from)?;
            for context in &contexts {
                let job = Job { args, model: &model, context, stopping };
                complete &= if args.plan {
                    job.tell_plan()?
                } else if args.verify {
                    job.verify(&progress)?
                } else {
                    let report = job.measure(&progress, &mut output, &cancel)?;
                    let is_complete = report.is_complete();
                    baselines.add(&report);
                    output.run_done(report);
                    is_complete
                };
                if cancel.is_cancelled() {
                    break;
                }
            }
        }
    }
    progress.finish();
    if args.plan || args.verify {
        return Ok(if complete { 0 } else { SOME_FAILED });
    }
    let report = output.finish(args)?;
    if cancel.is_cancelled() {
        return Ok(INTERRUPTED);
    }
    let falls_short = args.expect.judge(&report, args);
    let status = baselines.finish(args.format, if complete { 0 } else { SOME_FAILED })?;
    Ok(if falls_short { REGRESSED } else { status })
}

/// Where a model comes from.
enum Source {
    File(PathBuf),
    Weightless(Synthetic<'static>),
}

impl Source {
    fn path(&self, progress: &Progress) -> Result<PathBuf, Failed> {
        match self {
            Source::File(path) => Ok(path.clone()),
            Source::Weightless(synthetic) => {
                let show = |done, total| progress.bytes("making the weightless model", done, total);
                Ok(synthetic.clone().progress(show).cached().map_err(Error::from)?)
            }
        }
    }
}

fn sources(args: &Args) -> Result<Vec<Source>, Failed> {
    let file_type =
        args.model.file_type.as_deref().map(str::parse::<FileType>).transpose().map_err(bad_usage)?;
    let mut sources: Vec<Source> = args.model.models.iter().cloned().map(Source::File).collect();
    let mut shapes = args.model.shapes.clone();
    if sources.is_empty() && shapes.is_empty() {
        shapes.push(DEFAULT_SHAPE.into());
    }
    for name in &shapes {
        let mut synthetic = Synthetic::new(Shape::preset(name).map_err(bad_usage)?);
        if let Some(file_type) = file_type {
            synthetic = synthetic.file_type(file_type);
        }
        sources.push(Source::Weightless(synthetic));
    }
    Ok(sources)
}

fn list_devices(backend: &Backend) {
    println!("Available devices:");
    for device in backend.devices() {
        let (free, total) = device.memory_bytes();
        let mib = 1024 * 1024;
        let (name, description, kind) = (device.name(), device.description(), device.kind().name());
        println!(
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
