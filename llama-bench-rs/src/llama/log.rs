//! llama.cpp's log, bridged to `tracing` and kept for errors.
//!
//! llama.cpp logs on the thread that called it, so each thread keeps the lines of its own calls. Which lines come here is
//! decided in [`hooks`](super::hooks).

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString},
};

use super::{at_exit, context::last_exception, sys};
use crate::units::text;

/// Lines kept per call at the most: model loading logs a few hundred.
const MAX_LINES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) text: String,
}

#[derive(Default)]
struct Capture {
    lines: Vec<Line>,
    /// Text still waiting for its line feed.
    pending: Option<Line>,
}

thread_local! {
    static CAPTURE: RefCell<Capture> = RefCell::new(Capture::default());
    /// Lines are kept but not passed on: a subscriber is getting one, or the call is internal.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call into llama.cpp and returns its result with what it logged on this thread.
pub(super) fn capture<R>(call: impl FnOnce() -> R) -> (R, Log) {
    let outer = exchange(Capture::default());
    let result = call();
    let mut captured = exchange(outer);
    if let Some(line) = captured.end_line() {
        let exception = last_exception();
        tell(&[line]);
        // The subscriber may have called back into llama.cpp, and the caller still asks what this call threw.
        remember_exception(exception);
    }
    (result, Log(captured.lines))
}

/// [`capture`] without subscribers: for calls whose complaints are expected.
pub(super) fn capture_quietly<R>(call: impl FnOnce() -> R) -> (R, Log) {
    let _quiet = Quiet::begin();
    capture(call)
}

/// Puts another capture in the place of this thread's. Nothing is captured at the end of a thread, when handles kept in
/// its thread-local variables are dropped.
fn exchange(new: Capture) -> Capture {
    let exchanged = CAPTURE.try_with(|capture| {
        capture.try_borrow_mut().map(|mut capture| std::mem::replace(&mut *capture, new)).unwrap_or_default()
    });
    exchanged.unwrap_or_default()
}

/// As long as it lives, this thread's lines are not passed on.
struct Quiet {
    before: bool,
}

impl Quiet {
    fn begin() -> Self {
        Self { before: QUIET.try_with(|quiet| quiet.replace(true)).unwrap_or(true) }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = QUIET.try_with(|quiet| quiet.set(self.before));
    }
}

/// Informs subscribers; what they make llama.cpp log in turn is kept for their own calls and passed to nobody, or they
/// would call themselves forever.
fn tell(lines: &[Line]) {
    if QUIET.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    let _quiet = Quiet::begin();
    // A subscriber of the application may panic, which must not reach C.
    let told = || {
        for Line { level, text } in lines {
            match level {
                Level::Error => tracing::error!(target: "llama.cpp", "{text}"),
                Level::Warn => tracing::warn!(target: "llama.cpp", "{text}"),
                Level::Info => tracing::info!(target: "llama.cpp", "{text}"),
                Level::Debug => tracing::debug!(target: "llama.cpp", "{text}"),
            }
        }
    };
    let _ = at_exit::outside(|| std::panic::catch_unwind(told));
}

fn remember_exception(exception: Option<String>) {
    let exception = exception.and_then(|text| CString::new(text).ok()).unwrap_or_default();
    // SAFETY: a NUL-terminated string, which is copied.
    unsafe { sys::llama_sys_remember_exception(exception.as_ptr()) };
}

/// The lines of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Vec<Line>);

impl Log {
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.text.as_str())
    }

    /// Tells subscribers what was captured quietly.
    pub(super) fn tell(&self) {
        tell(&self.0);
    }

    /// The last warnings and errors, oldest first, joined for an error message.
    pub(super) fn complaints(&self) -> String {
        let bad = self.0.iter().filter(|l| matches!(l.level, Level::Warn | Level::Error));
        // llama.cpp repeats keys and names of the file as they are, however long.
        let texts = bad.map(|l| readable(&l.text)).filter(|text| !text.is_empty());
        let texts: Vec<String> = texts.collect();
        texts[texts.len().saturating_sub(6)..].join("; ")
    }
}

/// Letters of a line, or of an exception's text, in an error message.
const MAX_LETTERS: usize = 400;

/// What llama.cpp said, for an error message: what can be printed, cut to a readable length.
pub(super) fn readable(text: &str) -> String {
    text::printable(&text::shortened(text.trim(), MAX_LETTERS))
}

impl Capture {
    /// Takes text in and returns the lines that it completed.
    fn push(&mut self, level: Option<Level>, text: &str) -> Vec<Line> {
        let mut completed = Vec::new();
        for piece in text.split_inclusive('\n') {
            // A continuation belongs to the line before it, whatever its own level says.
            let line = match (&mut self.pending, level) {
                (Some(line), _) => line,
                (None, level) => {
                    self.pending.insert(Line { level: level.unwrap_or(Level::Info), text: String::new() })
                }
            };
            line.text.push_str(piece.trim_end_matches('\n'));
            if piece.ends_with('\n') {
                completed.extend(self.end_line());
            }
        }
        completed
    }

    fn end_line(&mut self) -> Option<Line> {
        let line = self.pending.take()?;
        if self.lines.len() == MAX_LINES {
            self.lines.drain(..MAX_LINES / 2);
        }
        self.lines.push(line.clone());
        Some(line)
    }
}

fn level_of(level: sys::ggml_log_level) -> Option<Level> {
    match level {
        sys::GGML_LOG_LEVEL_ERROR => Some(Level::Error),
        sys::GGML_LOG_LEVEL_WARN => Some(Level::Warn),
        sys::GGML_LOG_LEVEL_INFO => Some(Level::Info),
        sys::GGML_LOG_LEVEL_DEBUG | sys::GGML_LOG_LEVEL_NONE => Some(Level::Debug),
        // CONT, and levels of a future llama.cpp.
        _ => None,
    }
}

/// Takes in what llama.cpp logged on this thread.
pub(super) fn listen(level: sys::ggml_log_level, text: &CStr) {
    let text = text.to_string_lossy();
    let completed = CAPTURE.try_with(|capture| {
        capture.try_borrow_mut().map(|mut capture| capture.push(level_of(level), &text)).unwrap_or_default()
    });
    tell(&completed.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations_join_their_line_and_unknown_levels_are_kept() {
        let ((), captured) = capture(|| {
            listen(sys::GGML_LOG_LEVEL_WARN, c"half ");
            listen(sys::GGML_LOG_LEVEL_CONT, c"a line\n");
            listen(999, c"odd\n");
            listen(sys::GGML_LOG_LEVEL_ERROR, c"no line feed");
        });
        let expected = [(Level::Warn, "half a line"), (Level::Info, "odd"), (Level::Error, "no line feed")];
        let expected = expected.map(|(level, text)| Line { level, text: text.into() });
        assert_eq!(captured.0, expected);
        assert_eq!(captured.complaints(), "half a line; no line feed");
    }

    #[test]
    fn captures_nest_and_do_not_leak() {
        let (inner, outer) = capture(|| {
            listen(sys::GGML_LOG_LEVEL_WARN, c"outer\n");
            capture(|| listen(sys::GGML_LOG_LEVEL_WARN, c"inner\n")).1
        });
        assert_eq!(inner.complaints(), "inner");
        assert_eq!(outer.complaints(), "outer");
    }
}
