//! Writing synthetic models.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    FileType, GgufError, GgufFile, Shape, TensorInfo, TensorType, Value,
    file_type::{self, Facts},
    header, read,
    routing::{Router, Routing},
    vocabulary, weights,
};

/// Part of a cached file's name: raise it when the same request gives other bytes.
const FORMAT: u32 = 1;

/// Random blocks are drawn up to about this many bytes per tensor and then repeated: drawing all of them would take longer
/// than writing them, and speed does not depend on what weights say, except through the choice of experts: see
/// [`Routing`].
const POOL_BYTES: u64 = 1 << 20;

type Progress<'a> = Arc<dyn Fn(u64, u64) + 'a>;

type Stop<'a> = Arc<dyn Fn() -> bool + 'a>;

/// A model file of a shape, with random weights.
///
/// The same shape, file type, seed, vocabulary and routing give the same bytes on every machine.
///
/// ```no_run
/// use llama_bench_rs::gguf::{Shape, Synthetic};
///
/// let path = Synthetic::new(Shape::preset("tiny-llama")?).cached()?;
/// # Ok::<(), llama_bench_rs::gguf::GgufError>(())
/// ```
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Synthetic<'a> {
    shape: Shape,
    file_type: FileType,
    seed: u64,
    vocabulary: bool,
    routing: Routing,
    #[serde(skip)]
    progress: Option<Progress<'a>>,
    #[serde(skip)]
    stop: Option<Stop<'a>>,
}

