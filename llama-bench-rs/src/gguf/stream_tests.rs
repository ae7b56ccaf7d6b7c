use std::io::{self, Read, Seek, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::gguf::{FileType, Routing, Shape, Synthetic};

fn synthetic(name: &str) -> Synthetic<'static> {
    Synthetic::new(Shape::preset(name).unwrap())
}

fn file_of(synthetic: &Synthetic<'_>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    synthetic.write_to(&path).unwrap();
    std::fs::read(path).unwrap()
}

fn stream_of(synthetic: &Synthetic<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    synthetic.stream().unwrap().reader().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_stream_has_the_bytes_of_the_file() {
    for name in Shape::preset_names().iter().filter(|name| name.starts_with("tiny-")) {
        for vocabulary in [false, true] {
            let synthetic = synthetic(name).vocabulary(vocabulary);
            let bytes = stream_of(&synthetic);
            assert_eq!(bytes.len() as u64, synthetic.size_bytes().unwrap(), "{name}");
            assert!(bytes == file_of(&synthetic), "{name}, vocabulary {vocabulary}");
        }
    }
    for routing in [Routing::Skewed(3.0), Routing::Random] {
        let synthetic = synthetic("tiny-gpt-oss").routing(routing).seed(7);
        assert!(stream_of(&synthetic) == file_of(&synthetic), "{routing:?}");
    }
    for &file_type in FileType::ALL {
        let synthetic = synthetic("tiny-llama").file_type(file_type);
        assert!(stream_of(&synthetic) == file_of(&synthetic), "{file_type}");
    }
}

/// What a cache folder, a baseline and a record of an earlier version rest on.
#[test]
fn a_request_gives_the_bytes_that_it_always_gave() {
    let fnv = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    for (name, hash) in [
        ("tiny-llama", 0xe211_4f0e_2f65_a425),
        ("tiny-gpt-oss", 0xf114_e72e_1436_8674),
        ("tiny-mamba2", 0x5745_96b2_ea80_768f),
    ] {
        let found = fnv(&stream_of(&synthetic(name)));
        assert_eq!(found, hash, "{name} is {found:#x}: raise FORMAT, its cached files are others");
    }
}

#[test]
fn a_reader_goes_anywhere() {
    let synthetic = synthetic("tiny-gpt-oss");
    let (file, stream) = (file_of(&synthetic), synthetic.stream().unwrap());
    let n = file.len() as u64;
    let mut reader = stream.reader();
    assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), n);
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "the end");
    assert_eq!(reader.seek(SeekFrom::Start(n + 5)).unwrap(), n + 5);
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "beyond the end");
    assert_eq!(reader.seek(SeekFrom::Current(-6)).unwrap(), n - 1);
    let mut last = [0; 8];
    assert_eq!(reader.read(&mut last).unwrap(), 1, "a short read before the end");
    assert_eq!(last[0], file[file.len() - 1]);
    for nowhere in [SeekFrom::End(-(n as i64) - 1), SeekFrom::Current(i64::MIN), SeekFrom::Start(u64::MAX)] {
        let error = reader.seek(nowhere).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(reader.stream_position().unwrap(), n, "it stays");
    }
    assert_eq!(reader.read(&mut []).unwrap(), 0);
}

/// Tensors beyond 2^32 bytes, without making any.
#[test]
fn the_end_of_a_large_model_is_read_at_once() {
    let stream = synthetic("gpt-oss-120b").stream().unwrap();
    assert!(stream.size_bytes() > 59 << 30);
    let mut reader = stream.reader();
    let mut bytes = [0; 4096];
    reader.seek(SeekFrom::End(-4096)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert!(bytes.iter().any(|&byte| byte != 0));
    reader.seek(SeekFrom::Start(40 << 30)).unwrap();
    let mut again = [0; 4096];
    reader.read_exact(&mut again).unwrap();
    assert_ne!(bytes, again);
}

/// llama.cpp reads the tensors for devices by size: each is drawn once, however often a reader comes back to it.
#[test]
fn the_blocks_of_a_few_tensors_are_kept() {
    let stream = synthetic("tiny-llama").stream().unwrap();
    let mut reader = stream.reader();
    let data = stream.layout().header.len() as u64;
    for tensor in &stream.layout().tensors {
        reader.seek(SeekFrom::Start(data + tensor.offset)).unwrap();
        reader.read_exact(&mut [0; 4]).unwrap();
        assert!(reader.contents.len() <= MAX_CONTENTS);
    }
    let last = stream.layout().tensors.len() - 1;
    assert_eq!(reader.contents.last().unwrap().0, last);
    reader.seek(SeekFrom::Start(data + stream.layout().tensors[last - 1].offset)).unwrap();
    let before: Vec<usize> = reader.contents.iter().map(|(index, _)| *index).collect();
    reader.read_exact(&mut [0; 4]).unwrap();
    let after: Vec<usize> = reader.contents.iter().map(|(index, _)| *index).collect();
    assert_eq!(before.len(), after.len(), "none is drawn again");
    assert_eq!(after.last(), Some(&(last - 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_piece_is_that_of_the_file(
        places in proptest::collection::vec((0.0..1.0_f64, 1_usize..200_000), 1..12),
        shape in 0_usize..3,
    ) {
        static FILES: std::sync::LazyLock<Vec<(SyntheticStream, Vec<u8>)>> = std::sync::LazyLock::new(|| {
            ["tiny-gpt-oss", "tiny-granite-hybrid", "tiny-t5"]
                .map(|name| (synthetic(name).stream().unwrap(), file_of(&synthetic(name))))
                .into()
        });
        let (stream, file) = &FILES[shape];
        let mut reader = stream.reader();
        for (share, n) in places {
            let at = (share * file.len() as f64) as usize;
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut piece = vec![0; n];
            let n_read = reader.read(&mut piece).unwrap();
            prop_assert_eq!(n_read, n.min(file.len() - at));
            prop_assert!(piece[..n_read] == file[at..at + n_read]);
            prop_assert_eq!(reader.stream_position().unwrap(), (at + n_read) as u64);
        }
    }
}
