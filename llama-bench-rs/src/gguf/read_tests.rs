use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::gguf::header;

/// A file with every kind of value, two tensors and its data.
fn sample() -> Vec<u8> {
    let metadata: Vec<(&str, Value)> = vec![
        ("general.architecture", "llama".into()),
        ("a.u8", Value::U8(1)),
        ("a.i8", Value::I8(-1)),
        ("a.u16", Value::U16(2)),
        ("a.i16", Value::I16(-2)),
        ("a.u32", Value::U32(3)),
        ("a.i32", Value::I32(-3)),
        ("a.f32", Value::F32(0.5)),
        ("a.bool", Value::Bool(true)),
        ("a.u64", Value::U64(4)),
        ("a.i64", Value::I64(-4)),
        ("a.f64", Value::F64(0.25)),
        ("b.names", vec!["x", "yz", ""].into()),
        ("b.flags", vec![true, false].into()),
        ("b.numbers", vec![1_i32, -1].into()),
        ("b.empty", Vec::<f32>::new().into()),
        ("general.alignment", Value::U32(64)),
    ];
    let tensors =
        [tensor("a.weight", &[32, 3], TensorType::Q8_0, 0), tensor("b", &[5], TensorType::F32, 128)];
    let mut pairs = Vec::new();
    metadata.iter().for_each(|(k, v)| header::pair(&mut pairs, k, v));
    let mut bytes = header::header(metadata.len(), &pairs, &tensors, 64);
    bytes.resize(bytes.len() + 128 + 20, 7);
    bytes
}

fn tensor(name: &str, dims: &[u64], tensor_type: TensorType, offset: u64) -> TensorInfo {
    let size_bytes = tensor_type.size_bytes(dims[0], dims.iter().product()).unwrap();
    TensorInfo { name: name.into(), dims: dims.into(), tensor_type, offset, size_bytes }
}

fn parse(bytes: &[u8]) -> Result<GgufFile, GgufError> {
    GgufFile::from_bytes(bytes, "sample.gguf")
}

fn problem(bytes: &[u8]) -> (u64, Malformed) {
    match parse(bytes) {
        Err(GgufError::Malformed { offset, problem, .. }) => (offset, problem),
        other => panic!("{other:?}"),
    }
}

/// Where `needle` lies in `bytes`, once.
fn find(bytes: &[u8], needle: &[u8]) -> Range<usize> {
    let at: Vec<_> = bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).collect();
    assert_eq!(at.len(), 1, "{}", needle.escape_ascii());
    at[0].0..at[0].0 + needle.len()
}

fn with_u64(at: usize, value: u64) -> Vec<u8> {
    let mut bytes = sample();
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn with_u32(at: usize, value: u32) -> Vec<u8> {
    let mut bytes = sample();
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn what_was_written_is_read() {
    let bytes = sample();
    let file = parse(&bytes).unwrap();
    assert_eq!((file.version, file.alignment), (3, 64));
    assert_eq!(file.architecture(), Some("llama"));
    assert_eq!(file.metadata.len(), 17);
    assert_eq!(file.get("a.i64"), Some(&Value::I64(-4)));
    assert_eq!(file.get("b.names"), Some(&vec!["x", "yz", ""].into()));
    assert_eq!(file.get("b.empty").and_then(Value::as_array).map(Array::is_empty), Some(true));
    assert_eq!(file.get("no.such"), None);
    assert_eq!(file.tensors.len(), 2);
    assert_eq!(file.tensors[0].size_bytes, 3 * 34);
    assert_eq!(file.n_params(), 96 + 5);
    assert_eq!(file.data_offset % 64, 0);
    assert_eq!(file.file_bytes, bytes.len() as u64);
    // Written again from what was read, it is the same file.
    let mut pairs = Vec::new();
    file.metadata.iter().for_each(|(k, v)| header::pair(&mut pairs, k, v));
    assert_eq!(header::header(17, &pairs, &file.tensors, 64), bytes[..file.data_offset as usize]);
    assert_eq!(pairs, bytes[file.metadata_range.start as usize..file.metadata_range.end as usize]);
}

#[test]
fn dimensions_that_somebody_wrote_there_are_counted_without_overflow() {
    let mut file = parse(&sample()).unwrap();
    file.tensors[0].dims = vec![u64::MAX, 3];
    assert_eq!(file.tensors[0].n_elements(), u64::MAX);
    assert_eq!(file.n_params(), u64::MAX);
}

#[test]
fn a_cut_off_file_is_refused_wherever_it_is_cut() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    assert_eq!(
        problem(&bytes[..bytes.len() - 1]).1,
        Malformed::BeyondEnd {
            name: "b".into(),
            begin: bytes.len() as u64 - 20,
            size_bytes: 20,
            file_bytes: bytes.len() as u64 - 1,
            missing_bytes: 1
        }
    );
    assert_eq!(problem(&[]).1, Malformed::CutOff { what: "the magic".into(), needed: 4, left: 0 });
}

/// The beginning of the sample as a file of its own.
fn beginning(length: usize) -> Result<GgufFile, GgufError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.gguf");
    std::fs::write(&path, &sample()[..length]).unwrap();
    GgufFile::open_header(&path)
}

