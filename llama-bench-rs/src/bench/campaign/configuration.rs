//! A configuration of a campaign before it is measured.

use crate::{bench::Plan, record::Header};

/// One configuration of a campaign: one model file with one set of model and context parameters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// How it differs from the others, such as `ub 1024 fa 1`; empty if it is the only one.
    pub name: String,
    /// What is known of it before its model is loaded.
    pub header: Header,
    /// What is measured in each of its runs.
    pub plan: Plan,
    /// How often the plan is run, each time in a fresh context.
    pub n_runs: u32,
    /// Why its model file cannot be loaded, if that is known beforehand: the file is missing or damaged.
    pub defect: Option<String>,
}
