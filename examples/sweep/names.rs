//! llama-bench's names of flags. clap knows one letter behind one dash, or a word behind two.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Names of several letters behind one dash, and the long names that they stand for.
pub const SHORT_NAMES: &[(&str, &str)] = &[
    ("-pg", "pg"),
    ("-ub", "ubatch-size"),
    ("-ctk", "cache-type-k"),
    ("-ctv", "cache-type-v"),
    ("-fitt", "fit-target"),
    ("-fitc", "fit-ctx"),
    ("-ngl", "n-gpu-layers"),
    ("-ncmoe", "n-cpu-moe"),
    ("-sm", "split-mode"),
    ("-mg", "main-gpu"),
    ("-nkvo", "no-kv-offload"),
    ("-fa", "flash-attn"),
    ("-dev", "device"),
    ("-lm", "load-mode"),
    ("-lzm", "lazy-mode"),
    ("-mmp", "mmap"),
    ("-dio", "direct-io"),
    ("-embd", "embeddings"),
    ("-ts", "tensor-split"),
    ("-ot", "override-tensor"),
    ("-nopo", "no-op-offload"),
    ("-oe", "output-err"),
];

const DOWNLOAD: &str = "models are not downloaded here: download the GGUF file and name it with -m FILE";
const RPC: &str = "this build has no RPC backend: run on the machine that has the devices";
/// Flags of llama-bench that cannot be had, and what to do instead.
pub const REFUSED: &[(&[&str], &str)] = &[
    (&["-hf", "-hfr", "--hf-repo", "-hff", "--hf-file", "-hft", "--hf-token", "--offline"], DOWNLOAD),
    (&["-rpc", "--rpc"], RPC),
];

/// Formats as llama-bench names them.
const FORMATS: &[&str] = &["csv", "json", "jsonl", "md", "sql", "none"];

/// The command line in clap's names, each value tied to its flag with `=`: what follows a flag is its value even if it
/// begins with a dash, as in `-ngl -1,0`.
pub fn translate(
    command: &Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, String> {
    let mut words = words.into_iter();
    let mut translated: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        if word == "--" {
            translated.push(word);
            translated.extend(words);
            break;
        }
        let (name, value) = split(&word);
        // llama-bench takes both signs in long names.
        let name = if name.starts_with("--") { name.replace('_', "-") } else { name };
        if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&name.as_str())) {
            return Err(format!("{name}: {why}"));
        }
        let Some((long, takes_value)) = find(command, &name) else {
            translated.push(word);
            continue;
        };
        let value = value.or_else(|| if takes_value { words.next() } else { None });
        let is_format = |value: &OsString| FORMATS.iter().any(|format| value == format);
        let long = match &value {
            // A file has an extension, which names its format.
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

/// The name of a flag and the value behind `=`.
fn split(word: &OsStr) -> (String, Option<OsString>) {
    match word.to_str() {
        Some(text) if text.starts_with('-') => match text.split_once('=') {
            Some((name, value)) => (name.into(), Some(value.into())),
            None => (text.into(), None),
        },
        _ => (String::new(), None),
    }
}

/// The long name of a flag and whether it takes a value.
fn find<'a>(command: &'a Command, name: &str) -> Option<(&'a str, bool)> {
    let is_it = |arg: &&Arg| match name.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => short_names(arg).any(|short| short == name),
    };
    let arg = command.get_arguments().find(is_it)?;
    Some((arg.get_long()?, arg.get_action().takes_values()))
}

/// What a flag is called behind one dash.
pub fn short_names(arg: &Arg) -> impl Iterator<Item = String> + '_ {
    let of_several_letters = SHORT_NAMES.iter().filter(|(_, long)| arg.get_long() == Some(long));
    let letter = arg.get_short().map(|letter| format!("-{letter}"));
    letter.into_iter().chain(of_several_letters.map(|(short, _)| (*short).to_owned()))
}
