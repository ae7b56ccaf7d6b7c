//! What the flags ask for, as a campaign.

use llama_bench_rs::{
    bench::{Campaign, Configuration, Source, Sweep},
    llama::{ContextParams, ModelParams},
    stats::StoppingRule,
};

use crate::{Failed, args::Args, bad_usage, runs::Runs, values::all};

/// Every model in every configuration of the flags.
pub struct Job<'a> {
    pub args: &'a Args,
    pub sources: Vec<Source>,
    pub models: Vec<ModelParams>,
    pub contexts: Vec<ContextParams>,
    pub stopping: Option<StoppingRule>,
}

impl<'a> Job<'a> {
    /// One run of each configuration in each fresh context or load.
    pub fn campaign(&'a self, runs: Runs) -> Campaign<'a> {
        Campaign::new()
            .models(self.sources.iter().cloned())
            .model_params(self.models.iter().cloned())
            .contexts(self.contexts.iter().cloned())
            .tests(|sweep| self.asked(sweep))
            .loads(runs.n_loads)
            .runs(runs.per_load)
            .interleaved(!self.args.run.no_interleave)
    }

    /// The configurations, unless something cannot be measured of any model.
    pub fn plan(&'a self, runs: Runs) -> Result<Vec<Configuration>, Failed> {
        let configurations = self.campaign(runs.planned()).plan().map_err(bad_usage)?;
        configurations.iter().try_for_each(|one| self.args.expect.check(&one.plan))?;
        Ok(configurations)
    }

    /// What is measured of each configuration.
    fn asked<'m>(&self, sweep: Sweep<'m>) -> Sweep<'m> {
        let (args, tests, run) = (self.args, &self.args.tests, &self.args.run);
        let mut sweep = sweep
            .depths(all(&tests.n_depth))
            .repetitions(run.n_reps)
            .warmup(!run.no_warmup)
            .paced(run.pace)
            .repeat_disturbed(run.repeat_disturbed)
            .exclusive(!run.share_machine)
            .delay(run.delay)
            .seed(run.seed)
            .method(run.method.into())
            .order(run.order.into());
        if let Some(rule) = self.stopping {
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
        sweep
    }
}
