//! The text of `--help`, with every name of every flag: clap's own knows no short names of several letters.

use clap::{Arg, Command};

use crate::names::{REFUSED, short_names};

/// Where descriptions begin, in columns.
const INDENT: usize = 38;
const WIDTH: usize = 110;

/// The whole help of a command that has not been built.
pub fn render(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{}\n\nUsage: {} [OPTIONS]\n", wrapped(&about, 0), command.get_name());
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in command.get_arguments() {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        text.push_str(&format!("\n{}:\n", heading.unwrap_or("Options")));
        for arg in
            command.get_arguments().filter(|arg| arg.get_help_heading() == heading && !arg.is_hide_set())
        {
            text.push_str(&line(&names(arg), &description(arg)));
        }
    }
    text.push_str("\nHelp:\n");
    text.push_str(&line("-h, --help", "Print this and stop"));
    text.push_str("\nFlags of llama-bench that this program does not have:\n");
    for (names, why) in REFUSED {
        text.push_str(&line(&names.join(", "), why));
    }
    text
}

/// `-ub, --ubatch-size <N>`.
fn names(arg: &Arg) -> String {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut names = short_names(arg).chain(long).collect::<Vec<_>>().join(", ");
    if arg.get_action().takes_values() {
        let value =
            arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
        names.push_str(&format!(" <{value}>"));
    }
    names
}

fn description(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !arg.get_action().takes_values() {
        return text;
    }
    let list = |words: Vec<String>| words.join(", ");
    let possible =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>();
    if !possible.is_empty() {
        text.push_str(&format!(" [possible values: {}]", list(possible)));
    }
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    let default: Vec<String> = default.collect();
    if !default.is_empty() {
        text.push_str(&format!(" [default: {}]", list(default)));
    }
    text
}

/// Names on the left, what they mean on the right.
fn line(names: &str, description: &str) -> String {
    let names = format!("  {names}");
    let description = wrapped(description, INDENT);
    match names.len() + 2 > INDENT {
        true => format!("{names}\n{:INDENT$}{description}\n", ""),
        false => format!("{names:INDENT$}{description}\n"),
    }
}

/// Lines of at most [`WIDTH`] columns, all but the first indented; paragraphs stay apart.
fn wrapped(text: &str, indent: usize) -> String {
    let mut wrapped = String::new();
    let mut column = indent;
    for (i, paragraph) in text.split("\n\n").enumerate() {
        if i > 0 {
            wrapped.push_str("\n\n");
            column = indent;
        }
        for (j, word) in paragraph.split_whitespace().enumerate() {
            let length = word.chars().count();
            if j > 0 && column + 1 + length > WIDTH {
                wrapped.push_str(&format!("\n{:indent$}", ""));
                column = indent;
            } else if j > 0 {
                wrapped.push(' ');
                column += 1;
            }
            wrapped.push_str(word);
            column += length;
        }
    }
    wrapped
}
