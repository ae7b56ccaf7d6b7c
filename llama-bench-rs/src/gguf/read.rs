//! Reading the header of a GGUF file with every length checked, before llama.cpp is given the file.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use super::{
    Array, GgufError, Malformed, TensorType, Value,
    cursor::{Cursor, Extent},
    model_checks,
    places::{check_layout, whole_bytes},
    value::ARRAY_ID,
};
use crate::units::text::cited;

/// The data section and each tensor in it begin at a multiple of this many bytes, unless the file says otherwise.
pub(super) const DEFAULT_ALIGNMENT: u32 = 32;
/// Tensor names end in a zero byte within 64 bytes in ggml.
const MAX_NAME_BYTES: usize = 63;
const MAX_DIMS: u32 = 4;
/// The format's own limit.
const MAX_KEY_BYTES: usize = 65_535;
/// Real vocabularies have about 2^18 entries; a metadata array beyond this is refused rather than held in memory.
const MAX_ARRAY_ELEMENTS: u64 = 1 << 26;
/// Real models have about 2^11 tensors and 2^6 metadata pairs; a count beyond this is damage.
const MAX_ENTRIES: u64 = 1 << 20;
/// The least that one tensor takes: name length, one letter, number of dimensions, type, offset.
const MIN_TENSOR_BYTES: u64 = 25;
/// The least that one pair takes: key length, one letter, type, one byte.
const MIN_PAIR_BYTES: u64 = 14;

/// One tensor's entry in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// The name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Elements per dimension, the row length first.
    pub dims: Vec<u64>,
    /// The element type.
    pub tensor_type: TensorType,
    /// Where the data begins, in bytes from the start of the data section.
    pub offset: u64,
    /// The size of the data in bytes.
    pub size_bytes: u64,
}

impl TensorInfo {
    /// The number of elements; `u64::MAX` for dimensions that no file can have.
    #[doc(alias = "ggml_nelements")]
    pub fn n_elements(&self) -> u64 {
        self.dims.iter().fold(1, |n: u64, &dim| n.saturating_mul(dim))
    }
}

/// The header of a GGUF file. Every length and offset is checked against the size of the file.
#[doc(alias = "gguf_init_from_file")]
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GgufFile {
    /// The format version, 2 or 3.
    pub version: u32,
    /// Metadata in the order of the file.
    pub metadata: Vec<(String, Value)>,
    /// Tensors in the order of the file, which is also the order of their data.
    pub tensors: Vec<TensorInfo>,
    /// Each tensor begins at a multiple of this many bytes within the data section.
    pub alignment: u64,
    /// Where the data section begins, in bytes from the start of the file.
    pub data_offset: u64,
    /// The size of the whole file in bytes; read by [`open_header`](Self::open_header), the size that it must have at
    /// least.
    pub file_bytes: u64,
    /// The bytes of the metadata section in the file.
    metadata_range: std::ops::Range<u64>,
}

