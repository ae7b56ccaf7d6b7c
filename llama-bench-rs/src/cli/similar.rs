//! An unknown flag after one dash: clap would name its first letter alone.

use clap::Command;

use super::names::{find, one_dash_names};

/// Why a word such as `-ubb` is refused, with the flag that was probably meant. `None` if it is left to clap: a letter with
/// its value (`-t4`), a single letter, or a word after two dashes.
pub(super) fn refuse(command: &Command, word: &str) -> Option<String> {
    let name = word.strip_prefix('-').filter(|name| !name.starts_with('-'))?;
    let mut letters = name.chars();
    let first = letters.next().filter(char::is_ascii_alphabetic)?;
    let second = letters.next()?;
    let is_letter_with_value = find(command, &format!("-{first}")).is_some() || first == 'h';
    let similar = similar(command, name);
    match similar {
        // `-t4` is a letter with its value, `-ngll` is a slip.
        _ if is_letter_with_value && !(second.is_ascii_alphabetic() || second == '_') => None,
        None if is_letter_with_value => None,
        Some(similar) => Some(format!(
            "unexpected argument '{word}' found\n\n  tip: a similar argument exists: '{similar}'"
        )),
        None => Some(format!("unexpected argument '{word}' found\n\n  tip: -h lists the arguments")),
    }
}

/// The name with its dashes that differs least, if that is a slip of the keyboard: one letter of a short name, two of a
/// long one.
fn similar(command: &Command, name: &str) -> Option<String> {
    let name = name.replace('_', "-");
    let short = command.get_arguments().flat_map(one_dash_names).map(|known| (known, "-"));
    let long = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, "--")));
    let distance = |known: &str| strsim::damerau_levenshtein(known, &name);
    let near = short.chain(long).map(|(known, dashes)| (distance(known), known, dashes));
    let is_slip = |(n, known, _): &(usize, &str, &str)| *n <= if known.len() < 6 { 1 } else { 2 };
    // Of several, one that begins alike: of `-fb` that is `-fa` and not `-ub`.
    let (_, known, dashes) =
        near.filter(is_slip).min_by_key(|(n, known, _)| (*n, !name.starts_with(&known[..1])))?;
    Some(format!("{dashes}{known}"))
}
