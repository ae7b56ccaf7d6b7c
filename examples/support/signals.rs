//! Signals: the first one asks the measuring to stop and keeps what was measured, a later one ends the process at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use llama_bench_rs::bench::Cancel;

/// As shells report a program that a signal ended: this and the signal's number.
const BY_SIGNAL: u8 = 128;

/// Signals that come within this time are one request: `timeout` sends its signal to the program and to its group, and a
/// terminal that closes hangs up twice, by the kernel and by the shell.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// What a signal asks for.
#[derive(Clone, Default)]
pub struct Interrupt {
    cancel: Cancel,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Stops the measuring.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The exit status of the signal, if there was one: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    pub fn status(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::Relaxed);
        (signal > 0).then(|| BY_SIGNAL + signal as u8)
    }

    /// Watches for SIGINT, SIGTERM, SIGHUP and SIGXCPU. A file that grows beyond `ulimit -f` is an error of its write
    /// from then on, as a full disk is, not a signal.
    #[cfg(unix)]
    pub fn watch() -> std::io::Result<Self> {
        use std::sync::atomic::AtomicBool;

        use signal_hook::{
            consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ},
            flag,
        };
        flag::register(SIGXFSZ, Arc::default())?;
        let (asked, signal) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Who starts a program with nohup wants it to outlive the terminal.
        let watched: Vec<i32> = [SIGINT, SIGTERM, SIGHUP, SIGXCPU]
            .into_iter()
            .filter(|&one| one != SIGHUP || !is_ignored(one))
            .collect();
        let can_wait = end_at_a_later_one(&watched).is_ok();
        for &one in &watched {
            // Without a thread that measures the time, any second signal ends the process. In this order:
            // the handler of the first signal finds the flag unset, that of the second one set.
            if !can_wait {
                flag::register_conditional_shutdown(one, i32::from(BY_SIGNAL) + one, Arc::clone(&asked))?;
            }
            flag::register_usize(one, Arc::clone(&signal), one as usize)?;
            flag::register(one, Arc::clone(&asked))?;
        }
        Ok(Self { cancel: Cancel::from(asked), signal })
    }

    /// Watches for Ctrl-C, Ctrl-Break and the closing of the console.
    #[cfg(not(unix))]
    pub fn watch() -> Result<Self, ctrlc::Error> {
        const SIGINT: usize = 2;
        let interrupt = Self::default();
        let Self { cancel, signal } = interrupt.clone();
        let mut first = None;
        ctrlc::set_handler(move || {
            signal.store(SIGINT, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_REQUEST {
                std::process::exit(i32::from(BY_SIGNAL) + SIGINT as i32);
            }
            cancel.cancel();
        })?;
        Ok(interrupt)
    }
}

/// Ends the process at a signal that is not part of the first request.
#[cfg(unix)]
fn end_at_a_later_one(watched: &[i32]) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(watched)?;
    let wait = move || {
        let mut first = None;
        for one in signals.forever() {
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_REQUEST {
                signal_hook::low_level::exit(i32::from(BY_SIGNAL) + one);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

/// Whether the process was started with this signal ignored; false if the system does not say.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
