//! One model in one kind of context: what is asked of it, and the three things that can be done with that.

use llama_bench_rs::{
    bench::{BenchError, Cancel, Event, Sweep},
    llama::{ContextParams, Model},
    record::Report,
    stats::StoppingRule,
};

use crate::{Failed, args::Args, bad_usage, output::Output, progress::Progress, values::all};

pub struct Job<'a> {
    pub args: &'a Args,
    pub model: &'a Model,
    pub context: &'a ContextParams,
    pub stopping: Option<StoppingRule>,
}

impl<'a> Job<'a> {
    /// Measures it, every cell going to the output as it comes.
    pub fn measure(
        &self,
        progress: &Progress,
        output: &mut Output,
        cancel: &Cancel,
    ) -> Result<Report, Failed> {
        let earlier = output.next_run();
        let mut unwritten = None;
        let mut observe = |event: &Event<'_>| {
            progress.event(event);
            if let Err(error) = progress.suspend(|| output.event(event)) {
                // Measuring on with nowhere to put the figures would waste the user's time.
                unwritten = Some(error);
                cancel.cancel();
            }
        };
        let mut sweep = self.sweep()?.cancel(cancel.clone()).observer(&mut observe);
        if let Some(earlier) = earlier {
            sweep = sweep.take_up(earlier).map_err(bad_usage)?;
        }
        let report = sweep.run()?;
        match unwritten {
            Some(error) => Err(error.into()),
            None => Ok(report),
        }
    }

    /// Prints what would be run and what it takes; whether it fits.
    pub fn tell_plan(&self) -> Result<bool, Failed> {
        let sweep = self.sweep()?;
        let plan = sweep.plan().map_err(bad_usage)?;
        println!("{} cells of {}", plan.cells.len(), self.model.description());
        for (test, failure) in sweep.unsupported().map_err(bad_usage)? {
            println!("not possible: {test}: {}", failure.message);
        }
        println!("tokens to fill: {}", plan.n_fill_tokens());
        println!("tokens to time: {} at most", plan.n_timed_tokens());
        let Some(needs) = sweep.needs().map_err(bad_usage)? else {
            println!("memory: llama.cpp does not tell");
            return Ok(true);
        };
        println!("context: {} tokens", needs.n_ctx);
        for (device, needs) in &needs.devices {
            let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            println!(
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
                println!("does not fit: {}", failure.message);
                Ok(false)
            }
        }
    }

    /// Prints how far the logits of each depth are from those of a fresh fill; whether they are within rounding.
    pub fn verify(&self, progress: &Progress) -> Result<bool, Failed> {
        progress.say("verifying".into());
        let found = self.sweep()?.verify().map_err(|error| match error {
            BenchError::Verify(_) => Failed::from(llama_bench_rs::Error::from(error)),
            usage => bad_usage(usage),
        })?;
        println!(
            "| depth | rewind | rewinds | last position | off by | among rewinds | rounding of a whole restore |"
        );
        println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
        for depth in &found.depths {
            let last = depth.last_position.map_or_else(|| "none".into(), |last| last.to_string());
            println!(
                "| {} | {:?} | {} | {last} | {:.1e} | {:.1e} | {:.1e} |",
                depth.n_depth,
                depth.rewind,
                depth.n_rewinds,
                depth.difference.get(),
                depth.repetition_difference.get(),
                depth.noise.get(),
            );
        }
        println!(
            "\nOff by: the largest difference of a logit, as a part of the range of the logits. Order: {:?}.",
            found.order
        );
        let verdict = match (found.is_exact(), found.is_within_noise()) {
            (true, _) => "Every rewind is exact to the bit.",
            (false, true) => "Every rewind is right within what rounding does to this model.",
            (false, false) => "A rewind is off by more than rounding does to this model.",
        };
        println!("{verdict}");
        Ok(found.is_within_noise())
    }

    /// What the flags ask for.
    fn sweep(&self) -> Result<Sweep<'a>, Failed> {
        let Self { args, model, context, stopping } = *self;
        let mut sweep = Sweep::new(model)
            .depths(all(&args.n_depth))
            .repetitions(args.n_reps)
            .warmup(!args.no_warmup)
            .paced(args.pace)
            .seed(args.seed)
            .context(context.clone())
            .method(args.method.into())
            .order(args.order.into());
        if let Some(rule) = stopping {
            sweep = sweep.until(rule);
        }
        let own_default = args.models.is_empty() && args.shapes.is_empty();
        let tests_given = !(args.n_prompt.is_empty() && args.n_gen.is_empty() && args.pg.is_empty());
        // As in llama-bench, a length of 0 means none.
        let or = |given: Vec<u32>, default: u32| if tests_given { given } else { vec![default] };
        for n in or(all(&args.n_prompt), if own_default { 256 } else { 512 }).into_iter().filter(|&n| n > 0) {
            sweep = sweep.prompt(n);
        }
        for n in or(all(&args.n_gen), if own_default { 16 } else { 128 }).into_iter().filter(|&n| n > 0) {
            sweep = sweep.generate(n);
        }
        for &(n_prompt, n_gen) in &args.pg {
            sweep = sweep.pg(n_prompt, n_gen);
        }
        if args.n_depth.is_empty() {
            sweep = if own_default { sweep.depths((0..=2048).step_by(512)) } else { sweep.depths([0]) };
        }
        args.expect.check(&sweep.plan().map_err(bad_usage)?)?;
        Ok(sweep)
    }
}
