//! Where the tensors of a file lie in it.

use std::io::Read;

use super::{GgufError, Malformed, TensorInfo, cursor::Cursor};

/// The size of the file that holds these tensors, in bytes.
pub(super) fn whole_bytes(tensors: &[TensorInfo], data_offset: u64) -> u64 {
    let end = |tensor: &TensorInfo| {
        data_offset.saturating_add(tensor.offset).saturating_add(tensor.size_bytes).min(i64::MAX as u64)
    };
    tensors.iter().map(end).max().unwrap_or(data_offset)
}

/// llama.cpp wants the tensors one behind the other in the order of the header, each padded to the alignment.
pub(super) fn check_layout<R: Read>(
    c: &Cursor<'_, R>,
    tensors: &[TensorInfo],
    entries: &[u64],
    alignment: u64,
    data_offset: u64,
    file_bytes: u64,
) -> Result<(), GgufError> {
    let mut expected: u64 = 0;
    for (t, &at) in tensors.iter().zip(entries) {
        if t.offset != expected {
            let problem = Malformed::Offset { name: t.name.clone(), found: t.offset, expected };
            return Err(c.malformed(at, problem));
        }
        let beyond = || Malformed::BeyondEnd {
            name: t.name.clone(),
            begin: data_offset.saturating_add(expected),
            size_bytes: t.size_bytes,
            file_bytes,
            missing_bytes: whole_bytes(tensors, data_offset).saturating_sub(file_bytes),
        };
        let end = expected.checked_add(t.size_bytes).and_then(|e| e.checked_add(data_offset));
        match end {
            Some(end) if end <= file_bytes => {}
            _ => return Err(c.malformed(at, beyond())),
        }
        // The end lies within the file, whose size the system keeps under 2^63: padding cannot overflow.
        expected = (expected + t.size_bytes).next_multiple_of(alignment);
    }
    Ok(())
}
