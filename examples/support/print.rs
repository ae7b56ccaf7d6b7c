//! Printing that survives its readers: `println!` panics if a pipe was closed or a disk is full.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

/// Something could not be written to standard output, and its reader was still there.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output, as `println!` does.
#[allow(unused_macros)]
macro_rules! say {
    ($($text:tt)*) => { $crate::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to standard error, as `eprintln!` does.
#[allow(unused_macros)]
macro_rules! complain {
    ($($text:tt)*) => { $crate::print::err(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output. A reader that went away has seen enough; anything else is complained of once.
#[allow(dead_code)]
pub fn out(text: fmt::Arguments<'_>) {
    heed(io::stdout().write_fmt(text));
}

/// Writes to standard error, if anybody reads it.
#[allow(dead_code)]
pub fn err(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
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
