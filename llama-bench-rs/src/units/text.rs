//! Text from elsewhere made safe, and text cut to fit: the one place for both.
//!
//! What a file, a device or a model says may hold line breaks, escape sequences or marks that turn the direction of
//! writing. Whatever prints such a text passes it through [`printable`], [`one_line`] or [`quoted`] first.
//!
//! ```
//! use llama_bench_rs::units::text::{printable, sentence, shortened};
//!
//! assert_eq!(printable("a\u{1b}[31mb"), "a [31mb");
//! assert_eq!(shortened("gpt-oss-20b", 8), "gpt-oss…");
//! assert_eq!(sentence("measured once"), "Measured once");
//! ```

/// Whether a character may change more than its own place on a screen or in a document: control characters, marks of
/// writing direction, and what is not a character at all.
fn is_unsafe(c: char) -> bool {
    let is_direction =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_line_end = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || is_direction || is_line_end || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Text from a file with a space in place of everything that is not safe to print; as many characters as before.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// The same as one line of words with one space between them.
///
/// ```
/// use llama_bench_rs::units::text::one_line;
///
/// assert_eq!(one_line("cannot load:\n  \u{1b}[31mno such file"), "cannot load: [31mno such file");
/// ```
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| is_unsafe(c) || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// An argument as a shell reads it back, without what is not safe to print: it may come from a file.
///
/// ```
/// use llama_bench_rs::units::text::quoted;
///
/// assert_eq!(quoted("-ub"), "-ub");
/// assert_eq!(quoted("my model.gguf"), "'my model.gguf'");
/// ```
pub fn quoted(argument: &str) -> String {
    let argument: String = argument.chars().filter(|&c| !is_unsafe(c)).collect();
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument;
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// The text, or as much of it as fits into this many characters with a `…` at its end.
///
/// ```
/// use llama_bench_rs::units::text::shortened;
///
/// assert_eq!(shortened("gpt-oss-20b", 20), "gpt-oss-20b");
/// assert_eq!(shortened("gpt-oss-20b", 8), "gpt-oss…");
/// ```
pub fn shortened(text: &str, most: usize) -> String {
    shortened_with(text, most, "…")
}

/// The same with another mark at its end, such as `...` for ASCII.
pub fn shortened_with(text: &str, most: usize, mark: &str) -> String {
    // One character past the limit decides: a text of megabytes is not walked through.
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let n_kept = most.saturating_sub(mark.chars().count());
    text.chars().take(n_kept).chain(mark.chars().take(most)).collect()
}

/// Letters of a text of unknown length that a message repeats.
const CITED: usize = 80;

/// A text of unknown length for a message, such as a key or a name in a file: in quotes, escaped, and cut to a readable
/// length with its size in bytes behind it.
///
/// ```
/// use llama_bench_rs::units::text::cited;
///
/// assert_eq!(cited("general.name"), "\"general.name\"");
/// assert!(cited(&"a".repeat(1 << 20)).ends_with("a…\" (1048576 bytes)"));
/// ```
pub fn cited(text: &str) -> String {
    let mut n_letters = 0;
    let beyond = text.char_indices().find(|(_, c)| {
        n_letters += c.escape_debug().count();
        n_letters > CITED
    });
    match beyond {
        None => format!("{text:?}"),
        Some((end, _)) => {
            let shown = format!("{:?}", &text[..end]);
            format!("{}…\" ({} bytes)", &shown[..shown.len() - 1], text.len())
        }
    }
}

/// The same without quotes, for a value that is not text, or a text that needs no quotes.
pub fn excerpt(text: &str) -> String {
    if text.chars().nth(CITED).is_none() {
        return printable(text);
    }
    format!("{} ({} bytes)", printable(&shortened(text, CITED)), text.len())
}

/// The text with its first letter in upper case.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_file_stays_in_its_line() {
        assert_eq!(one_line(" a\n\u{1b}[31mb\tc "), "a [31mb c");
        assert_eq!(printable("a\n\u{1b}[31mb\tc\u{fffe}"), "a  [31mb c ");
        let nasty = "a\u{202e}b\u{2028}c\u{85}d\u{feff}e\u{0}f\u{9b}g";
        for safe in [one_line(nasty), printable(nasty), quoted(nasty)] {
            assert!(!safe.chars().any(is_unsafe), "{safe:?}");
        }
        assert_eq!(one_line(nasty), "a b c d e f g");
        assert_eq!(sentence("über"), "Über");
    }

    #[test]
    fn names_from_a_file_stay_one_argument() {
        assert_eq!(quoted("a model's.gguf"), r"'a model'\''s.gguf'");
        assert_eq!(quoted("x;rm -rf\n\u{1b}[2J"), "'x;rm -rf[2J'");
        assert_eq!(quoted("$(id)"), "'$(id)'");
        assert_eq!((quoted("0-4096+512"), quoted("1-64*2")), ("0-4096+512".into(), "'1-64*2'".into()));
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_text_of_any_length_is_cited_readably() {
        assert_eq!((cited("it's"), cited("")), ("\"it's\"".into(), "\"\"".into()));
        assert_eq!(cited("a\nb"), r#""a\nb""#);
        for nasty in ["\u{202e}", "\0", "\"", "ü", "a"] {
            for n in [1, 79, 80, 81, 1 << 16] {
                let text = nasty.repeat(n);
                for shown in [cited(&text), excerpt(&text)] {
                    assert!(shown.chars().count() < 110, "{shown}");
                    assert!(!shown.chars().any(is_unsafe), "{shown}");
                    assert_eq!(shown.contains('…'), shown.contains(&format!("({} bytes)", text.len())));
                }
            }
        }
    }

    #[test]
    fn what_is_cut_fits_and_says_that_it_was() {
        assert_eq!(shortened("über", 4), "über");
        assert_eq!(shortened("überlang", 4), "übe…");
        assert_eq!(shortened_with("überlang", 5, "..."), "üb...");
        for most in 0..6 {
            assert!(shortened("überlang", most).chars().count() <= most);
            assert!(shortened_with("überlang", most, "...").chars().count() <= most);
        }
        assert_eq!((shortened("", 0), shortened("a", 0)), (String::new(), String::new()));
    }
}
