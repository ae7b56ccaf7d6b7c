//! The last lines of a child, which say why it ended.

use std::{
    collections::VecDeque,
    io::{self, Read},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lines that are kept.
const MOST_LINES: usize = 8;

/// Bytes of a line that are kept.
pub(super) const MOST_BYTES: usize = 400;

/// What a line says that names the cause of an end. A stack of calls may follow it, longer than what is kept.
const CAUSES: [&str; 10] = [
    "GGML_ASSERT",
    "GGML_ABORT",
    "fatal error",
    "CUDA error",
    "Remote RPC server",
    "panicked at",
    "terminate called",
    "what():",
    "memory allocation of",
    "Sanitizer:",
];

/// Words of a line about something that went wrong, in small letters.
const TELLING: [&str; 12] = [
    "error",
    "fail",
    "abort",
    "exception",
    "cannot",
    "could not",
    "unable to",
    "out of memory",
    "not enough",
    "invalid",
    "lost",
    "crashed",
];

#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Lines>);

/// The latest lines of each kind.
#[derive(Debug, Default)]
struct Lines {
    /// Errors of the log, and whatever reads like one.
    telling: VecDeque<String>,
    /// Whatever was printed.
    printed: VecDeque<String>,
    /// Warnings of the log, most of which have nothing to do with the end.
    warnings: VecDeque<String>,
    cause: Option<String>,
    /// The next line is the text of a panic, whose place was the cause.
    is_panic: bool,
}

impl Tail {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line that was printed.
    pub(super) fn push(&self, line: &str) {
        self.take(line, |lines| &mut lines.printed);
    }

    /// Takes a line of the log: an error, or a warning.
    pub(super) fn push_log(&self, line: &str, is_error: bool) {
        self.take(line, |lines| if is_error { &mut lines.telling } else { &mut lines.warnings });
    }

    fn take(&self, line: &str, kind: impl Fn(&mut Lines) -> &mut VecDeque<String>) {
        let line = cut(line.trim());
        if line.is_empty() {
            return;
        }
        let mut lines = self.lines();
        if std::mem::take(&mut lines.is_panic)
            && let Some(cause) = &mut lines.cause
        {
            *cause = format!("{cause} {line}");
        } else if CAUSES.iter().any(|cause| line.contains(cause)) {
            lines.is_panic = line.contains("panicked at") && line.ends_with(':');
            lines.cause = Some(line.clone());
        }
        let small = line.to_lowercase();
        keep(kind(&mut lines), line.clone());
        if TELLING.iter().any(|word| small.contains(word)) && lines.telling.back() != Some(&line) {
            keep(&mut lines.telling, line);
        }
    }

    /// Reads to the end, whatever comes: lines of any length, or none.
    pub(super) fn read(&self, mut from: impl Read, mut tell: impl FnMut(&str)) {
        let (mut line, mut buffer) = (Vec::new(), [0; 8192]);
        loop {
            let n = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            for piece in buffer[..n].split_inclusive(|&byte| byte == b'\n') {
                let room = (4 * MOST_BYTES).saturating_sub(line.len());
                line.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.ends_with(b"\n") {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    tell(text.trim_end());
                    self.push(&text);
                    line.clear();
                }
            }
        }
        self.push(&String::from_utf8_lossy(&line));
    }

    /// `: the cause; its last lines: …`, or nothing.
    pub(super) fn words(&self) -> String {
        let lines = self.lines();
        let is_cause = |line: &&String| lines.cause.as_ref().is_some_and(|cause| cause.starts_with(&**line));
        let mut last: Vec<&String> = lines.telling.iter().filter(|line| !is_cause(line)).collect();
        if last.is_empty() {
            last.extend(&lines.printed);
        }
        if last.is_empty() && lines.cause.is_none() {
            last.extend(&lines.warnings);
        }
        let last: Vec<&str> = last.into_iter().map(String::as_str).collect();
        match (&lines.cause, &last[..]) {
            (Some(cause), []) => format!(": {cause}"),
            (None, []) => String::new(),
            (None, last) => format!("; its last lines: {}", last.join(" | ")),
            (Some(cause), [only]) if cause == only => format!(": {cause}"),
            (Some(cause), last) => format!(": {cause}; its last lines: {}", last.join(" | ")),
        }
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == MOST_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// At most [`MOST_BYTES`], without control characters.
fn cut(line: &str) -> String {
    let mut end = line.len().min(MOST_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < line.len() { "…" } else { "" };
    let plain: String = line[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let tail = Tail::default();
        tail.read(text.as_bytes(), |_| {});
        tail.words()
    }

    #[test]
    fn the_cause_is_found_before_a_long_stack() {
        let stack: String = (0..50).map(|i| format!("#{i} 0x1234 in frame_{i}\n")).collect();
        let said = words(&format!("loading\nggml.c:9: GGML_ASSERT(n > 0) failed\n{stack}"));
        assert!(said.starts_with(": ggml.c:9: GGML_ASSERT(n > 0) failed; its last lines: #42 "), "{said}");
        let panic = words("thread 'main' panicked at src/a.rs:3:5:\nindex out of bounds\nnote: run with\n");
        assert!(
            panic.starts_with(": thread 'main' panicked at src/a.rs:3:5: index out of bounds;"),
            "{panic}"
        );
        assert_eq!(words("GGML_ASSERT(x) failed"), ": GGML_ASSERT(x) failed");
        assert_eq!((words(""), words("a\nb")), (String::new(), "; its last lines: a | b".into()));
    }

    #[test]
    fn lines_that_tell_of_an_error_come_before_all_others() {
        let tail = Tail::default();
        tail.push_log("load: adding 1024 dummy tokens", false);
        assert_eq!(tail.words(), "; its last lines: load: adding 1024 dummy tokens", "there is nothing else");
        tail.push_log("no device took the tensor", true);
        (0..20).for_each(|i| tail.push_log(&format!("load: adding {i} dummy tokens"), false));
        tail.push("loader: half way");
        assert_eq!(tail.words(), "; its last lines: no device took the tensor");
        tail.push("CUDA error: an illegal memory access was encountered");
        let cause = ": CUDA error: an illegal memory access was encountered";
        assert_eq!(tail.words(), format!("{cause}; its last lines: no device took the tensor"));
        let tail = Tail::default();
        tail.push_log("load: adding 1024 dummy tokens", false);
        tail.push("ggml.c:9: GGML_ASSERT(n > 0) failed");
        assert_eq!(tail.words(), ": ggml.c:9: GGML_ASSERT(n > 0) failed");
    }

    #[test]
    fn it_is_bounded_whatever_comes() {
        let long = "ä".repeat(1 << 20);
        let said = words(&format!("{long}\n\u{7}bell\n{}", "x\n".repeat(10_000)));
        assert!(said.len() < 64 && said.ends_with("x | x"), "{said}");
        let cut = words(&long);
        assert!(cut.ends_with('…') && cut.len() < MOST_BYTES + 64, "{}", cut.len());
    }
}
