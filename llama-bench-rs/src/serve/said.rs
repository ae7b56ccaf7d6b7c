//! What the figures of serving mean, in sentences.

use std::time::Duration;

use super::{
    Arrivals, Capacity, Ended, Figure, LoadFigures, LoadRecord, Prompts, ServeReport, ServeRun, words,
};
use crate::units::{
    Change, Share,
    words::{count, duration, percent, plural, speed},
};

/// How much a sentence matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Note,
    Warning,
}

/// A sentence about a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) level: Level,
    pub(super) text: String,
}

/// From this share of the time to first token on, waiting for a slot is most of it.
const MOSTLY: f64 = 0.5;

/// A doubling of the load that adds less than this to the throughput is beyond the knee.
const KNEE: f64 = 0.25;

/// What was served, in one line: model, requests, policy.
pub(super) fn subject(run: &ServeRun) -> String {
    let (workload, policy) = (&run.settings.workload, &run.settings.policy);
    let model = &run.header.model.description;
    let model = if model.is_empty() { &run.header.model.filename } else { model };
    let prefix = match workload.n_prefix {
        0 => String::new(),
        n => format!(" behind a shared prefix of {n}"),
    };
    let mut parts = vec![format!(
        "{}: {} per repetition, prompts {}{prefix}, answers {} tokens",
        crate::units::text::one_line(model),
        count(workload.n_requests, "request"),
        workload.prompts,
        workload.generations,
    )];
    parts.push(format!("batches of {}", policy.n_batch));
    if let Some(chunk) = policy.chunk {
        parts.push(format!("prompts in chunks of {chunk}"));
    }
    match policy.prompts {
        Prompts::Together => {}
        Prompts::ByArrival => parts.push("the oldest prompt first".into()),
        Prompts::OneAtATime => parts.push("one prompt at a time".into()),
    }
    parts.push(if policy.reuse_prefix { "prefixes reused" } else { "prefixes not reused" }.into());
    parts.join(", ")
}

/// What the figures of all runs mean, as Markdown.
pub fn explain(report: &ServeReport) -> String {
    let names = words::names(report);
    let mut text = String::new();
    for (run, name) in report.runs.iter().zip(&names) {
        text += &format!("\n{}\n\n", words::before(name, &headline(run)));
        said(run).iter().for_each(|said| text += &format!("- {}\n", said.text));
    }
    text
}

/// The line that stands first: what the smallest and the largest load get.
pub(super) fn headline(run: &ServeRun) -> String {
    let measured: Vec<_> =
        words::figures(run).into_iter().filter(|(_, figures)| figures.generation.is_some()).collect();
    let Some((load, figures)) = measured.iter().max_by(|a, b| {
        let rate = |figures: &LoadFigures| figures.generation.map_or(0.0, |figure| figure.value.get());
        rate(&a.1).total_cmp(&rate(&b.1))
    }) else {
        return "Nothing was served.".into();
    };
    let mut text = format!("Most throughput at {}: {}", load.arrivals, gets(load, figures));
    if let Some(first) = first_token(figures) {
        text += &format!("; {first}");
    }
    text + "."
}

/// `412 t/s together, 51.5 t/s each`.
fn gets(load: &LoadRecord, figures: &LoadFigures) -> String {
    let Some(generation) = figures.generation else { return String::new() };
    let total = format!("{} t/s", speed(generation.value));
    match load.arrivals {
        Arrivals::Closed { users, .. } if users > 1 => {
            let each = generation.value.get() / f64::from(users);
            match crate::units::TokensPerSecond::new(each) {
                Some(each) => format!("{total} together, {} t/s each", speed(each)),
                None => total,
            }
        }
        _ => total,
    }
}

/// `the first token comes after 210 ms (median), for 1 % of the requests after more than 1.20 s`.
fn first_token(figures: &LoadFigures) -> Option<String> {
    let p50 = figures.ttft.p50?;
    let mut text = format!("the first token comes after {} (median)", duration(p50.value));
    if let Some(p99) = figures.ttft.p99 {
        text += &format!(", for 1 % of the requests after more than {}", duration(p99.value));
    }
    Some(text)
}

/// Every sentence about a run, the most important first.
pub(super) fn said(run: &ServeRun) -> Vec<Said> {
    let all = words::figures(run);
    let mut said: Vec<Said> = all.iter().filter_map(|(load, _)| failed(load)).collect();
    if let Some(capacity) = &run.capacity {
        let level = if capacity.keeps.is_some() { Level::Good } else { Level::Warning };
        said.push(Said { level, text: capacity_sentence(capacity) });
    } else {
        said.extend(kept(run, &all));
    }
    said.extend(knee(&all));
    said.extend(all.iter().rev().find_map(|(load, figures)| queueing(load, figures)));
    said.extend(all.iter().filter_map(|(load, figures)| lost(load, figures)));
    said
}

fn note(text: String) -> Said {
    Said { level: Level::Note, text }
}

fn failed(load: &LoadRecord) -> Option<Said> {
    let failure = load.failure.as_ref()?;
    let level = if failure.kind == "cancelled" { Level::Note } else { Level::Warning };
    Some(Said { level, text: format!("{}: {}", load.arrivals, failure.message) })
}

