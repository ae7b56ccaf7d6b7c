//! Where a model comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    bench::{Cancel, Event},
    gguf::{Shape, Synthetic},
    llama::{Model, ModelParams},
    record::Failure,
};

use serde::{Deserialize, Serialize};

use super::tell::Stage;

/// A model of a campaign: a GGUF file, or a synthetic model that is made in the cache folder when its turn comes.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Source {
    /// A file.
    File(#[serde(with = "whole_path")] PathBuf),
    /// A synthetic model.
    Synthetic(Box<Synthetic<'static>>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Synthetic(synthetic) => f.debug_tuple("Synthetic").field(synthetic.shape()).finish(),
        }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl From<&PathBuf> for Source {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&str> for Source {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<Synthetic<'static>> for Source {
    fn from(synthetic: Synthetic<'static>) -> Self {
        Self::Synthetic(Box::new(synthetic))
    }
}

impl From<Shape> for Source {
    fn from(shape: Shape) -> Self {
        Synthetic::new(shape).into()
    }
}

impl Source {
    /// Where the file is, or will be once it is made.
    ///
    /// # Errors
    /// The shape is impossible, or the system names no cache folder.
    pub fn path(&self) -> Result<PathBuf, Error> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Synthetic(synthetic) => Ok(synthetic.cache_path()?),
        }
    }

    /// What is wrong with a file, found without loading it; `None` if nothing is.
    pub fn defect(&self) -> Option<Error> {
        match self {
            Self::File(path) => Model::check_file(path).err().map(Error::from),
            Self::Synthetic(_) => None,
        }
    }

    /// Makes the file if it is not there, and loads it, unless the campaign is cancelled before or meanwhile.
    pub(super) fn load(
        &self,
        path: &Path,
        params: &ModelParams,
        stage: &Stage<'_, '_>,
        cancel: &Cancel,
    ) -> Result<Model, Failure> {
        go_on(cancel)?;
        if let Self::Synthetic(synthetic) = self {
            let tell = |n_bytes, n_total| stage.tell(&Event::Making { path, n_bytes, n_total });
            let synthetic = synthetic.as_ref().clone().progress(tell).stop_when(|| cancel.is_cancelled());
            synthetic.cached().map_err(|error| Failure::from(Error::from(error)))?;
            go_on(cancel)?;
        }
        stage.tell(&Event::Loading { path, share: 0.0 });
        let mut watch = |share| {
            if share > 0.0 {
                stage.tell(&Event::Loading { path, share });
            }
            !cancel.is_cancelled()
        };
        let model = Model::load_with_progress(path, params, &mut watch)?;
        go_on(cancel)?;
        Ok(model)
    }
}

fn go_on(cancel: &Cancel) -> Result<(), Failure> {
    if cancel.is_cancelled() { Err(not_begun()) } else { Ok(()) }
}

/// Why nothing was loaded of a campaign that was cancelled.
pub(super) fn not_begun() -> Failure {
    Failure::new(crate::record::FailureKind::Cancelled, "interrupted before the model was loaded")
}

/// Paths that need not be text.
mod whole_path {
    use std::{
        ffi::OsString,
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(from).map(PathBuf::from)
    }
}
