//! The schema of a profile.

use serde_json::{Value, json};

use super::schema::object;

/// Where the time goes.
pub(super) fn profile() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let unknown = || json!({ "type": ["integer", "null"], "minimum": 0 });
    let text = || json!({ "type": "string" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let kind = || json!({ "enum": ["attention", "mixer", "feed_forward", "experts", "output", "other"] });
    let block = object(&[
        ("kind", kind()),
        ("device", text()),
        ("layer", unknown()),
        ("n_stops", count()),
        ("traced_ns", count()),
        ("elapsed_ns", unknown()),
    ]);
    let copies =
        [("from", text()), ("to", text()), ("n", count()), ("bytes", count()), ("elapsed_ns", count())];
    let operation = object(&[
        ("block", kind()),
        ("op", text()),
        ("data_type", text()),
        ("device", text()),
        ("n", count()),
        ("traced_ns", count()),
        ("elapsed_ns", unknown()),
    ]);
    let operations = object(&[
        ("traced_ns", count()),
        ("n_stops", count()),
        ("stop_ns", count()),
        ("operations", list(operation)),
    ]);
    object(&[
        ("n_tokens", count()),
        ("plain_ns", list(count())),
        ("traced_ns", list(count())),
        ("n_stops", count()),
        ("stop_ns", count()),
        ("unexplained_ns", json!({ "type": "integer" })),
        ("outside_ns", count()),
        ("blocks", list(block)),
        ("copies", list(object(&copies))),
        ("operations", json!({ "anyOf": [operations, { "type": "null" }] })),
    ])
}