/// Requests that did not get all of their tokens.
fn lost(load: &LoadRecord, figures: &LoadFigures) -> Option<Said> {
    let text = format!(
        "{}: {} of {} did not get all of {} tokens.",
        load.arrivals,
        figures.n_failed,
        count(figures.n_requests as u64, "request"),
        plural(figures.n_requests, "its", "their"),
    );
    (figures.n_failed > 0).then_some(Said { level: Level::Warning, text })
}

/// Which loads keep the service level, as far as the requests show it.
fn kept(run: &ServeRun, all: &[(&LoadRecord, LoadFigures)]) -> Vec<Said> {
    let Some(slo) = run.settings.slo else { return Vec::new() };
    let sentence = |(load, figures): &(&LoadRecord, LoadFigures)| {
        let goodput = figures.goodput?;
        let share = goodput.share?.value;
        let level = if goodput.n_kept == figures.n_requests { Level::Good } else { Level::Note };
        let text = format!(
            "{}: {} of {} keep {slo} ({}).",
            load.arrivals,
            goodput.n_kept,
            count(figures.n_requests as u64, "request"),
            percent(share),
        );
        Some(Said { level, text })
    };
    all.iter().filter_map(sentence).collect()
}

/// Whether an interval lies beyond another one: a difference that may be noise is not mentioned.
fn surely_more<T: Copy + PartialOrd>(more: Figure<T>, less: Figure<T>) -> bool {
    matches!((more.lower, less.upper), (Some(lower), Some(upper)) if lower > upper)
}

/// The first load after which twice the users get little more together, if that is sure.
fn knee(all: &[(&LoadRecord, LoadFigures)]) -> Option<Said> {
    let pairs = all.windows(2).filter_map(|pair| {
        let [(a, before), (b, after)] = pair else { return None };
        let doublings = (words::size(&b.arrivals) / words::size(&a.arrivals)).log2();
        let is_same_loop = std::mem::discriminant(&a.arrivals) == std::mem::discriminant(&b.arrivals);
        let (slow, fast) = (before.generation?, after.generation?);
        // The most that the intervals allow is little.
        let most = fast.upper?.get() / slow.lower?.get();
        let is_knee = is_same_loop && doublings > 0.0 && most < (1.0 + KNEE).powf(doublings);
        is_knee.then_some((a, b, slow, fast, before, after))
    });
    let (a, b, slow, fast, before, after) = pairs.into_iter().next()?;
    let grows = Change::new(fast.value.get() / slow.value.get() - 1.0)?;
    let change = if surely_more(fast, slow) {
        format!("grows by {}", percent(grows.size()))
    } else {
        "does not grow".into()
    };
    let waits = match (before.ttft.p50, after.ttft.p50) {
        (Some(before), Some(after)) if surely_more(after, before) => format!(
            ", and the first token comes after {} instead of {} (median)",
            duration(after.value),
            duration(before.value)
        ),
        _ => String::new(),
    };
    Some(note(format!("From {} to {} the throughput {change}{waits}.", a.arrivals, b.arrivals)))
}

/// Whether waiting for a slot is most of the time to first token.
fn queueing(load: &LoadRecord, figures: &LoadFigures) -> Option<Said> {
    let (waits, first) = (figures.queueing.p50?.value, figures.ttft.p50?.value);
    let is_most = first > Duration::ZERO && waits.as_secs_f64() > MOSTLY * first.as_secs_f64();
    let share = Share::new(waits.as_secs_f64() / first.as_secs_f64())?;
    is_most.then(|| {
        note(format!(
            "{}: {} of the time to first token is waiting for one of {}; more slots (-np) serve more requests at once.",
            load.arrivals,
            percent(share),
            count(load.n_slots, "slot"),
        ))
    })
}

/// Percentiles that are not shown, and what shows them.
pub(super) fn unknown(report: &ServeReport) -> Vec<String> {
    let is_unknown = |figures: &LoadFigures| {
        figures.n_reps > 0
            && (figures.ttft.p99.is_none() || figures.itl.p99.is_none() && figures.itl.p50.is_some())
    };
    let any = report.loads().any(|(run, load)| is_unknown(&load.figures(run.settings.slo.as_ref())));
    let text = "A 99th percentile is shown from 100 observations of all repetitions on: serve more requests (--requests or -r).";
    any.then(|| text.to_owned()).into_iter().collect()
}

/// What a search found.
pub(super) fn capacity_sentence(capacity: &Capacity) -> String {
    let Capacity { slo, search, keeps, breaks, tries, ended, .. } = capacity;
    let certain = Share::new(search.certainty.get()).map(percent).unwrap_or_default();
    let of_requests = format!("{slo} for {} of the requests", percent(search.share));
    let broken = match breaks {
        Some(breaks) => format!("; surely not with {breaks}"),
        None => String::new(),
    };
    let why = match ended {
        Ended::AtMost => ", the largest load that was allowed",
        Ended::Interrupted => "; the search was interrupted",
        Ended::Found | Ended::NeverKept => "",
    };
    let found = match keeps {
        Some(keeps) => format!("Kept up to {keeps}, {certain} certain: {of_requests}"),
        None => format!("No load surely keeps {of_requests}"),
    };
    format!("{found}{broken}{why}. {} tried.", count(tries.len() as u64, "load"))
}
