//! Synthetic models: what to ask for, as a file and as a stream.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    FileType, GgufError, Routing, Shape, SyntheticStream, layout::Layout, stream::StreamReader, write,
};

/// Part of a cached file's name: raise it when the same request gives other bytes.
const FORMAT: u32 = 1;

type Progress<'a> = Arc<dyn Fn(u64, u64) + 'a>;

type Stop<'a> = Arc<dyn Fn() -> bool + 'a>;

/// A model of a shape, with random weights: as a file, or as a [stream](Self::stream) that takes no room on a disk.
///
/// The same shape, file type, seed, vocabulary and routing give the same bytes on every machine and either way.
/// [`Model::load_synthetic`](crate::llama::Model::load_synthetic) loads one.
///
/// ```no_run
/// use llama_bench_rs::gguf::{Shape, Synthetic};
///
/// let path = Synthetic::new(Shape::preset("tiny-llama")?).cached()?;
/// # Ok::<(), llama_bench_rs::gguf::GgufError>(())
/// ```
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Synthetic<'a> {
    pub(super) shape: Shape,
    pub(super) file_type: FileType,
    pub(super) seed: u64,
    pub(super) vocabulary: bool,
    pub(super) routing: Routing,
    keep: bool,
    #[serde(skip)]
    progress: Option<Progress<'a>>,
    #[serde(skip)]
    stop: Option<Stop<'a>>,
}

impl<'a> Synthetic<'a> {
    /// The shape's own file type, seed 42, no vocabulary, experts chosen equally often.
    pub fn new(shape: Shape) -> Self {
        Self {
            file_type: shape.file_type,
            shape,
            seed: 42,
            vocabulary: false,
            routing: Routing::default(),
            keep: false,
            progress: None,
            stop: None,
        }
    }

    /// Another file type; without effect on a shape that names the type of each tensor.
    #[must_use]
    pub fn file_type(mut self, file_type: FileType) -> Self {
        self.file_type = file_type;
        self
    }

