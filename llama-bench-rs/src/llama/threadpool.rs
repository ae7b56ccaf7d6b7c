//! ggml's thread pool: made with the context and freed after it.

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    ContextParams, LlamaError, at_exit, log,
    scheduling::{Lent, Refused, Settings},
    sys, threads,
};

type New = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
type Free = unsafe extern "C" fn(*mut sys::ggml_threadpool);

/// Threads that wait for a context's work.
pub(super) struct ThreadPool {
    raw: NonNull<sys::ggml_threadpool>,
    free: Free,
    n_threads: u32,
    /// A CPU mask or a priority, and the number that distinguishes it from those of other pools.
    settings: Option<(Settings, u64)>,
}

// SAFETY: ggml's pool is a heap object with its own mutex, bound to no thread.
unsafe impl Send for ThreadPool {}

impl ThreadPool {
    /// As many threads as generation or prompt processing wants, whichever is more.
    pub(super) fn new(params: &ContextParams) -> Result<Self, LlamaError> {
        static POOLS: AtomicU64 = AtomicU64::new(threads::OWN_SETTINGS + 1);
        let n_threads = params.n_threads.max(params.n_threads_batch);
        let refused = |why: &str| LlamaError::Unsupported {
            what: format!("a pool of {n_threads} threads"),
            why: why.into(),
        };
        let settings = Settings::new(&params.cpu_mask, params.cpu_strict, params.prio);
        if let Some(settings) = &settings {
            settings.check(n_threads as usize).map_err(|refused| not_scheduled(params, &refused))?;
        }
        let settings = settings.map(|settings| (settings, POOLS.fetch_add(1, Ordering::Relaxed)));
        if threads::OPENMP {
            threads::prepare(n_threads, number(&settings))?;
        } else {
            threads::can_start(n_threads)?;
        }
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
        let _caller = settings.as_ref().map(|(settings, _)| settings.lend());
        // SAFETY: fully initialised parameters, read during the call.
        let (pool, log) = log::capture(|| unsafe {
            let _inside = at_exit::enter();
            new(&mut raw)
        });
        match NonNull::new(pool) {
            Some(raw) => Ok(Self { raw, free, n_threads, settings }),
            None => Err(refused(&format!("ggml could not make it: {}", log.complaints()))),
        }
    }

    pub(super) fn as_raw(&self) -> sys::ggml_threadpool_t {
        self.raw.as_ptr()
    }

    pub(super) fn n_threads(&self) -> u32 {
        self.n_threads
    }

    /// A number for its mask and priority.
    #[inline]
    pub(super) fn settings(&self) -> u64 {
        number(&self.settings)
    }

    /// Keeps what the calling thread has, and gives it what the pool's first thread has: it is that one.
    #[inline]
    pub(super) fn lend_caller(&self) -> Option<Lent> {
        let (settings, _) = self.settings.as_ref()?;
        let lent = settings.lend();
        if !threads::OPENMP {
            // ggml counts the calling thread last. The same was not refused when the pool was made.
            let _ = settings.apply(self.n_threads as usize - 1);
        }
        Some(lent)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let _inside = at_exit::enter();
        // SAFETY: made by the matching function, freed once, and no context uses it any more: the context that it
        // was attached to is dropped first.
        unsafe { (self.free)(self.raw.as_ptr()) };
    }
}

#[inline]
fn number(settings: &Option<(Settings, u64)>) -> u64 {
    settings.as_ref().map_or(threads::OWN_SETTINGS, |&(_, number)| number)
}

fn not_scheduled(params: &ContextParams, refused: &Refused) -> LlamaError {
    let (name, value, remedy) = match refused {
        Refused::Mask(error) => {
            let cpus = params.cpu_mask.iter().enumerate().filter(|(_, allowed)| **allowed);
            let cpus: Vec<_> = cpus.map(|(cpu, _)| cpu.to_string()).collect();
            let remedy = format!("the system refuses ({error}): name CPUs that this process may use");
            ("cpu_mask", format!("CPU {}", cpus.join(",")), remedy)
        }
        Refused::Prio(error) => {
            let remedy =
                format!("the system refuses ({error}): give 0, or run with the right to raise priorities");
            ("prio", params.prio.to_string(), remedy)
        }
    };
    LlamaError::Parameter { name, value, remedy }
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
