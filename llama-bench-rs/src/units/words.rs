//! Numbers of things in a sentence.

/// The noun with its number: `1 cell`, `3 cells`.
///
/// ```
/// use llama_bench_rs::units::words::{count, plural};
///
/// let text = |n| format!("{} {} counted", count(n, "cell"), plural(n, "is", "are"));
/// assert_eq!([text(1), text(3)], ["1 cell is counted", "3 cells are counted"]);
/// ```
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", plural(n, "", "s"))
}

/// The form of a word that goes with this number.
pub fn plural<'a>(n: usize, one: &'a str, several: &'a str) -> &'a str {
    if n == 1 { one } else { several }
}
