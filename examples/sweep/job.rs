//! What the flags ask for, as a campaign.

use llama_bench_rs::{
    bench::{Campaign, Configuration, Source, Sweep},
    cli::DefaultTests,
    llama::{ContextParams, ModelParams},
    stats::StoppingRule,
};

use crate::{Failed, args::Args, bad_usage, runs::Runs};

/// What is measured of a model if the flags do not say: llama-bench's tests.
const OF_A_MODEL: DefaultTests<'_> = DefaultTests { n_prompt: 512, n_gen: 128, depths: &[0] };

/// What is measured if no model is named: enough for two cores and a minute.
const OF_OWN_MODEL: DefaultTests<'_> =
    DefaultTests { n_prompt: 256, n_gen: 16, depths: &[0, 512, 1024, 1536, 2048] };

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
        let campaign = Campaign::new()
            .models(self.sources.iter().cloned())
            .model_params(self.models.iter().cloned())
            .contexts(self.contexts.iter().cloned())
            .tests(|sweep| self.asked(sweep))
            .loads(runs.n_loads)
            .runs(runs.per_load)
            .interleaved(!self.args.run.no_interleave);
        match runs.isolation {
            Some(isolation) => campaign.isolated(isolation),
            None => campaign,
        }
    }

    /// The configurations, unless something cannot be measured of any model.
    pub fn plan(&'a self, runs: &Runs) -> Result<Vec<Configuration>, Failed> {
        let configurations = self.campaign(runs.planned(self.args)).plan().map_err(bad_usage)?;
        configurations.iter().try_for_each(|one| self.args.expect.check(&one.plan))?;
        Ok(configurations)
    }

    /// What is measured of each configuration.
    fn asked<'m>(&self, sweep: Sweep<'m>) -> Sweep<'m> {
        let args = self.args;
        let own_default = args.model.n_models() == 0;
        let sweep = args.run.ask(sweep, self.stopping);
        args.tests.ask(sweep, if own_default { OF_OWN_MODEL } else { OF_A_MODEL })
    }
}