#[test]
fn a_header_alone_is_read_and_one_that_is_cut_off_says_how_much_is_missing() {
    let whole = parse(&sample()).unwrap();
    // Behind the last tensor's entry come zeros.
    let end = sample().len() as u64 - 128 - 20;
    let entries_end = (0..end).rfind(|&at| sample()[at as usize] != 0).unwrap() + 8;
    for length in 0..sample().len() {
        match beginning(length) {
            Ok(file) => {
                assert!(length as u64 >= entries_end - 7, "{length} of {entries_end}");
                assert_eq!((&file.metadata, &file.tensors), (&whole.metadata, &whole.tensors));
                assert_eq!((file.data_offset, file.file_bytes), (whole.data_offset, whole.file_bytes));
            }
            Err(GgufError::HeaderCutOff { file_bytes, missing_bytes, .. }) => {
                assert_eq!(file_bytes, length as u64);
                let needed = length as u64 + missing_bytes;
                assert!(missing_bytes > 0 && needed <= end, "{length}: {missing_bytes} of {end}");
            }
            Err(other) => panic!("{length}: {other}"),
        }
    }
    // Fetching what is asked for ends, after few requests.
    let (mut length, mut n_requests) = (0, 0);
    while let Err(GgufError::HeaderCutOff { missing_bytes, .. }) = beginning(length) {
        length += missing_bytes as usize;
        n_requests += 1;
    }
    assert!(length as u64 <= end && n_requests < 60, "{n_requests} requests");
    let said = beginning(100).unwrap_err().to_string();
    assert!(said.contains("has 100 bytes and at least ") && said.contains("fetch more"), "{said}");
    // What is not a header is not one that is cut off.
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.gguf");
    std::fs::write(&page, "<!DOCTYPE html>").unwrap();
    let error = GgufFile::open_header(&page).unwrap_err();
    assert!(matches!(error, GgufError::Malformed { problem: Malformed::Magic { .. }, .. }), "{error}");
}

#[test]
fn magic_and_version_are_checked() {
    assert_eq!(problem(b"GGML....").1, Malformed::Magic { found: "GGML".into() });
    let bytes = problem(b"\x96\xa2\"\n....").1.to_string();
    let expected = r#"it begins with "\x96\xa2\"\n" instead of "GGUF"; name a model in the GGUF format"#;
    assert_eq!(bytes, expected, "each byte is escaped once");
    for (begin, hint) in [
        (&b"<!DOCTYPE html>"[..], "fetch the file itself"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"PK\x03\x04....", "convert the model to GGUF"),
    ] {
        assert!(problem(begin).1.to_string().contains(hint), "{hint}");
    }
    for version in [0, 1, 4, 3 << 24] {
        assert_eq!(problem(&with_u32(4, version)), (4, Malformed::Version { found: version }));
    }
    assert!(parse(&with_u32(4, 2)).is_ok());
    assert!(parse(&with_u32(4, 3 << 24)).unwrap_err().to_string().contains("big-endian"));
}

#[test]
fn counts_that_the_file_cannot_hold_are_refused_before_anything_is_allocated() {
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 63, 1 << 40, 1000] {
            let (offset, problem) = problem(&with_u64(at, count));
            assert_eq!(offset, at as u64);
            assert!(matches!(problem, Malformed::TooLarge { found, .. } if found == count), "{problem}");
            assert!(problem.to_string().ends_with("cut off or damaged: fetch it again"), "{problem}");
        }
    }
}

#[test]
fn string_and_array_lengths_that_overflow_are_refused() {
    let bytes = sample();
    let key = find(&bytes, b"general.architecture").start - 8;
    let value = find(&bytes, b"llama").start - 8;
    let array = find(&bytes, b"b.numbers").end + 8;
    let tensor = find(&bytes, b"a.weight").start - 8;
    for at in [key, value, array, tensor] {
        for length in [u64::MAX, u64::MAX / 2, 1 << 32, bytes.len() as u64] {
            let (offset, problem) = problem(&with_u64(at, length));
            assert_eq!(offset, at as u64, "{problem}");
            assert!(matches!(problem, Malformed::TooLarge { found, .. } if found == length), "{problem}");
        }
    }
}

