//! Metadata of a loaded model, as llama.cpp gives it.

use std::{collections::BTreeMap, ffi::c_char};

use super::{device::text, sys};

/// All values but arrays, as text.
///
/// # Safety
/// `model` is a live model.
pub(super) unsafe fn metadata(model: *const sys::llama_model) -> BTreeMap<String, String> {
    type Get = unsafe extern "C" fn(*const sys::llama_model, i32, *mut c_char, usize) -> i32;
    let read = |get: Get, i: i32| -> Option<String> {
        let mut buffer = vec![0 as c_char; 256];
        loop {
            // SAFETY: a live model, an index below the count, and a buffer with its size.
            let n = unsafe { get(model, i, buffer.as_mut_ptr(), buffer.len()) };
            let n = usize::try_from(n).ok()?;
            if n < buffer.len() {
                // SAFETY: the function NUL-terminates what it writes.
                return Some(unsafe { text(buffer.as_ptr()) });
            }
            buffer.resize(n + 1, 0);
        }
    };
    // SAFETY: a live model.
    let count = unsafe { sys::llama_model_meta_count(model) };
    (0..count)
        .filter_map(|i| {
            Some((
                read(sys::llama_model_meta_key_by_index, i)?,
                read(sys::llama_model_meta_val_str_by_index, i)?,
            ))
        })
        .collect()
}
