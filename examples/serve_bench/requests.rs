//! What the flags ask for: requests, loads, policy and configurations, checked before anything is loaded.

use std::path::PathBuf;

use llama_bench_rs::{
    bench::{Source, Sweep},
    cli,
    llama::{Backend, ContextParams, ModelParams},
    record::{Failure, Header, configuration_names},
    serve::{Arrivals, Lengths, Policy, Search, ServeError, Workload},
};

use crate::{
    Failed,
    args::{Args, SearchFor},
    bad_usage,
};

/// The default model: small enough for two cores and a minute.
const DEFAULT_SHAPE: &str = "tiny-gpt-oss";

/// What is served if the flags do not say.
struct Defaults {
    users: &'static [u32],
    prompt: Lengths,
    generate: Lengths,
    n_requests: u32,
}

/// Of a model: chats of usual lengths.
const OF_A_MODEL: Defaults = Defaults {
    users: &[1, 2, 4, 8],
    prompt: Lengths::Lognormal { median: 512, sigma: 0.6, most: None },
    generate: Lengths::Lognormal { median: 128, sigma: 0.6, most: None },
    n_requests: 64,
};

/// Of no model: enough for two cores and a minute.
const OF_OWN_MODEL: Defaults = Defaults {
    users: &[1, 2, 4, 8],
    prompt: Lengths::Lognormal { median: 64, sigma: 0.6, most: None },
    generate: Lengths::Lognormal { median: 16, sigma: 0.6, most: None },
    n_requests: 40,
};

/// As many slots as llama-server has by default.
const DEFAULT_SLOTS: u32 = 4;

/// Everything that is served.
pub struct Job {
    pub workload: Workload,
    pub loads: Vec<Arrivals>,
    pub search: Option<Search>,
    pub configurations: Vec<Configuration>,
}

/// A model and how its contexts are made.
pub struct Configuration {
    /// How it differs from the others; empty for a single one.
    pub name: String,
    pub source: Source,
    pub model: ModelParams,
    pub context: ContextParams,
    pub policy: Policy,
    /// What is known without loading the model.
    pub header: Header,
}

impl Configuration {
    /// Whether both are served from one load of a model.
    pub fn shares_load(&self, other: &Self) -> bool {
        let load = |one: &Self| (one.path(), one.source.has_file(&one.model));
        (load(self), &self.model) == (load(other), &other.model)
    }

    /// Where the model's file is or would be.
    pub fn path(&self) -> PathBuf {
        self.source.path().unwrap_or_default()
    }
}

impl Job {
    /// # Errors
    /// Something that cannot be served of any model.
    pub fn new(args: &Args, backend: &Backend) -> Result<Self, Failed> {
        let defaults = if args.is_own_model() { OF_OWN_MODEL } else { OF_A_MODEL };
        let workload = Workload::default()
            .prompts(args.prompt.clone().unwrap_or(defaults.prompt))
            .generations(args.generate.clone().unwrap_or(defaults.generate))
            .n_prefix(args.prefix)
            .n_requests(args.requests.unwrap_or(defaults.n_requests))
            .seed(args.seed);
        workload.check().map_err(bad_usage)?;
        let loads = loads(args, defaults.users);
        loads.iter().try_for_each(Arrivals::check).map_err(bad_usage)?;
        let search = search(args, &loads)?;
        // A search begins with its load.
        let loads = if search.is_some() { Vec::new() } else { loads };
        let policy = policy(args, &loads, search.as_ref());
        let configurations = configurations(args, backend, &workload, policy)?;
        for one in &configurations {
            one.policy.check().map_err(|error| bad_usage(before(&one.name, &error.to_string())))?;
        }
        Ok(Self { workload, loads, search, configurations })
    }
}

/// A name before a message about it, if there is a name.
pub fn before(name: &str, message: &str) -> String {
    if name.is_empty() { message.to_owned() } else { format!("{name}: {message}") }
}

/// Numbers of users, then rates.
fn loads(args: &Args, default: &[u32]) -> Vec<Arrivals> {
    let mut users = cli::all(&args.users);
    if users.is_empty() && args.rate.is_empty() {
        users = default.to_vec();
    }
    let closed = users.into_iter().map(|users| Arrivals::Closed { users, think: args.think.clone() });
    closed.chain(args.rate.iter().map(|&rate| Arrivals::Open { rate })).collect()
}

fn search(args: &Args, loads: &[Arrivals]) -> Result<Option<Search>, Failed> {
    let Some(what) = args.search else { return Ok(None) };
    let is_it = |load: &&Arrivals| matches!(load, Arrivals::Open { .. }) == (what == SearchFor::Rate);
    let from = loads.iter().find(is_it).cloned().or_else(|| match what {
        SearchFor::Users => Some(Arrivals::Closed { users: 1, think: args.think.clone() }),
        SearchFor::Rate => None,
    });
    let Some(from) = from else {
        return Err(bad_usage("--search rate: name the rate to begin with, such as --rate 1"));
    };
    let mut search = Search::new(from).share(args.share).certainty(args.certainty);
    if let Some(most) = args.most {
        search = search.most(most);
    }
    Ok(Some(search))
}

/// The batch size is the configuration's.
fn policy(args: &Args, loads: &[Arrivals], search: Option<&Search>) -> Policy {
    let users = |load: &Arrivals| match load {
        Arrivals::Closed { users, .. } => Some(*users),
        Arrivals::Open { .. } => None,
    };
    // A search does not know how many users it will try.
    let most = if search.is_some() { None } else { loads.iter().filter_map(users).max() };
    Policy::default()
        .n_parallel(args.slots.or(most).unwrap_or(DEFAULT_SLOTS))
        .chunk(args.chunk)
        .prompts(args.prompts.into())
        .reuse_prefix(args.reuse_prefix.unwrap_or(true))
}

fn configurations(
    args: &Args,
    backend: &Backend,
    workload: &Workload,
    policy: Policy,
) -> Result<Vec<Configuration>, Failed> {
    let n_slot = workload.n_longest().unwrap_or(0);
    let models = args.model.params(backend, n_slot.saturating_mul(policy.n_parallel)).map_err(bad_usage)?;
    let contexts = args.context.params();
    let mut all = Vec::new();
    for source in args.model.sources(DEFAULT_SHAPE).map_err(bad_usage)? {
        let path = source.path()?;
        for model in &models {
            for context in &contexts {
                let policy = policy.n_batch(context.n_batch);
                // Nothing but its name is needed.
                let unloaded = Failure::new("not_found", "not loaded yet");
                let sweep = Sweep::not_loaded(&path, model, unloaded).context(context.clone());
                let header = sweep.generate(1).header().map_err(bad_usage)?;
                let (source, model, context) = (source.clone(), model.clone(), context.clone());
                all.push(Configuration { name: String::new(), source, model, context, policy, header });
            }
        }
    }
    let headers: Vec<&Header> = all.iter().map(|one| &one.header).collect();
    let names = configuration_names(&headers);
    all.iter_mut().zip(names).for_each(|(one, name)| one.name = name);
    Ok(all)
}

/// A refusal of what was asked for is bad usage.
pub fn refused(error: &ServeError) -> Failed {
    bad_usage(error)
}
