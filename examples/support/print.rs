//! Printing that survives its readers: `println!` panics if a pipe was closed or a disk is full.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use llama_bench_rs::report::terminal::Style;

/// A terminal that is narrower wraps lines itself.
const NARROWEST: usize = 20;

/// Something could not be written to standard output, and its reader was still there.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output, as `println!` does.
#[allow(unused_macros)]
macro_rules! say {
    ($($text:tt)*) => { $crate::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to standard error, as `eprintln!` does, in lines that fit the terminal.
#[allow(unused_macros)]
macro_rules! complain {
    ($($text:tt)*) => { $crate::print::err_wrapped(&format!($($text)*)) };
}

/// Writes to standard output. A reader that went away has seen enough; anything else is reported once.
#[allow(dead_code)]
pub fn out(text: fmt::Arguments<'_>) {
    heed(io::stdout().write_fmt(text));
}

/// Writes to standard error, if anybody reads it.
#[allow(dead_code)]
pub fn err(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

/// Prints paragraphs to standard error, in lines that fit if it is a terminal.
#[allow(dead_code)]
pub fn err_wrapped(text: &str) {
    let stderr = io::stderr();
    let width = stderr.is_terminal().then(|| Style::of(&stderr).width);
    err(format_args!("{}\n", wrapped(text, width, "  ")));
}

/// Prints paragraphs to standard output, in lines that fit if it is a terminal.
#[allow(dead_code)]
pub fn out_wrapped(text: &str) {
    let stdout = io::stdout();
    let width = stdout.is_terminal().then(|| Style::of(&stdout).width);
    out(format_args!("{}\n", wrapped(text, width, "")));
}

/// Lines that are wider, broken between words and continued after `indent`. Tables and what is indented stay as they
/// are.
#[allow(dead_code)]
fn wrapped(text: &str, width: Option<usize>, indent: &str) -> String {
    let Some(width) = width.filter(|&width| width >= NARROWEST) else { return text.to_owned() };
    let options = textwrap::Options::new(width)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let line = |line: &str| {
        if line.starts_with([' ', '|']) {
            return line.to_owned();
        }
        // A unit stays with its number.
        textwrap::fill(&line.replace(" %", "\u{a0}%"), &options).replace('\u{a0}', " ")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn heed(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        err(format_args!("cannot write to standard output: {error}\n"));
    }
}

/// The status to end with: 1 in place of 0 if output was lost.
pub fn exit_code(status: u8) -> ExitCode {
    heed(io::stdout().flush());
    let lost = LOST.load(Ordering::Relaxed);
    ExitCode::from(if status == 0 && lost { 1 } else { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_the_terminal_and_tables_stay() {
        let text = "sweep: the spread of 4 cells is up to 41 % of the mean\n  tg8 @ d64  2.26 t/s  0.94 t/s  a table\n";
        let narrow = wrapped(text, Some(30), "  ");
        let expected = "sweep: the spread of 4 cells\n  is up to 41 % of the mean\n  tg8 @ d64  2.26 t/s  0.94 t/s  a table\n";
        assert_eq!(narrow, expected);
        assert_eq!(wrapped(text, Some(80), "  "), text);
        assert_eq!(wrapped(text, None, "  "), text, "a script reads whole lines");
    }
}
