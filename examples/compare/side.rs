//! One side of the comparison: the flags of both, with those that it changes.

use std::ffi::{OsStr, OsString};

use clap::{CommandFactory, Parser};
use llama_bench_rs::{
    bench::{Plan, Source, Sweep},
    cli::{self, ContextArgs, DefaultTests, ModelArgs},
    llama::{Backend, ContextParams, ModelParams},
    record::Failure,
    units::Share,
};

use crate::{Failed, args::Args, bad_usage};

const TESTS: DefaultTests<'_> = DefaultTests { n_prompt: 128, n_gen: 16, depths: &[0, 512] };

/// What is measured if no model is named.
const DEFAULT_SHAPE: &str = "tiny-llama";

/// The flags that a side may change.
#[derive(Debug, Parser)]
#[command(name = "compare", disable_help_flag = true, disable_version_flag = true)]
struct SideArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    context: ContextArgs,
    /// Slower on purpose, by this share of the time in percent
    #[arg(long, value_parser = cli::percent)]
    slowed: Option<Share>,
}

/// What is measured of one side.
#[derive(Debug)]
pub struct Side {
    /// What it changes, as it was written.
    name: String,
    pub source: Source,
    servers: Vec<String>,
    pub model: ModelParams,
    context: ContextParams,
    slowed: Option<Share>,
}

impl Side {
    /// The side that `flag` asks for with `text`, over the flags of both sides in a command line.
    pub fn new(backend: &Backend, line: &[OsString], flag: &'static str, text: &str) -> Result<Self, Failed> {
        let named = |error: &dyn ToString| bad_usage(format!("{flag} {text:?}: {}", error.to_string()));
        let own = words(text).map_err(|e| named(&e))?;
        let args = read(line, own).map_err(|error| {
            let text = error.to_string();
            let text = text.trim_start_matches("error: ");
            // The rest names --help, which a side does not have.
            let tip = text.split_once("  tip: ").map_or("", |(_, tip)| tip.lines().next().unwrap_or(tip));
            let problem = text.split("\n\n").next().unwrap_or(text).trim();
            if tip.is_empty() { named(&problem) } else { named(&format!("{problem}; {tip}")) }
        })?;
        let model = args.model.one(backend).map_err(|e| named(&e))?;
        let context = args.context.one().map_err(|e| named(&e))?;
        if args.model.n_models() > 1 {
            return Err(named(&"it has several models: give each side one (-m, --shape or --like)"));
        }
        let source = args.model.sources(DEFAULT_SHAPE).map_err(|e| named(&e))?.swap_remove(0);
        let servers = args.model.rpc;
        Ok(Self { name: text.trim().to_owned(), source, servers, model, context, slowed: args.slowed })
    }

    /// The servers that it names.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    pub fn name(&self) -> &str {
        if self.name.is_empty() { "as it is" } else { &self.name }
    }

    /// What is measured of each load.
    pub fn ask<'m>(&self, args: &Args, sweep: Sweep<'m>) -> Sweep<'m> {
        let sweep = args.tests.ask(sweep.context(self.context.clone()).repetitions(args.n_reps), TESTS);
        let sweep = sweep.energy(!args.no_energy).ceilings(args.ceilings.policy());
        match self.slowed {
            Some(slowdown) => sweep.slowed(slowdown),
            None => sweep,
        }
    }

    /// What would be run in each load.
    pub fn plan(&self, args: &Args) -> Result<Plan, Failed> {
        let failure = Failure { kind: "model_load".into(), message: "not loaded yet".into() };
        let sweep = Sweep::not_loaded("", &self.model, failure);
        self.ask(args, sweep).plan().map_err(bad_usage)
    }
}

/// The flags of both sides in a line, without those that the side has its own of, and those.
fn read(line: &[OsString], own: Vec<OsString>) -> Result<SideArgs, clap::Error> {
    let command = SideArgs::command();
    let usage = |message| SideArgs::command().error(clap::error::ErrorKind::UnknownArgument, message);
    let program = OsString::from("compare");
    let translated =
        |command: &clap::Command, words: Vec<OsString>| cli::translate(command, words).map_err(usage);
    let own = translated(&command, [program.clone()].into_iter().chain(own).collect())?;
    let common = translated(&Args::command(), line.to_vec())?;
    let is_own = |word: &OsString| own.iter().any(|other| long(other) == long(word));
    let is_of_a_side =
        |word: &OsString| long(word).is_some_and(|name| cli::find(&command, &format!("--{name}")).is_some());
    let common = common.into_iter().skip(1).filter(|word| is_of_a_side(word) && !is_own(word));
    cli::try_parse_from([program].into_iter().chain(common).chain(own.iter().skip(1).cloned()))
}

/// `ubatch-size` of `--ubatch-size=512`.
fn long(word: &OsStr) -> Option<String> {
    let text = word.to_string_lossy();
    let name = text.strip_prefix("--")?;
    Some(name.split_once('=').map_or(name, |(name, _)| name).to_owned())
}

