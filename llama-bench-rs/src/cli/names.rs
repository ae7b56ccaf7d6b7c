//! llama-bench's names of flags. clap supports one letter after one dash, or a word after two.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use super::similar;

const DOWNLOAD: &str = "models are not downloaded here: download the GGUF file and name it with -m FILE";

/// Flags of llama-bench that no program here has, and what to do instead.
pub(super) const REFUSED: &[(&[&str], &str)] =
    &[(&["-hf", "-hfr", "--hf-repo", "-hff", "--hf-file", "-hft", "--hf-token", "--offline"], DOWNLOAD)];

/// Formats as llama-bench names them.
const FORMATS: &[&str] = &["batched-bench", "csv", "json", "jsonl", "md", "sql", "none", "term"];

/// A command line in clap's names, the program's name first, each value tied to its flag with `=`: what follows a flag
/// is its value even if it begins with a dash, as in `-ngl -1,0`.
///
/// # Errors
/// A flag of llama-bench that no program here has, or a word after one dash that is not a flag; the message says what
/// to write instead.
pub fn translate(
    command: &Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, String> {
    let mut words = words.into_iter().peekable();
    let mut translated: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        if word == "--" {
            translated.push(word);
            translated.extend(words);
            break;
        }
        let (name, value) = split(&word);
        if let Some((_, why)) = refused(command).iter().find(|(names, _)| names.contains(&name.as_str())) {
            return Err(format!("{name}: {why}"));
        }
        let Some(arg) = find(command, &name) else {
            if let Some(why) = similar::refuse(command, &name) {
                return Err(why);
            }
            translated.push(word);
            continue;
        };
        let Some(long) = arg.get_long() else {
            translated.push(word);
            continue;
        };
        let takes_value = arg.get_action().takes_values();
        // A value that may be left out is not another flag.
        let is_optional = arg.get_num_args().is_some_and(|n| n.min_values() == 0);
        let is_value = |next: &OsString| !is_optional || !next.to_string_lossy().starts_with('-');
        let value = value.or_else(|| if takes_value { words.next_if(is_value) } else { None });
        let is_format = |value: &OsString| FORMATS.iter().any(|format| value == format);
        let long = match &value {
            // llama-bench's --output is a format. A file has an extension, which names its format.
            Some(value) if long == "output" && is_format(value) => "output-format",
            _ => long,
        };
        let mut flag = OsString::from(format!("--{long}"));
        if let Some(value) = value {
            flag.push("=");
            flag.push(value);
        }
        translated.push(flag);
    }
    Ok(translated)
}

/// What is refused of a program that loads models.
pub(super) fn refused(command: &Command) -> &'static [(&'static [&'static str], &'static str)] {
    if find(command, "--model").is_some() { REFUSED } else { &[] }
}

/// The name of a flag and the value after `=`. llama-bench takes both signs in long names.
fn split(word: &OsStr) -> (String, Option<OsString>) {
    let with_dashes =
        |name: &str| if name.starts_with("--") { name.replace('_', "-") } else { name.to_owned() };
    match word.to_str() {
        Some(text) if text.starts_with('-') => match text.split_once('=') {
            Some((name, value)) => (with_dashes(name), Some(value.into())),
            None => (with_dashes(text), None),
        },
        // A value that is not Unicode, such as the name of a file, after the name of a flag.
        None => split_bytes(word).map_or((String::new(), None), |(name, value)| {
            let name = name.to_str().filter(|name| name.starts_with('-')).map(with_dashes);
            (name.unwrap_or_default(), Some(value))
        }),
        _ => (String::new(), None),
    }
}

#[cfg(unix)]
fn split_bytes(word: &OsStr) -> Option<(OsString, OsString)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = word.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=')?;
    Some((OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec())))
}

#[cfg(not(unix))]
fn split_bytes(_word: &OsStr) -> Option<(OsString, OsString)> {
    None
}

/// The argument that a word such as `-ub` or `--ubatch-size` names.
pub fn find<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_it = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long) || aliases(arg).any(|alias| alias == long),
        None => match word.strip_prefix('-') {
            Some(short) if short.chars().count() == 1 => arg.get_short() == short.chars().next(),
            Some(short) => one_dash_names(arg).any(|name| name == short),
            None => false,
        },
    };
    command.get_arguments().find(is_it)
}

fn aliases(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_all_aliases().unwrap_or_default().into_iter()
}

/// A long name that is as short as a short one, such as `pg`, or that llama-bench has with one dash too.
fn short_long(arg: &Arg) -> Option<&str> {
    arg.get_long().filter(|long| long.len() == 2 || *long == "rpc")
}

/// Every name of an argument that follows one dash and has several letters.
pub(super) fn one_dash_names(arg: &Arg) -> impl Iterator<Item = &str> {
    aliases(arg).chain(short_long(arg))
}

/// `-ub, --ubatch-size`: every name that is shown.
pub(super) fn shown(arg: &Arg) -> String {
    let letter = arg.get_short().map(|letter| format!("-{letter}"));
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let words = aliases.into_iter().chain(short_long(arg)).map(|name| format!("-{name}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    letter.into_iter().chain(words).chain(long).collect::<Vec<_>>().join(", ")
}
