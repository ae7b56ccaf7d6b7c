//! Loading a model whose file exists nowhere: the C library reads a stream whose bytes Rust makes.

use std::{
    any::Any,
    ffi::{c_char, c_int, c_void},
    io::{self, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use super::{ModelParams, sys};
use crate::llama::{LazyMode, LoadMode};

/// What a call of [`read`] is asked for. The C library's own size is 8 KiB, for which a call costs little; more than a
/// core's cache would be written and read through memory.
const BUFFER_BYTES: usize = 64 << 10;

/// What a stream needs of its source.
pub(super) trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// What became of a load by stream.
pub(super) struct Outcome {
    /// Null if it failed.
    pub(super) model: *mut sys::llama_model,
    /// Why the source could not be read.
    pub(super) error: Option<io::Error>,
    /// A panic of the source, which ended the load.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// The source of a stream that is open, and what went wrong with it.
struct Cookie<'a> {
    source: &'a mut dyn Source,
    /// The stream's buffer, which is initialised.
    buffer: *mut c_char,
    error: Option<io::Error>,
    panic: Option<Box<dyn Any + Send>>,
    is_open: bool,
}

impl Cookie<'_> {
    /// What C is told in place of a panic or an error, which are kept.
    fn contained(&mut self, call: impl FnOnce(&mut dyn Source) -> io::Result<i64>) -> i64 {
        // A source that failed is not asked again: the C library would repeat a read after one that a seek made.
        if self.panic.is_some() || self.error.is_some() {
            return -1;
        }
        match catch_unwind(AssertUnwindSafe(|| call(self.source))) {
            Ok(Ok(n)) => n,
            Ok(Err(error)) => {
                self.error.get_or_insert(error);
                -1
            }
            Err(panic) => {
                self.panic = Some(panic);
                -1
            }
        }
    }
}

impl ModelParams {
    /// Why a synthetic model must be in a file to be loaded like this, such as `load mode mmap maps a file`; `None` if it can
    /// be generated while it is read.
    pub fn needs_file(&self) -> Option<&'static str> {
        // SAFETY: no preconditions.
        if !unsafe { sys::llama_sys_has_streams() } {
            return Some("this system's C library has no streams of a program's own");
        }
        if self.no_alloc || self.vocab_only {
            return None;
        }
        match (self.load_mode, self.lazy_mode) {
            (LoadMode::Mmap, _) => Some("load mode mmap maps a file"),
            (LoadMode::MmapMlock, _) => Some("load mode mmap+mlock maps a file"),
            (LoadMode::DirectIo, _) => Some("load mode dio reads from a disk"),
            (LoadMode::Auto | LoadMode::None | LoadMode::Mlock, LazyMode::On) => {
                Some("lazy mode on maps a file")
            }
            (LoadMode::Auto | LoadMode::None | LoadMode::Mlock, LazyMode::Off | LazyMode::Auto) => None,
        }
    }
}

/// Loads a model from what `source` reads, from its start. Nothing is left open, whatever happens.
///
/// # Safety
/// What `params` points to lives past the call.
pub(super) unsafe fn load(source: &mut dyn Source, mut params: sys::llama_model_params) -> Outcome {
    // There is nothing to map, and auto is a mapping.
    if params.load_mode != LoadMode::Mlock.as_raw() {
        params.load_mode = LoadMode::None.as_raw();
    }
    params.lazy_mode = LazyMode::Off.as_raw();
    let mut buffer: Vec<c_char> = vec![0; BUFFER_BYTES];
    let start = buffer.as_mut_ptr();
    let mut cookie = Cookie { source, buffer: start, error: None, panic: None, is_open: true };
    let mut stream = sys::llama_sys_stream {
        data: ptr::from_mut(&mut cookie).cast(),
        read: Some(read),
        seek: Some(seek),
        close: Some(close),
    };
    // SAFETY: the stream, its data and the buffer live past the call, which closes the stream before it returns; the caller
    // vouches for the parameters, whose modes map nothing.
    let model =
        unsafe { sys::llama_sys_model_load_from_stream(&raw mut stream, start, BUFFER_BYTES, params) };
    debug_assert!(!cookie.is_open || model.is_null(), "the stream is closed");
    Outcome { model, error: cookie.error, panic: cookie.panic }
}

unsafe extern "C" fn read(data: *mut c_void, out: *mut c_char, n: usize) -> i64 {
    // SAFETY: the Cookie of the load that runs on this thread, which nothing else uses meanwhile.
    let cookie = unsafe { &mut *data.cast::<Cookie<'_>>() };
    if n == 0 {
        return 0;
    }
    // SAFETY: `n` bytes that the C library reads into and that nobody else uses during the call. A library may read past
    // its buffer into memory that nobody has written yet, hence the zeros.
    let out = unsafe {
        if out != cookie.buffer {
            ptr::write_bytes(out, 0, n);
        }
        slice::from_raw_parts_mut(out.cast::<u8>(), n)
    };
    cookie.contained(|source| {
        loop {
            match source.read(out) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(|n| n as i64),
            }
        }
    })
}

unsafe extern "C" fn seek(data: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let cookie = unsafe { &mut *data.cast::<Cookie<'_>>() };
    let to = match whence {
        0 => u64::try_from(offset).ok().map(SeekFrom::Start),
        1 => Some(SeekFrom::Current(offset)),
        2 => Some(SeekFrom::End(offset)),
        _ => None,
    };
    cookie.contained(|source| {
        let to = to.ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        source.seek(to).map(|at| i64::try_from(at).unwrap_or(-1))
    })
}

unsafe extern "C" fn close(data: *mut c_void) {
    // SAFETY: as in `read`.
    unsafe { &mut *data.cast::<Cookie<'_>>() }.is_open = false;
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
