//! Serving every configuration: each model is loaded once, and the configurations that share it are served in turn.

use std::cell::RefCell;

use llama_bench_rs::{
    Error,
    bench::Cancel,
    isolate::Isolation,
    llama::Model,
    record::Failure,
    serve::{self, Serve, ServeApart, ServeEvent, ServeObserver, ServeReport, ServeRun, ServeSettings},
    with,
};

use crate::{
    Failed,
    args::Args,
    bad_usage,
    output::Output,
    progress::Progress,
    requests::{Configuration, Job, refused},
};

/// Serves everything; what an earlier process left is not served again.
pub fn all(
    args: &Args,
    job: &Job,
    mut earlier: ServeReport,
    output: &mut Output<'_>,
    (progress, cancel): (&Progress, &Cancel),
) -> Result<ServeReport, Failed> {
    let mut report = ServeReport::default();
    // From behind, so that taking a run moves no other.
    earlier.runs.reverse();
    if let Some(isolation) = args.isolate.isolation(&args.model.rpc) {
        for one in &job.configurations {
            let place = report.runs.len();
            let run =
                apart(&isolation, args, job, (one, earlier.runs.pop()), (place, output), (progress, cancel))?;
            output.update(place, &run);
            report.runs.push(run);
        }
        return Ok(report);
    }
    for group in job.configurations.chunk_by(Configuration::shares_load) {
        let earlier: Vec<Option<ServeRun>> = group.iter().map(|_| earlier.runs.pop()).collect();
        let first = &group[0];
        let failure = if cancel.is_cancelled() {
            Some(Failure::new("cancelled", "interrupted before the model was loaded"))
        } else {
            progress.show(&format!("loading {}", first.path().display()));
            None
        };
        let loaded = match failure {
            Some(failure) => Err(failure),
            None => first.source.load(&first.model).map_err(Failure::from),
        };
        match loaded {
            Ok(model) => {
                let served = served(args, job, (group, &model), earlier, output, (progress, cancel));
                report.runs.extend(served?.runs);
            }
            Err(failure) => {
                for (one, earlier) in group.iter().zip(earlier) {
                    let mut run = earlier.unwrap_or_else(|| one.not_loaded(args, job, &failure));
                    run.fail_rest(&failure);
                    output.update(report.runs.len(), &run);
                    report.runs.push(run);
                }
            }
        }
    }
    Ok(report)
}

/// Serves a configuration in a process of its own.
fn apart(
    isolation: &Isolation,
    args: &Args,
    job: &Job,
    (one, earlier): (&Configuration, Option<ServeRun>),
    (place, output): (usize, &mut Output<'_>),
    (progress, cancel): (&Progress, &Cancel),
) -> Result<ServeRun, Failed> {
    if cancel.is_cancelled() {
        let failure = Failure::new("cancelled", "interrupted before the model was loaded");
        let mut run = earlier.unwrap_or_else(|| one.not_loaded(args, job, &failure));
        run.fail_rest(&failure);
        return Ok(run);
    }
    progress.show(&format!("loading {}", one.path().display()));
    let mut observe = |event: &ServeEvent<'_>| {
        progress.event(event);
        if let Some(run) = run_of(event)
            && !progress.suspend(|| output.update(place, run))
        {
            // Serving on with nowhere to put the figures would waste the user's time.
            cancel.cancel();
        }
    };
    let settings = one.settings(args, job);
    let params = (&one.model, &one.context);
    ServeApart::new(one.source.clone(), params, &one.header, &settings, &job.loads)
        .name(&one.name)
        .resume(earlier)
        .exclusive(!args.share_machine)
        .run(isolation, cancel, &mut observe)
        .map_err(|error| match error {
            Error::Serve(error) => bad_usage(error),
            error => error.into(),
        })
}

/// The run as an event has it, if it changed.
fn run_of<'e>(event: &ServeEvent<'e>) -> Option<&'e ServeRun> {
    match *event {
        ServeEvent::Planned(run) | ServeEvent::Searched(run) => Some(run),
        ServeEvent::RepetitionDone { run, .. } | ServeEvent::LoadFailed { run, .. } => Some(run),
        _ => None,
    }
}

/// Serves the configurations that share a loaded model.
fn served(
    args: &Args,
    job: &Job,
    (group, model): (&[Configuration], &Model),
    earlier: Vec<Option<ServeRun>>,
    output: &mut Output<'_>,
    (progress, cancel): (&Progress, &Cancel),
) -> Result<ServeReport, Failed> {
    let n_before = output.n_runs();
    let output = RefCell::new(output);
    let observer = |index: usize| {
        let output = &output;
        move |event: &ServeEvent<'_>| {
            progress.event(event);
            let Some(run) = run_of(event) else { return };
            if !progress.suspend(|| output.borrow_mut().update(n_before + index, run)) {
                // Serving on with nowhere to put the figures would waste the user's time.
                cancel.cancel();
            }
        }
    };
    let mut observers: Vec<_> = (0..group.len()).map(observer).collect();
    let mut serves = Vec::new();
    for ((one, earlier), observer) in group.iter().zip(earlier).zip(&mut observers) {
        let serve =
            one.serve(args, job, model).observer(observer as &mut dyn ServeObserver).cancel(cancel.clone());
        serves.push(match earlier {
            Some(earlier) => serve.resume(earlier).map_err(|error| refused(&error))?,
            None => serve,
        });
    }
    serve::interleave(serves).map_err(|error| match error {
        Error::Serve(error) => bad_usage(error),
        error => error.into(),
    })
}

impl Configuration {
    /// The requests and loads of the flags, with this configuration.
    pub fn serve<'a>(&self, args: &Args, job: &Job, model: &'a Model) -> Serve<'a> {
        let serve = Serve::new(model)
            .name(&self.name)
            .context(self.context.clone())
            .policy(self.policy)
            .workload(job.workload.clone())
            .loads(job.loads.iter().cloned())
            .repetitions(args.n_reps)
            .warmup(!args.no_warmup)
            .exclusive(!args.share_machine);
        let serve = match args.slo {
            Some(slo) => serve.slo(slo),
            None => serve,
        };
        match &job.search {
            Some(search) => serve.search(search.clone()),
            None => serve,
        }
    }

    fn settings(&self, args: &Args, job: &Job) -> ServeSettings {
        with!(ServeSettings {
            policy: self.policy,
            workload: job.workload.clone(),
            n_reps: args.n_reps,
            warmup: !args.no_warmup,
            slo: args.slo,
            search: job.search.clone(),
        })
    }

    /// A run in which every load carries the reason.
    fn not_loaded(&self, args: &Args, job: &Job, failure: &Failure) -> ServeRun {
        let settings = self.settings(args, job);
        ServeRun::not_loaded(&self.name, self.header.clone(), settings, &job.loads, failure)
    }
}
