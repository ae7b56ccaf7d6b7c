//! What parent and child send each other: JSON, one line each.
//!
//! The parent sends two lines, [`Setup`] and [`Work`], and then one byte for each event that it has dealt with, or
//! [`CANCEL`]. The child sends [`Told`]. Its lines begin with a mark and follow a line feed: what others print into the
//! pipe, whole lines or parts, is recognised.

use std::{
    io::{self, BufRead, Read as _, Write},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::events::EventLine;
use crate::{
    bench::{Inspected, Look, Part},
    llama::{Numa, build_info},
    record::{Failure, Header},
    serve::{ServeOrder, ServeRun},
};

/// An event was dealt with: the child may go on.
pub(super) const GO_ON: u8 = b'.';

/// The child is to stop and keep what it measured.
pub(super) const CANCEL: u8 = b'c';

/// What lines of a child begin with.
const MARK: &[u8] = b"@llama-bench-rs ";

/// Longer lines are not the child's: a cell of 100 000 repetitions takes 20 MB.
const LONGEST: u64 = 1 << 28;

/// What a child must know before it can understand its work.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Both must be the same build of the program.
    pub(super) version: String,
    /// How threads are placed on NUMA nodes; `None` if it is not known.
    pub(super) numa: Option<Numa>,
    /// Servers whose devices the work may name, with the time that each has for its greeting.
    pub(super) servers: Vec<(String, Duration)>,
    /// The most talkative level of llama.cpp's log that somebody reads.
    pub(super) level: String,
    /// Ceilings that were measured later are not measured again, if they are to be renewed.
    pub(super) renewed_after: String,
}

/// What a child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Measure configurations.
    Measure(Box<Part>),
    /// Look at one.
    Inspect(Box<Part>, Look),
    /// Serve requests.
    Serve(Box<ServeOrder>),
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// Something happened; the child waits until the parent has dealt with it.
    Event(Box<EventLine>),
    /// llama.cpp logged a line.
    Log { level: String, text: String },
    /// The work is done.
    Done(Answer),
    /// What the work needs is not there: it costs this configuration alone.
    Unable(Failure),
    /// The work cannot be done as it was asked for.
    Refused { message: String, is_usage: bool },
}

/// The outcome of a child's work.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The final header of each run that was begun, by its place: configuration + run x configurations.
    Measured(Vec<(usize, Header)>),
    /// What was found.
    Inspected(Box<Inspected>),
    /// What was served.
    Served(Box<ServeRun>),
}

/// What distinguishes builds of a program.
pub(super) fn version() -> String {
    let build = build_info();
    format!("{} {} {}", env!("CARGO_PKG_VERSION"), build.version, build.commit)
}

/// A line for the child.
pub(super) fn line_of(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// A line of the child.
pub(super) fn told_line(told: &Told) -> serde_json::Result<Vec<u8>> {
    let mut line = vec![b'\n'];
    line.extend_from_slice(MARK);
    serde_json::to_writer(&mut line, told)?;
    line.push(b'\n');
    Ok(line)
}

/// A line that came out of a child.
#[derive(Debug)]
pub(super) enum Line {
    /// The child's own.
    Told(Box<Told>),
    /// The child's own, and damaged.
    Damaged(String),
    /// Somebody else printed it.
    Printed(String),
}

/// The next line; `None` at the end. A last line without an end was cut off, and nothing is known of it.
pub(super) fn next_line(from: &mut impl BufRead) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        from.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        if !is_whole {
            if line.len() as u64 >= LONGEST {
                skip_line(from)?;
            }
            let is_own = line.starts_with(MARK);
            return Ok(Some(Line::Printed(if is_own {
                "(a line that was cut off)".into()
            } else {
                text(&line)
            })));
        }
        let Some(json) = line.strip_prefix(MARK) else {
            if line.is_empty() {
                continue;
            }
            return Ok(Some(Line::Printed(text(&line))));
        };
        return Ok(Some(match serde_json::from_slice(json) {
            Ok(told) => Line::Told(told),
            Err(error) => Line::Damaged(error.to_string()),
        }));
    }
}

/// What people are shown of it.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(super::tail::MOST_BYTES)]).into_owned()
}

fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = from.fill_buf()?;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let n = end.map_or(bytes.len(), |end| end + 1);
        let is_over = end.is_some() || bytes.is_empty();
        from.consume(n);
        if is_over {
            return Ok(());
        }
    }
}

/// Writes a line in one piece, as far as the system lets it.
pub(super) fn put(to: &mut impl Write, line: &[u8]) -> io::Result<()> {
    to.write_all(line)?;
    to.flush()
}

/// Why a child was lost although it still ran.
pub(super) fn not_understood(why: &str) -> Failure {
    let kind = crate::record::FailureKind::Isolation;
    Failure::new(kind, format!("a process of its own sent a line that cannot be understood: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut from = BufReader::with_capacity(7, bytes);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut from).unwrap() {
            lines.push(match line {
                Line::Told(told) => match *told {
                    Told::Log { text, .. } => format!("told {text}"),
                    other => panic!("{other:?}"),
                },
                Line::Damaged(_) => "damaged".into(),
                Line::Printed(text) => format!("printed {text}"),
            });
        }
        lines
    }

    #[test]
    fn what_others_print_into_the_pipe_damages_no_line() {
        let told = told_line(&Told::Log { level: "WARN".into(), text: "a\nb".into() }).unwrap();
        let mut bytes = b"loader: half a line".to_vec();
        bytes.extend(&told);
        bytes.extend(b"\xff\xfe whole\n");
        bytes.extend(&told);
        bytes.extend(b"@llama-bench-rs {\"Log\": 3}\n");
        bytes.extend(&told[..told.len() - 4]);
        let expected = [
            "printed loader: half a line",
            "told a\nb",
            "printed \u{fffd}\u{fffd} whole",
            "told a\nb",
            "damaged",
            "printed (a line that was cut off)",
        ];
        assert_eq!(lines(&bytes), expected);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_whole() {
        let mut bytes = vec![b'x'; 3 * super::super::tail::MOST_BYTES];
        bytes.push(b'\n');
        assert_eq!(lines(&bytes)[0].len(), "printed ".len() + super::super::tail::MOST_BYTES);
    }
}
