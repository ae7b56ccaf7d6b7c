//! What was measured, on what and how: the lines above a table.

use std::fmt;

use super::in_words::{bytes, bytes_per_second, count, duration, one_line, parameters, percent};
use crate::record::{
    Config, DeviceInfo, DeviceMemory, FlashAttnSetting, Header, Method, Order, Outcome, Run, Timing,
};

/// One line of a header. What is not known has no line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// What it is about, such as `Model`.
    pub label: &'static str,
    /// The value with its units, in one line, free of control characters.
    pub value: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.value)
    }
}

/// The facts about a run, in the order in which a reader asks for them.
pub fn header_facts(run: &Run) -> Vec<Fact> {
    let Header { build, host, model, config, resolved, load, timing } = &run.header;
    let mut facts = Facts::default();
    facts.join(
        "Model",
        [
            Some(model.description.clone()),
            (model.size_bytes > 0).then(|| bytes(model.size_bytes)),
            (model.n_params > 0).then(|| format!("{} parameters", parameters(model.n_params))),
            (model.n_layer > 0).then(|| count(model.n_layer as usize, "layer")),
        ],
    );
    facts.add("File", Some(model.filename.clone()));
    match host.devices.is_empty() {
        true => facts.add("GPU", Some(host.gpu_info.clone())),
        false => host.devices.iter().for_each(|it| facts.add("Device", Some(device(it)))),
    }
    facts.add("Driver", Some(host.driver.clone()));
    facts.add("CPU", Some(host.cpu_info.clone()));
    facts.join(
        "llama.cpp",
        [
            (build.number > 0).then(|| format!("build {}", build.number)),
            known(&build.commit).map(|commit| format!("commit {commit}")),
            known(&build.version),
            known(&host.backends).map(|backends| format!("backends {backends}")),
            known(&build.compiler),
        ],
    );
    facts.join("Flash attention", flash_attention(config.flash_attn, resolved.flash_attn));
    facts.join(
        "Batch",
        [
            (config.n_batch > 0).then(|| format!("{} tokens", config.n_batch)),
            (config.n_ubatch > 0).then(|| format!("{} at a time (ubatch)", config.n_ubatch)),
        ],
    );
    facts.add("KV cache", kv_cache(config).filter(|_| has_memory(run)));
    facts.join("Placement", placement(&run.header));
    facts.add("Threads", threads(config));
    facts.join(
        "Loading",
        [
            known(&config.load_mode).map(|mode| match mode.as_str() {
                "none" => "copied, not memory-mapped (mode none)".into(),
                mode => format!("mode {mode}"),
            }),
            (!load.elapsed.is_zero()).then(|| duration(load.elapsed)),
            bytes_per_second(load.size_bytes, load.elapsed),
        ],
    );
    for (name, memory) in resolved.memory.iter().filter(|(_, memory)| **memory != DeviceMemory::default()) {
        facts.add("Memory", Some(used(name, memory)));
    }
    facts.join("Method", method(run));
    facts.join(
        "Run",
        [
            known(&timing.started_at).or_else(|| run.cells.first().and_then(|cell| known(&cell.started_at))),
            (!timing.wall.is_zero()).then(|| spent(timing)),
            // Of what was loaded, filled and timed by somebody else too little is known.
            known(&timing.started_at)
                .and_then(|_| run.efficiency())
                .map(|share| format!("sweep efficiency {}", percent(share))),
        ],
    );
    facts.0
}

/// The same as text, one fact a line, the values under each other.
pub fn header_text(run: &Run) -> String {
    let facts = header_facts(run);
    let width = facts.iter().map(|fact| fact.label.chars().count()).max().unwrap_or(0) + 2;
    facts.iter().map(|fact| format!("{:<width$}{}\n", format!("{}:", fact.label), fact.value)).collect()
}

#[derive(Default)]
struct Facts(Vec<Fact>);

impl Facts {
    /// Adds a value that is known and not blank.
    fn add(&mut self, label: &'static str, value: Option<String>) {
        if let Some(value) = value.map(|value| one_line(&value)).filter(|value| !value.is_empty()) {
            self.0.push(Fact { label, value });
        }
    }

    fn join(&mut self, label: &'static str, parts: impl IntoIterator<Item = Option<String>>) {
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        self.add(label, Some(parts.join(", ")));
    }
}

