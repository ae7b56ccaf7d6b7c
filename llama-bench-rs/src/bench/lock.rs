//! Only one sweep measures on a machine at a time: within a process, and between the processes of a user.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use super::{
    observe::{Cancel, Event, Observer},
    plan::Request,
};

/// Longest time until a request to stop is noticed while waiting.
const SLICE: Duration = Duration::from_millis(20);

/// Whether a sweep of this process measures.
static MEASURING: Mutex<bool> = Mutex::new(false);

/// A sweep of this process is over.
static OVER: Condvar = Condvar::new();

thread_local! {
    /// Sweeps that this thread runs, one inside an observer of the other.
    static N_NESTED: Cell<u32> = const { Cell::new(0) };
}

/// The right to measure, until it is dropped. A sweep inside an observer of another one shares that of its thread.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Locked as long as it is open.
    file: Option<File>,
    /// It belongs to the thread that took it.
    _of_thread: PhantomData<*const ()>,
}

impl Turn {
    /// Waits for the turn of an exclusive sweep; `None` if the sweep is not exclusive or was cancelled while it waited.
    pub(super) fn of(request: &Request, observer: &mut dyn Observer, cancel: &Cancel) -> Option<Self> {
        if !request.exclusive {
            return None;
        }
        Self::take(cancel, || {
            tracing::info!("waiting for another sweep on this machine to end");
            observer.event(&Event::Waiting);
        })
    }

    /// Waits for the turn; `None` if it was cancelled meanwhile. `waiting` is called once if it has to wait.
    pub(crate) fn take(cancel: &Cancel, waiting: impl FnMut()) -> Option<Self> {
        Self::take_at(&places(), cancel, waiting)
    }

    /// The same with a file at the first of these places that can be opened.
    fn take_at(places: &[PathBuf], cancel: &Cancel, mut waiting: impl FnMut()) -> Option<Self> {
        if N_NESTED.get() > 0 {
            return Some(Self::granted());
        }
        let mut has_told = false;
        let mut tell = || {
            if !std::mem::replace(&mut has_told, true) {
                waiting();
            }
        };
        while std::mem::replace(&mut *lock(), true) {
            // Without holding the flag's lock: an observer may run a sweep itself.
            tell();
            if cancel.is_cancelled() {
                return None;
            }
            drop(OVER.wait_timeout_while(lock(), SLICE, |is_measuring| *is_measuring));
        }
        // Dropping it gives the turn back, whatever happens from here on.
        let mut turn = Self::granted();
        let Some(file) = open(places) else { return Some(turn) };
        loop {
            match file.try_lock() {
                Ok(()) => {
                    turn.file = Some(file);
                    return Some(turn);
                }
                Err(TryLockError::WouldBlock) => {
                    tell();
                    if cancel.is_cancelled() {
                        return None;
                    }
                    std::thread::sleep(SLICE);
                }
                Err(TryLockError::Error(error)) => {
                    unprotected(&error);
                    return Some(turn);
                }
            }
        }
    }

    /// One more turn of this thread.
    fn granted() -> Self {
        N_NESTED.set(N_NESTED.get() + 1);
        Self { file: None, _of_thread: PhantomData }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        N_NESTED.set(N_NESTED.get() - 1);
        if N_NESTED.get() == 0 {
            // Unlocked before another sweep of this process tries the file.
            self.file = None;
            *lock() = false;
            OVER.notify_all();
        }
    }
}

/// Reports a wait on standard error, once per process, if there is no observer. An error there is ignored.
pub(crate) fn tell_on_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = writeln!(io::stderr(), "llama-bench-rs: waiting for another sweep on this machine to end");
    });
}

/// A panic elsewhere does not invalidate a plain flag.
fn lock() -> MutexGuard<'static, bool> {
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file in the user's cache folder, or in the folder for temporary files if the first cannot be written.
fn places() -> Vec<PathBuf> {
    let in_cache = dirs::cache_dir().map(|cache| cache.join("llama-bench-rs").join("measuring.lock"));
    in_cache.into_iter().chain([std::env::temp_dir().join("llama-bench-rs.lock")]).collect()
}

fn open(places: &[PathBuf]) -> Option<File> {
    let mut why = None;
    for place in places {
        match open_or_make(place) {
            Ok(file) => return Some(file),
            Err(error) => why = Some(error),
        }
    }
    unprotected(&why?);
    None
}

