//! Records as a literal would write them.

/// A record with these fields, the others as in the base, or as by default without one. Records grow with llama.cpp, so
/// another crate cannot write them as literals.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::{record::Sample, with};
///
/// let sample = with!(Sample { elapsed: Duration::from_secs(1) });
/// let later = with!(Sample { at: Some(Duration::from_secs(5)), ..sample.clone() });
/// assert_eq!(later.elapsed, sample.elapsed);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! with {
    ($($record:ident)::+ { $($field:ident $(: $value:expr)?,)* .. $base:expr }) => {{
        let mut record: $($record)::+ = $base;
        $($crate::with!(@set record $field $($value)?);)*
        record
    }};
    ($($record:ident)::+ { $($field:ident $(: $value:expr)?),* $(,)? }) => {
        $crate::with!($($record)::+ { $($field $(: $value)?,)* ..$($record)::+::default() })
    };
    (@set $record:ident $field:ident $value:expr) => {
        $record.$field = $value
    };
    (@set $record:ident $field:ident) => {
        $record.$field = $field
    };
}
