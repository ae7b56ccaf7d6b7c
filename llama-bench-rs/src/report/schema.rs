//! The JSON Schema of the JSON that this crate writes, made from the table of fields.

use serde_json::{Map, Value, json};

use super::{FIELDS, Field, Flat, Kind, Origin};
use crate::record::SCHEMA_VERSION;

/// Fields of this crate that every row has had since the first version; those added later may be missing in a file.
const OWN_REQUIRED: [&str; 3] = ["schema_version", "run", "outcome"];

/// The JSON Schema (draft 2020-12) of [`Format::Json`](super::Format::Json): an array of rows. `$defs/row` is the
/// schema of one line of JSONL.
///
/// Each field has its type, its description, its unit (`x-unit`) and whose field it is (`x-origin`). Fields that the
/// schema does not name are allowed: a later version may add some without a new schema version.
pub fn json_schema() -> Value {
    let defaults = Flat::default().to_map().unwrap_or_default();
    let properties = FIELDS.iter().map(|field| (field.name.to_owned(), property(field, &defaults)));
    let required: Vec<&str> = FIELDS
        .iter()
        .filter(|field| field.origin != Origin::Own || OWN_REQUIRED.contains(&field.name))
        .map(|field| field.name)
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:llama-bench-rs:report:v{SCHEMA_VERSION}"),
        "title": format!("Report of llama-bench-rs, version {SCHEMA_VERSION}"),
        "description": "One row per test and depth, with llama-bench's fields first. Times are in nanoseconds, sizes \
            in bytes, counts in tokens or layers; what is unknown or undefined is null.",
        "type": "array",
        "items": { "$ref": "#/$defs/row" },
        "$defs": {
            "row": {
                "type": "object",
                "properties": Value::Object(properties.collect()),
                "required": required,
                "allOf": [
                    when("measured", json!({
                        "avg_ns": { "type": "integer" },
                        "samples_ns": { "minItems": 1 },
                    })),
                    when("summarised", json!({ "avg_ns": { "type": "integer" } })),
                    when("failed", json!({
                        "avg_ns": { "type": "null" },
                        "avg_ts": { "type": "null" },
                        "error_kind": { "type": "string", "minLength": 1 },
                        "error_message": { "type": "string" },
                    })),
                ],
            },
            "nanoseconds": { "type": "integer", "minimum": 0 },
        },
    })
}

/// What must hold besides in a row with this outcome.
fn when(outcome: &str, properties: Value) -> Value {
    json!({
        "if": { "properties": { "outcome": { "const": outcome } } },
        "then": { "properties": properties },
    })
}

fn property(field: &Field, defaults: &Map<String, Value>) -> Value {
    let description = description(field);
    let mut schema = match field.kind {
        _ if field.name == "schema_version" => json!({ "const": SCHEMA_VERSION }),
        _ if field.name == "outcome" => json!({ "enum": ["measured", "summarised", "failed"] }),
        _ if field.name == "n_parallel" => json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Int => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
        Kind::Wide => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Float => json!({ "type": "number" }),
        Kind::Nested => nested(field.name),
    };
    // A field is optional if its default is none.
    let is_optional = defaults.get(field.name).is_some_and(Value::is_null);
    if let (true, Some(kind)) = (is_optional, schema.get_mut("type")) {
        *kind = json!([kind.take(), "null"]);
    }
    if let Value::Object(schema) = &mut schema {
        if let Some(unit) = field.unit {
            schema.insert("x-unit".into(), unit.into());
        }
        schema.insert("description".into(), description.into());
        let origin = match field.origin {
            Origin::LlamaBench => "llama-bench",
            Origin::LlamaBenchJson => "llama-bench, in JSON and JSONL",
            Origin::Own => "llama-bench-rs",
        };
        schema.insert("x-origin".into(), origin.into());
    }
    schema
}