impl GgufFile {
    /// Reads and checks the header of the file at `path`. Tensor data is not read.
    ///
    /// # Errors
    /// [`GgufError::Io`] and [`GgufError::NotAFile`] if it cannot be opened; [`GgufError::Malformed`], with the
    /// place, for anything that llama.cpp would refuse or abort on.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let path = path.as_ref();
        let (file, length) = open(path)?;
        Self::parse(file, length, path, true, Extent::Whole)
    }

    /// As [`GgufFile::open`], for a file that may end after its header: the first megabytes of a download are enough.
    ///
    /// # Errors
    /// As `open`; [`GgufError::HeaderCutOff`], with the bytes that are still needed, if the file ends within its header.
    pub fn open_header(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let path = path.as_ref();
        let (file, length) = open(path)?;
        Self::parse(file, length, path, false, Extent::Beginning)
    }

    /// As [`GgufFile::open`], for a file that is already in memory; `path` is for messages only.
    ///
    /// # Errors
    /// [`GgufError::Malformed`], with the place.
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self, GgufError> {
        Self::parse(bytes, bytes.len() as u64, path.as_ref(), true, Extent::Whole)
    }

    /// The metadata value of a key.
    #[doc(alias = "gguf_find_key")]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The architecture, such as `llama`; `None` if the file names none, in which case llama.cpp refuses it.
    pub fn architecture(&self) -> Option<&str> {
        self.get("general.architecture")?.as_str()
    }

    /// The number of parameters: the elements of all tensors.
    #[doc(alias = "llama_model_n_params")]
    pub fn n_params(&self) -> u64 {
        self.tensors.iter().map(TensorInfo::n_elements).fold(0, u64::saturating_add)
    }

    /// Whether the beginning of a file of this length is a header; the model itself is not checked.
    ///
    /// # Errors
    /// [`GgufError::Malformed`], with the place.
    pub(super) fn check_header(header: &[u8], length: u64, path: &Path) -> Result<(), GgufError> {
        Self::parse(header, length, path, false, Extent::Whole).map(drop)
    }

    /// The header of a complete file of this length.
    ///
    /// # Errors
    /// [`GgufError::Malformed`], with the place.
    pub(super) fn of_header(header: &[u8], length: u64, path: &Path) -> Result<Self, GgufError> {
        Self::parse(header, length, path, true, Extent::Whole)
    }

    fn parse(
        reader: impl Read,
        length: u64,
        path: &Path,
        for_llama: bool,
        extent: Extent,
    ) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(reader, length, path, extent);
        let c = &mut cursor;
        // Version and counts.
        c.expect(4 + 8 + 8);
        let magic: [u8; 4] = c.array("the magic")?;
        if &magic != b"GGUF" {
            let found = magic.escape_ascii().to_string();
            return Err(c.malformed(0, Malformed::Magic { found }));
        }
        c.expect(8 + 8);
        let version = c.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(c.malformed(4, Malformed::Version { found: version }));
        }
        // The least that they take bounds both counts.
        c.expect(8);
        let n_tensors = c.count(MIN_TENSOR_BYTES, MAX_ENTRIES, "the number of tensors")?;
        c.expect(n_tensors * MIN_TENSOR_BYTES);
        let n_pairs = c.count(MIN_PAIR_BYTES, MAX_ENTRIES, "the number of metadata pairs")?;

        let metadata_begin = c.position();
        let (metadata, places) = read_metadata(c, n_pairs, n_tensors * MIN_TENSOR_BYTES)?;
        if for_llama {
            model_checks::check(&metadata).map_err(|(i, problem)| c.malformed(places[i], problem))?;
        }
        let metadata_range = metadata_begin..c.position();
        let alignment = alignment(c, &metadata, metadata_begin)?;

        let (tensors, entry_offsets) = read_tensors(c, n_tensors)?;
        let header_end = c.position();
        // An alignment may be as large as 2^31 and the header far smaller than 2^63: this cannot overflow.
        let data_offset =
            if tensors.is_empty() { header_end } else { header_end.next_multiple_of(alignment) };
        let file_bytes = match extent {
            Extent::Whole => length,
            Extent::Beginning => whole_bytes(&tensors, data_offset).max(length),
        };
        check_layout(c, &tensors, &entry_offsets, alignment, data_offset, file_bytes)?;
        Ok(Self { version, metadata, tensors, alignment, data_offset, file_bytes, metadata_range })
    }
}

