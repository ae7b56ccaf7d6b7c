//! The schema in `docs/schema` is the library's, and a report of any kind obeys it.

mod report_support;

use std::{fs, path::PathBuf};

use llama_bench_rs::{
    record::{Report, SCHEMA_VERSION},
    report::{self, Format, json_schema},
};
use report_support::{assorted, reference};
use serde_json::Value;

fn json(report: &Report) -> Value {
    serde_json::from_str(&report::to_string(report, Format::Json).unwrap()).unwrap()
}

/// The places of a JSON document that break the schema.
fn errors(document: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_itself_is_one() {
    jsonschema::draft202012::meta::validate(&json_schema()).unwrap();
}

#[test]
fn the_file_in_docs_is_this_schema() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../docs/schema/report-v{SCHEMA_VERSION}.schema.json"));
    let expected = format!("{:#}\n", json_schema());
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is out of date; renew it from the root of the repository: cargo run --example report -- --json-schema > \
         docs/schema/report-v{SCHEMA_VERSION}.schema.json",
        path.display()
    );
}

#[test]
fn reports_obey_the_schema() {
    for report in [reference(), assorted(), Report::default()] {
        assert_eq!(errors(&json(&report)), Vec::<String>::new());
    }
}

#[test]
fn damage_is_found() {
    let damage: [(&str, Value); 8] = [
        ("avg_ns", "551 ms".into()),
        ("n_depth", 0.5.into()),
        ("samples_ns", serde_json::json!([1, -1])),
        ("samples_ns", serde_json::json!([])),
        ("schema_version", (SCHEMA_VERSION + 1).into()),
        ("outcome", "fine".into()),
        ("steps_ns", serde_json::json!([1])),
        ("device_list", serde_json::json!([{ "name": "CUDA0" }])),
    ];
    for (field, value) in damage {
        let mut document = json(&reference());
        document[0][field] = value.clone();
        let errors = errors(&document);
        assert!(errors.iter().any(|error| error.starts_with(&format!("/0/{field}"))), "{field}: {errors:?}");
    }
    let mut document = json(&reference());
    document[3].as_object_mut().unwrap().remove("n_gen");
    let errors = errors(&document);
    assert!(errors.len() == 1 && errors[0].contains("n_gen"), "{errors:?}");
}

#[test]
fn a_failed_row_needs_its_reason() {
    let mut document = json(&assorted());
    let failed = document.as_array().unwrap().iter().position(|row| row["outcome"] == "failed").unwrap();
    document[failed]["error_kind"] = Value::Null;
    assert_eq!(errors(&document).len(), 1);
}
