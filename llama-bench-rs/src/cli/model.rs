//! Flags that choose models and how they are loaded: each combination is loaded once.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::{
    Devices, Integers, Numbers, OverrideList, TensorSplit,
    combinations::Combinations,
    given::Given,
    values::{gpu_layers, mmap, positive_seconds, server, switch, whole},
};
use crate::{
    Error,
    bench::Source,
    gguf::{FileType, Shape, Synthetic},
    llama::{Backend, Fit, LazyMode, LlamaError, LoadMode, ModelParams, SplitMode},
    record::parameters::parameters,
};

macro_rules! model {
    ({ $($first:tt)* } { $($last:tt)* } llama_bench { $($llama_bench:tt)* } own { $($own:tt)* }) => {
        model! { { $($first)* } { $($last)* } $($llama_bench)* $($own)* }
    };
    ({ $($first:tt)* } { $($last:tt)* } $(
        $(#[$($doc:tt)*])*
        $field:ident: $type:ty
            [$($row:tt)*] $known:tt $other:tt $from:tt
            [$(model { $(#[$($meta:tt)*])* $arg:ident: $arg_type:ty => $set:expr })? $(context { $($of_context:tt)* })?];
    )*) => {
        /// Which models are loaded, and onto which devices. Each flag takes a list and may be repeated.
        ///
        /// ```no_run
        /// # #[derive(clap::Parser)] struct Args { #[command(flatten)] model: llama_bench_rs::cli::ModelArgs }
        /// use llama_bench_rs::llama::Backend;
        ///
        /// let args: Args = llama_bench_rs::cli::try_parse_from(["app", "-m", "a.gguf", "-ngl", "99"])?;
        /// let model = args.model.source("tiny-llama")?.load(&args.model.one(&Backend::init()?)?)?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, clap::Args)]
        pub struct ModelArgs {
            $($first)*
            $( $( $(#[$($meta)*])* pub $arg: $arg_type, )? )*
            $($last)*
        }

        impl ModelArgs {
            /// Adds the parameters whose flags the table has.
            fn vary(&self, combinations: &mut Combinations<'_, ModelParams>) {
                $( $( combinations.vary(stringify!($field), self.$arg.given(), $set); )? )*
            }
        }
    };
}

parameters! { model {
    /// Model files (GGUF)
    ///
    /// Of a split model name the first part.
    #[arg(short = 'm', long = "model", value_name = "FILE", value_delimiter = ',', help_heading = "Model")]
    pub models: Vec<PathBuf>,
    /// Synthetic models, by shape
    ///
    /// Their weights are generated while they are loaded; nothing is written.
    #[arg(long = "shape", value_name = "NAME", value_delimiter = ',', help_heading = "Model")]
    pub shapes: Vec<String>,
    /// Synthetic models shaped as these files (GGUF)
    ///
    /// The first megabytes of a file, which hold its header, are enough: measure a model before it is fetched. Of a split model
    /// the beginning of each part. The vocabulary is the file's.
    #[arg(long = "like", value_name = "FILE", value_delimiter = ',', help_heading = "Model")]
    pub like: Vec<PathBuf>,
    /// Write synthetic models as files, and load those
    ///
    /// They stay in the cache folder, where other programs can load them too, and have the same bytes.
    #[arg(long, hide_short_help = true, help_heading = "Model")]
    pub keep: bool,
    /// File type of synthetic models, such as q4_k_m [default: the shape's own]
    #[arg(long, value_name = "TYPE", hide_short_help = true, help_heading = "Model")]
    pub file_type: Option<String>,
    /// How weights are loaded [default: auto]
    ///
    /// One of auto, none, mmap, mlock, mmap+mlock, dio. Machines whose GPU shares the memory want none.
    #[arg(long, visible_alias = "lm", value_name = "MODE", value_delimiter = ',', value_parser = LoadMode::from_str, help_heading = "Model")]
    pub load_mode: Vec<LoadMode>,
    /// The same as -lm none
    #[arg(long, conflicts_with_all = ["load_mode", "mmap", "direct_io"], hide_short_help = true, help_heading = "Model")]
    pub no_mmap: bool,
    /// Older form of -lm: 1 for mmap, 0 for none
    #[arg(long, visible_alias = "mmp", value_name = "0|1", value_delimiter = ',', value_parser = mmap, hide_short_help = true, help_heading = "Model")]
    pub mmap: Vec<LoadMode>,
    /// Older form of -lm dio: 1 for dio, 0 to leave the choice to -mmp
    #[arg(long, visible_alias = "dio", value_name = "0|1", value_delimiter = ',', value_parser = switch, hide_short_help = true, help_heading = "Model")]
    pub direct_io: Vec<bool>,
} {
    /// Devices to use, joined by /
    ///
    /// auto for all, none for the CPU alone; CUDA0/CUDA1 is one value. --list-devices names those there are.
    #[arg(long, visible_alias = "dev", value_name = "DEV/DEV", default_value = "auto", value_delimiter = ',', value_parser = Devices::from_str, help_heading = "Devices")]
    pub device: Vec<Devices>,
    /// Servers with devices of other machines
    ///
    /// HOST:PORT each, of the example worker or llama.cpp's rpc-server. Their devices are RPC0, RPC1 and so on, and used unless
    /// -dev names others. The connection is neither authenticated nor encrypted.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = server, help_heading = "Devices")]
    pub rpc: Vec<String>,
    /// With --rpc: seconds for a server's first answer [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds, requires = "rpc", help_heading = "Devices", hide_short_help = true)]
    pub rpc_timeout: Option<Duration>,
    /// Memory to leave free on each device, in MiB [default: 0, no fit]
    ///
    /// Of the layers that -ngl asks for, those that fit are placed on the devices.
    #[arg(
        long,
        visible_alias = "fitt",
        value_name = "MIB",
        value_delimiter = ',', value_parser = whole::<u64>,
        help_heading = "Devices",
        hide_short_help = true
    )]
    pub fit_target: Vec<u64>,
    /// With -fitt: tokens of the context that must fit beside the weights [default: 4096]
    ///
    /// More if the tests need more.
    #[arg(
        long,
        visible_alias = "fitc",
        value_name = "N",
        value_delimiter = ',', value_parser = whole::<u32>,
        help_heading = "Devices",
        hide_short_help = true
    )]
    pub fit_ctx: Vec<u32>,
} }

/// llama-bench's context beside a model that is fitted, in tokens.
const FIT_CTX: u32 = 4096;

impl ModelArgs {
    /// Every combination of the values, in llama-bench's order: a model is loaded as seldom as possible. The tests need a
    /// context of `n_ctx` tokens. Values that only do not go together, or that this machine refuses beside others that it
    /// takes, are left to the load, which fails: the other combinations go on.
    ///
    /// # Errors
    /// As [`combinations`](Self::combinations); a value that cannot be used on this machine ([`ModelParams::check`]).
    pub fn params(&self, backend: &Backend, n_ctx: u32) -> Result<Vec<ModelParams>, LlamaError> {
        let params = self.combinations(backend, n_ctx)?;
        let mut checked: Vec<ModelParams> = Vec::new();
        for ModelParams { n_cpu_moe, tensor_split, tensor_buft_overrides, main_gpu, devices, .. } in &params {
            // Without the split mode, which some devices do not go with, and an index that others do not have.
            let alone = ModelParams::default()
                .n_cpu_moe(*n_cpu_moe)
                .tensor_split(tensor_split.clone())
                .tensor_buft_overrides(tensor_buft_overrides.clone())
                .main_gpu((*main_gpu).min(0))
                .devices(devices.clone());
            if !checked.contains(&alone) {
                alone.check(backend)?;
                checked.push(alone);
            }
        }
        let mut main_gpus = params.iter().map(|params| params.check_main_gpu(backend));
        match main_gpus.next() {
            Some(Err(refused)) if main_gpus.all(|checked| checked.is_err()) => Err(refused),
            _ => Ok(params),
        }
    }

    /// Registers the devices of the servers that are named, in this order; those that are registered stay as they are.
    ///
    /// # Errors
    /// A server cannot be used ([`Backend::add_rpc_server`]).
    pub fn connect(&self, backend: &Backend) -> Result<(), LlamaError> {
        self.rpc.iter().try_for_each(|server| {
            match self.rpc_timeout {
                Some(timeout) => backend.add_rpc_server_within(server, timeout),
                None => backend.add_rpc_server(server),
            }
            .map(drop)
        })
    }

    /// Every combination of the values, whether it can be used on this machine or not.
    ///
    /// # Errors
    /// A server that cannot be used, or a device that does not exist.
    pub fn combinations(&self, backend: &Backend, n_ctx: u32) -> Result<Vec<ModelParams>, LlamaError> {
        self.connect(backend)?;
        let places =
            self.device.iter().map(|devices| place(devices, backend)).collect::<Result<Vec<_>, _>>()?;
        let mut combinations = Combinations::new();
        self.vary(&mut combinations);
        combinations.vary("fit_target", self.fits(n_ctx), ModelParams::fit);
        combinations.vary("load_mode", self.load_modes(), ModelParams::load_mode);
        combinations.vary("devices", places, |p, place: ModelParams| {
            p.devices(place.devices).no_devices(place.no_devices)
        });
        Ok(combinations.of(ModelParams::default()))
    }

    /// The one way to load the model, for a program that takes no lists.
    ///
    /// # Errors
    /// As [`params`](Self::params); a flag that has several values.
    pub fn one(&self, backend: &Backend) -> Result<ModelParams, Error> {
        let mut all = self.params(backend, 0)?;
        match (all.pop(), all.len()) {
            (Some(params), 0) => Ok(params),
            (_, n) => Err(LlamaError::Parameter {
                name: "the model's flags",
                value: format!("{} combinations", n + 1),
                remedy: "give each flag one value".into(),
            }
            .into()),
        }
    }

    /// The models in the order given: files, then synthetic ones by shape, then those like a file. Without any, the synthetic
    /// model of the shape `default`. Nothing is made or loaded.
    ///
    /// # Errors
    /// An unknown shape or file type; a file whose shape is asked for is not all there, or its header is damaged.
    pub fn sources(&self, default: &str) -> Result<Vec<Source>, Error> {
        let files = self.models.iter().map(Source::from);
        Ok(files.chain(self.synthetics(default)?.into_iter().map(Source::from)).collect())
    }

    /// The one model that is named, for a program that takes no lists. A synthetic one, of the shape `default` if none is
    /// named, has a vocabulary.
    ///
    /// # Errors
    /// As [`sources`](Self::sources); several models are named.
    pub fn source(&self, default: &str) -> Result<Source, Error> {
        let n_named = self.n_models();
        if n_named > 1 {
            return Err(LlamaError::Parameter {
                name: "the number of models",
                value: n_named.to_string(),
                remedy: "name one, with -m, --shape or --like".into(),
            }
            .into());
        }
        Ok(match (self.models.first(), self.synthetics(default)?.pop()) {
            (None, Some(synthetic)) => synthetic.vocabulary(true).into(),
            (path, _) => path.map_or_else(PathBuf::new, Clone::clone).into(),
        })
    }

    /// How many models are named, in any way.
    pub fn n_models(&self) -> usize {
        self.models.len() + self.shapes.len() + self.like.len()
    }

    /// The synthetic models that are asked for; without any model, that of the shape `default`.
    fn synthetics(&self, default: &str) -> Result<Vec<Synthetic<'static>>, Error> {
        let file_type = self.file_type.as_deref().map(str::parse::<FileType>).transpose()?;
        let default = [default.to_owned()];
        let shapes = if self.n_models() == 0 { &default[..] } else { &self.shapes };
        let of_shape = |name: &String| -> Result<_, Error> {
            let synthetic = Synthetic::new(Shape::preset(name)?);
            Ok(match file_type {
                Some(file_type) => synthetic.file_type(file_type),
                None => synthetic,
            })
        };
        // A file that cannot be read costs its own runs alone, as one of -m does.
        let like = |file: &PathBuf| -> Result<_, Error> { Ok(Synthetic::new(Shape::like_file_later(file))) };
        let all = shapes.iter().map(of_shape).chain(self.like.iter().map(like));
        all.map(|one| Ok(one?.keep(self.keep))).collect()
    }

    /// The ways to fit the model to free memory; the tests need a context of `n_needed` tokens.
    fn fits(&self, n_needed: u32) -> Vec<Option<Fit>> {
        let targets = if self.fit_target.is_empty() { &[0] } else { self.fit_target.as_slice() };
        let contexts = if self.fit_ctx.is_empty() { &[FIT_CTX] } else { self.fit_ctx.as_slice() };
        let fit = |margin_mib, n_ctx: u32| {
            let is_wanted = margin_mib > 0 || !self.fit_ctx.is_empty();
            is_wanted.then(|| Fit { margin_mib, n_ctx: n_ctx.max(n_needed) })
        };
        targets.iter().flat_map(|&target| contexts.iter().map(move |&n_ctx| fit(target, n_ctx))).collect()
    }

    /// The ways to load weights, whichever flags name them.
    fn load_modes(&self) -> Vec<LoadMode> {
        if self.no_mmap {
            return vec![LoadMode::None];
        }
        let mut modes = self.load_mode.clone();
        match (self.mmap.as_slice(), self.direct_io.as_slice()) {
            (mmap, []) => modes.extend(mmap),
            // Two flags in llama-bench's older versions; mmap was on by default.
            (mmap, direct_io) => {
                let mmap = if mmap.is_empty() { &[LoadMode::Mmap] } else { mmap };
                for &mode in mmap {
                    modes.extend(
                        direct_io.iter().map(|&direct| if direct { LoadMode::DirectIo } else { mode }),
                    );
                }
            }
        }
        if modes.is_empty() { vec![LoadMode::default()] } else { modes }
    }
}

/// The devices of a configuration, looked up.
fn place(devices: &Devices, backend: &Backend) -> Result<ModelParams, LlamaError> {
    let params = ModelParams::default();
    Ok(match devices {
        Devices::Auto => params,
        Devices::None => params.no_devices(true),
        Devices::Named(names) => {
            params.devices(names.iter().map(|name| backend.device(name)).collect::<Result<_, _>>()?)
        }
    })
}