/// `-ub 128 -fa 1`, or `ub=128,fa=1`.
fn words(text: &str) -> Result<Vec<OsString>, String> {
    let text = text.trim();
    if text.starts_with('-') {
        let words = shlex::split(text).ok_or("a quote has no end: close it")?;
        return Ok(words.into_iter().map(Into::into).collect());
    }
    let setting = |setting: &str| {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("{setting:?} is not a setting: write flags as \"-ub 128\", or ub=128"))?;
        let flag = flag(name.trim()).ok_or_else(|| {
            format!("{name:?} is not a flag of a side: see Model, Devices and Context in --help")
        })?;
        Ok(format!("{flag}={}", value.trim()).into())
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(setting).collect()
}

/// The flag of a setting's name: a flag without its dashes, or the name that results have for it, such as `n_ubatch`.
fn flag(name: &str) -> Option<String> {
    let command = SideArgs::command();
    let name = name.replace('_', "-");
    let short = name.strip_prefix("n-").unwrap_or(&name);
    let forms = [name.clone(), short.to_owned(), format!("{short}-size"), format!("cache-{name}")];
    let named = |form: &String| {
        let is_one = |word: &str| cli::find(&command, word).is_some();
        let (long, one) = (format!("--{form}"), format!("-{form}"));
        if is_one(&long) { Some(long) } else { Some(one).filter(|one| is_one(one)) }
    };
    forms.iter().find_map(named)
}

/// Bytes of the models, each counted once; missing files count as 0.
pub fn n_bytes([a, b]: [&Side; 2]) -> u64 {
    let of = |side: &Side| side.source.size_bytes().unwrap_or(0);
    let path = |side: &Side| side.source.path().ok();
    if path(a) == path(b) { of(a) } else { of(a) + of(b) }
}

#[cfg(test)]
mod tests {
    use llama_bench_rs::llama::{FlashAttn, KvType, LoadMode};

    use super::*;

    fn side(line: &str, text: &str) -> Result<Side, Failed> {
        let line: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        Side::new(&Backend::init().unwrap(), &line, "--b", text)
    }

    fn of(line: &str, text: &str) -> Side {
        side(line, text).unwrap_or_else(|failed| panic!("{}", failed.message))
    }

    fn path(side: &Side) -> Option<String> {
        Some(side.source.path().ok()?.display().to_string())
    }

    #[test]
    fn a_side_is_the_flags_of_both_with_its_own() {
        let line = "compare -ub 256 -fa 0 -m a.gguf --b x -ngl=3 -p 9";
        let both = of(line, "");
        assert_eq!((both.context.n_ubatch, both.context.flash_attn), (256, FlashAttn::Off));
        assert_eq!((path(&both).as_deref(), both.model.n_gpu_layers), (Some("a.gguf"), 3));
        assert_eq!(both.name(), "as it is");
        let own = of(line, "-fa 1 --ubatch_size 64 -m 'my model.gguf'");
        assert_eq!((own.context.n_ubatch, own.context.flash_attn), (64, FlashAttn::On));
        assert_eq!((path(&own).as_deref(), own.model.n_gpu_layers), (Some("my model.gguf"), 3));
    }

    /// By their flags and by the names that results have.
    #[test]
    fn settings_are_the_same_flags() {
        let line = "compare -ub 256 -m a.gguf";
        let own = of(
            line,
            "n_ubatch=64,flash_attn=on,type_k=q8_0,n_threads=3,load_mode=none,n_gpu_layers=2,n_batch=99",
        );
        assert_eq!((own.context.n_ubatch, own.context.flash_attn), (64, FlashAttn::On));
        assert_eq!((own.context.type_k, own.context.n_threads, own.context.n_batch), (KvType::Q8_0, 3, 99));
        assert_eq!((own.model.load_mode, own.model.n_gpu_layers), (LoadMode::None, 2));
        let short = of(line, "ub=64, fa=1,ctk=q8_0,t=3,lm=none,ngl=2,b=99,slowed=10");
        assert_eq!((&short.context, &short.model), (&own.context, &own.model));
        assert_eq!(short.slowed, Share::new(0.1));
    }

    #[test]
    fn what_is_wrong_with_a_side_is_said_of_that_side() {
        for (line, text, says) in [
            ("compare -m a.gguf", "ub", "\"ub\" is not a setting"),
            ("compare -m a.gguf", "colour=red", "\"colour\" is not a flag of a side"),
            ("compare -m a.gguf", "-ub 0", "0 is not a valid batch size"),
            ("compare -m a.gguf", "-ub 1,2", "give each flag one value"),
            ("compare -m a.gguf -ub 1,2", "-fa 1", "give each flag one value"),
            ("compare -m a.gguf,b.gguf", "", "several models"),
            ("compare -m a.gguf", "-m 'a", "a quote has no end"),
            ("compare -m a.gguf", "slowed=nan", "is not a percentage"),
            ("compare -m a.gguf", "-p 9", "-p"),
            (
                "compare -m a.gguf",
                "-fb 0",
                "unexpected argument '-fb' found; a similar argument exists: '-fa'",
            ),
            ("compare", "--shape gpt-9", "\"gpt-9\""),
            ("compare --file-type q99", "", "\"q99\""),
        ] {
            let Err(failed) = side(line, text) else { panic!("{text}") };
            assert!(failed.message.contains(says), "{text}: {}", failed.message);
            assert!(failed.message.starts_with("--b ") && failed.status == 2, "{text}: {}", failed.message);
        }
    }
}
