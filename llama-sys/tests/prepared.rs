//! The bindings made ahead for documentation offer what the build generates.
#![allow(missing_docs)]

use std::{collections::BTreeSet, fs, path::Path};

fn functions(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("pub fn "))
        .filter_map(|rest| rest.split(['(', '<']).next())
        .filter(|name| ["llama_", "ggml_", "gguf_"].iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

#[test]
fn prepared_bindings_are_those_of_the_pinned_source() {
    if llama_sys::build_info::SOURCE != "package" {
        println!("SKIPPED: llama.cpp was built from {}, not from the pin", llama_sys::build_info::SOURCE);
        return;
    }
    let prepared = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prepared.rs")).unwrap();
    let generated = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    let (prepared, generated) = (functions(&prepared), functions(generated));
    assert!(generated.len() > 400, "{} functions", generated.len());
    assert_eq!(prepared, generated, "run scripts/bindings");
}
