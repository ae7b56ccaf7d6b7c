//! Lines of input, which may be of any bytes.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

/// The next line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its text, without the line end.
    Text(String),
    /// It is not text, and why.
    Refused(String),
    /// The input has ended.
    End,
}

/// Lines of a reader, counted.
#[derive(Default)]
pub struct Lines {
    n_read: usize,
    /// What was typed at a question without answering it.
    kept: VecDeque<String>,
}

impl Lines {
    /// Puts a line back that was read too soon: it is the next one, after those put back before.
    pub fn keep(&mut self, line: String) {
        self.kept.push_back(line);
    }

    /// The first line that was put back, if there is one.
    pub fn kept(&self) -> Option<&str> {
        self.kept.front().map(String::as_str)
    }

    /// The next line: one that was put back, or else one to wait for.
    pub fn next(&mut self, reader: impl BufRead) -> io::Result<Line> {
        match self.kept.pop_front() {
            Some(line) => Ok(Line::Text(line)),
            None => self.read(reader),
        }
    }

    /// Waits for the next line of the reader, not one that was put back.
    pub fn read(&mut self, mut reader: impl BufRead) -> io::Result<Line> {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(Line::End);
        }
        self.n_read += 1;
        let mut line = &bytes[..];
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        // Editors on Windows mark UTF-8 at the beginning of a file.
        if self.n_read == 1 {
            line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
        }
        Ok(match std::str::from_utf8(line) {
            Ok(text) => Line::Text(text.into()),
            Err(error) => {
                let at = error.valid_up_to();
                Line::Refused(format!(
                    "line {} is not valid UTF-8 (byte {:#04x} at column {}) and was not sent: convert it, for example \
                     with iconv",
                    self.n_read,
                    line[at],
                    at + 1
                ))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_bytes_are_text_or_refused_with_their_place() {
        let mut input = &b"\xEF\xBB\xBFone\r\n\ncaf\xE9 au lait\n\xFF\nlast"[..];
        let mut lines = Lines::default();
        assert_eq!(lines.next(&mut input).unwrap(), Line::Text("one".into()));
        assert_eq!(lines.next(&mut input).unwrap(), Line::Text(String::new()));
        let Line::Refused(why) = lines.next(&mut input).unwrap() else { panic!("taken") };
        assert!(why.contains("line 3 is not valid UTF-8 (byte 0xe9 at column 4)"), "{why}");
        let Line::Refused(why) = lines.next(&mut input).unwrap() else { panic!("taken") };
        assert!(why.contains("line 4") && why.contains("0xff at column 1"), "{why}");
        assert_eq!(lines.next(&mut input).unwrap(), Line::Text("last".into()));
        assert_eq!(lines.next(&mut input).unwrap(), Line::End);
    }

    #[test]
    fn what_was_typed_too_soon_comes_next_and_in_order() {
        let mut input = &b"one\ntwo\ny\nthree\n"[..];
        let mut lines = Lines::default();
        for text in ["one", "two"] {
            assert_eq!(lines.read(&mut input).unwrap(), Line::Text(text.into()));
            lines.keep(text.into());
        }
        assert_eq!(lines.read(&mut input).unwrap(), Line::Text("y".into()), "the answer to a question");
        for text in ["one", "two", "three"] {
            assert_eq!(lines.kept(), Some(text).filter(|text| *text != "three"));
            assert_eq!(lines.next(&mut input).unwrap(), Line::Text(text.into()));
        }
    }
}
