//! The shape of a model: its metadata and its tensors, without weights.

use std::path::{Path, PathBuf};

use super::{FileType, GgufError, TensorType, Value, presets, split};

/// A tensor of a shape.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct ShapeTensor {
    pub(super) name: String,
    /// Elements per dimension, the row length first.
    pub(super) dims: Vec<u64>,
    /// Set if the shape is that of a file; else the file type decides.
    pub(super) tensor_type: Option<TensorType>,
}

/// The shape of a model: architecture, hyperparameters and tensors, as a GGUF file names them.
///
/// ```
/// use llama_bench_rs::gguf::{FileType, Shape, Synthetic};
///
/// let shape = Shape::preset("gpt-oss-20b")?;
/// assert_eq!(shape.n_params(), 20_914_757_184);
/// println!("{} bytes", Synthetic::new(shape).file_type(FileType::Mxfp4Moe).size_bytes()?);
/// # Ok::<(), llama_bench_rs::gguf::GgufError>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub(super) name: String,
    pub(super) architecture: String,
    /// Metadata other than the architecture, the name, the file type and the vocabulary.
    pub(super) metadata: Vec<(String, Value)>,
    pub(super) tensors: Vec<ShapeTensor>,
    pub(super) file_type: FileType,
    /// Blocks, as the quantiser counts them.
    pub(super) n_layer: u64,
    pub(super) n_expert: u64,
    pub(super) n_vocab: u64,
    /// The file that it was read from.
    pub(super) like: Option<PathBuf>,
    /// Why it was not read after all.
    pub(super) unreadable: Option<String>,
}

impl Shape {
    /// A shape by name: the true shapes of known models, and `tiny-*` ones of a few megabytes for tests.
    ///
    /// # Errors
    /// There is none of this name; the error lists them.
    pub fn preset(name: &str) -> Result<Self, GgufError> {
        presets::find(name).ok_or_else(|| GgufError::UnknownShape {
            name: name.to_owned(),
            known: Self::preset_names().join(", "),
        })
    }

    /// The names for [`Shape::preset`].
    pub fn preset_names() -> &'static [&'static str] {
        presets::NAMES
    }

    /// The shape of a GGUF file: its metadata, vocabulary included, and its tensors with their types. The header is all that
    /// is read, so the first megabytes of a download will do. Of a split model every part is needed, or its first
    /// megabytes.
    ///
    /// # Errors
    /// As [`GgufFile::open_header`](super::GgufFile::open_header); [`GgufError::PartsMissing`] if parts of a split model
    /// are not beside it.
    pub fn like_file(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let path = path.as_ref();
        let file = split::whole_header(path)?;
        let name = split::stem(path);
        let Some(architecture) = file.architecture().map(str::to_owned) else {
            let reason = "the file names no general.architecture".into();
            return Err(GgufError::ImpossibleShape { name, file: Some(path.to_owned()), reason });
        };
        let number =
            |key: &str| file.get(&format!("{architecture}.{key}")).and_then(Value::as_u64).unwrap_or(0);
        let n_vocab = file.tensors.iter().find(|t| t.name == "token_embd.weight").and_then(|t| t.dims.get(1));
        let own = ["general.architecture", "general.name", "general.alignment", "general.file_type"];
        Ok(Self {
            n_layer: number("block_count"),
            n_expert: number("expert_count"),
            n_vocab: n_vocab.copied().unwrap_or(0),
            file_type: FileType::from_id(file.get("general.file_type").and_then(Value::as_u64)),
            metadata: file
                .metadata
                .iter()
                .filter(|(key, _)| !own.contains(&key.as_str()) && !key.starts_with("split."))
                .cloned()
                .collect(),
            tensors: file
                .tensors
                .iter()
                .map(|t| ShapeTensor {
                    name: t.name.clone(),
                    dims: t.dims.clone(),
                    tensor_type: Some(t.tensor_type),
                })
                .collect(),
            like: Some(path.to_owned()),
            unreadable: None,
            name,
            architecture,
        })
    }

    /// The shape of a file, whether or not it can be read: what cannot is refused when the shape is used. A program that
    /// measures several models then measures the others.
    #[cfg(feature = "cli")]
    pub(crate) fn like_file_later(path: &Path) -> Self {
        Self::like_file(path).unwrap_or_else(|error| Self {
            like: Some(path.to_owned()),
            unreadable: Some(error.to_string()),
            ..Self::from_parts(&split::stem(path), "", Vec::new(), Vec::new())
        })
    }

    /// A shape from its parts: `metadata` without `general.*` and the vocabulary, and tensors with their dimensions
    /// (row length first) and types.
    pub fn from_parts(
        name: &str,
        architecture: &str,
        metadata: Vec<(String, Value)>,
        tensors: Vec<(String, Vec<u64>, TensorType)>,
    ) -> Self {
        let n_vocab = tensors.iter().find(|t| t.0 == "token_embd.weight").and_then(|t| t.1.get(1)).copied();
        Self {
            name: name.into(),
            architecture: architecture.into(),
            metadata,
            file_type: FileType::F16,
            n_layer: 0,
            n_expert: 0,
            n_vocab: n_vocab.unwrap_or(0),
            like: None,
            unreadable: None,
            tensors: tensors
                .into_iter()
                .map(|(name, dims, tensor_type)| ShapeTensor { name, dims, tensor_type: Some(tensor_type) })
                .collect(),
        }
    }

    /// The name of the preset or file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that it was read from ([`like_file`](Self::like_file)).
    pub(crate) fn like_path(&self) -> Option<&Path> {
        self.like.as_deref()
    }

    pub(super) fn impossible(&self, reason: String) -> GgufError {
        GgufError::ImpossibleShape { name: self.name.clone(), file: self.like.clone(), reason }
    }

    /// The architecture, such as `gpt-oss`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The number of parameters; `u64::MAX` for a shape with more, which cannot be written.
    pub fn n_params(&self) -> u64 {
        let of = |tensor: &ShapeTensor| tensor.dims.iter().fold(1, |n: u64, &dim| n.saturating_mul(dim));
        self.tensors.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Whether it is a mixture of experts.
    pub(super) fn has_experts(&self) -> bool {
        self.tensors.iter().any(|tensor| tensor.name.ends_with("ffn_gate_inp.weight"))
    }

    /// How many experts each token goes to, as the metadata says.
    pub(super) fn n_expert_used(&self) -> Option<u64> {
        let key = format!("{}.expert_used_count", self.architecture);
        self.metadata.iter().find(|(name, _)| *name == key)?.1.as_u64()
    }

    /// The same with its first `n_layer` layers alone: a smaller model whose layers take as long as the whole one's.
    #[must_use]
    pub fn first_layers(mut self, n_layer: u64) -> Self {
        let before = self.n_layer;
        let is_kept = |name: &str| {
            let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
            layer.and_then(|layer| layer.parse::<u64>().ok()).is_none_or(|layer| layer < n_layer)
        };
        self.tensors.retain(|tensor| is_kept(&tensor.name));
        for (name, value) in &mut self.metadata {
            match value {
                Value::Array(per_layer) if per_layer.len() as u64 == before => {
                    per_layer.truncate(n_layer as usize);
                }
                _ if name.ends_with(".block_count") => *value = Value::U32(n_layer as u32),
                _ => {}
            }
        }
        self.n_layer = self.n_layer.min(n_layer);
        self.name += &format!("-{n_layer}-layers");
        self
    }

    /// The number of tokens in the vocabulary.
    pub fn n_vocab(&self) -> u64 {
        self.n_vocab
    }
}
