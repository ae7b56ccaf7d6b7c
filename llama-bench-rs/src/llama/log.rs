//! llama.cpp's log, bridged to `tracing` and kept for errors.
//!
//! llama.cpp logs on the thread that called it, so each thread keeps the lines of its own calls.

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    sync::Once,
};

use super::{at_exit, sys};

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
}

/// Takes over llama.cpp's log for the whole process, once.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback is a static function that keeps no user data and never unwinds.
        unsafe { sys::llama_log_set(Some(callback), std::ptr::null_mut()) };
    });
}

/// Runs a call into llama.cpp and returns what it logged on this thread beside its result.
pub(super) fn capture<R>(call: impl FnOnce() -> R) -> (R, Log) {
    let outer = exchange(Capture::default());
    let result = call();
    let captured = exchange(outer);
    (result, Log(captured.finish()))
}

/// Puts another capture in the place of this thread's. Nothing is captured where there is none to be had: at the end of
/// a thread, when handles kept in its thread-local variables are dropped, and within a subscriber that is told a line.
fn exchange(new: Capture) -> Capture {
    let exchanged = CAPTURE.try_with(|capture| {
        capture.try_borrow_mut().map(|mut capture| std::mem::replace(&mut *capture, new)).unwrap_or_default()
    });
    exchanged.unwrap_or_default()
}

/// The lines of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Vec<Line>);

impl Log {
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.text.as_str())
    }

    /// The last warnings and errors, oldest first, joined for an error message.
    pub(super) fn complaints(&self) -> String {
        let bad = self.0.iter().filter(|l| matches!(l.level, Level::Warn | Level::Error));
        let texts: Vec<&str> = bad.map(|l| l.text.trim()).filter(|t| !t.is_empty()).collect();
        texts[texts.len().saturating_sub(6)..].join("; ")
    }
}

impl Capture {
    fn push(&mut self, level: Option<Level>, text: &str) {
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
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let Some(line) = self.pending.take() else { return };
        match line.level {
            Level::Error => tracing::error!(target: "llama.cpp", "{}", line.text),
            Level::Warn => tracing::warn!(target: "llama.cpp", "{}", line.text),
            Level::Info => tracing::info!(target: "llama.cpp", "{}", line.text),
            Level::Debug => tracing::debug!(target: "llama.cpp", "{}", line.text),
        }
        if self.lines.len() == MAX_LINES {
            self.lines.drain(..MAX_LINES / 2);
        }
        self.lines.push(line);
    }

    fn finish(mut self) -> Vec<Line> {
        self.end_line();
        self.lines
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

unsafe extern "C" fn callback(level: sys::ggml_log_level, text: *const c_char, _user_data: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for the duration of the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A subscriber of the application may panic or log again: neither may reach C.
    let told = || {
        let _ = CAPTURE.try_with(|capture| {
            if let Ok(mut capture) = capture.try_borrow_mut() {
                capture.push(level_of(level), &text);
            }
        });
    };
    let _ = at_exit::outside(|| std::panic::catch_unwind(told));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(level: sys::ggml_log_level, text: &CStr) {
        // SAFETY: a valid C string.
        unsafe { callback(level, text.as_ptr(), std::ptr::null_mut()) };
    }

    #[test]
    fn continuations_join_their_line_and_unknown_levels_are_kept() {
        let ((), captured) = capture(|| {
            log(sys::GGML_LOG_LEVEL_WARN, c"half ");
            log(sys::GGML_LOG_LEVEL_CONT, c"a line\n");
            log(999, c"odd\n");
            log(sys::GGML_LOG_LEVEL_ERROR, c"no line feed");
        });
        let expected = [(Level::Warn, "half a line"), (Level::Info, "odd"), (Level::Error, "no line feed")];
        let expected = expected.map(|(level, text)| Line { level, text: text.into() });
        assert_eq!(captured.0, expected);
        assert_eq!(captured.complaints(), "half a line; no line feed");
    }

    #[test]
    fn captures_nest_and_do_not_leak() {
        let (inner, outer) = capture(|| {
            log(sys::GGML_LOG_LEVEL_WARN, c"outer\n");
            capture(|| log(sys::GGML_LOG_LEVEL_WARN, c"inner\n")).1
        });
        assert_eq!(inner.complaints(), "inner");
        assert_eq!(outer.complaints(), "outer");
    }
}
