//! The end of the process, which destroys ggml's registry and llama.cpp's other C++ statics while threads run on.
//!
//! `exit`, which a return from `main` calls, runs their destructors. So every call into llama.cpp is counted (see
//! [`sys`](super::sys)), and a handler that `exit` runs before them lets the calls in flight end: decodes are aborted,
//! loads stop at their next sign of progress, everything else takes its time. From then on no call begins: its thread
//! sleeps until the process is gone. Code of the application that llama.cpp calls (listeners, subscribers) does not
//! count, or it could wait for the very thread that waits for it.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    process,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Set in [`STATE`] once the process ends.
const ENDING: usize = 1 << (usize::BITS - 1);

/// Calls in flight, and [`ENDING`]: one number, so a call either began before the end or sees it.
static STATE: AtomicUsize = AtomicUsize::new(0);

/// The C++ statics are gone.
static DESTROYED: AtomicBool = AtomicBool::new(false);

/// The process that the handler waits in: one that was forked off has none of the other threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    // Both without destructors: handles may be dropped while a thread's other variables are destroyed.
    /// Calls of this thread that are inside one another.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// This thread runs `exit`.
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// Proof that the C++ statics are not destroyed as long as it lives.
pub(super) struct Inside(());

/// Begins a call into llama.cpp, or never returns since the process ends.
#[inline]
pub(super) fn enter() -> Inside {
    let depth = DEPTH.get();
    if depth == 0 {
        begin();
    }
    DEPTH.set(depth + 1);
    Inside(())
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            STATE.fetch_sub(1, Ordering::Release);
        }
    }
}

#[inline]
fn begin() {
    if STATE.fetch_add(1, Ordering::Acquire) & ENDING != 0 {
        begin_at_the_end();
    }
}

#[cold]
fn begin_at_the_end() {
    if ENDS.get() && !DESTROYED.load(Ordering::Relaxed) {
        // A handler of `exit` that runs between this module's and the destructors.
        return;
    }
    STATE.fetch_sub(1, Ordering::Release);
    if ENDS.get() {
        // A handler that was registered before llama.cpp was initialised uses it after its end.
        end_at_once();
    }
    loop {
        thread::park();
    }
}

/// Whether this thread is in a call into llama.cpp. Code of the application that such a call runs is not.
pub(super) fn is_inside() -> bool {
    DEPTH.get() > 0
}

/// Whether any thread is in one.
pub(super) fn is_any_inside() -> bool {
    STATE.load(Ordering::Relaxed) & !ENDING > 0
}

/// Whether computations and loads are to stop, since the process ends.
pub(super) fn is_ending() -> bool {
    STATE.load(Ordering::Relaxed) & ENDING != 0
}

/// Calls that never return: the end of the process does not wait for them, and destroys nothing that they use.
static N_ENDLESS: AtomicUsize = AtomicUsize::new(0);

/// Proof that the call that this thread begins next may never return.
pub(super) struct Endless(());

/// Announces such a call.
pub(super) fn endless() -> Endless {
    N_ENDLESS.fetch_add(1, Ordering::AcqRel);
    Endless(())
}

impl Drop for Endless {
    fn drop(&mut self) {
        N_ENDLESS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs code of the application that llama.cpp calls: `exit` does not wait for it.
pub(super) fn outside<R>(call: impl FnOnce() -> R) -> R {
    struct Outside(u32);
    impl Drop for Outside {
        fn drop(&mut self) {
            if self.0 > 0 {
                begin();
                DEPTH.set(self.0);
            }
        }
    }
    let outside = Outside(DEPTH.replace(0));
    if outside.0 > 0 {
        STATE.fetch_sub(1, Ordering::Release);
    }
    call()
}

/// To be called before ggml's registry exists.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        PROCESS.store(process::id(), Ordering::Relaxed);
        register(on_destroyed, on_destroyed_without_status);
        arm();
    });
}

/// Lets `exit` run the handler before the destructors of all statics that exist by now: C++ makes some of them in the
/// call that first needs them, and `exit` goes backwards.
pub(super) fn arm() {
    register(on_exit, on_exit_without_status);
}

/// Counts the calls of one function, and arms again after the first, second, fourth, eighth and so on: each may have
/// made statics that are new.
pub(super) struct Calls(AtomicU32);

impl Calls {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline]
    pub(super) fn count(&self) {
        // Two threads may count as one: nothing depends on the exact number.
        let n = self.0.load(Ordering::Relaxed).saturating_add(1);
        self.0.store(n, Ordering::Relaxed);
        if n.is_power_of_two() {
            arm();
        }
    }
}

extern "C" fn on_exit(status: c_int, _data: *mut c_void) {
    if PROCESS.load(Ordering::Relaxed) != process::id() || ENDS.replace(true) {
        return;
    }
    STATE.fetch_or(ENDING, Ordering::AcqRel);
    // A library that ends the process from inside a call of this thread, as OpenMP's does, cannot end that call.
    let own = usize::from(DEPTH.get() > 0);
    while STATE.load(Ordering::Acquire) & !ENDING > own + N_ENDLESS.load(Ordering::Acquire) {
        thread::sleep(Duration::from_micros(200));
    }
    if N_ENDLESS.load(Ordering::Acquire) > 0 {
        // Before the destructors, which would take away what such a call uses.
        STATUS.store(status as u32, Ordering::Relaxed);
        end_at_once();
    }
}

extern "C" fn on_destroyed(status: c_int, _data: *mut c_void) {
    STATUS.store(status as u32, Ordering::Relaxed);
    DESTROYED.store(true, Ordering::Relaxed);
}

/// What `exit` was called with.
static STATUS: AtomicU32 = AtomicU32::new(0);

type Handler = extern "C" fn(c_int, *mut c_void);

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn register(handler: Handler, _without_status: extern "C" fn()) {
    unsafe extern "C" {
        fn on_exit(handler: Handler, data: *mut c_void) -> c_int;
    }
    // SAFETY: a static function that never unwinds. Without memory for it, the process ends as it did without one.
    unsafe { on_exit(handler, std::ptr::null_mut()) };
}

/// Elsewhere handlers do not get the status.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn register(_handler: Handler, without_status: extern "C" fn()) {
    // SAFETY: a static function that never unwinds. Without memory for it, the process ends as it did without one.
    unsafe { libc::atexit(without_status) };
}

extern "C" fn on_exit_without_status() {
    on_exit(libc::EXIT_FAILURE, std::ptr::null_mut());
}

extern "C" fn on_destroyed_without_status() {
    on_destroyed(libc::EXIT_FAILURE, std::ptr::null_mut());
}

/// Ends the process without running what is left of `exit`; what C has buffered is written.
fn end_at_once() -> ! {
    // SAFETY: null flushes all streams; `_exit` has no preconditions.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(STATUS.load(Ordering::Relaxed) as c_int)
    }
}

#[cfg(test)]
#[path = "at_exit_tests.rs"]
mod tests;
