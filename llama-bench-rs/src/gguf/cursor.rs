//! A reader that checks every length in a file against what is left of it.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{GgufError, Malformed};

/// The longest string that is accepted; llama.cpp's own limit is 1 GiB, real files stay under 1 MiB.
const MAX_STRING_BYTES: u64 = 64 << 20;

/// How much of a file is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: what does not fit in is damage.
    Whole,
    /// Its beginning, which may end within the header.
    Beginning,
}

/// Reads little-endian values from the start of a file of known length.
pub(super) struct Cursor<'a, R> {
    reader: R,
    position: u64,
    length: u64,
    path: &'a Path,
    extent: Extent,
    /// The least that follows the value that is being read, in bytes.
    to_come: u64,
}

impl<'a, R: Read> Cursor<'a, R> {
    pub(super) fn new(reader: R, length: u64, path: &'a Path, extent: Extent) -> Self {
        Self { reader, position: 0, length, path, extent, to_come: 0 }
    }

    /// Says how many bytes at least follow the next value, for the message of a header that is cut off.
    pub(super) fn expect(&mut self, to_come: u64) {
        self.to_come = to_come;
    }

    pub(super) fn to_come(&self) -> u64 {
        self.to_come
    }

    /// Bytes from the start of the file.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn left(&self) -> u64 {
        self.length - self.position
    }

    pub(super) fn malformed(&self, offset: u64, problem: Malformed) -> GgufError {
        GgufError::Malformed { path: self.path.to_owned(), offset, problem }
    }

    /// Fails unless `needed` more bytes are in the file.
    pub(super) fn require(&self, needed: u64, what: &str) -> Result<(), GgufError> {
        let left = self.left();
        if needed <= left {
            return Ok(());
        }
        if self.extent == Extent::Beginning {
            return Err(GgufError::HeaderCutOff {
                path: self.path.to_owned(),
                what: what.to_owned(),
                file_bytes: self.length,
                missing_bytes: (needed - left).saturating_add(self.to_come),
            });
        }
        Err(self.malformed(self.position, Malformed::CutOff { what: what.to_owned(), needed, left }))
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), GgufError> {
        self.require(buffer.len() as u64, what)?;
        match self.reader.read_exact(buffer) {
            Ok(()) => {
                self.position += buffer.len() as u64;
                Ok(())
            }
            // The file shrank since its length was asked for.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let problem =
                    Malformed::CutOff { what: what.to_owned(), needed: buffer.len() as u64, left: 0 };
                Err(self.malformed(self.position, problem))
            }
            Err(source) => Err(GgufError::Io { path: self.path.to_owned(), doing: "read", source }),
        }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of things that take at least `each` bytes, checked against what is left of the file if all of it is there.
    pub(super) fn count(&mut self, each: u64, most: u64, what: &str) -> Result<u64, GgufError> {
        let at = self.position;
        let found = self.u64(what)?;
        let limit = match self.extent {
            Extent::Whole => (self.left() / each.max(1)).min(most),
            Extent::Beginning => most,
        };
        if found > limit {
            return Err(self.malformed(at, Malformed::TooLarge { what: what.to_owned(), found, limit }));
        }
        Ok(found)
    }

    /// The bytes of a length-prefixed string.
    pub(super) fn string(&mut self, what: &str) -> Result<Vec<u8>, GgufError> {
        let length = self.count(1, MAX_STRING_BYTES, &format!("the length of {what}"))?;
        // Before memory is taken for it.
        self.require(length, what)?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }
}
