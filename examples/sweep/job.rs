//! One model in one kind of context: what is asked of it, and the three things that can be done with that.

use std::path::Path;

use llama_bench_rs::{
    bench::{BenchError, Cancel, Event, Note, Sweep},
    llama::{ContextParams, Model, ModelParams},
    record::{Failure, Report},
    stats::StoppingRule,
};

use crate::{Failed, args::Args, bad_usage, output::Output, progress::Progress, values::all};

pub struct Job<'a> {
    pub args: &'a Args,
    pub path: &'a Path,
    pub params: &'a ModelParams,
    /// The model, or why it was not loaded.
    pub model: Result<&'a Model, &'a Failure>,
    pub context: &'a ContextParams,
    pub stopping: Option<StoppingRule>,
}

/// Refuses what cannot be measured of any model, before one is loaded.
pub fn check(
    args: &Args,
    models: &[ModelParams],
    contexts: &[ContextParams],
    stopping: Option<StoppingRule>,
) -> Result<(), Failed> {
    let not_yet = Failure { kind: "model_load".into(), message: "not loaded yet".into() };
    let Some((params, context)) = models.first().zip(contexts.first()) else { return Ok(()) };
    let job = Job { args, path: Path::new(""), params, model: Err(&not_yet), context, stopping };
    job.sweep().map(drop)
}

