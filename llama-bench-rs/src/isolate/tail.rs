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

#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<String>,
    cause: Option<String>,
    /// The next line is the text of a panic, whose place was the cause.
    is_panic: bool,
}

impl Tail {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, line: &str) {
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
        if lines.last.len() == MOST_LINES {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
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
        let last: Vec<&str> = lines.last.iter().map(String::as_str).collect();
        match (&lines.cause, &last[..]) {
            (None, []) => String::new(),
            (None, last) => format!("; its last lines: {}", last.join(" | ")),
            (Some(cause), [only]) if cause == only => format!(": {cause}"),
            (Some(cause), last) => format!(": {cause}; its last lines: {}", last.join(" | ")),
        }
    }
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
    fn it_is_bounded_whatever_comes() {
        let long = "ä".repeat(1 << 20);
        let said = words(&format!("{long}\n\u{7}bell\n{}", "x\n".repeat(10_000)));
        assert!(said.len() < 64 && said.ends_with("x | x"), "{said}");
        let cut = words(&long);
        assert!(cut.ends_with('…') && cut.len() < MOST_BYTES + 64, "{}", cut.len());
    }
}
