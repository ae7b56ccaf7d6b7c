//! Compares two configurations, measured in turn in one process, and says which is faster, by how much, how surely:
//! `cargo run --release --example compare -- -m model.gguf --a flash_attn=off --b flash_attn=on`.
//!
//! Every repetition of one side is followed by one of the other, so that drift of the machine hits both alike; the
//! comparison is paired, and corrected for the number of cells. Exit status: 0 measured, 1 a cell failed, 2 bad usage.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{fmt, path::PathBuf, process::ExitCode, str::FromStr};

use clap::Parser;
use llama_bench_rs::{
    Error,
    bench::{Sweep, interleave, range},
    gguf::{Shape, Synthetic},
    llama::{Backend, ContextParams, FlashAttn, KvType, LoadMode, Model, ModelParams},
    record::{Cell, Run},
    stats::{Comparison, Design, Threshold, Verdict},
    units::Share,
};

/// Compares two configurations, measured in turn.
#[derive(Debug, Parser)]
struct Args {
    /// Model of both sides, unless a side names its own; without any, a tiny synthetic one
    #[arg(short, long)]
    model: Option<PathBuf>,
    /// One side: settings NAME=VALUE separated by commas (flash_attn, n_batch, n_ubatch, type_k, type_v, n_threads,
    /// n_gpu_layers, load_mode, model, shape)
    #[arg(long, default_value = "")]
    a: Side,
    /// The other side
    #[arg(long)]
    b: Side,
    /// Prompt length in tokens; 0 for none
    #[arg(short = 'p', long, default_value_t = 128)]
    n_prompt: u32,
    /// Generation length in tokens; 0 for none
    #[arg(short = 'n', long, default_value_t = 16)]
    n_gen: u32,
    /// Depths: lists and ranges, such as 0-2048+512
    #[arg(short = 'd', long, default_value = "0,512", value_parser = depths)]
    n_depth: Depths,
    /// Repetitions per cell and side
    #[arg(short = 'r', long, default_value_t = 10)]
    n_reps: u32,
    /// A difference up to this many percent is noise, however surely it was measured
    #[arg(long, value_name = "PERCENT", default_value = "1", allow_negative_numbers = true, value_parser = percent)]
    noise: Share,
}

#[derive(Clone, Debug)]
struct Depths(Vec<u32>);

fn depths(list: &str) -> Result<Depths, range::RangeError> {
    range::parse(list).map(Depths)
}

/// What one side changes.
#[derive(Clone, Debug, Default)]
struct Side {
    name: String,
    model: Option<PathBuf>,
    shape: Option<String>,
    model_params: ModelParams,
    context: ContextParams,
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
            _ => return Err(format!("{name:?} is not a setting: see --help")),
        }
        Ok(())
    }

    fn load(&self, args: &Args, backend: &Backend) -> Result<Model, Error> {
        let path = match (&self.model, &self.shape, &args.model) {
            (Some(path), ..) | (None, None, Some(path)) => path.clone(),
            (None, Some(shape), _) => Synthetic::new(Shape::preset(shape)?).cached()?,
            (None, None, None) => Synthetic::new(Shape::preset("tiny-llama")?).cached()?,
        };
        Ok(Model::load(backend, path, &self.model_params)?)
    }

    fn sweep<'a>(&self, args: &Args, model: &'a Model) -> Sweep<'a> {
        let mut sweep = Sweep::new(model)
            .context(self.context.clone())
            .depths(args.n_depth.0.iter().copied())
            .repetitions(args.n_reps);
        if args.n_prompt > 0 {
            sweep = sweep.prompt(args.n_prompt);
        }
        if args.n_gen > 0 {
            sweep = sweep.generate(args.n_gen);
        }
        sweep
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(is_complete) => print::exit_code(if is_complete { 0 } else { 1 }),
        Err(error) => {
            complain!("compare: {error}");
            ExitCode::from(if matches!(error, Error::Bench(_)) { 2 } else { 1 })
        }
    }
}

fn run(args: &Args) -> Result<bool, Error> {
    let backend = Backend::init()?;
    let one = args.a.load(args, &backend)?;
    // Loaded once if both sides are of one model.
    let same = args.a.model == args.b.model
        && args.a.shape == args.b.shape
        && args.a.model_params == args.b.model_params;
    let other = if same { one.clone() } else { args.b.load(args, &backend)? };
    let report = interleave(vec![args.a.sweep(args, &one), args.b.sweep(args, &other)])?;
    let [a, b] = &report.runs[..] else { return Ok(false) };
    let name = |side: &Side| if side.name.is_empty() { "as it is".to_owned() } else { side.name.clone() };
    say!("A: {}\nB: {}\n", name(&args.a), name(&args.b));
    print(args, a, b);
    Ok(report.is_complete())
}

fn percent(text: &str) -> Result<Share, String> {
    let percent = text.trim_end_matches('%').trim().parse::<f64>().ok();
    percent
        .filter(|percent| *percent >= 0.0)
        .and_then(|percent| Share::new(percent / 100.0))
        .ok_or_else(|| format!("{text:?} is not a percentage: write a number, 0 or more"))
}

fn print(args: &Args, a: &Run, b: &Run) {
    let threshold = Threshold { noise: args.noise, ..Threshold::default() };
    let mut compared = Vec::new();
    let mut rows: Vec<(&Cell, &Cell, Result<usize, String>)> = Vec::new();
    for (a, b) in a.cells.iter().zip(&b.cells) {
        let outcome = match (a.times(), b.times()) {
            (Some(before), Some(after)) => {
                Comparison::of_times(&before, &after, Design::Paired, threshold).map_err(|e| e.to_string())
            }
            _ => Err([a, b]
                .iter()
                .find_map(|cell| cell.failure())
                .map_or_else(String::new, |f| f.message.clone())),
        };
        let outcome = outcome.map(|comparison| {
            compared.push(comparison);
            compared.len() - 1
        });
        rows.push((a, b, outcome));
    }
    Comparison::correct(&mut compared);
    say!("| test | A t/s | B t/s | B over A (95 % interval) | p | verdict |");
    say!("| --- | ---: | ---: | ---: | ---: | --- |");
    for (a, b, outcome) in rows {
        let rate = |cell: &Cell| {
            cell.rate_summary().map_or_else(String::new, |rate| format!("{:.2}", rate.mean.get()))
        };
        match outcome {
            Ok(i) => {
                let c = &compared[i];
                say!(
                    "| {} | {} | {} | {:.3} ({:.3} to {:.3}) | {:.4} | {} |",
                    a.test,
                    rate(a),
                    rate(b),
                    c.speedup.get(),
                    c.lower.get(),
                    c.upper.get(),
                    c.p_value.get(),
                    words(c)
                );
            }
            Err(why) => say!("| {} | {} | {} | | | {why} |", a.test, rate(a), rate(b)),
        }
    }
}

fn words(comparison: &Comparison) -> String {
    let percent = (comparison.speedup.get() - 1.0).abs() * 100.0;
    match comparison.verdict {
        Verdict::Improved => format!("B is {percent:.1} % faster"),
        Verdict::Regressed => format!("B is {percent:.1} % slower"),
        Verdict::NoChange => "no change".into(),
        _ => {
            let shown = match comparison.detectable_slowdown() {
                // Further digits of an absurd number say nothing.
                Some(least) if least.get() >= 10.0 => "no slowdown under 999 % is sure to show; ".into(),
                Some(least) => format!("only a slowdown of {least:.1} is sure to show; "),
                None => String::new(),
            };
            format!("cannot tell: {shown}take more repetitions (-r)")
        }
    }
}
