//! What was measured, on what and how.

use maud::{Markup, html};
use serde_json::Value;

use super::human;
use crate::{
    record::{Config, DeviceInfo, FlashAttnSetting, Header, Method, ModelInfo, Timing},
    report::svg,
};

/// The line below the title.
pub(super) fn lede(header: &Header) -> String {
    let timing = &header.timing;
    let took = (!timing.wall.is_zero()).then(|| human::time(timing.wall));
    let build = match header.build.number {
        0 => String::new(),
        number => format!("llama.cpp b{number}"),
    };
    let parts = [svg::device(header), build, timing.started_at.clone(), took.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// All facts; those that are not known are left out.
pub(super) fn facts(header: &Header) -> Markup {
    let Header { build, host, model, config, resolved, load, timing } = header;
    let known = |n: u64, text: String| if n == 0 { String::new() } else { text };
    let main = [
        ("Model", model.description.clone()),
        ("File", svg::file_name(&model.filename)),
        ("Quantisation", quantisation(model).unwrap_or_default()),
        ("Size", size(model)),
        ("Parameters", known(model.n_params, human::count(model.n_params))),
        ("Layers", known(model.n_layer.into(), model.n_layer.to_string())),
        ("CPU", host.cpu_info.clone()),
        ("GPU", host.gpu_info.clone()),
        ("Backends", host.backends.clone()),
        (
            "Offloaded",
            resolved.offloaded_layers.map(|(n, of)| format!("{n} of {of} layers")).unwrap_or_default(),
        ),
        ("Flash attention", flash_attention(config.flash_attn, resolved.flash_attn)),
        ("Batch", format!("{} tokens, computed {} at a time", config.n_batch, config.n_ubatch)),
        ("KV cache", kv_cache(config)),
        ("Context", known(resolved.n_ctx.into(), format!("{} tokens", resolved.n_ctx))),
        ("Loading", loading(header)),
        ("Threads", threads(config)),
        ("Method", method(config)),
        ("Began", timing.started_at.clone()),
        ("Took", took(timing)),
        ("llama.cpp", llama_cpp(header)),
        ("Compiler", build.compiler.clone()),
        ("Build options", build.cmake_options.clone()),
        (
            "Load speed",
            match load.elapsed.as_secs_f64() {
                0.0 => String::new(),
                seconds => format!("{}/s", human::bytes((load.size_bytes as f64 / seconds) as u64)),
            },
        ),
    ];
    html! {
        h3 { "What was measured, and how" }
        dl {
            @for (name, value) in main.iter().filter(|(_, value)| !value.is_empty()) {
                dt { (name) }
                dd { (value) }
            }
            @for device in &host.devices {
                dt { "Device " (device.name) }
                dd { (describe(device)) }
            }
            @for (name, memory) in &resolved.memory {
                dt { "Memory on " (name) }
                dd {
                    (human::bytes(memory.model_bytes)) " weights, " (human::bytes(memory.context_bytes))
                    " context, " (human::bytes(memory.compute_bytes)) " computing"
                }
            }
        }
        details {
            summary { "The whole configuration" }
            dl {
                @for (name, value) in whole(config) {
                    dt { code { (name) } }
                    dd { (value) }
                }
            }
        }
    }
}

/// What llama.cpp says after architecture and size: `Q4_K - Medium` of `gpt-oss 20B Q4_K - Medium`.
fn quantisation(model: &ModelInfo) -> Option<String> {
    let rest = model.description.strip_prefix(&model.architecture)?.strip_prefix(' ')?;
    let (_size, rest) = rest.split_once(' ')?;
    // Some sizes have a name: `17B.16E (Scout)`.
    let rest = match rest.strip_prefix('(') {
        Some(named) => named.split_once(") ")?.1,
        None => rest,
    };
    (!model.architecture.is_empty()).then(|| rest.to_owned())
}

fn size(model: &ModelInfo) -> String {
    match (model.size_bytes, model.n_params) {
        (0, _) => String::new(),
        (bytes, 0) => human::bytes(bytes),
        (bytes, n) => {
            format!("{}, {:.2} bits per weight", human::bytes(bytes), bytes as f64 * 8.0 / n as f64)
        }
    }
}

fn flash_attention(asked: FlashAttnSetting, used: Option<bool>) -> String {
    let asked = match asked {
        FlashAttnSetting::Auto => "left to llama.cpp",
        FlashAttnSetting::Off => "off",
        FlashAttnSetting::On => "on",
    };
    match used {
        None => asked.to_owned(),
        Some(true) => format!("{asked}; used"),
        Some(false) => format!("{asked}; not used"),
    }
}

fn kv_cache(config: &Config) -> String {
    match (config.type_k.as_str(), config.type_v.as_str()) {
        ("", _) | (_, "") => String::new(),
        (k, v) if k == v => format!("{k}{}", if config.no_kv_offload { ", in host memory" } else { "" }),
        (k, v) => format!("K {k}, V {v}"),
    }
}

fn loading(header: &Header) -> String {
    let mode = match header.config.load_mode.as_str() {
        "" => String::new(),
        "none" => "none (copied, not mapped)".to_owned(),
        mode => mode.to_owned(),
    };
    match (mode, header.load.elapsed) {
        (mode, elapsed) if elapsed.is_zero() => mode,
        (mode, elapsed) if mode.is_empty() => format!("in {}", human::time(elapsed)),
        (mode, elapsed) => format!("{mode}, in {}", human::time(elapsed)),
    }
}

fn threads(config: &Config) -> String {
    match (config.n_threads, config.n_threads_batch) {
        (generation, prompt) if generation == prompt => generation.to_string(),
        (generation, prompt) => format!("{generation} for generation, {prompt} for prompts"),
    }
}

fn method(config: &Config) -> String {
    let method = match config.method {
        Method::FreshContext => "a fresh context for each test",
        Method::Rewind => "one context, rewound between repetitions",
    };
    let warmup = if config.warmup { "" } else { ", no warm-up" };
    format!("{method}{warmup}; {} repetitions asked for; seed {}", config.n_reps, config.seed)
}

fn took(timing: &Timing) -> String {
    let Timing { wall, fill, timed, warmup, .. } = *timing;
    if wall.is_zero() {
        return String::new();
    }
    let [wall, fill, timed, warmup] = [wall, fill, timed, warmup].map(human::time);
    format!("{wall}: {timed} in timed repetitions, {fill} filling contexts, {warmup} warming up")
}

fn llama_cpp(header: &Header) -> String {
    let build = &header.build;
    let number = if build.number == 0 { String::new() } else { format!("build {}", build.number) };
    let parts = [number, build.commit.clone(), build.version.clone(), build.source.clone()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn describe(device: &DeviceInfo) -> String {
    let DeviceInfo { description, kind, backend, memory_free_bytes, memory_total_bytes, .. } = device;
    let memory = match memory_total_bytes {
        0 => String::new(),
        total => format!("; {} of {} free", human::bytes(*memory_free_bytes), human::bytes(*total)),
    };
    format!("{description} ({kind}, {backend}){memory}")
}

/// Every field under its own name.
fn whole(config: &Config) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(config) else { return Vec::new() };
    let word = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, word(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantisation_follows_architecture_and_size() {
        let of = |architecture: &str, description: &str| {
            let (architecture, description) = (architecture.into(), description.into());
            quantisation(&ModelInfo { architecture, description, ..ModelInfo::default() })
        };
        assert_eq!(of("gpt-oss", "gpt-oss 20B Q4_K - Medium").as_deref(), Some("Q4_K - Medium"));
        assert_eq!(of("llama4", "llama4 17B.16E (Scout) Q8_0").as_deref(), Some("Q8_0"));
        assert_eq!(of("", "gpt-oss 20B Q4_K - Medium"), None);
        assert_eq!(of("llama", "something else"), None);
    }
}