/// The bytes before the data, and the tensors in it.
struct Layout {
    header: Vec<u8>,
    tensors: Vec<TensorInfo>,
    size_bytes: u64,
    router: Option<Router>,
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
        Ok(self.layout()?.size_bytes)
    }

    /// Writes the file into the cache folder, unless it is there already, and returns its path. The folder is
    /// `LLAMA_BENCH_CACHE`, or `llama-bench-rs` in the user's own cache folder.
    ///
    /// # Errors
    /// The system has no cache folder, the shape is impossible, or writing failed.
    pub fn cached(&self) -> Result<PathBuf, GgufError> {
        let path = self.cache_path()?;
        let layout = self.layout()?;
        if is_written(&path, &layout) {
            return Ok(path);
        }
        self.write(&path, &layout)?;
        Ok(path)
    }

    /// Where [`cached`](Self::cached) keeps the file, whether it exists yet or not.
    ///
    /// # Errors
    /// The system has no cache folder, or the shape's name cannot be part of a file name.
    pub fn cache_path(&self) -> Result<PathBuf, GgufError> {
        if self.shape.name().contains(['/', '\\', '\0']) {
            return Err(self.impossible("its name cannot be part of a file's name: use write_to".into()));
        }
        let folder = match std::env::var_os("LLAMA_BENCH_CACHE").filter(|dir| !dir.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => dirs::cache_dir().ok_or(GgufError::NoCacheFolder)?.join("llama-bench-rs"),
        };
        Ok(folder.join(self.file_name()))
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
        self.write(path.as_ref(), &self.layout()?)
    }

    fn write(&self, path: &Path, layout: &Layout) -> Result<(), GgufError> {
        let failed = |doing| move |source| GgufError::Io { path: path.to_owned(), doing, source };
        let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        // Removed when it is dropped, whatever happens.
        let mut file = tempfile::Builder::new()
            .prefix(".synthetic-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .map_err(failed("write"))?;
        self.stream(file.as_file_mut(), path, layout)?;
        file.as_file().sync_data().map_err(failed("write"))?;
        readable(file.as_file()).map_err(failed("write"))?;
        file.persist(path).map_err(|e| failed("rename the finished file to")(e.error))?;
        Ok(())
    }

    fn stream(&self, out: impl Write, path: &Path, layout: &Layout) -> Result<(), GgufError> {
        let mut out = Counted { out, written: 0, path, total: layout.size_bytes };
        out.put(&layout.header)?;
        layout
            .tensors
            .iter()
            .try_for_each(|tensor| self.write_tensor(tensor, layout.router.as_ref(), &mut out))
    }

    #[cfg(test)]
    pub(super) fn stream_into(&self, out: impl Write, path: &Path) -> Result<(), GgufError> {
        self.stream(out, path, &self.layout()?)
    }

    #[cfg(test)]
    pub(super) fn is_written_at(&self, path: &Path) -> bool {
        self.layout().is_ok_and(|layout| is_written(path, &layout))
    }

    fn write_tensor(
        &self,
        tensor: &TensorInfo,
        router: Option<&Router>,
        out: &mut Counted<impl Write>,
    ) -> Result<(), GgufError> {
        let TensorInfo { name, dims, tensor_type, size_bytes, .. } = tensor;
        let block = tensor_type.block_bytes();
        // Odd: it must not start again at the same place of every row.
        let n_pool = ((POOL_BYTES / block) | 1).min(size_bytes / block);
        let mut rng = weights::rng(self.seed, name);
        let pool = match router.and_then(|router| router.rows(tensor, &mut rng)) {
            Some(rows) => rows,
            None => weights::blocks(*tensor_type, weights::fill(name, dims), n_pool as usize, &mut rng)
                .ok_or_else(|| self.impossible(no_weights(*tensor_type)))?,
        };
        let (n_zero, period) = router.and_then(|router| router.zeros(tensor)).unwrap_or((0, *size_bytes));
        let zeros = vec![0; n_zero.min(POOL_BYTES) as usize];
        let mut at = 0;
        while at < *size_bytes {
            if self.stop.as_ref().is_some_and(|stop| stop()) {
                return Err(GgufError::Stopped { path: out.path.to_owned() });
            }
            let in_period = at % period;
            // Zero bytes are zeros in every type.
            let (bytes, until) = if in_period < n_zero {
                (&zeros[..], n_zero)
            } else {
                (&pool[(at % pool.len() as u64) as usize..], period)
            };
            let n = (bytes.len() as u64).min(until - in_period).min(size_bytes - at);
            out.put(&bytes[..n as usize])?;
            at += n;
            if let Some(progress) = &self.progress {
                progress(out.written, out.total);
            }
        }
        let padding = out.written.next_multiple_of(read::DEFAULT_ALIGNMENT.into()) - out.written;
        out.put(&[0; read::DEFAULT_ALIGNMENT as usize][..padding as usize])
    }

    fn layout(&self) -> Result<Layout, GgufError> {
        let shape = &self.shape;
        let facts =
            Facts { architecture: &shape.architecture, n_layer: shape.n_layer, n_expert: shape.n_expert };
        let types = file_type::tensor_types(self.file_type, &facts, &shape.tensors);
        let alignment = u64::from(read::DEFAULT_ALIGNMENT);
        let mut tensors = Vec::with_capacity(types.len());
        let mut offset: u64 = 0;
        for (tensor, tensor_type) in shape.tensors.iter().zip(types) {
            let row = tensor.dims.first().copied().unwrap_or(1);
            let n = tensor.dims.iter().try_fold(1, |n: u64, &dim| n.checked_mul(dim));
            let n = n.ok_or_else(|| {
                self.impossible(format!("tensor {} of {:?} has too many elements", tensor.name, tensor.dims))
            })?;
            let size_bytes = tensor_type.size_bytes(row, n).filter(|&size| size > 0).ok_or_else(|| {
                self.impossible(format!(
                    "tensor {} of {:?} does not fit {tensor_type} blocks",
                    tensor.name, tensor.dims
                ))
            })?;
            if !weights::can_make(tensor_type) {
                return Err(self.impossible(no_weights(tensor_type)));
            }
            let (name, dims) = (tensor.name.clone(), tensor.dims.clone());
            tensors.push(TensorInfo { name, dims, tensor_type, offset, size_bytes });
            // No file system has files of 2^63 bytes.
            let end = offset.checked_add(size_bytes).and_then(|end| end.checked_next_multiple_of(alignment));
            offset = end.filter(|&end| end < 1 << 62).ok_or_else(|| {
                self.impossible(format!("a file that holds {} would be too large", tensor.name))
            })?;
        }
        let pairs = self.metadata()?;
        let mut encoded = Vec::new();
        pairs.iter().for_each(|(key, value)| header::pair(&mut encoded, key, value));
        let header = header::header(pairs.len(), &encoded, &tensors, alignment);
        let router = Router::new(self.routing, &tensors, shape.n_expert_used());
        let layout = Layout { size_bytes: header.len() as u64 + offset, header, tensors, router };
        // Names, keys, numbers of dimensions and the like are refused as they would be when the file is read.
        let checked = GgufFile::check_header(&layout.header, layout.size_bytes, Path::new(&shape.name));
        checked.map_err(|error| match error {
            GgufError::Malformed { problem, .. } => self.impossible(problem.to_string()),
            error => error,
        })?;
        Ok(layout)
    }

    fn metadata(&self) -> Result<Vec<(String, Value)>, GgufError> {
        let shape = &self.shape;
        let mut pairs = vec![
            ("general.architecture".to_owned(), Value::from(shape.architecture.as_str())),
            ("general.name".to_owned(), Value::from(format!("{} (synthetic)", shape.name))),
            ("general.file_type".to_owned(), Value::U32(self.file_type.id())),
            ("general.quantization_version".to_owned(), Value::U32(2)),
        ];
        pairs.extend(shape.metadata.iter().filter(|(key, _)| key != "general.quantization_version").cloned());
        if pairs.iter().any(|(key, _)| key == "tokenizer.ggml.model") {
            return Ok(pairs);
        }
        if !self.vocabulary {
            pairs.extend(vocabulary::none(&shape.architecture, shape.n_vocab));
        } else if shape.n_vocab > vocabulary::MAX_TOKENS {
            let (n, most) = (shape.n_vocab, vocabulary::MAX_TOKENS);
            return Err(
                self.impossible(format!("a vocabulary has at most {most} tokens here and the model has {n}"))
            );
        } else if shape.n_vocab >= vocabulary::MIN_TOKENS {
            pairs.extend(vocabulary::pieces(shape.n_vocab));
        } else {
            let (n, least) = (shape.n_vocab, vocabulary::MIN_TOKENS);
            return Err(
                self.impossible(format!("a vocabulary needs at least {least} tokens and the model has {n}"))
            );
        }
        Ok(pairs)
    }

    fn impossible(&self, reason: String) -> GgufError {
        GgufError::ImpossibleShape { name: self.shape.name.clone(), reason }
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
            .finish_non_exhaustive()
    }
}

fn no_weights(tensor_type: TensorType) -> String {
    format!("no random weights can be made for tensors of type {tensor_type}")
}

/// Only their owner can read temporary files; a model gets the permissions of any other file.
fn readable(file: &fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

/// The file is there, whole, and begins with the very header: then it was written by the same request.
fn is_written(path: &Path, layout: &Layout) -> bool {
    let read = || -> io::Result<bool> {
        let mut file = fs::File::open(path)?;
        let mut begin = vec![0; layout.header.len()];
        io::Read::read_exact(&mut file, &mut begin)?;
        Ok(file.metadata()?.len() == layout.size_bytes && begin == layout.header)
    };
    read().unwrap_or(false)
}

/// Counts what is written, and recognises a full disk.
struct Counted<'a, W> {
    out: W,
    written: u64,
    path: &'a Path,
    total: u64,
}

impl<W: Write> Counted<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), GgufError> {
        self.out.write_all(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                GgufError::DiskFull { path: self.path.to_owned(), needed: self.total, written: self.written }
            }
            _ => GgufError::Io { path: self.path.to_owned(), doing: "write", source },
        })?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