/// Opens a regular file, and its size in bytes.
fn open(path: &Path) -> Result<(impl Read, u64), GgufError> {
    let io = |doing| move |source| GgufError::Io { path: path.to_owned(), doing, source };
    // Asked for before opening: to open a pipe would wait for its other end.
    if !path.metadata().map_err(io("open"))?.is_file() {
        return Err(GgufError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(io("open"))?;
    let length = file.metadata().map_err(io("read the size of"))?.len();
    Ok((BufReader::with_capacity(1 << 16, file), length))
}

type Pair = (String, Value);

/// The metadata pairs, and where in the file each of them begins. After them come at least `n_behind` bytes.
fn read_metadata<R: Read>(
    c: &mut Cursor<'_, R>,
    n_pairs: u64,
    n_behind: u64,
) -> Result<(Vec<Pair>, Vec<u64>), GgufError> {
    let (mut metadata, mut places) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for i in 0..n_pairs {
        let at = c.position();
        c.expect((n_pairs - i - 1) * MIN_PAIR_BYTES + n_behind);
        let raw = c.string(&format!("metadata key {i}"))?;
        let key = String::from_utf8_lossy(&raw).into_owned();
        if raw.is_empty() || raw.len() > MAX_KEY_BYTES {
            let found = if raw.is_empty() { "empty".into() } else { cited(&key) };
            let problem = Malformed::Invalid {
                what: format!("metadata key {i}"),
                found,
                allowed: "it must have 1 to 65535 bytes",
            };
            return Err(c.malformed(at, problem));
        }
        if !seen.insert(raw) {
            return Err(c.malformed(at, Malformed::Duplicate { what: "metadata key", name: key }));
        }
        let value = read_value(c, &cited(&key))?;
        places.push(at);
        metadata.push((key, value));
    }
    Ok((metadata, places))
}

/// The value of a key, which is as messages cite it.
fn read_value<R: Read>(c: &mut Cursor<'_, R>, key: &str) -> Result<Value, GgufError> {
    let at = c.position();
    let what = format!("the value of {key}");
    Ok(match c.u32(&format!("the type of {key}"))? {
        0 => Value::U8(c.array::<1>(&what)?[0]),
        1 => Value::I8(i8::from_le_bytes(c.array(&what)?)),
        2 => Value::U16(u16::from_le_bytes(c.array(&what)?)),
        3 => Value::I16(i16::from_le_bytes(c.array(&what)?)),
        4 => Value::U32(c.u32(&what)?),
        5 => Value::I32(i32::from_le_bytes(c.array(&what)?)),
        6 => Value::F32(f32::from_le_bytes(c.array(&what)?)),
        7 => Value::Bool(c.array::<1>(&what)?[0] != 0),
        8 => Value::String(text(c.string(&what)?)),
        ARRAY_ID => Value::Array(read_array(c, key)?),
        10 => Value::U64(c.u64(&what)?),
        11 => Value::I64(i64::from_le_bytes(c.array(&what)?)),
        12 => Value::F64(f64::from_le_bytes(c.array(&what)?)),
        other => return Err(invalid_type(c, at, format!("the type of {key}"), other)),
    })
}

fn read_array<R: Read>(c: &mut Cursor<'_, R>, key: &str) -> Result<Array, GgufError> {
    fn many<R: Read, T, const N: usize>(
        c: &mut Cursor<'_, R>,
        key: &str,
        convert: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, GgufError> {
        let n = c.count(N as u64, MAX_ARRAY_ELEMENTS, &format!("the length of array {key}"))?;
        c.require(n * N as u64, &format!("array {key}"))?;
        (0..n).map(|_| c.array(key).map(&convert)).collect()
    }
    let at = c.position();
    Ok(match c.u32(&format!("the element type of {key}"))? {
        0 => Array::U8(many(c, key, |[b]: [u8; 1]| b)?),
        1 => Array::I8(many(c, key, i8::from_le_bytes)?),
        2 => Array::U16(many(c, key, u16::from_le_bytes)?),
        3 => Array::I16(many(c, key, i16::from_le_bytes)?),
        4 => Array::U32(many(c, key, u32::from_le_bytes)?),
        5 => Array::I32(many(c, key, i32::from_le_bytes)?),
        6 => Array::F32(many(c, key, f32::from_le_bytes)?),
        7 => Array::Bool(many(c, key, |[b]: [u8; 1]| b != 0)?),
        8 => {
            let n = c.count(8, MAX_ARRAY_ELEMENTS, &format!("the length of array {key}"))?;
            let mut strings = Vec::new();
            let behind = c.to_come();
            for i in 0..n {
                c.expect((n - i - 1) * 8 + behind);
                strings.push(text(c.string(&format!("element {i} of {key}"))?));
            }
            c.expect(behind);
            Array::String(strings)
        }
        10 => Array::U64(many(c, key, u64::from_le_bytes)?),
        11 => Array::I64(many(c, key, i64::from_le_bytes)?),
        12 => Array::F64(many(c, key, f64::from_le_bytes)?),
        other => return Err(invalid_type(c, at, format!("the element type of {key}"), other)),
    })
}

/// llama.cpp does not demand UTF-8, so a broken byte in a vocabulary entry does not make a file invalid.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn invalid_type<R: Read>(c: &Cursor<'_, R>, at: u64, what: String, found: u32) -> GgufError {
    let allowed = "a value's type is 0 to 12, an array's element type 0 to 8 or 10 to 12";
    c.malformed(at, Malformed::Invalid { what, found: found.to_string(), allowed })
}

fn alignment<R: Read>(c: &Cursor<'_, R>, metadata: &[(String, Value)], at: u64) -> Result<u64, GgufError> {
    let found = match metadata.iter().find(|(k, _)| k == "general.alignment") {
        None => return Ok(DEFAULT_ALIGNMENT.into()),
        Some((_, Value::U32(n))) if n.is_power_of_two() => return Ok((*n).into()),
        Some((_, other)) => other.shown(),
    };
    let allowed = "it must be a power of two of type uint32";
    Err(c.malformed(at, Malformed::Invalid { what: "general.alignment".into(), found, allowed }))
}

/// The tensor entries, and where in the file each of them begins.
fn read_tensors<R: Read>(c: &mut Cursor<'_, R>, n: u64) -> Result<(Vec<TensorInfo>, Vec<u64>), GgufError> {
    let mut tensors = Vec::new();
    let mut entries = Vec::new();
    let mut seen = HashMap::new();
    for i in 0..n {
        let at = c.position();
        c.expect((n - i - 1) * MIN_TENSOR_BYTES);
        let raw = c.string(&format!("the name of tensor {i}"))?;
        let name = String::from_utf8_lossy(&raw).into_owned();
        if raw.is_empty() || raw.len() > MAX_NAME_BYTES || raw.contains(&0) {
            let problem = Malformed::Invalid {
                what: format!("the name of tensor {i}"),
                found: cited(&name),
                allowed: "it must have 1 to 63 bytes, none of them zero",
            };
            return Err(c.malformed(at, problem));
        }
        if seen.insert(raw, i).is_some() {
            return Err(c.malformed(at, Malformed::Duplicate { what: "tensor", name }));
        }
        tensors.push(read_tensor(c, name)?);
        entries.push(at);
    }
    Ok((tensors, entries))
}

fn read_tensor<R: Read>(c: &mut Cursor<'_, R>, name: String) -> Result<TensorInfo, GgufError> {
    let (shown, at) = (cited(&name), c.position());
    let n_dims = c.u32(&format!("the number of dimensions of {shown}"))?;
    if n_dims > MAX_DIMS {
        let what = format!("the number of dimensions of {shown}");
        let problem = Malformed::TooLarge { what, found: n_dims.into(), limit: MAX_DIMS.into() };
        return Err(c.malformed(at, problem));
    }
    let mut dims = Vec::new();
    let mut n_elements: u64 = 1;
    for _ in 0..n_dims {
        let at = c.position();
        let dim = c.u64(&format!("a dimension of {shown}"))?;
        // ggml counts elements in an int64_t.
        n_elements = match n_elements.checked_mul(dim) {
            Some(n @ 1..=0x7fff_ffff_ffff_ffff) => n,
            _ => {
                let problem = Malformed::Invalid {
                    what: format!("dimension {} of tensor {shown}", dims.len()),
                    found: dim.to_string(),
                    allowed: "the product of all dimensions must be from 1 to 2^63 - 1",
                };
                return Err(c.malformed(at, problem));
            }
        };
        dims.push(dim);
    }
    let at = c.position();
    let id = c.u32(&format!("the type of tensor {shown}"))?;
    let invalid = |allowed| Malformed::Invalid {
        what: format!("the type of tensor {shown} with dimensions {dims:?}"),
        found: id.to_string(),
        allowed,
    };
    let Some(tensor_type) = TensorType::from_id(id) else {
        return Err(c.malformed(at, invalid("ggml has no such type, or no longer has it")));
    };
    let row = dims.first().copied().unwrap_or(1);
    let Some(size_bytes) = tensor_type.size_bytes(row, n_elements) else {
        return Err(c.malformed(at, invalid("rows must be whole blocks, and the size must fit 64 bits")));
    };
    let offset = c.u64(&format!("the offset of tensor {shown}"))?;
    Ok(TensorInfo { name, dims, tensor_type, offset, size_bytes })
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
