use std::{fs, path::Path};

use super::*;
use crate::gguf::{Shape, Synthetic, TensorType};

/// The parts of a model of three layers, the first with the metadata; their paths.
fn write_parts(dir: &Path, n_parts: u64) -> Vec<PathBuf> {
    let n_all: Vec<usize> = (0..n_parts as usize).collect();
    n_all
        .iter()
        .map(|&part| {
            let mut metadata = vec![
                ("split.no".to_owned(), Value::U16(part as u16)),
                ("split.count".to_owned(), Value::U16(n_parts as u16)),
                ("split.tensors.count".to_owned(), Value::I32(n_parts as i32 + 1)),
            ];
            let mut tensors = vec![(format!("blk.{part}.attn_q.weight"), vec![32, 32], TensorType::F16)];
            if part == 0 {
                metadata.push(("llama.block_count".to_owned(), Value::U32(n_parts as u32)));
                tensors.push(("token_embd.weight".to_owned(), vec![32, 100], TensorType::F16));
            }
            let path = dir.join(format!("big-{:05}-of-{n_parts:05}.gguf", part + 1));
            Synthetic::new(Shape::from_parts("part", "llama", metadata, tensors)).write_to(&path).unwrap();
            path
        })
        .collect()
}

#[test]
fn the_headers_of_all_parts_are_one_shape() {
    let dir = tempfile::tempdir().unwrap();
    let paths = write_parts(dir.path(), 3);
    let whole = Shape::like_file(&paths[0]).unwrap();
    assert_eq!((whole.tensors.len(), whole.n_layer, whole.n_vocab(), whole.name()), (4, 3, 100, "big"));
    assert!(whole.metadata.iter().all(|(key, _)| !key.starts_with("split.")));
    // Headers alone, and any part named.
    for path in &paths {
        let header = GgufFile::open(path).unwrap().data_offset as usize;
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..header]).unwrap();
    }
    for path in &paths {
        let again = Shape::like_file(path).unwrap();
        assert_eq!((&again.metadata, &again.tensors), (&whole.metadata, &whole.tensors));
    }
}

#[test]
fn missing_parts_are_named_with_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let paths = write_parts(dir.path(), 3);
    fs::remove_file(&paths[2]).unwrap();
    let error = Shape::like_file(&paths[0]).unwrap_err();
    let GgufError::PartsMissing { part: 1, n_parts: 3, missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing[..], paths[2..]);
    let said = error.to_string();
    for word in ["part 1 of 3", "3 of 4 tensors", "hold 1, among them layer 2", "big-00003-of-00003.gguf"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    fs::remove_file(&paths[1]).unwrap();
    let said = Shape::like_file(&paths[0]).unwrap_err().to_string();
    assert!(said.contains("has 2 of 4 tensors; the others hold 2, among them layers 1 to 2"), "{said}");
    // Of a part that is not the first nothing else is known.
    fs::rename(&paths[0], &paths[1]).unwrap();
    let renamed = dir.path().join("renamed.gguf");
    fs::rename(&paths[1], &renamed).unwrap();
    let said = Shape::like_file(&renamed).unwrap_err().to_string();
    assert!(said.contains("part 2 of 3"), "{said}");
}
