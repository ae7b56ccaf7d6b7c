//! Threads that a computation needs, started once before ggml or OpenMP start them: both end the process when they cannot.

use std::{cell::Cell, io, sync::Mutex, thread};

use super::LlamaError;

/// OpenMP starts the threads, on the first computation of each thread that calls.
pub(super) const OPENMP: bool = cfg!(feature = "openmp");

/// Settings of a team that nobody has given a mask or priority.
pub(super) const OWN_SETTINGS: u64 = 0;

thread_local! {
    /// Threads that were seen to start for this thread's team.
    static STARTED: Cell<u32> = const { Cell::new(1) };
    /// The settings that the threads of this thread's team were given last.
    static TEAM: Cell<u64> = const { Cell::new(OWN_SETTINGS) };
}

/// Makes sure that this thread can compute with `n_threads` threads, and that those which OpenMP keeps for it have not
/// got the mask or priority of another context.
#[inline]
pub(super) fn prepare(n_threads: u32, settings: u64) -> Result<(), LlamaError> {
    if !OPENMP || n_threads <= 1 || (n_threads <= STARTED.get() && settings == TEAM.get()) {
        return Ok(());
    }
    if settings != TEAM.get() {
        if TEAM.get() != OWN_SETTINGS {
            end_team();
            STARTED.set(1);
        }
        TEAM.set(settings);
    }
    if n_threads > STARTED.get() {
        can_start(n_threads)?;
        STARTED.set(n_threads);
    }
    Ok(())
}

/// Starts as many threads as a computation has beside the calling one, all at once, and ends them.
pub(super) fn can_start(n_threads: u32) -> Result<(), LlamaError> {
    let gate = Mutex::new(());
    let started = thread::scope(|scope| {
        let _closed = gate.lock();
        for _ in 1..n_threads {
            let wait = || drop(gate.lock());
            thread::Builder::new().stack_size(stack_bytes()).spawn_scoped(scope, wait)?;
        }
        Ok(())
    });
    started.map_err(|source: io::Error| LlamaError::Threads { n_threads, source })
}

/// The default stack size of a thread.
fn stack_bytes() -> usize {
    #[cfg(unix)]
    {
        let mut bytes = 0;
        // SAFETY: the attributes are initialised before they are read, and destroyed once.
        unsafe {
            let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
            if libc::pthread_attr_init(&mut attributes) == 0 {
                libc::pthread_attr_getstacksize(&attributes, &mut bytes);
                libc::pthread_attr_destroy(&mut attributes);
            }
        }
        if bytes > 0 {
            return bytes;
        }
    }
    2 << 20
}

/// Ends the threads that OpenMP keeps for this thread. The next computation starts others, which are like it.
fn end_team() {
    #[cfg(unix)]
    {
        type Pause = unsafe extern "C" fn(i32) -> i32;
        const SOFT: i32 = 1;
        let names = [c"libgomp.so.1", c"libomp.so.5", c"libomp.so", c"libomp.dylib"];
        // SAFETY: NUL-terminated names; nothing is loaded that is not there already.
        let pause = unsafe {
            let loaded =
                || names.map(|name| libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD));
            std::iter::once(libc::RTLD_DEFAULT)
                .chain(loaded().into_iter().filter(|library| !library.is_null()))
                .map(|library| libc::dlsym(library, c"omp_pause_resource_all".as_ptr()))
                .find(|function| !function.is_null())
        };
        if let Some(pause) = pause {
            // SAFETY: OpenMP 5.0's function of this name and type; this thread is in no parallel region.
            unsafe { std::mem::transmute::<*mut std::ffi::c_void, Pause>(pause)(SOFT) };
            return;
        }
    }
    tracing::warn!(
        "this OpenMP cannot end its threads: they keep the CPU mask and priority of an earlier context"
    );
}
