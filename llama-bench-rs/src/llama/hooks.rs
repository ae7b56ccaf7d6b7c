//! What llama.cpp calls back for the whole process: a listener of its log, and a function for failed assertions. There is
//! one of each, and a program may use llama.cpp by another library too, which sets its own.
//!
//! The functions here come in front of whatever was set, take what concerns calls of this library, and pass the rest
//! on. Whoever sets another later has it until the next [`install`].

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_void},
    mem, ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{at_exit, log, sys};

/// A listener as llama.cpp calls it. It may unwind: what others' listeners throw passes through.
type Listen = unsafe extern "C-unwind" fn(sys::ggml_log_level, *const c_char, *mut c_void);

/// The one address of [`on_log`]: a function may have several.
static ON_LOG: Listen = on_log;

/// A listener with its data.
#[derive(Clone, Copy)]
struct Listener {
    listen: Listen,
    data: *mut c_void,
}

// SAFETY: llama.cpp itself passes both to whichever thread logs.
unsafe impl Send for Listener {}

/// Whoever had the log before. Without an entry, lines of others' calls are passed on like ours.
static OTHER: Mutex<Option<Listener>> = Mutex::new(None);

thread_local! {
    /// A line of this thread is with the other listener, which may pass it back.
    static PASSING_ON: Cell<bool> = const { Cell::new(false) };
}

/// Takes over llama.cpp's log and its failed assertions, again if others did since.
pub(super) fn install() {
    let mut other = other();
    let now = current();
    if !is_ours(now) {
        // SAFETY: compares the address alone.
        let is_default = unsafe { sys::llama_sys_log_is_default(as_c(now.listen)) };
        // In a program that shares llama.cpp, others expect their lines where llama.cpp puts them.
        *other = Some(now).filter(|_| sys::build_info::SHARED || !is_default);
        // Another thread may be about to call the listener that was there, and find the new data: it is the old one.
        // SAFETY: a static function that takes any data, and data that its owner hands out for every thread.
        unsafe { sys::llama_log_set(as_c(ON_LOG), now.data) };
    }
    // SAFETY: a static function that only reads two counters.
    unsafe { sys::llama_sys_throw_on_abort(Some(caller)) };
}

/// Whether lines come here first. If others took the log over meanwhile, some are missing.
pub(super) fn has_log() -> bool {
    is_ours(current())
}

fn other() -> MutexGuard<'static, Option<Listener>> {
    OTHER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The listener that llama.cpp's libraries call.
fn current() -> Listener {
    let (mut listen, mut data) = (None, ptr::null_mut());
    // SAFETY: two places to write to.
    unsafe { sys::ggml_log_get(&mut listen, &mut data) };
    // ggml never has none: null means its default.
    Listener { listen: listen.map_or(ON_LOG, as_rust), data }
}

fn is_ours(listener: Listener) -> bool {
    ptr::fn_addr_eq(listener.listen, ON_LOG)
}

type ListenInC = unsafe extern "C" fn(sys::ggml_log_level, *const c_char, *mut c_void);

fn as_c(listen: Listen) -> sys::ggml_log_callback {
    // SAFETY: the two differ in whether they may unwind alone, and C++ lets exceptions pass.
    Some(unsafe { mem::transmute::<Listen, ListenInC>(listen) })
}

fn as_rust(listen: ListenInC) -> Listen {
    // SAFETY: a function that never unwinds is one that may.
    unsafe { mem::transmute::<ListenInC, Listen>(listen) }
}

unsafe extern "C-unwind" fn on_log(level: sys::ggml_log_level, text: *const c_char, _data: *mut c_void) {
    if text.is_null() {
        return;
    }
    if let Some(other) = listener_of_others() {
        let _passing_on = PassingOn::begin();
        // SAFETY: set before ours, and called as llama.cpp would have called it.
        unsafe { (other.listen)(level, text, other.data) };
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for the duration of the call.
    log::listen(level, unsafe { CStr::from_ptr(text) });
}

/// Who is to get a line of this thread, if not we.
fn listener_of_others() -> Option<Listener> {
    if at_exit::is_inside() || PASSING_ON.get() {
        return None;
    }
    let other = (*other())?;
    // If others' listener calls ours, what it replaced may be gone.
    has_log().then_some(other)
}

/// As long as it lives, lines of this thread that come back are ours.
struct PassingOn;

impl PassingOn {
    fn begin() -> Self {
        PASSING_ON.set(true);
        Self
    }
}

impl Drop for PassingOn {
    fn drop(&mut self) {
        PASSING_ON.set(false);
    }
}

/// Whose call of llama.cpp this thread is in.
unsafe extern "C" fn caller() -> sys::llama_sys_caller {
    if at_exit::is_inside() {
        sys::LLAMA_SYS_CALLER_US
    } else if at_exit::is_any_inside() {
        sys::LLAMA_SYS_CALLER_UNKNOWN
    } else {
        sys::LLAMA_SYS_CALLER_OTHERS
    }
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
