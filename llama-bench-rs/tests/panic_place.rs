//! A failed assertion points at the test, not into the library. Alone in its file: it looks at every panic.
#![allow(missing_docs)]

mod report_support;

use std::{
    panic,
    sync::{Arc, Mutex},
};

use llama_bench_rs::testing::{Tolerance, assert_at_least, assert_no_regression, guard, pp};
use report_support::reference;

#[test]
fn assertions_panic_where_they_are_called() {
    let places: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = places.clone();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|location| location.file().replace('\\', "/"));
        seen.lock().unwrap().extend(place);
    }));
    let mut other = reference();
    other.runs[0].header.config.n_threads = Some(1);
    let compared = panic::catch_unwind(|| assert_no_regression(&reference(), &other, Tolerance::default()));
    let floored = panic::catch_unwind(|| assert_at_least(&reference(), pp(2048), 1e9));
    let guarded = panic::catch_unwind(|| guard("not/a/name", &reference()));
    let _ = panic::take_hook();
    assert!(compared.is_err() && floored.is_err() && guarded.is_err());
    let places = places.lock().unwrap();
    assert_eq!(places.len(), 3);
    assert!(places.iter().all(|place| place.ends_with("tests/panic_place.rs")), "{places:?}");
}
