//! Ctrl-C: stops the answer in progress; at the prompt it ends the program.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// As shells report a program that SIGINT ended.
pub const STATUS: u8 = 130;

/// Signals that come within this time are one request: `timeout` sends its signal to the program and to its group.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// Ctrl-C so soon after an answer that ended by itself was meant for the answer.
const TOO_LATE: Duration = Duration::from_secs(1);

/// What a Ctrl-C does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Stop,
    Repeated,
    Late,
    End,
}

#[derive(Debug, Default)]
struct State {
    is_answering: bool,
    /// When the last answer ended, unless it was stopped.
    ended: Option<Instant>,
    last: Option<Instant>,
}

impl State {
    fn request(&mut self, now: Instant, is_stopping: bool) -> Request {
        let is_within = |before: Option<Instant>, time| before.is_some_and(|before| now - before < time);
        let is_repeated = is_within(self.last.replace(now), SAME_REQUEST);
        if is_repeated {
            Request::Repeated
        } else if self.is_answering {
            // The computation does not stop at once: a device may finish what it has begun.
            if is_stopping { Request::End } else { Request::Stop }
        } else if is_within(self.ended.take(), TOO_LATE) {
            Request::Late
        } else {
            Request::End
        }
    }
}

/// Watches for Ctrl-C.
#[derive(Clone)]
pub struct Interrupts {
    stop: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
    is_interactive: bool,
}

impl Interrupts {
    /// From now on; `stop` stops an answer.
    pub fn watch(stop: Arc<AtomicBool>, is_interactive: bool) -> std::io::Result<Self> {
        let interrupts = Self { stop, state: Arc::default(), is_interactive };
        let watched = interrupts.clone();
        on_interrupt(move || watched.heed())?;
        Ok(interrupts)
    }

    /// An answer begins.
    pub fn begin(&self) {
        let mut state = self.state();
        self.stop.store(false, Ordering::Relaxed);
        *state = State { is_answering: true, ..State::default() };
    }

    /// It has ended; `is_stopped` if by Ctrl-C.
    pub fn end(&self, is_stopped: bool) {
        let mut state = self.state();
        state.is_answering = false;
        state.ended = (self.is_interactive && !is_stopped).then(Instant::now);
    }

    fn heed(&self) {
        let mut state = self.state();
        match state.request(Instant::now(), self.stop.load(Ordering::Relaxed)) {
            Request::Stop => self.stop.store(true, Ordering::Relaxed),
            Request::Repeated => {}
            Request::Late => {
                crate::print::err(format_args!("\n[the answer had ended; Ctrl-C again ends the chat]\n> "));
            }
            Request::End => {
                crate::print::err(format_args!("\n"));
                exit();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn on_interrupt(heed: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])?;
    let wait = move || signals.forever().for_each(|_| heed());
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

#[cfg(not(unix))]
fn on_interrupt(heed: impl Fn() + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(heed).map_err(std::io::Error::other)
}

/// Ends the process at once: the main thread may be in the middle of a computation.
#[cfg(unix)]
fn exit() -> ! {
    signal_hook::low_level::exit(STATUS.into())
}

#[cfg(not(unix))]
fn exit() -> ! {
    std::process::exit(STATUS.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(is_answering: bool) -> State {
        State { is_answering, ..State::default() }
    }

    #[test]
    fn the_first_stops_the_answer_and_a_later_one_the_program() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut state = answering(true);
        assert_eq!(state.request(after(0), false), Request::Stop);
        assert_eq!(state.request(after(10), true), Request::Repeated);
        assert_eq!(state.request(after(1000), true), Request::End, "the answer does not stop");
        let mut state = answering(false);
        assert_eq!(state.request(after(0), false), Request::End, "at the prompt");
    }

    #[test]
    fn one_that_comes_just_after_an_answer_was_meant_for_it() {
        let start = Instant::now();
        let mut state = State { ended: Some(start), ..answering(false) };
        assert_eq!(state.request(start + Duration::from_millis(500), false), Request::Late);
        assert_eq!(state.request(start + Duration::from_millis(900), false), Request::End);
        let mut state = State { ended: Some(start), ..answering(false) };
        assert_eq!(state.request(start + TOO_LATE, false), Request::End);
    }
}
