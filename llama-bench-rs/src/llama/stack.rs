//! Calls whose stack grows with their input, on a stack that is long enough.

use std::{io, panic, thread};

/// What is kept free beyond the stack that a call is known to take.
const MARGIN: usize = 64 << 10;

/// A call that takes more than this gets a thread, however long the caller's stack is said to be.
const MOST_HERE: usize = 1 << 20;

/// Runs a call that takes at most `bytes` of stack: on this thread if it has as much left, else on one made for it,
/// whose stack takes memory only as far as it is used.
///
/// # Errors
/// No thread with such a stack could be started.
pub(super) fn with<R: Send>(bytes: usize, call: impl FnOnce() -> R + Send) -> io::Result<R> {
    let bytes = bytes.saturating_add(MARGIN);
    if bytes <= MOST_HERE && left().is_some_and(|left| bytes <= left) {
        return Ok(call());
    }
    // Beyond, rounding up to whole pages would overflow.
    if bytes > isize::MAX as usize / 2 {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes).spawn_scoped(scope, call)?;
        Ok(thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    })
}

/// Bytes of stack that this thread has left; `None` if unknown.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn left() -> Option<usize> {
    use std::cell::Cell;
    thread_local! {
        static STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }
    let (low, high) = STACK.get().or_else(|| {
        let stack = stack_of_this_thread();
        STACK.set(stack);
        stack
    })?;
    let here = 0u8;
    let here = (&raw const here).addr();
    // Elsewhere in a program that changes stacks by itself.
    (low..high).contains(&here).then(|| here - low)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn stack_of_this_thread() -> Option<(usize, usize)> {
    let (mut low, mut bytes, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are filled in before they are read, and destroyed once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let code = libc::pthread_attr_getstack(&attributes, &mut low, &mut bytes)
            | libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        if code != 0 {
            return None;
        }
    }
    // Some versions count the guard to the stack.
    Some((low.addr().checked_add(guard)?, low.addr().checked_add(bytes)?))
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn left() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_runs_here_only_if_its_stack_is_there() {
        let runs_here = |bytes| {
            let here = thread::current().id();
            with(bytes, || thread::current().id() == here).unwrap()
        };
        let on = |stack| {
            move |bytes| {
                thread::Builder::new()
                    .stack_size(stack)
                    .spawn(move || runs_here(bytes))
                    .unwrap()
                    .join()
                    .unwrap()
            }
        };
        assert!(!on(2 << 20)(1 << 20));
        assert!(!on(64 << 10)(16 << 10), "a small stack");
        assert!(!on(192 << 10)(160 << 10));
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert!(on(2 << 20)(16 << 10));
        }
    }

    #[test]
    fn a_stack_that_cannot_be_is_an_error() {
        assert!(with(usize::MAX, || ()).is_err());
        assert!(with(isize::MAX as usize / 2 - MARGIN, || ()).is_err());
    }
}
