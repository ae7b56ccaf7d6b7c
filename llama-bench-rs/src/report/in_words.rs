//! What texts of reports say of tests, beside the numbers of [`units::words`](crate::units::words).

use crate::record::{Group, TestKind};

pub(super) use crate::units::{
    text::{one_line, quoted, sentence},
    words::{
        bytes, bytes_per_second, context, count, duration, parameters, percent, plural, rough_duration,
        rough_rate, speed,
    },
};

/// A size or a time that a file tells; older ones, and llama-bench for its build number, write 0 for what they do not know.
pub(super) fn told<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// A test at any depth: `pp2048`, `tg32`, `tg32 (pg2048+32)`.
pub(super) fn test(kind: TestKind, group: Option<Group>) -> String {
    crate::record::Test { kind, n_depth: 0, group }.to_string()
}

/// What a kind of test measures: `prompt processing`, `generation` or `embedding`.
pub(super) fn activity(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Pp(_) => "prompt processing",
        TestKind::Tg(_) => "generation",
        TestKind::Embd(_) => "embedding",
    }
}
