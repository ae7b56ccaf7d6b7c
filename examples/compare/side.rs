//! One side of the comparison: what it changes.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use llama_bench_rs::{
    Error,
    bench::{Plan, Sweep},
    gguf::{Shape, Synthetic},
    llama::{ContextParams, FlashAttn, KvType, LoadMode, Model, ModelParams},
    record::Failure,
    units::Share,
};

use crate::{Args, percent};

/// What one side changes.
#[derive(Clone, Debug, Default)]
pub struct Side {
    name: String,
    model: Option<PathBuf>,
    shape: Option<String>,
    pub model_params: ModelParams,
    context: ContextParams,
    /// Slower on purpose, by this share of the time.
    pub slowed: Option<Share>,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(settings: &str) -> Result<Self, String> {
        let mut side = Self { name: settings.to_owned(), ..Self::default() };
        for setting in settings.split(',').filter(|setting| !setting.trim().is_empty()) {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| format!("{setting:?}: write NAME=VALUE"))?;
            side.set(name.trim(), value.trim())?;
        }
        Ok(side)
    }
}

impl Side {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        fn parse<T: FromStr<Err: fmt::Display>>(name: &str, value: &str) -> Result<T, String> {
            value.parse().map_err(|e| format!("{name}={value}: {e}"))
        }
        let (model, context) = (&mut self.model_params, &mut self.context);
        match name {
            "flash_attn" | "fa" => context.flash_attn = parse::<FlashAttn>(name, value)?,
            "n_batch" => context.n_batch = parse(name, value)?,
            "n_ubatch" => context.n_ubatch = parse(name, value)?,
            "type_k" => context.type_k = parse::<KvType>(name, value)?,
            "type_v" => context.type_v = parse::<KvType>(name, value)?,
            "n_threads" => {
                context.n_threads = parse(name, value)?;
                context.n_threads_batch = context.n_threads;
            }
            "n_gpu_layers" => model.n_gpu_layers = parse(name, value)?,
            "load_mode" => model.load_mode = parse::<LoadMode>(name, value)?,
            "model" => self.model = Some(value.into()),
            "shape" => self.shape = Some(value.into()),
            "slowed" => self.slowed = Some(percent(value).map_err(|e| format!("{name}={value}: {e}"))?),
            _ => return Err(format!("{name:?} is not a setting: see --help")),
        }
        Ok(())
    }

    pub fn name(&self) -> &str {
        if self.name.is_empty() { "as it is" } else { &self.name }
    }

    /// The model's file; a synthetic one is made if it is not there.
    pub fn path(&self, args: &Args) -> Result<PathBuf, Error> {
        Ok(match (&self.model, &self.shape, &args.model) {
            (Some(path), ..) | (None, None, Some(path)) => path.clone(),
            (None, Some(shape), _) => Synthetic::new(Shape::preset(shape)?).cached()?,
            (None, None, None) => Synthetic::new(Shape::preset("tiny-llama")?).cached()?,
        })
    }

    /// What is measured of each load.
    pub fn ask<'m>(&self, args: &Args, sweep: Sweep<'m>) -> Sweep<'m> {
        let mut sweep = sweep
            .context(self.context.clone())
            .depths(args.n_depth.0.iter().copied())
            .repetitions(args.n_reps);
        if args.n_prompt > 0 {
            sweep = sweep.prompt(args.n_prompt);
        }
        if args.n_gen > 0 {
            sweep = sweep.generate(args.n_gen);
        }
        match self.slowed {
            Some(slowdown) => sweep.slowed(slowdown),
            None => sweep,
        }
    }

    /// What would be run in each load.
    pub fn plan(&self, args: &Args) -> Result<Plan, Error> {
        let failure = Failure { kind: "model_load".into(), message: "not loaded yet".into() };
        let sweep = Sweep::not_loaded("", &self.model_params, failure);
        Ok(self.ask(args, sweep).plan()?)
    }
}

/// Bytes of the models' files, those of one file counted once; files that are not there count nothing.
pub fn n_bytes(paths: &[PathBuf; 2]) -> u64 {
    let of = |path: &Path| -> u64 {
        let files = Model::files(path).unwrap_or_default();
        files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum()
    };
    let [a, b] = paths;
    if a == b { of(a) } else { of(a) + of(b) }
}