/// The schema of the nested fields; anything for one that is not listed here.
fn nested(name: &str) -> Value {
    let ns = || json!({ "$ref": "#/$defs/nanoseconds" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let list = |items: Value| json!({ "type": "array", "items": items });
    match name {
        "samples_ns" | "samples_at_ns" | "samples_utc_ns" => list(ns()),
        "samples_energy" => list(list(counted())),
        "metering" => metering(),
        "cell_work" => cell_work(),
        "profile" => super::schema_profile::profile(),
        "ceilings" => list(ceilings()),
        "samples_pace_ns" => list(json!({ "type": ["integer", "null"], "minimum": 0 })),
        "samples_ts" => list(json!({ "type": ["number", "null"], "exclusiveMinimum": 0 })),
        "steps_ns" => list(list(ns())),
        "samples_disturbance" => list(json!({ "anyOf": [disturbance(), { "type": "null" }] })),
        "set_aside" => list(sample()),
        "live" => sample(),
        "placement" => {
            let names = ["anonymous", "anon_huge_pages", "file_mapped", "file_pmd_mapped", "locked"];
            object(&names.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 }))))
        }
        "numa_nodes" => {
            let known = [("node", count()), ("cpus", json!({ "type": "string" }))];
            let names =
                ["memory_total_bytes", "memory_free_bytes", "n_threads", "process_bytes", "model_bytes"];
            let maybe = names.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 })));
            list(object(&[&known[..], &maybe[..]].concat()))
        }
        "curve" => {
            let warmup = json!({ "type": "boolean" });
            list(object(&[("n_depth", count()), ("n_tokens", count()), ("ns", ns()), ("warmup", warmup)]))
        }
        "memory" => {
            let bytes = ["model_bytes", "context_bytes", "compute_bytes"].map(|name| (name, count()));
            json!({ "type": "object", "additionalProperties": object(&bytes) })
        }
        "work" => {
            let text = || json!({ "type": "string" });
            let kind = json!({ "enum": ["prompt", "generation", "embedding"] });
            let weights = json!({ "type": ["string", "null"] });
            let node =
                [("op", text()), ("type", text()), ("device", text()), ("weights", weights), ("n", count())];
            let mut copy = object(&[("from", text()), ("to", text()), ("n", count())]);
            // Only if known.
            copy["properties"]["bytes"] = count();
            let parts = [("nodes", list(object(&node))), ("copies", list(copy.clone()))];
            let mut work = object(
                &[&[("kind", kind), ("n_tokens", count()), ("n_splits", count())], &parts[..]].concat(),
            );
            // Only if a device has them.
            work["properties"]["results"] = list(copy);
            // Only if there are some.
            let names = ["name", "op", "device", "layer_device"].map(|name| (name, text()));
            let counts = ["layer", "weight_bytes", "crossed_bytes"].map(|name| (name, count()));
            let unknown = || json!({ "type": ["string", "null"] });
            let of_weights = ["weights", "weights_at"].map(|name| (name, unknown()));
            work["properties"]["strays"] = list(object(&[&names[..], &counts[..], &of_weights[..]].concat()));
            work
        }
        "device_list" => {
            let text = ["name", "description", "kind", "backend"];
            let text = text.map(|name| (name, json!({ "type": "string" })));
            let bytes = ["memory_free_bytes", "memory_total_bytes"].map(|name| (name, count()));
            let mut device = object(&[&text[..], &bytes[..]].concat());
            // Only if known.
            for name in ["memory_bus_bits", "memory_clock_max_mhz", "power_limit_mw"] {
                device["properties"][name] = count();
            }
            for name in ["pci_bus_id", "compute_capability"] {
                device["properties"][name] = json!({ "type": "string" });
            }
            device["properties"]["integrated"] = json!({ "type": "boolean" });
            // Only of a device on another machine.
            device["properties"]["server"] = json!({ "type": "string" });
            list(device)
        }
        "links" => {
            let numbers = [
                "n_round_trips",
                "round_trip_ns",
                "round_trip_p10_ns",
                "round_trip_p90_ns",
                "block_bytes",
                "send_ns",
                "receive_ns",
            ];
            let numbers = numbers.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 })));
            list(object(&[&[("server", json!({ "type": "string" }))], &numbers[..]].concat()))
        }
        "backend_features" => {
            let values = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            json!({ "type": "object", "additionalProperties": values })
        }
        "cpu_features" => list(json!({ "type": "string" })),
        "conditions" => list(gpu_conditions()),
        "stopping" => {
            let part = || json!({ "type": "number", "exclusiveMinimum": 0 });
            let time = object(&[("secs", count()), ("nanos", count())]);
            let budget = json!({ "anyOf": [time, { "type": "null" }] });
            let parts = [("target", part()), ("confidence", part()), ("budget", budget)];
            object(&[&[("min", count()), ("max", count())], &parts[..]].concat())
        }
        // Every nested field has an arm; a test finds one that has none.
        _ => Value::Bool(true),
    }
}

