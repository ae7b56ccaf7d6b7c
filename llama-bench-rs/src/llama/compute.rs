//! What the thread that computes lends to a call, and gets back: its CPU mask and priority.

use std::{
    ffi::c_void,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Backend, Context, LlamaError, Model, at_exit, scheduling::Lent, threads};

impl Context {
    /// To be held while the context computes on this thread.
    ///
    /// # Errors
    /// The threads that it computes with cannot be started.
    #[inline]
    pub(super) fn lend_caller(&self) -> Result<Option<Lent>, LlamaError> {
        let Some(pool) = &self.threads else { return Ok(None) };
        threads::prepare(pool.n_threads(), pool.settings())?;
        Ok(pool.lend_caller())
    }
}

/// Whether a flag that is never set costs nothing: Metal submits its work in other portions when it must look at one.
pub(super) fn takes_abort_flag(_model: &Model) -> bool {
    static TAKES: OnceLock<bool> = OnceLock::new();
    *TAKES.get_or_init(|| {
        let names = Backend::init().map(|backend| backend.names()).unwrap_or_default();
        !names.split(',').any(|name| matches!(name, "MTL" | "Metal"))
    })
}

/// Stops a computation: the application's flag is set, if there is one, or the process ends.
pub(super) unsafe extern "C" fn is_to_stop(flag: *mut c_void) -> bool {
    // SAFETY: null, or the AtomicBool that the context keeps alive.
    let flag = unsafe { flag.cast::<AtomicBool>().as_ref() };
    at_exit::is_ending() || flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
}
