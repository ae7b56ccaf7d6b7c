//! What texts of serving say of loads and figures.

use std::time::Duration;

use super::{Arrivals, Figure, LoadFigures, LoadRecord, ServeReport, ServeRun};
use crate::{
    record::{Header, Run, configuration_names, numbered},
    report::{Fact, header_facts},
    units::{
        RequestsPerSecond, Share, TokensPerSecond,
        text::one_line,
        words::{digits, duration, percent, rough_duration, speed},
    },
};

/// The number of users, or the rate.
pub(super) fn size(arrivals: &Arrivals) -> f64 {
    match arrivals {
        Arrivals::Closed { users, .. } => f64::from(*users),
        Arrivals::Open { rate } => *rate,
    }
}

/// What sets the runs of a report apart, once for each; empty for a single run.
pub(super) fn names(report: &ServeReport) -> Vec<String> {
    let headers: Vec<&Header> = report.runs.iter().map(|run| &run.header).collect();
    let differing = configuration_names(&headers).into_iter().zip(&report.runs);
    let named = differing.map(|(name, run)| if run.name.is_empty() { name } else { run.name.clone() });
    numbered(named.collect(), |n, _| format!("configuration {n}"))
}

/// A name before something else, if there is a name.
pub(super) fn before(name: &str, text: &str) -> String {
    if name.is_empty() { text.to_owned() } else { format!("{name}: {text}") }
}

/// The figures of every load of a run.
pub(super) fn figures(run: &ServeRun) -> Vec<(&LoadRecord, LoadFigures)> {
    run.loads.iter().map(|load| (load, load.figures(run.settings.slo.as_ref()))).collect()
}

/// What was served on, a fact a line: those of a sweep except for how a sweep measures.
pub(super) fn facts(run: &ServeRun) -> Vec<Fact> {
    let as_run = Run { header: run.header.clone(), cells: Vec::new(), curve: Vec::new() };
    let mut facts = header_facts(&as_run);
    facts.retain(|fact| !["Method", "Run"].contains(&fact.label));
    let timing = &run.header.timing;
    let wall = timing.wall.map(|wall| format!("{} in all", duration(wall)));
    let parts: Vec<String> = [Some(timing.started_at.clone()), wall]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    if !parts.is_empty() {
        facts.push(Fact { label: "Run", value: one_line(&parts.join(", ")) });
    }
    facts
}

/// `12.3 ms ± 0.4 ms`; empty if it is not known.
pub(super) fn time(figure: Option<Figure<Duration>>) -> String {
    let Some(figure) = figure else { return String::new() };
    let half = figure.upper.map(|upper| rough_duration(upper.saturating_sub(figure.value)));
    with_half(duration(figure.value), half)
}

/// `412 ± 12`, in tokens per second; empty if it is not known.
pub(super) fn rate(figure: Option<Figure<TokensPerSecond>>) -> String {
    let Some(figure) = figure else { return String::new() };
    let half = figure.upper.map(|upper| digits(upper.get() - figure.value.get(), 2));
    with_half(speed(figure.value), half)
}

/// `2.31 ± 0.10`, in requests per second; empty if it is not known.
pub(super) fn requests(figure: Option<Figure<RequestsPerSecond>>) -> String {
    let Some(figure) = figure else { return String::new() };
    let half = figure.upper.map(|upper| digits(upper.get() - figure.value.get(), 2));
    with_half(digits(figure.value.get(), 3), half)
}

/// `98.4 %`; empty if it is not known.
pub(super) fn share(figure: Option<Figure<Share>>) -> String {
    figure.map_or_else(String::new, |figure| percent(figure.value))
}

fn with_half(value: String, half: Option<String>) -> String {
    half.map_or_else(|| value.clone(), |half| format!("{value} ± {half}"))
}
