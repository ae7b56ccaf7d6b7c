//! The text of `-h` and `--help`, with every name of every flag: clap's own knows no short names of several letters.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::names::{refused, shown};

/// Most columns: wider lines are hard to read.
pub(super) const WIDTH: usize = 80;

/// Fewest columns that names and what they mean fit beside each other in.
const NARROWEST: usize = 40;

/// Where descriptions begin.
const INDENT: usize = 31;

/// The width of lines, and where descriptions begin.
#[derive(Clone, Copy)]
struct Layout {
    width: usize,
    indent: usize,
}

impl Layout {
    fn of(width: usize) -> Self {
        let width = width.clamp(NARROWEST, WIDTH);
        Self { width, indent: INDENT.min(width / 2 - 2) }
    }
}

/// How much is explained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Detail {
    /// What most people need, on one screen.
    Screen,
    /// Everything.
    All,
}

impl Detail {
    /// What a translated command line asks for, if it asks for help at all.
    pub(super) fn asked_for(words: &[OsString]) -> Self {
        let mut words = words.iter().skip(1).take_while(|word| *word != "--");
        if words.any(|word| word == "--help") { Self::All } else { Self::Screen }
    }

    fn hides(self, arg: &Arg) -> bool {
        arg.is_hide_set() || self == Self::Screen && arg.is_hide_short_help_set()
    }
}

/// The whole help of a command that has not been built, for a screen of so many columns.
pub(super) fn render(command: &Command, detail: Detail, width: usize) -> String {
    let layout = Layout::of(width);
    let about = match detail {
        Detail::Screen => command.get_about(),
        Detail::All => command.get_long_about().or(command.get_about()),
    };
    let mut about = about.map(ToString::to_string).unwrap_or_default();
    // clap leaves it out at the end of a first paragraph.
    if !about.ends_with('.') {
        about.push('.');
    }
    let mut text = format!("{}\n\nUsage: {}\n", layout.wrapped(&about, 0), usage(command));
    let mut headings: Vec<&str> = Vec::new();
    for arg in command.get_arguments().filter(|arg| !detail.hides(arg)) {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    for (i, name) in headings.into_iter().enumerate() {
        let gap = if i == 0 || detail == Detail::All { "\n" } else { "" };
        text.push_str(&format!("{gap}{name}:\n"));
        for arg in command.get_arguments().filter(|arg| heading(arg) == name && !detail.hides(arg)) {
            text.push_str(&layout.line(&names(arg), &description(arg, detail)));
        }
    }
    if detail == Detail::Screen {
        let more = command.get_arguments().filter(|arg| arg.is_hide_short_help_set()).count();
        let rest = match more {
            0 => "Print this; --help explains more".to_owned(),
            1 => "Print this; --help prints 1 more flag".to_owned(),
            n => format!("Print this; --help prints {n} more flags"),
        };
        text.push_str(&layout.line("-h, --help", &rest));
        return text;
    }
    text.push_str("\nHelp:\n");
    text.push_str(&layout.line("-h", "Print the flags that most people need and stop"));
    text.push_str(&layout.line("--help", "Print this and stop"));
    let refused = refused(command);
    if !refused.is_empty() {
        let heading = layout.wrapped("Flags of llama-bench that this program does not have:", 0);
        text.push_str(&format!("\n{heading}\n"));
    }
    for (names, why) in refused {
        text.push_str(&format!(
            "  {}\n{:10}{}\n",
            layout.wrapped(&names.join(", "), 2),
            "",
            layout.wrapped(why, 10)
        ));
    }
    text
}

fn heading(arg: &Arg) -> &str {
    let other = if arg.is_positional() { "Arguments" } else { "Options" };
    arg.get_help_heading().unwrap_or(other)
}

/// `compare [OPTIONS] [FILE]...`
fn usage(command: &Command) -> String {
    let mut usage = command.get_name().to_owned();
    if command.get_arguments().any(|arg| !arg.is_positional()) {
        usage.push_str(" [OPTIONS]");
    }
    for arg in command.get_positionals() {
        let name = value_name(arg);
        let name = if arg.is_required_set() { format!("<{name}>") } else { format!("[{name}]") };
        let many = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
        usage.push_str(&format!(" {name}{many}"));
    }
    usage
}

fn value_name(arg: &Arg) -> &str {
    arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str())
}

/// `-ub, --ubatch-size <N>`.
fn names(arg: &Arg) -> String {
    match (arg.is_positional(), arg.get_action().takes_values()) {
        (true, _) => format!("<{}>", value_name(arg)),
        (false, true) => format!("{} <{}>", shown(arg), value_name(arg)),
        (false, false) => shown(arg),
    }
}

fn description(arg: &Arg, detail: Detail) -> String {
    let help = match detail {
        Detail::Screen => arg.get_help(),
        Detail::All => arg.get_long_help().or(arg.get_help()),
    };
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    if !arg.get_action().takes_values() {
        return text;
    }
    // Behind the first paragraph; the rest explains.
    let end = text.find("\n\n").unwrap_or(text.len());
    let mut notes = String::new();
    let possible: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !possible.is_empty() {
        notes.push_str(&format!(": {}", possible.join(", ")));
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !default.is_empty() && !arg.is_hide_default_value_set() {
        notes.push_str(&format!(" [default: {}]", default.join(", ")));
    }
    text.insert_str(end, &notes);
    text
}

impl Layout {
    /// Names on the left, what they mean on the right.
    fn line(self, names: &str, description: &str) -> String {
        let names = format!("  {names}");
        let description = self.wrapped(description, self.indent);
        if names.chars().count() + 1 > self.indent {
            format!("{names}\n{:1$}{description}\n", "", self.indent)
        } else {
            format!("{names:0$}{description}\n", self.indent)
        }
    }

    /// Lines that fit, all but the first indented; paragraphs begin on a line of their own.
    fn wrapped(self, text: &str, indent: usize) -> String {
        let gap = if indent == 0 { "\n\n".to_owned() } else { format!("\n{:indent$}", "") };
        let paragraph = |text: &str| {
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            // What belongs together stays on one line.
            let text = words.join(" ").replace(" %", "\u{a0}%").replace("[default: ", "[default:\u{a0}");
            let options = textwrap::Options::new(self.width - indent)
                .break_words(false)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            let lines: Vec<String> =
                textwrap::wrap(&text, options).iter().map(|line| line.replace('\u{a0}', " ")).collect();
            lines.join(&format!("\n{:indent$}", ""))
        };
        text.split("\n\n").map(paragraph).collect::<Vec<_>>().join(&gap)
    }
}
