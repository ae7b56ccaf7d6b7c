//! Checks in one process that the library serves as llama-server's loop does, and that its scheduler costs nothing:
//! `cargo run --release --example serve_check -- --shape tiny-llama -np 4`.
//!
//! The other side (support/update_slots.rs) is that loop written a second time over the same C API, without the library's
//! scheduler, policy and records. Both serve the same requests in turn, round after round, each time in a fresh context.
//! Exit status: 0 they agree or it is too noisy to tell, 1 a figure differs by more than the tolerance or a decode failed,
//! 2 bad usage.

#[macro_use]
#[path = "support/print.rs"]
mod print;
#[path = "support/agreement.rs"]
mod agreement;
#[path = "support/signals.rs"]
mod signals;
#[path = "support/update_slots.rs"]
mod update_slots;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agreement::{Agreement, show};
use clap::Parser;
use llama_bench_rs::{
    Error,
    bench::{Cancel, clock::MonotonicClock},
    cli::{self, ContextArgs, ModelArgs, at_least_one},
    llama::{Backend, Batch, Context, ContextParams, LlamaError, Model},
    serve::{Arrivals, Lengths, LlamaServer, Policy, RequestRecord, Scheduler, Vocabulary, Workload, drive},
    stats::{Design, Ratio, Samples},
    units::{Share, words::duration},
};
use signals::Interrupt;
use update_slots::{BatchToken, Decoder, Task, Times};

/// Checks that the library serves users as llama-server's loop does. By default: 8 users in 4 slots, 64 requests with
/// prompts of 16 to 256 tokens and answers of 32.
///
/// The other side is llama-server's loop over the same C API, written a second time without the library's scheduler. Both
/// serve the same requests in turn, in a fresh context each time. Without a model the synthetic tiny-llama is served.
/// Every flag has one value.
///
/// They agree in a figure if the whole 95 % interval of the ratio lies within the tolerance.
///
/// Ctrl-C ends the measuring early: the rounds that are complete are compared.
///
/// Exit status: 0 they agree or it is too noisy to tell, 1 a figure differs by more than the tolerance or a decode failed, 2
/// bad usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "serve_check", disable_version_flag = true)]
struct Args {
    /// Slots: requests that are served at once
    #[arg(long = "slots", value_name = "N", default_value = "4", value_parser = at_least_one, help_heading = "Tests")]
    n_parallel: u32,
    /// Users, who ask again as soon as they have an answer
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least_one, help_heading = "Tests")]
    users: u32,
    /// Tokens of each prompt
    #[arg(long, value_name = "DIST", default_value = "uniform:16:256", help_heading = "Tests")]
    prompt: Lengths,
    /// Tokens of each answer
    #[arg(long, value_name = "DIST", default_value = "32", help_heading = "Tests")]
    generate: Lengths,
    /// Tokens that all prompts begin with
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Tests")]
    prefix: u32,
    /// Requests of a round
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one, help_heading = "Tests")]
    requests: u32,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    context: ContextArgs,
    /// Rounds: each serves all requests by each side
    #[arg(long, value_name = "N", default_value = "10", value_parser = at_least_one, help_heading = "Statistics")]
    rounds: u32,
    /// Most that a figure may differ, in percent
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = cli::percent, help_heading = "Statistics")]
    tolerance: Share,
}

/// The two sides.
const SIDES: [&str; 2] = ["llama-server's loop", "this library"];