/// A repetition on its own.
fn sample() -> Value {
    let ns = || json!({ "$ref": "#/$defs/nanoseconds" });
    let steps = json!({ "type": "array", "items": ns() });
    let mut sample = object(&[("ns", ns()), ("steps_ns", steps), ("at_ns", ns())]);
    // Only if known.
    sample["properties"]["pace_ns"] = ns();
    sample["properties"]["disturbance"] = disturbance();
    sample["properties"]["utc_ns"] = ns();
    sample["properties"]["energy"] = json!({ "type": "array", "items": counted() });
    sample
}

/// What a counter of energy showed around a repetition.
fn counted() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let known = ["gap_ns", "prior_uj", "prior_ns"];
    let known = known.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 })));
    let own = [("meter", json!({ "type": "string" })), ("uj", count()), ("ns", count())];
    object(&[&own[..], &known[..]].concat())
}

/// The counters of energy of a run.
fn metering() -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let known = || json!({ "type": ["integer", "null"], "minimum": 0 });
    let text = ["name", "source"].map(|name| (name, json!({ "type": "string" })));
    let counts = ["update_ns", "read_ns", "idle_uw", "idle_ns", "limit_uw"].map(|name| (name, known()));
    let rest = [
        ("domain", json!({ "enum": ["gpu", "package", "dram"] })),
        ("is_counted", json!({ "type": "boolean" })),
    ];
    let meter = object(&[&text[..], &rest[..], &counts[..]].concat());
    let meters = json!({ "type": "array", "items": meter });
    object(&[
        ("meters", meters),
        ("unmetered", texts()),
        ("unreadable", texts()),
        ("took_ns", known()),
        ("counters_read_ns", known()),
    ])
}

/// What a GPU did.
fn gpu_conditions() -> Value {
    let counts =
        ["sm_clock_min_mhz", "sm_clock_max_mhz", "sm_clock_limit_mhz", "temperature_max_c", "power_max_mw"];
    let counts = counts.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 })));
    let text = || json!({ "type": "string" });
    let mut gpu = object(
        &[&[("name", text()), ("throttled", json!({ "type": "array", "items": text() }))], &counts[..]]
            .concat(),
    );
    // Missing in older files.
    let later = [
        "utilization_max_percent",
        "memory_utilization_max_percent",
        "watched_ns",
        "pcie_tx_bytes",
        "pcie_rx_bytes",
    ];
    for name in later {
        gpu["properties"][name] = json!({ "type": ["integer", "null"], "minimum": 0 });
    }
    gpu["properties"]["device"] = text();
    gpu["properties"]["throttled_ns"] =
        json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } });
    gpu
}