/// A file of another user can be locked as well, though not written.
fn open_or_make(path: &Path) -> io::Result<File> {
    if let Ok(file) = File::open(path) {
        return Ok(file);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

fn unprotected(error: &io::Error) {
    tracing::warn!("sweeps of other processes may disturb this one, as no lock file can be used: {error}");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn file() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("lock");
        (folder, vec![path])
    }

    #[test]
    fn threads_measure_one_after_the_other() {
        let (_folder, places) = file();
        let (n_at_once, n_told) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let told = || _ = n_told.fetch_add(1, Ordering::Relaxed);
                    let turn = Turn::take_at(&places, &Cancel::new(), told).unwrap();
                    assert_eq!(n_at_once.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    n_at_once.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                });
            }
        });
        assert!(n_told.load(Ordering::Relaxed) <= 4, "each thread tells at most once");
    }

    #[test]
    fn a_turn_inside_a_turn_does_not_wait_and_the_outer_one_is_kept() {
        let (_folder, places) = file();
        let silent = || {};
        let outer = Turn::take_at(&places, &Cancel::new(), silent).unwrap();
        drop(Turn::take_at(&places, &Cancel::new(), || panic!("it waits")).unwrap());
        let elsewhere = File::open(&places[0]).unwrap();
        assert!(matches!(elsewhere.try_lock(), Err(TryLockError::WouldBlock)));
        drop(outer);
        elsewhere.try_lock().unwrap();
    }

    #[test]
    fn another_process_is_waited_for_with_a_word_until_it_ends() {
        let (_folder, places) = file();
        fs::create_dir_all(places[0].parent().unwrap()).unwrap();
        // An open file of its own, as another process has one.
        let other = File::create(&places[0]).unwrap();
        other.lock().unwrap();
        let mut n_told = 0;
        let turn = Turn::take_at(&places, &Cancel::new(), || {
            n_told += 1;
            other.unlock().unwrap();
        });
        assert!(turn.is_some());
        assert_eq!(n_told, 1);
    }

    #[test]
    fn who_waits_can_be_stopped_and_leaves_the_turn_to_others() {
        let (_folder, places) = file();
        fs::create_dir_all(places[0].parent().unwrap()).unwrap();
        let other = File::create(&places[0]).unwrap();
        other.lock().unwrap();
        let cancel = Cancel::new();
        assert!(Turn::take_at(&places, &cancel, || cancel.cancel()).is_none());
        other.unlock().unwrap();
        assert!(Turn::take_at(&places, &Cancel::new(), || {}).is_some());
    }

    #[test]
    fn who_waits_for_another_thread_can_be_stopped_and_may_ask_again() {
        let (_folder, places) = file();
        let turn = Turn::take_at(&places, &Cancel::new(), || {});
        std::thread::scope(|scope| {
            let waiting = || {
                let cancel = Cancel::new();
                assert!(Turn::take_at(&places, &cancel, || cancel.cancel()).is_none());
                // An observer that sweeps itself when told of the wait waits as well.
                let outer = Cancel::new();
                let inner = || {
                    outer.cancel();
                    assert!(Turn::take_at(&places, &outer, || {}).is_none());
                };
                assert!(Turn::take_at(&places, &outer, inner).is_none());
            };
            scope.spawn(waiting).join().unwrap();
        });
        drop(turn);
        assert!(Turn::take_at(&places, &Cancel::new(), || {}).is_some());
    }

    #[test]
    fn a_panic_gives_the_turn_back() {
        let (_folder, places) = file();
        let panicked = std::panic::catch_unwind(|| {
            let _turn = Turn::take_at(&places, &Cancel::new(), || {});
            panic!("an observer's own");
        });
        assert!(panicked.is_err());
        assert!(std::thread::scope(|scope| {
            scope.spawn(|| Turn::take_at(&places, &Cancel::new(), || {}).is_some()).join().unwrap()
        }));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_passed_over() {
        let (folder, places) = file();
        let in_a_file = folder.path().join("file");
        fs::write(&in_a_file, "").unwrap();
        let bad = in_a_file.join("lock");
        let turn = Turn::take_at(&[bad.clone(), places[0].clone()], &Cancel::new(), || {}).unwrap();
        assert!(turn.file.is_some());
        drop(turn);
        let turn = Turn::take_at(&[bad], &Cancel::new(), || {}).unwrap();
        assert!(turn.file.is_none(), "measured all the same");
    }
}
