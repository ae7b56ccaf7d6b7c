//! What was measured, on what and how.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::{
    record::{Header, ModelInfo, Report, Run},
    report::{
        answer::SharedFacts,
        in_words::{duration, told},
    },
};

/// The line below the title: what was built, when the runs began, and how long they took.
pub(super) fn lede(report: &Report) -> String {
    let build = |header: &Header| {
        told(header.build.number).map(|number| format!("llama.cpp b{number}")).unwrap_or_default()
    };
    let mut builds: Vec<String> = report.runs.iter().map(|run| build(&run.header)).collect();
    builds.dedup();
    let took = took(&report.runs).map_or_else(String::new, duration);
    let began = report.runs.first().map(|run| run.header.timing.started_at.clone()).unwrap_or_default();
    let build = if let [one] = &builds[..] { one.clone() } else { String::new() };
    let parts = [build, began, took];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Time that the runs took together; runs that were interleaved share theirs.
fn took(runs: &[Run]) -> Option<Duration> {
    let walls: Vec<(&str, Duration)> = runs
        .iter()
        .filter_map(|run| Some((&*run.header.timing.started_at, told(run.header.timing.wall)?)))
        .collect();
    let span =
        |(began, wall): &(&str, Duration)| Some((began.parse::<Timestamp>().ok()?.as_nanosecond(), *wall));
    let mut spans: Vec<(i128, Duration)> = walls.iter().filter_map(span).collect();
    if walls.is_empty() || spans.len() < walls.len() {
        return (!walls.is_empty()).then(|| walls.iter().map(|(_, wall)| *wall).sum());
    }
    spans.sort_unstable();
    let (mut took, mut end) = (0, i128::MIN);
    for (began, wall) in spans {
        let ended = began + wall.as_nanos() as i128;
        took += (ended - began.max(end)).max(0);
        end = end.max(ended);
    }
    Some(Duration::from_nanos(u64::try_from(took).unwrap_or(u64::MAX)))
}

type Pair = (String, String);

/// Machine, model and settings: those of all runs, then those of single runs.
pub(super) struct Facts<'a> {
    words: &'a SharedFacts,
    /// File type and bits per weight of the model; `None` if the models differ.
    quantisation: Option<String>,
    /// Fields under their own names, the same in all runs.
    shared_fields: Vec<Pair>,
    /// By run: fields that are not the same in all of them.
    own_fields: Vec<Vec<Pair>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(report: &Report, words: &'a SharedFacts) -> Self {
        let all: Vec<Vec<Pair>> = report.runs.iter().map(fields).collect();
        let is_shared = |field: &Pair| all.iter().all(|run| run.contains(field));
        let split = |run: &Vec<Pair>, shared: bool| -> Vec<Pair> {
            run.iter().filter(|field| is_shared(field) == shared).cloned().collect()
        };
        Self {
            words,
            quantisation: report.runs.first().and_then(|run| quantisation(&run.header.model)),
            shared_fields: all.first().map_or_else(Vec::new, |run| split(run, true)),
            own_fields: all.iter().map(|run| split(run, false)).collect(),
        }
    }

    /// What is known, the fields folded away.
    pub(super) fn configuration(&self) -> Markup {
        let is_one = self.own_fields.len() == 1;
        html! {
            @if !is_one { p class="caption" { "The same in all runs:" } }
            (list(self.shared_words()))
            @if !self.shared_fields.is_empty() {
                details {
                    summary { "Every setting" @if !is_one { " that is the same in all runs" } }
                    (list(self.shared_fields.iter().cloned()))
                }
            }
            @for (name, facts) in &self.words.own {
                details {
                    summary { "Of its own: " (name) }
                    (list(facts.iter().map(|fact| (fact.label.to_owned(), fact.value.clone()))))
                }
            }
        }
    }

    /// The fields of this run that are not the same in all runs; nothing if there are none.
    pub(super) fn own_fields(&self, n_run: usize) -> Markup {
        let own = self.own_fields.get(n_run).filter(|own| !own.is_empty());
        own.map(|own| list(own.iter().cloned())).unwrap_or_default()
    }

    fn shared_words(&self) -> impl Iterator<Item = Pair> {
        let is_model = |label: &str| label == "Model";
        self.words.shared.iter().flat_map(move |fact| {
            let quantisation = self.quantisation.clone().filter(|_| is_model(fact.label));
            let quantisation = quantisation.map(|text| ("Quantisation".to_owned(), text));
            [Some((fact.label.to_owned(), fact.value.clone())), quantisation].into_iter().flatten()
        })
    }
}

fn list(pairs: impl Iterator<Item = Pair>) -> Markup {
    html! { dl class="facts" { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } } }
}

/// The fields of configuration and build under their own names.
fn fields(run: &Run) -> Vec<Pair> {
    let file = Some(("file".to_owned(), run.header.read_from.clone())).filter(|(_, file)| !file.is_empty());
    let parts = [of_part(&run.header.config), of_part(&run.header.build)].concat();
    file.into_iter().chain(parts).collect()
}

/// The file type and the bits per weight.
fn quantisation(model: &ModelInfo) -> Option<String> {
    let bits = told(model.size_bytes)
        .zip(told(model.n_params))
        .map(|(bytes, n)| format!("{:.2} bits per weight", bytes as f64 * 8.0 / n as f64));
    let parts: Vec<String> = file_type(model).map(str::to_owned).into_iter().chain(bits).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What llama.cpp says after architecture and size: `Q4_K - Medium` of `gpt-oss 20B Q4_K - Medium`.
fn file_type(model: &ModelInfo) -> Option<&str> {
    if model.architecture.is_empty() {
        return None;
    }
    let rest = model.description.strip_prefix(&model.architecture)?.strip_prefix(' ')?;
    let (_size, rest) = rest.split_once(' ')?;
    // Some sizes have a name: `17B.16E (Scout)`.
    match rest.strip_prefix('(') {
        Some(named) => named.split_once(") ").map(|(_, rest)| rest),
        None => Some(rest),
    }
}

/// Every field that is known under its own name.
fn of_part(part: &impl serde::Serialize) -> Vec<Pair> {
    let Ok(Value::Object(fields)) = serde_json::to_value(part) else { return Vec::new() };
    let word = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, word(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_type_follows_architecture_and_size() {
        let of = |architecture: &str, description: &str| {
            let (architecture, description) = (architecture.into(), description.into());
            file_type(&ModelInfo { architecture, description, ..ModelInfo::default() }).map(str::to_owned)
        };
        assert_eq!(of("gpt-oss", "gpt-oss 20B Q4_K - Medium").as_deref(), Some("Q4_K - Medium"));
        assert_eq!(of("llama4", "llama4 17B.16E (Scout) Q8_0").as_deref(), Some("Q8_0"));
        assert_eq!(of("", "gpt-oss 20B Q4_K - Medium"), None);
        assert_eq!(of("llama", "something else"), None);
    }

    #[test]
    fn a_quantisation_says_what_it_comes_to() {
        let model = ModelInfo { size_bytes: Some(9), n_params: Some(16), ..ModelInfo::default() };
        assert_eq!(quantisation(&model).as_deref(), Some("4.50 bits per weight"));
        assert_eq!(quantisation(&ModelInfo::default()), None);
    }
}
