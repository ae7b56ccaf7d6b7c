//! ggml's thread pool: made with the context and freed after it.

use std::ptr::NonNull;

use llama_sys as sys;

use super::{ContextParams, LlamaError, log};

type New = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
type Free = unsafe extern "C" fn(*mut sys::ggml_threadpool);

/// Threads that wait for a context's work.
pub(super) struct ThreadPool {
    raw: NonNull<sys::ggml_threadpool>,
    free: Free,
}

// SAFETY: ggml's pool is a heap object with its own mutex, bound to no thread.
unsafe impl Send for ThreadPool {}

impl ThreadPool {
    /// As many threads as generation or prompt processing wants, whichever is more.
    pub(super) fn new(params: &ContextParams) -> Result<Self, LlamaError> {
        let n_threads = params.n_threads.max(params.n_threads_batch);
        let refused = |why: &str| LlamaError::Unsupported {
            what: format!("a pool of {n_threads} threads"),
            why: why.into(),
        };
        // The functions live in the CPU backend, which may be a library loaded at run time.
        let new = cpu_function(c"ggml_threadpool_new")
            .ok_or_else(|| refused("the CPU backend has no thread pools"))?;
        let free = cpu_function(c"ggml_threadpool_free")
            .ok_or_else(|| refused("the CPU backend cannot free thread pools"))?;
        // SAFETY: the registered address of a function of exactly this type (ggml-cpu.h).
        let new: New = unsafe { std::mem::transmute::<*mut std::ffi::c_void, New>(new.as_ptr()) };
        // SAFETY: as above.
        let free: Free = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Free>(free.as_ptr()) };

        // SAFETY: any number of threads up to GGML_MAX_N_THREADS, which ContextParams::check has ensured.
        let mut raw = unsafe { sys::ggml_threadpool_params_default(n_threads as i32) };
        for (slot, &allowed) in raw.cpumask.iter_mut().zip(&params.cpu_mask) {
            *slot = allowed;
        }
        raw.strict_cpu = params.cpu_strict;
        raw.poll = params.poll;
        raw.prio = params.prio as sys::ggml_sched_priority;
        // SAFETY: fully initialised parameters, read during the call.
        let (pool, log) = log::capture(|| unsafe { new(&mut raw) });
        match NonNull::new(pool) {
            Some(raw) => Ok(Self { raw, free }),
            None => Err(refused(&format!("ggml could not make it: {}", log.complaints()))),
        }
    }

    pub(super) fn as_raw(&self) -> sys::ggml_threadpool_t {
        self.raw.as_ptr()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // SAFETY: made by the matching function, freed once, and no context uses it any more: the context that it
        // was attached to is dropped first.
        unsafe { (self.free)(self.raw.as_ptr()) };
    }
}

fn cpu_function(name: &std::ffi::CStr) -> Option<NonNull<std::ffi::c_void>> {
    // SAFETY: a Backend exists whenever a context is made, so the registry is initialised; a null device is checked.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return None;
        }
        let registry = sys::ggml_backend_dev_backend_reg(device);
        NonNull::new(sys::ggml_backend_reg_get_proc_address(registry, name.as_ptr()))
    }
}
