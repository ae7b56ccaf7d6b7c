//! A synthetic model as a stream: its header, and weights that are generated where they are read.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{GgufError, GgufFile, content::Content, layout::Layout};

/// A synthetic model that exists nowhere: the bytes that its file would have, generated as they are read. Made by
/// [`Synthetic::stream`](super::Synthetic::stream); clones share the header.
#[derive(Clone)]
pub struct SyntheticStream(Arc<Inner>);

struct Inner {
    path: PathBuf,
    like: Option<PathBuf>,
    layout: Layout,
}

impl SyntheticStream {
    pub(super) fn new(path: PathBuf, like: Option<PathBuf>, layout: Layout) -> Self {
        Self(Arc::new(Inner { path, like, layout }))
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Where its file would be, or is if it was kept: the model's name in records.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The file to name if something is wrong with it: the one whose shape it has, or its own.
    pub(crate) fn origin(&self) -> &Path {
        self.0.like.as_deref().unwrap_or(&self.0.path)
    }

    /// The size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.0.layout.size_bytes
    }

    /// Bytes of all tensors.
    #[cfg(feature = "measure")]
    pub(crate) fn weight_bytes(&self) -> u64 {
        self.0.layout.tensors.iter().map(|tensor| tensor.size_bytes).sum()
    }

    /// The header, as read from a file.
    pub(crate) fn header(&self) -> Result<GgufFile, GgufError> {
        GgufFile::of_header(&self.0.layout.header, self.size_bytes(), self.origin())
    }

    /// Reads it from the start. Readers are independent of each other.
    pub fn reader(&self) -> StreamReader {
        StreamReader { stream: self.clone(), position: 0, contents: Vec::new() }
    }
}

impl fmt::Debug for SyntheticStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyntheticStream")
            .field("path", &self.0.path)
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}

/// Tensors whose random blocks a reader keeps. A reader with a buffer goes back to the end of the tensor before.
const MAX_CONTENTS: usize = 4;

/// Reads a [`SyntheticStream`], at any place.
pub struct StreamReader {
    stream: SyntheticStream,
    position: u64,
    /// By the index of the tensor, the one that was used last at the end.
    contents: Vec<(usize, Content)>,
}

impl StreamReader {
    /// The size of the stream in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.stream.size_bytes()
    }

    /// Bytes from the position on, at most `n`; none at the end.
    pub(super) fn some(&mut self, n: u64) -> io::Result<&[u8]> {
        const PADDING: [u8; 64] = [0; 64];
        let &Layout { ref header, ref tensors, size_bytes, .. } = self.stream.layout();
        let n = n.min(size_bytes.saturating_sub(self.position));
        if n == 0 {
            return Ok(&[]);
        }
        let Some(in_data) = self.position.checked_sub(header.len() as u64) else {
            let rest = (header.len() as u64 - self.position).min(n);
            let at = self.position as usize;
            return Ok(&self.stream.0.layout.header[at..at + rest as usize]);
        };
        let index = tensors.partition_point(|tensor| tensor.offset <= in_data) - 1;
        let tensor = &tensors[index];
        let at = in_data - tensor.offset;
        if at < tensor.size_bytes {
            let n = n.min(tensor.size_bytes - at);
            return Ok(self.content(index)?.some(at, n));
        }
        // Between two tensors, or after the last.
        let end = tensors.get(index + 1).map_or(size_bytes - header.len() as u64, |next| next.offset);
        Ok(&PADDING[..(end - in_data).min(n).min(PADDING.len() as u64) as usize])
    }

    fn content(&mut self, index: usize) -> io::Result<&Content> {
        let found = self.contents.iter().rposition(|(of, _)| *of == index);
        let kept = match found {
            Some(place) => self.contents.remove(place),
            None => {
                let Layout { tensors, router, seed, .. } = self.stream.layout();
                let content = Content::new(*seed, &tensors[index], router.as_ref());
                // The layout refuses types that no weights can be made for.
                let content = content.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
                if self.contents.len() == MAX_CONTENTS {
                    self.contents.remove(0);
                }
                (index, content)
            }
        };
        self.contents.push(kept);
        let (_, content) = &self.contents[self.contents.len() - 1];
        Ok(content)
    }
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < buffer.len() {
            let rest = &mut buffer[n..];
            let bytes = self.some(rest.len() as u64)?;
            let n_read = bytes.len();
            if n_read == 0 {
                break;
            }
            rest[..n_read].copy_from_slice(bytes);
            self.position += n_read as u64;
            n += n_read;
        }
        Ok(n)
    }
}

impl Seek for StreamReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        // C counts positions in signed numbers of 64 bits.
        self.position =
            to.filter(|&to| i64::try_from(to).is_ok()).ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