impl<'a> Job<'a> {
    /// Measures it, every cell going to the output as it comes.
    pub fn measure(
        &self,
        progress: &Progress,
        output: &mut Output<'_>,
        cancel: &Cancel,
    ) -> Result<Report, Failed> {
        let earlier = output.next_run();
        let mut observe = |event: &Event<'_>| {
            progress.event(event);
            if !progress.suspend(|| output.event(event)) {
                // Measuring on with nowhere to put the figures would waste the user's time.
                cancel.cancel();
            }
        };
        let mut sweep = self.sweep()?.cancel(cancel.clone()).observer(&mut observe);
        if let Some(earlier) = earlier {
            sweep = sweep.take_up(earlier).map_err(bad_usage)?;
        }
        Ok(sweep.run()?)
    }

    /// Values that do not do what their names say.
    pub fn notes(&self) -> Result<Vec<Note>, Failed> {
        self.sweep()?.notes().map_err(bad_usage)
    }

    /// Prints what would be run and what it takes; whether it fits.
    pub fn tell_plan(&self) -> Result<bool, Failed> {
        let sweep = self.sweep()?;
        let plan = sweep.plan().map_err(bad_usage)?;
        let n_cells = match plan.cells.len() {
            1 => "1 cell".into(),
            n => format!("{n} cells"),
        };
        let model = match self.model {
            Ok(model) => model.description(),
            Err(failure) => {
                say!("{n_cells} of {}: {}", self.path.display(), failure.message);
                return Ok(false);
            }
        };
        match self.args.run.runs {
            1 => say!("{n_cells} of {model}"),
            n => say!("{n_cells} of {model}, in {n} runs; the counts are of one"),
        }
        for (test, failure) in sweep.unsupported().map_err(bad_usage)? {
            say!("not possible: {test}: {}", failure.message);
        }
        say!("tokens to fill: {}", plan.n_fill_tokens());
        say!("tokens to time: {} at most", plan.n_timed_tokens());
        let Some(needs) = sweep.needs().map_err(bad_usage)? else {
            say!("memory: llama.cpp does not tell");
            return Ok(true);
        };
        say!("context: {} tokens", needs.n_ctx);
        for (device, needs) in &needs.devices {
            let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            say!(
                "{device}: {} for the tokens, of which a partial snapshot copies {}; {} to compute; {} free",
                mib(needs.context_bytes),
                mib(needs.partial_bytes),
                mib(needs.compute_bytes),
                needs.free_bytes.map_or_else(|| "an unknown amount".into(), mib),
            );
        }
        match needs.check() {
            Ok(()) => Ok(true),
            Err(failure) => {
                say!("does not fit: {}", failure.message);
                Ok(false)
            }
        }
    }

    /// Prints how far the logits of each depth are from those of a fresh fill; whether they are within rounding.
    pub fn verify(&self, progress: &Progress, cancel: &Cancel) -> Result<bool, Failed> {
        if let Err(failure) = self.model {
            complain!("sweep: {}: {}", self.path.display(), failure.message);
            return Ok(false);
        }
        progress.say("verifying".into());
        let found = match self.sweep()?.cancel(cancel.clone()).verify() {
            Ok(found) => found,
            Err(BenchError::Verify(failure)) if cancel.is_cancelled() && failure.kind == "cancelled" => {
                complain!("sweep: {}: {}", self.path.display(), failure.message);
                return Ok(false);
            }
            Err(error @ BenchError::Verify(_)) => return Err(llama_bench_rs::Error::from(error).into()),
            Err(usage) => return Err(bad_usage(usage)),
        };
        say!(
            "| depth | rewind | rewinds | last position | off by | among rewinds | rounding of a whole restore |"
        );
        say!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
        for depth in &found.depths {
            let last = depth.last_position.map_or_else(|| "none".into(), |last| last.to_string());
            say!(
                "| {} | {:?} | {} | {last} | {:.1e} | {:.1e} | {:.1e} |",
                depth.n_depth,
                depth.rewind,
                depth.n_rewinds,
                depth.difference.get(),
                depth.repetition_difference.get(),
                depth.noise.get(),
            );
        }
        say!(
            "\nOff by: the largest difference of a logit, as a part of the range of the logits. Order: {:?}.",
            found.order
        );
        let verdict = match (found.is_exact(), found.is_within_noise()) {
            (true, _) => "Every rewind is exact to the bit.",
            (false, true) => "Every rewind is right within what rounding does to this model.",
            (false, false) => "A rewind is off by more than rounding does to this model.",
        };
        say!("{verdict}");
        Ok(found.is_within_noise())
    }

    /// What the flags ask for.
    fn sweep(&self) -> Result<Sweep<'a>, Failed> {
        let Self { args, path, params, model, context, stopping } = *self;
        let (tests, run) = (&args.tests, &args.run);
        let sweep = match model {
            Ok(model) => Sweep::new(model),
            Err(failure) => Sweep::not_loaded(path, params, failure.clone()),
        };
        let mut sweep = sweep
            .depths(all(&tests.n_depth))
            .repetitions(run.n_reps)
            .warmup(!run.no_warmup)
            .paced(run.pace)
            .repeat_disturbed(run.repeat_disturbed)
            .exclusive(!run.share_machine)
            .delay(run.delay)
            .seed(run.seed)
            .context(context.clone())
            .method(run.method.into())
            .order(run.order.into());
        if let Some(rule) = stopping {
            sweep = sweep.until(rule);
        }
        let own_default = args.model.models.is_empty() && args.model.shapes.is_empty();
        let tests_given = !(tests.n_prompt.is_empty() && tests.n_gen.is_empty() && tests.pg.is_empty());
        // As in llama-bench, a length of 0 means none.
        let or = |given: Vec<u32>, default: u32| if tests_given { given } else { vec![default] };
        for n in or(all(&tests.n_prompt), if own_default { 256 } else { 512 }).into_iter().filter(|&n| n > 0)
        {
            sweep = sweep.prompt(n);
        }
        for n in or(all(&tests.n_gen), if own_default { 16 } else { 128 }).into_iter().filter(|&n| n > 0) {
            sweep = sweep.generate(n);
        }
        for &(n_prompt, n_gen) in &tests.pg {
            sweep = sweep.pg(n_prompt, n_gen);
        }
        if tests.n_depth.is_empty() {
            sweep = if own_default { sweep.depths((0..=2048).step_by(512)) } else { sweep.depths([0]) };
        }
        args.expect.check(&sweep.plan().map_err(bad_usage)?)?;
        Ok(sweep)
    }
}
