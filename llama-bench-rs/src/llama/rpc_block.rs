//! A block of memory on a device, for measuring the way there.

use std::{ffi::c_void, ptr::NonNull};

use super::{Device, LlamaError, log, rpc, rpc_graphs, sys};

/// Memory of a device that the host writes and reads. As long as it lives, the connection to the device's server stays.
pub(crate) struct Block {
    raw: NonNull<sys::llama_sys_block>,
    size: usize,
    device: Device,
}

impl Block {
    /// Takes `size` bytes.
    pub(crate) fn new(device: Device, size: usize) -> Result<Self, LlamaError> {
        // SAFETY: a registered device; what fails gives a null pointer.
        let (raw, log) = log::capture_quietly(|| unsafe { sys::llama_sys_block_new(device.as_raw(), size) });
        let raw = NonNull::new(raw).ok_or_else(|| LlamaError::OutOfMemory {
            what: format!("taking {size} bytes on {}", device.name()),
            log: rpc::why(&log),
        })?;
        Ok(Self { raw, size, device })
    }

    /// Writes the beginning of the block; the bytes may still be on their way.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), LlamaError> {
        let n = data.len().min(self.size);
        // SAFETY: a live block of at least `n` bytes, and as many to read.
        let is_done =
            unsafe { sys::llama_sys_block_write(self.raw.as_ptr(), data.as_ptr().cast::<c_void>(), n) };
        self.done(is_done)
    }

    /// Reads the beginning of the block, after everything that was written.
    pub(crate) fn read(&mut self, data: &mut [u8]) -> Result<(), LlamaError> {
        let n = data.len().min(self.size);
        // SAFETY: a live block of at least `n` bytes, and room for as many.
        let is_done =
            unsafe { sys::llama_sys_block_read(self.raw.as_ptr(), data.as_mut_ptr().cast::<c_void>(), n) };
        self.done(is_done)
    }

    fn done(&self, is_done: bool) -> Result<(), LlamaError> {
        if is_done {
            return Ok(());
        }
        let server = self.device.server().unwrap_or_else(|| self.device.name());
        Err(LlamaError::RpcServer { server, problem: rpc::why(&log::Log::default()) })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: a live block that nobody else has.
        unsafe { sys::llama_sys_block_free(self.raw.as_ptr()) };
        rpc_graphs::after_free();
    }
}