fn main() -> ExitCode {
    match run(&cli::parse()) {
        Ok(status) => print::exit_code(status),
        Err(error @ (Error::Serve(_) | Error::Llama(LlamaError::Parameter { .. }))) => {
            complain!("serve_check: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            complain!("serve_check: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is compared, a time of each round.
#[derive(Clone, Default)]
struct Found {
    per_token: Vec<Duration>,
    ttft_mean: Vec<Duration>,
    ttft_p50: Vec<Duration>,
    ttft_p90: Vec<Duration>,
    itl_mean: Vec<Duration>,
}

/// Everything that both sides serve with.
struct Setting {
    model: Model,
    params: ContextParams,
    policy: Policy,
    users: u32,
    vocabulary: Vocabulary,
}

/// The exit status.
fn run(args: &Args) -> Result<u8, Error> {
    let backend = Backend::init()?;
    let (params, context) = (args.model.one(&backend)?, args.context.one()?);
    let workload = Workload::default()
        .prompts(args.prompt.clone())
        .generations(args.generate.clone())
        .n_prefix(args.prefix)
        .n_requests(args.requests);
    let policy = Policy::default().n_parallel(args.n_parallel).n_batch(context.n_batch);
    let refuse = |error: llama_bench_rs::serve::SettingError| Error::Serve(error.into());
    policy.check().map_err(refuse)?;
    workload.check().map_err(refuse)?;
    let source = args.model.source("tiny-llama")?;
    let interrupt = Interrupt::watch().map_err(|error| LlamaError::Unsupported {
        what: "watching for Ctrl-C".into(),
        why: error.to_string(),
    })?;
    let model = source.load(&params)?;
    let setting = Setting {
        vocabulary: Vocabulary { n_vocab: model.n_vocab(), bos: model.bos() },
        model,
        params: context,
        policy,
        users: args.users,
    };
    let mut found = [Found::default(), Found::default()];
    for round in 0..args.rounds {
        // The same requests for both sides, different ones in each round.
        let workload = workload.clone().seed(u64::from(round) + 1);
        let mut with_round = found.clone();
        // Each side is as often the first one as the second.
        for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            complain!("serve_check: round {} of {}: {}", round + 1, args.rounds, SIDES[which]);
            let served = if which == 0 {
                by_loop(&setting, &workload, interrupt.cancel())
            } else {
                by_library(&setting, &workload, interrupt.cancel())
            };
            // What was stopped in the middle is not a figure of its side.
            if interrupt.status().is_some() {
                break;
            }
            with_round[which].add(&served?);
        }
        if let Some(status) = interrupt.status() {
            complain!("serve_check: interrupted after {round} of {} rounds", args.rounds);
            if round > 0 {
                print(args, &found);
            }
            return Ok(status);
        }
        found = with_round;
    }
    Ok(if print(args, &found) { 0 } else { 1 })
}

/// A context in which both sides do the same before they begin.
fn context(setting: &Setting, workload: &Workload) -> Result<Context, Error> {
    let n_slots = setting.policy.n_parallel;
    // The warm-up has other requests, of which one may be longer.
    let longest = [workload, &warmup(setting, workload)].map(|it| it.n_longest().unwrap_or(1));
    let n_ctx = n_slots * longest[0].max(longest[1]).next_multiple_of(256);
    let params = setting.params.clone().n_seq_max(n_slots).n_ctx(n_ctx);
    Ok(Context::new(&setting.model, &params)?)
}

/// Requests that warm a context up.
fn warmup(setting: &Setting, workload: &Workload) -> Workload {
    workload.clone().n_requests(workload.n_requests.min(setting.users)).seed(0)
}

fn by_library(setting: &Setting, workload: &Workload, cancel: &Cancel) -> Result<Vec<Times>, Error> {
    let mut server = LlamaServer::new(context(setting, workload)?);
    let mut times = Vec::new();
    for workload in [&warmup(setting, workload), workload] {
        let arrivals = Arrivals::users(setting.users);
        let scheduler = Scheduler::new(setting.policy, workload, &arrivals, setting.vocabulary)
            .map_err(|error| Error::Serve(error.into()))?;
        server.context().memory_clear(false);
        let clock = MonotonicClock::start();
        let served = drive(scheduler, &mut server, &clock, cancel, &mut |_| {});
        if let Some(failure) = served.cut_short {
            return Err(LlamaError::Unsupported { what: "serving".into(), why: failure.message }.into());
        }
        times = served.requests.iter().map(times_of).collect();
    }
    Ok(times)
}

/// The record of a request as the other side has it.
fn times_of(request: &RequestRecord) -> Times {
    let mut at = request.first_token.unwrap_or_default();
    let mut tokens = vec![at];
    tokens.extend(request.gaps.iter().map(|gap| {
        at += *gap;
        at
    }));
    Times { asked: request.arrival, tokens }
}

fn by_loop(setting: &Setting, workload: &Workload, cancel: &Cancel) -> Result<Vec<Times>, Error> {
    let server = update_slots::Server {
        n_parallel: setting.policy.n_parallel as usize,
        n_batch: setting.policy.n_batch as usize,
        cache_prompt: setting.policy.reuse_prefix,
    };
    let mut decoder = Direct {
        context: context(setting, workload)?,
        batch: Batch::new(),
        begin: Instant::now(),
        cancel: cancel.clone(),
    };
    let mut times = Vec::new();
    for workload in [&warmup(setting, workload), workload] {
        let tasks: Vec<Task> = workload
            .requests()
            .map(|request| {
                let token = |position| workload.token(setting.vocabulary, request.id, position);
                Task {
                    prompt: (0..request.n_prompt).map(token).collect(),
                    sampled: (request.n_prompt..request.n_prompt + request.n_gen).map(token).collect(),
                }
            })
            .collect();
        decoder.context.memory_clear(false);
        decoder.begin = Instant::now();
        times = update_slots::serve(server, setting.users as usize, &tasks, &mut decoder)?;
    }
    Ok(times)
}

/// The C API and nothing else.
struct Direct {
    context: Context,
    batch: Batch,
    begin: Instant,
    cancel: Cancel,
}

impl Decoder for Direct {
    type Error = LlamaError;

    fn remove(&mut self, slot: u32, from: u32) -> Result<(), LlamaError> {
        self.context.memory_seq_rm(slot as i32, from, None).map(drop)
    }

    fn decode(&mut self, batch: &[BatchToken]) -> Result<(), LlamaError> {
        if self.cancel.is_cancelled() {
            return Err(LlamaError::Cancelled { what: "llama_decode" });
        }
        self.batch.clear();
        for &(slot, position, token, logits) in batch {
            self.batch.add(token, position, &[slot as i32], logits)?;
        }
        self.context.decode(&self.batch)?;
        self.context.synchronize()
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }
}

impl Found {
    fn add(&mut self, served: &[Times]) {
        let last = |times: &Times| times.tokens.last().copied().unwrap_or_default();
        let wall = served.iter().map(last).max().unwrap_or_default();
        let n_tokens: usize = served.iter().map(|times| times.tokens.len()).sum();
        self.per_token.push(wall / n_tokens.max(1) as u32);
        let first = |times: &Times| times.tokens.first().copied().unwrap_or_default() - times.asked;
        if let Some(ttft) = Samples::new(served.iter().map(first)) {
            self.ttft_mean.push(ttft.mean());
            self.ttft_p50.push(ttft.median());
            self.ttft_p90.extend(ttft.quantile(0.9));
        }
        let gaps = served.iter().flat_map(|times| times.tokens.windows(2)).map(|pair| pair[1] - pair[0]);
        self.itl_mean.extend(Samples::new(gaps).map(|gaps| gaps.mean()));
    }

    fn figures(&self) -> [(&'static str, &[Duration]); 5] {
        [
            ("time per token of all users", &self.per_token),
            ("time to first token, mean", &self.ttft_mean),
            ("time to first token, p50", &self.ttft_p50),
            ("time to first token, p90", &self.ttft_p90),
            ("inter-token time, mean", &self.itl_mean),
        ]
    }
}

/// Prints both side by side; whether they agree.
fn print(args: &Args, [theirs, ours]: &[Found; 2]) -> bool {
    let mut agree = Agreement::Yes;
    say!("| figure | {} | {} | ratio of the speeds (95 % interval) | the sides |", SIDES[0], SIDES[1]);
    say!("| --- | ---: | ---: | ---: | --- |");
    for ((name, before), (_, after)) in theirs.figures().into_iter().zip(ours.figures()) {
        let samples = |times: &[Duration]| Samples::new(times.iter().copied());
        let ratio = samples(before)
            .zip(samples(after))
            .and_then(|(before, after)| Ratio::of_times(&before, &after, Design::Paired));
        let (ratio, agrees) = show(ratio, args.tolerance);
        say!("| {name} | {} | {} | {ratio} | {agrees} |", mean(before), mean(after));
        agree = agree.and(agrees);
    }
    say!(
        "\n{}",
        match agree {
            Agreement::Yes => "the sides agree",
            Agreement::Unknown => "too noisy to tell whether the sides agree: use more --rounds",
            Agreement::No => "the sides do not agree",
        }
    );
    agree != Agreement::No
}

/// A mean with its interval: `11.1 ms ± 0.2 ms`.
fn mean(times: &[Duration]) -> String {
    let Some(times) = Samples::new(times.iter().copied()).map(|times| times.summary()) else {
        return "unknown".into();
    };
    match times.ci95 {
        Some(interval) => format!("{} ± {}", duration(times.mean), duration(interval.half_width())),
        None => duration(times.mean),
    }
}
