//! What was measured, on what and how.

use maud::{Markup, html};
use serde_json::Value;

use crate::{
    record::{Header, ModelInfo, Run},
    report::{
        header_facts,
        in_words::{duration, told},
        svg,
    },
};

/// The line below the title.
pub(super) fn lede(header: &Header) -> String {
    let timing = &header.timing;
    let build = told(header.build.number).map(|number| format!("llama.cpp b{number}")).unwrap_or_default();
    let took = told(timing.wall).map(duration).unwrap_or_default();
    let parts = [svg::device(header), build, timing.started_at.clone(), took];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// All facts; those that are not known are left out.
pub(super) fn facts(run: &Run) -> Markup {
    html! {
        dl class="facts" {
            @for fact in header_facts(run) {
                (pair(fact.label, &fact.value))
                @if fact.label == "Model" {
                    @if let Some(quantisation) = quantisation(&run.header.model) {
                        (pair("Quantisation", &quantisation))
                    }
                }
            }
        }
        details {
            summary { "The whole configuration" }
            dl class="facts" {
                @for (name, value) in fields(&run.header.config).iter().chain(&fields(&run.header.build)) {
                    (pair(name, value))
                }
            }
        }
    }
}

fn pair(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// The file type and what it comes to.
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
fn fields(part: &impl serde::Serialize) -> Vec<(String, String)> {
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
