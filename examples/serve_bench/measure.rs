//! Serving every configuration: each model is loaded once, and the configurations that share it are served in turn.

use std::cell::RefCell;

use llama_bench_rs::{
    Error,
    bench::Cancel,
    llama::Model,
    record::Failure,
    serve::{self, Serve, ServeEvent, ServeObserver, ServeReport, ServeRun, ServeSettings},
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
            let run = match *event {
                ServeEvent::Planned(run) | ServeEvent::Searched(run) => run,
                ServeEvent::RepetitionDone { run, .. } | ServeEvent::LoadFailed { run, .. } => run,
                _ => return,
            };
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

    /// A run in which every load carries the reason.
    fn not_loaded(&self, args: &Args, job: &Job, failure: &Failure) -> ServeRun {
        let settings = with!(ServeSettings {
            policy: self.policy,
            workload: job.workload.clone(),
            n_reps: args.n_reps,
            warmup: !args.no_warmup,
            slo: args.slo,
            search: job.search.clone(),
        });
        ServeRun::not_loaded(&self.name, self.header.clone(), settings, &job.loads, failure)
    }
}