/// What a repetition computes and moves.
fn cell_work() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let text = || json!({ "type": "string" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let product = object(&[("op", text()), ("data_type", text()), ("n", count()), ("flops", count())]);
    let bytes = [
        "weight_bytes",
        "kv_read_bytes",
        "kv_write_bytes",
        "state_bytes",
        "activation_bytes",
        "copied_bytes",
    ];
    let bytes = bytes.map(|name| (name, count()));
    let device = object(&[&[("device", text()), ("products", list(product))], &bytes[..]].concat());
    let uncounted = json!({ "type": "object", "additionalProperties": count() });
    object(&[("n_graphs", count()), ("devices", list(device)), ("uncounted", uncounted)])
}

/// The ceilings of a device.
fn ceilings() -> Value {
    let text = || json!({ "type": "string" });
    let rate = || json!({ "type": "number", "minimum": 0 });
    let rate = object(&[
        ("kind", json!({ "enum": ["copy", "read", "product"] })),
        ("data_type", text()),
        ("n_columns", json!({ "type": ["integer", "null"], "minimum": 1 })),
        ("matrix_bytes", json!({ "type": ["integer", "null"], "minimum": 1 })),
        ("per_second", rate()),
        ("lower", rate()),
        ("upper", rate()),
        ("n", json!({ "type": "integer", "minimum": 1 })),
        ("disturbed", json!({ "type": ["boolean", "null"] })),
    ]);
    object(&[
        ("device", text()),
        ("n_threads", json!({ "type": ["integer", "null"], "minimum": 1 })),
        ("measured_at", text()),
        ("rates", json!({ "type": "array", "items": rate })),
        ("conditions", json!({ "anyOf": [gpu_conditions(), { "type": "null" }] })),
    ])
}

/// What other programs took from a repetition.
fn disturbance() -> Value {
    let names = [
        "n_threads",
        "on_core_ns",
        "waited_ns",
        "n_preempted",
        "stolen_ns",
        "pressure_ns",
        "n_instructions",
        "pace_on_core_ns",
    ];
    object(&names.map(|name| (name, json!({ "type": ["integer", "null"], "minimum": 0 }))))
}

pub(super) fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

/// The documentation of a field, in words of JSON.
fn description(field: &Field) -> String {
    field
        .doc
        .trim()
        .replace("`None`", "null")
        .replace("[the module](crate::report#failed-cells)", "the documentation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties() -> Map<String, Value> {
        json_schema()["$defs"]["row"]["properties"].as_object().unwrap().clone()
    }

    #[test]
    fn every_field_has_a_type_and_a_description() {
        let properties = properties();
        assert_eq!(properties.len(), FIELDS.len());
        for field in FIELDS {
            assert!(!description(field).contains("crate::"), "{}: a link of rustdoc", field.name);
            let property = &properties[field.name];
            assert!(["type", "const", "enum"].iter().any(|key| property.get(key).is_some()), "{property}");
            let description = property["description"].as_str().unwrap();
            assert!(description.len() > 5 && description.ends_with('.'), "{}: {description:?}", field.name);
        }
    }

    #[test]
    fn units_are_told() {
        let properties = properties();
        let unit = |name: &str| properties[name].get("x-unit").and_then(Value::as_str);
        assert_eq!(unit("avg_ns"), Some("ns"));
        assert_eq!(unit("avg_ts"), Some("tokens per second"));
        assert_eq!(unit("model_size"), Some("bytes"));
        assert_eq!(unit("n_depth"), Some("tokens"));
        assert_eq!(unit("n_threads"), Some("threads"));
        assert_eq!(unit("n_gpu_layers"), Some("layers"));
        assert_eq!(unit("fit_target"), Some("MiB"));
        for Field { name, unit, .. } in FIELDS {
            let of_name = [("_ns", "ns"), ("_ts", "tokens per second"), ("_mib", "MiB")];
            if let Some((_, of_name)) = of_name.iter().find(|(end, _)| name.ends_with(end)) {
                assert_eq!(*unit, Some(*of_name), "{name}");
            }
        }
        assert_eq!((unit("poll"), unit("seed"), unit("model_type")), (None, None, None));
    }

    #[test]
    fn what_may_be_unknown_may_be_null() {
        let properties = properties();
        assert_eq!(properties["avg_ns"]["type"], json!(["integer", "null"]));
        assert_eq!(properties["n_batch"]["type"], json!(["integer", "null"]));
        assert_eq!(properties["n_prompt"]["type"], json!("integer"));
        assert_eq!(properties["live"]["type"], json!(["object", "null"]));
        assert_eq!(properties["memory"]["additionalProperties"]["type"], json!("object"));
    }
}
