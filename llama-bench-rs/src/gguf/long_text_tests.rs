//! Whatever a file holds, an error about it can be read.

use std::{error::Error, path::Path};

use super::{GgufFile, Shape, Synthetic, TensorInfo, TensorType, Value, header};
use crate::Model;

/// The longest message that is still one: a path, a cause, a remedy, and the pieces of a file in them.
const READABLE: usize = 1200;

const LONG: usize = 60_000;

/// Each is long, and longer still if it is escaped.
fn long_texts() -> [String; 3] {
    ["k".repeat(LONG), "\u{7}\"".repeat(LONG / 2), "\u{202e}".repeat(LONG / 3)]
}

fn file(pairs: &[(&str, Value)], tensors: &[(&str, &[u64], TensorType)]) -> Vec<u8> {
    let mut offset = 0;
    let mut entries = Vec::new();
    for &(name, dims, tensor_type) in tensors {
        let size_bytes = tensor_type.size_bytes(dims[0], dims.iter().product()).unwrap();
        entries.push(TensorInfo { name: name.into(), dims: dims.into(), tensor_type, offset, size_bytes });
        offset += size_bytes.next_multiple_of(32);
    }
    let mut encoded = Vec::new();
    pairs.iter().for_each(|(key, value)| header::pair(&mut encoded, key, value));
    let mut bytes = header::header(pairs.len(), &encoded, &entries, 32);
    bytes.resize(bytes.len() + offset as usize, 0);
    bytes
}

fn is_readable(error: &dyn Error) {
    let said = error.to_string();
    let n_letters = said.chars().count();
    assert!(n_letters < READABLE, "{n_letters}: {}", said.chars().take(300).collect::<String>());
    assert!(!said.contains(['\u{7}', '\u{202e}']), "{said:?}");
}

/// Reads these bytes in every way; at least one is refused.
fn is_refused_readably(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, bytes).unwrap();
    let mut n_refused = 0;
    let mut look = |error: Option<&dyn Error>| {
        error.into_iter().for_each(is_readable);
        n_refused += usize::from(error.is_some());
    };
    look(GgufFile::from_bytes(bytes, "m.gguf").err().as_ref().map(|error| error as &dyn Error));
    match Shape::like_file(&path) {
        Ok(shape) => look(Synthetic::new(shape).size_bytes().err().as_ref().map(|error| error as &dyn Error)),
        Err(error) => look(Some(&error)),
    }
    look(Model::load(&path).err().as_ref().map(|error| error as &dyn Error));
    assert!(n_refused > 0);
}

#[test]
fn an_error_repeats_no_text_of_any_length() {
    for long in &long_texts() {
        let one: (&str, &[u64], TensorType) = ("a", &[1], TensorType::F32);
        let has = |pairs: &[(&str, Value)]| is_refused_readably(&file(pairs, &[one]));
        has(&[(long, Value::U32(1)), (long, Value::U32(2))]);
        has(&[(&long.repeat(4), Value::U32(1))]);
        has(&[("general.architecture", long.as_str().into())]);
        has(&[("general.architecture", "llama".into()), ("general.type", long.as_str().into())]);
        has(&[("general.alignment", long.as_str().into())]);
        has(&[("general.alignment", vec![long.as_str(); 3].into())]);
        has(&[("general.alignment", vec![7_u8; LONG].into())]);
        has(&[(&format!("{long}_epsilon")[..], Value::F32(-1.0))]);
        has(&[("tokenizer.ggml.model", "rwkv".into()), ("tokenizer.ggml.tokens", vec![&long[..510]].into())]);
        let heads = format!("{long}.attention.head_count");
        has(&[("general.architecture", long.as_str().into()), (&heads, Value::U32(0))]);
        is_refused_readably(&file(&[], &[(long, &[1], TensorType::F32)]));
        // 63 bytes, each of them escaped.
        let name: String = long.chars().take(20).collect();
        is_refused_readably(&file(&[], &[(&name, &[1], TensorType::F32), (&name, &[1], TensorType::F32)]));
    }
}

#[test]
fn a_file_that_ends_anywhere_is_refused_readably() {
    for long in &long_texts() {
        let pairs = [
            (long.as_str(), Value::from(long.as_str())),
            ("general.architecture", vec![long.as_str(); 2].into()),
        ];
        let bytes = file(&pairs, &[("blk.0.a", &[32, 4], TensorType::Q8_0)]);
        let whole = bytes.len();
        for length in [30, 60, LONG, LONG + 100, 2 * LONG + 90, whole - 200, whole - 100, whole - 1] {
            is_refused_readably(&bytes[..length]);
        }
        // Damage: a type that does not exist, where the value of the first key has its own.
        let mut damaged = bytes;
        let at = 24 + 8 + long.len();
        damaged[at..at + 4].copy_from_slice(&77_u32.to_le_bytes());
        is_refused_readably(&damaged);
    }
}

#[test]
fn a_tensor_without_weights_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("download.gguf");
    let pairs = [("general.architecture", Value::from("llama"))];
    for kind in [TensorType::I32, TensorType::I64, TensorType::F64, TensorType::Q8_K] {
        std::fs::write(&path, file(&pairs, &[("blk.7.odd.weight", &[256], kind)])).unwrap();
        let refused = Synthetic::new(Shape::like_file(&path).unwrap()).size_bytes().unwrap_err().to_string();
        for part in ["blk.7.odd.weight", path.to_str().unwrap(), &kind.to_string(), "name a file"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
    let odd: Vec<u64> = vec![3; 100_000];
    let many = Shape::from_parts("many", "llama", vec![], vec![("a".into(), odd, TensorType::F32)]);
    is_readable(&Synthetic::new(many).size_bytes().unwrap_err());
}

#[test]
fn a_file_without_its_weights_names_what_can_be_done_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("download.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
    let header = GgufFile::open(&path).unwrap().data_offset as usize;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..header]).unwrap();
    let said = Model::check_file(Path::new(&path)).unwrap_err().to_string();
    assert!(said.contains("the file is cut off and lacks ") && said.contains("--like"), "{said}");
    assert!(Shape::like_file(&path).is_ok(), "what it says works");
}
