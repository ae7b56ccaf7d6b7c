//! Where the numbers of a GGUF header lie, and a header from its parts.

use llama_bench_rs::gguf::{Array, GgufFile, TensorType, Value};

/// A number in the header.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub at: usize,
    /// Bytes that it takes.
    pub width: usize,
    pub is_float: bool,
}

/// Every length, type and scalar of a header, in its order. Elements of long arrays are left out after the first few.
pub fn places(bytes: &[u8]) -> Vec<Place> {
    let mut scan = Scan { bytes, at: 8, places: Vec::new() };
    let n_tensors = scan.number(8);
    let n_pairs = scan.number(8);
    for _ in 0..n_pairs {
        scan.string();
        let kind = scan.number(4);
        scan.value(kind);
    }
    for _ in 0..n_tensors {
        scan.string();
        let n_dims = scan.number(4);
        for _ in 0..n_dims {
            scan.number(8);
        }
        scan.number(4);
        scan.number(8);
    }
    scan.places
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    places: Vec<Place>,
}

impl Scan<'_> {
    fn number(&mut self, width: usize) -> u64 {
        self.places.push(Place { at: self.at, width, is_float: false });
        let mut number = [0; 8];
        number[..width].copy_from_slice(&self.bytes[self.at..self.at + width]);
        self.at += width;
        u64::from_le_bytes(number)
    }

    fn string(&mut self) {
        self.at += self.number(8) as usize;
    }

    fn value(&mut self, kind: u64) {
        match kind {
            0 | 1 | 7 => drop(self.number(1)),
            2 | 3 => drop(self.number(2)),
            4 | 5 => drop(self.number(4)),
            10 | 11 => drop(self.number(8)),
            6 | 12 => {
                let width = if kind == 6 { 4 } else { 8 };
                self.places.push(Place { at: self.at, width, is_float: true });
                self.at += width;
            }
            8 => self.string(),
            _ => {
                let kind = self.number(4);
                let n = self.number(8);
                let known = self.places.len();
                for _ in 0..n {
                    self.value(kind);
                }
                self.places.truncate(known + 16);
            }
        }
    }
}

/// A file's metadata and tensors, to be changed.
#[derive(Clone)]
pub struct Parts {
    pub metadata: Vec<(String, Value)>,
    /// Name, dimensions, type.
    pub tensors: Vec<(String, Vec<u64>, u32)>,
}

impl Parts {
    pub fn of(file: &GgufFile) -> Self {
        let tensors = file.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type.id()));
        Self { metadata: file.metadata.clone(), tensors: tensors.collect() }
    }

    /// The header, and the size of the whole file.
    pub fn header(&self) -> (Vec<u8>, u64) {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            string(&mut out, key);
            scalar(&mut out, value);
        }
        let mut offset = 0u64;
        for (name, dims, kind) in &self.tensors {
            string(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = offset.saturating_add(size(dims, *kind).next_multiple_of(32));
        }
        out.resize(out.len().next_multiple_of(32), 0);
        let length = out.len() as u64 + offset;
        (out, length)
    }
}

/// Bytes of a tensor; something small for one that cannot be.
fn size(dims: &[u64], kind: u32) -> u64 {
    let n = dims.iter().fold(1, |n: u64, &dim| n.saturating_mul(dim));
    let row = dims.first().copied().unwrap_or(1);
    let bytes = TensorType::from_id(kind).and_then(|kind| kind.size_bytes(row, n));
    bytes.filter(|&bytes| bytes < 1 << 30).unwrap_or(64)
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

macro_rules! numbers {
    ($out:ident, $id:expr, $numbers:expr) => {{
        $out.extend(($id as u32).to_le_bytes());
        $out.extend(($numbers.len() as u64).to_le_bytes());
        $numbers.iter().for_each(|number| $out.extend(number.to_le_bytes()));
    }};
}

fn scalar(out: &mut Vec<u8>, value: &Value) {
    let mut put = |id: u32, bytes: &[u8]| {
        out.extend(id.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U8(v) => put(0, &v.to_le_bytes()),
        Value::I8(v) => put(1, &v.to_le_bytes()),
        Value::U16(v) => put(2, &v.to_le_bytes()),
        Value::I16(v) => put(3, &v.to_le_bytes()),
        Value::U32(v) => put(4, &v.to_le_bytes()),
        Value::I32(v) => put(5, &v.to_le_bytes()),
        Value::F32(v) => put(6, &v.to_le_bytes()),
        Value::Bool(v) => put(7, &[u8::from(*v)]),
        Value::U64(v) => put(10, &v.to_le_bytes()),
        Value::I64(v) => put(11, &v.to_le_bytes()),
        Value::F64(v) => put(12, &v.to_le_bytes()),
        Value::String(text) => {
            put(8, &[]);
            string(out, text);
        }
        Value::Array(array) => {
            put(9, &[]);
            elements(out, array);
        }
        _ => put(0, &[0]),
    }
}

fn elements(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::U8(v) => numbers!(out, 0, v),
        Array::I8(v) => numbers!(out, 1, v),
        Array::U16(v) => numbers!(out, 2, v),
        Array::I16(v) => numbers!(out, 3, v),
        Array::U32(v) => numbers!(out, 4, v),
        Array::I32(v) => numbers!(out, 5, v),
        Array::F32(v) => numbers!(out, 6, v),
        Array::U64(v) => numbers!(out, 10, v),
        Array::I64(v) => numbers!(out, 11, v),
        Array::F64(v) => numbers!(out, 12, v),
        Array::Bool(v) => {
            let bytes: Vec<u8> = v.iter().copied().map(u8::from).collect();
            numbers!(out, 7, bytes);
        }
        Array::String(v) => {
            out.extend(8u32.to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            v.iter().for_each(|text| string(out, text));
        }
        _ => out.extend([0; 12]),
    }
}
