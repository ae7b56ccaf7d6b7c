//! How often a ranking finds a difference between equal configurations, measured on this machine: `cargo run --release
//! --example rank_study`. Takes about ten minutes, in which nothing else should run.
//!
//! Each campaign measures one configuration of a tiny model under several names, repetition by repetition in turn, and
//! ranks them. With `--slowed` the last one takes longer by that much, and should be found.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{error::Error, process::ExitCode, time::Instant};

use clap::Parser;
use llama_bench_rs::{
    bench::{Sweep, interleave},
    gguf::{Shape, Synthetic},
    llama::{ContextParams, Model},
    record::{Report, Run},
    report::ranking,
    units::Share,
};

/// Measures how often equal configurations are ranked as if they differed.
#[derive(Debug, Parser)]
struct Args {
    /// Campaigns
    #[arg(long, default_value = "100")]
    campaigns: usize,
    /// Names that the configuration is measured under
    #[arg(long, default_value = "3")]
    names: usize,
    /// Runs of each name in a campaign
    #[arg(long, default_value = "1")]
    runs: u32,
    /// Repetitions of a cell
    #[arg(short = 'r', long, default_value = "5")]
    repetitions: u32,
    /// Tokens of the prompt
    #[arg(short = 'p', long, default_value = "64")]
    n_prompt: u32,
    /// Tokens that are generated
    #[arg(short = 'n', long, default_value = "16")]
    n_gen: u32,
    /// Depths
    #[arg(short = 'd', long, value_delimiter = ',', default_value = "0,256")]
    depths: Vec<u32>,
    /// Threads [default: llama-bench's]
    #[arg(short = 't', long)]
    threads: Option<u32>,
    /// By how much the last one takes longer, in percent
    #[arg(long, default_value = "0")]
    slowed: f64,
    /// Load a copy of the model for each name, in place of a context each
    #[arg(long)]
    copies: bool,
    /// One name after the other, in place of in turn
    #[arg(long)]
    in_sequence: bool,
    /// The shape of the model
    #[arg(long, default_value = "tiny-llama")]
    shape: String,
}

fn main() -> ExitCode {
    match study(&Args::parse()) {
        Ok(()) => print::exit_code(0),
        Err(error) => {
            complain!("rank_study: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What came of the campaigns.
#[derive(Default)]
struct Tally {
    n: usize,
    /// Campaigns in which any two surely differed.
    told_apart: usize,
    /// Campaigns in which the last one was surely slower in every test.
    found: usize,
    /// The largest difference between the best and the last of a test, by campaign.
    widest: Vec<f64>,
}

fn study(args: &Args) -> Result<(), Box<dyn Error>> {
    let shape = Shape::preset(&args.shape)?;
    let path = Synthetic::new(shape).cached()?;
    let slowdown = Share::new(args.slowed / 100.0).ok_or("--slowed: give a percentage of 0 or more")?;
    let (start, mut tally) = (Instant::now(), Tally::default());
    for campaign in 0..args.campaigns {
        let load = || Model::load(&path);
        let n_models = if args.copies { args.names } else { 1 };
        let models = (0..n_models).map(|_| load()).collect::<Result<Vec<_>, _>>()?;
        tally.add(&measure(args, &models, slowdown, campaign)?);
        if (campaign + 1).is_multiple_of(10) {
            complain!(
                "rank_study: {} of {} campaigns, {:.0?}",
                campaign + 1,
                args.campaigns,
                start.elapsed()
            );
        }
    }
    say!(
        "| names | runs | slowed by | campaigns | told apart | slower one found | widest difference: median | 95 of 100 | most |"
    );
    say!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let Tally { n, told_apart, found, mut widest } = tally;
    widest.sort_by(f64::total_cmp);
    let percent = |part: f64| {
        let at = ((widest.len() as f64 * part).ceil() as usize).clamp(1, widest.len().max(1)) - 1;
        widest.get(at).map_or_else(|| "–".into(), |share| format!("{:.1} %", 100.0 * share))
    };
    say!(
        "| {} | {} | {} % | {n} | {told_apart} | {found} | {} | {} | {} |",
        args.names,
        args.runs,
        args.slowed,
        percent(0.5),
        percent(0.95),
        percent(1.0)
    );
    Ok(())
}

/// The configuration once under each name.
fn measure(
    args: &Args,
    models: &[Model],
    slowdown: Share,
    campaign: usize,
) -> Result<Report, Box<dyn Error>> {
    let mut context = ContextParams::default();
    if let Some(n) = args.threads {
        context = context.n_threads(n).n_threads_batch(n);
    }
    let sweep = |name: usize| {
        let slowdown = if name + 1 == args.names { slowdown } else { Share::ZERO };
        Sweep::new(&models[name % models.len()])
            .context(context.clone())
            .prompt(args.n_prompt)
            .generate(args.n_gen)
            .depths(args.depths.iter().copied())
            .repetitions(args.repetitions)
            .seed(campaign as u64)
            .runs(args.runs)
            .slowed(slowdown)
    };
    let runs: Vec<Run> = if args.in_sequence {
        let one = |name| sweep(name).run().map(|report| report.runs);
        (0..args.names).map(one).collect::<Result<Vec<_>, _>>()?.concat()
    } else {
        interleave((0..args.names).map(sweep).collect())?.runs
    };
    let n_runs = args.runs as usize;
    let named = |(i, mut run): (usize, Run)| {
        let name = if args.in_sequence { i / n_runs } else { i % args.names };
        run.header.model.filename = format!("name {}", name + 1);
        run
    };
    Ok(Report { runs: runs.into_iter().enumerate().map(named).collect() })
}

impl Tally {
    fn add(&mut self, report: &Report) {
        let Some(ranking) = ranking(report) else { return };
        self.n += 1;
        self.told_apart += usize::from(ranking.is_decided());
        let last = ranking.configurations.len() - 1;
        let is_found =
            |best: &llama_bench_rs::report::Best| best.configuration != last && !best.tied.contains(&last);
        self.found += usize::from(ranking.tests.iter().all(is_found));
        let widest = ranking.tests.iter().map(|best| best.widest.get() - 1.0).fold(0.0, f64::max);
        self.widest.push(widest);
    }
}
