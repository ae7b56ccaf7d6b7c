//! What was measured, on what and how: the lines above a table.

use std::{fmt, time::Duration};

use super::in_words::{
    bytes, bytes_per_second, count, duration, one_line, parameters, percent, synthetic_name, told,
};
use crate::record::{
    Config, DeviceInfo, DeviceMemory, FlashAttnSetting, Header, Link, Meter, Method, Order, OrderReason,
    Outcome, Run, Timing, WeightSource,
    parameters::{Parameter, Shown, in_reading_order},
};
use crate::units::words::digits;

/// One line of a header. Unknown facts have no line.
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

/// The facts about a run, the most asked for first.
pub fn header_facts(run: &Run) -> Vec<Fact> {
    let Header { build, host, model, config, resolved, load, numa, timing, .. } = &run.header;
    let mut facts = Facts::default();
    facts.join(
        "Model",
        [
            Some(model.description.clone()),
            told(model.size_bytes).map(bytes),
            told(model.n_params).map(|n| format!("{} parameters", parameters(n))),
            told(model.n_layer).map(|n| count(n as usize, "layer")),
        ],
    );
    if load.source == Some(WeightSource::Stream) {
        facts.add("Synthetic model", Some(synthetic_name(&model.filename)));
    } else {
        facts.add("File", Some(model.filename.clone()));
    }
    facts.add("Shape of", known(&model.like));
    if host.devices.is_empty() {
        facts.add("GPU", Some(host.gpu_info.clone()));
    }
    host.devices.iter().for_each(|it| facts.add("Device", Some(device(it))));
    run.header.links.iter().for_each(|it| facts.add("Link", Some(link_words(it))));
    facts.add("Driver", Some(host.driver.clone()));
    facts.add("CPU", Some(host.cpu_info.clone()));
    facts.join(
        "llama.cpp",
        [
            told(build.number).map(|number| format!("build {number}")),
            known(&build.commit).map(|commit| format!("commit {commit}")),
            known(&build.version),
            known(&host.backends).map(|backends| format!("backends {backends}")),
            known(&build.compiler),
        ],
    );
    facts.join("Flash attention", flash_attention(config.flash_attn, resolved.flash_attn));
    facts.tell("Batch", config, []);
    if has_memory(run) {
        facts.tell("KV cache", config, [kv_types(config), room(&run.header)]);
    }
    facts.tell("Placement", config, placement(&run.header));
    facts.tell("Threads", config, [threads(config)]);
    if numa.len() > 1 {
        numa.iter().for_each(|node| facts.add("Memory node", Some(node.to_string())));
    }
    facts.tell(
        "Loading",
        config,
        [
            known(&config.load_mode).map(|mode| match mode.as_str() {
                "none" => "copied, not memory-mapped (mode none)".into(),
                mode => format!("mode {mode}"),
            }),
            load.source.filter(|source| *source == WeightSource::Stream).map(|_| "generated, no file".into()),
            told(load.elapsed).map(duration),
            load.size_bytes.zip(load.elapsed).and_then(|(bytes, time)| bytes_per_second(bytes, time)),
        ],
    );
    for (name, memory) in resolved.memory.iter().filter(|(_, memory)| **memory != DeviceMemory::default()) {
        facts.add("Memory", Some(used(name, memory)));
    }
    if let Some(metering) = &run.header.metering {
        metering.meters.iter().for_each(|it| facts.add("Energy", Some(meter(it))));
        metering.unreadable.iter().for_each(|it| facts.add("Energy", Some(format!("not read: {it}"))));
    }
    facts.tell("Method", config, method(run));
    facts.join("Settings", in_reading_order().map(|parameter| by_name(parameter, config)));
    facts.join(
        "Run",
        [
            known(&timing.started_at).or_else(|| run.cells.first().and_then(|cell| known(&cell.started_at))),
            told(timing.wall).map(|wall| spent(wall, timing)),
            // Files of other tools lack these facts.
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

    /// Adds a line of these parts, and of the parameters that the table assigns to it.
    fn tell(
        &mut self,
        label: &'static str,
        config: &Config,
        parts: impl IntoIterator<Item = Option<String>>,
    ) {
        let of_table = in_reading_order().map(|parameter| in_line(parameter, config, label));
        self.join(label, parts.into_iter().chain(of_table));
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
    if let Some(capability) = &device.compute_capability {
        text += &format!(", SM {capability}");
    }
    text += match device.integrated {
        Some(true) => ", integrated",
        Some(false) => ", discrete",
        None => "",
    };
    if let Some(total) = told(device.memory_total_bytes) {
        text += &format!(", {} of memory", bytes(total));
        if let Some(free) = device.memory_free_bytes {
            text += &format!(", {} free before loading", bytes(free));
        }
    }
    if let Some(bits) = told(device.memory_bus_bits) {
        text += &format!(", a memory bus of {bits} bits");
    }
    if let Some(bandwidth) = device.memory_bandwidth() {
        text += &format!(", {} GB/s at most", digits(bandwidth as f64 / 1e9, 4));
    }
    if let Some(mw) = told(device.power_limit_mw) {
        text += &format!(", at most {} W", digits(f64::from(mw) / 1e3, 3));
    }
    text
}

/// `CUDA0, by nvml, updated every 100 ms, read in 0.2 ms, 112 W idle with the model loaded`.
fn meter(meter: &Meter) -> String {
    let time = |ns: Option<u64>| told(ns).map(|ns| duration(Duration::from_nanos(ns)));
    let mut text = format!("{}, by {}", meter.name, meter.source);
    if let Some(update) = time(meter.update_ns) {
        text += &format!(", updated at least every {update}");
    }
    if let Some(read) = time(meter.read_ns) {
        text += &format!(", read in {read}");
    }
    if let Some(uw) = meter.idle_uw {
        text += &format!(", {} W idle with the model loaded", digits(uw as f64 / 1e6, 3));
    }
    if !meter.is_counted {
        text += ", not in the figures";
    }
    text
}

/// The way to a server.
pub fn link_words(link: &Link) -> String {
    let mut parts = vec![link.server.clone()];
    let times = (link.round_trip_ns, link.round_trip_p10_ns, link.round_trip_p90_ns, link.n_round_trips);
    if let (Some(median), Some(low), Some(high), Some(n)) = times {
        let [median, low, high] = [median, low, high].map(|ns| duration(Duration::from_nanos(ns)));
        parts.push(format!("a round trip takes {median} (median of {n}; 80 % take {low} to {high})"));
    }
    if let Some(size) = link.block_bytes {
        let rate = |rate: Option<f64>| rate.map(|rate| format!("{}/s", bytes(rate as u64)));
        let ways = [(rate(link.send_rate()), "there"), (rate(link.receive_rate()), "back")];
        let ways: Vec<String> =
            ways.into_iter().filter_map(|(rate, way)| Some(format!("{} {way}", rate?))).collect();
        if !ways.is_empty() {
            parts.push(format!("{} ({} at once)", ways.join(" and "), bytes(size)));
        }
    }
    parts.join(", ")
}

fn flash_attention(asked: Option<FlashAttnSetting>, used: Option<bool>) -> [Option<String>; 2] {
    let asked = asked.map(|asked| match asked {
        FlashAttnSetting::Auto => "auto",
        FlashAttnSetting::Off => "off",
        FlashAttnSetting::On => "on",
    });
    let used = used.map(|used| if used { "used" } else { "not used" }.to_owned());
    [asked.map(|asked| format!("{asked} asked for")), used]
}

/// Whether the context may have kept anything. Known if llama.cpp reported its memory.
pub(super) fn has_memory(run: &Run) -> bool {
    let memory = &run.header.resolved.memory;
    memory.is_empty() || memory.values().any(|device| device.context_bytes > 0)
}

/// The words of a parameter in this line.
fn in_line(parameter: &Parameter, config: &Config, label: &str) -> Option<String> {
    let (line, words) = match parameter.shown {
        Shown::Always(line, words) => (line, words),
        Shown::Changed(line, words) if !parameter.is_default(config) => (line, words),
        Shown::Changed(..) | Shown::ByName | Shown::InCode => return None,
    };
    (line == label).then(|| Some(words.replace("{}", &parameter.word(config)?)))?
}

/// `name value`, if no line has words for the parameter and it is not the default.
fn by_name(parameter: &Parameter, config: &Config) -> Option<String> {
    let is_told = parameter.shown == Shown::ByName && !parameter.is_default(config);
    is_told.then(|| Some(format!("{} {}", parameter.name, parameter.word(config)?)))?
}

fn kv_types(config: &Config) -> Option<String> {
    match (known(&config.type_k), known(&config.type_v)) {
        (Some(k), Some(v)) if k == v => Some(k),
        (k, v) => {
            let parts = [k.map(|k| format!("{k} keys")), v.map(|v| format!("{v} values"))];
            Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", ")).filter(|types| !types.is_empty())
        }
    }
}

/// As many sequences as the context could hold apart, if the tests needed more than were asked for.
fn room(Header { config, resolved, .. }: &Header) -> Option<String> {
    let asked = config.n_seq_max.unwrap_or(1);
    let n_seq_max = resolved.n_seq_max.filter(|&n| n > asked)?;
    Some(format!("room for {}", count(n_seq_max, "sequence")))
}

fn placement(Header { config, resolved, host, .. }: &Header) -> [Option<String>; 2] {
    let is_cpu_only = !host.devices.is_empty() && host.devices.iter().all(DeviceInfo::is_processor);
    let asked = config.n_gpu_layers.map(|n| if n < 0 { "all".into() } else { n.to_string() });
    let layers = match (resolved.offloaded_layers, asked) {
        _ if is_cpu_only => Some("all layers on the CPU, there is no other device".into()),
        (Some((n, of)), Some(asked)) => Some(format!("{n} of {of} layers on devices ({asked} asked for)")),
        (Some((n, of)), None) => Some(format!("{n} of {of} layers on devices")),
        (None, asked) => asked.map(|asked| format!("{asked} layers asked for on devices")),
    };
    let experts = told(config.n_cpu_moe).map(|n| count(n as usize, "layer"));
    [layers, experts.map(|layers| format!("experts of {layers} on the CPU"))]
}

fn threads(config: &Config) -> Option<String> {
    match (told(config.n_threads), told(config.n_threads_batch)) {
        (None, None) => None,
        (Some(n), batch) if batch.is_none_or(|batch| batch == n) => Some(n.to_string()),
        (Some(n), Some(batch)) => Some(format!("{n}, {batch} for prompts")),
        (_, batch) => batch.map(|batch| format!("{batch} for prompts")),
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

/// The whole time and its parts.
fn spent(wall: Duration, timing: &Timing) -> String {
    let parts = [
        (timing.open, "making contexts"),
        (timing.fill, "filling"),
        (timing.rewind, "going back"),
        (timing.warmup, "warming up"),
        (timing.timed, "timed"),
    ];
    let known = parts.into_iter().filter_map(|(time, what)| Some((told(time)?, what)));
    let parts: Vec<String> = known.map(|(time, what)| format!("{} {what}", duration(time))).collect();
    if parts.is_empty() {
        return format!("{} in all", duration(wall));
    }
    format!("{} in all: {}", duration(wall), parts.join(", "))
}

fn method(run: &Run) -> [Option<String>; 5] {
    let config = &run.header.config;
    let how = config.method.map(|method| match method {
        Method::FreshContext => "a fresh context for each test",
        Method::Rewind => "one context, rewound between repetitions",
    });
    let n_summarised = run.cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Summarised(_))).count();
    [
        how.map(str::to_owned),
        run.header.resolved.order.map(|order| {
            let order = match order {
                Order::Auto => "order left open",
                Order::Rounds => "interleaved over all depths",
                Order::Blocks => "per depth",
                Order::Interleaved => "per depth, interleaved with other configurations",
            };
            let is_told = |reason| {
                matches!(reason, OrderReason::Costly | OrderReason::NoSnapshot | OrderReason::OneDepth)
            };
            match run.header.timing.order_choice.filter(|choice| is_told(choice.reason)) {
                Some(choice) => format!("{order} ({choice})"),
                None => order.to_owned(),
            }
        }),
        repetitions(config),
        config.warmup.map(|is_warm| if is_warm { "warmed up" } else { "not warmed up" }.to_owned()),
        (n_summarised > 0).then(|| format!("{} known by mean only", count(n_summarised, "cell"))),
    ]
}

fn repetitions(config: &Config) -> Option<String> {
    match config.stopping {
        Some(rule) => {
            Some(format!("until ± {}, at most {}", percent(rule.target), count(rule.max, "repetition")))
        }
        None => told(config.n_reps).map(|n| count(n as usize, "repetition")),
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
        assert_eq!(labels, [] as [&str; 0]);
    }

    #[test]
    fn the_room_for_several_sequences_is_a_fact() {
        let line = |n_seq_max: Option<u32>, asked: Option<u32>| {
            let mut header = Header::default();
            header.config.n_seq_max = asked;
            header.resolved.n_seq_max = n_seq_max;
            let facts = header_facts(&run(header));
            facts.into_iter().find(|fact| fact.label == "KV cache").map(|fact| fact.value)
        };
        assert_eq!(line(Some(16), Some(1)).as_deref(), Some("room for 16 sequences"));
        assert_eq!(line(Some(16), Some(4)).as_deref(), Some("room for 16 sequences, 4 sequences"));
        assert_eq!([line(Some(1), None), line(None, Some(1))], [None, None]);
    }

    #[test]
    fn text_from_a_file_cannot_break_a_line() {
        let mut header = Header::default();
        header.model.description = "evil\nmodel\u{1b}[2J".into();
        let text = header_text(&run(header));
        assert!(text.starts_with("Model: evil model [2J\n"), "{text}");
    }
}
