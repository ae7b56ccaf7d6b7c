//! What texts of reports say of tests, beside the numbers of [`units::words`](crate::units::words).

use crate::record::TestKind;

pub(super) use crate::units::{
    text::{one_line, quoted, sentence},
    words::{
        bytes, bytes_per_second, context, count, duration, parameters, percent, percent_as_written, plural,
        rough_duration, rough_rate, speed,
    },
};

/// A size or a time that a file gives; older ones, and llama-bench for its build number, write 0 for what they do not
/// know.
pub(super) fn told<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// What a kind of test measures: `prompt processing`, `generation` or `embedding`.
pub(super) fn activity(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Pp(_) => "prompt processing",
        TestKind::Tg(_) => "generation",
        TestKind::Embd(_) => "embedding",
    }
}

/// The name of a synthetic model that was generated while it was loaded: of a file there is the name alone.
pub(super) fn synthetic_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.strip_suffix(".gguf").unwrap_or(name).to_owned()
}
