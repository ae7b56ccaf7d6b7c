//! Where a model comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    bench::{Cancel, Event},
    gguf::{Shape, Synthetic},
    llama::{Backend, Model, ModelParams},
    record::Failure,
};

use serde::{Deserialize, Serialize};

use super::tell::Stage;

/// A model to measure: a GGUF file, or a synthetic model that is generated while it is loaded.
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

impl From<String> for Source {
    fn from(path: String) -> Self {
        Self::File(path.into())
    }
}

impl From<&String> for Source {
    fn from(path: &String) -> Self {
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
    /// Where the file is; of a synthetic model, where it is or would be.
    ///
    /// # Errors
    /// A synthetic model is to be kept ([`Synthetic::keep`]), and the system names no cache folder.
    pub fn path(&self) -> Result<PathBuf, Error> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Synthetic(synthetic) if synthetic.is_kept() => Ok(synthetic.cache_path()?),
            Self::Synthetic(synthetic) => Ok(synthetic.label()),
        }
    }

    /// What is wrong with a file or a shape, found without loading it; `None` if nothing is.
    pub fn defect(&self) -> Option<Error> {
        match self {
            Self::File(path) => Model::check_file(path).err().map(Error::from),
            Self::Synthetic(synthetic) => Model::check_synthetic(synthetic).err(),
        }
    }

    /// Bytes that a load reads: of all parts of a split model, or of a synthetic model.
    ///
    /// # Errors
    /// A file is missing or its header is damaged; the shape is impossible.
    pub fn size_bytes(&self) -> Result<u64, Error> {
        match self {
            Self::File(path) => {
                let files = Model::files(path)?;
                Ok(files.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum())
            }
            Self::Synthetic(synthetic) => Ok(synthetic.size_bytes()?),
        }
    }

    /// Loads it. A synthetic model is generated meanwhile, or made as a file before
    /// ([`Model::load_synthetic`]).
    ///
    /// # Errors
    /// As [`Model::load_with`] and [`Model::load_synthetic`].
    pub fn load(&self, params: &ModelParams) -> Result<Model, Error> {
        self.load_watched(params, &mut |_| true)
    }

    pub(super) fn is_synthetic(&self) -> bool {
        matches!(self, Self::Synthetic(_))
    }

    /// Bytes of all tensors of a synthetic model, as llama.cpp counts them; `None` if its shape is impossible.
    pub(super) fn weight_bytes(&self) -> Option<u64> {
        match self {
            Self::File(_) => None,
            Self::Synthetic(synthetic) => Some(synthetic.stream().ok()?.weight_bytes()),
        }
    }

    /// Whether the weights of a synthetic model that is generated while it is loaded fit into no memory here, that of all
    /// devices together. Those of a file are mapped as needed.
    pub(super) fn is_too_large(&self, params: &ModelParams) -> bool {
        let (Some(weights), Ok(backend)) = (self.weight_bytes(), Backend::init()) else { return false };
        let free =
            backend.devices().iter().fold(0, |sum: u64, it| sum.saturating_add(it.memory_before_use().0));
        !self.has_file(params) && weights > free
    }

    /// The file whose shape a synthetic model has.
    pub(crate) fn like(&self) -> Option<&Path> {
        match self {
            Self::File(_) => None,
            Self::Synthetic(synthetic) => synthetic.shape().like_path(),
        }
    }

    /// Whether it is loaded from a file with these parameters: a synthetic model is if it is kept, or if it
    /// [must be](ModelParams::needs_file).
    pub fn has_file(&self, params: &ModelParams) -> bool {
        match self {
            Self::File(_) => true,
            Self::Synthetic(synthetic) => synthetic.is_kept() || params.needs_file().is_some(),
        }
    }

    /// Loads it for a campaign, unless that is cancelled before or meanwhile.
    pub(super) fn load_on(
        &self,
        path: &Path,
        params: &ModelParams,
        stage: &Stage<'_, '_>,
        cancel: &Cancel,
    ) -> Result<Model, Failure> {
        go_on(cancel)?;
        if let (Self::Synthetic(synthetic), true) = (self, self.has_file(params)) {
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
        let model = self.load_watched(params, &mut watch)?;
        go_on(cancel)?;
        Ok(model)
    }

    /// Loads it, unless that is cancelled before or meanwhile.
    pub(crate) fn load_unless(&self, params: &ModelParams, cancel: &Cancel) -> Result<Model, Failure> {
        go_on(cancel)?;
        let model = self.load_watched(params, &mut |_| !cancel.is_cancelled())?;
        go_on(cancel)?;
        Ok(model)
    }

    fn load_watched(&self, params: &ModelParams, watch: &mut dyn FnMut(f32) -> bool) -> Result<Model, Error> {
        match self {
            Self::File(path) => Ok(Model::load_with_progress(path, params, watch)?),
            Self::Synthetic(synthetic) => Model::load_synthetic_with_progress(synthetic, params, watch),
        }
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
