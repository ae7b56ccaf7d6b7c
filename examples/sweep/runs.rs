//! The whole sweep several times: in fresh contexts, with the model loaded again, or in separate processes.

use llama_bench_rs::{cli::RunsIn, isolate::Isolation};

use crate::args::Args;

/// How the runs are distributed.
#[derive(Clone, Debug)]
pub struct Runs {
    /// Times that every model is loaded.
    pub n_loads: u32,
    /// Runs of each configuration from one load.
    pub per_load: u32,
    /// The processes that measure in place of this one.
    pub isolation: Option<Isolation>,
}

impl Runs {
    pub fn of(args: &Args) -> Self {
        let (n, isolation) = (args.run.runs, args.isolation());
        match args.run.runs_in {
            RunsIn::Context => Self { n_loads: 1, per_load: n, isolation },
            RunsIn::Load => Self { n_loads: n, per_load: 1, isolation },
            RunsIn::Process => {
                // Without --isolate the configurations of a run still take turns.
                let isolation = isolation.unwrap_or_else(|| Isolation::new().together());
                Self { n_loads: 1, per_load: n, isolation: Some(isolation.each_run()) }
            }
        }
    }

    /// As many runs, to inspect: runs that need no process of their own get none.
    pub fn planned(&self, args: &Args) -> Self {
        let per_load = self.n_loads * self.per_load;
        Self { n_loads: 1, per_load, isolation: args.isolation() }
    }
}