fn known(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn device(device: &DeviceInfo) -> String {
    let mut text = match (device.name.is_empty(), device.description.is_empty()) {
        (false, false) => format!("{}, {}", device.name, device.description),
        _ => format!("{}{}", device.name, device.description),
    };
    if device.memory_total_bytes > 0 {
        let (free, total) = (bytes(device.memory_free_bytes), bytes(device.memory_total_bytes));
        text += &format!(", {total} of memory, {free} free before loading");
    }
    text
}

fn flash_attention(asked: FlashAttnSetting, used: Option<bool>) -> [Option<String>; 2] {
    let asked = match asked {
        FlashAttnSetting::Auto => "auto",
        FlashAttnSetting::Off => "off",
        FlashAttnSetting::On => "on",
    };
    let used = used.map(|used| if used { "used" } else { "not used" }.to_owned());
    [Some(format!("{asked} asked for")), used]
}

/// Whether the context may have kept anything: where llama.cpp told its memory, it says.
pub(super) fn has_memory(run: &Run) -> bool {
    let memory = &run.header.resolved.memory;
    memory.is_empty() || memory.values().any(|device| device.context_bytes > 0)
}

fn kv_cache(config: &Config) -> Option<String> {
    let types = match (known(&config.type_k)?, known(&config.type_v)?) {
        (k, v) if k == v => k,
        (k, v) => format!("{k} keys, {v} values"),
    };
    let place = if config.no_kv_offload { ", in host memory" } else { "" };
    let window = if config.swa_full { ", sliding windows kept whole" } else { "" };
    Some(format!("{types}{place}{window}"))
}

fn placement(Header { config, resolved, host, .. }: &Header) -> [Option<String>; 4] {
    let is_cpu_only = !host.devices.is_empty() && host.devices.iter().all(|device| device.kind == "cpu");
    let asked = if config.n_gpu_layers < 0 { "all".into() } else { config.n_gpu_layers.to_string() };
    let layers = match resolved.offloaded_layers {
        _ if is_cpu_only => "all layers on the CPU, there is no other device".into(),
        Some((n, of)) => format!("{n} of {of} layers on devices ({asked} asked for)"),
        None => format!("{asked} layers asked for on devices"),
    };
    let not_default = |text: &str, default: &str| known(text).filter(|text| text != default);
    [
        Some(layers),
        not_default(&config.split_mode, "layer").map(|mode| format!("split mode {mode}")),
        (config.n_cpu_moe > 0)
            .then(|| format!("experts of {} on the CPU", count(config.n_cpu_moe as usize, "layer"))),
        not_default(&config.tensor_buft_overrides, "none").map(|rules| format!("overrides {rules}")),
    ]
}

fn threads(config: &Config) -> Option<String> {
    match (config.n_threads, config.n_threads_batch) {
        (0, _) => None,
        (n, batch) if n == batch || batch == 0 => Some(n.to_string()),
        (n, batch) => Some(format!("{n}, {batch} for prompts")),
    }
}

fn used(name: &str, memory: &DeviceMemory) -> String {
    let DeviceMemory { model_bytes, context_bytes, compute_bytes } = *memory;
    let total = model_bytes.saturating_add(context_bytes).saturating_add(compute_bytes);
    let part = |n: u64, what: &str| (n > 0).then(|| format!("{} {what}", bytes(n)));
    let parts = [
        part(model_bytes, "weights"),
        part(context_bytes, "context"),
        part(compute_bytes, "compute buffers"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{name}, {} used: {}", bytes(total), parts.join(", "))
}

/// The whole time and where it went.
fn spent(timing: &Timing) -> String {
    let parts = [
        (timing.open, "making contexts"),
        (timing.fill, "filling"),
        (timing.rewind, "going back"),
        (timing.warmup, "warming up"),
        (timing.timed, "timed"),
    ];
    let known = parts.into_iter().filter(|(time, _)| !time.is_zero());
    let parts: Vec<String> = known.map(|(time, what)| format!("{} {what}", duration(time))).collect();
    match parts.is_empty() {
        true => format!("{} in all", duration(timing.wall)),
        false => format!("{} in all: {}", duration(timing.wall), parts.join(", ")),
    }
}

fn method(run: &Run) -> [Option<String>; 6] {
    let config = &run.header.config;
    let is_ours = !run.header.timing.started_at.is_empty();
    let how = match config.method {
        Method::FreshContext => "a fresh context for each test",
        Method::Rewind => "one context, rewound between repetitions",
    };
    let n_summarised = run.cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Summarised(_))).count();
    [
        Some(how.to_owned()),
        run.header.resolved.order.map(|order| {
            match order {
                Order::Auto => "order left open",
                Order::Rounds => "in rounds over all depths",
                Order::Blocks => "depth by depth",
            }
            .to_owned()
        }),
        repetitions(config),
        // Only files of this crate say so.
        is_ours.then(|| if config.warmup { "warmed up" } else { "not warmed up" }.to_owned()),
        is_ours.then(|| format!("seed {}", config.seed)),
        (n_summarised > 0).then(|| format!("{} known by mean only", count(n_summarised, "cell"))),
    ]
}

fn repetitions(config: &Config) -> Option<String> {
    match config.stopping {
        Some(rule) => {
            Some(format!("until ± {}, at most {}", percent(rule.target), count(rule.max, "repetition")))
        }
        None => (config.n_reps > 0).then(|| count(config.n_reps as usize, "repetition")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(header: Header) -> Run {
        Run { header, cells: Vec::new(), curve: Vec::new() }
    }

    #[test]
    fn what_is_not_known_has_no_line() {
        let labels: Vec<_> = header_facts(&run(Header::default())).iter().map(|fact| fact.label).collect();
        assert_eq!(labels, ["Flash attention", "Placement", "Method"]);
    }

    #[test]
    fn text_from_a_file_cannot_break_a_line() {
        let mut header = Header::default();
        header.model.description = "evil\nmodel\u{1b}[2J".into();
        let text = header_text(&run(header));
        assert!(text.starts_with("Model:           evil model [2J\n"), "{text}");
    }
}
