//! The whole sweep several times: in fresh contexts, with the model loaded again, or in separate processes.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use llama_bench_rs::{
    bench::{Cancel, Configuration, Event, Observer},
    cli::RunsIn,
    record::Report,
    report,
};

use crate::{BAD_USAGE, Failed, SOME_FAILED, args::Args, bad_usage, progress::Progress};

/// Time for a process to end after an interruption, which it receives too.
const GRACE: Duration = Duration::from_secs(2);

/// How often the end of the process is checked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How the runs are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Times that every model is loaded.
    pub n_loads: u32,
    /// Runs of each configuration from one load.
    pub per_load: u32,
    /// Processes that measure in place of this one.
    pub n_processes: u32,
}

impl Runs {
    pub fn of(args: &Args) -> Result<Self, Failed> {
        let n = args.run.runs;
        let once = Self { n_loads: 1, per_load: 1, n_processes: 0 };
        match args.run.runs_in {
            RunsIn::Context => Ok(Self { per_load: n, ..once }),
            RunsIn::Load => Ok(Self { n_loads: n, ..once }),
            RunsIn::Process if args.resume => {
                Err(bad_usage("--resume works with --runs-in context or load, not process"))
            }
            RunsIn::Process => Ok(Self { n_processes: n, ..once }),
        }
    }

    /// As many runs, for a plan.
    pub fn planned(self) -> Self {
        Self { n_loads: 1, per_load: self.n(), n_processes: 0 }
    }

    /// Runs of each configuration.
    pub fn n(self) -> u32 {
        self.n_loads * self.per_load * self.n_processes.max(1)
    }
}

/// Measures everything in this many processes, one after the other, and reports each when it ends; `whole` gets all runs.
pub fn in_processes(
    n_processes: u32,
    configurations: &[Configuration],
    observer: &mut dyn Observer,
    (progress, cancel): (&Progress, &Cancel),
    whole: &mut Report,
) -> Result<(), Failed> {
    observer.event(&Event::Campaign(configurations));
    for run in 0..n_processes {
        if run > 0 && cancel.is_cancelled() {
            break;
        }
        progress.say(format!("run {} of {n_processes}, in a process of its own", run + 1));
        let report = in_process(cancel)?;
        replay(&report, configurations, run, observer);
        whole.runs.extend(report.runs);
    }
    Ok(())
}

/// Measures everything in a process of its own: this program with the same flags.
fn in_process(cancel: &Cancel) -> Result<Report, Failed> {
    let program = std::env::current_exe().map_err(|e| cannot_start(&e))?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--one-of-several")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| cannot_start(&e))?;
    let pipe = child.stdout.take();
    // A pipe that is not read would stop the process.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.map(|mut pipe| pipe.read_to_string(&mut text));
        read.transpose().map(|_| text)
    });
    let status = wait(&mut child, cancel);
    let mut text = reader.join().ok().and_then(Result::ok).unwrap_or_default();
    if cancel.is_cancelled() {
        // A process that had to be ended may have left part of a row.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    }
    // Its own message is on standard error already.
    let failed =
        |status: u8, how: &str| Failed { message: format!("a run in a process of its own {how}"), status };
    match status.map_err(|e| cannot_start(&e))?.code() {
        Some(code) if code == i32::from(BAD_USAGE) => {
            return Err(failed(BAD_USAGE, "was refused, see above"));
        }
        Some(_) => {}
        None if cancel.is_cancelled() => {}
        None => return Err(failed(SOME_FAILED, "was ended by a signal")),
    }
    if text.trim().is_empty() {
        if cancel.is_cancelled() {
            return Ok(Report::default());
        }
        return Err(failed(SOME_FAILED, "gave no result, see above"));
    }
    let loaded = report::read_str(&text).map_err(|e| failed(SOME_FAILED, &format!("cannot be read: {e}")))?;
    Ok(loaded.report)
}

fn cannot_start(error: &std::io::Error) -> Failed {
    Failed { message: format!("cannot start a process for a run: {error}"), status: SOME_FAILED }
}

/// Waits for the end; of an interrupted sweep not much longer than the process needs to keep what it has.
fn wait(child: &mut Child, cancel: &Cancel) -> std::io::Result<std::process::ExitStatus> {
    let mut asked_at = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() && asked_at.get_or_insert_with(Instant::now).elapsed() > GRACE {
            child.kill()?;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Reports the runs of another process as if this one had measured them.
fn replay(report: &Report, configurations: &[Configuration], run: u32, observer: &mut dyn Observer) {
    let n = configurations.len();
    let mut left: Vec<usize> = (0..n).collect();
    for measured in &report.runs {
        // Models that are loaded together were measured together, in any place of the list.
        let is_its = |&index: &usize| configurations[index].header.differences(&measured.header).is_empty();
        let Some(index) = left.iter().position(is_its).map(|at| left.remove(at)) else { continue };
        observer.event(&Event::Configuration { index, n, name: &configurations[index].name, run });
        let mut curve = &measured.curve[..];
        for cell in &measured.cells {
            let curve = std::mem::take(&mut curve);
            observer.event(&Event::CellDone { header: &measured.header, cell, curve });
        }
    }
}
