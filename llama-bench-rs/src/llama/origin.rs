//! Where a model's bytes come from.

use std::path::{Path, PathBuf};

use super::{LlamaError, checks};
use crate::gguf::{GgufFile, SyntheticStream};

/// A file, or a synthetic model that exists nowhere.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A file, of a split model the first part.
    File(PathBuf),
    /// A synthetic model, generated while it is read.
    Stream(SyntheticStream),
}

impl Origin {
    /// The file, or where it would be: its name in records.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stream(stream) => stream.path(),
        }
    }

    /// The file to name if something is wrong: of a synthetic model, the one whose shape it has if there is one.
    pub(super) fn named(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stream(stream) => stream.origin(),
        }
    }

    pub(super) fn header(&self) -> Result<GgufFile, LlamaError> {
        match self {
            Self::File(path) => checks::header(path),
            Self::Stream(stream) => stream
                .header()
                .map_err(|error| LlamaError::File { path: self.named().into(), source: Box::new(error) }),
        }
    }
}

impl From<&Path> for Origin {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}
