//! Operations of single repetitions in Chrome's trace format, which <https://ui.perfetto.dev> opens.
//!
//! ```no_run
//! use llama_bench_rs::{
//!     bench::{Event, Profiling, Sweep},
//!     llama::Model,
//!     report::ChromeTrace,
//! };
//!
//! let model = Model::load("model.gguf")?;
//! let mut trace = ChromeTrace::new();
//! let mut observer = |event: &Event<'_>| {
//!     if let Event::Traced { test, stops } = event {
//!         trace.add(&test.to_string(), stops);
//!     }
//! };
//! let profiling = Profiling { trace: true, ..Profiling::default() };
//! Sweep::new(&model).generate(16).profile(profiling).observer(&mut observer).run()?;
//! std::fs::write("trace.json", trace.to_json())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use serde_json::{Value, json};

use super::profiles::block_name;
use crate::llama::Stop;

/// A trace of one or more repetitions: each is a process of the trace, with a thread for each device.
#[derive(Clone, Debug, Default)]
pub struct ChromeTrace {
    events: Vec<Value>,
    n_repetitions: usize,
}

impl ChromeTrace {
    /// A trace of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a repetition under this name, with an event for each of its stops.
    pub fn add(&mut self, name: &str, stops: &[Stop]) {
        let pid = self.n_repetitions;
        self.n_repetitions += 1;
        self.metadata("process_name", pid, 0, name);
        let mut devices: Vec<&str> = Vec::new();
        let start = stops.first().map_or(Duration::ZERO, |stop| stop.begun);
        let us = |time: Duration| time.saturating_sub(start).as_nanos() as f64 / 1e3;
        let mut before: Option<&Stop> = None;
        for stop in stops {
            let tid = devices.iter().position(|device| *device == stop.device).unwrap_or_else(|| {
                devices.push(&stop.device);
                devices.len() - 1
            });
            let before = before.replace(stop);
            if let (Some(source), Some(before)) = (&stop.source, before) {
                self.events.push(json!({
                    "name": format!("copy from {source}"),
                    "cat": "copy",
                    "ph": "X",
                    "ts": us(before.ended),
                    "dur": us(stop.begun) - us(before.ended),
                    "pid": pid,
                    "tid": tid,
                    "args": { "bytes": stop.copied_bytes },
                }));
            }
            self.events.push(json!({
                "name": format!("{} {}", stop.op, stop.name),
                "cat": block_name(stop.block),
                "ph": "X",
                "ts": us(stop.begun),
                "dur": us(stop.ended) - us(stop.begun),
                "pid": pid,
                "tid": tid,
                "args": {
                    "layer": stop.layer,
                    "block": block_name(stop.block),
                    "op": stop.op,
                    "type": stop.data_type,
                    "weights": stop.weights,
                    "bytes": stop.bytes,
                },
            }));
        }
        for (tid, device) in devices.iter().enumerate() {
            self.metadata("thread_name", pid, tid, device);
        }
    }

    fn metadata(&mut self, what: &str, pid: usize, tid: usize, name: &str) {
        self.events
            .push(json!({ "name": what, "ph": "M", "pid": pid, "tid": tid, "args": { "name": name } }));
    }

    /// The whole as JSON.
    pub fn to_json(&self) -> String {
        json!({ "displayTimeUnit": "ns", "traceEvents": self.events }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(device: &str, begun: u64, ended: u64, source: Option<&str>) -> Stop {
        Stop {
            name: "ffn_out-3".into(),
            op: "MUL_MAT".into(),
            device: device.into(),
            source: source.map(Into::into),
            layer: Some(3),
            bytes: 640,
            copied_bytes: 64,
            begun: Duration::from_nanos(begun),
            ended: Duration::from_nanos(ended),
            ..Stop::default()
        }
    }

    #[test]
    fn each_device_has_a_track_and_a_copy_lies_before_what_reads_it() {
        let mut trace = ChromeTrace::new();
        trace.add("pp8", &[stop("GPU", 5_000, 7_000, None), stop("CPU", 8_500, 9_000, Some("GPU"))]);
        let read: Value = serde_json::from_str(&trace.to_json()).unwrap();
        let events = read["traceEvents"].as_array().unwrap();
        let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
        let place = |i: usize| (spans[i]["ts"].as_f64(), spans[i]["dur"].as_f64(), spans[i]["tid"].as_u64());
        assert_eq!(place(0), (Some(0.0), Some(2.0), Some(0)));
        assert_eq!(
            (spans[1]["name"].as_str(), place(1)),
            (Some("copy from GPU"), (Some(2.0), Some(1.5), Some(1)))
        );
        assert_eq!(place(2), (Some(3.5), Some(0.5), Some(1)));
        assert_eq!(spans[2]["args"]["layer"], 3);
        let names: Vec<_> =
            events.iter().filter(|it| it["ph"] == "M").map(|it| &it["args"]["name"]).collect();
        assert_eq!(names, ["pp8", "GPU", "CPU"]);
    }

    #[test]
    fn a_second_repetition_is_a_process_of_its_own() {
        let mut trace = ChromeTrace::new();
        trace.add("pp8", &[stop("CPU", 0, 1, None)]);
        trace.add("tg4", &[stop("CPU", 100, 101, None)]);
        let pids = |event: &Value| event["pid"].as_u64().unwrap();
        assert_eq!(trace.events.iter().map(pids).max(), Some(1));
    }
}