    /// Seed of the weights.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a small real vocabulary, to turn text into tokens and back. Benchmarks do not need one.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: bool) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// How often each expert is chosen; without effect on a model without experts.
    #[must_use]
    pub fn routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// Loads it from a file that stays in the cache folder ([`cached`](Self::cached)), for other programs to read too. By
    /// default its bytes are generated while llama.cpp reads them, and no file is made.
    #[must_use]
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Whether it is loaded from a file that stays.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep
    }

    /// Receives the bytes written, and the bytes in all.
    #[must_use]
    pub fn progress<'b>(self, progress: impl Fn(u64, u64) + 'b) -> Synthetic<'b>
    where
        'a: 'b,
    {
        Synthetic { progress: Some(Arc::new(progress)), ..self }
    }

    /// Stops writing when this returns true; no file is left behind then.
    #[must_use]
    pub fn stop_when<'b>(self, stop: impl Fn() -> bool + 'b) -> Synthetic<'b>
    where
        'a: 'b,
    {
        Synthetic { stop: Some(Arc::new(stop)), ..self }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The size of the file in bytes.
    ///
    /// # Errors
    /// The shape cannot be written.
    pub fn size_bytes(&self) -> Result<u64, GgufError> {
        Ok(Layout::new(self)?.size_bytes)
    }

    /// Writes the file into the cache folder, unless it is there already, and returns its path. The folder is
    /// `LLAMA_BENCH_CACHE`, or `llama-bench-rs` in the user's own cache folder.
    ///
    /// # Errors
    /// The system has no cache folder, the shape is impossible, or writing failed.
    pub fn cached(&self) -> Result<PathBuf, GgufError> {
        let path = self.cache_path()?;
        let stream = self.stream()?;
        if !write::is_written(&path, stream.layout()) {
            self.write(&path, stream).map_err(|error| match error {
                GgufError::Io { path, doing, source } => GgufError::Cache { path, doing, source },
                error => error,
            })?;
        }
        Ok(path)
    }

    /// The same bytes as in the file, generated as they are read. Nothing is written.
    ///
    /// ```
    /// use std::io::{Read, Seek, SeekFrom};
    ///
    /// use llama_bench_rs::gguf::{Shape, Synthetic};
    ///
    /// let stream = Synthetic::new(Shape::preset("gpt-oss-120b")?).stream()?;
    /// let mut reader = stream.reader();
    /// reader.seek(SeekFrom::End(-16))?;
    /// reader.read_exact(&mut [0; 16])?; // the last bytes of 63 GB
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The shape is impossible.
    pub fn stream(&self) -> Result<SyntheticStream, GgufError> {
        Ok(SyntheticStream::new(self.label(), self.shape.like.clone(), Layout::new(self)?))
    }

    /// Where its file is or would be; without a cache folder the name alone.
    pub(crate) fn label(&self) -> PathBuf {
        self.cache_path().unwrap_or_else(|_| self.file_name().into())
    }

    /// Where [`cached`](Self::cached) keeps the file, whether it exists yet or not.
    ///
    /// # Errors
    /// The system has no cache folder, or the shape's name cannot be part of a file name.
    pub fn cache_path(&self) -> Result<PathBuf, GgufError> {
        if self.shape.name().contains(['/', '\\', '\0']) {
            return Err(self.impossible("its name cannot be part of a file's name: use write_to".into()));
        }
        Ok(cache_folder().ok_or(GgufError::NoCacheFolder)?.join(self.file_name()))
    }

    /// Its name in the cache folder: another one for other bytes.
    pub(super) fn file_name(&self) -> String {
        let Self { shape, file_type, seed, vocabulary, routing, .. } = self;
        let with_vocabulary = if *vocabulary { "-vocab" } else { "" };
        let routing = if shape.has_experts() { format!("-{}", routing.name()) } else { String::new() };
        format!("{}-{file_type}-seed{seed}{with_vocabulary}{routing}-v{FORMAT}.gguf", shape.name())
    }

    /// Writes the file, under a temporary name in the same folder until it is whole. Folders are made as needed.
    ///
    /// # Errors
    /// The shape is impossible, or writing failed; nothing is left behind then.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), GgufError> {
        self.write(path.as_ref(), self.stream()?)
    }

    fn write(&self, path: &Path, stream: SyntheticStream) -> Result<(), GgufError> {
        write::file(path, |file| self.write_into(file, path, stream.reader()))
    }

    fn write_into(&self, out: impl std::io::Write, path: &Path, from: StreamReader) -> Result<(), GgufError> {
        let progress = |done, total| {
            if let Some(progress) = &self.progress {
                progress(done, total);
            }
        };
        write::copy(from, out, path, progress, || self.stop.as_ref().is_some_and(|stop| stop()))
    }

    #[cfg(test)]
    pub(super) fn stream_into(&self, out: impl std::io::Write, path: &Path) -> Result<(), GgufError> {
        self.write_into(out, path, self.stream()?.reader())
    }

    #[cfg(test)]
    pub(super) fn is_written_at(&self, path: &Path) -> bool {
        self.stream().is_ok_and(|stream| write::is_written(path, stream.layout()))
    }

    pub(super) fn impossible(&self, reason: String) -> GgufError {
        self.shape.impossible(reason)
    }
}

impl std::fmt::Debug for Synthetic<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Synthetic")
            .field("shape", &self.shape.name)
            .field("file_type", &self.file_type)
            .field("seed", &self.seed)
            .field("vocabulary", &self.vocabulary)
            .field("routing", &self.routing)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// The folder of what this crate keeps: `LLAMA_BENCH_CACHE`, or `llama-bench-rs` in the user's own cache folder. `None` if there
/// is neither.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os("LLAMA_BENCH_CACHE").filter(|dir| !dir.is_empty());
    named.map(PathBuf::from).or_else(|| Some(dirs::cache_dir()?.join("llama-bench-rs")))
}