#[test]
fn types_outside_the_format_are_refused() {
    let bytes = sample();
    let value = find(&bytes, b"a.u16").end;
    let element = find(&bytes, b"b.numbers").end + 4;
    for (at, bad) in [(value, 13), (value, u32::MAX), (element, 9), (element, 13)] {
        let (offset, problem) = problem(&with_u32(at, bad));
        assert_eq!(offset, at as u64);
        assert!(matches!(problem, Malformed::Invalid { .. }), "{problem}");
    }
}

#[test]
fn alignment_must_be_a_power_of_two() {
    let at = find(&sample(), b"general.alignment").end + 4;
    for bad in [0, 3, 63, u32::MAX] {
        assert!(matches!(problem(&with_u32(at, bad)).1, Malformed::Invalid { .. }));
    }
    // A power of two that is not the writer's puts tensors elsewhere.
    assert!(matches!(problem(&with_u32(at, 1 << 31)).1, Malformed::BeyondEnd { .. }));
    let wrong_type = with_u32(at - 4, 5);
    assert!(matches!(problem(&wrong_type).1, Malformed::Invalid { .. }));
}

#[test]
fn tensor_entries_are_checked_field_by_field() {
    let bytes = sample();
    let first = find(&bytes, b"a.weight").end;
    let (n_dims, dims, kind, offset) = (first, first + 4, first + 20, first + 24);
    assert!(matches!(problem(&with_u32(n_dims, 5)).1, Malformed::TooLarge { found: 5, limit: 4, .. }));
    for bad in [0, 1 << 63, u64::MAX] {
        assert!(
            matches!(problem(&with_u64(dims, bad)), (at, Malformed::Invalid { .. }) if at == dims as u64)
        );
    }
    assert!(matches!(problem(&with_u64(dims, 33)).1, Malformed::Invalid { .. }), "not whole blocks");
    assert!(matches!(problem(&with_u64(dims, 1 << 57)).1, Malformed::BeyondEnd { .. }));
    for bad in [4, 31, 43, u32::MAX] {
        assert!(
            matches!(problem(&with_u32(kind, bad)), (at, Malformed::Invalid { .. }) if at == kind as u64)
        );
    }
    for bad in [32, 1, u64::MAX] {
        assert!(matches!(problem(&with_u64(offset, bad)).1, Malformed::Offset { expected: 0, .. }));
    }
    let mut renamed = bytes.clone();
    renamed[find(&bytes, b"a.weight")][0] = 0;
    assert!(matches!(problem(&renamed).1, Malformed::Invalid { .. }));
}

#[test]
fn names_that_occur_twice_are_refused() {
    let bytes = sample();
    let mut twice = bytes.clone();
    twice[find(&bytes, b"a.i8")].copy_from_slice(b"a.u8");
    assert_eq!(problem(&twice).1, Malformed::Duplicate { what: "metadata key", name: "a.u8".into() });
    let twins = [tensor("t", &[8], TensorType::F32, 0), tensor("t", &[8], TensorType::F32, 32)];
    let mut bytes = header::header(0, &[], &twins, 32);
    bytes.resize(bytes.len() + 64, 1);
    assert_eq!(problem(&bytes).1, Malformed::Duplicate { what: "tensor", name: "t".into() });
}

#[test]
fn what_is_no_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(GgufFile::open(folder.path()), Err(GgufError::NotAFile { .. })));
    let missing = folder.path().join("missing.gguf");
    assert!(matches!(GgufFile::open(&missing), Err(GgufError::Io { doing: "open", .. })));
    std::fs::write(&missing, sample()).unwrap();
    assert_eq!(GgufFile::open(&missing).unwrap(), parse(&sample()).unwrap());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(parse(&bytes).is_err());
        let mut with_magic = b"GGUF\x03\0\0\0".to_vec();
        with_magic.extend(bytes);
        let _ = parse(&with_magic);
    }

    #[test]
    fn a_changed_byte_yields_a_file_that_still_fits_or_an_error(at in 0_usize..900, to in any::<u8>()) {
        let mut bytes = sample();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(file) = parse(&bytes) {
            for t in &file.tensors {
                prop_assert!(file.data_offset + t.offset + t.size_bytes <= bytes.len() as u64);
            }
        }
    }
}
